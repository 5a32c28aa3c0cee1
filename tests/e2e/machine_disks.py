# SPDX-License-Identifier: Apache-2.0
"""Disks of one machine, in which containers come and go: root file systems by the lists of mounts that containerd
gives, layers that are not what they were, block devices and direct volumes."""

import base64
import contextlib
import glob
import json
import os
import re
import shutil
import stat
import subprocess

import containerd as c
import layered
from erofs_disks import changed, layer_mounts, merged, root_hash
from report import check, check_equal, check_in

DIRECT_VOLUMES = "/run/kata-containers/shared/direct-volumes"


def test_machine_for_many_starts(ct):
    ct.open_vm()


def test_directory_for_what_is_written(ct):
    """It cannot be the upper layer of disks in the guest: the guest's memory is, and nothing is left there."""
    code, out = ct.run_in(layer_mounts(ct.layers(2)), f"{layered.SUMS}; echo x > /data/top && cat /data/top")
    check_equal(code, 0, out)
    check_equal(layered.read_sums("\n".join(out.splitlines()[:-1])), ct.images[2].sums())
    ct.logged("kept in the guest's memory")


def test_directory_of_the_host_for_what_is_written(ct):
    """With virtio_fs_upper_layers it is the upper layer: for the next container, and as the host's overlayfs has it."""
    directory, marks = f"{ct.run}/upper", "/data/own-1 /data/top"
    os.makedirs(f"{directory}/fs")
    os.makedirs(f"{directory}/work")
    with open(ct.husk_config) as file:
        before = file.read()
    ct.write_husk_config(f"[hypervisor.qemu]\nvirtio_fs_upper_layers = true\n{before}")
    vm, task = ct.vm, ct.task
    try:
        ct.open_vm()
        mounts = layer_mounts(ct.layers(2), directory=directory)
        script = (f"{layered.SUMS}; rm {marks}; echo changed > /data/shared-1; echo new > /new; rm -r /opaque; mkdir /opaque;"
                  "mkdir /dir; mv /new /dir/moved; head -c 5000000 /dev/zero > /large; chown 7:8 /large; ln /large /link; ls /data")
        code, out = ct.run_in(mounts, script)
        check_equal(code, 0, out)
        check("own-1" not in out.splitlines()[-4:] and "top" not in out.split(), out)
        code, out = ct.run_in(mounts, f"ls {marks} 2>&1 | grep -c 'No such'; cat /data/shared-1 /dir/moved; ls /opaque; wc -c < /link;"
                                      "stat -c '%u %g %h' /large")
        check_equal((code, out.split("\n")), (0, ["2", "changed", "new", "5000000", "7 8 2", ""]))
        removed = os.lstat(f"{directory}/fs/data/own-1")
        check(stat.S_ISCHR(removed.st_mode) and removed.st_rdev == 0, "what was removed is marked")
        check_equal(os.getxattr(f"{directory}/fs/opaque", "trusted.overlay.opaque"), b"y")
        check(os.stat(f"{directory}/fs/large").st_blocks * 512 >= 5000000, "on the host's disk")
        ct.close_vm()
    finally:
        ct.vm, ct.task = vm, task
        ct.write_husk_config(before)


def test_layers_without_verity(ct):
    code, out = ct.run_in(layer_mounts(ct.layers(2), verified=False), "ls /sys/block | grep -c dm-; cat /data/shared-1 | wc -c")
    check_equal(out.split(), ["1", "4096"])  # the one of the machine's own container
    check_equal(code, 0)


def test_view(ct):
    """A layer alone, without an overlay, is verified as any other, and read-only."""
    file = ct.layers(1)[0]
    code, out = ct.run_in([("erofs", file, "ro", "loop", f"X-containerd.dmverity={file}.dmverity")],
                          "grep ' / ' /proc/mounts; ls /sys/block | grep -c dm-; touch /x")
    check(re.match(r"/dev/mapper/kata-verity-vd[a-z]-\S+ / erofs ro", out), out)
    check_equal(out.splitlines()[1], "2")
    check_in("Read-only file system", out)


def test_root_on_a_block_device(ct):
    """As the devmapper snapshotter has it: a device that is a whole file system, ext4 or xfs, written to and kept or read-only."""
    seen = f"{ct.run}/device"
    os.makedirs(seen)
    for kind, options in (("ext4", ()), ("xfs", ("nouuid",))):
        path = f"{ct.run}/root.{kind}"
        with open(path, "wb") as file:
            file.truncate(320 << 20)  # mkfs.xfs makes none below 300 MiB
        subprocess.run([f"mkfs.{kind}", "-q", path], check=True, stdin=subprocess.DEVNULL)
        with loop_device(path) as device:
            subprocess.run(["mount", "-t", kind, device, seen], check=True)
            try:
                subprocess.run(["cp", "-a", f"{ct.rootfs}/.", seen], check=True)
            finally:
                c.unmount(seen)
            script = "grep ' / ' /proc/mounts | cut -d ' ' -f 2,3; cat /kept; echo kept >/kept || echo refused"
            code, out = ct.run_in([(kind, device, "rw", *options)], script)
            check_equal((code, out.splitlines()[0]), (0, f"/ {kind}"), out)
            code, out = ct.run_in([(kind, device, "rw", *options)], script)
            check_equal((code, out.splitlines()), (0, [f"/ {kind}", "kept"]), out)
            code, out = ct.run_in([(kind, device, "ro", *options)], script)
            check_equal(out.splitlines()[:2], [f"/ {kind}", "kept"], out)
            check_in("refused", out)
        os.unlink(path)


def test_image_without_layers(ct):
    """What is written to an image is there for the next one: busybox comes from a volume."""
    image = f"{ct.run}/alone.img"

    def with_busybox(config):
        config["process"]["args"][0] = "/busybox/bin/sh"
        config["mounts"].append({"destination": "/busybox", "type": "bind", "options": ["rbind", "ro"],
                                 "source": ct.rootfs})

    mounts = [("mkfs/ext4", image, "X-containerd.mkfs.fs=ext4", "X-containerd.mkfs.size=16MiB", "rw", "loop"),
              ("format/mkdir/bind", "{{ mount 0 }}/upper", "X-containerd.mkdir.path={{ mount 0 }}/upper:0755",
               "rw", "rbind")]
    for want in ("0\n", "1\n"):
        code, out = ct.run_in(mounts, "/busybox/bin/ls / | /busybox/bin/grep -c mark; echo > /mark", with_busybox)
        check_equal((code, out), (0, want))


def test_flipped_byte(ct):
    """An error when it is read, never other data; the rest can be read."""
    data = layered.body(6, "data/own-6", 6000)
    file, at = ct.layer_with(data[:64])
    script = "sha256sum /data/own-5 >/dev/null && echo fine; cat /data/own-6 > /tmp/copy; echo $?; wc -c < /tmp/copy"
    with changed(file, at + 4096 + 17):
        code, out = ct.run_in(layer_mounts(ct.layers(10)), script)
    check_in("fine", out)
    check_in("Input/output error", out)
    check(int(out.split()[-1]) <= 4096, out)
    check_equal(ct.run_in(layer_mounts(ct.layers(10)), "sha256sum < /data/own-6")[1].split()[0],
                ct.images[10].sums()["data/own-6"])


def merged_mounts(image, files, *more):
    """A view of them, as the snapshotter has it."""
    return [("erofs", image, "ro", "loop", *(f"device={file}" for file in reversed(files)), *more),
            ("format/bind", "{{ mount 0 }}", "ro", "rbind")]


def test_flipped_byte_in_every_layer(ct):
    """Each of them is verified, whichever it is: none gives what was written there."""
    with contextlib.ExitStack() as all_of_them:
        for i in range(1, 10):
            file, at = ct.layer_with(layered.body(i, f"data/own-{i}", 64))
            all_of_them.enter_context(changed(file, at + 17))
        code, out = ct.run_in(layer_mounts(ct.layers(10)), "for i in 1 2 3 4 5 6 7 8 9; do head -c 64 /data/own-$i | wc -c; done")
    check_equal(out.count("Input/output error"), 9, out)
    check_equal([line for line in out.split("\n") if line.strip().isdigit()], ["0"] * 9)


def test_flipped_byte_in_a_blob(ct):
    """Of the data, an error when it is read; of what is read first, no start. The names are the image's."""
    files = ct.layers(2)
    data = layered.body(1, "data/own-1", 5997)
    file, at = ct.layer_with(data[:64])
    with merged(ct, files) as image:
        mounts = merged_mounts(image, files)
        code, out = ct.run_in(mounts, f"{layered.SUMS}; grep -c ' / overlay ro' /proc/mounts")
        check_equal(layered.read_sums("\n".join(out.splitlines()[:-1])), ct.images[2].sums())
        check_equal((code, out.splitlines()[-1]), (0, "1"))
        with changed(file, at + 4096 + 17):
            code, out = ct.run_in(mounts, "cat /data/own-1 | wc -c")
        check_in("Input/output error", out)
        check(int(out.split()[-1]) <= 4096, out)
        with changed(file, 1024):
            text = ct.refused(mounts)
        check_in("blob in partition 3", text)
        check_in("verification failed", text)


def test_merged_image_that_is_verified(ct):
    files = ct.layers(2)
    with merged(ct, files) as image:
        size = os.stat(image).st_size
        check_equal(size % 4096, 0)
        out = subprocess.run(["veritysetup", "format", f"--data-blocks={size // 4096}", f"--hash-offset={size}", image, image],
                             check=True, capture_output=True, text=True).stdout
        root = re.search(r"Root hash:\s*([0-9a-f]+)", out).group(1)
        meta = f"{image}.dmverity"
        mounts = merged_mounts(image, files)
        for digest in (root, "77" * 32):
            with open(meta, "w") as file:
                json.dump({"roothash": digest, "hashoffset": size}, file)
            try:
                if digest == root:  # one of the machine's own container, this, and two blobs
                    check_equal(ct.run_in(mounts, "ls /sys/block | grep -c dm-; cat /data/own-1 | wc -c"), (0, "4\n5997\n"))
                else:
                    text = ct.refused(mounts)
                    check_in("layer 1", text)
                    check_in("verification failed", text)
            finally:
                os.unlink(meta)


def test_flipped_byte_in_what_is_mounted(ct):
    file = ct.layers(10)[3]
    with changed(file, 1024):
        text = ct.refused(layer_mounts(ct.layers(10)))
    check_in("layer 4", text)
    check_in("verification failed", text)


def test_wrong_root_hash(ct):
    for count, number in ((10, 6), (1, 0)):
        file = ct.layers(count)[number]
        wrong = "77" * 32
        with open(f"{file}.dmverity", "rb") as meta:
            at = meta.read().find(root_hash(file).encode())
        with changed(f"{file}.dmverity", at, wrong.encode()):
            text = ct.refused(layer_mounts(ct.layers(count)))
        check_in(f"layer {number + 1}", text)
        check_in("verification failed", text)
        check_in(wrong, text)


def test_metadata_that_cannot_be(ct):
    """Never without verity: what cannot be read refuses the start, and names file and member."""
    files = ct.layers(10)
    file = f"{files[6]}.dmverity"
    for at, data, part in ((0, b"[", "parse error"), (2, b' "r00t', "roothash")):
        with changed(file, at, data):
            text = ct.refused(layer_mounts(files))
            check_in("layer 7 of 10", text)
            check_in(file, text)
            check_in(part, text)
    os.rename(file, f"{file}.away")
    try:
        check_in(file, ct.refused(layer_mounts(files)))
    finally:
        os.rename(f"{file}.away", file)


@contextlib.contextmanager
def image(ct, name, mkfs=True):
    path = f"{ct.run}/{name}.img"
    with open(path, "wb") as file:
        file.truncate(16 << 20)
    if mkfs:
        subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True, stdin=subprocess.DEVNULL)
    yield path
    os.unlink(path)


@contextlib.contextmanager
def loop_device(path):
    device = subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextlib.contextmanager
def direct_volume(path, **info):
    """What a storage driver says of the path that a container mounts."""
    directory = f"{DIRECT_VOLUMES}/{base64.urlsafe_b64encode(path.encode()).decode()}"
    os.makedirs(directory)
    with open(f"{directory}/mountInfo.json", "w") as file:
        json.dump({"volume-type": "block", **info}, file)
    try:
        yield
    finally:
        shutil.rmtree(directory)
        with contextlib.suppress(OSError):
            os.removedirs(DIRECT_VOLUMES)


def bound(source, destination, *options):
    return lambda config: config["mounts"].append(
        {"destination": destination, "type": "bind", "source": source, "options": ["rbind", *options]})


def test_block_device_as_a_volume(ct):
    """A bind mount of a block device is the device, in the container; so is one that the spec lists."""
    mounts = layer_mounts(ct.layers(2))
    with image(ct, "raw", mkfs=False) as path, loop_device(path) as device:
        with open(path, "r+b") as file:
            file.write(b"from the host")
        script = "head -c 13 /dev/data; printf 'from the guest' | dd of=/dev/data seek=1 bs=4096 conv=fsync 2>/dev/null; echo $?"
        code, out = ct.run_in(mounts, script, bound(device, "/dev/data", "rw"))
        check_equal((code, out), (0, "from the host0\n"))
        with open(path, "rb") as file:
            file.seek(4096)
            check_equal(file.read(14), b"from the guest")
        number = os.stat(device).st_rdev

        def listed(config):
            node = {"major": os.major(number), "minor": os.minor(number), "type": "b"}
            config["linux"]["devices"] = [{"path": "/dev/xvda", "fileMode": 0o600, **node}]
            config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"},
                                                        {"allow": True, "access": "rm", **node}]}

        code, out = ct.run_in(mounts, "head -c 13 /dev/xvda; echo x 2>&1 > /dev/xvda; cat /sys/block/vd?/ro | sort | tail -n 1", listed)
        check_in("from the host", out)
        check_in("1", out)
        with open(path, "rb") as file:
            check_equal(file.read(13), b"from the host", "a read-only device was written")

        def privileged(config):
            listed(config)
            config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}

        check_equal(ct.run_in(mounts, "ls /dev/xvda 2>&1 | grep -c 'No such'", privileged), (0, "1\n"))


def test_direct_volume(ct):
    """Mounted in the guest; two containers share the disk; what it cannot do is said."""
    mounts = layer_mounts(ct.layers(2))
    source = f"{ct.run}/volume"
    os.makedirs(source, exist_ok=True)
    with image(ct, "direct") as path:
        with direct_volume(source, device=path, fstype="ext4", metadata={"fsGroup": "2000"}, options=["rw"]):
            first = ct.begin(mounts, "echo first > /data/file; sleep 1000", bound(source, "/data", "rw"))
            script = "until grep first /data/file 2>/dev/null; do sleep 0.1; done; grep ' /data ' /proc/mounts; ls -ldn /data; ls /data"
            code, out = ct.run_in(mounts, script, bound(source, "/data", "rw"))
            check_in("first\n", out)
            check(re.search(r"/dev/vd[a-z] /data ext4 rw", out), out)
            check_in(" 2000 ", out)
            check_in("lost+found", out)
            ct.task("Kill", [(1, first), (3, 9)])
            ct.task("Wait", [(1, first)])
            ct.task("Delete", [(1, first)])
            check_equal(ct.run_in(mounts, "cat /data/file", bound(source, "/data", "rw")), (0, "first\n"))
        with direct_volume(source, device=path, fstype="ext4", options=["ro"]):
            code, out = ct.run_in(mounts, "cat /data/file; touch /data/x", bound(source, "/data", "rw"))
            check_in("first", out)
            check_in("Read-only file system", out)
        with direct_volume(source, device=path, fstype="ext4", metadata={"encryptionKey": "k"}):
            check_in("encryptionKey", ct.refused(mounts, bound(source, "/data")))
        with direct_volume(source, device="/no/such/disk", fstype="ext4"):
            check_in("/no/such/disk", ct.refused(mounts, bound(source, "/data")))


def test_direct_volume_of_a_storage_driver(ct):
    """Added, measured, grown and removed by huskctl."""
    source, mib = f"{ct.run}/driven", 1 << 20
    os.makedirs(source)
    env = dict(os.environ, HUSK_CONF_FILE=ct.husk_config)

    def huskctl(action, *words, code=0):
        done = subprocess.run([f"{ct.prefix}/bin/huskctl", "direct-volume", action, "--volume-path", source, *words],
                              capture_output=True, text=True, env=env)
        check_equal(done.returncode, code, done.stderr)
        return done.stdout + done.stderr

    with image(ct, "driven") as path:
        check_in("fstype", huskctl("add", "--mount-info", json.dumps({"volume-type": "block", "device": path}), code=1))
        huskctl("add", "--mount-info", json.dumps({"volume-type": "block", "device": path, "fstype": "ext4"}))
        check_in("no sandbox has", huskctl("stats", code=1))
        name = ct.begin(layer_mounts(ct.layers(2)), "echo kept > /data/file; sleep 1000", bound(source, "/data", "rw"))
        # its sandbox, by Kata's name for the file
        check_in(ct.vm, os.listdir(f"{DIRECT_VOLUMES}/{base64.urlsafe_b64encode(source.encode()).decode()}"))
        before, inodes = json.loads(huskctl("stats"))["usage"]
        check(8 * mib < before["total"] <= 16 * mib and before["unit"] == 1, f"{before}")
        check_equal(before["used"] + before["available"], before["total"])
        check(inodes["unit"] == 2 and inodes["used"] > 10, f"{inodes}")
        huskctl("resize", "--size", str(48 * mib))
        check_equal(os.stat(path).st_size, 48 * mib)
        after = json.loads(huskctl("stats"))["usage"][0]
        check(40 * mib < after["total"] <= 48 * mib, f"{after}")
        check_in("is no number", huskctl("resize", "--size", "big", code=1))
        ct.task("Kill", [(1, name), (3, 9)])
        ct.task("Wait", [(1, name)])
        ct.task("Delete", [(1, name)])
        check_in("no sandbox has", huskctl("stats", code=1))
        check_equal(subprocess.run(["e2fsck", "-fn", path], capture_output=True).returncode, 0)
        huskctl("remove")
        check_in("is no direct volume", huskctl("remove", code=1))
    with contextlib.suppress(OSError):
        os.removedirs(DIRECT_VOLUMES)


def test_nothing_is_left_in_the_machine(ct):
    """After all that was refused and removed: the disk and the device of the machine's own container."""
    done = ct.execute(ct.vm, "sh", "-c", "ls /sys/block | sort", check=True)
    check_equal([name for name in done.text.split() if re.match("vd|sd|dm", name)], ["dm-0", "vda", "vdb"])
    check_equal([path for path in open_files(ct.tasks()[ct.vm][0])
                 if "layer.erofs" in path and not path.startswith(ct.layers(1)[0])], [])


def open_files(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(path))
    return found


def test_machine_is_removed(ct):
    ct.close_vm()
