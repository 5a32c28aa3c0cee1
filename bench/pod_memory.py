# SPDX-License-Identifier: Apache-2.0
"""What a pod takes on the host, by part: PSS, the means of several pods that run at the same time.

What they share (the programs, the guest's kernel where the page cache has it) is divided among them.
"""

from figures import section
from pod_start import shim_of
from pss import GUEST, parts_of


def show(handler, parts):
    for part, size in parts.items():
        print(f"{handler}  {size / 1e6:7.2f}  {part}", flush=True)


def mean_parts(pods):
    total = {}
    for pod in pods:
        for part, size in parts_of(shim_of(pod)).items():
            total[part] = total.get(part, 0) + size / len(pods)
    return total


def measure(husk, runc):
    """The pods of each."""
    section(f"memory of a pod, PSS in MB, means of {len(husk)} pods of husk and {len(runc)} of runc")
    for pods in filter(None, (husk, runc)):
        parts = mean_parts(pods)
        show(pods[0].handler, parts)
        if GUEST in parts:
            beside = sum(parts.values()) - parts[GUEST]
            show(pods[0].handler, {"all but the guest's memory": beside})
        show(pods[0].handler, {"all": sum(parts.values())})
