# SPDX-License-Identifier: Apache-2.0
"""The shim's commands, called as containerd calls them: start, delete, -info, -v."""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import containerd as c
import ttrpc
from cri import remove_cgroup
from report import check, check_equal, check_in


class Shim:
    """One bundle, and the shim's commands in it."""

    def __init__(self, ct, name):
        self.program = f"{ct.prefix}/bin/containerd-shim-husk-v2"
        self.ct, self.name = ct, name
        self.bundle = f"{ct.run}/bundle-{name}"
        os.makedirs(f"{self.bundle}/rootfs", exist_ok=True)
        with open(f"{ct.bundle(ct.shared)}/config.json") as source:
            spec = json.load(source)
        spec["linux"]["cgroupsPath"] = f"/default/{name}"
        with open(f"{self.bundle}/config.json", "w") as file:
            json.dump(spec, file)
        os.mkfifo(f"{self.bundle}/log", 0o700)
        self.log = os.open(f"{self.bundle}/log", os.O_RDWR | os.O_NONBLOCK)

    def command(self, *words, stdin=b"", bundle=None):
        base = [self.program, "-namespace", "default", "-address", self.ct.address,
                "-publish-binary", f"{self.ct.binaries}/containerd", "-id", self.name]
        environment = dict(os.environ, TTRPC_ADDRESS=self.ct.address + ".ttrpc",
                           HUSK_CONF_FILE=self.ct.husk_config)
        return subprocess.run(base + list(words), input=stdin, cwd=bundle or self.bundle, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)

    def start(self, stdin=b""):
        return self.command("start", stdin=stdin)

    def pid(self):
        with open(f"{self.bundle}/shim.pid") as file:
            return int(file.read())

    def end(self, address):
        ttrpc.Task(address)("Shutdown", [(1, self.name)])
        c.wait_for(lambda: not os.path.exists(f"/proc/{self.pid()}"), 10, "the server's end after Shutdown")
        check(not os.path.exists(address.removeprefix("unix://")), "the socket is still there")
        self.close()

    def close(self):
        os.close(self.log)
        shutil.rmtree(self.bundle)


def test_start_prints_an_address_and_nothing_else(ct):
    shim = Shim(ct, ct.new_id("cmd"))
    done = shim.start()
    check_equal(done.returncode, 0, done.stdout)
    address = done.stdout.decode()
    check(address.startswith("unix:///run/containerd/s/"), address)
    check_equal(len(address.strip()), len("unix:///run/containerd/s/") + 64)
    with open(f"{shim.bundle}/address") as file:
        check_equal(file.read(), address.strip(), "the file address")
    # What a shim must be: detached, hard to kill before the daemon, in nobody's way.
    pid = shim.pid()
    with open(f"/proc/{pid}/oom_score_adj") as file, open("/proc/self/oom_score_adj") as own:
        check_equal(int(file.read()), min(int(own.read()) + 1, 1000), "oom_score_adj")
    check_equal(os.getsid(pid), pid, "session")
    check_equal(os.readlink(f"/proc/{pid}/cwd"), "/", "working directory")
    for fd in (0, 1):
        check_equal(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null", f"descriptor {fd}")
    # A second start finds the first.
    check_equal(shim.start().stdout.decode(), address, "second start")
    check_equal(shim.pid(), pid, "pid after the second start")
    connect = ttrpc.Task(address.strip())("Connect", [(1, shim.name)])
    check_equal(connect[1][0], pid, "shim_pid of Connect")
    shim.end(address.strip())


def test_start_with_bootstrap_parameters(ct):
    shim = Shim(ct, ct.new_id("boot"))
    sockets = f"{ct.run}/sockets"
    params = ttrpc.encode([(1, shim.name), (2, "default"), (4, "2.3.4"), (5, ct.address + ".ttrpc"),
                           (6, ct.address), (7, f"{ct.binaries}/containerd"), (9, sockets)])
    done = shim.start(params)
    check_equal(done.returncode, 0, done.stdout)
    answer = json.loads(done.stdout)
    check_equal((answer["version"], answer["protocol"]), (3, "ttrpc"))
    check(answer["address"].startswith(f"unix://{sockets}/"), answer["address"])
    ttrpc.Task(answer["address"], version=3)("Connect", [(1, shim.name)])
    shim.end(answer["address"])


def test_start_with_the_options_of_runc(ct):
    """shim_cgroup, which must exist: the server is moved there in each hierarchy that has it."""
    roots = [d for d in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids") if os.path.isdir(d)] or ["/sys/fs/cgroup"]
    shim = Shim(ct, ct.new_id("cg"))
    group = f"husk-test-{os.getpid()}"
    options = ttrpc.encode([(1, "containerd.runc.v1.Options"), (2, [(3, f"/{group}"), (9, 1)])])
    for root in roots:
        os.mkdir(f"{root}/{group}")
    try:
        done = shim.start(options)
        check_equal(done.returncode, 0, done.stdout)
        with open(f"/proc/{shim.pid()}/cgroup") as file:
            check_equal(file.read().count(f":/{group}\n"), len(roots))
        shim.end(done.stdout.decode().strip())
    finally:
        for root in roots:
            remove_cgroup(f"{root}/{group}")


def test_core_scheduling_is_asked_for(ct):
    shim = Shim(ct, ct.new_id("core"))
    os.environ["SCHED_CORE"] = "1"
    try:
        done = shim.start()
    finally:
        del os.environ["SCHED_CORE"]
    # PR_SCHED_CORE is EINVAL on a kernel without it and ENODEV without SMT: then it must be said.
    if done.returncode != 0:
        check_in("core scheduling, which SCHED_CORE asks for", done.stdout.decode())
        shim.close()
        return
    shim.end(done.stdout.decode().strip())


def test_start_that_fails_says_why_in_one_line(ct):
    shim = Shim(ct, ct.new_id("bad"))
    done = subprocess.run([shim.program, "-namespace", "../x", "-address", ct.address, "-id", shim.name, "start"],
                          cwd=shim.bundle, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    check(done.returncode != 0)
    check_equal(done.stdout.decode().count("\n"), 1, done.stdout)
    check_in("../x", done.stdout.decode())
    done = subprocess.run([shim.program, "-namespace", "x", "-nonsense", "start"], cwd=shim.bundle,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, check=False)
    check(done.returncode != 0)
    check_in("nonsense", done.stdout.decode())
    shim.close()


def kill_and_wait(pid):
    """A killed process keeps its descriptors until it runs next, which may take a while here."""
    pidfd = os.pidfd_open(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    check(select.select([pidfd], [], [], 60)[0], "a killed server is still there")
    os.close(pidfd)


def deleted_twice(ct):
    """After a crash, and again when there is nothing: 137, nothing on the way. How long each took."""
    shim = Shim(ct, ct.new_id("del"))
    took = []
    address = shim.start().stdout.decode().strip()
    kill_and_wait(shim.pid())
    for _ in range(2):
        start = time.monotonic()
        done = shim.command("-bundle", shim.bundle, "delete")
        check_equal(done.returncode, 0, done.stdout)
        took.append(time.monotonic() - start)
        answer = ttrpc.decode(done.stdout)
        check_equal(answer[2][0], 137, "exit status")
        seconds = ttrpc.decode(answer[3][0])[1][0]
        check(abs(seconds - time.time()) < 100, "exited_at")
    check(not os.path.exists(address.removeprefix("unix://")), "the socket is still there")
    shim.close()
    return took


def test_delete_without_a_server(ct):
    """Quick: within a second, in one of three measurements, since others may have the processor."""
    measured = []
    while len(measured) < 3 and not any(max(took) < 1 for took in measured):
        measured.append(deleted_twice(ct))
    check(any(max(took) < 1 for took in measured), f"slow: {measured}")


def deleted_while_the_server_dies(shim):
    """Whether its socket goes; that of one that lives stays."""
    path = f"{shim.ct.run}/{shim.ct.new_id('dying')}"
    with open(f"{shim.bundle}/address", "w") as file:
        file.write("unix://" + path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)  # so one connection is as many as may wait
        check_equal(shim.command("-bundle", shim.bundle, "delete").returncode, 0, "of one that lives")
        check(os.path.exists(path), "the socket of a server that lives is gone")
        threading.Timer(0.1, server.shutdown, [socket.SHUT_RDWR]).start()
        check_equal(shim.command("-bundle", shim.bundle, "delete").returncode, 0, "of one that dies")
    return not os.path.exists(path)


def test_delete_while_the_server_dies(ct):
    """The kernel still takes connections for a killed server: its socket goes nevertheless, unless the death takes
    longer than a delete may, as one of three may do where others have the processor."""
    shim = Shim(ct, ct.new_id("dying"))
    check(any(deleted_while_the_server_dies(shim) for _ in range(3)), "the socket is still there")
    shim.close()


def test_delete_of_a_group(ct):
    """A sandbox has the name of its group, not of the container that booted it: its crash is that one's to tidy up."""
    shim = Shim(ct, ct.new_id("grp"))
    with open(f"{shim.bundle}/config.json") as file:
        spec = json.load(file)
    spec["annotations"] = {"io.containerd.runc.v2.group": "group-of-" + shim.name}
    with open(f"{shim.bundle}/config.json", "w") as file:
        json.dump(spec, file)
    with open(f"{shim.bundle}/state-dir", "w") as file:
        file.write("/run/husk")
    left = f"/run/husk/default/group-of-{shim.name}"
    os.makedirs(f"{left}/vm", 0o700)
    lock = os.open(left, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    check_equal(shim.command("-bundle", shim.bundle, "delete").returncode, 0, "others are in it")
    check(os.path.exists(left), "the directory of a sandbox that lives is gone")
    os.close(lock)
    check(any(deleted_while_the_server_dies(shim) for _ in range(3)), "the socket is still there")
    check(not os.path.exists(left), f"{left} is left")
    shim.close()


def test_info(ct):
    program = f"{ct.prefix}/bin/containerd-shim-husk-v2"
    for stdin in (b"", ttrpc.encode([(1, "runtimeoptions.v1.Options"), (2, [(2, "/etc/husk.toml")])])):
        done = subprocess.run([program, "-info"], input=stdin, capture_output=True, timeout=120, check=True)
        info = ttrpc.decode(done.stdout)
        check_equal(info[1][0], b"io.containerd.husk.v2")
        features = ttrpc.decode(info[4][0])
        check_equal(features[1][0].decode(), "types.containerd.io/opencontainers/runtime-spec/1/features/Features")
        document = json.loads(features[2][0])
        check_in("ociVersionMin", document)
        check_in("rro", document["mountOptions"], "by which containerd knows of recursive read-only mounts")
        check_equal(done.stderr, b"")


def test_version(ct):
    for flag in ("-v", "--version", "-version"):
        done = subprocess.run([f"{ct.prefix}/bin/containerd-shim-husk-v2", flag], capture_output=True,
                              text=True, timeout=120, check=True)
        check_in("0.1.0", done.stdout)
