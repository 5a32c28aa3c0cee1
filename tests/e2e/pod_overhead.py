# SPDX-License-Identifier: Apache-2.0
"""What a pod's machine takes beside its containers: how large it is made, and what deploy/ tells the scheduler."""

import glob
import json
import os
import re

from pods import WAIT, no_runc
from processes import command_line, parent_of
from pss import GUEST, parts_of
from report import check, check_equal, check_in

LIMIT_MIB = 300
OVERHEAD_MEMORY_MIB = 96  # hypervisor.overhead_memory
RUNTIMECLASS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/runtimeclass.yaml")


def test_size_of_the_machine(ct):
    """What the CRI says of the pod and the overhead, which the guest's own share is covered by; of what is not said the
    default. The whole of it is in the pod's cgroup."""
    no_runc(ct)
    pod = ct.run_pod(ct.pod.handler, linux={"resources": {"memory_limit_in_bytes": LIMIT_MIB << 20}})
    container = pod.start(*WAIT)
    size = LIMIT_MIB + OVERHEAD_MEMORY_MIB
    total, available, cpus = map(int, pod.sh(container, "awk '/MemTotal|MemAvailable/ {print $2}' /proc/meminfo; nproc").split())
    check(size - 90 < total // 1024 < size, f"{total // 1024} MiB seen of {size}")
    check(available // 1024 >= LIMIT_MIB, f"{available // 1024} MiB are there for a limit of {LIMIT_MIB}")
    check_equal(cpus, 1)
    ct.logged(pod.id, "level=info", f"sandbox size: 1 CPUs, {size} MiB")
    with open(glob.glob(f"/run/husk/*/{pod.id}/vm/processes.json")[0]) as file:
        processes = {entry["name"]: entry["pid"] for entry in json.load(file)["processes"]}
    check_equal(sorted(processes), ["qemu", "virtiofsd"])
    for name, pid in processes.items():
        for path in glob.glob(f"/proc/{pid}/task/*/cgroup"):
            with open(path) as file:
                check_in(f"{ct.cgroup}/{pod.id}", file.read(), f"a thread of {name}")
    pod.remove()


def test_runtimeclass_overhead(ct):
    """It covers what the guest needs for itself and what runs for the pod on the host, and is no more than twice that."""
    no_runc(ct)
    with open(RUNTIMECLASS) as file:
        told = int(re.search(r"podFixed:.*?\n +memory: (\d+)Mi\n", file.read(), re.DOTALL).group(1))
    vmm = ct.pod.vmm_pid()
    parts = {name: size / (1 << 20) for name, size in parts_of(parent_of(vmm)).items()}
    check(parts.pop(GUEST) > 20, "the guest's memory is not told from the VMM's")
    check_equal(sorted(parts), ["qemu-system-x86_64", "shim", "virtiofsd"])
    taken = OVERHEAD_MEMORY_MIB + sum(parts.values())
    text = f"podFixed.memory is {told} MiB, taken are {taken:.0f}: {OVERHEAD_MEMORY_MIB} in the guest, {parts}"
    check(taken <= told, text)
    # With KVM nothing is translated, and the figure is known to be high: docs/kubernetes.md.
    if any(word.startswith("tcg,") for word in command_line(vmm)):
        check(told <= 2 * taken, text)
