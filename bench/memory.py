# SPDX-License-Identifier: Apache-2.0
"""PSS of each part with one container running.

The agent's is read inside the guest, from /proc/1/smaps_rollup. A container has a pid namespace of its
own and does not see it, so the guest's kernel is asked to run a script outside all namespaces: that
is what a `|program` in core_pattern(5) does when a process crashes. Only a privileged container may
set that, and only its own guest is concerned.
"""

import time

import containerd as c
from cold_start import RUNC
from figures import section
from kills import children_of, program
from report import Failure

READ_AGENT = r"""
mkdir -p /guest && mount -t proc proc /guest || exit 1
printf 'cat /proc/1/smaps_rollup >/proc/$1/root/pss.new; mv /proc/$1/root/pss.new /proc/$1/root/pss' >/script
echo '|/proc/%P/root/bin/busybox sh /proc/%P/root/script %P' >/guest/sys/kernel/core_pattern
sh -c 'kill -SEGV $$; sleep 5' 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /pss ] && break; sleep 0.2; done
cat /pss
"""


def pss_in(text):
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"no Pss in {text!r}")


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return pss_in(file.read())


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    return int(text[text.rindex(")") + 2:].split()[1])


def agent_pss(ct, name):
    return pss_in(ct.execute(name, "sh", "-c", READ_AGENT).text)


def measure(ct, table):
    section("memory with one running container, PSS in MB")
    name = ct.detached("sleep", "1000", options=("--privileged",))
    ct.ctr("run", "-d", "--runtime", RUNC, c.IMAGE, "runc-beside", "sleep", "1000", check=True)
    time.sleep(1)
    shim = ct.shim_pid(name)
    parts = {"shim": pss(shim)}
    for pid in children_of(shim):
        parts[program(pid)] = parts.get(program(pid), 0) + pss(pid)
    parts["shim of runc, beside it"] = pss(parent_of(ct.tasks()["runc-beside"][0]))
    # Last: what is done for it in the guest is not part of an idle container.
    parts["agent, in the guest"] = agent_pss(ct, name)
    for part, size in parts.items():
        print(f"{size / 1e6:7.2f}  {part}", flush=True)
    table.add("shim PSS", parts["shim"] / 1e6, "MB", 4, 2.5)
    table.add("agent PSS", parts["agent, in the guest"] / 1e6, "MB", 4, 2)
    ct.remove(name)
    ct.remove("runc-beside")
