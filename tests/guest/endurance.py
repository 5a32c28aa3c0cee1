# SPDX-License-Identifier: Apache-2.0
"""Many lives in one guest: what the agent holds must stay flat, and no exit code may get lost."""

import time

from guest import SHARE, Local, check_settles, process, settled, text_of
from report import check, check_equal

WARM_UP = 10
WARM_UP_PROCESSES = 80
A_HOOK = 500  # orphans of one
GROWTH_KB = 256  # what malloc may keep in its bins
PATIENCE = 120  # s, for processes to be gone
# Processes without the kernel's own, whose workers come and go: children of 2, and 2 itself as 1 a child of 0.
FACTS = """
ls /guest/proc/1/fd | wc -l
wc -l < /guest/proc/1/mountinfo
find /guest/sys/fs/cgroup -type d | wc -l
ls /guest/run/kata-containers | wc -l
set -- $(grep -L '^PPid:.[02]$' /guest/proc/[0-9]*/status 2>/dev/null); echo $#
sed -n 's/^Pss_Anon: *//p' /guest/proc/1/smaps_rollup
"""
NAMES = ("descriptors", "mounts", "cgroups", "bundles", "processes", "memory of its own in kB")


def facts(g):
    if isinstance(g, Local):
        values = g.facts()
    else:
        values = [int(word) for word in g.look(FACTS).split() if word.isdigit()]
    check_equal(len(values), len(NAMES), "facts about the agent")
    return dict(zip(NAMES, values))


def counts(values):
    return {name: values[name] for name in NAMES[:-1]}


def settled_facts(g):
    facts(g)  # what is made for the first time and kept
    return settled(lambda: facts(g), counts)


def check_flat(g, before):
    """What was told to end may take a moment to be gone."""
    deadline = time.monotonic() + PATIENCE
    while counts(after := facts(g)) != counts(before):
        check(time.monotonic() < deadline, f"{before} to {after}")
        time.sleep(0.5)
    grown = after[NAMES[-1]] - before[NAMES[-1]]
    check(grown <= GROWTH_KB, f"the agent has grown by {grown} kB: {before} to {after}")


def test_cycles_leave_nothing(g):
    def cycle(i):
        name = g.start("sh", "-c", f"exit {i % 100}")
        check_equal(g.wait(name), i % 100)
        g.remove(name)

    for i in range(WARM_UP):
        cycle(i)
    before = settled_facts(g)
    start = time.monotonic()
    for i in range(g.cycles):
        cycle(i)
    print(f"# {g.cycles} containers, {(time.monotonic() - start) / g.cycles * 1000:.0f} ms each; {before}")
    check_flat(g, before)


def forks(g):
    """Processes since the kernel started."""
    text = open("/proc/stat").read() if isinstance(g, Local) else g.look("cat /guest/proc/stat")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("processes "))


class Orphans:
    """Containers whose hooks run beside the agent and leave processes to it, one container after the other."""

    def __init__(self, g, count):
        self.g, self.left, self.name = g, count, None

    def go_on(self):
        """Returns whether there are still some to come."""
        if self.name and self.box.empty():
            return True
        if self.name:
            self.g.agent.result(self.box)
            self.g.remove(self.name)
        self.name = None
        if self.left > 0:
            self.left -= A_HOOK
            self.name = self.g.create("sleep", "1000", hooks={"Poststart": [{
                "Path": f"{SHARE}/busybox/bin/busybox", "Timeout": 100, "Args": [
                    "sh", "-c", f"i=0; while [ $i -lt {A_HOOK} ]; do (exit 9 &); i=$((i+1)); done"]}]})
            self.box = self.g.agent.send("StartContainer", container_id=self.name)
        return self.name is not None


def test_short_processes_keep_their_codes(g):
    """Beside hooks that leave orphans to the agent all the time, for process 1 to collect."""
    name = g.start("sleep", "10000")
    before, first_fork = settled_facts(g), forks(g)
    start = time.monotonic()
    orphans = Orphans(g, g.orphans)
    i = 0
    while i < g.processes:
        orphans.go_on()
        if i == WARM_UP_PROCESSES:  # stacks and buffers for so many calls at once are there now
            before[NAMES[-1]] = facts(g)[NAMES[-1]]
        ids = [(k, f"p{k}") for k in range(i, i + 8)]
        started = [(k, e, g.agent.send("ExecProcess", container_id=name, exec_id=e,
                                       process=process("sh", "-c", f"exit {k % 251}"))) for k, e in ids]
        for _, _, answer in started:
            g.agent.result(answer)
        for k, e, _ in started:
            check_equal(g.wait(name, e), k % 251, f"process {k}")
            check_equal(g.read_all(name, e), "")
            check_equal(g.read_all(name, e, "ReadStderr"), "")
        i += 8
    while orphans.go_on():
        time.sleep(0.05)
    print(f"# {i} processes with an owner and {g.orphans} without in {time.monotonic() - start:.0f} s")
    check(forks(g) - first_fork > g.orphans, "the orphans were there")
    check_flat(g, before)
    g.remove(name)
    if not isinstance(g, Local):
        # One that has just ended is one until the agent has come to it.
        check_settles(lambda: g.look("grep -l '^State:.Z' /guest/proc/[0-9]*/status 2>/dev/null || true"), "",
                      "left as zombies")


def test_orphans_of_a_container(g):
    """Processes that outlive their parents in the pid namespace of the container end with it."""
    name = g.start("sh", "-c", "i=0; while [ $i -lt 1000 ]; do (true & true &) ; i=$((i+1)); done; exit 17")
    check_equal(g.wait(name), 17)
    g.remove(name)


def test_output_of_many_at_once(g):
    name = g.start("sleep", "1000")
    ids = [g.execute(name, "seq", "1", "2000") for _ in range(10)]
    want = "".join(f"{i}\n" for i in range(1, 2001))
    for e in ids:
        check_equal(g.read_all(name, e), want)
        check_equal(text_of(g.agent("ReadStderr", container_id=name, exec_id=e, len=1)), "")
        check_equal(g.wait(name, e), 0)
    g.remove(name)
