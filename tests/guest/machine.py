# SPDX-License-Identifier: Apache-2.0
"""A machine with devices of every kind, a monitor of the test's own, and an initrd with the programs
that the small guest image does not have."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

import guest
from report import Failure, Skip

MIB = 1 << 20
SEARCH = "/usr/sbin:/sbin:/usr/bin:/bin"
# Fixed places on the root bus, free in what husk itself plugs there.
SWAP, VOLUME, XFS, SCSI_CARD, PORT_DISK, PORT_NET, PORT_SWAP, TEST_DEVICE, SPARE_SWAP, SPARE_PATH = range(0x10, 0x1a)
DISKS = {"swap": 32 * MIB, "volume": 32 * MIB, "xfs": 320 * MIB, "pmem": 128 * MIB, "daxpmem": 128 * MIB,
         "spare1": 8 * MIB, "spare2": 8 * MIB, "plugged": 16 * MIB,
         "late": 16 * MIB, "scsi": 16 * MIB}
PROGRAMS = ("/sbin/mkfs.ext4", "/sbin/modprobe")
TABLES = ("iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore")
MODULES = ("iptable_filter", "ip6table_filter", "dummy")

WRAPPER = """#!/usr/bin/python3
import json, os, re, socket, sys

facts = json.load(open({facts!r}))
words = []
for word in sys.argv[1:]:
    for old, new in facts["replace"]:
        word = re.sub(old, new, word)
    words.append(word)
# Every file system is read-only to it: its disks are copies in memory.
numbers = {{}}
for name, path in facts["disks"].items():
    numbers[name] = os.memfd_create(name, 0)
    with open(path, "rb") as file:
        while True:
            data = file.read(1 << 20)
            if not data:
                break
            if data.strip(b"\\0"):
                os.write(numbers[name], data)
            else:
                os.lseek(numbers[name], len(data), os.SEEK_CUR)
        os.ftruncate(numbers[name], os.fstat(file.fileno()).st_size)
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(facts["monitor"])
os.set_inheritable(monitor.fileno(), True)
words += ["-chardev", "socket,id=second,fd=%d" % monitor.fileno(), "-mon", "chardev=second,mode=control"]
for word in facts["words"]:
    words.append(word.format(**{{name: "/dev/fd/%d" % fd for name, fd in numbers.items()}}))
os.execv(facts["qemu"], ["qemu-system-x86_64", *words])
"""


def run(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stdout[-500:]}")
    return done.stdout


def find(name):
    path = shutil.which(os.path.basename(name), path=SEARCH)
    if not path:
        raise Skip(f"there is no {os.path.basename(name)} here")
    return path


class Monitor:
    """QMP, one command at a time."""

    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rw")
        self.file.readline()  # the greeting
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise Failure(f"{command}: the monitor is gone")
            answer = json.loads(line)
            if "error" in answer:
                raise Failure(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


class Tools:
    """The tree that is laid over the guest image's."""

    def __init__(self, root, kernel):
        self.root = root
        for path in PROGRAMS:
            self.add_program(find(path), path)
        tables = find("xtables-legacy-multi")
        for name in TABLES:
            self.add_program(tables, f"/usr/sbin/{name}")
        plugins = "/usr/lib/x86_64-linux-gnu/xtables"
        for name in ("libxt_standard.so", "libxt_tcp.so"):
            self.add_file(f"{plugins}/{name}", f"{plugins}/{name}")
        self.add_modules(kernel)

    def add_file(self, source, target):
        os.makedirs(os.path.dirname(self.root + target), exist_ok=True)
        if not os.path.exists(self.root + target):
            shutil.copy(source, self.root + target)

    def add_program(self, source, target):
        self.add_file(source, target)
        for library in re.findall(r"(/\S+) \(0x", run("ldd", source)):
            self.add_file(library, library)

    def add_modules(self, kernel):
        """As depmod wants them: a tree with those modules and what they need."""
        (version,) = os.listdir(f"{kernel}/lib/modules")
        with open(f"{kernel}/lib/modules/{version}/modules.dep") as file:
            needs = {line.split(":")[0]: line.split(":")[1].split() for line in file}
        for name in MODULES:
            (path,) = [p for p in needs if p.endswith(f"/{name}.ko")]
            for module in (path, *needs[path]):
                target = f"/lib/modules/{version}/{module}"
                self.add_file(f"{kernel}/lib/modules/{version}/{module}", target)
                run("strip", "--strip-debug", self.root + target)
        run(find("depmod"), "-b", self.root, version)

    def archive(self, initrd, target):
        """The kernel unpacks one archive after the other, each at a multiple of 4 bytes."""
        names = run("find", ".", cwd=self.root)
        more = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=self.root,
                              input=names.encode(), stdout=subprocess.PIPE, check=True).stdout
        with open(initrd, "rb") as file:
            first = file.read()
        with open(target, "wb") as file:
            file.write(first + b"\0" * (-len(first) % 4) + more)


def make_disks(directory):
    paths = {}
    for name, size in DISKS.items():
        paths[name] = f"{directory}/{name}.img"
        with open(paths[name], "wb") as disk:
            disk.truncate(size)
    for name in ("swap", "late", "spare1", "spare2"):
        run(find("mkswap"), paths[name])
    for name in ("volume", "pmem", "daxpmem", "plugged", "scsi"):
        run(find("mkfs.ext4"), "-q", "-F", "-b", "4096", paths[name])
    run(find("mkfs.xfs"), "-q", paths["xfs"])
    return paths


def words():
    disk = "-drive if=none,id={0},format=raw,file={{{0}}} "
    port = "-device pcie-root-port,id={0},bus=pcie.0,addr={1:#x},chassis={1},slot={1} "
    text = (disk.format("swap") + f"-device virtio-blk-pci,drive=swap,bus=pcie.0,addr={SWAP:#x} "
            + disk.format("volume") + f"-device virtio-blk-pci,drive=volume,bus=pcie.0,addr={VOLUME:#x} "
            + disk.format("xfs") + f"-device virtio-blk-pci,drive=xfs,bus=pcie.0,addr={XFS:#x} "
            + disk.format("spare1") + f"-device virtio-blk-pci,drive=spare1,bus=pcie.0,addr={SPARE_SWAP:#x} "
            + disk.format("spare2") + f"-device virtio-blk-pci,drive=spare2,bus=pcie.0,addr={SPARE_PATH:#x} "
            + disk.format("plugged") + disk.format("late") + disk.format("scsi")
            + f"-device virtio-scsi-pci,id=card,bus=pcie.0,addr={SCSI_CARD:#x} "
            + port.format("portdisk", PORT_DISK) + port.format("portnet", PORT_NET)
            + port.format("portswap", PORT_SWAP)
            + f"-object memory-backend-file,id=pmem,share=on,size={DISKS['pmem']},mem-path={{pmem}} "
            + "-device nvdimm,id=nv,memdev=pmem "
            + f"-object memory-backend-file,id=daxpmem,share=on,size={DISKS['daxpmem']},mem-path={{daxpmem}} "
            + "-device virtio-pmem-pci,id=dax,memdev=daxpmem "
            + "-device intel-iommu " + f"-device pci-testdev,bus=pcie.0,addr={TEST_DEVICE:#x} ")
    return text.split()


class Machine(guest.Guest):
    def __init__(self, build):
        self.things = tempfile.mkdtemp(prefix="husk-devices-", dir="/tmp")
        self.machine = None
        os.chmod(self.things, 0o755)
        try:
            config = self.lay_out(build)
            super().__init__(build, config=config, sandbox=False)
            self.monitor = Monitor(self.listener.accept()[0])
            self.create_sandbox(kernel_modules=[
                {"name": "dummy", "parameters": ["numdummies=2"]}, {"name": "iptable_filter"},
                {"name": "ip6table_filter"}])
        except BaseException:
            if self.machine:
                super().close()
            self.remove_things()
            raise

    def lay_out(self, build):
        image = os.path.realpath(f"{build}/guest/image/default")
        cache = os.path.realpath(f"{build}/../guest")
        kernels = [f"{cache}/{n}/tree" for n in os.listdir(cache) if n.startswith("kernel-")]
        with open(f"{image}/manifest.json") as file:
            version = json.load(file)["kernel"]
        (kernel,) = [k for k in kernels if os.path.exists(f"{k}/lib/modules/{version}")]
        os.mkdir(f"{self.things}/root")
        Tools(f"{self.things}/root", kernel).archive(f"{image}/initrd.img", f"{self.things}/initrd.img")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.things}/monitor")
        self.listener.settimeout(60)
        self.listener.listen(1)
        os.chmod(f"{self.things}/monitor", 0o777)
        facts = {
            "qemu": find("qemu-system-x86_64"), "monitor": f"{self.things}/monitor",
            "disks": make_disks(self.things), "words": words(),
            # Room for processors and memory; husk's own hot-plug is the host's and tested elsewhere.
            "replace": [[r"^1$", "1,maxcpus=2"], [r"^512M$", "512M,slots=4,maxmem=2G"],
                        [r"\bnr_cpus=1\b", "nr_cpus=2"], [r"^(q35,.*)", r"\1,nvdimm=on"]]}
        with open(f"{self.things}/facts.json", "w") as file:
            json.dump(facts, file)
        with open(f"{self.things}/qemu", "w") as file:
            file.write(WRAPPER.format(facts=f"{self.things}/facts.json"))
        os.chmod(f"{self.things}/qemu", 0o755)
        return (f'path = "{self.things}/qemu"\nkernel = "{image}/vmlinux"\n'
                f'initrd = "{self.things}/initrd.img"\ndefault_vcpus = 1\ndefault_memory = 512\n'
                'kernel_params = "agent.hotplug_timeout=30 intel_iommu=on"')

    def remove_things(self):
        shutil.rmtree(self.things, ignore_errors=True)

    def close(self):
        super().close()
        self.remove_things()
