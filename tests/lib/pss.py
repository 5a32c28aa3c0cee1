# SPDX-License-Identifier: Apache-2.0
"""What a sandbox takes on the host: the PSS of each of its processes, the guest's memory aside."""

from processes import children_of, program
from report import Failure

GUEST = "what the guest has touched of its memory"


def pss_in(text):
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"no Pss in {text!r}")


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return pss_in(file.read())


def guest_memory(pid):
    """The part of a VMM's PSS that is the guest's memory: the file that it shares with virtiofsd."""
    size, inside = 0, False
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            field = line.split(None, 1)[0]
            if "-" in field:  # a mapping's first line
                inside = "memory-backend-memfd" in line
            elif inside and field == "Pss:":
                size += int(line.split()[1]) * 1024
    return size


def parts_of(shim):
    """{part: PSS} of a shim and what it started."""
    parts = {"shim": pss(shim)}
    for pid in children_of(shim):
        guest = guest_memory(pid)  # of it, where two map the same page, half
        if guest:
            parts[GUEST] = parts.get(GUEST, 0) + guest
        parts[program(pid)] = parts.get(program(pid), 0) + pss(pid) - guest
    return parts
