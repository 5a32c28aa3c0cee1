# SPDX-License-Identifier: Apache-2.0
"""A container's stdout to a fifo, against what the transport carries raw in the same machine.

raw: bench/guest_pump in the container writes so many bytes from its memory straight to the transport, and
they are read here from the socket. Over the serial ports of virtio that is a port of the benchmark's own,
which a wrapper around QEMU adds, with the send buffer that QEMU's end of the agent's has; over vsock another
port than the agent's.
stdout: the same program writes as many bytes from the same memory to its standard output, as an exec started
at the shim, with a fifo that is read here.
relay: what any standard output has to do, and nothing else: `dd` into a pipe, and guest_pump from that
pipe to the transport. dd: `dd` as the process whose stdout it is, for comparison with relay.
small: guest_pump with 4 KiB a write to its stdout.
pipe: as stdout, but the pipe is emptied into /dev/null by a second guest_pump: what a pipe alone costs in
this guest. No standard output can come cheaper for the virtual processors, wherever its bytes go.

All but pipe, of which nothing arrives, are counted and timed here, from the first bytes to the last; all take
turns.
"""

import ctypes
import json
import os
import socket
import statistics
import threading
import time

import cpu_time
import ttrpc
from calls import vsock_path
from figures import section
from kills import part_of
from report import Failure

CHUNK = 1 << 20
PUMP_PORT = 2000
SERIAL_NAME = "husk.bench"
SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process"
SO_SNDBUFFORCE = 32  # asm-generic/socket.h; the kernel doubles what it is given
SETTLE_S = 0.3  # for what is behind a run: the processes' ends, the agent's answers


class Reader:
    """Reads a descriptor to its end (or `total` bytes): bytes per second, first bytes to last."""

    def __init__(self, total):
        self.total, self.count, self.first, self.began, self.ended = total, 0, 0, None, None

    def read(self, fd):
        room = bytearray(CHUNK)
        while self.count < self.total:
            n = os.readv(fd, [room])
            if n == 0:
                break
            self.ended = time.monotonic()
            if self.began is None:
                self.began, self.first = self.ended, n
            self.count += n

    def rate(self):
        if self.count != self.total:
            raise Failure(f"{self.count} of {self.total} bytes came")
        return (self.count - self.first) / (self.ended - self.began)


class Exec:
    """A process in the container, started at the shim."""

    def __init__(self, ct, name, *args, stdout=""):
        self.task, self.name, self.exec_id = ttrpc.Task(ct.shim_address(name)), name, ct.new_id("io")
        process = {"user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/", "env": ["PATH=/bin"],
                   "capabilities": {kind: ["CAP_MKNOD", "CAP_DAC_OVERRIDE"]
                                    for kind in ("bounding", "effective", "permitted")}}
        self.task("Exec", [(1, name), (2, self.exec_id), (5, stdout),
                           (7, [(1, SPEC_TYPE), (2, json.dumps(process))])])
        self.task("Start", [(1, name), (2, self.exec_id)])

    def finish(self):
        status = self.task("Wait", [(1, self.name), (2, self.exec_id)], 120).get(1, [0])[0]
        self.task("Delete", [(1, self.name), (2, self.exec_id)])
        self.task.client.close()
        if status != 0:
            raise Failure(f"a process in the container ended with {status}")


def sockets_of(pid):
    """Its unix sockets, as copies: an option that is set here is set there."""
    getfd = 438  # pidfd_getfd(2), on every architecture
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    for number in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
            continue
        fd = libc.syscall(getfd, process, int(number), 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        with socket.socket(fileno=fd) as copy:
            if copy.family == socket.AF_UNIX:
                yield copy
    os.close(process)


class SerialRaw:
    """A virtio-serial port beside the agent's, connected here when QEMU starts."""

    label, transport = "serial port", "serial"

    def __init__(self, directory):
        self.path, self.wrapper = f"{directory}/raw.sock", f"{directory}/qemu-with-raw-port"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        with open(self.wrapper, "w") as file:
            file.write("#!/bin/sh\n"
                       'exec /usr/bin/qemu-system-x86_64 "$@"'
                       f" -chardev socket,id=raw,path={self.path}"
                       f" -device virtserialport,bus=ports.0,chardev=raw,name={SERIAL_NAME}\n")
        os.chmod(self.wrapper, 0o755)
        self.vmm_config = f'path = "{self.wrapper}"\n'
        self.stream = None

    def started(self, _, qemu):
        self.stream, _ = self.listener.accept()
        buffer = max(end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for end in sockets_of(qemu))
        ours = [end.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, buffer // 2) for end in sockets_of(qemu)
                if end.getpeername() == self.path]
        if len(ours) != 1:
            raise Failure(f"QEMU has {len(ours)} connections to {self.path}")
        print(f"send buffer of the agent's socket and of raw's: {buffer >> 10} KiB", flush=True)

    def arguments(self):
        return f"serial {SERIAL_NAME}"

    def connect(self):
        return self.stream.dup()

    def close(self):
        if self.stream:
            self.stream.close()
        self.listener.close()
        os.unlink(self.path)


class VsockRaw:
    """Another vsock port than the agent's."""

    label, transport = "hybrid vsock", "hybrid-vsock"

    def __init__(self, daemon):
        self.vmm_config = f'vsock_daemon = "{daemon}"\n'
        self.path = None

    def started(self, name, _):
        self.path = vsock_path(name)

    def arguments(self):
        return f"vsock {PUMP_PORT}"

    def connect(self):
        """Once guest_pump listens."""
        deadline = time.monotonic() + 20
        while True:
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(self.path)
            stream.sendall(f"CONNECT {PUMP_PORT}\n".encode())
            answer = b""
            while not answer.endswith(b"\n"):
                byte = stream.recv(1)
                if not byte:
                    break
                answer += byte
            if answer.startswith(b"OK"):
                return stream
            stream.close()
            if time.monotonic() > deadline:
                raise Failure(f"no answer on vsock port {PUMP_PORT}")
            time.sleep(0.05)

    def close(self):
        pass


class Run:
    """What one kind of writer came to: rates, and processor seconds for each GiB by part of the sandbox."""

    def __init__(self, parts):
        self.parts, self.rates, self.seconds = parts, [], []

    def take(self, measure_rate, mib):
        before = self.now()
        self.rates.append(measure_rate())
        time.sleep(SETTLE_S)
        after = self.now()
        self.seconds.append({part: (after[part] - before[part]) * 1024 / mib for part in after})

    def now(self):
        spent = {part: cpu_time.of_process(pid) for part, pid in self.parts.items() if part != "qemu"}
        spent.update(cpu_time.of_qemu(self.parts["qemu"]))
        return spent

    def median(self):
        return statistics.median(self.rates)

    def virtual_processors(self):
        return statistics.median(run["vcpu"] for run in self.seconds)

    def line(self):
        spent = "  ".join(f"{part} {statistics.median(run[part] for run in self.seconds):.2f}"
                          for part in self.seconds[0])
        return (f"{self.median() / 1e6:4.0f} MB/s ({min(self.rates) / 1e6:.0f} to"
                f" {max(self.rates) / 1e6:.0f})  CPU s/GiB: {spent}")


def stdout_rate(ct, name, mib, *program):
    fifo = f"{ct.run}/stdout"
    os.mkfifo(fifo)
    reader = Reader(mib << 20)

    def read():
        fd = os.open(fifo, os.O_RDONLY)
        reader.read(fd)
        os.close(fd)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    process = Exec(ct, name, *program, stdout=fifo)
    process.finish()
    thread.join(30)
    os.unlink(fifo)
    return reader.rate()


def pump_rate(ct, name, mib, raw, relay):
    reader = Reader(mib << 20)
    pump = f"/bench/guest_pump {raw.arguments()}"
    script = f"dd if=/dev/zero bs=1M count={mib} | {pump} -" if relay else f"{pump} {mib << 20}"
    process = Exec(ct, name, "sh", "-c", script)
    with raw.connect() as stream:
        reader.read(stream.fileno())
        process.finish()
    return reader.rate()


def pipe_rate(ct, name, mib, *program):
    began = time.monotonic()
    Exec(ct, name, "sh", "-c", f"{' '.join(program)} | /bench/guest_pump drain").finish()
    return (mib << 20) / (time.monotonic() - began)


def parts_of(ct, name):
    shim = ct.shim_pid(name)
    parts = {"qemu": part_of(shim, "qemu-system-x86_64"), "shim": shim, "reader": os.getpid()}
    daemon = part_of(shim, "vhost-device-vsock")
    if daemon:
        parts["vsock"] = daemon
    return parts


def measure(ct, table, raw, label, programs, mib, repetitions):
    section(f"stdout to a fifo, {mib} MiB, {label}, {repetitions} of each in turn")
    name = ct.detached("sleep", "10000", options=(
        "--privileged", "--mount", f"type=bind,src={programs},dst=/bench,options=rbind:ro"))
    parts = parts_of(ct, name)
    raw.started(name, parts["qemu"])

    def pump(piece):
        return "/bench/guest_pump", "stdout", str(piece), str(mib << 20)

    kinds = {
        "raw": lambda: pump_rate(ct, name, mib, raw, False),
        "stdout": lambda: stdout_rate(ct, name, mib, *pump(256 << 10)),
        "small": lambda: stdout_rate(ct, name, mib, *pump(4 << 10)),
        "relay": lambda: pump_rate(ct, name, mib, raw, True),
        "dd": lambda: stdout_rate(ct, name, mib, "dd", "if=/dev/zero", "bs=1M", f"count={mib}"),
        "pipe": lambda: pipe_rate(ct, name, mib, *pump(256 << 10)),
    }
    runs = {kind: Run(parts) for kind in kinds}
    try:
        for _ in range(repetitions):
            for kind, measure_rate in kinds.items():
                runs[kind].take(measure_rate, mib)
    finally:
        ct.remove(name)
    for kind, run in runs.items():
        print(f"{kind:6}  {run.line()}", flush=True)
    table.add(f"stdout / raw, {label}", 100 * runs["stdout"].median() / runs["raw"].median(), "%", 80, 95,
              at_most=False)
    of_pipe, of_raw = (runs[kind].virtual_processors() for kind in ("pipe", "raw"))
    print(f"processor time of the guest, pipe / raw {of_pipe / of_raw:.2f}")
    print(f"dd / relay {100 * runs['dd'].median() / runs['relay'].median():.0f} %", flush=True)
