# SPDX-License-Identifier: Apache-2.0
"""The bare virtual machine that a cold start is measured against.

It is started with the very arguments of a running sandbox's QEMU, read from /proc. What differs:

 - no -S: there is no monitor client that would say `cont`;
 - what stood behind its descriptor numbers is made anew: socket pairs for monitor and console, a
   listening socket for the agent's port (or /dev/vhost-vsock), taps without anybody at their other end,
   a virtiofsd with its own arguments;
 - ` -- poweroff` at the end of the kernel's command line: the agent, as process 1, powers off before
   it does anything else.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time

from kills import part_of
from report import Failure

FD_ABOVE = 64  # where ours wait, out of the way of the numbers in the arguments


def arguments_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return [word.decode() for word in file.read().split(b"\0")[:-1]]


def high(fd):
    """The same, with a number above those that the child is given. The old one is closed."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FD_ABOVE)
    os.close(fd)
    return moved


TUNSETIFF = 0x400454CA  # linux/if_tun.h, as the flags: a tap, no header of its own but virtio-net's
IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x100, 0x1000, 0x4000


def open_tap(name, queues):
    """One queue of a tap, which goes when the last is closed."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


def bare_vm_of(shim):
    """A machine like the one of a shim that runs now."""
    qemu, virtiofsd = part_of(shim, "qemu-system-x86_64"), part_of(shim, "virtiofsd")
    if not qemu:
        raise Failure("the sandbox has no QEMU")
    return BareVm(arguments_of(qemu), arguments_of(virtiofsd) if virtiofsd else None)


class BareVm:
    """`qemu`, `virtiofsd`: their arguments; the latter None where the machine has no share."""

    def __init__(self, qemu, virtiofsd):
        self.directory = tempfile.mkdtemp(prefix="husk-bare-", dir="/run")
        self.qemu = [word for word in qemu if word != "-S"]
        at = self.qemu.index("-append") + 1
        self.qemu[at] += " -- poweroff"
        self.cpu_seconds = 0.0  # of QEMU in the last run
        self.virtiofsd = virtiofsd and [re.sub(r"^(source=|--shared-dir=).*", rf"\1{self.directory}", word)
                                        for word in virtiofsd]

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def number_of(self, chardev):
        """The descriptor that a character device of the machine is given, None if there is none."""
        for word in self.qemu:
            found = re.match(rf"socket,id={chardev},fd=(\d+)", word)
            if found:
                return int(found.group(1))
        return None

    def open_nics(self):
        """{number: descriptor} of the queues of its network cards."""
        fds = {}
        for i, word in enumerate(word for word in self.qemu if word.startswith("tap,")):
            for key, numbers in re.findall(r",(fds|vhostfds)=([\d:]+)", word):
                numbers = [int(number) for number in numbers.split(":")]
                for number in numbers:
                    fds[number] = high(open_tap(f"bare{os.getpid()}-{i}", len(numbers)) if key == "fds"
                                       else os.open("/dev/vhost-net", os.O_RDWR | os.O_CLOEXEC))
        return fds

    def listen(self):
        path = f"{self.directory}/socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        return path, listener

    def start_share(self):
        """virtiofsd behind one end of a connection; its pid and the other end."""
        path, listener = self.listen()
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        os.unlink(path)
        number = next(int(m.group(1)) for m in (re.match(r"--fd=(\d+)", w) for w in self.virtiofsd) if m)
        pid = self.spawn(self.virtiofsd, {number: high(listener.detach())})
        return pid, high(client.detach())

    def spawn(self, command, fds):
        """Start it with these descriptors {number: ours}; ours are closed."""
        quiet = os.open("/dev/null", os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, quiet, number) for number in (0, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, ours, number) for number, ours in fds.items()]
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        for ours in [quiet, *fds.values()]:
            os.close(ours)
        return pid

    def run(self, timeout=60):
        """From the start of QEMU to its end, in seconds. virtiofsd is there before."""
        helpers, fds = [], {}
        monitor, monitor_theirs = socket.socketpair()
        console, console_theirs = socket.socketpair()
        fds[self.number_of("qmp")] = high(monitor_theirs.detach())
        fds[self.number_of("console")] = high(console_theirs.detach())
        if self.number_of("vsock"):
            raise Failure("the bare machine knows the transports serial and vsock")
        if self.number_of("agent"):
            path, listener = self.listen()
            os.unlink(path)
            fds[self.number_of("agent")] = high(listener.detach())
        for word in self.qemu:
            found = re.match(r"vhost-vsock-pci,.*vhostfd=(\d+)", word)
            if found:
                fds[int(found.group(1))] = high(os.open("/dev/vhost-vsock", os.O_RDWR | os.O_CLOEXEC))
        fds.update(self.open_nics())
        if self.virtiofsd:
            pid, fds[self.number_of("share")] = self.start_share()
            helpers.append(pid)
        said = bytearray()
        reader = threading.Thread(target=self.read_console, args=(console, said), daemon=True)
        reader.start()
        began = time.monotonic()
        pid = self.spawn(self.qemu, fds)
        timer = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
        timer.start()
        reason = self.follow_monitor(monitor)
        _, _, usage = os.wait4(pid, 0)
        seconds = time.monotonic() - began
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        timer.cancel()
        for helper in helpers:
            os.kill(helper, signal.SIGKILL)
            os.waitpid(helper, 0)
        reader.join()
        monitor.close()
        console.close()
        if reason != "guest-shutdown":
            raise Failure(f"the bare machine ended with {reason}, not by powering off:"
                          f" {said.decode(errors='replace')[-500:]}")
        return seconds

    @staticmethod
    def read_console(console, said):
        while data := console.recv(4096):
            said += data

    @staticmethod
    def follow_monitor(monitor):
        """Why the machine ended: a power-off and a panic look the same from outside."""
        reason = "nothing said"
        monitor.sendall(b'{"execute": "qmp_capabilities"}\n')
        with monitor.makefile("r") as lines:
            for line in lines:
                event = json.loads(line)
                if event.get("event") == "SHUTDOWN":
                    reason = event["data"]["reason"]
        return reason
