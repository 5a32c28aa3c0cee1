# SPDX-License-Identifier: Apache-2.0
"""Root file systems on disks: EROFS layers, verified and not, as containerd's own snapshotter and differ
make them, and the blockfile snapshotter. See erofs_disks.py of tests/lib; machine_disks.py has those of one machine.
"""

import glob
import os
import re

import census
import containerd as c
import erofs_disks
import layered
import machine_disks
from erofs_disks import DMSETUP, merged, root_hash
from report import check, check_equal, check_in
from volumes import project


def check_image(ct, count):
    """Every byte, one verified device for each layer, as dmsetup in the guest lists it, and writing."""
    script = (f"mkdir -p /dev/mapper && mknod /dev/mapper/control c 10 236; {DMSETUP} table; echo; {DMSETUP} info -c"
              " --noheadings -o attr; cat /sys/block/dm-*/ro | sort | uniq -c; echo;"
              f"{layered.SUMS}; echo; echo written > /data/top && cat /data/top; rm /data/own-* && ls /data | grep -c own")
    done = ct.run_image(count, script, options=("--privileged", *bind(ct.dmsetup, "/dmsetup", "ro")))
    table, state, sums, rest = done.text.split("\n\n")
    check_equal(layered.read_sums(sums), ct.images[count].sums(), "files")
    check_equal(rest.split(), ["written", "0"], done.error)
    *states, read_only = state.splitlines()
    check_equal(states, ["L--r"] * count, "live, not suspended, read-only")
    check_equal(read_only.split(), [str(count), "1"], "devices that are read-only")
    targets = dict(line.split(": ", 1) for line in table.splitlines())
    check_equal(len(targets), count, table)
    place = {}
    for name, target in targets.items():
        start, _, kind, version, data, tree, *sizes, _, _, algorithm, digest, _ = target.split()
        check_equal((start, kind, version, data == tree, sizes, algorithm), ("0", "verity", "1", True, ["4096", "4096"], "sha256"), target)
        place[int(re.match("kata-verity-vd[a-z]([0-9]*)-", name).group(1) or 1)] = digest
    # the partition says which layer it is
    check_equal([place[i + 1] for i in range(count)], [root_hash(layer) for layer in ct.layers(count)], "root hashes")


def test_one_layer(ct):
    check_image(ct, 1)


def test_two_layers(ct):
    check_image(ct, 2)


def test_ten_layers(ct):
    check_image(ct, 10)


def test_sixty_layers(ct):
    check_image(ct, 60)


def test_merged_layers(ct):
    """All of two, and seven below three others (more, and mkfs.erofs 1.8 loses an opaque directory): each
    blob is a device of its own in the guest, and verified."""
    for count, above in ((2, 0), (10, 3)):
        name = ct.create(count, f"ls /sys/block | grep -c dm-; echo; {layered.SUMS}; echo;"
                                "echo written > /data/top && cat /data/top")
        with merged(ct, ct.layers(count)[above:]):
            done = ct.start_task(name)
        ct.remove(name)
        devices, sums, rest = done.text.split("\n\n")
        check_equal(devices, str(count), done.error)
        check_equal(layered.read_sums(sums), ct.images[count].sums())
        check_equal(rest, "written\n")
    ct.logged("nothing verifies the merged image")


def test_writable_image_is_formatted_once(ct):
    """containerd has made it already, for its client: without it the shim does."""
    before = set(glob.glob(f"{ct.snapshots}/*/rwlayer.img"))
    name = ct.create(2, "cat /kept; echo kept > /kept; grep -o 'ext4' /proc/filesystems")
    image, = set(glob.glob(f"{ct.snapshots}/*/rwlayer.img")) - before
    os.unlink(image)
    check_equal(ct.start_task(name, check=True).text.split(), ["ext4"])
    check_equal(os.stat(image).st_size, 64 << 20)
    check_equal(ct.start_task(name, check=True).text.split()[0], "kept")
    ct.remove(name)


def test_blockfile(ct):
    """One ext4 that is the whole root file system, on a disk of the guest."""
    done = ct.run_image(2, f"grep ' / ' /proc/mounts; {layered.SUMS}; echo x > /new && cat /new", snapshotter="blockfile")
    lines = done.text.splitlines()
    check(re.match(r"/dev/vd[a-z] / ext4 rw", lines[0]), done.text + done.error)
    check_equal(layered.read_sums("\n".join(lines[1:-1])), ct.images[2].sums())
    check_equal(lines[-1], "x")


def bind(source, inside, *options):
    return "--mount", f"type=bind,src={source},dst={inside},options={':'.join(('rbind',) + options)}"


def test_blockfile_without_a_shared_file_system(ct):
    """Volumes are copied into the guest; an emptyDir is made there."""
    kubelet = f"{ct.run}/kubelet"
    volume, empty = f"{kubelet}/config", f"{kubelet}/pods/u/volumes/kubernetes.io~empty-dir/empty"
    os.makedirs(f"{volume}/..1")
    os.makedirs(empty)
    os.chmod(empty, 0o770)
    for name, mode, text in (("..1/key", 0o640, "value\n"), ("script", 0o755, "#!/bin/sh\necho ran\n")):
        with open(f"{volume}/{name}", "w") as file:
            file.write(text)
        os.chmod(f"{volume}/{name}", mode)
    os.chown(f"{volume}/..1/key", 7, 8)
    os.symlink("..1", f"{volume}/..data")
    os.symlink("..data/key", f"{volume}/key")
    os.symlink("../../../../../../../../etc/passwd", f"{volume}/out")
    with open(ct.husk_config) as file:
        before = file.read()
    ct.write_husk_config(f'[hypervisor.qemu]\nshared_fs = "none"\n{before}kubelet_root_dir = "{kubelet}"\n')
    try:
        done = ct.run_image(2, "cat /v/key; stat -c '%a %u %g' /v/..data/key; /v/script; cmp /v/out /etc/passwd && echo own;"
                               "touch /v/new 2>&1; cat /file; echo x >/e/file; stat -c %a /e; grep -c virtiofs /proc/mounts",
                            snapshotter="blockfile",
                            options=(*bind(volume, "/v", "ro"), *bind(f"{volume}/script", "/file"), *bind(empty, "/e")))
        check_equal(done.text.splitlines(), ["value", "640 7 8", "ran", "own", "touch: /v/new: Read-only file system",
                                             "#!/bin/sh", "echo ran", "770", "0"], done.error)
        check_equal(os.listdir(empty), [])
        with open(f"{volume}/large", "wb") as file:
            file.truncate((32 << 20) + 1)
        done = ct.run_image(2, "true", snapshotter="blockfile", options=bind(volume, "/v"))
        check(done.code != 0)
        check_in(f"copy '{volume}' into the guest: large: more than 32 MiB", done.error)
    finally:
        ct.write_husk_config(before)


def test_blockfile_follows_a_configmap(ct):
    """What a kubelet updates reaches a guest without a shared file system too."""
    kubelet = f"{ct.run}/kubelet-of-updates"
    volume = f"{kubelet}/pods/u/volumes/kubernetes.io~configmap/config"
    os.makedirs(volume)
    project(volume, 1, {"key": "one\n"})
    with open(ct.husk_config) as file:
        before = file.read()
    ct.write_husk_config(f'[hypervisor.qemu]\nshared_fs = "none"\n{before}kubelet_root_dir = "{kubelet}"\n')
    try:
        name = ct.create(1, "sleep 100000", bind(volume, "/v", "ro"), "blockfile")
        ct.start_task(name, "-d", check=True)
    finally:
        ct.write_husk_config(before)

    def read():
        return ct.ctr("task", "exec", "--exec-id", ct.new_id("read"), name, "sh", "-c", "cat /v/key; ls /v", check=True).text.split()

    check_equal(read(), ["one", "key"])
    project(volume, 2, {"key": "two\n", "new": ""})
    c.wait_for(lambda: read() == ["two", "key", "new"], 20, "the update")
    ct.remove(name)


def test_containerd_mounts_nothing(ct):
    c.wait_for(lambda: not [path for path in ct.mounts() if "mount-manager" in path or "/rootfs" in path], 6,
               "nothing of the layers is mounted")


def run(report, entry, options):
    """All of it with one containerd."""
    name, binaries = entry.split("=", 1)
    label = f"containerd {name}, disks"
    before = census.take()
    ct = erofs_disks.Disks(name, binaries, options.prefix, options.image, options.erofs_utils, "64MiB",
                     c.PATIENT + "[runtime]\nenable_debug = true\n")

    def test_nothing_is_left(before):
        check_equal(census.leftovers(before), [])

    try:
        for module in (globals(), vars(machine_disks)):
            erofs_disks.run_tests(report, module, ct, label)
    finally:
        ct.close()
    report.run(test_nothing_is_left, before, label=label)
