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
from processes import parent_of
from pss import parts_of, pss, pss_in


def agent_pss(build):
    guest = Guest(build)
    try:
        guest.start("sleep", "1000")
        return pss_in(guest.look("cat /guest/proc/1/smaps_rollup"))
    finally:
        guest.close()


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
