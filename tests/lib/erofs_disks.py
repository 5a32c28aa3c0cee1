# SPDX-License-Identifier: Apache-2.0
"""A containerd whose layers are EROFS images with dm-verity, and a machine to put containers on disks into.

containerd runs in a mount namespace of its own where /sys/module says that there is dm-verity, which its
differ asks for and only the guest needs.
"""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import tempfile

import containerd as c
import layered
import programs
import ttrpc
from report import Failure

MODULE = 'mount -t tmpfs husk-test /sys/module && mkdir /sys/module/dm_verity && exec "$@"'
COUNTS = (1, 2, 10, 60)


class Disks(c.Containerd):
    """A containerd whose layers are EROFS images; `size`: of the writable one, "" for a directory."""

    launcher = ("unshare", "-m", "sh", "-c", MODULE, "containerd")

    def __init__(self, name, binaries, prefix, image, tools, size="", config="", counts=COUNTS):
        self.path = (tools,)
        self.size = size
        self.directory = tempfile.mkdtemp(prefix="husk-layers-", dir="/tmp")
        base = os.path.join(os.path.dirname(os.path.abspath(image)), "busybox")
        shutil.copy(f"{base}/etc/passwd", f"{self.directory}/marker")
        self.dmsetup = f"{self.directory}/dmsetup"
        programs.copy("dmsetup", self.dmsetup)
        self.images = {n: layered.Layered(self.directory, base, n) for n in counts}
        super().__init__(name, binaries, prefix, image, config)

    @property
    def client(self):
        """What containerd mounts for a client is in its namespace."""
        return ("nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt") if self.process else ()

    def config(self):
        scratch = f"{self.run}/scratch.img"
        with open(scratch, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", scratch], check=True, stdin=subprocess.DEVNULL)
        return (f'version = 3\nroot = "{self.run}/root"\nstate = "{self.run}/state"\n'
                'disabled_plugins = ["io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images",'
                ' "io.containerd.grpc.v1.cri"]\n'
                f'{c.TIMEOUTS}[grpc]\n  address = "{self.address}"\n'
                "[plugins.'io.containerd.snapshotter.v1.erofs']\n"
                f'  default_size = "{self.size}"\n'
                "[plugins.'io.containerd.differ.v1.erofs']\n  enable_dmverity = true\n"
                "[plugins.'io.containerd.service.v1.diff-service']\n  default = ['erofs', 'walking']\n"
                "[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n"
                "  platform = 'linux/amd64'\n  snapshotter = 'erofs'\n  differ = 'erofs'\n"
                "[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n"
                "  platform = 'linux/amd64'\n  snapshotter = 'blockfile'\n  differ = 'walking'\n"
                "[plugins.'io.containerd.snapshotter.v1.blockfile']\n"
                f"  scratch_file = '{scratch}'\n  fs_type = 'ext4'\n  mount_options = ['loop']\n"
                "  recreate_scratch = true\n")

    def import_images(self):
        for image in self.images.values():
            self.ctr("image", "import", "--snapshotter", "erofs", image.archive, check=True)

    def close(self):
        super().close()
        shutil.rmtree(self.directory)

    @property
    def snapshots(self):
        return f"{self.run}/root/io.containerd.snapshotter.v1.erofs/snapshots"

    @contextlib.contextmanager
    def metadata_hidden(self):
        """A client that makes a container looks for groups in the image, and has containerd mount it for
        that: on a host without device-mapper this is only possible for layers that are not verified."""
        files = glob.glob(f"{self.snapshots}/*/layer.erofs.dmverity")
        for file in files:
            os.rename(file, f"{file}.hidden")
        try:
            yield
        finally:
            for file in files:
                os.rename(f"{file}.hidden", file)

    def create(self, count, script, options=(), snapshotter="erofs"):
        """A container that is not started yet; its id."""
        name = self.new_id("disks")
        with self.metadata_hidden():
            self.ctr("container", "create", "--runtime", c.RUNTIME, "--snapshotter", snapshotter, *options,
                     self.images[count].name, name, "sh", "-c", script, check=True)
        return name

    def start_task(self, name, *options, **more):
        return self.ctr("task", "start", *options, name, **more)

    def run_image(self, count, script, snapshotter="erofs", options=(), **more):
        name = self.create(count, script, options, snapshotter)
        done = self.start_task(name, **more)
        self.remove(name)
        return done

    def layer_with(self, data):
        """(file of the layer that these bytes are in, where)"""
        for file in glob.glob(f"{self.snapshots}/*/layer.erofs"):
            with open(file, "rb") as layer:
                at = layer.read().find(data)
            if at >= 0:
                return file, at
        raise Failure("no layer has these bytes")

    def layers(self, count):
        """Files of an image's layers, the topmost first, found by what is in them."""
        with open(f"{self.directory}/marker", "rb") as file:
            marker = file.read()
        base = [file for file in glob.glob(f"{self.snapshots}/*/layer.erofs")
                if holds(file, marker) and not holds(file, layered.body(0, "data/own-0", 64))]
        own = [self.layer_with(layered.body(i, f"data/own-{i}", 64))[0] for i in range(count - 1, 0, -1)]
        return own + base if count > 1 else [self.layer_with(layered.body(0, "data/own-0", 64))[0]]

    def open_vm(self):
        """A machine to put containers into."""
        self.vm = self.create(1, "sleep 100000")
        self.start_task(self.vm, "-d", check=True)
        self.task = ttrpc.Task(self.shim_address(self.vm))

    def close_vm(self):
        self.remove(self.vm)

    def begin(self, mounts, script, spec=None):
        """Create and start a container in the machine, from these mounts; raises what Create answers."""
        name = self.new_id("in")
        bundle = f"{self.run}/{name}"
        os.makedirs(bundle)
        with open(f"{self.bundle(self.vm)}/config.json") as file:
            config = json.load(file)
        config["process"]["args"] = ["sh", "-c", script]
        config["linux"]["cgroupsPath"] = f"/default/{name}"
        if spec:
            spec(config)
        with open(f"{bundle}/config.json", "w") as file:
            json.dump(config, file)
        rootfs = [(3, [(1, kind), (2, source), *((4, option) for option in options)])
                  for kind, source, *options in mounts]
        self.task("Create", [(1, name), (2, bundle), *rootfs, (5, ""), (6, f"file://{bundle}/out"),
                             (7, f"file://{bundle}/out")], timeout=300)
        self.task("Start", [(1, name)])
        return name

    def run_in(self, mounts, script, spec=None):
        """(exit code, what it wrote)"""
        name = self.begin(mounts, script, spec)
        code = self.task("Wait", [(1, name)], timeout=300).get(1, [0])[0]
        self.task("Delete", [(1, name)])
        with open(f"{self.run}/{name}/out", "rb") as file:
            return code, file.read().decode(errors="replace")

    def refused(self, mounts, spec=None):
        """What Create answers."""
        try:
            self.begin(mounts, "true", spec)
        except ttrpc.Status as status:
            return str(status)
        raise Failure("it was created")

    def mounts(self):
        """Of containerd's own namespace, below its directory."""
        with open(f"/proc/{self.process.pid}/mountinfo") as file:
            return {line.split()[4] for line in file if self.run in line}


# In a guest, where it was copied to /dmsetup.
DMSETUP = "DM_DISABLE_UDEV=1 /dmsetup/ld.so --library-path /dmsetup /dmsetup/dmsetup"


def holds(path, data):
    with open(path, "rb") as file:
        return data in file.read()


def layer_mounts(files, verified=True, writable=None, directory="/nowhere"):
    """As the snapshotter has them: an overlay of these layers, the topmost first."""
    words = lambda file: [f"X-containerd.dmverity={file}.dmverity"] if verified else []
    mounts = [("erofs", file, "ro", "loop", *words(file)) for file in files]
    first = 0
    if writable:
        mounts.insert(0, ("mkfs/ext4", writable, "X-containerd.mkfs.fs=ext4",
                          f"X-containerd.mkfs.size={32 << 20}", "rw", "loop"))
        first = 1
        upper = ["workdir={{ mount 0 }}/work", "upperdir={{ mount 0 }}/upper",
                 "X-containerd.mkdir.path={{ mount 0 }}/upper:0755"]
    else:
        upper = [f"workdir={directory}/work", f"upperdir={directory}/fs"]
    named = "{{ mount %d }}" % first if len(files) == 1 else "{{ overlay %d %d }}" % (first, first + len(files) - 1)
    mounts.append(("format/mkdir/overlay", "overlay", *upper, f"lowerdir={named}"))
    return mounts


@contextlib.contextmanager
def changed(path, at, data=None):
    """One byte of a file is another, or more of them these."""
    with open(path, "r+b") as file:
        file.seek(at)
        before = file.read(len(data) if data else 1)
        file.seek(at)
        file.write(data or bytes([before[0] ^ 1]))
    try:
        yield
    finally:
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(before)


def root_hash(layer):
    with open(f"{layer}.dmverity") as file:
        return json.load(file)["roothash"]


@contextlib.contextmanager
def merged(ct, files):
    """An image of the names of all these layers, the topmost first, where containerd looks for it."""
    image = f"{os.path.dirname(files[0])}/fsmeta.erofs"
    subprocess.run([f"{ct.path[0]}/mkfs.erofs", "--quiet", "--aufs", "--ovlfs-strip=1", image, *reversed(files)],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield image
    finally:
        os.unlink(image)


def run_tests(report, module, ct, label):
    """Those that open and close the machine are run whatever ONLY says."""
    for test in [function for name, function in module.items() if name.startswith("test_")]:
        only, report.only = report.only, "" if "machine" in test.__name__ else report.only
        report.run(test, ct, label=label)
        report.only = only
