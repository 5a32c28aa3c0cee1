# SPDX-License-Identifier: Apache-2.0
"""containerd's devmapper snapshotter: a root file system is a thin volume, and so a disk of the guest."""

import os
import subprocess

import containerd as c
from report import check_equal, check_in

POOL_SECTORS = (1 << 30) // 512
BLOCK_SECTORS = 128
LOW_WATER_BLOCKS = 1024


def command(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


def volumes():
    return {line.split("\t")[0] for line in command("dmsetup", "ls").splitlines()}


class Thin(c.Containerd):
    """A containerd with a thin pool in two sparse files."""

    def config(self):
        self.pool = self.new_id("pool")
        self.loops = [self.loop("data", POOL_SECTORS * 512), self.loop("metadata", 16 << 20)]
        data, metadata = self.loops
        command("dmsetup", "create", self.pool, "--table",
                f"0 {POOL_SECTORS} thin-pool {metadata} {data} {BLOCK_SECTORS} {LOW_WATER_BLOCKS} 1 skip_block_zeroing")
        return super().config() + (
            "[plugins.'io.containerd.snapshotter.v1.devmapper']\n"
            f"  root_path = '{self.run}/devmapper'\n  pool_name = '{self.pool}'\n  base_image_size = '64MB'\n"
            "[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n"
            "  platform = 'linux/amd64'\n  snapshotter = 'devmapper'\n  differ = 'walking'\n")

    def loop(self, name, size):
        with open(f"{self.run}/{name}", "wb") as file:
            file.truncate(size)
        return command("losetup", "--find", "--show", f"{self.run}/{name}").strip()

    def import_images(self):
        self.ctr("image", "import", "--snapshotter", "devmapper", self.image, check=True)

    def close(self):
        self.ctr("image", "rm", "--sync", c.IMAGE)
        self.stop()
        self.start()  # what its collector has not come to
        for volume in sorted(volumes() - {self.pool}, reverse=True):
            subprocess.run(["dmsetup", "remove", volume], check=False)
        subprocess.run(["dmsetup", "remove", self.pool], check=False)
        super().close()
        for loop in self.loops:
            subprocess.run(["losetup", "--detach", loop], check=False)


def test_write_and_read(ct):
    """The container's own volume is the guest's disk, is written to, and goes with the container."""
    before = volumes()
    name = ct.detached("sleep", "100000", options=("--snapshotter", "devmapper"))
    try:
        check_equal(len(volumes() - before), 1, "volumes more")
        root = ct.execute(name, "grep", " / ", "/proc/mounts", check=True).text
        check_in("ext4", root)
        check_in("/dev/vd", root)
        data = os.urandom(8 << 20)
        ct.execute(name, "sh", "-c", "cat > /big; sync", stdin=data, check=True)
        want = subprocess.run(["sha256sum"], input=data, stdout=subprocess.PIPE, check=True).stdout
        ct.execute(name, "sh", "-c", "echo 3 > /proc/sys/vm/drop_caches")
        check_equal(ct.execute(name, "sh", "-c", "sha256sum < /big", check=True).out, want)
    finally:
        ct.remove(name)
    # containerd collects it when it has answered.
    c.wait_for(lambda: volumes() == before, 60, "the volume goes")
