# SPDX-License-Identifier: Apache-2.0
"""Cold starts: against a bare machine and against runc, and where their time goes."""

import datetime
import re
import statistics
import time

import containerd as c
from bare_vm import bare_vm_of
from figures import ratio_of_medians, section, spread
from report import Failure

HUSK, RUNC = "io.containerd.husk.v2", "io.containerd.runc.v2"


def timed_run(ct, runtime):
    began = time.monotonic()
    ct.ctr("run", "--rm", "--runtime", runtime, c.IMAGE, ct.new_id("cold"), "true", check=True)
    return time.monotonic() - began


def bare_vm_like(ct):
    """With the arguments of a sandbox that is started and removed for it."""
    name = ct.detached("sleep", "1000")
    vm = bare_vm_of(ct.shim_pid(name))
    ct.remove(name)
    return vm


def measure(ct, table, repetitions):
    section(f"cold `ctr run --rm … true`, {repetitions} of each in turn, one before to warm up")
    vm = bare_vm_like(ct)
    seconds = {"bare VM": [], "husk": [], "runc": []}
    try:
        for i in range(repetitions + 1):
            now = {"bare VM": vm.run(), "husk": timed_run(ct, HUSK), "runc": timed_run(ct, RUNC)}
            if i > 0:
                for kind, value in now.items():
                    seconds[kind].append(value)
    finally:
        vm.close()
    for kind, values in seconds.items():
        print(f"{kind:8}  {spread(values)}", flush=True)
    against_bare = ratio_of_medians(seconds["husk"], seconds["bare VM"])
    print(f"husk / bare VM {against_bare:.2f}, husk - bare VM"
          f" {(statistics.median(seconds['husk']) - statistics.median(seconds['bare VM'])) * 1000:.0f} ms,"
          f" husk / runc {ratio_of_medians(seconds['husk'], seconds['runc']):.1f}", flush=True)
    table.add("cold start / bare VM", against_bare, "x", 1.35, 1.10)


# ---- Phases ----

STAMP = re.compile(r'time="(\d+-\d+-\d+T\d+:\d+:\d+)\.(\d+)Z"')


def stamp_of(line):
    found = STAMP.search(line)
    whole = datetime.datetime.fromisoformat(found.group(1)).replace(tzinfo=datetime.timezone.utc)
    return whole.timestamp() + float("0." + found.group(2))


def numbers_in(pattern, line):
    return [int(word) for word in re.search(pattern, line).groups()]


# What is looked for in the lines of one sandbox: name, a part of the line.
MARKS = (
    ("ready", "shim of sandbox"),
    ("launch", "qemu: launch took"),
    ("handshake", "qemu: connect took"),
    ("cont", "qemu: boot took"),
    ("listens", "husk-agent"),
    ("sandbox", "sandbox started in"),
    ("guest", "' created: mounts"),
    ("created", "task {} created"),
    ("started", "' of task {} started"),
    ("exited", "event /tasks/exit"),
    ("stopped", "sandbox stopped in"),
)


def marks_of(ct, name):
    """{mark: line} of one container's log."""
    with open(ct.log_path, errors="replace") as file:
        lines = [line for line in file if f"sandbox={name}" in line]
    found = {}
    for mark, part in MARKS:
        line = next((line for line in lines if part.format(name) in line), None)
        if line is None:
            raise Failure(f"the log of {name} has no line with '{part.format(name)}'")
        found[mark] = line
    return found


def phases_of(ct, name, began, ended):
    """[(phase, ms)] of one start, from the log's lines and the time ctr was called and returned."""
    line = marks_of(ct, name)
    at = {mark: stamp_of(text) for mark, text in line.items()}
    prepare, _, boot, agent = numbers_in(
        r"prepare (\d+) ms, vmm (\d+) ms, boot (\d+) ms, agent (\d+) ms", line["sandbox"])
    mounts, guest = numbers_in(r"mounts (\d+) ms, guest (\d+) ms", line["guest"])
    uptime, init = numbers_in(r"(\d+) ms after the kernel's start, (\d+) ms after its own", line["listens"])

    def between(a, b):
        return (at[b] - at[a]) * 1000

    return [
        ("ctr and containerd, snapshot; shim process", (at["ready"] - began) * 1000),
        ("sandbox directory, share, cgroup", prepare),
        ("virtiofsd and QEMU spawned", numbers_in(r"took (\d+) ms", line["launch"])[0]),
        ("QEMU until its monitor answers", numbers_in(r"took (\d+) ms", line["handshake"])[0]),
        ("QEMU: start the guest", numbers_in(r"took (\d+) ms", line["cont"])[0]),
        ("firmware; at the end, the connection to the agent", boot - uptime),
        ("guest kernel, until the agent's main()", uptime - init),
        ("agent as process 1, until it listens", init),
        ("CreateSandbox", agent),
        ("root file system on the host", mounts),
        ("CreateContainer in the guest", guest),
        ("between Create and Start, Start", between("created", "started")),
        ("run and exit of `true`", between("started", "exited")),
        ("Delete: remove container, stop the VM, clean up", between("exited", "stopped")),
        ("shim ends, ctr and containerd remove the rest", (ended - at["stopped"]) * 1000),
    ]


def measure_phases(ct, repetitions):
    section(f"phases of a cold start, medians of {repetitions}")
    runs = []
    for _ in range(repetitions):
        name = ct.new_id("phase")
        began = time.time()
        ct.ctr("run", "--rm", "--runtime", HUSK, c.IMAGE, name, "true", check=True)
        ended = time.time()
        time.sleep(0.2)  # for the last lines of the log
        runs.append(phases_of(ct, name, began, ended) + [("all", (ended - began) * 1000)])
    for i, (phase, _) in enumerate(runs[0]):
        values = [run[i][1] for run in runs]
        print(f"{statistics.median(values):7.0f} ms  {phase}", flush=True)
