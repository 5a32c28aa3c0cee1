# SPDX-License-Identifier: Apache-2.0
"""A containerd of the test's own, with husk in its PATH, and ctr for it."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import census
import ttrpc
from report import Failure

IMAGE = "docker.io/library/husk-busybox:latest"
RUNTIME = "io.containerd.husk.v2"
# On a host with cgroup v1 the default spec comes without a cgroup mount.
CGROUP = "type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro:nosuid:noexec:nodev"

# Configuration for a busy machine, where a guest that is emulated takes its time to come up.
PATIENT = "[agent.husk]\ndial_timeout = 100\n"
# The same for containerd, which gives a shim up, or calls its state unknown, after 2 to 5 s.
TIMEOUTS = "[timeouts]\n" + "".join(f'  "io.containerd.timeout.{name}" = "60s"\n'
                                    for name in ("shim.cleanup", "shim.load", "shim.shutdown", "task.state"))


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        # containerd 2.2 and later warn of cgroup v1 hosts at every task.
        self.err = b"".join(line for line in done.stderr.splitlines(True) if b"DEPRECATION" not in line)

    @property
    def text(self):
        return self.out.decode(errors="replace")

    @property
    def error(self):
        return self.err.decode(errors="replace")


class Containerd:
    """`binaries`: the directory of containerd and ctr; `prefix`: where husk is installed."""

    launcher = ()  # words in front of containerd's command
    client = ()  # words in front of ctr's
    path = ()  # directories in front of its PATH

    def __init__(self, name, binaries, prefix, image, config=""):
        self.name, self.binaries, self.prefix = name, binaries, prefix
        self.run = tempfile.mkdtemp(prefix="husk-test-", dir="/run")
        self.address = f"{self.run}/c.sock"
        self.log_path = f"{self.run}/log"
        self.husk_config = f"{self.run}/husk.toml"
        self.log = open(self.log_path, "ab")
        self.image = image
        self.rootfs = os.path.join(os.path.dirname(os.path.abspath(image)), "busybox")  # what is in the image
        self.process = None
        self.counter = 0
        self.write_husk_config(config)
        with open(f"{self.run}/config.toml", "w") as file:
            file.write(self.config())
        self.start()
        self.import_images()

    def config(self):
        """config.toml, without the CRI plugin; see cri.py for one with it."""
        return (f'version = 2\nroot = "{self.run}/root"\nstate = "{self.run}/state"\n'
                'disabled_plugins = ["io.containerd.grpc.v1.cri",'
                ' "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"]\n'
                f'{TIMEOUTS}[grpc]\n  address = "{self.address}"\n')

    def import_images(self):
        self.ctr("image", "import", self.image, check=True)

    def write_husk_config(self, text):
        with open(self.husk_config, "w") as file:
            file.write(text)

    def start(self):
        environment = dict(os.environ, PATH=":".join((*self.path, f"{self.prefix}/bin", self.binaries, os.environ["PATH"])),
                           HUSK_CONF_FILE=self.husk_config, **census.mark())
        self.process = subprocess.Popen(
            [*self.launcher, f"{self.binaries}/containerd", "--config", f"{self.run}/config.toml", "--log-level", "debug"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 120
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{self.name} does not start:\n{self.log_tail()}")
            time.sleep(0.05)

    def ready(self):
        return self.ctr("version").code == 0

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(120)

    def close(self):
        """End it and take its directory away."""
        self.remove_all()
        self.stop()
        self.log.close()
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split()[4] for line in file]
        for mount in reversed(mounts):
            if mount.startswith(self.run + "/"):
                subprocess.run(["umount", "-l", mount], check=False)
        keep = os.environ.get("HUSK_TEST_LOGS")
        if keep:
            os.makedirs(keep, exist_ok=True)
            shutil.copy(self.log_path, f"{keep}/{self.name}-{os.path.basename(self.run)}.log")
        shutil.rmtree(self.run, ignore_errors=True)

    def remove_all(self):
        for task in self.tasks():
            self.ctr("task", "delete", "--force", task)

    def log_tail(self, lines=30):
        with open(self.log_path, errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def logged(self, *words):
        """A line of containerd's log that has all of these words, once it is there: what a shim says comes through a
        fifo that containerd reads beside everything else."""
        def found():
            with open(self.log_path, errors="replace") as file:
                return [line for line in file if all(word in line for word in words)]
        return wait_for(found, 6, f"{words} in the log")[-1]

    def ctr(self, *args, check=False, stdin=None, timeout=300, **more):
        """Run ctr; stdin bytes are piped in, None is /dev/null."""
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = Result(subprocess.run([*self.client, f"{self.binaries}/ctr", "-a", self.address, *args],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     timeout=timeout, check=False, **given, **more))
        if check and done.code != 0:
            raise Failure(f"ctr {' '.join(args)}: exit {done.code}: {done.error}\n{self.log_tail(15)}")
        return done

    def popen(self, *args, **more):
        return subprocess.Popen([*self.client, f"{self.binaries}/ctr", "-a", self.address, *args], **more)

    def new_id(self, word="t"):
        self.counter += 1
        return f"{word}{os.getpid()}-{self.counter}"

    def run_container(self, *command, options=(), stdin=None, check=False, name=None, timeout=300):
        """`ctr run --rm` in the foreground."""
        name = name or self.new_id("run")
        return self.ctr("run", "--rm", "--runtime", RUNTIME, *options, IMAGE, name, *command,
                        stdin=stdin, check=check, timeout=timeout)

    def detached(self, *command, options=(), name=None):
        """`ctr run -d`; returns the id. Remove it with remove()."""
        name = name or self.new_id("bg")
        self.ctr("run", "-d", "--runtime", RUNTIME, *options, IMAGE, name, *command, check=True)
        return name

    def remove(self, name):
        """Once more if a Delete took too long, as a person would; what cannot be removed the census finds."""
        for _ in range(3):
            self.ctr("task", "delete", "--force", name)
            done = self.ctr("container", "delete", name)
            if done.code == 0 or "not found" in done.error:
                return

    def execute(self, name, *command, options=(), stdin=None, check=False, timeout=180):
        return self.ctr("task", "exec", "--exec-id", self.new_id("e"), *options, name, *command,
                        stdin=stdin, check=check, timeout=timeout)

    def exit_code(self, name, seconds=180):
        """Wait for the container's init and return its exit code, as the shim gives it."""
        return ttrpc.Task(self.shim_address(name))("Wait", [(1, name)], seconds).get(1, [0])[0]

    def tasks(self):
        """{id: (pid, status)}"""
        lines = self.ctr("task", "list").text.splitlines()[1:]
        return {f[0]: (int(f[1]), f[2]) for f in map(str.split, lines) if len(f) >= 3}

    def bundle(self, name):
        return f"{self.run}/state/io.containerd.runtime.v2.task/default/{name}"

    def shim_address(self, name):
        """bootstrap.json of containerd 2, `address` of the shim's own for all."""
        try:
            with open(f"{self.bundle(name)}/bootstrap.json") as file:
                return json.load(file)["address"]
        except OSError:
            with open(f"{self.bundle(name)}/address") as file:
                return file.read().strip()

    def shim_pid(self, name):
        with open(f"{self.bundle(name)}/shim.pid") as file:
            return int(file.read())


class Events:
    """containerd's event stream: what is published once this is made, with the time at which it came."""

    def __init__(self, ct):
        self.lines = []  # (time.monotonic(), line)
        self.process = ct.popen("events", stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

        # ctr does not say when it has subscribed; an event of our own shows it.
        def heard():
            ct.ctr("namespaces", "label", "default", f"husk.test/events={len(self.lines)}-{time.monotonic():.3f}", check=True)
            return self.of("/namespaces/update")
        wait_for(heard, 20, "an event of this test's own")

    def read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line))

    def of(self, *words):
        """Those that have all of the words: [(time, line)]."""
        return [(at, line) for at, line in list(self.lines) if all(word in line for word in words)]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def unmount(path):
    """A process that has just ended, or been told to, may hold what is there for a moment."""
    def done():
        return subprocess.run(["umount", path], stderr=subprocess.DEVNULL, check=False).returncode == 0
    wait_for(done, 6, f"umount {path}")


def free_port():
    """Of TCP on the loopback interface, from below those that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(condition, seconds, what):
    """Until condition() gives something true, which is returned. `seconds` are plenty on a machine that does
    nothing else; it is given up after ten times that, on one that is busy."""
    deadline = time.monotonic() + 10 * seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {10 * seconds} s: {what}")
        time.sleep(0.02)
