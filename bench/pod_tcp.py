# SPDX-License-Identifier: Apache-2.0
"""TCP between the host and a pod on a CNI bridge: husk's tap behind the pod's veth against runc's veth alone.

The host's end is here, the pod's is bench/tcp_peer. Throughput is what arrived in some seconds; latency is
one byte there and back, one at a time. Processor time is that of the pod's QEMU: it depends less on what else
the machine does.
"""

import socket
import statistics
import time

import cpu_time
from figures import quantile, section
from kills import part_of
from pod_start import shim_of, start_pod

PORT = 7100
SECONDS = 3
ROUNDS, WARM_UP = 2000, 100
TIMEOUT_S = 60
CHUNK = bytes(256 << 10)


class Peer:
    """tcp_peer in a pod of its own."""

    def __init__(self, ct, handler, programs):
        mounts = [{"container_path": "/bench", "host_path": programs, "readonly": True}]
        self.pod, _ = start_pod(ct, handler, ct.pod_config(), ("/bench/tcp_peer", str(PORT)), mounts=mounts)
        self.address = self.pod.inspect_sandbox()["status"]["network"]["ip"]
        self.qemu = part_of(shim_of(self.pod), "qemu-system-x86_64")

    def connect(self, what):
        stream = socket.create_connection((self.address, PORT), TIMEOUT_S)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(what)
        return stream

    def cpu(self):
        return cpu_time.of_process(self.qemu) if self.qemu else 0.0


def to_pod(peer):
    """(bytes, seconds) until the pod has read them all."""
    with peer.connect(b"s") as stream:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < SECONDS:
            stream.sendall(CHUNK)
            count += len(CHUNK)
        stream.shutdown(socket.SHUT_WR)
        stream.recv(1)
        return count, time.monotonic() - began


def from_pod(peer):
    room = bytearray(1 << 20)
    with peer.connect(b"p") as stream:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < SECONDS:
            count += stream.recv_into(room)
        return count, time.monotonic() - began


def round_trips(peer):
    """Seconds of each."""
    times = []
    with peer.connect(b"e") as stream:
        for _ in range(WARM_UP + ROUNDS):
            began = time.perf_counter()
            stream.sendall(b"x")
            stream.recv(1)
            times.append(time.perf_counter() - began)
    return times[WARM_UP:]


class Figures:
    """Of one kind of pod: (bytes, seconds, seconds of QEMU) of each run by direction, and the round trips."""

    def __init__(self):
        self.runs = {to_pod: [], from_pod: []}
        self.trips, self.trip_cpu = [], []

    def take(self, peer):
        for direction, runs in self.runs.items():
            before = peer.cpu()
            count, seconds = direction(peer)
            runs.append((count, seconds, peer.cpu() - before))
        before = peer.cpu()
        self.trips += round_trips(peer)
        self.trip_cpu.append((peer.cpu() - before) / (WARM_UP + ROUNDS))

    def rate(self, direction):
        return statistics.median(count / seconds for count, seconds, _ in self.runs[direction])

    def show(self, name):
        for direction, label in ((to_pod, "to the pod"), (from_pod, "from the pod")):
            rates = [count / seconds / 1e6 for count, seconds, _ in self.runs[direction]]
            cpu = statistics.median(cpu * (1 << 30) / count for count, _, cpu in self.runs[direction])
            print(f"{name}  {label:12}  {statistics.median(rates):6.0f} MB/s ({min(rates):.0f} to {max(rates):.0f})"
                  + (f"  QEMU {cpu:.2f} CPU s/GiB" if cpu else ""), flush=True)
        cpu = statistics.median(self.trip_cpu)
        print(f"{name}  round trip    p50 {quantile(self.trips, 0.5) * 1e6:.0f} µs,"
              f" p99 {quantile(self.trips, 0.99) * 1e6:.0f} µs" + (f"  QEMU {cpu * 1e6:.0f} CPU µs" if cpu else ""),
              flush=True)


def measure(ct, programs, repetitions):
    section(f"TCP between host and pod, {SECONDS} s each way and {ROUNDS} round trips, {repetitions} of each in turn")
    peers = {handler: Peer(ct, handler, programs) for handler in ("husk", "runc")}
    figures = {handler: Figures() for handler in peers}
    for _ in range(repetitions):
        for handler, peer in peers.items():
            figures[handler].take(peer)
    for handler, peer in peers.items():
        figures[handler].show(handler)
        peer.pod.remove()
    husk, runc = figures["husk"], figures["runc"]
    ratios = [quantile(husk.trips, part) / quantile(runc.trips, part) for part in (0.5, 0.99)]
    print(f"husk / runc: to the pod {husk.rate(to_pod) / runc.rate(to_pod):.2f}, from the pod"
          f" {husk.rate(from_pod) / runc.rate(from_pod):.2f}, round trip p50 {ratios[0]:.1f}, p99 {ratios[1]:.1f}", flush=True)
