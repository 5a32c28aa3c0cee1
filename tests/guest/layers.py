# SPDX-License-Identifier: Apache-2.0
"""Disks in the guest: block storages, devices, EROFS layers with and without dm-verity.

The disks are there when the machine boots: what plugs them later is the host's and tested elsewhere.
"""

import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

import guest
import programs
from guest import RUN, spec
from report import Failure, Skip, check, check_equal, check_in

SECTOR = 512
ALIGN = 2048  # sectors
PLAIN, BEHIND, WRITABLE, DAMAGED, SCSI_CARD = 0x10, 0x11, 0x12, 0x13, 0x14
PATHS = {"plain": "10", "layers": "11/00", "writable": "12", "damaged": "13"}
N = 10
MEMBER = "X-kata.multi-layer=true"


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stdout[-500:]}")
    return done.stdout


def content(index):
    return bytes((index * 7 + i) % 251 for i in range(100_000))


def make_layer(directory, index, busybox):
    """(file, size of the data). Layer 0 is the topmost, the last one has the programs."""
    tree = f"{directory}/tree{index}"
    os.makedirs(f"{tree}/data")
    with open(f"{tree}/who", "w") as file:
        file.write(f"layer {index}\n")
    with open(f"{tree}/data/{index}", "wb") as file:
        file.write(content(index))
    if busybox:
        for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
            os.makedirs(f"{tree}/{name}")
        shutil.copy("/bin/busybox", f"{tree}/bin/busybox")
        for applet in ("sh", "cat", "md5sum", "echo", "ls", "sleep", "dd", "grep"):
            os.symlink("busybox", f"{tree}/bin/{applet}")
    image = f"{directory}/layer{index}.erofs"
    run("mkfs.erofs", "-T0", "--all-root", image, tree)
    return image, os.stat(image).st_size


def verify(image, size, *more):
    block = next((int(word.split("=")[1]) for word in more if word.startswith("--data-block-size=")), 4096)
    out = run("veritysetup", "format", f"--data-blocks={size // block}", f"--hash-offset={size}", *more,
              image, image)
    facts = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
    return facts["Root hash"].strip(), facts["Salt"].strip()


def gpt_disk(path, images):
    """One partition for each image, in this order; no backup table (verity-erofs 2.2)."""
    entries, at = b"", ALIGN
    kind = bytes.fromhex("af3dc60f838472478e793d69d8477de4")
    starts = []
    for i, image in enumerate(images):
        sectors = (os.stat(image).st_size + SECTOR - 1) // SECTOR
        entries += struct.pack("<16s16sQQQ72s", kind, bytes([i + 1] * 16), at, at + sectors - 1, 0, b"")
        starts.append(at)
        at = (at + sectors + ALIGN - 1) // ALIGN * ALIGN
    entries = entries.ljust(128 * 128, b"\0")

    def header(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, 1, at, 34, at - 1,
                           b"d" * 16, 2, 128, 128, zlib.crc32(entries))

    with open(path, "wb") as disk:
        mbr = bytearray(SECTOR)
        mbr[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, at - 1)
        mbr[510:512] = b"\x55\xaa"
        disk.write(mbr + header(zlib.crc32(header(0))).ljust(SECTOR, b"\0") + entries)
        for start, image in zip(starts, images):
            disk.seek(start * SECTOR)
            with open(image, "rb") as file:
                shutil.copyfileobj(file, disk)
        disk.truncate(at * SECTOR)
    return starts


class Disks:
    def __init__(self, directory):
        self.directory = directory
        images = [make_layer(directory, i, i == N - 1) for i in range(N)]
        self.sizes = [size for _, size in images]
        kinds = [(), ("--no-superblock",), ("--hash=sha512",), ("--salt=-",),
                 ("--data-block-size=512", "--hash-block-size=512"), ("--data-block-size=1024", "--hash-block-size=4096")]
        self.kinds = [kinds[i % len(kinds)] for i in range(N)]
        facts = [verify(image, size, *self.kinds[i]) for i, (image, size) in enumerate(images)]
        self.roots, self.salts = [root for root, _ in facts], [salt for _, salt in facts]
        files = [image for image, _ in images]
        self.plain = files[N - 1]
        gpt_disk(f"{directory}/layers.img", files)
        starts = gpt_disk(f"{directory}/damaged.img", files)
        with open(f"{directory}/damaged.img", "r+b") as disk:
            disk.seek(starts[6] * SECTOR + 8192 + 77)  # in the data of layer 6
            byte = disk.read(1)
            disk.seek(-1, os.SEEK_CUR)
            disk.write(bytes([byte[0] ^ 1]))
        self.writable = f"{directory}/writable.img"
        with open(self.writable, "wb") as disk:
            disk.truncate(32 << 20)
        run("/sbin/mkfs.ext4", "-q", "-F", self.writable)

    def qemu(self):
        """A program that is QEMU with these disks."""
        path = f"{self.directory}/qemu"
        disk = ('-drive if=none,id={0},format=raw,readonly={1},file={2} '
                '-device virtio-blk-pci,drive={0},bus={3},addr={4}')
        port = f"-device pcie-root-port,id=behind,bus=pcie.0,addr={BEHIND:#x},chassis=77,slot=77"
        words = [disk.format("plain", "on", self.plain, "pcie.0", f"{PLAIN:#x}"), port,
                 disk.format("layers", "on", f"{self.directory}/layers.img", "behind", "0"),
                 disk.format("writable", "off", self.writable, "pcie.0", f"{WRITABLE:#x}"),
                 disk.format("damaged", "on", f"{self.directory}/damaged.img", "pcie.0", f"{DAMAGED:#x}"),
                 f"-device virtio-scsi-pci,id=card,bus=pcie.0,addr={SCSI_CARD:#x} "
                 f"-drive if=none,id=sd,format=raw,readonly=on,file={self.plain} "
                 "-device scsi-hd,drive=sd,bus=card.0,scsi-id=1,lun=3"]
        # Every file system is read-only to it: what it is to write to is a copy in memory.
        with open(path, "w") as file:
            file.write("#!/usr/bin/python3\nimport os, sys\n"
                       "fd = os.memfd_create('writable', 0)\n"
                       f"os.write(fd, open({self.writable!r}, 'rb').read())\n"
                       f"words = {' '.join(words)!r}.replace({self.writable!r}, f'/dev/fd/{{fd}}').split()\n"
                       "os.execv('/usr/bin/qemu-system-x86_64', ['qemu-system-x86_64', *sys.argv[1:], *words])\n")
        os.chmod(path, 0o755)
        return path


def verity_options(disks, index, root=None):
    kind = " ".join(disks.kinds[index])
    options = ["X-kata.dmverity-enabled=true", f"X-kata.dmverity.roothash={root or disks.roots[index]}",
               f"X-kata.dmverity.hashoffset={disks.sizes[index]}",
               f"X-kata.dmverity.salt={disks.salts[index]}"]
    if "--no-superblock" in kind:
        options.append("X-kata.dmverity.no-superblock=true")
    for word, option in (("--data-block-size=", "blocksize"), ("--hash-block-size=", "hashsize")):
        options += [f"X-kata.dmverity.{option}={size}" for size in re.findall(rf"{word}(\d+)", kind)]
    if "sha512" in kind:
        options.append("X-kata.dmverity.algorithm=sha512")
    return options


def layers(g, name, disk, indexes, verified=True, writable=False, wrong=None):
    """The storages of a container whose layers are these partitions, the topmost first."""
    target = f"{RUN}/{name}/rootfs"
    storages = []
    if writable:
        storages.append({"driver": "blk", "source": PATHS["writable"], "fstype": "ext4",
                         "mount_point": target, "options": ["rw", MEMBER, "X-kata.overlay-upper"]})
    for index in indexes:
        options = ["ro", MEMBER, "X-kata.overlay-lower", "X-kata.gpt-partitioned=true",
                   f"X-kata.partition-number={index + 1}"]
        if verified and index < N:
            options += verity_options(g.disks, index, wrong if index == indexes[-1] else None)
        storages.append({"driver": "blk", "source": PATHS[disk], "fstype": "erofs",
                         "mount_point": target, "options": options})
    return storages


def run_layers(g, script, indexes, **fields):
    name = g.new_id("layers")
    g.create("sh", "-c", script, name=name, root=f"{RUN}/{name}/rootfs",
             request={"storages": layers(g, name, fields.pop("disk", "layers"), indexes, **fields)})
    g.agent("StartContainer", container_id=name)
    result = (g.read_all(name), g.read_all(name, method="ReadStderr"), g.wait(name))
    g.remove(name)
    return result


def state(g):
    """What layers could leave behind, apart from what sysfs has for good."""
    return g.look("grep -c . /guest/proc/1/mountinfo; ls /guest/sys/block | grep dm- ; ls /guest/run/kata-containers | grep -v '^c[0-9]'")


def test_layers(g):
    before = state(g)
    for indexes in ((N - 1,), (0, N - 1), tuple(range(N))):
        for verified in (False, True):
            out, err, code = run_layers(g, "cat /who; cat /data/* | md5sum; echo x > /new && cat /new",
                                        indexes, verified=verified)
            check_equal((err, code), ("", 0), indexes)
            data = b"".join(content(i) for i in sorted(indexes, key=str))
            check_equal(out.split()[:3], ["layer", str(indexes[0]), hashlib.md5(data).hexdigest()])
            check_equal(out.splitlines()[2], "x")
    check_equal(state(g), before)


def test_each_layer_is_verified(g):
    """While it runs there is one verity target for each, under its own name."""
    name = g.new_id("layers")
    g.create("sleep", "100", name=name, root=f"{RUN}/{name}/rootfs",
             request={"storages": layers(g, name, "layers", range(N))})
    g.agent("StartContainer", container_id=name)
    names = g.look("cat /guest/sys/block/dm-*/dm/name; cat /guest/sys/block/dm-*/ro").split()
    check_equal(len(set(names[:N])), N)
    check_equal(names[N:], ["1"] * N)
    for index in range(N):
        check(any("-vd" in dm and g.disks.roots[index][:32] in dm for dm in names), f"{index}: {names}")
    g.kill(name)
    g.wait(name)
    g.remove(name)
    check_equal(g.look("ls /guest/sys/block | grep -c dm- || true").strip(), "0")


def test_both_ways_to_verify(g):
    """libdevmapper, of a dynamic agent, and the kernel's own interface, of a static one."""
    share = f"{g.share}/busybox/opt"
    try:
        programs.copy(f"{g.build}/tests/guest/verity-calls-library", share)
        shutil.copy(f"{g.build}/tests/guest/verity-calls-ioctl", share)
    except FileNotFoundError as missing:
        raise Skip(f"{missing.filename} is not built") from None
    run_layers(g, "true", (0, N - 1))  # loads the driver
    node = g.look("ls /sys/devices/pci0000:00/0000:00:10.0/virtio*/block").strip()
    arguments = f"/dev/{node} {g.disks.roots[N - 1]} {g.disks.sizes[N - 1]} {g.disks.salts[N - 1]}"

    def calls(command):
        out, err, code = g.shell(f"{command} {arguments}; ls /sys/block | grep -c dm-", capabilities=guest.PRIVILEGED,
                                 mounts=[guest.bind("/dev", "/dev")])
        check_equal(err, "")
        return out

    ioctl = calls("/opt/verity-calls-ioctl")
    check_equal(calls("/opt/ld.so --library-path /opt /opt/verity-calls-library"), ioctl)
    lines = dict(line.split(": ", 1) for line in ioctl.splitlines() if ": " in line)
    for what in ("right", "longest name", "name is free"):
        check_equal(lines[what], "open, node 1, closed 0, node 0, again 0")
    check_in("verification failed", lines["wrong root hash"])
    check_in("77777777", lines["wrong root hash"])
    check_in("too small", lines["behind the end"])
    check_in("lacks the hash algorithm", lines["algorithm"])
    check_in("load the verity table", lines["short root hash"])
    check_in("longer than 127 bytes", lines["longer name"])
    check_in("e2e1f5e0", ioctl)
    check_in("exists", lines["same name"])
    check_equal(lines["closed while in use"], "0, node 0")
    check_in("no block device", lines["no disk"])
    check_equal(ioctl.splitlines()[-1], "0", "devices that are left")


def test_writable_layer(g):
    check_equal(run_layers(g, "echo kept > /kept; cat /who", (0, N - 1), writable=True), ("layer 0\n", "", 0))
    check_equal(run_layers(g, "cat /kept", (0, N - 1), writable=True), ("kept\n", "", 0))


def refused_layers(g, *codes, text, **fields):
    name = g.new_id("layers")
    return g.agent.refused("CreateContainer", *codes, text=text, container_id=name,
                           OCI=spec("true", root=f"{RUN}/{name}/rootfs"),
                           storages=layers(g, name, fields.pop("disk", "layers"), **fields))


def test_wrong_root_hash(g):
    before = state(g)
    wrong = "00" * 32
    text = refused_layers(g, "INVALID_ARGUMENT", text="verification failed", indexes=(0, 1, 4, 5), wrong=wrong)
    check_in("layer 4", text)
    check_in(wrong, text)
    check_equal(state(g), before)


def test_damaged_layer(g):
    """One byte: an error when it is read, and never other data."""
    out, err, code = run_layers(g, "cat /data/6 | md5sum", (6, N - 1), disk="layers")
    check_equal(code, 0)
    damaged = run_layers(g, "cat /data/6 > /dev/null", (6, N - 1), disk="damaged")
    check(damaged[2] != 0, f"{damaged}")
    check_in("Input/output error", damaged[1])


def test_missing_partition(g):
    before = state(g)
    text = refused_layers(g, "DEADLINE_EXCEEDED", text="partition", indexes=(0, 99), verified=False)
    check_in("layer 2", text)
    check_equal(state(g), before)


def storage(g, driver, source, fstype="erofs", *options, **more):
    """Mount it for a container and list it; (stdout, stderr, exit code)."""
    at = f"{RUN}/sandbox/storage/{g.new_id('volume')}"
    name = g.create("ls", "/mnt", mounts=[guest.bind(at, "/mnt")], request={"storages": [
        {"driver": driver, "source": source, "fstype": fstype, "mount_point": at, "options": list(options),
         **more}]})
    g.agent("StartContainer", container_id=name)
    result = (g.read_all(name), g.read_all(name, method="ReadStderr"), g.wait(name))
    g.remove(name)
    return result


def test_storages(g):
    for driver, source in (("blk", PATHS["plain"]), ("scsi", "1:3")):
        out, err, code = storage(g, driver, source, "erofs", "ro")
        check_equal((err, code), ("", 0), driver)
        check_in("who", out)
    check_equal(storage(g, "blk", PATHS["writable"], "ext4", fs_group={"group_id": 2000})[1:], ("", 0))


def test_storage_is_verified(g):
    disks = g.disks
    out, err, code = storage(g, "blk", PATHS["plain"], "erofs", "ro", *verity_options(disks, N - 1))
    check_equal((err, code), ("", 0))
    at = f"{RUN}/sandbox/storage/wrong"
    g.agent.refused("CreateContainer", "INVALID_ARGUMENT", text="verification failed", container_id="wrong",
                    OCI=spec("true"), storages=[
                        {"driver": "blk", "source": PATHS["plain"], "fstype": "erofs", "mount_point": at,
                         "options": ["ro", *verity_options(disks, N - 1, "11" * 32)]}])


def uptime(g):
    return float(g.look("cat /guest/proc/uptime").split()[0])


def test_missing_disk(g):
    before = state(g)
    start = uptime(g)
    g.agent.refused("CreateContainer", "DEADLINE_EXCEEDED", text="hot-plug timeout", container_id="none",
                    OCI=spec("true"), storages=[{"driver": "blk", "source": "1d/02", "fstype": "ext4",
                                                 "mount_point": f"{RUN}/sandbox/storage/none"}])
    check(uptime(g) - start >= 3, "the hot-plug timeout is 3 s, on the guest's clock")
    check_equal(state(g), before)


def test_device(g):
    """The host's numbers become the guest's, and the device is the disk."""
    name = g.new_id()
    oci = spec("sh", "-c", "dd if=/dev/disk bs=1 skip=1024 count=4 2>/dev/null | md5sum")
    oci["Linux"]["Devices"] = [{"Path": "/dev/disk", "Type": "b", "Major": 8, "Minor": 99, "FileMode": 0o600}]
    g.agent("CreateContainer", container_id=name, exec_id=name, OCI=oci, devices=[
        {"id": PATHS["plain"], "type": "blk", "container_path": "/dev/disk"}])
    g.agent("StartContainer", container_id=name)
    check_equal(g.wait(name), 0)
    want = hashlib.md5(bytes.fromhex("e2e1f5e0")).hexdigest()  # the magic of EROFS
    check_in(want, g.read_all(name))
    g.remove(name)
    g.agent.refused("CreateContainer", "INVALID_ARGUMENT", text="Failed to find the device handler floppy",
                    container_id=name, OCI=oci,
                    devices=[{"id": "x", "type": "floppy", "container_path": "/dev/disk"}])


class WithoutVerity(guest.Local):
    program = "tests/guest/agent-without-verity"


def built_without_verity(build):
    """An agent without dm-verity says so, for layers and other storages, and mounts nothing."""
    if not os.path.exists(f"{build}/{WithoutVerity.program}"):
        raise Skip(f"{WithoutVerity.program} is not built")
    directory = tempfile.mkdtemp(prefix="husk-plain-", dir="/tmp")
    image, size = make_layer(directory, 0, True)
    root, salt = verify(image, size)
    loop = run("losetup", "--find", "--show", "--read-only", image).strip()
    g = WithoutVerity(build)
    verity = ["X-kata.dmverity-enabled=true", f"X-kata.dmverity.roothash={root}", f"X-kata.dmverity.hashoffset={size}",
              f"X-kata.dmverity.salt={salt}"]
    try:
        for more in ([MEMBER, "X-kata.overlay-lower"], []):
            name = g.new_id("plain")
            request = g.placed({"OCI": spec("true", root=f"{RUN}/{name}/rootfs"), "storages": [
                {"driver": "blk", "source": loop, "fstype": "erofs", "mount_point": f"{RUN}/{name}/rootfs",
                 "options": ["ro", *more, *verity]}]})
            g.agent.refused("CreateContainer", "UNIMPLEMENTED", text="built without dm-verity", container_id=name, **request)
            with open("/proc/self/mountinfo") as file:
                check(loop not in file.read(), "it is mounted")
    finally:
        g.close()
        run("losetup", "--detach", loop)
        shutil.rmtree(directory)


own_agent = [built_without_verity]


class Machine(guest.Guest):
    def __init__(self, build):
        directory = tempfile.mkdtemp(prefix="husk-disks-", dir="/tmp")
        os.chmod(directory, 0o755)
        try:
            self.disks = Disks(directory)
            super().__init__(build, config=f'path = "{self.disks.qemu()}"')
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def close(self):
        super().close()
        shutil.rmtree(self.disks.directory, ignore_errors=True)


def boot(build):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in ("mkfs.erofs", "veritysetup"):
        if not shutil.which(tool):
            raise Skip(f"there is no {tool} here")
    return Machine(build)
