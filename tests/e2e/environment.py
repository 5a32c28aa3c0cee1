# SPDX-License-Identifier: Apache-2.0
"""What a process in a container finds: root file systems, mounts, identity, limits."""

import contextlib
import glob
import json
import os
import socket
import stat
import subprocess

import containerd as c
import ttrpc
from report import Skip, check, check_equal, check_in


def sh(ct, script, *options):
    return ct.run_container("sh", "-c", script, options=options, check=True).text


def test_mounts_of_the_default_spec(ct):
    text = ct.execute(ct.shared, "cat", "/proc/mounts", check=True).text
    kinds = {line.split()[1]: line.split()[2] for line in text.splitlines()}
    for target, kind in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "tmpfs"), ("/dev/pts", "devpts"),
                         ("/dev/shm", "tmpfs"), ("/dev/mqueue", "mqueue"), ("/run", "tmpfs")):
        check_equal(kinds.get(target), kind, target)
    options = {line.split()[1]: line.split()[3].split(",") for line in text.splitlines()}
    check_in("ro", options["/sys"], "/sys")
    check_in("noexec", options["/dev/shm"], "/dev/shm")


def test_devices(ct):
    script = ("for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done;"
              "echo x >/dev/null; head -c 3 /dev/zero | wc -c; ls -l /dev/fd /dev/ptmx /dev/stdin; ls /dev")
    text = ct.execute(ct.shared, "sh", "-c", script, check=True).text
    check("no " not in text.splitlines()[0], text)
    check_in("/proc/self/fd", text)
    check_in("ptmx -> pts/ptmx", text)


def test_root_is_writable_and_private(ct):
    check_equal(sh(ct, "echo hi >/file; cat /file"), "hi\n")
    check_equal(sh(ct, "ls /file 2>&1 || true").count("No such file"), 1)


def test_read_only_root(ct):
    text = sh(ct, "touch /file 2>&1; echo $?; touch /tmp/x 2>&1; touch /run/x && echo run ok", "--read-only")
    check_in("Read-only file system", text)
    check_in("run ok", text)


def test_native_snapshotter(ct):
    check_equal(sh(ct, "echo native >/f; cat /f", "--snapshotter", "native"), "native\n")


def test_rootfs_directory(ct):
    source = ct.rootfs
    done = ct.ctr("run", "--rm", "--runtime", c.RUNTIME, "--rootfs", source, ct.new_id("dir"),
                  "/bin/sh", "-c", "/bin/ls /bin/busybox; pwd")
    check_equal(done.text, "/bin/busybox\n/\n", done.error)


def test_bind_mounts(ct):
    source = f"{ct.run}/bind"
    os.makedirs(source, exist_ok=True)
    with open(f"{source}/file", "w") as file:
        file.write("from the host\n")
    text = sh(ct, "cat /data/file; echo back >/data/new; cat /one; echo x 2>&1 >/ro/f; true",
              "--mount", f"type=bind,src={source},dst=/data,options=rbind:rw",
              "--mount", f"type=bind,src={source}/file,dst=/one,options=bind:ro",
              "--mount", f"type=bind,src={source},dst=/ro,options=rbind:ro")
    check_equal(text.count("from the host"), 2, text)
    with open(f"{source}/new") as file:
        check_equal(file.read(), "back\n")
    check(not os.path.exists(f"{source}/f"), "a read-only bind mount was written to")


def fresh(ct, name):
    path = f"{ct.run}/{ct.new_id(name)}"
    os.makedirs(path)
    return path


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def test_bound_file_that_the_host_changes(ct):
    """Written in place it shows; replaced by a rename the old one stays, as in any bind mount."""
    source = fresh(ct, "file")
    write(f"{source}/a", "first\n")
    name = ct.detached("sleep", "1000", options=("--mount", f"type=bind,src={source}/a,dst=/a,options=bind:ro"))
    check_equal(ct.execute(name, "cat", "/a", check=True).text, "first\n")
    write(f"{source}/a", "second, longer\n")
    c.wait_for(lambda: ct.execute(name, "cat", "/a").text == "second, longer\n", 5, "what was written in place")
    write(f"{source}/b", "third\n")
    os.rename(f"{source}/b", f"{source}/a")
    check_equal(ct.execute(name, "cat", "/a", check=True).text, "second, longer\n")
    ct.remove(name)


def test_bound_sockets_and_devices_are_left_out(ct):
    source = fresh(ct, "special")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{source}/socket")
    os.mknod(f"{source}/device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    text = sh(ct, "ls /s /d 2>&1; echo runs", "--mount", f"type=bind,src={source}/socket,dst=/s,options=bind",
              "--mount", f"type=bind,src={source}/device,dst=/d,options=bind")
    listener.close()
    check_in("runs", text)
    check_equal(text.count("No such file"), 2, text)
    if c.RUNTIME == "io.containerd.husk.v2":
        for name in ("/socket'", "/device'"):
            ct.logged(source + name, "level=warn")
        with open(ct.log_path, errors="replace") as file:
            warnings = [line for line in file if source in line and "level=warn" in line]
        check_equal([sum(name in line for line in warnings) for name in ("/socket'", "/device'")], [1, 1], str(warnings))


def test_bind_source_that_does_not_exist_is_named(ct):
    done = ct.run_container("true", options=("--mount", "type=bind,src=/no/such/source,dst=/data,options=rbind:rw"))
    check(done.code != 0)
    check_in("/no/such/source", done.error)
    check_equal(len(done.error.strip().splitlines()), 1, done.error)


def test_recursively_read_only(ct):
    source = fresh(ct, "rro")
    os.makedirs(f"{source}/sub")
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{source}/sub"], check=True)
    try:
        write(f"{source}/sub/f", "below\n")
        text = sh(ct, "cat /m/sub/f; echo x 2>&1 >/m/sub/g; echo x 2>&1 >/m/g; true",
                  "--mount", f"type=bind,src={source},dst=/m,options=rbind:rro")
        check_in("below", text)
        check_equal(text.count("Read-only file system"), 2, text)
        check_equal(sorted(os.listdir(source) + os.listdir(f"{source}/sub")), ["f", "sub"])
    finally:
        c.unmount(f"{source}/sub")


def test_mount_propagation(ct):
    """Every word is taken; a slave (HostToContainer) sees what the host mounts later."""
    source = fresh(ct, "propagation")
    subprocess.run(["mount", "-t", "tmpfs", "none", source], check=True)
    subprocess.run(["mount", "--make-shared", source], check=True)
    os.makedirs(f"{source}/later")
    options = []
    for word in ("private", "rprivate", "slave", "rslave", "shared", "rshared"):
        options += ["--mount", f"type=bind,src={source},dst=/{word},options=rbind:{word}"]
    name = ct.detached("sleep", "1000", options=options)
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{source}/later"], check=True)
    try:
        write(f"{source}/later/f", "mounted later\n")
        c.wait_for(lambda: ct.execute(name, "cat", "/rslave/later/f").text == "mounted later\n", 5, "the later mount")
        check(ct.execute(name, "cat", "/rprivate/later/f").code != 0, "a private one got it too")
    finally:
        # Lazily: virtiofsd keeps what the guest has looked at open.
        subprocess.run(["umount", "-l", f"{source}/later"], check=True)
        ct.remove(name)
        c.unmount(source)


def test_vmm_of_another_user(ct):
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own configuration")
    source = fresh(ct, "user")
    os.chmod(source, 0o700)
    with open(ct.husk_config) as file:
        config = file.read()
    ct.write_husk_config(config.replace("[hypervisor.qemu]\n", '[hypervisor.qemu]\nuser = "nobody"\n'))
    try:
        name = ct.detached("sleep", "1000", options=("--mount", f"type=bind,src={source},dst=/data,options=rbind:rw"))
    finally:
        ct.write_husk_config(config)
    with open(f"/proc/{ct.tasks()[name][0]}/status") as file:
        check_in("Uid:\t65534\t65534\t65534\t65534\n", file.read(), "the monitor's user")
    check_equal(ct.execute(name, "sh", "-c", "echo x >/data/f; cat /data/f; ls /bin/busybox", check=True).text,
                "x\n/bin/busybox\n")
    check_equal(os.stat(f"{source}/f").st_uid, 0, "owner of what the container wrote")
    ct.remove(name)


def test_root_on_an_image_file(ct):
    """As the blockfile snapshotter gives it: a disk of the guest, or mounted here where the configuration
    says so; read-only, then writable."""
    with open(ct.husk_config) as file:
        config = file.read()
    image = f"{fresh(ct, 'image')}/root.img"
    tree = os.path.join(os.environ["HUSK_CACHE"], "busybox")
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tree, image, "64M"], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for option, want, loops in (("ro", b"Read-only file system", 0), ("rw", b"written", 1), ("rw", b"written", 0)):
        disabled = f"[hypervisor.qemu]\ndisable_block_device_use = {'true' if loops else 'false'}\n"
        ct.write_husk_config(config.replace("[hypervisor.qemu]\n", disabled))
        try:
            sandbox, name, output = ct.detached("sleep", "1000"), ct.new_id("image"), f"{ct.run}/image.out"
        finally:
            ct.write_husk_config(config)
        bundle = fresh(ct, "bundle")
        with open(f"{ct.bundle(sandbox)}/config.json") as file:
            spec = json.load(file)
        spec["process"]["args"] = ["sh", "-c", "touch /x && echo written"]
        spec["root"]["readonly"] = option == "ro"
        spec["linux"]["cgroupsPath"] = f"/default/{name}"
        write(f"{bundle}/config.json", json.dumps(spec))
        task = ttrpc.Task(ct.shim_address(sandbox))
        task("Create", [(1, name), (2, bundle), (3, [(1, "ext4"), (2, image), (4, "loop"), (4, option)]), (5, ""),
                        (6, f"file://{output}"), (7, f"file://{output}")])
        check_equal(attached(image), loops, "loop devices")
        task("Start", [(1, name)])
        task("Wait", [(1, name)])
        task("Delete", [(1, name)])
        with open(output, "rb") as file:
            check_in(want, file.read())
        os.unlink(output)
        # virtiofsd keeps what the guest knows of open: the device is free at the latest with the sandbox.
        ct.remove(sandbox)
        c.wait_for(lambda: attached(image) == 0, 5, "the loop device is free again")


def attached(image):
    found = 0
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError), open(path) as file:  # others come and go
            found += file.read().strip() == image
    return found


def test_tmpfs_mount(ct):
    text = sh(ct, "grep ' /scratch ' /proc/mounts; touch /scratch/x && echo ok",
              "--mount", "type=tmpfs,src=tmpfs,dst=/scratch,options=size=4m")
    check_in("ok", text)
    check_in("size=4096k", text)


def test_identity_and_limits(ct):
    script = ("id -u; id -g; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; pwd;"
              "echo $MARK; umask; ulimit -n; cat /proc/self/oom_score_adj")
    text = sh(ct, script, "--cwd", "/made/for/it", "--env", "MARK=set")
    check_equal(text.splitlines()[0:2], ["0", "0"])
    check_in("CapEff:\t00000000a80425fb", text)
    check_in("CapBnd:\t00000000a80425fb", text)
    check_in("NoNewPrivs:\t1", text)
    check_in("/made/for/it\nset\n0022\n1024\n", text)


def test_masked_and_read_only_paths(ct):
    script = ("cat /proc/kcore | head -c 1 | wc -c; ls /proc/acpi 2>/dev/null | wc -l;"
              "echo 1 2>&1 >/proc/sys/kernel/panic; echo status $?; ls /sys/firmware | wc -l")
    lines = ct.execute(ct.shared, "sh", "-c", script + " 2>&1", check=True).text.splitlines()
    check_equal(lines[0], "0", "/proc/kcore")
    check(any("Read-only" in line for line in lines), str(lines))
    check_equal(lines[-1], "0", "/sys/firmware")


def test_seccomp(ct):
    """containerd's default profile: no mount(2), no unshare of a user namespace."""
    if subprocess.run([f"{ct.binaries}/ctr", "run", "--help"], capture_output=True,
                      check=False).stdout.find(b"--seccomp") < 0:
        raise Skip("this ctr has no --seccomp")
    text = sh(ct, "grep Seccomp: /proc/self/status; keyctl 2>&1; true", "--seccomp")
    check_in("Seccomp:\t2", text)


def test_privileged(ct):
    text = sh(ct, "grep CapEff /proc/self/status; mount -t tmpfs none /mnt 2>&1 || mkdir /m && mount -t tmpfs none /m && echo mounted",
              "--privileged")
    check_in("mounted", text)


def test_cgroup_limits_at_creation(ct):
    text = sh(ct, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max",
              "--memory-limit", str(64 << 20), "--cpus", "0.5", "--mount", c.CGROUP)
    check_equal(text, f"{64 << 20}\n50000 100000\n")


def test_namespaces_are_the_containers_own(ct):
    text = ct.execute(ct.shared, "sh", "-c", "echo $$; ps | wc -l; cat /proc/1/comm; ip -o link | wc -l", check=True).text
    lines = text.splitlines()
    check(int(lines[0]) < 100000)
    check_equal(lines[2], "sleep", "process 1")


def test_a_spec_of_ones_own(ct):
    """What ctr has no option for: users, groups, rlimits, sysctls, umask, OOM score, devices."""
    with open(f"{ct.bundle(ct.shared)}/config.json") as file:
        spec = json.load(file)
    name = ct.new_id("spec")
    script = ("id; ulimit -n; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax;"
              "cat /proc/self/oom_score_adj; grep -E 'CapEff|CapAmb' /proc/self/status; hostname; pwd; ls -l /dev/mine")
    spec["root"] = {"path": ct.rootfs, "readonly": True}
    spec["hostname"] = "named"
    spec["process"].update(
        args=["/bin/sh", "-c", script], cwd="/tmp", oomScoreAdj=300,
        env=["PATH=/bin"], user={"uid": 1000, "gid": 1001, "additionalGids": [7, 8]},
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 600}],
        capabilities={kind: ["CAP_NET_BIND_SERVICE"] for kind in
                      ("bounding", "effective", "permitted", "inheritable", "ambient")})
    spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "99", "kernel.msgmax": "12345"}
    spec["linux"]["cgroupsPath"] = f"/default/{name}"
    spec["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3,
                                 "fileMode": 0o640, "uid": 1000, "gid": 7}]
    path = f"{ct.run}/{name}.json"
    with open(path, "w") as file:
        json.dump(spec, file)
    done = ct.ctr("run", "--rm", "--runtime", c.RUNTIME, "--config", path, name)
    check_equal(done.code, 0, done.error)
    lines = done.text.splitlines()
    check_equal(lines[0], "uid=1000 gid=1001 groups=7,8")
    check_equal(lines[1:5], ["512", "99", "12345", "300"], "limit, sysctls, OOM score")
    check_equal(lines[5:7], ["CapEff:\t0000000000000400", "CapAmb:\t0000000000000400"])
    check_equal(lines[7:9], ["named", "/tmp"])
    check_equal(lines[9].split()[0:6], ["crw-r-----", "1", "1000", "7", "1,", "3"], lines[9])


def test_seccomp_of_a_spec(ct):
    """Every kind of answer: an errno of its own, an argument compared, a killed process."""
    with open(f"{ct.bundle(ct.shared)}/config.json") as file:
        spec = json.load(file)
    name = ct.new_id("filter")
    script = "mkdir /tmp/d; chmod 777 /tmp; chmod 700 /tmp && echo other mode; sync; echo not reached"
    spec["root"] = {"path": ct.rootfs, "readonly": True}
    spec["process"].update(args=["/bin/sh", "-c", script + " $?"], env=["PATH=/bin"])
    spec["linux"]["cgroupsPath"] = f"/default/{name}"
    spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
             "args": [{"index": 1, "value": 0o777, "op": "SCMP_CMP_EQ"}]},
            {"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    path = f"{ct.run}/{name}.json"
    with open(path, "w") as file:
        json.dump(spec, file)
    done = ct.ctr("run", "--rm", "--runtime", c.RUNTIME, "--config", path, name)
    check_in("No space left on device", done.error)
    check_in("not supported", done.error)
    check_in("other mode", done.text)
    # `sync` is an applet of the shell's own program and runs in a child: 128 + SIGSYS.
    check_in("159", done.text.splitlines()[-1] if done.text else "", done.text + done.error)


def test_exec_has_its_own_settings(ct):
    script = "id -u; id -g; pwd; grep CapEff /proc/self/status"
    done = ct.execute(ct.shared, "sh", "-c", script, options=("--user", "1234:5678", "--cwd", "/tmp"), check=True)
    check_equal(done.text, "1234\n5678\n/tmp\nCapEff:\t0000000000000000\n")
