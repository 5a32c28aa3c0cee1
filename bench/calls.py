# SPDX-License-Identifier: Apache-2.0
"""Calls to a running shim, by bench/shim_bench so that no interpreter is in the figures; and the time
from the death of a VMM to the exit event."""

import glob
import os
import signal
import statistics
import subprocess
import time

import containerd as c
from figures import section, spread
from kills import part_of
from report import Failure

AGENT_PORT = 1024


def shim_bench(program, *args):
    """{series: {figure: number}}"""
    done = subprocess.run([program, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())
    print(done.stdout, end="", flush=True)
    series = {}
    for line in done.stdout.splitlines():
        name, *figures = line.split()
        series[name] = {key: float(value) for key, value in (f.split("=") for f in figures)}
    return series


def address_of(ct, name):
    address = ct.shim_address(name)
    return address if address.startswith("unix://") else "unix://" + address


def socket_of(name, file):
    """A socket of a sandbox's virtual machine, None where it has none of that name."""
    found = glob.glob(f"/run/husk/**/{name}/vm/**/{file}", recursive=True)
    return found[0] if found else None


def vsock_path(name):
    """The host's end of hybrid vsock."""
    return socket_of(name, "stream.sock")


def measure(ct, table, program, calls, execs, label):
    name = ct.detached("sleep", "10000")
    try:
        if calls:
            section(f"calls answered by the shim, {calls} of each, one at a time")
            series = shim_bench(program, "calls", address_of(ct, name), name, calls)
            table.add("State, Kill(0), Connect, worst p99",
                      max(figures["p99_us"] for figures in series.values()) / 1000, "ms", 1, 0.2)
        measure_execs(ct, table, program, execs, label, name)
    finally:
        ct.remove(name)


def measure_execs(ct, table, program, execs, label, name):
    section(f"exec of `true`, {execs} in turn, {label}")
    path = vsock_path(name)
    agent = [f"hvsock://{path}:{AGENT_PORT}"] if path else []
    series = shim_bench(program, "exec", address_of(ct, name), name, execs, *agent)
    if agent:
        table.add("exec by the shim / by the agent",
                  series["exec-shim"]["p50_us"] / series["exec-agent"]["p50_us"], "x", 1.3, 1.1)


def measure_kills(ct, table, kills):
    section(f"VMM killed to TaskExit, as `ctr events` sees it, {kills} times")
    seconds = []
    for _ in range(kills):
        name = ct.detached("sleep", "10000")
        events = c.Events(ct)
        began = time.monotonic()
        os.kill(part_of(ct.shim_pid(name), "qemu-system-x86_64"), signal.SIGKILL)
        at, _ = c.wait_for(lambda: events.of("/tasks/exit", name), 10, "TaskExit")[0]
        seconds.append(at - began)
        events.close()
        ct.remove(name)
    print(f"{spread(seconds)}", flush=True)
    table.add("VMM killed to TaskExit, the longest", max(seconds), "s", 1, 0.1)
    return statistics.median(seconds)
