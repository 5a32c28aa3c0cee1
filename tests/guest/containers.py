# SPDX-License-Identifier: Apache-2.0
"""Containers and their processes: every call about them, good and bad input each."""

import os
import time

from guest import RUN, SHARE, PRIVILEGED, bind, check_settles, process, settled, spec, text_of, to_bytes
from report import Failure, check, check_equal, check_in

NONE = "none-such"
HOSTILE_IDS = ("", "../x", "a/b", ".", "..", "-x", "a b", "x" * 300, "a\nb")


def test_health(g):
    check_equal(g.agent("Health/Check", service="anything")["status"], "SERVING")
    check_equal(g.agent("Health/Version")["grpc_version"], "0.0.1")


def test_create_start_wait_remove(g):
    check_equal(g.shell("echo out; echo err >&2; exit 7"), ("out\n", "err\n", 7))


def test_create_refuses_ids(g):
    for name in HOSTILE_IDS:
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", container_id=name, OCI=spec("true"))


def test_create_needs_a_spec(g):
    g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", container_id=g.new_id())


def test_create_refuses_specs(g):
    for change in ({"Process": None}, {"Root": None}, {"Linux": None}):
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", container_id=g.new_id(),
                        OCI={**spec("true"), **change})
    for fields in ({"namespaces": ("mount", "mount")}, {"namespaces": ("nonsense",)},
                   {"root": f"{SHARE}/none-such"}, {"root": "busybox"},
                   {"cwd": "relative"},
                   {"mounts": [bind("/none-such", "/mnt")]}, {"mounts": [bind("/proc", "relative")]}):
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND",
                        container_id=g.new_id(), OCI=spec("true", **fields))
    # Words that are none, found only by the process that makes the container.
    rule = {"DefaultAction": "SCMP_ACT_ALLOW", "Syscalls": [{"Names": ["personality"], "Action": "SCMP_ACT_ERRNO"}]}
    for change, word in (({"Devices": [{"Path": "/dev/x", "Type": "x"}]}, "'x'"),
                         ({"Devices": [{"Path": "/etc/x", "Type": "c"}]}, "below /dev"),
                         ({"Seccomp": {**rule, "DefaultAction": "SCMP_ACT_X"}}, "SCMP_ACT_X"),
                         ({"Seccomp": {**rule, "Architectures": ["SCMP_ARCH_X"]}}, "SCMP_ARCH_X"),
                         ({"Seccomp": {**rule, "Syscalls": [{**rule["Syscalls"][0], "Args": [{"Op": "SCMP_CMP_X"}]}]}},
                          "SCMP_CMP_X"), ({"RootfsPropagation": "x"}, "'x'")):
        message = spec("true")
        message["Linux"].update(change)
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", container_id=g.new_id(), OCI=message, text=word)


def test_create_names_a_missing_program(g):
    g.agent.refused("CreateContainer", "INTERNAL", "NOT_FOUND", container_id=g.new_id(),
                    OCI=spec("/no/such/program"), text="/no/such/program")


def test_failed_creates_leave_nothing(g):
    script = "ls /guest/proc/1/fd | wc -l; wc -l < /guest/proc/1/mountinfo; ls /guest/run/kata-containers | wc -l"
    g.look(script)
    before = settled(lambda: g.look(script))
    for i in range(10):
        g.agent.refused("CreateContainer", "INTERNAL", "NOT_FOUND", container_id=f"failing{i}",
                        OCI=spec("/no/such/program"))
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND",
                        container_id=f"failing{i}", OCI=spec("true", mounts=[bind("/none-such", "/mnt")]))
    check_settles(lambda: g.look(script), before)


def test_create_twice(g):
    name = g.start("sleep", "100")
    g.agent.refused("CreateContainer", "ALREADY_EXISTS", container_id=name, OCI=spec("true"))
    # The one that was there must not have noticed.
    check_equal(g.exec_output(name, "echo", "alive"), ("alive\n", "", 0))
    g.remove(name)


def test_start_states(g):
    g.agent.refused("StartContainer", "NOT_FOUND", "INTERNAL", container_id=NONE)
    name = g.start("sleep", "100")
    g.agent.refused("StartContainer", "FAILED_PRECONDITION", container_id=name)
    g.kill(name)
    check_equal(g.wait(name), 137)
    g.agent.refused("StartContainer", "FAILED_PRECONDITION", container_id=name)
    g.remove(name)


def test_killed_before_it_was_started(g):
    name = g.create("true")
    g.kill(name)
    check_equal(g.wait(name), 137)
    g.agent.refused("StartContainer", "FAILED_PRECONDITION", container_id=name)
    g.remove(name)


def test_remove_states(g):
    g.agent.refused("RemoveContainer", "NOT_FOUND", "INTERNAL", container_id=NONE)
    name = g.start("sleep", "100")
    waiting = g.agent.send("WaitProcess", container_id=name)
    g.agent("RemoveContainer", container_id=name, timeout=10)
    check_equal(g.agent.result(waiting)["status"], 137)
    g.agent.refused("RemoveContainer", "NOT_FOUND", "INTERNAL", container_id=name)
    created = g.create("true")
    g.remove(created)


def test_update(g):
    name = g.start("sleep", "100")
    g.agent("UpdateContainer", container_id=name)
    g.agent("UpdateContainer", container_id=name, resources={
        "Memory": {"Limit": 64 << 20}, "CPU": {"Shares": 512, "Quota": 50000, "Period": 100000}})
    stats = g.agent("StatsContainer", container_id=name)["cgroup_stats"]
    check_equal(stats["memory_stats"]["usage"]["limit"], 64 << 20)
    g.agent("UpdateContainer", container_id=name, resources={"Memory": {"Limit": -1}})
    stats = g.agent("StatsContainer", container_id=name)["cgroup_stats"]
    check(stats["memory_stats"]["usage"].get("limit", 0) not in (64 << 20,), "-1 means no limit")
    g.agent.refused("UpdateContainer", "INVALID_ARGUMENT", "INTERNAL", container_id=name,
                    resources={"CPU": {"Cpus": "nonsense"}})
    g.agent.refused("UpdateContainer", "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE, resources={})
    g.remove(name)


def test_stats(g):
    name = g.start("sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo; exec sleep 100",
                   resources={"Memory": {"Limit": 128 << 20}})
    g.agent("ReadStdout", container_id=name, len=10)
    stats = g.agent("StatsContainer", container_id=name)
    check(stats["cgroup_stats"]["cpu_stats"]["cpu_usage"]["total_usage"] > 1000000, "time was used")
    check_equal(stats["cgroup_stats"]["memory_stats"]["usage"]["limit"], 128 << 20)
    check_equal(stats["cgroup_stats"]["pids_stats"]["current"], 1)
    check("network_stats" not in stats, "network is counted by the host")
    g.agent.refused("StatsContainer", "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE)
    g.remove(name)


def test_pause_resume(g):
    name = g.start("sh", "-c", "while :; do echo tick; sleep 0.05; done")
    g.agent("ReadStdout", container_id=name, len=5)
    g.agent("PauseContainer", container_id=name)
    g.agent.refused("PauseContainer", "FAILED_PRECONDITION", "INTERNAL", container_id=name)
    g.agent.refused("ExecProcess", "FAILED_PRECONDITION", container_id=name, exec_id="e", process=process("true"))
    used = [g.agent("StatsContainer", container_id=name)["cgroup_stats"]["cpu_stats"]["cpu_usage"]["total_usage"]]
    time.sleep(0.4)
    used.append(g.agent("StatsContainer", container_id=name)["cgroup_stats"]["cpu_stats"]["cpu_usage"]["total_usage"])
    check_equal(used[0], used[1], "a frozen container uses no time")
    g.agent("ResumeContainer", container_id=name)
    g.agent.refused("ResumeContainer", "FAILED_PRECONDITION", "INTERNAL", container_id=name)
    check_in("tick", text_of(g.agent("ReadStdout", container_id=name, len=5)))
    for method in ("PauseContainer", "ResumeContainer"):
        g.agent.refused(method, "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE)
    g.agent("PauseContainer", container_id=name)
    g.remove(name)


def test_exec(g):
    name = g.start("sleep", "100")
    check_equal(g.exec_output(name, "sh", "-c", "echo out; echo err >&2; exit 3"), ("out\n", "err\n", 3))
    check_equal(g.exec_output(name, "id", "-u", uid=1000)[0], "1000\n")
    check_equal(g.exec_output(name, "pwd", cwd="/tmp")[0], "/tmp\n")
    check_in("WORD=value", g.exec_output(name, "env", env=("WORD=value",))[0])
    g.agent.refused("ExecProcess", "INVALID_ARGUMENT", "INTERNAL", container_id=name, exec_id="e")
    g.agent.refused("ExecProcess", "INTERNAL", "NOT_FOUND", container_id=name, exec_id="e",
                    process=process("/no/such/program"), text="/no/such/program")
    g.agent.refused("ExecProcess", "INTERNAL", "NOT_FOUND", "INVALID_ARGUMENT", container_id=name,
                    exec_id="e", process=process("true", cwd="/no/such/directory"))
    g.agent.refused("ExecProcess", "INVALID_ARGUMENT", container_id=name, exec_id="e", process=process())
    for exec_id in ("", "../x", "a/b", "x" * 300):
        g.agent.refused("ExecProcess", "INVALID_ARGUMENT", container_id=name, exec_id=exec_id,
                        process=process("true"))
    g.agent.refused("ExecProcess", "NOT_FOUND", "INTERNAL", container_id=NONE, exec_id="e",
                    process=process("true"))
    running = g.execute(name, "sleep", "100")
    g.agent.refused("ExecProcess", "ALREADY_EXISTS", container_id=name, exec_id=running, process=process("true"))
    g.remove(name)


def test_exec_in_a_created_container(g):
    name = g.create("sleep", "100")
    check_equal(g.exec_output(name, "echo", "early"), ("early\n", "", 0))
    g.agent("StartContainer", container_id=name)
    g.remove(name)


def test_exec_under_a_delegated_cgroup(g):
    """A workload that moved itself to <cgroup>/init and enabled controllers: exec goes there too."""
    script = ("mkdir /guest/cgroup/init && echo 1 > /guest/cgroup/init/cgroup.procs && "
              "echo +memory > /guest/cgroup/cgroup.subtree_control; echo $?; exec sleep 100")
    name = g.start("sh", "-c", script, capabilities=PRIVILEGED, mounts=[
        {"destination": "/guest/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}])
    check_equal(text_of(g.agent("ReadStdout", container_id=name, len=10)), "0\n")
    out, err, code = g.exec_output(name, "cat", "/proc/self/cgroup")
    check_equal((code, err), (0, ""))
    check_in("init", out)
    g.remove(name)


def test_cgroup_namespace(g):
    """Made though the host leaves it out: what is mounted is the container's own directory, and so is what /proc says."""
    shared = ("mount", "ipc", "uts")
    name = g.start("sleep", "100", namespaces=shared)
    check_equal(g.exec_output(name, "cat", "/proc/self/cgroup", "/proc/1/cgroup")[0].splitlines()[0], "0::/")
    g.remove(name)
    check_equal(g.output("cat", "/proc/self/cgroup", namespaces=shared)[0], "0::/\n")


def test_signals(g):
    name = g.start("sleep", "100")
    g.kill(name, 0)
    exec_id = g.execute(name, "sleep", "100")
    g.kill(name, 2, exec_id)
    check_equal(g.wait(name, exec_id), 130)
    # It is known until its output has been fetched.
    check_equal((g.read_all(name, exec_id), g.read_all(name, exec_id, "ReadStderr")), ("", ""))
    g.agent.refused("SignalProcess", "NOT_FOUND", container_id=name, exec_id=exec_id, signal=15)
    g.agent.refused("SignalProcess", "INVALID_ARGUMENT", container_id=name, signal=999)
    g.agent.refused("SignalProcess", "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE, signal=15)
    # PID 1 of its namespace without a handler: the kernel would drop it.
    g.kill(name, 15)
    check_equal(g.wait(name), 143)
    g.remove(name)


def test_kill_all_reaches_child_cgroups(g):
    script = ("mkdir /guest/cgroup/below && sh -c 'echo $$ > /guest/cgroup/below/cgroup.procs; exec sleep 1000' & "
              "until grep -q . /guest/cgroup/below/cgroup.procs; do sleep 0.05; done; echo ready; exec sleep 1000")
    name = g.start("sh", "-c", script, capabilities=PRIVILEGED, mounts=[
        {"destination": "/guest/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}])
    check_equal(text_of(g.agent("ReadStdout", container_id=name, len=10)), "ready\n")
    g.kill(name)
    check_equal(g.wait(name), 137)
    g.remove(name)
    # Others may end between the list and the reading.
    check("sleep" not in g.look("cat /guest/proc/[0-9]*/comm 2>/dev/null; true"), "a process survived")


def test_wait(g):
    g.agent.refused("WaitProcess", "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE)
    name = g.start("sleep", "100")
    g.agent.refused("WaitProcess", "NOT_FOUND", container_id=name, exec_id="none", text="process not found")
    waiting = [g.agent.send("WaitProcess", container_id=name, exec_id=e) for e in ("", name) * 4]
    g.kill(name)
    check_equal([g.agent.result(box).get("status") for box in waiting], [137] * 8)
    g.remove(name)


def test_streams(g):
    name = g.start("cat")
    for data in ("hello\n", "x" * 100000):
        box = g.agent.send("WriteStdin", container_id=name, data=to_bytes(data))
        got = ""
        while len(got) < len(data):
            got += text_of(g.agent("ReadStdout", container_id=name, len=8192))
        check_equal(got, data)
        check_equal(g.agent.result(box)["len"], len(data))
    g.agent("CloseStdin", container_id=name)
    g.agent("CloseStdin", container_id=name)
    check_equal(text_of(g.agent("ReadStdout", container_id=name, len=8192)), "")
    check_equal(g.wait(name), 0)
    g.remove(name)


def test_empty_write_is_the_end(g):
    name = g.start("cat")
    g.agent("WriteStdin", container_id=name, data=to_bytes("last"))
    g.agent("WriteStdin", container_id=name)
    check_equal(g.read_all(name), "last")
    check_equal(g.wait(name), 0)
    g.remove(name)


def test_streams_refuse(g):
    for method in ("ReadStdout", "ReadStderr"):
        g.agent.refused(method, "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE, len=10)
    g.agent.refused("WriteStdin", "INTERNAL", "NOT_FOUND", "INVALID_ARGUMENT", container_id=NONE, data="YQ==")
    g.agent.refused("CloseStdin", "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE)
    name = g.start("sleep", "100")
    for method, more in (("ReadStdout", {"len": 10}), ("ReadStderr", {"len": 10}), ("CloseStdin", {}),
                         ("WriteStdin", {"data": "YQ=="})):
        g.agent.refused(method, "NOT_FOUND", container_id=name, exec_id="none", **more)
    g.remove(name)


def test_terminal(g):
    name = g.start("sh", "-c", "stty size; read line; echo got $line; tty", terminal=True)
    g.agent("TtyWinResize", container_id=name, row=40, column=120)
    exec_id = g.execute(name, "sh", "-c", "read line; stty size", terminal=True)
    g.agent("TtyWinResize", container_id=name, exec_id=exec_id, row=7, column=9)
    g.agent("WriteStdin", container_id=name, exec_id=exec_id, data=to_bytes("now\n"))
    check_equal(g.read_all(name, exec_id), "now\r\n7 9\r\n")
    check_equal(g.wait(name, exec_id), 0)
    g.agent("WriteStdin", container_id=name, data=to_bytes("word\n"))
    check_in("got word", g.read_all(name))
    check_equal(g.wait(name), 0)
    g.remove(name)


def test_resize_refuses(g):
    g.agent.refused("TtyWinResize", "INVALID_ARGUMENT", "NOT_FOUND", container_id=NONE, row=1, column=1)
    name = g.start("sleep", "100")
    g.agent.refused("TtyWinResize", "UNAVAILABLE", container_id=name, row=1, column=1, text="no tty")
    g.agent.refused("TtyWinResize", "NOT_FOUND", container_id=name, exec_id="none", row=1, column=1)
    g.remove(name)


def test_out_of_memory(g):
    """The event names the container whose limit it was, and nothing happens to the others."""
    limit = {"Memory": {"Limit": 24 << 20, "Swap": 24 << 20}}
    grow = "x=0123456789abcdef; while :; do x=$x$x; done"
    waiting = g.agent.send("GetOOMEvent")
    others = [g.start("sleep", "1000", resources=limit), g.start("sleep", "1000")]
    for _ in range(2):
        name = g.start("sh", "-c", grow, resources=limit)
        check_equal(g.wait(name), 137)
        check_equal(g.agent.result(waiting, 60)["container_id"], name)
        waiting = g.agent.send("GetOOMEvent")
        g.remove(name)
    # A child of the init: that goes on.
    parent = g.start("sh", "-c", f"sh -c '{grow}'; echo code $?; exec sleep 1000", resources=limit)
    check_equal(text_of(g.agent("ReadStdout", container_id=parent, len=100)), "code 137\n")
    check_equal(g.agent.result(waiting, 60)["container_id"], parent)
    waiting = g.agent.send("GetOOMEvent")
    for other in (*others, parent):
        check_equal(g.exec_output(other, "echo", "alive"), ("alive\n", "", 0))
        g.remove(other)
    check(waiting.empty(), "an event without a reason")
    last = g.start("sh", "-c", grow, resources=limit)  # answers the call that waits
    check_equal(g.wait(last), 137)
    check_equal(g.agent.result(waiting, 60)["container_id"], last)
    g.remove(last)


def test_hooks(g):
    """createContainer hooks run in the container's namespaces with the guest's paths."""
    mark = f"{SHARE}/{g.new_id('hook')}"
    hook = {"Path": f"{SHARE}/busybox/bin/busybox", "Args": ["touch", mark]}
    name = g.new_id()
    with_hook = spec("true")
    with_hook["Hooks"] = {"CreateContainer": [hook]}
    g.agent("CreateContainer", container_id=name, OCI=with_hook)
    check(os.path.exists(f"{g.share}/{os.path.basename(mark)}"), "the hook did not run")
    g.remove(name)
    with_hook["Hooks"] = {"CreateContainer": [{**hook, "Args": ["false"]}]}
    g.agent.refused("CreateContainer", "INTERNAL", container_id=g.new_id(), OCI=with_hook)


def test_root_unmounted(g):
    """A privileged container cannot take its root away to find the guest's files behind it."""
    count = "sbin/husk-agent init etc/husk 2>/dev/null | wc -l"
    out, err, code = g.shell(f"cd /proc; umount -l /; echo $?; nsenter --mount=self/ns/mnt /bin/busybox sh -c 'ls -d "
                             f"/{count}'; cd /; cd ../..; ls -d {count}", capabilities=PRIVILEGED)
    check_equal((out, code), ("1\n0\n0\n", 0), err)
    check_in("nvalid argument", err)
