# SPDX-License-Identifier: Apache-2.0
"""Standard streams: fifo, file://, binary://, none, terminals."""

import fcntl
import hashlib
import os
import pty
import select
import signal
import stat
import struct
import subprocess
import termios
import time

import containerd as c
from report import check, check_equal, check_in


def test_stdout_and_stderr_are_kept_apart(ct):
    done = ct.execute(ct.shared, "sh", "-c", "echo out; echo err >&2", check=True)
    check_equal(done.out, b"out\n", "stdout")
    check_equal(done.err, b"err\n", "stderr")


def test_last_bytes_of_a_process_that_exits_at_once(ct):
    for i in range(30):
        done = ct.execute(ct.shared, "echo", f"line {i}", check=True)
        check_equal(done.out, f"line {i}\n".encode())


def test_stdin_of_an_exec(ct):
    data = os.urandom(1 << 20)
    done = ct.execute(ct.shared, "sha256sum", stdin=data, check=True)
    check_in(hashlib.sha256(data).hexdigest(), done.text)


def test_stdin_of_a_container_ends(ct):
    # ctr passes the end of its own input on only once the task is there.
    process = ct.popen("run", "--rm", "--runtime", c.RUNTIME, c.IMAGE, ct.new_id("cat"), "sh", "-c",
                       "echo ready; cat; echo end", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    check_equal(process.stdout.readline(), b"ready\n")
    time.sleep(0.3)
    check_equal(process.communicate(b"some input\n", timeout=300)[0], b"some input\nend\n")


def test_exec_without_stdin_loses_nothing(ct):
    done = ct.execute(ct.shared, "sh", "-c", "seq 1 20000; read -t 1 x || echo no input", check=True)
    check_equal(done.text.split("\n")[19999:20001], ["20000", "no input"])


def test_256_mib_through_stdout(ct):
    script = "dd if=/dev/zero bs=1M count=256 2>/dev/null | tr '\\0' 'h'"
    start = time.monotonic()
    process = ct.popen("task", "exec", "--exec-id", ct.new_id("big"), ct.shared, "sh", "-c", script,
                       stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    digest, count = hashlib.sha256(), 0
    while data := process.stdout.read(1 << 16):
        digest.update(data)
        count += len(data)
    check_equal(process.wait(120), 0, "exit code")
    check_equal(count, 256 << 20, "bytes")
    want = hashlib.sha256()
    for _ in range(256):
        want.update(b"h" * (1 << 20))
    check_equal(digest.hexdigest(), want.hexdigest(), "SHA-256")
    print(f"#   256 MiB in {time.monotonic() - start:.1f} s", flush=True)


def test_a_stalled_reader_blocks_only_its_own_stream(ct):
    """One exec writes without end to a reader that does not read; others are not held up."""
    stalled = ct.popen("task", "exec", "--exec-id", "stalled", ct.shared, "sh", "-c", "yes",
                       stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        check(stalled.stdout.read(2) == b"y\n")
        time.sleep(0.5)
        for _ in range(3):
            check_equal(ct.execute(ct.shared, "echo", "free", check=True).out, b"free\n")
    finally:
        ct.ctr("task", "kill", "--exec-id", "stalled", "-s", "KILL", ct.shared)
        while stalled.stdout.read(1 << 16):
            pass
        check_equal(stalled.wait(120), 137, "exit code of the stalled one")


def test_terminal_with_resize(ct):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    process = ct.popen("task", "exec", "--exec-id", ct.new_id("tty"), "--tty", ct.shared, "sh",
                       stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    seen = b""

    def until(part, again=lambda: None, seconds=300):
        """`again` is done once a second until it has come."""
        nonlocal seen
        deadline = time.monotonic() + seconds
        while part not in seen:
            check(time.monotonic() < deadline, f"{part!r} did not come: {seen!r}")
            if not select.select([master], [], [], 1)[0]:
                again()
                continue
            try:
                seen += os.read(master, 4096)
            except OSError:
                break
        check(part in seen, f"{part!r} did not come: {seen!r}")

    # ctr sends the size beside the stream: the shell looks until it has come.
    def until_size(word, size, again=lambda: None):
        os.write(master, b"until [ \"$(stty size)\" = '%s' ]; do sleep 0.1; done; echo %s=$(stty size)\n" % (size, word))
        until(word + b"=" + size, again)

    time.sleep(0.5)
    os.write(master, b"tty\n")
    until(b"/dev/pts/")
    until_size(b"first", b"33 101")
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 120, 0, 0))
    # ctr listens for the signal some time after it has sent the first size.
    until_size(b"again", b"44 120", lambda: os.kill(process.pid, signal.SIGWINCH))
    os.write(master, b"exit 5\n")
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                os.read(master, 4096)
            except OSError:
                break
    check_equal(process.wait(60), 5, "exit code")
    os.close(master)
    os.close(slave)


def test_log_uri_file(ct):
    path = f"{ct.run}/logs/out.log"
    name = ct.new_id("file")
    ct.ctr("run", "-d", "--runtime", c.RUNTIME, "--log-uri", f"file://{path}", c.IMAGE, name,
           "sh", "-c", "echo to a file; echo and errors >&2", check=True)
    c.wait_for(lambda: ct.tasks().get(name, (0, ""))[1] == "STOPPED", 30, "the container stops")
    ct.remove(name)
    with open(path) as file:
        check_equal(sorted(file.read().splitlines()), ["and errors", "to a file"])


def test_log_uri_binary(ct):
    logger, path = f"{ct.run}/logger", f"{ct.run}/logger.out"
    with open(logger, "w") as file:
        file.write("#!/bin/sh\n"
                   "trap '' TERM\n"
                   "exec 9>&5; echo \"$CONTAINER_ID $CONTAINER_NAMESPACE $*\" >\"$2\"\n"
                   "exec 5>&- 9>&-\ncat <&3 >>\"$2\"; cat <&4 >>\"$2\"; echo done >>\"$2\"\n")
    os.chmod(logger, stat.S_IRWXU)
    name = ct.new_id("binary")
    ct.ctr("run", "-d", "--runtime", c.RUNTIME, "--log-uri", f"binary://{logger}?path={path}", c.IMAGE,
           name, "sh", "-c", "echo to a logger", check=True)
    c.wait_for(lambda: ct.tasks().get(name, (0, ""))[1] == "STOPPED", 30, "the container stops")
    ct.remove(name)

    def text():
        with open(path) as file:
            return file.read()
    c.wait_for(lambda: "done" in text(), 10, "the logger has ended")
    check_equal(text(), f"{name} default path {path}\nto a logger\ndone\n")


def test_no_streams(ct):
    name = ct.new_id("null")
    ct.ctr("run", "-d", "--null-io", "--runtime", c.RUNTIME, c.IMAGE, name, "sh", "-c",
           "echo nobody reads this; exit 3", check=True)
    check_equal(ct.exit_code(name), 3, "exit code")
    ct.remove(name)
