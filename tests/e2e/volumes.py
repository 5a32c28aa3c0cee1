# SPDX-License-Identifier: Apache-2.0
"""A pod's volumes, laid out on the host as a kubelet does it.

One pod for all: its first container has one volume of each kind, the second some of the same.
"""

import os
import shutil
import subprocess
import time

import containerd as c
from report import Skip, check, check_equal, check_in

WAIT = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done")
HOST_TO_CONTAINER = 1
UID = "0b5c-1"


def volume(ct, plugin, name):
    """Where the kubelet has a volume of the pod."""
    path = f"{ct.kubelet}/pods/{UID}/volumes/kubernetes.io~{plugin}/{name}"
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o777)
    return path


def write(path, text, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path) as file:
        return file.read()


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def umount(path):
    subprocess.run(["umount", path], check=False)


def project(path, number, files, modes=None):
    """As the kubelet projects {name: text} and updates that: a new directory, one rename of a link to it, then the
    links of what is new and of what is gone, and the old directory."""
    old = os.path.lexists(f"{path}/..data") and os.readlink(f"{path}/..data")
    new = f"..2026_01_31_12_00_{number:02}.123456789"
    for name, text in files.items():
        os.makedirs(os.path.dirname(f"{path}/{new}/{name}"), exist_ok=True)
        write(f"{path}/{new}/{name}", text, (modes or {}).get(name, 0o640))
    os.symlink(new, f"{path}/..data_tmp")
    os.rename(f"{path}/..data_tmp", f"{path}/..data")
    links = {name.split("/")[0] for name in files}
    there = {name for name in os.listdir(path) if not name.startswith("..")}
    for name in links - there:
        os.symlink(f"..data/{name}", f"{path}/{name}")
    for name in there - links:
        os.unlink(f"{path}/{name}")
    if old:
        shutil.rmtree(f"{path}/{old}")


def bind(inside, source, **more):
    return {"container_path": inside, "host_path": source, **more}


def open_pod(ct, handler, config="", memory_mib=8):
    ct.kubelet = f"{ct.run}/{ct.new_id('kubelet')}"
    before = read(ct.husk_config)
    ct.write_husk_config(before + f'kubelet_root_dir = "{ct.kubelet}"\n' + config)
    ct.configmap = volume(ct, "configmap", "config")
    project(ct.configmap, 1, {"key": "one\n", "other": "kept\n"})
    ct.disk, ct.memory = volume(ct, "empty-dir", "disk"), volume(ct, "empty-dir", "memory")
    mount("-t", "tmpfs", "-o", f"size={memory_mib}m,mode=2777,gid=1234", "tmpfs", ct.memory)
    # As a kubelet, before there is a pod: a shim has a mount namespace of its own, which later mounts reach
    # only on hosts that share theirs.
    ct.huge = volume(ct, "empty-dir", "huge")
    ct.has_huge = subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M,size=8M", "none", ct.huge],
                                 check=False).returncode == 0
    ct.host = f"{ct.kubelet}/host"
    os.makedirs(ct.host)
    mount("-t", "tmpfs", "tmpfs", ct.host)
    mount("--make-shared", ct.host)
    os.makedirs(f"{ct.host}/sub")
    write(f"{ct.host}/script", "#!/bin/sh\necho ran\n", 0o755)
    write(f"{ct.host}/sub/file", "first\n", 0o600)
    os.symlink("/etc/hostname", f"{ct.host}/link")
    os.symlink("../../../../../../..", f"{ct.host}/out")
    try:
        ct.volumes = ct.run_pod(handler)
        ct.one = ct.volumes.start(*WAIT, name="one", mounts=[
            bind("/config", ct.configmap, readonly=True), bind("/disk", ct.disk), bind("/memory", ct.memory),
            bind("/host", ct.host, propagation=HOST_TO_CONTAINER), bind("/file", f"{ct.host}/sub/file")])
        ct.two = ct.volumes.start(*WAIT, name="two", mounts=[
            bind("/config", ct.configmap), bind("/disk", ct.disk), bind("/memory", ct.memory, readonly=True),
            bind("/host", ct.host, readonly=True), bind("/dev/shm", ct.memory)])
    finally:
        ct.write_husk_config(before)


def close_pod(ct):
    ct.volumes.remove()
    umount(ct.memory)
    umount(ct.host)
    if ct.has_huge:
        umount(ct.huge)


def check_switch(ct, container, path, word, switch):
    """A container that has /disk sees within 2 s of switch() that a file's first word is another, and is never without the
    file. pod_switches.py looks closer."""
    # It looks every 50 ms, and says how often it has: so the two seconds are those in which it had the processor.
    watch = (f'echo begin; i=0; until k=; read k <{path}; [ "$k" ] || exit 1; echo $i >/disk/looks; [ "$k" = {word} ] || [ $i = 1000 ];'
             "do i=$((i+1)); usleep 50000; done; echo $k $i")
    process = subprocess.Popen(ct.crictl_command("exec", container, "sh", "-c", watch), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    check_equal(process.stdout.readline(), "begin\n")
    time.sleep(1)
    switch()
    before = c.wait_for(lambda: os.path.exists(f"{ct.disk}/looks") and read(f"{ct.disk}/looks"), 5, "the first look")
    out = process.communicate(timeout=180)[0]
    check_equal(process.returncode, 0, "a look at the file")
    seen, looks = out.split()
    os.unlink(f"{ct.disk}/looks")
    check_equal(seen, word)
    took = (int(looks) - int(before)) * 0.05
    check(took <= 2, f"seen after {took:.1f} s")


def test_configmap_is_switched(ct):
    check_equal(ct.volumes.sh(ct.one, "cat /config/key /config/other"), "one\nkept\n")
    check_equal(ct.volumes.sh(ct.one, "stat -Lc %a /config/key"), "640\n")
    check_switch(ct, ct.one, "/config/key", "two", lambda: project(ct.configmap, 2, {"key": "two\n", "other": "kept\n"}))
    check_equal(ct.volumes.sh(ct.one, "cat /config/other"), "kept\n")


def test_files_keep_what_they_are(ct):
    check_equal(ct.volumes.sh(ct.one, "/host/script; stat -c %a /host/sub/file /host/script; readlink /host/link"),
                "ran\n600\n755\n/etc/hostname\n")
    name = ct.volumes.config["hostname"]
    check_equal(ct.volumes.sh(ct.one, "cat /host/link"), f"{name}\n", "links lead to where they would in the container")


def test_written_on_both_sides(ct):
    ct.volumes.sh(ct.one, "echo guest >/host/from-guest; chown 7:8 /host/from-guest")
    check_equal(read(f"{ct.host}/from-guest"), "guest\n")
    check_equal((os.stat(f"{ct.host}/from-guest").st_uid, os.stat(f"{ct.host}/from-guest").st_gid), (7, 8))
    write(f"{ct.host}/from-host", "host\n")
    check_equal(ct.volumes.sh(ct.two, "cat /host/from-guest /host/from-host"), "guest\nhost\n")


def test_single_file(ct):
    check_equal(ct.volumes.sh(ct.one, "cat /file; echo second >/file; cat /file"), "first\nsecond\n")
    check_equal(read(f"{ct.host}/sub/file"), "second\n")


def test_read_only(ct):
    for container, path in ((ct.one, "/config/new"), (ct.two, "/host/new"), (ct.two, "/memory/new")):
        check_in("Read-only file system", ct.volumes.sh(container, f"touch {path} 2>&1 || true"))
    check(not os.path.exists(f"{ct.host}/new"))


def test_mounts_below_a_read_only_one(ct):
    """"Read-only" is the mount's alone, "recursive read-only" that of those below it too."""
    below = f"{ct.host}/below"
    os.makedirs(below)
    mount("-t", "tmpfs", "tmpfs", below)
    try:
        mounts = [bind("/plain", ct.host, readonly=True)]
        if not ct.is_v1:
            mounts.append(bind("/all", ct.host, readonly=True, recursive_read_only=True))
        container = ct.volumes.start(*WAIT, name="below", mounts=mounts)
        check_in("Read-only file system", ct.volumes.sh(container, "touch /plain/new 2>&1 || true"))
        ct.volumes.sh(container, "echo word >/plain/below/file")
        check_equal(read(f"{below}/file"), "word\n")
        if not ct.is_v1:
            for path in ("/all/new", "/all/below/new", "/all/below/file"):
                check_in("Read-only file system", ct.volumes.sh(container, f"touch {path} 2>&1 || true"))
        ct.crictl("rm", "-f", container, check=True)
    finally:
        subprocess.run(["umount", "-l", below], check=False)


def test_propagation(ct):
    late = f"{ct.host}/late"
    os.makedirs(late)
    mount("-t", "tmpfs", "tmpfs", late)
    try:
        write(f"{late}/file", "mounted later\n")
        c.wait_for(lambda: ct.volumes.sh(ct.one, "cat /host/late/file", check=False) == "mounted later\n", 10,
                   "a mount of the host, where HostToContainer is asked for")
        check_equal(ct.volumes.sh(ct.two, "ls /host/late"), "", "and not elsewhere")
    finally:
        # virtiofsd has open what the guest has looked at.
        subprocess.run(["umount", "-l", late], check=False)
    c.wait_for(lambda: ct.volumes.sh(ct.one, "ls /host/late", check=False) == "", 10, "its end")


def test_empty_dir_on_disk(ct):
    ct.volumes.sh(ct.one, "echo word >/disk/file")
    check_equal(ct.volumes.sh(ct.two, "cat /disk/file"), "word\n")
    check_equal(read(f"{ct.disk}/file"), "word\n", "on the host, where the kubelet counts it")
    ct.volumes.sh(ct.one, "head -c 3000000 /dev/zero >/disk/large; sync /disk/large")
    check(os.stat(f"{ct.disk}/large").st_blocks * 512 >= 3000000, "counted as used")


def test_empty_dir_on_disk_made_in_the_guest(ct):
    """With disable_guest_empty_dir = false: in the guest's memory, for as long as the pod lives."""
    if ct.volumes.handler == "runc":
        raise Skip("husk's own")
    path, before = volume(ct, "empty-dir", "inside"), read(ct.husk_config)
    os.chown(path, 0, 1234)
    os.chmod(path, 0o2777)
    ct.write_husk_config(before + f'kubelet_root_dir = "{ct.kubelet}"\ndisable_guest_empty_dir = false\n')
    try:
        pod = ct.run_pod(ct.volumes.handler)
        one, two = (pod.start(*WAIT, name=name, mounts=[bind("/disk", path)]) for name in ("one", "two"))
    finally:
        ct.write_husk_config(before)
    part = subpath(ct, "inside", "one", 0, "some/part")
    try:
        three = pod.start(*WAIT, name="three", mounts=[bind("/part", part)])
        pod.sh(three, "echo part >/part/file")
        check_equal(pod.sh(two, "cat /disk/some/part/file"), "part\n")
        check_equal(os.listdir(part), [], "on the host")
        ct.crictl("rm", "-f", three, check=True)
    finally:
        umount(part)
        os.rmdir(f"{path}/some/part")
        os.rmdir(f"{path}/some")
    pod.sh(one, "echo word >/disk/file")
    check_equal(pod.sh(two, "cat /disk/file; stat -c '%a %g' /disk; stat -f -c %T /disk"), "word\n2777 1234\ntmpfs\n")
    ct.crictl("rm", "-f", one, check=True)
    again = pod.start(*WAIT, name="one", attempt=1, mounts=[bind("/disk", path, readonly=True)])
    check_equal(pod.sh(again, "cat /disk/file; touch /disk/new 2>/dev/null || echo refused"), "word\nrefused\n")
    check_equal(os.listdir(path), [], "on the host")
    pod.remove()
    check_equal(os.listdir(path), [], "on the host, after the pod")


def test_empty_dir_in_memory(ct):
    ct.volumes.sh(ct.one, "echo word >/memory/file")
    check_equal(ct.volumes.sh(ct.two, "cat /memory/file"), "word\n", "in the pod's other container")
    check_equal(ct.volumes.sh(ct.one, "stat -c '%a %g' /memory; stat -c %g /memory/file"), "2777 1234\n1234\n")
    check_equal(ct.volumes.sh(ct.one, "df -m /memory | tail -n 1 | awk '{print $2}'; stat -f -c %T /memory"), "8\ntmpfs\n")
    check_in("No space left", ct.volumes.sh(ct.one, "dd if=/dev/zero of=/memory/large bs=1M count=9 2>&1; rm /memory/large"))
    if ct.volumes.handler != "runc":
        check_equal(os.listdir(ct.memory), [], "what is in the guest's memory")


def subpath(ct, name, container, index, part):
    """What the kubelet mounts for `subPath: part`: that part of the volume, made if it is not there."""
    source, target = f"{volume(ct, 'empty-dir', name)}/{part}", f"{ct.kubelet}/pods/{UID}/volume-subpaths/{name}/{container}/{index}"
    os.makedirs(source, exist_ok=True)
    os.makedirs(target)
    mount("--bind", source, target)
    return target


def test_sub_paths_of_an_empty_dir_in_memory(ct):
    paths = [subpath(ct, "memory", "parts", i, part) for i, part in enumerate(("a/b", "out", "made"))]
    try:
        ct.volumes.sh(ct.one, "mkdir /memory/made; echo before >/memory/made/file; ln -s / /memory/out")
        container = ct.volumes.start(*WAIT, name="parts", mounts=[
            bind("/part", paths[0]), bind("/out", paths[1]), bind("/made", paths[2], readonly=True)])
        ct.volumes.sh(container, "echo word >/part/word")
        check_equal(ct.volumes.sh(ct.one, "cat /memory/a/b/word; stat -c '%a %g' /memory/a/b"), "word\n2777 1234\n")
        check_equal(ct.volumes.sh(container, "cat /made/file; touch /made/new 2>/dev/null || echo refused"), "before\nrefused\n")
        if ct.volumes.handler != "runc":
            check_equal(ct.volumes.sh(container, "ls /out"), ct.volumes.sh(ct.one, "ls /memory"), "a link out of the volume")
            check_equal([os.listdir(path) for path in paths], [[], [], []], "on the host")
        ct.crictl("rm", "-f", container, check=True)
    finally:
        for path in paths:
            umount(path)
        for part in ("a/b", "a", "out", "made"):
            os.rmdir(f"{ct.memory}/{part}")
        ct.volumes.sh(ct.one, "rm -r /memory/a /memory/made /memory/out")


def test_shm_is_as_large_as_its_volume(ct):
    check_equal(ct.volumes.sh(ct.two, "df -m /dev/shm | tail -n 1 | awk '{print $2}'; cat /dev/shm/file 2>/dev/null || true").split()[0], "8")
    check_equal(ct.volumes.sh(ct.one, "df -m /dev/shm | tail -n 1 | awk '{print $2}'"), "64\n", "the pod's own")


def test_no_way_out(ct):
    """A link in a volume ends at the root of the container that follows it, also as part of a mount's place."""
    ct.volumes.sh(ct.one, "echo x >/host/out/written-by-the-guest")
    check(not os.path.exists("/written-by-the-guest"))
    check_equal(ct.volumes.sh(ct.one, "cat /written-by-the-guest"), "x\n")
    container = ct.volumes.create(*WAIT, name="through", mounts=[
        bind("/host", ct.host), bind("/host/out/mnt", f"{ct.host}/sub")])
    ct.crictl("start", container, check=True)
    check_in("file", ct.volumes.sh(container, "ls /mnt"))
    ct.crictl("rm", "-f", container, check=True)


def test_paths_that_climb_are_refused(ct):
    container = ct.volumes.create("true", name="climbs", mounts=[bind("/a/../../b", ct.host)])
    done = ct.crictl("start", container)
    if done.code == 0:
        raise Skip("this containerd cleans the path")
    check_in("..", done.error)
    ct.crictl("rm", container, check=True)


def test_block_volume(ct):
    """What a kubelet makes of volumeDevices: a device of the host by another name."""
    path = f"{ct.kubelet}/disk.img"
    with open(path, "wb") as file:
        file.write(b"from the host".ljust(1 << 20, b"\0"))
    loop = subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True, text=True).stdout.strip()
    try:
        container = ct.volumes.start(*WAIT, name="block", devices=[
            {"container_path": "/dev/xvda", "host_path": loop, "permissions": "mrw"}])
        check_equal(ct.volumes.sh(container, "head -c 13 /dev/xvda; printf 'from the guest' | dd of=/dev/xvda seek=1 bs=4096"
                                             " conv=fsync 2>/dev/null; echo $?"), "from the host0\n")
        ct.crictl("rm", "-f", container, check=True)
        with open(path, "rb") as file:
            check_equal(file.read()[4096:4110], b"from the guest")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


def test_huge_pages(ct):
    if ct.volumes.handler == "runc":
        raise Skip("the host has none set aside")
    if not ct.has_huge:
        raise Skip("this host has no hugetlbfs")
    before = read("/proc/meminfo")
    limits = {"resources": {"hugepage_limits": [{"page_size": "2MB", "limit": 8 << 20}]}}
    container = ct.volumes.start(*WAIT, name="huge", mounts=[bind("/huge", ct.huge)], linux=limits)
    text = ct.volumes.sh(container, "grep -E 'HugePages_(Total|Free)' /proc/meminfo; grep ' /huge ' /proc/mounts")
    check_in("HugePages_Total:       4", text)
    check_in("hugetlbfs", text)
    check_in("size=8", text)
    check_equal([line for line in read("/proc/meminfo").splitlines() if "HugePages_Total" in line],
                [line for line in before.splitlines() if "HugePages_Total" in line], "the host's")
    ct.crictl("rm", "-f", container, check=True)
