# SPDX-License-Identifier: Apache-2.0
"""A machine that has what a host should have: Debian's kernel, cgroup v2, vhost, device-mapper; and this
machine's files, which it cannot change. Everything in it is emulated, the virtual machines of the tests twice."""

import ctypes
import mmap
import os
import shutil
import socket
import subprocess
import tempfile
import time

MEMORY = 3072  # MiB
CPUS = 2
# Its guests are run by KVM on the emulated AMD-V, a hundred times faster than emulated twice. With nested paging (npt)
# QEMU 7.2 writes into the wrong pages. erms: see hypervisor/qemu/args.c.
CPU = "max,-erms,svm=on,npt=off"
VIRTIOFSD = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")
FIRST_MODULES = ("virtio_pci", "virtiofs", "overlay")
# Only what is below / itself, and that read-only: no file of this machine is at risk.
SHARE = 'mount --make-rprivate / && mount --bind / "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
# The frequency of the time stamp counter, which an emulated machine measures badly (hypervisor/qemu/tsc.h).
COMMAND_LINE = "console=ttyS0 panic=-1 cgroup_no_v1=all tsc=reliable tsc_early_khz={khz} {environment} -- {words}"


def kernel_of(cache):
    """Where guest/build-image has unpacked Debian's kernel."""
    found = [f"{cache}/{name}" for name in sorted(os.listdir(cache)) if name.startswith("kernel-")]
    return os.path.realpath(found[-1])


def closure(modules, names):
    """Files of modules, each behind what it needs."""
    with open(f"{modules}/modules.dep") as file:
        needs = {line.split(":")[0]: line.split(":")[1].split() for line in file}
    order = []
    for name in names:
        (path,) = [p for p in needs if p.endswith(f"/{name}.ko")]
        order += [p for p in (*reversed(needs[path]), path) if p not in order]
    return order


def make_initrd(directory, modules):
    """A busybox, the modules for the share and the script that goes on from there."""
    root = f"{directory}/initrd"
    for name in ("bin", "dev", "lower", "modules", "proc", "root", "upper"):
        os.makedirs(f"{root}/{name}")
    shutil.copy("/bin/busybox", f"{root}/bin/busybox")
    for name in ("sh", "mount", "umount", "mkdir", "insmod", "switch_root", "echo"):
        os.symlink("busybox", f"{root}/bin/{name}")
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "init"), f"{root}/init")
    order = closure(modules, FIRST_MODULES)
    for path in order:
        shutil.copy(f"{modules}/{path}", f"{root}/modules/")
    with open(f"{root}/modules/order", "w") as file:
        file.writelines(os.path.basename(path) + "\n" for path in order)
    names = subprocess.run(["find", "."], cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open(f"{directory}/initrd.img", "wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=names, stdout=file, check=True)
    return f"{directory}/initrd.img"


def kilohertz(seconds=0.05):
    """The processor's own counter, read by four instructions: rdtsc, shl rdx by 32, or rax with it, ret."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))
        first = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(first))
        cycles, start = read(), time.monotonic_ns()
        time.sleep(seconds)
        cycles, took = read() - cycles, time.monotonic_ns() - start
        del first
    return cycles * 1_000_000 // took


class Machine:
    """`lines` are what its second serial port says; what its console and the share's server say goes to files in `logs`."""

    def __init__(self, tree, cache, words, environment, logs):
        self.directory = tempfile.mkdtemp(prefix="husk-nested-", dir="/tmp")
        self.processes = []
        try:
            self.boot(tree, kernel_of(cache), words, environment, logs)
        except BaseException:
            self.close()
            raise

    def boot(self, tree, kernel, words, environment, logs):
        with open(f"{kernel}/version") as file:
            modules = f"{kernel}/tree/lib/modules/{file.read().strip()}"
        command_line = COMMAND_LINE.format(
            khz=kilohertz(), words=" ".join([tree, f"{kernel}/tree", *words]),
            environment=" ".join(f'{name}="{value}"' for name, value in environment.items()))
        self.start_share(logs)
        qemu = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-machine", "q35,accel=tcg,memory-backend=ram", "-cpu", CPU, "-smp", str(CPUS), "-m", str(MEMORY),
                "-object", f"memory-backend-memfd,id=ram,size={MEMORY}M,share=on",
                "-kernel", f"{kernel}/vmlinux", "-initrd", make_initrd(self.directory, modules), "-append", command_line,
                "-chardev", f"socket,id=share,path={self.directory}/share.sock",
                "-device", "vhost-user-fs-pci,chardev=share,tag=root,queue-size=1024",
                "-device", "virtio-rng-pci",
                "-serial", f"file:{logs}/nested-console.log", "-serial", "stdio"]
        self.qemu = subprocess.Popen(qemu, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
        self.processes.append(self.qemu)
        self.lines = self.qemu.stdout

    def start_share(self, logs):
        os.mkdir(f"{self.directory}/share")
        program = next(path for path in VIRTIOFSD if os.path.exists(path))
        with socket.socket(socket.AF_UNIX) as listener, open(f"{logs}/nested-share.log", "wb") as log:
            listener.bind(f"{self.directory}/share.sock")
            listener.listen(1)
            self.processes.append(subprocess.Popen(
                ["unshare", "-m", "sh", "-c", SHARE, "sh", f"{self.directory}/share", program, f"--fd={listener.fileno()}",
                 "-f", "-o", f"source={self.directory}/share", "-o", "cache=always", "-o", "log_level=warn"],
                stdin=subprocess.DEVNULL, stderr=log, pass_fds=[listener.fileno()]))

    def end(self):
        """Without waiting; `lines` end too."""
        self.qemu.kill()

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
