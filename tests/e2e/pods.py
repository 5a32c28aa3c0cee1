# SPDX-License-Identifier: Apache-2.0
"""Pods through the CRI, driven by crictl as a kubelet drives them."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import urllib.request

import containerd as c
from report import Skip, check, check_equal, check_in

DNS = {"servers": ["10.9.8.7", "fd00::7"], "searches": ["a.example", "b.example"], "options": ["ndots:3"]}
CONTAINER_PID = {"namespace_options": {"pid": 1}}
WAIT = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done")
DIAL = "i=0; until nc {} </dev/null; do [ $((i+=1)) -le 300 ] || exit 1; sleep 0.2; done"  # once somebody listens


def open_pod(ct, handler):
    """The pod that most tests put their containers in: its containers share their processes."""
    ct.pod = ct.run_pod(handler, dns_config=DNS, linux={"sysctls": {"net.core.somaxconn": "77", "kernel.shm_rmid_forced": "1"}})
    ct.main = ct.pod.start(*WAIT, name="main")


def close_pod(ct):
    ct.pod.remove()


def test_ready(ct):
    status = json.loads(ct.crictl("inspectp", ct.pod.id, check=True).text)["status"]
    check_equal(status["state"], "SANDBOX_READY")
    check(status["network"]["ip"].startswith(ct.subnet), status["network"])
    check_in(ct.pod.id, ct.crictl("pods", "-q", "--no-trunc", "--state", "ready", check=True).text)
    check_in(ct.main, ct.crictl("ps", "-q", "--no-trunc", "--pod", ct.pod.id, check=True).text)


def test_hostname_and_files_of_the_pod(ct):
    name = ct.pod.config["hostname"]
    check_equal(ct.pod.sh(ct.main, "hostname; cat /etc/hostname"), f"{name}\n{name}\n")
    check_in("localhost", ct.pod.sh(ct.main, "cat /etc/hosts"))
    check_equal(sorted(ct.pod.sh(ct.main, "cat /etc/resolv.conf").splitlines()),
                ["nameserver 10.9.8.7", "nameserver fd00::7", "options ndots:3", "search a.example b.example"])


def test_logs(ct):
    script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf 'no newline'"
    container = ct.pod.start("sh", "-c", script, name="logs")
    check_equal(ct.pod.wait_exited(container)["exitCode"], 0)
    lines = ct.pod.log(container)
    check_equal([text for stream, text in lines if stream == "stdout"], ["out 1", "out 2", "out 3", "no newline"])
    check_equal([text for stream, text in lines if stream == "stderr"], ["err 1", "err 2", "err 3"])
    check_in("out 2", ct.crictl("logs", "--tail", "10", container, check=True).text)
    ct.crictl("rm", container, check=True)


def test_exec_sync(ct):
    done = ct.crictl("exec", "-s", ct.main, "sh", "-c", "echo out; echo err >&2; exit 7")
    check_in("exited with 7", done.error)
    check_in("err", done.error)
    start = time.monotonic()
    done = ct.crictl("exec", "-s", "--timeout", "2", ct.main, "sleep", "100")
    check(done.code != 0)
    check_in("DeadlineExceeded", done.error)
    check(time.monotonic() - start < 90, "the timeout is not kept")
    c.wait_for(lambda: "sleep 100" not in ct.pod.sh(ct.main, "ps"), 10, "what was timed out is gone")
    done = ct.crictl("exec", "-s", ct.main, "/no/such/program")
    check_in("no such file", done.error.lower())


def test_exec_with_pipes(ct):
    done = ct.crictl("exec", "-i", ct.main, "sh", "-c", "tr a-z A-Z; echo done >&2; exit 3", stdin=b"through\n")
    check_equal(done.text, "THROUGH\n")
    check_in("done", done.error)
    check_in("exit code 3", done.error)


class Terminal:
    """crictl with a terminal of its own."""

    def __init__(self, ct, *args):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            command = ct.crictl_command(*args)
            os.execv(command[0], command)

    def write(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text, again="", seconds=300):
        """`again` is typed every two seconds until it appears."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            check(time.monotonic() < deadline, f"{text!r} does not appear: {self.seen!r}")
            if select.select([self.fd], [], [], 2)[0]:
                part = self.read()
                check(part, f"it ended before {text!r}: {self.seen!r}")
                self.seen += part
            elif again:
                self.write(again)

    def read(self):
        try:
            return os.read(self.fd, 4096)
        except OSError:
            return b""

    def close(self):
        """Its exit code; hangs up if it still runs."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.1)[0]:
                self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


def test_exec_with_a_terminal(ct):
    terminal = Terminal(ct, "exec", "-it", ct.main, "sh")
    terminal.write("tty; stty size; echo $((6*7))\n")
    terminal.expect("/dev/pts/")
    terminal.expect("42")
    terminal.write("exit 5\n")
    check_equal(terminal.close(), 1, "the code of crictl for any failure")


def test_attach(ct):
    container = ct.pod.start("sh", "-c", "while read line; do echo got $line; done", name="attach", stdin=True)
    process = subprocess.Popen(ct.crictl_command("attach", "-i", container), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    # containerd attaches the streams one after the other: the answer to what is written too early goes nowhere.
    def answered():
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        return select.select([process.stdout], [], [], 2)[0]

    c.wait_for(answered, 20, "an answer")
    check_equal(process.stdout.readline(), b"got hello\n")
    process.kill()
    process.communicate()
    check_equal(ct.pod.status(container)["state"], "CONTAINER_RUNNING", "after the client has gone")
    c.wait_for(lambda: ("stdout", "got hello") in ct.pod.log(container), 5, "the log has it too")
    ct.crictl("rm", "-f", container, check=True)


def test_attach_to_a_terminal(ct):
    container = ct.pod.start("sh", name="tty", stdin=True, tty=True)
    terminal = Terminal(ct, "attach", "-it", container)
    terminal.write("echo $((40+2))\n")
    terminal.expect("\n42", again="echo $((40+2))\n")
    terminal.write("exit 4\n")
    terminal.close()
    check_equal(ct.pod.wait_exited(container)["exitCode"], 4)
    ct.crictl("rm", container, check=True)


def test_three_containers_share_memory_network_and_processes(ct):
    first = ct.pod.start("sh", "-c", "echo written >/dev/shm/word; nc -l -p 7000 -e echo answered; sleep 100", name="one")
    second = ct.pod.start(*WAIT, name="two")
    third = ct.pod.start(*WAIT, name="three")
    c.wait_for(lambda: ct.pod.sh(second, "cat /dev/shm/word", check=False) == "written\n", 20, "the file in /dev/shm")
    check_in("answered", ct.pod.sh(third, DIAL.format("127.0.0.1 7000")))
    spaces = [ct.pod.sh(k, "for n in ipc uts net pid; do readlink /proc/self/ns/$n; done") for k in (second, third)]
    check_equal(spaces[0], spaces[1])
    own = [ct.pod.sh(k, "readlink /proc/self/ns/mnt; readlink /proc/self/ns/cgroup") for k in (second, third)]
    check(own[0] != own[1], "they share their mounts")
    check("trap" in ct.pod.sh(third, "cat /proc/*/cmdline | tr '\\0' ' '"), "no process of the others is seen")
    check_equal(ct.pod.sh(third, "tr '\\0' ' ' </proc/1/cmdline | grep -c trap || true"), "0\n", "PID 1 is theirs")
    check("word" in ct.pod.sh(third, "ls /dev/shm"))
    for container in (first, second, third):
        ct.crictl("rm", "-f", container, check=True)
    check_equal(ct.pod.sh(ct.main, "echo lives"), "lives\n", "what shares with those that went")


def test_container_with_processes_of_its_own(ct):
    container = ct.pod.start(*WAIT, name="own", linux={"security_context": CONTAINER_PID})
    check_in("trap", ct.pod.sh(container, "tr '\\0' ' ' </proc/1/cmdline"))
    ct.crictl("rm", "-f", container, check=True)


def test_init_container_then_main(ct):
    shared = f"{ct.run}/{ct.new_id('volume')}"
    os.makedirs(shared)
    mounts = [{"container_path": "/prepared", "host_path": shared}]
    first = ct.pod.start("sh", "-c", "echo prepared >/prepared/file", name="init", mounts=mounts)
    status = ct.pod.wait_exited(first)
    check_equal((status["exitCode"], status["reason"]), (0, "Completed"))
    second = ct.pod.start("cat", "/prepared/file", name="after", mounts=mounts)
    check_equal(ct.pod.wait_exited(second)["exitCode"], 0)
    check_equal(ct.pod.log(second), [("stdout", "prepared")])
    ct.crictl("rm", first, second, check=True)


def test_crashed_container_is_restarted(ct):
    first = ct.pod.start("sh", "-c", "echo first >/here; exit 3", name="crash")
    status = ct.pod.wait_exited(first)
    check_equal((status["exitCode"], status["reason"]), (3, "Error"))
    second = ct.pod.start("sh", "-c", "test -e /here || exit 9", name="crash", attempt=1)
    check_equal(ct.pod.wait_exited(second)["exitCode"], 9, "the new attempt has a root of its own")
    check_equal(ct.pod.status(second)["metadata"]["attempt"], 1)
    ct.crictl("rm", first, second, check=True)


def test_start_that_fails(ct):
    container = ct.pod.create("/no/such/program", name="missing")
    done = ct.crictl("start", container)
    check(done.code != 0)
    check_in("/no/such/program", done.error)
    status = ct.pod.wait_exited(container)
    check_equal((status["exitCode"], status["reason"]), (128, "StartError"))
    check_in("/no/such/program", status["message"])
    ct.crictl("rm", container, check=True)


def test_stop_with_grace(ct):
    polite = ct.pod.start("sh", "-c", "trap 'echo bye; exit 6' TERM; echo ready; while :; do sleep 0.2; done", name="polite",
                          linux={"security_context": CONTAINER_PID})
    stubborn = ct.pod.start("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done", name="stubborn",
                            linux={"security_context": CONTAINER_PID})
    for container in (polite, stubborn):
        c.wait_for(lambda: ("stdout", "ready") in ct.pod.log(container), 5, "the signal is caught")
    ct.crictl("stop", "-t", "20", polite, check=True)
    check_equal(ct.pod.status(polite)["exitCode"], 6)
    check_in(("stdout", "bye"), ct.pod.log(polite))
    start = time.monotonic()
    ct.crictl("stop", "-t", "2", stubborn, check=True)
    check(2 <= time.monotonic() - start < 60, f"{time.monotonic() - start:.1f} s")
    check_equal(ct.pod.status(stubborn)["exitCode"], 137)
    ct.crictl("rm", polite, stubborn, check=True)


def test_sysctls_of_the_pod(ct):
    check_equal(ct.pod.sh(ct.main, "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced"), "77\n1\n")


def test_security_context(ct):
    context = {"run_as_user": {"value": 1000}, "run_as_group": {"value": 2000}, "supplemental_groups": [3000, 4000],
               "readonly_rootfs": True, "no_new_privs": True, "capabilities": {"add_capabilities": ["NET_ADMIN"],
                                                                              "drop_capabilities": ["CHOWN"]},
               "namespace_options": {"pid": 1}}
    container = ct.pod.start(*WAIT, name="confined", linux={"security_context": context})
    text = ct.pod.sh(container, "id -u; id -g; id -G; touch /file 2>&1; grep -E '^(NoNewPrivs|CapBnd)' /proc/self/status")
    lines = text.splitlines()
    check_equal(lines[:3], ["1000", "2000", "2000 3000 4000"])
    check_in("Read-only file system", text)
    check_in("NoNewPrivs:\t1", text)
    bounding = int(re.search(r"CapBnd:\t(\w+)", text).group(1), 16)
    check(bounding & 1 << 12, "NET_ADMIN was added")
    check(not bounding & 1, "CHOWN was dropped")
    ct.crictl("rm", "-f", container, check=True)


def seccomp(ct, name, **profile):
    container = ct.pod.start(*WAIT, name=name, linux={"security_context": {"seccomp": profile}})
    text = ct.pod.sh(container, "grep Seccomp: /proc/self/status; chmod 600 /tmp 2>/dev/null && echo changed || true")
    ct.crictl("rm", "-f", container, check=True)
    return text


def test_seccomp(ct):
    profile = f"{ct.run}/{ct.new_id('seccomp')}.json"
    with open(profile, "w") as file:
        json.dump({"defaultAction": "SCMP_ACT_ALLOW",
                   "syscalls": [{"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO"}]}, file)
    check_equal(seccomp(ct, "unconfined", profile_type=1), "Seccomp:\t0\nchanged\n")
    check_equal(seccomp(ct, "default", profile_type=0), "Seccomp:\t2\nchanged\n")
    check_equal(seccomp(ct, "local", profile_type=2, localhost_ref=profile), "Seccomp:\t2\n")


def test_privileged(ct):
    pod = ct.run_pod(ct.pod.handler, linux={"security_context": {"privileged": True}})
    context = {"privileged": True}
    container = pod.start(*WAIT, linux={"security_context": context})
    text = pod.sh(container, "grep CapEff /proc/self/status; mount -t tmpfs none /mnt 2>&1 || mkdir /m && mount -t tmpfs none /m && echo mounted;"
                             "echo 88 >/proc/sys/net/core/somaxconn && cat /proc/sys/net/core/somaxconn; ls /dev | wc -l")
    check(int(re.search(r"CapEff:\t(\w+)", text).group(1), 16) & 1 << 21, "CAP_SYS_ADMIN")
    check_in("mounted", text)
    check_in("88", text)
    if ct.pod.handler != "runc":
        devices = pod.sh(container, "ls /dev").split()
        check_in("null", devices)
        check_equal([name for name in ("kvm", "vhost-net", "loop-control") if name in devices], [], "the host's devices")
    pod.remove()


def test_bridge(ct):
    """What NET_ADMIN may make on a host; the guest's kernel has it in a module, and asks for that."""
    add = {"security_context": {"capabilities": {"add_capabilities": ["NET_ADMIN"]}}}
    plain, able = ct.pod.start(*WAIT, name="plain"), ct.pod.start(*WAIT, name="able", linux=add)
    check(ct.crictl("exec", "-s", plain, "brctl", "addbr", "br7").code != 0, "a bridge without the capability")
    ct.pod.sh(able, "ip link add br8 type bridge && ip link show br8 && ip link delete br8")
    ct.pod.sh(able, "brctl addbr br7 && ip link show br7 && ip link delete br7")
    ct.crictl("rm", "-f", plain, able, check=True)


def test_stats(ct):
    ct.pod.sh(ct.main, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")

    def stats():
        found = json.loads(ct.crictl("stats", "--id", ct.main, "-o", "json", check=True).text)["stats"]
        return found[0] if found and found[0].get("cpu") and found[0].get("memory") else None

    entry = c.wait_for(stats, 20, "figures")
    check(int(entry["cpu"]["usageCoreNanoSeconds"]["value"]) > 1000000, entry)
    check(int(entry["memory"]["workingSetBytes"]["value"]) > 100000, entry)
    if ct.is_v1:
        return
    pod, = json.loads(ct.crictl("statsp", "--id", ct.pod.id, "-o", "json", check=True).text)["stats"]
    check_equal(pod["attributes"]["id"], ct.pod.id)
    # What the pod costs the host, so at least what its container uses.
    used = int(pod["linux"]["cpu"]["usageCoreNanoSeconds"]["value"]), int(pod["linux"]["memory"]["workingSetBytes"]["value"])
    check(used[0] > 1000000 and used[1] > 100000, pod["linux"])
    check_equal(pod["linux"]["network"]["defaultInterface"]["name"], "eth0")
    check(int(pod["linux"]["network"]["defaultInterface"]["rxBytes"]["value"]) > 0, pod["linux"]["network"])
    check_in(ct.main, [one["attributes"]["id"] for one in pod["linux"]["containers"]])
    described = json.loads(ct.crictl("metricdescs", "-o", "json", check=True).text)["descriptors"]
    figures, = [one for one in json.loads(ct.crictl("metricsp", "-o", "json", check=True).text)["podMetrics"]
                if one["podSandboxId"] == ct.pod.id]
    mine, = [one["metrics"] for one in figures["containerMetrics"] if one["containerId"] == ct.main]
    found = {one["name"]: int(one["value"]["value"]) for one in mine}
    check(found["container_cpu_usage_seconds_total"] >= 0 and found["container_memory_working_set_bytes"] > 100000, found)
    check(set(found) <= {one["name"] for one in described}, "figures without a description")


def test_update(ct):
    if ct.pod.handler == "runc":
        raise Skip("the host's cgroups have other files")
    container = ct.pod.start(*WAIT, name="limits", linux={"resources": {"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000,
                                                                       "cpu_period": 100000}})
    read = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max"
    check_equal(ct.pod.sh(container, read), f"{64 << 20}\n50000 100000\n")
    ct.crictl("update", "--memory", str(32 << 20), "--cpu-quota", "20000", container, check=True)
    check_equal(ct.pod.sh(container, read), f"{32 << 20}\n20000 100000\n")
    ct.crictl("rm", "-f", container, check=True)


def read(path):
    with open(path) as file:
        return file.read()


def test_containerd_restarted_under_a_pod(ct):
    control = f"{ct.run}/{ct.new_id('control')}"
    os.makedirs(control)
    script = "i=0; while :; do if [ -e /control/hold ]; then echo $i >/control/held; else echo line $i; i=$((i+1)); fi; sleep 0.2; done"
    talker = ct.pod.start("sh", "-c", script, name="talker", mounts=[{"container_path": "/control", "host_path": control}])
    # What containerd has read and not written yet is lost with it: it has nothing to read when it is killed.
    c.wait_for(lambda: len(ct.pod.log(talker)) > 1, 10, "lines of the log")
    open(f"{control}/hold", "w").close()
    held = c.wait_for(lambda: os.path.exists(f"{control}/held") and read(f"{control}/held"), 10, "it says no more")
    c.wait_for(lambda: len(ct.pod.log(talker)) == int(held), 10, "all of it is in the log")
    short = ct.pod.start("sh", "-c", "sleep 4; exit 8", name="short")
    ct.stop(signal.SIGKILL)
    os.unlink(f"{control}/hold")
    time.sleep(3)
    ct.start()
    check_equal(ct.pod.state(), "SANDBOX_READY")
    check_equal(ct.pod.status(talker)["state"], "CONTAINER_RUNNING")
    check_equal(ct.pod.wait_exited(short)["exitCode"], 8, "an exit after the restart")
    check_equal(ct.pod.sh(ct.main, "echo alive"), "alive\n")
    c.wait_for(lambda: len(ct.pod.log(talker)) > int(held), 10, "the log goes on")
    numbers = [int(text.split()[1]) for _, text in ct.pod.log(talker)]
    check_equal(numbers, list(range(len(numbers))), "lines of the log")
    c.wait_for(lambda: len(ct.pod.log(talker)) > len(numbers), 10, "and on")
    fresh = ct.pod.start("echo", "new", name="fresh")
    check_equal(ct.pod.wait_exited(fresh)["exitCode"], 0)
    ct.crictl("rm", "-f", talker, short, fresh, check=True)


def check_out_of_memory(pod, container):
    """Exit and reason come to containerd on different ways: the news of the exit may be first."""
    check_equal(pod.wait_exited(container)["exitCode"], 137)
    c.wait_for(lambda: pod.status(container)["reason"] == "OOMKilled", 6, "the reason OOMKilled")


def test_out_of_memory(ct):
    container = ct.pod.start("sh", "-c", "exec tail /dev/zero", name="hungry",
                             linux={"resources": {"memory_limit_in_bytes": 20 << 20}})
    check_out_of_memory(ct.pod, container)
    check_equal(ct.pod.sh(ct.main, "echo lives"), "lives\n")
    ct.crictl("rm", container, check=True)


def no_runc(ct):
    if ct.pod.handler == "runc":
        raise Skip("there is no machine")


def test_annotation_that_is_not_enabled(ct):
    no_runc(ct)
    key = "io.katacontainers.config.hypervisor.kernel_params"
    file = ct.config_file(ct.pod_config(annotations={key: "quiet"}))
    done = ct.crictl("runp", "--runtime", ct.pod.handler, file)
    check(done.code != 0, "it runs")
    check_in(f"annotation {key}: ", done.error)


def test_two_pods_reach_each_other(ct):
    other = ct.run_pod(ct.pod.handler)
    container = other.start("sh", "-c", "nc -l -p 7001 -e echo from the other; sleep 1000")
    address = json.loads(ct.crictl("inspectp", other.id, check=True).text)["status"]["network"]["ip"]
    check_in("1 packets received", ct.pod.sh(ct.main, f"i=0; until ping -c 1 -W 10 {address}; do [ $((i+=1)) -le 5 ] || exit 1; done"))
    check_in("from the other", ct.pod.sh(ct.main, DIAL.format(f"-w 60 {address} 7001")))
    check(ct.pod.sh(ct.main, "hostname") != other.sh(container, "hostname"))
    other.remove()


def test_port_forward(ct):
    """To a server that is bound to the pod's own localhost."""
    container = ct.pod.start("sh", "-c", "mkdir /www; echo forwarded >/www/index.html; exec httpd -f -p 127.0.0.1:7002 -h /www", name="forward")
    # crictl ends with the first connection that nobody takes. 0x1B5A is 7002.
    c.wait_for(lambda: ":1B5A" in ct.pod.sh(ct.main, "cat /proc/net/tcp"), 20, "the server listens")
    port = c.free_port()
    process = subprocess.Popen(ct.crictl_command("port-forward", ct.pod.id, f"{port}:7002"), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        check_in(str(port), process.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=300) as answer:
            check_equal(answer.read(), b"forwarded\n")
    finally:
        process.kill()
        process.communicate()
        ct.crictl("rm", "-f", container)
