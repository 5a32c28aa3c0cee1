#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every promise of docs/specification.md that is a number, measured in one run; bench/run starts it.

Exit code 1: a promise was not kept.
"""

import argparse
import os
import platform
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tests", "lib"), os.path.join(HERE, "..", "tests", "fault"),
                os.path.join(HERE, "..", "tests", "guest"), os.path.join(HERE, "..", "tests", "e2e")]

import calls  # noqa: E402
import census  # noqa: E402
import cold_start  # noqa: E402
import containerd as c  # noqa: E402
import container_stdout  # noqa: E402
import cri  # noqa: E402
import disks  # noqa: E402
import memory  # noqa: E402
import pod_memory  # noqa: E402
import pod_start  # noqa: E402
import pod_tcp  # noqa: E402
import verified_layers  # noqa: E402
from figures import Table, section  # noqa: E402

SECTIONS = ("cold", "phases", "memory", "calls", "kills", "disks", "layers", "pods", "stdout", "vsock")


def settings(transport, vmm=""):
    return f'[hypervisor.qemu]\ntransport = "{transport}"\n{vmm}'


def machine():
    with open("/proc/cpuinfo") as file:
        text = file.read()
    model = next((line.split(":")[1].strip() for line in text.splitlines() if "model name" in line), "?")
    hardware = any(flag in text.split() for flag in ("vmx", "svm"))
    print(f"{os.cpu_count()} processors, {model}; Linux {platform.release()};"
          f" virtualisation by the {'hardware' if hardware else 'emulator (TCG)'};"
          f" load {os.getloadavg()[0]:.1f}", flush=True)


def measure(ct, table, options):
    want = options.only or SECTIONS
    program = f"{options.programs}/shim_bench"
    if "cold" in want:
        cold_start.measure(ct, table, options.repetitions)
    if "phases" in want:
        # The guest's console in the log, without the kernel's lines on it that would slow it down.
        ct.write_husk_config(settings("serial", 'enable_debug = true\nkernel_params = "quiet"\n'))
        cold_start.measure_phases(ct, options.repetitions)
        ct.write_husk_config(settings("serial"))
    if "memory" in want:
        memory.measure(ct, os.path.dirname(os.path.abspath(options.programs)), table)
    if "calls" in want:
        calls.measure(ct, table, program, options.calls, options.execs, "serial port")
    if "kills" in want:
        calls.measure_kills(ct, table, options.kills)
    if "disks" in want:
        disks.measure(os.path.dirname(os.path.abspath(options.programs)), options.cycles)
    if "layers" in want and options.erofs_utils:
        verified_layers.measure(options, settings("serial"))
    if "pods" in want and options.pause_image:
        measure_pods(table, options)
    if "stdout" in want:
        for processors in (1, 2):
            measure_streams(ct, table, options, container_stdout.SerialRaw(ct.run), processors)
    if "vsock" in want and options.vsock_daemon:
        raw = container_stdout.VsockRaw(options.vsock_daemon)
        ct.write_husk_config(settings(raw.transport, raw.vmm_config))
        calls.measure(ct, table, program, 0, options.execs, raw.label)
        measure_streams(ct, table, options, raw, 1)


# Pods that start side by side on few processors wait for each other, longer than cri.Cri's own setting has it.
PATIENT = "[agent.husk]\ndial_timeout = 300\ncreate_container_timeout = 300\nrequest_timeout = 300\n"


def measure_pods(table, options):
    before = census.take()
    ct = cri.Cri("bench-pods", options.containerd_2, f"{options.containerd_2}/crictl", options.prefix, options.image,
                 options.pause_image, settings("serial"))
    ct.patience_s = 600
    try:
        pod_start.measure_ready(ct, options.repetitions)
        pod_tcp.measure(ct, os.path.abspath(options.programs), options.streams)
        ct.write_husk_config(settings("serial", f"default_memory = {options.pod_memory}\n") + PATIENT)
        section(f"{options.pods} pods of {options.pod_memory} MiB at once")
        husk, failed = pod_start.start_at_once(ct, "husk", options.pods)
        runc, _ = pod_start.start_at_once(ct, "runc", options.pods)
        pod_memory.measure(husk, runc)
        for pods in filter(None, (husk, runc)):
            pod_start.remove_at_once(pods)
        table.add("pods at once that did not start", failed, "", 0, 0)
    finally:
        ct.close()
    left = census.leftovers(before)
    print("\n".join(left) or "nothing is left", flush=True)
    table.add("left over by pods", len(left), "", 0, 0)


def measure_streams(ct, table, options, raw, processors):
    ct.write_husk_config(settings(raw.transport, f"{raw.vmm_config}default_vcpus = {processors}\n"))
    try:
        label = f"{raw.label}, {processors} virtual processor{'s' if processors > 1 else ''}"
        container_stdout.measure(ct, table, raw, label, options.programs, options.mib, options.streams)
    finally:
        raw.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containerd", default="/usr/bin", help="directory of containerd and ctr")
    parser.add_argument("--prefix", required=True, help="where husk is installed")
    parser.add_argument("--programs", required=True, help="directory of shim_bench and guest_pump")
    parser.add_argument("--image", required=True)
    parser.add_argument("--vsock-daemon", help="path of vhost-device-vsock")
    parser.add_argument("--containerd-2", help="directory of containerd 2.3, with its EROFS snapshotter, and of crictl")
    parser.add_argument("--pause-image", help="the sandbox image; without it no pods")
    parser.add_argument("--erofs-utils", help="directory of a mkfs.erofs of 1.7 or newer; without it no layers")
    parser.add_argument("--layer-starts", type=int, default=3, help="of each number of layers")
    parser.add_argument("--repetitions", type=int, default=7, help="cold starts of each kind")
    parser.add_argument("--pods", type=int, default=10, help="that are started at once")
    parser.add_argument("--pod-memory", type=int, default=128, help="MiB of each of them")
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--execs", type=int, default=60)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--cycles", type=int, default=100, help="of a disk that is plugged in and out")
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--only", action="append", choices=SECTIONS)
    options = parser.parse_args()
    machine()
    table = Table()
    ct = c.Containerd("bench", options.containerd, options.prefix, options.image, settings("serial"))
    try:
        measure(ct, table, options)
    finally:
        ct.close()
    print("\n== promises", flush=True)
    table.show()
    sys.exit(1 if table.broken else 0)


if __name__ == "__main__":
    main()
