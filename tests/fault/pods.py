# SPDX-License-Identifier: Apache-2.0
"""SIGKILL to each part of a pod, at rest and while it is made: what the CRI says, and that nothing is left."""

import os
import signal
import subprocess
import time

import census
import containerd as c
import cri
from kills import kill_if_there, part_of
from processes import children_of, program
from report import Skip, check, check_equal, check_in

WAIT = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done")
VMM, FILES, SHIM = "qemu-system-x86_64", "virtiofsd", "containerd-shim-husk-v2"


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
        return int(text[text.rindex(")") + 2:].split()[1])
    except OSError:
        return 0


def shims(word=""):
    """Pids of servers; `word` is in the command line. A child of one looks the same until it executes its program."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue
        if program(pid) == SHIM and b"serve" in words and word.encode() in words:
            found.append(pid)
    return [pid for pid in found if parent_of(pid) not in found]


def killed_at_rest(ct, part):
    """Containers that run end and are failures, one that had ended stays what it was; all of it goes."""
    before = census.take()
    pod = ct.run_pod(ct.handler)
    running = [pod.start(*WAIT, name=name) for name in ("one", "two")]
    done = pod.start("true", name="done")
    check_equal(pod.wait_exited(done)["exitCode"], 0)
    created = pod.create(*WAIT, name="created")
    shim, = shims(pod.id)
    start = time.monotonic()
    os.kill(shim if part == SHIM else part_of(shim, part), signal.SIGKILL)
    for container in running:
        status = pod.wait_exited(container)
        check(status["exitCode"] in ((137,) if part != SHIM else (137, 255)), status)
        check_equal(status["reason"], "Error")
    print(f"#   {part} killed: the CRI knows of it after {(time.monotonic() - start) * 1000:.0f} ms")
    check_equal(pod.status(done)["exitCode"], 0)
    c.wait_for(lambda: pod.state() == "SANDBOX_NOTREADY", 30, "the pod is not ready")
    check(ct.crictl("start", created).code != 0, "a container started in a dead pod")
    check(pod.status(created)["state"] != "CONTAINER_RUNNING")
    if part != SHIM:
        check_in(f"sandbox {pod.id} died", ct.log_tail(2000))
    start = time.monotonic()
    pod.remove()
    check(time.monotonic() - start < 60, f"removed after {time.monotonic() - start:.1f} s")
    check_equal(census.leftovers(before), [])


def test_vmm_killed(ct):
    killed_at_rest(ct, VMM)


def test_virtiofsd_killed(ct):
    killed_at_rest(ct, FILES)


def test_shim_killed(ct):
    killed_at_rest(ct, SHIM)


def test_containerd_killed(ct):
    """The pod lives on; what died meanwhile is told afterwards."""
    before = census.take()
    pod = ct.run_pod(ct.handler)
    lives = pod.start(*WAIT, name="lives")
    ends = pod.start("sh", "-c", "sleep 4; exit 8", name="ends")
    ct.stop(signal.SIGKILL)
    time.sleep(5)
    ct.start()
    check_equal(pod.sh(lives, "echo alive"), "alive\n")
    check_equal(pod.wait_exited(ends)["exitCode"], 8)
    pod.remove()
    check_equal(census.leftovers(before), [])


def test_vmm_killed_while_containerd_is_away(ct):
    before = census.take()
    pod = ct.run_pod(ct.handler)
    container = pod.start(*WAIT)
    shim, = shims(pod.id)
    vmm = part_of(shim, VMM)
    ct.stop(signal.SIGKILL)
    os.kill(vmm, signal.SIGKILL)
    time.sleep(2)
    ct.start()
    status = pod.wait_exited(container)
    check(status["exitCode"] != 0, status)
    check(status["reason"] != "Completed", status)
    c.wait_for(lambda: pod.state() == "SANDBOX_NOTREADY", 30, "the pod is not ready")
    pod.remove()
    check_equal(census.leftovers(before), [])


def runp(ct):
    """RunPodSandbox that is under way, its shim with a VMM below it."""
    known = set(shims())
    file = ct.config_file(ct.pod_config())
    process = subprocess.Popen(ct.crictl_command("runp", "--runtime", ct.handler, file), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fresh():
        if process.poll() is not None:
            return True
        return [pid for pid in shims() if pid not in known and any(program(p) == VMM for p in children_of(pid))]

    found = c.wait_for(fresh, 60, "the shim has a VMM")
    if found is True:
        check_equal(process.returncode, 0, f"crictl ended early: {process.communicate()[1]}")
    return process, 0 if found is True else found[0]


def killed_during_runp(ct, part, delay):
    """Where others have the processor, all may be over before the kill: once more then."""
    check(any(killed_in_time(ct, part, delay) for _ in range(3)), "RunPodSandbox succeeded, three times")


def killed_in_time(ct, part, delay):
    before = census.take()
    process, shim = runp(ct)
    time.sleep(delay)
    pid = shim if part == SHIM or not shim else part_of(shim, part)
    if not pid and process.wait(180) != 0:
        raise Skip(f"no {part} {delay} s after the start of the VMM")
    # A pod that stands is none in the making.
    if pid and process.poll() is None:
        kill_if_there(pid)
    text = process.communicate(timeout=180)[1]
    if process.returncode == 0:
        ct.crictl("rmp", "--all", "--force", check=True)
        return False
    if part != SHIM:
        check(any(word in text for word in ("qemu", "virtiofsd", "VM")), f"does not say what happened: {text}")
    check_equal(ct.crictl("pods", "-q", "--state", "ready", check=True).text, "")
    ct.crictl("rmp", "--all", "--force", check=True)
    check_equal(census.leftovers(before), [])
    return True


def test_vmm_killed_during_runp(ct):
    for delay in (0, 0.8):
        killed_during_runp(ct, VMM, delay)


def test_virtiofsd_killed_during_runp(ct):
    killed_during_runp(ct, FILES, 0.5)


def test_shim_killed_during_runp(ct):
    for delay in (0, 0.8):
        killed_during_runp(ct, SHIM, delay)


def test_containerd_killed_during_runp(ct):
    """It does not know of the pod afterwards, or knows that it is not ready; either way it can be removed."""
    before = census.take()
    process, _ = runp(ct)
    time.sleep(0.8)
    ct.stop(signal.SIGKILL)
    process.communicate(timeout=180)
    ct.start()
    ct.crictl("rmp", "--all", "--force", check=True)
    check_equal(ct.crictl("pods", "-q", check=True).text, "")
    # Nobody waits for that Create any more; the sandbox must not outlive its bundle.
    check_equal(census.leftovers(before), [])


def run(report, entry, options):
    with cri.opened(report, entry, options, "[runtime]\nenable_debug = true\n") as ct:
        # CNI's plugin would make it for the first pod, and leave it.
        subprocess.run(["ip", "link", "add", ct.bridge, "type", "bridge"], check=True)
        for handler in ct.sandboxers:
            ct.handler = handler
            report.run_all(globals(), ct, label=f"containerd {ct.name}, pods, {handler}")
