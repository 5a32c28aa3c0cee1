# SPDX-License-Identifier: Apache-2.0
"""The life of containers and execs: states, exit codes, signals, pause, events, errors."""

import json
import os
import re
import signal
import subprocess

import containerd as c
import ttrpc
from report import check, check_equal, check_in


def test_kernel_and_hostname_are_the_guests(ct):
    # ctr 1.6 cannot name the host: its default spec has none, and the guest's own shows.
    named = "--hostname" in ct.ctr("run", "--help").text
    options = ("--hostname", "inside") if named else ()
    kernel, hostname = ct.run_container("sh", "-c", "uname -r; hostname", options=options, check=True).text.split()
    with open("/proc/sys/kernel/osrelease") as file:
        if c.RUNTIME == "io.containerd.husk.v2":
            check(kernel != file.read().strip(), f"{kernel} is the host's kernel")
    check_equal(hostname, "inside" if named else "localhost")


def test_exit_codes(ct):
    for code in (0, 1, 7, 255):
        check_equal(ct.execute(ct.shared, "sh", "-c", f"exit {code}").code, code)
    check_equal(ct.run_container("sh", "-c", "exit 42").code, 42)


def test_signals_are_128_plus_the_number(ct):
    for name, number in (("KILL", 137), ("TERM", 143), ("INT", 130), ("HUP", 129), ("USR1", 138)):
        exec_id = ct.new_id("sig")
        process = ct.popen("task", "exec", "--exec-id", exec_id, ct.shared, "sleep", "100",
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        c.wait_for(lambda: re.search(r"sleep 100$", ct.execute(ct.shared, "ps").text, re.M), 10, "sleep runs")
        ct.ctr("task", "kill", "--exec-id", exec_id, "-s", name, ct.shared, check=True)
        check_equal(process.wait(300), number, name)


def test_kill_of_the_container(ct):
    name = ct.detached("sh", "-c", "trap 'exit 9' USR2; touch /tmp/trapped; while :; do sleep 0.1; done")
    c.wait_for(lambda: ct.execute(name, "test", "-e", "/tmp/trapped").code == 0, 10, "the signal is caught")
    ct.ctr("task", "kill", "-s", "USR2", name, check=True)
    check_equal(ct.exit_code(name), 9, "exit code")
    ct.remove(name)
    for option, code in (("KILL", 137), ("TERM", 143), ("INT", 130)):
        name = ct.detached("sleep", "100")
        ct.ctr("task", "kill", *(["-a"] if option == "KILL" else []), "-s", option, name, check=True)
        check_equal(ct.exit_code(name), code, f"exit code after SIG{option}")
        ct.remove(name)


def test_missing_program(ct):
    done = ct.run_container("/no/such/program")
    check(done.code != 0)
    check_in("no such file", done.error)
    done = ct.execute(ct.shared, "nonsense-program")
    check(done.code != 0)
    check_in("nonsense-program", done.error)
    check_in("not found", done.error)


def test_an_id_in_use(ct):
    done = ct.ctr("task", "exec", "--exec-id", "twice", "--detach", ct.shared, "sleep", "30")
    check_equal(done.code, 0, done.error)
    done = ct.ctr("task", "exec", "--exec-id", "twice", "--detach", ct.shared, "sleep", "30")
    check(done.code != 0)
    check_in("already exists", done.error)
    ct.ctr("task", "kill", "--exec-id", "twice", "-s", "KILL", ct.shared, check=True)


def test_list_and_processes(ct):
    pid, status = ct.tasks()[ct.shared]
    check_equal(status, "RUNNING")
    check(pid > 0, "the pid is 0")
    check_in(str(pid), ct.ctr("task", "ps", ct.shared, check=True).text)


def test_pause_and_resume(ct):
    ct.ctr("task", "pause", ct.shared, check=True)
    check_equal(ct.tasks()[ct.shared][1], "PAUSED")
    done = ct.execute(ct.shared, "true")
    check(done.code != 0, "exec into a paused container")
    check_in("paused", done.error)
    ct.ctr("task", "resume", ct.shared, check=True)
    check_equal(ct.tasks()[ct.shared][1], "RUNNING")
    check_equal(ct.execute(ct.shared, "true").code, 0)


def test_metrics(ct):
    # The first answer has a second, which a guest that waits for the processor does not keep.
    c.wait_for(lambda: ct.ctr("task", "metrics", ct.shared).code == 0, 6, "figures")
    text = ct.ctr("task", "metrics", ct.shared, check=True).text
    check("memory" in text, text)
    text = ct.ctr("task", "metrics", "--format", "json", ct.shared, check=True).text
    check(json.loads(text), text)


def test_delete_of_a_running_one_is_refused(ct):
    done = ct.ctr("task", "delete", ct.shared)
    check(done.code != 0)
    check_equal(ct.tasks()[ct.shared][1], "RUNNING")


def test_events_come_in_order(ct):
    events = c.Events(ct)
    name = ct.new_id("ev")
    ct.run_container("true", name=name, check=True)
    c.wait_for(lambda: events.of("/tasks/delete", name), 10, "the delete event")
    events.close()
    topics = [word for _, line in events.of(name) for word in line.split() if word.startswith(("/tasks/", "/husk/"))]
    check_equal(topics, ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"])


def task_of(ct, name):
    return ttrpc.Task(ct.shim_address(name))


def status_of(call):
    try:
        call()
    except ttrpc.Status as status:
        return status.code
    return "OK"


def test_both_task_services_answer(ct):
    for version in (2, 3):
        task = ttrpc.Task(ct.shim_address(ct.shared), version=version)
        state = task("State", [(1, ct.shared)])
        check_equal(state[1][0].decode(), ct.shared)
        check_equal(state[4][0], 2, "status (running)")


def test_error_codes(ct):
    task = task_of(ct, ct.shared)
    known, unknown = [(1, ct.shared)], [(1, "no-such-task")]
    for method in ("State", "Start", "Delete", "Pids", "Pause", "Resume", "Kill", "Wait", "Stats"):
        if method == "Pids":
            continue
        message = unknown + ([(3, 9)] if method == "Kill" else [])
        check_equal(status_of(lambda: task(method, message)), "NOT_FOUND", method)
    check_equal(status_of(lambda: task("Start", known)), "FAILED_PRECONDITION", "Start twice")
    check_equal(status_of(lambda: task("Delete", known)), "FAILED_PRECONDITION", "Delete running")
    check_equal(status_of(lambda: task("Resume", known)), "FAILED_PRECONDITION", "Resume running")
    check_equal(status_of(lambda: task("Checkpoint", known)), "UNIMPLEMENTED", "Checkpoint")
    check_equal(status_of(lambda: task("Nonsense", known)), "UNIMPLEMENTED", "an unknown method")
    check_equal(status_of(lambda: task("Kill", known + [(3, 999)])), "INVALID_ARGUMENT", "signal 999")
    check_equal(status_of(lambda: task("State", known + [(2, "no-exec")])), "NOT_FOUND", "unknown exec")
    check_equal(status_of(lambda: task("Create", known + [(2, "/tmp")])), "ALREADY_EXISTS", "Create twice")
    check_equal(status_of(lambda: task("Connect", unknown)), "OK", "Connect to anything")


def test_created_task_can_be_killed(ct):
    """A task that was never started still ends, with an exit that waiters see."""
    task = task_of(ct, ct.shared)
    with open(f"{ct.bundle(ct.shared)}/config.json") as file:
        spec = json.load(file)
    spec["linux"]["cgroupsPath"] = "/default/cold"
    bundle = f"{ct.run}/cold"
    os.makedirs(bundle, exist_ok=True)
    with open(f"{bundle}/config.json", "w") as file:
        json.dump(spec, file)
    mounts = [(3, [(1, "bind"), (2, ct.rootfs), (4, "rbind"), (4, "ro")])]
    task("Create", [(1, "cold"), (2, bundle)] + mounts)
    check_equal(task("State", [(1, "cold")])[4][0], 1, "status (created)")
    waiting = task.send("Wait", [(1, "cold")])
    task("Kill", [(1, "cold"), (3, 9)])
    check_equal(task.client.receive(waiting)[1][0], 137, "exit code")
    check_equal(task("State", [(1, "cold")])[4][0], 3, "status (stopped)")
    task("Delete", [(1, "cold")])


def test_bad_update(ct):
    task = task_of(ct, ct.shared)
    url = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
    check_equal(status_of(lambda: task("Update", [(1, ct.shared), (2, [(1, url), (2, "{nonsense")])])),
                "INVALID_ARGUMENT")
    check_equal(status_of(lambda: task("Update", [(1, ct.shared), (2, [(1, "some.other.Type"), (2, "{}")])])),
                "INVALID_ARGUMENT")


def test_update(ct):
    task = task_of(ct, ct.shared)
    url = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

    def update(resources):
        task("Update", [(1, ct.shared), (2, [(1, url), (2, json.dumps(resources))])])

    def read(name):
        return ct.execute(ct.shared, "cat", f"/sys/fs/cgroup/{name}", check=True).text.strip()

    update({"memory": {"limit": 100 << 20}, "pids": {"limit": 77}, "cpu": {"quota": 50000, "period": 100000}})
    check_equal(read("memory.max"), str(100 << 20))
    check_equal(read("pids.max"), "77")
    check_equal(read("cpu.max"), "50000 100000")
    update({"memory": {"limit": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1, "period": 100000}})
    check_equal(read("memory.max"), "max")
    check_equal(read("pids.max"), "max")
    check_equal(read("cpu.max"), "max 100000")


def test_several_waiters_also_after_the_exit(ct):
    name = ct.detached("sh", "-c", "sleep 2; exit 6")
    task = task_of(ct, name)
    waits = [task.send("Wait", [(1, name)]) for _ in range(5)]
    answers = [task.client.receive(stream) for stream in waits]
    answers.append(task("Wait", [(1, name)]))
    state = task("State", [(1, name)])
    check_equal([a[1][0] for a in answers], [6] * 6)
    check_equal(len({a[2][0] for a in answers}), 1, "different times of exit")
    check_equal(state[4][0], 3, "status (stopped)")
    check_equal(state[10][0], answers[0][2][0], "time of exit in State")
    check_equal(status_of(lambda: task("Kill", [(1, name), (3, 9)])), "NOT_FOUND", "Kill after the exit")
    ct.remove(name)


def test_out_of_memory(ct):
    """The OOM killer's victim ends with 137, and /tasks/oom says why."""
    events = c.Events(ct)
    name = ct.new_id("oom")
    done = ct.run_container("sh", "-c", "exec tail /dev/zero", name=name, options=("--memory-limit", str(24 << 20)))
    check_equal(done.code, 137)
    c.wait_for(lambda: events.of("/tasks/oom", name), 5, "/tasks/oom")
    events.close()


def test_the_same_id_in_two_namespaces(ct):
    name = ct.new_id("twin")
    for namespace in ("one", "two"):
        ct.ctr("-n", namespace, "image", "import", ct.image, check=True)
        ct.ctr("-n", namespace, "run", "-d", "--runtime", c.RUNTIME, c.IMAGE, name, "sleep", "1000", check=True)
    for namespace in ("one", "two"):
        done = ct.ctr("-n", namespace, "task", "exec", "--exec-id", "e", name, "echo", namespace, check=True)
        check_equal(done.text, namespace + "\n")
        ct.ctr("-n", namespace, "task", "delete", "--force", name)
        ct.ctr("-n", namespace, "container", "delete", name, check=True)


def test_shutdown_with_a_task_left_does_nothing(ct):
    task = task_of(ct, ct.shared)
    task("Shutdown", [(1, ct.shared)])
    check_equal(task("State", [(1, ct.shared)])[4][0], 2)


def test_close_io_twice(ct):
    task = task_of(ct, ct.shared)
    for _ in range(2):
        task("CloseIO", [(1, ct.shared), (3, 1)])


def test_containerd_restarted_finds_the_container(ct):
    name = ct.detached("sh", "-c", "while :; do sleep 0.2; done")
    before = ct.tasks()[name]
    for how in (signal.SIGTERM, signal.SIGKILL):
        ct.stop(how)
        ct.start()
        check_equal(ct.tasks()[name], before, f"after {how.name}")
        check_equal(ct.execute(name, "echo", "still here", check=True).out, b"still here\n")
    events = c.Events(ct)
    ct.ctr("task", "kill", "-s", "KILL", name, check=True)
    c.wait_for(lambda: ct.tasks()[name][1] == "STOPPED", 20, "it stops")
    c.wait_for(lambda: events.of("/tasks/exit", name), 5, "the exit event after a restart")
    events.close()
    ct.remove(name)
