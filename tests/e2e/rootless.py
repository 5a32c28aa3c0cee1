# SPDX-License-Identifier: Apache-2.0
"""containerd, shim and machine without root: all of them in a user namespace whose owner may do nothing on the
host, as docs/rootless.md has it (there newuidmap writes the map)."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile

import containerd as c
from report import Failure, Skip, check_equal, check_in

USER = 70000  # nobody's
MORE = 100000  # the first of the ids behind it
INSIDE = """mount -t tmpfs none /run && mount -t proc none /proc && exec containerd --config "$1"/config.toml"""


class Rootless:
    """A containerd in a user namespace; `enter` are the words in front of a command there."""

    def __init__(self, ct):
        self.directory = tempfile.mkdtemp(prefix="husk-rootless-")
        self.socket = f"{self.directory}/c.sock"
        self.environment = dict(os.environ, HUSK_CONF_FILE=f"{self.directory}/husk.toml", XDG_RUNTIME_DIR=self.directory,
                                PATH=f"{ct.prefix}/bin:{ct.binaries}:{os.environ['PATH']}")
        shutil.copy(ct.image, f"{self.directory}/image.tar")
        with open(f"{self.directory}/config.toml", "w") as file:
            file.write(ct.config().replace(ct.run, self.directory) + "  uid = 0\n  gid = 0\n")
        subprocess.run(["chown", "-R", f"{USER}:{USER}", self.directory], check=True)
        self.log = open(f"{self.directory}/log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "unshare", "-U", "--", "sh", "-c",
             'read line; exec unshare -mpf --kill-child sh -c "$1" sh "$2"', "sh", INSIDE, self.directory],
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, env=self.environment)
        self.map_ids()

    def map_ids(self):
        """What newuidmap does for those in /etc/subuid."""
        pid = self.process.pid
        c.wait_for(lambda: os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"), 20, "a user namespace")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write(f"0 {USER} 1\n1 {MORE} 65535\n")
        self.process.stdin.write(b"\n")
        self.process.stdin.close()
        c.wait_for(self.children, 20, "containerd's process")

    def children(self):
        """Of unshare: containerd, as the first of its pid namespace."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return file.read().split()

    def ctr(self, *args):
        """By a client with no rights but those of the socket's owner."""
        return c.Result(subprocess.run(["nsenter", "-t", self.children()[0], "-U", "-m", "-p", "-S", "0", "-G", "0", "ctr", "-a",
                                        self.socket, *args], capture_output=True, stdin=subprocess.DEVNULL, timeout=180, check=False,
                                       env=self.environment))

    def close(self):
        for containerd in self.children():  # unshare itself ignores the signal while it waits
            os.kill(int(containerd), signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self):
        with open(f"{self.directory}/log", errors="replace") as file:
            return "".join(file.readlines()[-15:])


def check_possible(ct):
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own")
    readable = subprocess.run(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "test", "-x",
                               f"{ct.prefix}/bin/containerd-shim-husk-v2"], check=False)
    if readable.returncode:
        raise Skip("another user cannot get at the installed husk")


def test_without_root(ct):
    check_possible(ct)
    rootless = Rootless(ct)
    port = c.free_port()
    with open(f"{rootless.directory}/husk.toml", "w") as file:
        file.write('[hypervisor.qemu]\ntransport = "serial"\n[agent.husk]\ndial_timeout = 120\n[runtime]\nenable_debug = true\nsandbox_cgroup_only = false\n'
                   f'internetworking_model = "user"\npublished_ports = ["127.0.0.1:{port}:80"]\n')
    try:
        c.wait_for(lambda: rootless.ctr("version").code == 0, 60, "containerd answers")
        # containerd 2's transfer service would unpack with its own snapshotter
        local = ["--local"] if "--local" in rootless.ctr("image", "import", "--help").text else []
        done = rootless.ctr("image", "import", *local, "--snapshotter", "native", f"{rootless.directory}/image.tar")
        check_equal(done.code, 0, done.error)
        use(rootless, port)
    except Failure as e:
        raise Failure(f"{e}\n{rootless.log_tail()}") from e
    finally:
        rootless.close()


def use(rootless, port):
    done = rootless.ctr("run", "-d", "--snapshotter", "native", "--runtime", c.RUNTIME, c.IMAGE, "one", "sh", "-c",
                        "echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp")
    check_equal(done.code, 0, done.error)
    done = rootless.ctr("task", "exec", "--exec-id", "e", "one", "sh", "-c", "id -u; ip route; touch /made && ls -ln /made")
    check_equal(done.code, 0, done.error)
    check_in("default via 10.0.2.2 dev eth0", done.text)
    vmm = next(pid for pid in os.listdir("/proc") if pid.isdigit() and is_machine_of(pid))
    check_equal(os.stat(f"/proc/{vmm}").st_uid, USER, "whose QEMU it is")
    c.wait_for(lambda: b"hello" in fetch(port), 60, "a page from a published port")
    check_equal(rootless.ctr("task", "kill", "-s", "KILL", "one").code, 0)
    c.wait_for(lambda: "STOPPED" in rootless.ctr("task", "ls").text, 30, "it is stopped")
    done = rootless.ctr("task", "delete", "one")
    check_in("137", done.error)


def fetch(port):
    """Nothing before the server is there: passt takes a connection and drops it when the guest does not."""
    try:
        with socket.create_connection(("127.0.0.1", port), 60) as peer:
            peer.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: peer.recv(1 << 16), b""))
    except OSError:
        return b""


def is_machine_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as name, open(f"/proc/{pid}/uid_map") as ids:
            return name.read().startswith("qemu-system") and ids.read().split()[1:2] == [str(USER)]
    except OSError:
        return False
