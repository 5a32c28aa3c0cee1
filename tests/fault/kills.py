# SPDX-License-Identifier: Apache-2.0
"""SIGKILL to each part, at rest and during Create: tasks end, users are told, nothing is left."""

import glob
import os
import random
import signal
import subprocess
import time

import census
import containerd as c
import ttrpc
from processes import children_of, command_line, program
from report import Skip, check, check_equal, check_in


def part_of(shim, name):
    """The pid of qemu-system-x86_64 or virtiofsd below a shim; the outermost of several."""
    pids = [p for p in children_of(shim) if program(p) == name]
    return min(pids) if pids else 0


def kill_if_there(pid):
    """It may end by itself before."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def killed_at_rest(ct, part):
    """Both are told within a second, in one of three measurements, since others may have the processor."""
    measured = []
    while len(measured) < 3 and not any(max(took) < 1 for took in measured):
        measured.append(killed_once(ct, part))
    check(any(max(took) < 1 for took in measured), f"seconds to the answer of Wait, and to TaskExit: {measured}")


def killed_once(ct, part):
    """All that must be so each time. How long Wait and TaskExit took."""
    before = census.take()
    name = ct.detached("sleep", "1000")
    pid = part_of(ct.shim_pid(name), part)
    check(pid, f"no {part} below the shim")
    task = ttrpc.Task(ct.shim_address(name))
    waiting = task.send("Wait", [(1, name)])
    events = c.Events(ct)
    start = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    answer = task.client.receive(waiting)
    waited = time.monotonic() - start
    at, line = c.wait_for(lambda: events.of("/tasks/exit", name), 5, "TaskExit")[0]
    published = at - start
    events.close()
    died = events.of("/husk/sandbox-died", f"sandbox {name} died: {part.partition('-')[0]} (pid {pid}) was killed by signal 9")
    check(len(died) == 1 and died[0][0] <= at, f"no reason before {line}: {events.of('/husk/')}")
    check_equal(answer[1][0], 137, "exit code")
    check_in("137", line, "the exit event")
    print(f"#   {part} killed: Wait answered in {waited * 1000:.0f} ms, TaskExit in {published * 1000:.0f} ms")
    check_equal(ct.tasks()[name][1], "STOPPED")
    ct.remove(name)
    check_equal(census.leftovers(before), [])
    return waited, published


def test_vmm_killed(ct):
    killed_at_rest(ct, "qemu-system-x86_64")


def test_virtiofsd_killed(ct):
    killed_at_rest(ct, "virtiofsd")


def test_guest_crashes(ct):
    """The kernel panics, and with it the agent is gone."""
    before = census.take()
    name = ct.detached("sh", "-c", "sleep 2; mkdir /p; mount -t proc p /p; echo c >/p/sysrq-trigger; sleep 100",
                       options=("--privileged",))
    check_equal(ct.exit_code(name), 137)
    ct.remove(name)
    check_equal(census.leftovers(before), [])


def test_vmm_killed_during_an_exec(ct):
    before = census.take()
    name = ct.detached("sleep", "1000")
    process = ct.popen("task", "exec", "--exec-id", "victim", name, "sh", "-c", "echo runs; exec sleep 1000",
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    check_equal(process.stdout.readline(), b"runs\n")
    os.kill(part_of(ct.shim_pid(name), "qemu-system-x86_64"), signal.SIGKILL)
    check_equal(process.wait(180), 137, "exit code of the exec")
    ct.remove(name)
    check_equal(census.leftovers(before), [])


def test_shim_killed(ct):
    before = census.take()
    name = ct.detached("sleep", "1000")
    events = c.Events(ct)
    os.kill(ct.shim_pid(name), signal.SIGKILL)
    c.wait_for(lambda: events.of("/tasks/exit", name), 10, "TaskExit, made by containerd from the answer of delete")
    events.close()
    check_in("137", events.of("/tasks/exit", name)[0][1])
    c.wait_for(lambda: name not in ct.tasks(), 10, "the task is gone")
    ct.ctr("container", "delete", name)
    check_equal(census.leftovers(before), [])


def test_containerd_killed_container_survives(ct):
    name = ct.detached("sleep", "1000")
    ct.stop(signal.SIGKILL)
    ct.start()
    check_equal(ct.tasks()[name][1], "RUNNING")
    check_equal(ct.execute(name, "echo", "alive", check=True).out, b"alive\n")
    ct.remove(name)


def shim_of(name):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        pid = int(path.split("/")[2])
        arguments = command_line(pid)
        if "serve" in arguments and name in arguments and program(pid) == "containerd-shim-husk-v2":
            return pid
    return 0


def killed_during_create(ct, part, delay):
    """Where others have the processor, all may be over before the kill: once more then."""
    check(any(killed_in_time(ct, part, delay) for _ in range(3)), "ctr run succeeded, three times")


def killed_in_time(ct, part, delay):
    before = census.take()
    name = ct.new_id("early")
    process = ct.popen("run", "--rm", "--runtime", c.RUNTIME, c.IMAGE, name, "true",
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def with_vmm():
        pid = shim_of(name)
        return pid if pid and part_of(pid, "qemu-system-x86_64") else process.poll() is not None

    shim = c.wait_for(with_vmm, 20, "the shim has a VMM")
    if shim is True:
        check_equal(process.returncode, 0, f"ctr ended early: {process.communicate()[1]}")
        return False
    time.sleep(delay)
    pid = shim if part == "shim" else part_of(shim, part)
    if not pid and process.wait(180) != 0:
        raise Skip(f"no {part} {delay} s after the start of the VMM")
    if pid:
        kill_if_there(pid)
    err = process.communicate(timeout=180)[1]
    err = "".join(line for line in err.splitlines(True) if "DEPRECATION" not in line)
    if process.returncode == 0:
        return False
    if part != "shim":
        check("\n" not in err.strip(), f"more than one line: {err}")
        check(any(word in err for word in ("qemu", "virtiofsd", "VM")), f"does not say what happened: {err}")
    ct.ctr("container", "delete", name)
    check_equal(census.leftovers(before), [])
    return True


def test_vmm_killed_during_create(ct):
    for delay in (0, 0.8):
        killed_during_create(ct, "qemu-system-x86_64", delay)


def test_virtiofsd_killed_during_create(ct):
    killed_during_create(ct, "virtiofsd", 0.5)


def test_shim_killed_during_create(ct):
    for delay in (0, 0.8):
        killed_during_create(ct, "shim", delay)


def test_shim_killed_at_any_moment_of_a_start(ct):
    """Between the clone of a child and its exec, and between that and its record, above all."""
    before = census.take()
    moments = random.Random(7)
    killed = 0
    for _ in range(20):
        name = ct.new_id("moment")
        process = ct.popen("run", "--rm", "--runtime", c.RUNTIME, c.IMAGE, name, "true", stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shim = c.wait_for(lambda: shim_of(name) or process.poll() is not None, 20, "the shim")
        # VMM and virtiofsd are made in the first tenth of a second: half of the kills are there.
        delay = moments.choice((moments.uniform(0, 0.1), moments.uniform(0, 1)))
        if shim is not True:  # that is a start which was over before we had the processor again
            time.sleep(delay)
            kill_if_there(shim)
        killed += process.wait(180) != 0
        ct.ctr("container", "delete", name)
        check_equal(census.leftovers(before), [], f"killed after {delay * 1000:.1f} ms")
    check(killed >= 5, f"only {killed} starts were not over before their shim was killed")


def test_containerd_killed_during_create(ct):
    before = census.take()
    name = ct.new_id("orphan")
    process = ct.popen("run", "-d", "--runtime", c.RUNTIME, c.IMAGE, name, "sleep", "1000",
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    c.wait_for(lambda: census.processes() - before["process"], 20, "the shim")
    time.sleep(1)
    ct.stop(signal.SIGKILL)
    process.wait(180)
    ct.start()
    ct.remove(name)
    # Nobody waits for that Create any more; the sandbox must not outlive its bundle.
    check_equal(census.leftovers(before), [])


def test_200_containers_in_one_sandbox(ct):
    """They come and go; the descriptors of shim and agent, mounts and cgroups stay as they were."""
    before = census.take()
    name = ct.detached("sleep", "100000")
    shim = ct.shim_pid(name)
    options = ("--annotation", "io.kubernetes.cri.container-type=container",
               "--annotation", f"io.kubernetes.cri.sandbox-id={name}")

    def descriptors():
        agent = ct.execute(name, "sh", "-c", "cat /proc/meminfo | head -1", check=True)
        check(agent.out)
        return len(os.listdir(f"/proc/{shim}/fd"))

    def one():
        done = ct.run_container("true", options=options)
        check_equal(done.code, 0, done.error)

    for _ in range(10):
        one()
    start = census.take()
    fds = descriptors()
    began = time.monotonic()
    for _ in range(190):
        one()
    print(f"#   190 containers in {time.monotonic() - began:.1f} s, shim descriptors {fds} -> {descriptors()}")
    c.wait_for(lambda: descriptors() <= fds, 5, "the shim's descriptors are no more than they were")
    check_equal(census.leftovers(start), [])
    ct.remove(name)
    check_equal(census.leftovers(before), [])
