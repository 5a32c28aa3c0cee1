# SPDX-License-Identifier: Apache-2.0
"""Disks that come to a running machine and leave it again; QEMU is another user's and may open nothing."""

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile

import guest
from guest import RUN, spec
from report import Failure, Skip, check_equal, check_in

SECTOR = 512
CYCLES = 200
PORTS = 7  # of eight: the last is the SCSI controller's


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stdout[-500:]}")
    return done.stdout


class Machine(guest.Guest):
    """Its disks are files that nobody but root reaches."""

    def __init__(self, *args, **fields):
        self.disks = tempfile.mkdtemp(prefix="husk-hotplug-", dir="/tmp")
        super().__init__(*args, **fields)

    def close(self):
        super().close()
        shutil.rmtree(self.disks)

    def ask(self, **request):
        self.machine.stdin.write((json.dumps(request) + "\n").encode())
        self.machine.stdin.flush()
        answer = json.loads(self.machine.stdout.readline() or '{"error": "the machine has ended"}')
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def refuses(self, *texts, **request):
        try:
            answer = self.ask(**request)
        except Failure as failure:
            for text in texts:
                check_in(text, str(failure))
            return
        raise Failure(f"{request} succeeded: {answer}")

    def plug(self, *extents, **flags):
        return self.ask(plug={"extents": [x if isinstance(x, dict) else {"file": x} for x in extents], **flags})

    def unplug(self, disk):
        return self.ask(unplug=disk["device"])

    def held(self):
        """What QEMU has of disks."""
        return {command: self.ask(qmp=command)["count"] for command in ("query-fdsets", "query-named-block-nodes")}

    def file(self, name, size=0, content=b""):
        path = f"{self.disks}/{name}"
        with open(path, "wb") as file:
            file.write(content)
            if size:
                file.truncate(size)
        return path

    def mounted(self, disk, fstype, script, *options):
        """Mount it at /mnt of a container that runs the script: its standard output."""
        at = f"{RUN}/sandbox/storage/{self.new_id('volume')}"
        name = self.create("sh", "-c", script, mounts=[guest.bind(at, "/mnt")], request={"storages": [
            {"driver": disk["driver"], "source": disk["address"], "fstype": fstype, "mount_point": at,
             "options": list(options)}]})
        return self.finish(name, script)

    def digest(self, disk):
        """MD5 of all that the guest reads of a disk."""
        name, script = self.new_id(), "md5sum < /dev/disk"
        oci = spec("sh", "-c", script)
        oci["Linux"]["Devices"] = [{"Path": "/dev/disk", "Type": "b", "Major": 8, "Minor": 99, "FileMode": 0o600}]
        self.agent("CreateContainer", container_id=name, exec_id=name, OCI=oci, devices=[
            {"id": disk["address"], "type": disk["driver"], "container_path": "/dev/disk"}])
        return self.finish(name, script).split()[0]

    def finish(self, name, script):
        self.agent("StartContainer", container_id=name)
        out, err, code = self.read_all(name), self.read_all(name, method="ReadStderr"), self.wait(name)
        self.remove(name)
        check_equal((err, code), ("", 0), script)
        return out


NOTHING = {"query-fdsets": 0, "query-named-block-nodes": 0}


def ext4(g, name="ext4.img"):
    path = g.file(name, 8 << 20)
    run("mkfs.ext4", "-q", "-F", path)
    os.chmod(path, 0o600)
    return path


def erofs(g, name, text):
    tree = f"{g.disks}/{name}.tree"
    os.mkdir(tree)
    with open(f"{tree}/who", "w") as file:
        file.write(text)
    run("mkfs.erofs", "-T0", "--all-root", f"{g.disks}/{name}", tree)
    return f"{g.disks}/{name}"


def fill_ports(g):
    small = g.file("small", content=b"s" * 4096)
    disks = [g.plug(small, read_only=True) for _ in range(PORTS)]
    check_equal({disk["driver"] for disk in disks}, {"blk"})
    check_equal(len({disk["address"] for disk in disks}), PORTS)
    return disks


def test_volume(g):
    """What the guest writes is in the file after the disk was taken out, and there when it comes again."""
    path = ext4(g)
    disk = g.plug(path, discard=True)
    check_equal(disk["driver"], "blk")
    check_in("lost+found", g.mounted(disk, "ext4", "ls /mnt; echo kept > /mnt/kept"))
    g.unplug(disk)
    check_equal(g.held(), NOTHING)
    check_equal(run("debugfs", "-R", "cat kept", path).splitlines()[-1], "kept")
    disk = g.plug(path)
    check_equal(g.mounted(disk, "ext4", "cat /mnt/kept"), "kept\n")
    g.unplug(disk)


def test_read_only(g):
    """A file that is shared may be in use any number of times."""
    path = erofs(g, "layer", "one layer\n")
    disks = [g.plug(path, read_only=True, shared=True) for _ in range(3)]
    for disk in disks:
        check_equal(g.mounted(disk, "erofs", "cat /mnt/who", "ro"), "one layer\n")
    for disk in disks:
        g.unplug(disk)
    check_equal(g.held(), NOTHING)


def test_past_the_page_cache(g):
    path = ext4(g, "direct.img")
    disk = g.plug(path, direct=True)
    script = "dd if=/dev/zero of=/mnt/zeros bs=64k count=20 2> /dev/null; md5sum < /mnt/zeros"
    check_equal(g.mounted(disk, "ext4", script).split()[0], hashlib.md5(bytes(20 << 16)).hexdigest())
    g.unplug(disk)
    check_equal(g.held(), NOTHING)


def test_block_device(g):
    content = os.urandom(1 << 20)
    path = g.file("behind", content=content)
    done = subprocess.run(["losetup", "-f", "--show", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Skip(f"no loop device: {done.stderr.strip()}")
    node = done.stdout.strip()
    try:
        disk = g.plug(node)
        check_equal(g.digest(disk), hashlib.md5(content).hexdigest())
        g.unplug(disk)
        g.refuses("a block device cannot be part of a disk",
                  plug={"extents": [{"file": node}, {"file": path}], "read_only": True})
        check_equal(g.held(), NOTHING)
    finally:
        run("losetup", "-d", node)


def test_one_disk_of_five_files(g):
    """Odd ends are filled up, what is behind the end of a file is zeros, and a file may come twice."""
    parts = [os.urandom(n) for n in (100_000, 512, 3_000_001, 70_000)]
    files = [g.file(f"part{i}", content=part) for i, part in enumerate(parts)]
    whole = b"".join(part.ljust((len(part) + SECTOR - 1) // SECTOR * SECTOR, b"\0") for part in parts)
    pad = g.file("pad", SECTOR)
    disk = g.plug(*files, {"file": pad, "length": 1 << 20}, {"file": files[0], "offset": 1024, "length": 2048},
                  {"file": pad, "length": 4096}, read_only=True, shared=True)
    whole += bytes(1 << 20) + parts[0][1024:3072] + bytes(4096)
    check_equal(g.digest(disk), hashlib.md5(whole).hexdigest())
    g.unplug(disk)
    check_equal(g.held(), NOTHING)


def test_one_disk_of_very_many_files(g):
    """More than the 1024 descriptors that a process has by default: each is in two places in QEMU."""
    files = [g.file(f"piece{i}", content=bytes([i % 251]) * (SECTOR + i)) for i in range(520)]
    whole = b"".join((bytes([i % 251]) * (SECTOR + i)).ljust((2 if i else 1) * SECTOR, b"\0") for i in range(513))
    whole += b"".join((bytes([i % 251]) * (SECTOR + i)).ljust(3 * SECTOR, b"\0") for i in range(513, 520))
    disk = g.plug(*files, read_only=True, shared=True)
    check_equal(g.digest(disk), hashlib.md5(whole).hexdigest())
    g.unplug(disk)
    check_equal(g.held(), NOTHING)


def test_more_disks_than_ports(g):
    disks = fill_ports(g)
    texts = [f"disk {i}\n" for i in range(5)]
    more = [g.plug(erofs(g, f"unit{i}", text), read_only=True) for i, text in enumerate(texts)]
    check_equal({disk["driver"] for disk in more}, {"scsi"})
    for disk, text in zip(more, texts):
        check_equal(g.mounted(disk, "erofs", "cat /mnt/who", "ro"), text)
    for disk in disks + more:
        g.unplug(disk)
    check_equal(g.held(), NOTHING)


def test_refused_and_taken_back(g):
    """What a second writer of a file is told is QEMU's reason, and nothing of it stays."""
    path = ext4(g, "locked.img")
    disk = g.plug(path)
    # Those who share it do not ask for a lock, alone or as part of a disk.
    for shared in ((path,), (path, path)):
        g.unplug(g.plug(*shared, read_only=True, shared=True))
    g.refuses("lock", plug={"extents": [{"file": path}, {"file": path}], "read_only": True})
    before = g.held()
    for _ in range(3):
        g.refuses("plug disk", path, "device_add", "lock", plug={"extents": [{"file": path}]})
    check_equal(g.held(), before)
    g.unplug(disk)
    check_equal(g.held(), NOTHING)
    g.refuses("no extent", plug={"extents": [{"file": path, "offset": 77}], "read_only": True})
    g.refuses("read-only", plug={"extents": [{"file": path}, {"file": path}]})
    g.refuses("neither a file nor a block device", plug={"extents": [{"file": "/dev/null"}]})
    check_equal(g.held(), NOTHING)


def test_guest_that_does_not_answer(g):
    """The disk stays in the machine and in the books until the guest lets go of it."""
    path = ext4(g, "asleep.img")
    disk = g.plug(path)
    g.mounted(disk, "ext4", "true")
    before = g.held()
    g.ask(qmp="stop")
    g.refuses("unplug blk", "wait for the guest to release the device", unplug=disk["device"], limit_ms=3000)
    check_equal(g.held(), before)
    g.ask(qmp="cont")
    g.unplug(disk)
    check_equal(g.held(), NOTHING)


def test_guest_that_throws_a_disk_out(g):
    disk = g.plug(ext4(g, "thrown.img"))
    g.mounted(disk, "ext4", "true")
    check_equal(g.ask(qmp="query-block")["count"], 1)
    port = disk["address"].split("/")[0]
    g.look(f"cd /guest/sys/bus/pci; function=$(ls devices/0000:00:{port}.0 | grep '^0000:..:00.0$'); "
           "echo 0 > $(dirname $(grep -l ${function%.0} slots/*/address))/power")
    check_equal(g.ask(qmp="query-block")["count"], 0, "QEMU's disks with a device")
    check_equal(g.ask(qmp="query-fdsets")["count"], 1, "what belongs to the disk stays until it is unplugged")
    g.unplug(disk)
    check_equal(g.held(), NOTHING)


def cycles(g, n, path):
    plugging, unplugging = [], []
    for i in range(n):
        disk = g.plug(path, read_only=True)
        if i % 20 == 0:
            check_equal(g.mounted(disk, "erofs", "cat /mnt/who", "ro"), "again\n")
        plugging.append(disk["us"] / 1000)
        unplugging.append(g.unplug(disk)["us"] / 1000)
    print(f"# {n} cycles of {disk['driver']}: plug {statistics.median(plugging):.1f} ms (worst "
          f"{max(plugging):.1f}), unplug {statistics.median(unplugging):.1f} ms (worst {max(unplugging):.1f})")


def test_cycles(g):
    path = erofs(g, "again", "again\n")
    cycles(g, CYCLES, path)
    check_equal(g.held(), NOTHING)
    disks = fill_ports(g)
    cycles(g, CYCLES // 4, path)
    for disk in disks:
        g.unplug(disk)
    check_equal(g.held(), NOTHING)


def boot(build):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if not shutil.which("mkfs.erofs"):
        raise Skip("there is no mkfs.erofs here")
    return Machine(build, config='user = "nobody"')
