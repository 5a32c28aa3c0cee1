# SPDX-License-Identifier: Apache-2.0
"""A container's stdout to a fifo, against what the transport carries raw in the same machine.

stdout: bench/guest_pump writes so many bytes to its standard output, as an exec, started at the shim
directly, with a fifo that is read here.
raw: guest_pump in the same container writes as many bytes, from the same memory, straight to the
transport: over the serial ports of virtio to the second port, which the debug console otherwise has,
over vsock to another port than the agent's.
For the reader of the figures, no promise: dd is `dd` from /dev/zero as the process that writes; small is
guest_pump with 4 KiB a write; relay is `dd` into a pipe, and guest_pump from that pipe to the transport,
which is what a pipe and a second process cost in this guest whoever reads the pipe.
All are counted and timed here, from the first bytes to the last.
"""

import json
import os
import socket
import statistics
import threading
import time

import ttrpc
from calls import socket_of, vsock_path
from figures import section
from report import Failure

CHUNK = 1 << 20
PUMP_PORT = 2000
SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process"


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


def connect_vsock(path, port):
    deadline = time.monotonic() + 20
    while True:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(path)
        stream.sendall(f"CONNECT {port}\n".encode())
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
            raise Failure(f"no answer on vsock port {port}")
        time.sleep(0.05)


def pump_rate(ct, name, mib, relay):
    path, total = vsock_path(name), mib << 20
    reader = Reader(total)

    def start(*transport):
        pump = f"/bench/guest_pump {' '.join(transport)}"
        script = f"dd if=/dev/zero bs=1M count={mib} | {pump} -" if relay else f"{pump} {total}"
        return Exec(ct, name, "sh", "-c", script)

    if path:
        process = start("vsock", str(PUMP_PORT))
        stream = connect_vsock(path, PUMP_PORT)
    else:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(socket_of(name, "console.sock"))
        process = start("serial", "husk.console")
    with stream:
        reader.read(stream.fileno())
        process.finish()
    return reader.rate()


def measure(ct, table, programs, mib, repetitions, label):
    section(f"stdout to a fifo, {mib} MiB, {label}, {repetitions} of each in turn")
    name = ct.detached("sleep", "10000", options=(
        "--privileged", "--mount", f"type=bind,src={programs},dst=/bench,options=rbind:ro"))
    rates = {"raw": [], "stdout": [], "dd": [], "small": [], "relay": []}

    def pump(piece):
        return "/bench/guest_pump", "stdout", str(piece), str(mib << 20)

    try:
        for _ in range(repetitions):
            rates["raw"].append(pump_rate(ct, name, mib, False))
            rates["stdout"].append(stdout_rate(ct, name, mib, *pump(256 << 10)))
            rates["dd"].append(stdout_rate(ct, name, mib, "dd", "if=/dev/zero", "bs=1M", f"count={mib}"))
            rates["small"].append(stdout_rate(ct, name, mib, *pump(4 << 10)))
            rates["relay"].append(pump_rate(ct, name, mib, True))
    finally:
        ct.remove(name)
    for kind, values in rates.items():
        print(f"{kind:6}  {statistics.median(values) / 1e6:.0f} MB/s"
              f" ({min(values) / 1e6:.0f} to {max(values) / 1e6:.0f})", flush=True)
    table.add(f"stdout / raw, {label}",
              100 * statistics.median(rates["stdout"]) / statistics.median(rates["raw"]), "%", 80, 95,
              at_most=False)
