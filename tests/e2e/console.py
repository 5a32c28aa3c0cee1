# SPDX-License-Identifier: Apache-2.0
"""`huskctl console` at a terminal: a shell in the guest, beside its containers."""

import contextlib
import os
import pty
import select
import subprocess
import time

import containerd as c
from report import Failure, Skip, check, check_equal, check_in

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Terminal:
    """A program at a pty of its own."""

    def __init__(self, *command, env):
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, env)

    def until(self, text, seconds=120):
        """What it says up to this text."""
        deadline = time.monotonic() + seconds
        while text not in self.said:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Failure(f"{text!r} does not come: {self.said!r}")
            try:
                part = os.read(self.fd, 4096)
            except OSError:
                part = b""
            if not part:
                raise Failure(f"it ended before {text!r}: {self.said!r}")
            self.said += part.decode(errors="replace")
        before, _, self.said = self.said.partition(text)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def type_until(self, text, answer, tries=20):
        """What it says up to the answer, to a text that may be typed again."""
        for _ in range(tries):
            self.type(text)
            with contextlib.suppress(Failure):
                return self.until(answer, 5)
        return self.until(answer)

    def wait(self, seconds=60):
        """Its exit code; what it still says is dropped."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        raise Failure("it does not end")


def huskctl(ct):
    return f"{ct.prefix}/bin/huskctl", dict(os.environ, HUSK_CONF_FILE=ct.husk_config)


def image_with_shell(ct):
    images = f"{ct.run}/images"
    subprocess.run([f"{TOP}/guest/build-image", "--agent", f"{ct.prefix}/libexec/husk/husk-agent", "--output", images,
                    "--cache", f"{os.environ['HUSK_CACHE']}/guest", "--shell", "/bin/busybox"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return images


def test_console_at_a_terminal(ct):
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own tool")
    program, env = huskctl(ct)
    with open(ct.husk_config) as file:
        config = file.read()
    check_in("[runtime]\n", config)
    check_in("[agent.husk]\n", config)
    ct.write_husk_config(config.replace("[runtime]\n", f'[runtime]\nguest_dir = "{image_with_shell(ct)}"\n').replace(
        "[agent.husk]\n", "[agent.husk]\ndebug_console_enabled = true\n"))
    try:
        name = ct.detached("sleep", "1000")
    finally:
        ct.write_husk_config(config)
    try:
        t = Terminal(program, "console", name, env=env)
        t.until(f"connected to {name}; Control-] leaves")
        t.until("guest# ")
        # What is typed comes back as an echo, so the words that are waited for are written in two pieces.
        t.type("echo ans''wer $((6 * 7)) on $(tty), do''ne\n")
        t.until("answer 42 on /dev/pts/")
        t.until(", done")
        # Root of the guest, which sees the container from outside.
        t.type("cat /proc/1/comm; cat /run/kata-containers/shared/containers/*/rootfs/etc/group; echo do''ne\n")
        seen = t.until("done")
        check_in("\ninit\r\n", seen)
        check_in("\nroot:x:0:\r\n", seen)
        # Control-C is the shell's, not huskctl's.
        t.type("echo sleep''ing; sleep 1000\n")
        t.until("sleeping")
        t.type_until("\x03", "guest# ")  # too early, and it is lost between the shell and its child
        t.type("\x1d")
        check_equal(t.wait(), 0, "Control-]")
        # A new shell for whoever comes next; its end ends the session or brings another.
        t = Terminal(program, "console", name, env=env)
        t.until("guest# ")
        t.type("echo aga''in\n")
        t.until("again")
        t.type("\x1d")
        check_equal(t.wait(), 0)
        one_command(program, env, name)
        check_equal(ct.execute(name, "echo", "the container is well", check=True).text, "the container is well\n")
    finally:
        ct.remove(name)


def one_command(program, env, name):
    """`huskctl exec`: what a command says, as it says it, and its exit code."""
    def run(*words):
        return subprocess.run([program, "exec", name, "--", *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=300)

    done = run("cat", "/proc/1/comm")
    check_equal((done.returncode, done.stdout, done.stderr), (0, "init\n", ""))
    done = run("sh", "-c", "printf \"it's $HOME, %s\" \"$1\"; exit 7", "sh", "'quoted' $two")
    check_equal((done.returncode, done.stdout, done.stderr), (7, "it's /, 'quoted' $two", ""))
    check_equal(run("seq", "20000").stdout, "".join(f"{i}\n" for i in range(1, 20001)))
    check_equal(run("cat").stdout, "", "nothing to read")
    done = run("echo", "a\tb")
    check_equal(done.returncode, 1)
    check_in("control character", done.stderr)
    done = run("echo", "x" * 5000)
    check_equal(done.returncode, 1)
    check_in("too long", done.stderr)


def test_console_that_is_not_there(ct):
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own tool")
    program, env = huskctl(ct)
    done = subprocess.run([program, "console", ct.shared], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    check(done.returncode != 0)
    check_in("debug_console_enabled", done.stderr)
