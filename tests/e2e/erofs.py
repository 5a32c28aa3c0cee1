# SPDX-License-Identifier: Apache-2.0
"""Root file systems on disks: EROFS layers, verified and not, as containerd's own snapshotter and differ
make them, and the blockfile snapshotter.

containerd runs in a mount namespace of its own where /sys/module says that there is dm-verity, which its
differ asks for and only the guest needs.
"""

import base64
import contextlib
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile

import census
import containerd as c
import layered
import programs
import ttrpc
from report import Failure, check, check_equal, check_in

MODULE = 'mount -t tmpfs husk-test /sys/module && mkdir /sys/module/dm_verity && exec "$@"'
COUNTS = (1, 2, 10, 60)
DIRECT_VOLUMES = "/run/kata-containers/shared/direct-volumes"


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
                f'[grpc]\n  address = "{self.address}"\n'
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
                             (7, f"file://{bundle}/out")], timeout=120)
        self.task("Start", [(1, name)])
        return name

    def run_in(self, mounts, script, spec=None):
        """(exit code, what it wrote)"""
        name = self.begin(mounts, script, spec)
        code = self.task("Wait", [(1, name)], timeout=120).get(1, [0])[0]
        self.task("Delete", [(1, name)], timeout=60)
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


# ---- through containerd ----

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
    with open(ct.log_path, errors="replace") as log:
        check_in("nothing verifies the merged image", log.read())


def test_writable_image_is_formatted_once(ct):
    """containerd has made it already, for its client: without it the shim does."""
    name = ct.create(2, "cat /kept; echo kept > /kept; grep -o 'ext4' /proc/filesystems")
    image = max(glob.glob(f"{ct.snapshots}/*/rwlayer.img"), key=os.path.getmtime)
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


def test_containerd_mounts_nothing(ct):
    check_equal([path for path in ct.mounts() if "mount-manager" in path or "/rootfs" in path], [])


# ---- in one machine, with the lists that containerd gives ----

def test_machine_for_many_starts(ct):
    ct.open_vm()


def test_directory_for_what_is_written(ct):
    """It cannot be the upper layer of disks in the guest: the guest's memory is, and nothing is left there."""
    code, out = ct.run_in(layer_mounts(ct.layers(2)), f"{layered.SUMS}; echo x > /data/top && cat /data/top")
    check_equal(code, 0, out)
    check_equal(layered.read_sums("\n".join(out.splitlines()[:-1])), ct.images[2].sums())
    with open(ct.log_path, errors="replace") as log:
        check_in("kept in the guest's memory", log.read())


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
                subprocess.run(["umount", seen], check=True)
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
            script = "while ! cat /data/file 2>/dev/null; do sleep 0.1; done; grep ' /data ' /proc/mounts; ls -ldn /data; ls /data"
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
    script = "ls /sys/block | sort"
    done = ct.execute(ct.vm, "sh", "-c", script, check=True)
    check_equal([name for name in done.text.split() if re.match("vd|sd|dm", name)], ["dm-0", "vda", "vdb"])
    pid = ct.tasks()[ct.vm][0]
    held = [os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*") if os.path.lexists(path)]
    check_equal([path for path in held if "layer.erofs" in path and not path.startswith(ct.layers(1)[0])], [])


def test_machine_is_removed(ct):
    ct.close_vm()


def run_tests(report, module, ct, label):
    """Those that open and close the machine are run whatever ONLY says."""
    for test in [function for name, function in module.items() if name.startswith("test_")]:
        only, report.only = report.only, "" if "machine" in test.__name__ else report.only
        report.run(test, ct, label=label)
        report.only = only


def run(report, entry, options):
    """All of it with one containerd."""
    name, binaries = entry.split("=", 1)
    label = f"containerd {name}, disks"
    before = census.take()
    ct = Disks(name, binaries, options.prefix, options.image, options.erofs_utils, "64MiB",
               c.PATIENT + "[runtime]\nenable_debug = true\n")

    def test_nothing_is_left(before):
        check_equal(census.leftovers(before), [])

    try:
        run_tests(report, globals(), ct, label)
    finally:
        ct.close()
    report.run(test_nothing_is_left, before, label=label)
