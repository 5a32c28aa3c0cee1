# SPDX-License-Identifier: Apache-2.0
"""Pods whose machine dies: what is told of each of their containers, and of why. Beside the pod of pods.py, which lives on."""

import base64
import json
import os
import re
import signal
import subprocess
import time

import containerd as c
import ttrpc
from pods import WAIT, check_out_of_memory, no_runc
from report import check, check_equal, check_in

WHY = r"qemu \(pid (\d+)\) was killed by signal 9 \(host OOM\?\)"


def ended_pod_is_removed(pod):
    """Quickly, and with nothing that a person has to do."""
    start = time.monotonic()
    pod.remove()
    check(time.monotonic() - start < 60, f"{time.monotonic() - start:.1f} s")


def exit_events(events, ids):
    """{id: [statuses]} of what has been published of their ends."""
    found = {}
    for _, line in events.of("/tasks/exit"):
        event = json.loads(line[line.index("{"):])
        if event["container_id"] in ids and event["id"] == event["container_id"]:
            found.setdefault(event["id"], []).append(event.get("exit_status", 0))
    return found


def test_vmm_killed(ct):
    no_runc(ct)
    pod = ct.run_pod(ct.pod.handler)
    running = [pod.start(*WAIT, name=name) for name in ("first", "second")]
    done = pod.start("sh", "-c", "exit 0", name="done")
    pod.wait_exited(done)
    created = pod.create(*WAIT, name="created")
    process = subprocess.Popen(ct.crictl_command("exec", "-s", running[0], "sh", "-c", "echo >/in-exec; sleep 100000"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    c.wait_for(lambda: pod.sh(running[0], "ls /in-exec", check=False), 20, "the exec runs")
    events = c.Events(ct)
    try:
        os.kill(pod.vmm_pid(), signal.SIGKILL)
        for container in running:
            status = pod.wait_exited(container)
            check_equal((status["exitCode"], status["reason"]), (137, "Error"))
        c.wait_for(lambda: pod.state() == "SANDBOX_NOTREADY", 20, "the pod is not ready")
        c.wait_for(lambda: len(exit_events(events, running)) == 2, 20, "the ends of both are published")
        statuses = exit_events(events, [*running, done, created, pod.id])
        check_equal({status for each in statuses.values() for status in each}, {137}, statuses)
        check_the_event(ct, events, pod, running)
    finally:
        events.close()
    check_in("exited with 137", process.communicate(timeout=120)[1], "the exec that ran")
    status = pod.status(done)
    check_equal((status["exitCode"], status["reason"]), (0, "Completed"), "what ended before it")
    check_the_reason_is_told(ct, pod)
    refused = ct.crictl("start", created)
    check(refused.code != 0, "a container started in a dead pod")
    check(ct.crictl("exec", "-s", running[0], "true").code != 0, "an exec in a dead pod")
    check_equal(ct.pod.sh(ct.main, "echo lives"), "lives\n", "the pod beside it")
    ended_pod_is_removed(pod)


def check_the_event(ct, events, pod, running):
    """One, before the first exit, in words for people; what a program wants of it is in its detail."""
    lines = [line for _, line in events.lines]
    (place, line), = [(n, line) for n, line in enumerate(lines) if " /husk/sandbox-died " in line]
    exits = [n for n, line in enumerate(lines) if " /tasks/exit " in line and any(one in line for one in (pod.id, *running))]
    check(place < min(exits), "".join(lines))
    told = json.loads(line[line.index("{"):])
    match = re.fullmatch(f"sandbox {pod.id} died: {WHY}", told["message"])
    check(match, told)
    check_in(told["message"], ct.logged("level=error", f"sandbox {pod.id} died: "))
    detail, = told["details"]
    check_equal(detail["type_url"], "type.googleapis.com/google.rpc.ErrorInfo")
    info = ttrpc.decode(base64.b64decode(detail["value"]))
    check_equal(info[1], [b"MACHINE_DIED"])
    entries = [ttrpc.decode(entry) for entry in info[3]]
    check_equal({entry[1][0].decode(): entry[2][0].decode() for entry in entries},
                {"sandbox_id": pod.id, "process": "qemu", "pid": match[1], "signal": "9"})
    with open(ct.log_path, errors="replace") as file:
        heard = [line for line in file if "/husk/sandbox-died" in line]
    check(heard, "containerd has not forwarded it")
    check(not [line for line in heard if "level=debug" not in line and "level=info" not in line], heard)


def check_the_reason_is_told(ct, pod):
    """In the log, and where the CRI asks the shim about its sandbox. A container's status has no place for it."""
    line = ct.logged("level=error", f"sandbox {pod.id} died: ")
    check(re.search(WHY, line), line)
    if pod.handler == "husk-shim":
        info = pod.inspect_sandbox()
        check(re.fullmatch(WHY, info.get("died", "")), info)


def test_host_out_of_memory(ct):
    """The limit of the pod's cgroup on the host, which a guest's own limit should come before."""
    no_runc(ct)
    pod = ct.run_pod(ct.pod.handler)
    container = pod.start(*WAIT)
    paths = [p for p in (f"/sys/fs/cgroup/memory{ct.cgroup}/{pod.id}/memory.limit_in_bytes",
                         f"/sys/fs/cgroup{ct.cgroup}/{pod.id}/memory.max") if os.path.exists(p)]
    check(paths, "no memory cgroup of the pod")
    with open(paths[0].replace("limit_in", "usage_in").replace(".max", ".current")) as file:
        used = int(file.read())
    with open(paths[0], "w") as file:
        file.write(str(used + (16 << 20)))
    ct.crictl("exec", "-s", container, "dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=60")
    check_out_of_memory(pod, container)
    ct.logged(f"sandbox {pod.id} died: ", "was killed by signal 9 (the host's OOM killer)")
    ended_pod_is_removed(pod)
