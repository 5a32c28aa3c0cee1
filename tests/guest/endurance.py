# SPDX-License-Identifier: Apache-2.0
"""Many lives in one guest: what the agent holds must stay flat, and no exit code may get lost."""

import time

from guest import Local, process, text_of
from report import Failure, check, check_equal

WARM_UP = 10
PSS_GROWTH_KB = 256  # what malloc may keep in its bins
FACTS = """
ls /guest/proc/1/fd | wc -l
wc -l < /guest/proc/1/mountinfo
find /guest/sys/fs/cgroup -type d | wc -l
ls /guest/run/kata-containers | wc -l
ls -d /guest/proc/[0-9]*/exe | wc -l
sed -n 's/^Pss: *//p' /guest/proc/1/smaps_rollup
"""
NAMES = ("descriptors", "mounts", "cgroups", "bundles", "processes", "PSS in kB")


def facts(g):
    if isinstance(g, Local):
        values = g.facts()
    else:
        values = [int(word) for word in g.look(FACTS).split() if word.isdigit()]
    check_equal(len(values), len(NAMES), "facts about the agent")
    return dict(zip(NAMES, values))


def check_flat(before, after):
    grown = after["PSS in kB"] - before["PSS in kB"]
    check(grown <= PSS_GROWTH_KB, f"the agent has grown by {grown} kB: {before} to {after}")
    counts = NAMES[:-1]
    check_equal({n: after[n] for n in counts}, {n: before[n] for n in counts})


def test_cycles_leave_nothing(g):
    def cycle(i):
        name = g.start("sh", "-c", f"exit {i % 100}")
        check_equal(g.wait(name), i % 100)
        g.remove(name)

    for i in range(WARM_UP):
        cycle(i)
    facts(g)
    before = facts(g)
    start = time.monotonic()
    for i in range(g.cycles):
        cycle(i)
    print(f"# {g.cycles} containers, {(time.monotonic() - start) / g.cycles * 1000:.0f} ms each; {before}")
    check_flat(before, facts(g))


def test_short_processes_keep_their_codes(g):
    """Beside a container that makes orphans all the time, for process 1 to collect."""
    orphans = g.start("sh", "-c", "while :; do (sh -c 'exit 9' & ) ; (sleep 0.01 & ); done")
    name = g.start("sleep", "1000")
    before = facts(g)
    start = time.monotonic()
    for first in range(0, g.processes, 8):
        ids = [(i, f"p{i}") for i in range(first, min(first + 8, g.processes))]
        started = [(i, e, g.agent.send("ExecProcess", container_id=name, exec_id=e,
                                       process=process("sh", "-c", f"exit {i % 251}"))) for i, e in ids]
        for _, _, box in started:
            g.agent.result(box)
        for i, e, _ in started:
            check_equal(g.wait(name, e), i % 251, f"process {i}")
            check_equal(g.read_all(name, e), "")
            check_equal(g.read_all(name, e, "ReadStderr"), "")
    print(f"# {g.processes} processes, {(time.monotonic() - start) / g.processes * 1000:.0f} ms each")
    g.kill(orphans)
    check_equal(g.wait(orphans), 137)
    g.remove(orphans)
    after = facts(g)
    check(after["descriptors"] <= before["descriptors"], f"{before} to {after}")
    g.remove(name)


def test_orphans_of_the_guest(g):
    """Processes that outlive their parents in the pid namespace of the container end with it, and process 1
    collects what is handed up to it: 2 000 of them, made without an owner."""
    script = "i=0; while [ $i -lt 1000 ]; do (true & true &) ; i=$((i+1)); done; exit 17"
    name = g.start("sh", "-c", script)
    check_equal(g.wait(name), 17)
    g.remove(name)
    if isinstance(g, Local):
        return
    zombies = g.look("grep -l '^State:.Z' /guest/proc/[0-9]*/status || true")
    if zombies.strip():
        raise Failure(f"left as zombies: {zombies}")


def test_output_of_many_at_once(g):
    name = g.start("sleep", "1000")
    ids = [g.execute(name, "seq", "1", "2000") for _ in range(10)]
    want = "".join(f"{i}\n" for i in range(1, 2001))
    for e in ids:
        check_equal(g.read_all(name, e), want)
        check_equal(text_of(g.agent("ReadStderr", container_id=name, exec_id=e, len=1)), "")
        check_equal(g.wait(name, e), 0)
    g.remove(name)
