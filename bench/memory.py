# SPDX-License-Identifier: Apache-2.0
"""PSS of each part with one container running.

The agent's is read inside a guest of the same image, booted without containerd (tests/guest), by a second,
privileged container that is given the guest's /proc: a container of a sandbox does not see process 1.
"""

import time

import containerd as c
from cold_start import RUNC
from figures import section
from guest import Guest
from kills import children_of, program
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


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    return int(text[text.rindex(")") + 2:].split()[1])


def agent_pss(build):
    guest = Guest(build)
    try:
        guest.start("sleep", "1000")
        return pss_in(guest.look("cat /guest/proc/1/smaps_rollup"))
    finally:
        guest.close()


def parts_of(shim):
    """{part: PSS} of a shim and what it started."""
    parts = {"shim": pss(shim)}
    for pid in children_of(shim):
        guest = guest_memory(pid)  # of it, where two map the same page, half
        if guest:
            parts[GUEST] = parts.get(GUEST, 0) + guest
        parts[program(pid)] = parts.get(program(pid), 0) + pss(pid) - guest
    return parts


def measure(ct, build, table):
    section("memory with one running container, PSS in MB")
    name = ct.detached("sleep", "1000", options=("--privileged",))
    ct.ctr("run", "-d", "--runtime", RUNC, c.IMAGE, "runc-beside", "sleep", "1000", check=True)
    time.sleep(1)
    parts = parts_of(ct.shim_pid(name))
    parts["shim of runc, beside it"] = pss(parent_of(ct.tasks()["runc-beside"][0]))
    parts["agent, in the guest"] = agent_pss(build)
    for part, size in parts.items():
        print(f"{size / 1e6:7.2f}  {part}", flush=True)
    table.add("shim PSS", parts["shim"] / 1e6, "MB", 4, 2.5)
    table.add("agent PSS", parts["agent, in the guest"] / 1e6, "MB", 4, 2)
    ct.remove(name)
    ct.remove("runc-beside")
