# SPDX-License-Identifier: Apache-2.0
"""Processor time of a sandbox's processes on the host, so that a figure says who spent it."""

import glob
import os
import re

TICK = os.sysconf("SC_CLK_TCK")


def seconds_of(stat):
    """User and system time in a `stat` of /proc, of a process or a thread."""
    with open(stat) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def of_process(pid):
    return seconds_of(f"/proc/{pid}/stat")


def of_qemu(pid):
    """{"vcpu": s, "qemu": s}: the virtual processors, and all other threads."""
    vcpu = 0.0
    for thread in glob.glob(f"/proc/{pid}/task/*"):
        with open(f"{thread}/comm") as file:
            if re.match(r"CPU \d+/", file.read()):
                vcpu += seconds_of(f"{thread}/stat")
    return {"vcpu": vcpu, "qemu": of_process(pid) - vcpu}
