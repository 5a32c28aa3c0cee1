# SPDX-License-Identifier: Apache-2.0
"""A virtual machine without containerd, and its agent called through agentctl."""

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time

from report import Failure, Skip, check_equal

SHARE = "/run/kata-containers/shared/containers"  # where the guest mounts the share
RUN = "/run/kata-containers"
END_WAIT = 120  # s, for a machine or agentctl that was told to end


class Status(Exception):
    """What an agent answers instead of a result."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class Agent:
    """One connection; calls from any thread, answers matched by id."""

    def __init__(self, agentctl, address, timeout=600):
        self.process = subprocess.Popen([agentctl, "--timeout", str(timeout), address, "--batch"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self.waiting = {}
        self.next_id = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.lock:
                box = self.waiting.pop(answer["id"], None)
            if box:
                box.put(answer)
        with self.lock:
            left, self.waiting = self.waiting, {}
        for box in left.values():
            box.put({"code": "UNAVAILABLE", "error": "agentctl has ended"})

    def send(self, method, **fields):
        """Start a call; the box is for result()."""
        box = queue.Queue()
        with self.lock:
            self.next_id += 1
            name = str(self.next_id)
            self.waiting[name] = box
            self.process.stdin.write(f"{name} {method} {json.dumps(fields)}\n")
            self.process.stdin.flush()
        return box

    @staticmethod
    def result(box, timeout=610):
        try:
            answer = box.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"no answer in {timeout} s") from None
        if "code" in answer:
            raise Status(answer["code"], answer["error"])
        return answer["result"]

    def __call__(self, method, **fields):
        return self.result(self.send(method, **fields))

    def refused(self, method, *codes, text="", **fields):
        """The call must fail with one of these codes and this in its text, which is returned."""
        try:
            result = self(method, **fields)
        except Status as status:
            if status.code == "UNIMPLEMENTED" and "UNIMPLEMENTED" not in codes:
                raise Skip(f"{method} is not implemented by this agent") from None
            if status.code not in codes or text.lower() not in status.text.lower():
                raise Failure(f"{method}({fields}): got {status}, want {'/'.join(codes)}: {text}") from None
            if not status.text:
                raise Failure(f"{method}({fields}): {status.code} without a text") from None
            return status.text
        raise Failure(f"{method}({fields}) succeeded with {result}, want {'/'.join(codes)}")

    def needs(self, method, **fields):
        """As a plain call, but a method that this agent lacks skips the test."""
        try:
            return self(method, **fields)
        except Status as status:
            if status.code == "UNIMPLEMENTED":
                raise Skip(f"{method} is not implemented by this agent") from None
            raise

    def close(self):
        self.process.stdin.close()
        self.process.wait(END_WAIT)


def text_of(answer):
    return base64.b64decode(answer.get("data", "")).decode(errors="replace")


def to_bytes(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW",
                "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
                "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"]
PRIVILEGED = CAPABILITIES + ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_SYS_RESOURCE"]


def process(*args, terminal=False, cwd="/", env=(), uid=0, gid=0, capabilities=None):
    names = CAPABILITIES if capabilities is None else capabilities
    return {"Terminal": terminal, "User": {"UID": uid, "GID": gid}, "Args": list(args), "Cwd": cwd,
            "Env": ["PATH=/bin:/sbin:/usr/bin", *env],
            "Capabilities": {"Bounding": names, "Effective": names, "Permitted": names}}


def spec(*args, root=f"{SHARE}/busybox", namespaces=("mount", "ipc", "uts", "cgroup"), mounts=(),
         resources=None, annotations=None, hooks=None, **process_fields):
    """A container's spec as a host sends it: the host has removed pid and network namespaces."""
    linux = {"Namespaces": [{"Type": n} for n in namespaces],
             "MaskedPaths": ["/proc/kcore", "/proc/scsi"], "ReadonlyPaths": ["/proc/sys", "/proc/bus"]}
    if resources is not None:
        linux["Resources"] = resources
    return {
        "Version": "1.0.2", "Process": process(*args, **process_fields), "Root": {"Path": root},
        "Annotations": annotations or {}, "Hooks": hooks, "Linux": linux,
        "Mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/dev/shm", "type": "bind", "source": f"{RUN}/sandbox/shm", "options": ["rbind"]},
            *mounts]}


def bind(source, destination, *options):
    return {"destination": destination, "source": source, "type": "bind", "options": ["rbind", *options]}


class Guest:
    """`build`: a build tree with its programs and its guest image."""

    sandbox_fields = {}  # more of CreateSandboxRequest

    def __init__(self, build, transport="serial", config="", sandbox=True):
        self.directory = tempfile.mkdtemp(prefix="husk-guest-", dir="/run")
        os.chmod(self.directory, 0o711)  # for the root of a user namespace
        self.share = f"{self.directory}/share"
        self.agentctl = f"{build}/tests/agentctl/agentctl"
        self.counter = 0
        self.agent = self.machine = None
        os.mkdir(self.share)
        os.mkdir(f"{self.directory}/vm", 0o700)
        self.make_rootfs(f"{build}/tests/guest/probe")
        self.build, self.image_dir = build, f"{build}/guest/image"
        self.prepare()
        with open(f"{self.directory}/husk.toml", "w") as file:
            file.write(f'[hypervisor.qemu]\ntransport = "{transport}"\n{config}\n'
                       f'[runtime]\nguest_dir = "{self.image_dir}"\n')
        self.log = open(f"{self.directory}/log", "wb")
        try:
            self.boot(f"{build}/tests/guest/husk-vm", sandbox)
        except BaseException:
            self.close()
            raise

    def prepare(self):
        """What is to be there before the agent."""

    def make_rootfs(self, probe):
        """Nothing but a static busybox, its links and the probe."""
        root = f"{self.share}/busybox"
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "mnt", "guest"):
            os.makedirs(f"{root}/{name}")
        os.chmod(f"{root}/tmp", 0o1777)
        shutil.copy("/bin/busybox", f"{root}/bin/busybox")
        applets = subprocess.run(["/bin/busybox", "--list"], stdout=subprocess.PIPE, text=True, check=True)
        for applet in applets.stdout.split():
            if applet != "busybox":
                os.symlink("busybox", f"{root}/bin/{applet}")
        if os.path.exists(probe):
            shutil.copy(probe, f"{root}/bin/probe")
        with open(f"{root}/etc/passwd", "w") as file:
            file.write("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n")

    def boot(self, vm, sandbox):
        self.machine = subprocess.Popen([vm, "--config", f"{self.directory}/husk.toml", "--run-dir",
                                         f"{self.directory}/vm", "--share", self.share],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        line = self.machine.stdout.readline()
        if not line:
            raise Failure(f"the machine does not start: {self.said()}")
        facts = json.loads(line)
        self.address, self.pid = facts["address"], facts["pid"]
        self.agent = Agent(self.agentctl, self.address)
        if sandbox:
            self.create_sandbox()

    def said(self):
        with open(f"{self.directory}/log", errors="replace") as file:
            return file.read()[-2000:]

    def create_sandbox(self, **more):
        self.agent("CreateSandbox", hostname="guest", sandbox_id="sandbox", storages=[
            {"driver": "virtio-fs", "source": "kataShared", "fstype": "virtiofs", "mount_point": SHARE},
            {"driver": "ephemeral", "source": "shm", "fstype": "tmpfs", "mount_point": f"{RUN}/sandbox/shm",
             "options": ["noexec", "nosuid", "nodev", "mode=1777", "size=8m"]}], **self.sandbox_fields, **more)

    def reconnect(self):
        self.agent.close()
        self.agent = Agent(self.agentctl, self.address)

    def close(self):
        if self.agent:
            self.agent.close()
        if self.machine:
            self.machine.stdin.close()
            self.machine.wait(END_WAIT)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # Containers.

    def new_id(self, word="c"):
        self.counter += 1
        return f"{word}{self.counter}"

    def create(self, *args, name=None, request=None, message=None, **fields):
        """`message`: a whole spec, in the place of `args` and `fields`."""
        name = name or self.new_id()
        self.agent("CreateContainer", container_id=name, exec_id=name,
                   OCI=self.placed(message or spec(*args, **fields)), **(request or {}))
        return name

    def placed(self, message):
        """The message with the paths that are right here."""
        return message

    def start(self, *args, **fields):
        name = self.create(*args, **fields)
        self.agent("StartContainer", container_id=name)
        return name

    def execute(self, name, *args, more=None, **fields):
        """`more`: of the message, which process() does not know."""
        exec_id = self.new_id("e")
        self.agent("ExecProcess", container_id=name, exec_id=exec_id,
                   process={**process(*args, **fields), **(more or {})})
        return exec_id

    def wait(self, name, exec_id=""):
        return self.agent("WaitProcess", container_id=name, exec_id=exec_id).get("status", 0)

    def read_all(self, name, exec_id="", method="ReadStdout"):
        text = []
        while True:
            part = text_of(self.agent(method, container_id=name, exec_id=exec_id, len=32768))
            if not part:
                return "".join(text)
            text.append(part)

    def remove(self, name):
        self.agent("RemoveContainer", container_id=name)

    def kill(self, name, signal=9, exec_id=""):
        self.agent("SignalProcess", container_id=name, exec_id=exec_id, signal=signal)

    def output(self, *args, **fields):
        """Run to its end in a container of its own: (stdout, stderr, exit code)."""
        name = self.start(*args, **fields)
        result = (self.read_all(name), self.read_all(name, method="ReadStderr"), self.wait(name))
        self.remove(name)
        return result

    def shell(self, script, **fields):
        return self.output("sh", "-c", script, **fields)

    def exec_output(self, name, *args, **fields):
        exec_id = self.execute(name, *args, **fields)
        return (self.read_all(name, exec_id), self.read_all(name, exec_id, "ReadStderr"),
                self.wait(name, exec_id))

    def look(self, script):
        """Run a script that sees the guest itself: /guest/proc, /guest/sys, /guest/run."""
        out, err, code = self.shell(script, capabilities=PRIVILEGED, mounts=[
            bind("/proc", "/guest/proc"), bind("/sys", "/guest/sys"), bind("/run", "/guest/run")])
        if code != 0:
            raise Failure(f"{script}: exit {code}: {err}")
        return out


def settled(look, same=lambda seen: seen, seconds=60):
    """What look() gives when three in a row are the same: what has just ended may take a moment to be gone."""
    deadline = time.monotonic() + seconds
    seen = [look()]
    while [same(s) for s in seen[-3:]] != [same(seen[-1])] * 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        seen.append(look())
    return seen[-1]


def check_settles(look, want, what="", seconds=60):
    """As check_equal(), for what may take a moment to be so."""
    deadline = time.monotonic() + seconds
    while look() != want and time.monotonic() < deadline:
        time.sleep(0.1)
    check_equal(look(), want, what)


class Local(Guest):
    """The same agent as an ordinary process of this machine: what takes thousands of containers is quick here."""

    program = "husk-agent"  # in the build tree

    def boot(self, vm, sandbox):
        self.run_dir = f"{self.directory}/run"
        self.prefix = f"husk{os.getpid()}-"
        build = vm.removesuffix("/tests/guest/husk-vm")
        address = f"unix://{self.directory}/agent.sock"
        self.machine = subprocess.Popen([f"{build}/{self.program}", "--server-addr", address, "--run-dir", self.run_dir],
                                        stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)
        self.pid = self.machine.pid
        self.agent = Agent(self.agentctl, address)
        self.agent("CreateSandbox", hostname="local", sandbox_id="local", storages=[
            {"driver": "ephemeral", "source": "shm", "fstype": "tmpfs", "mount_point": f"{self.run_dir}/sandbox/shm"}],
                   **self.sandbox_fields)

    def new_id(self, word="c"):
        return self.prefix + super().new_id(word)

    def placed(self, message):
        text = json.dumps(message).replace(SHARE, self.share).replace(RUN, self.run_dir)
        return json.loads(text)

    def facts(self):
        """As endurance.FACTS of a guest; of mounts and cgroups only ours count, this machine has others too."""
        with open(f"/proc/{self.pid}/mountinfo") as file:
            mounts = sum(self.directory in line for line in file)
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            own = next(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            children = len(file.read().split())
        cgroups = sum(name.startswith(self.prefix) for _, names, _ in os.walk("/sys/fs/cgroup") for name in names)
        return [len(os.listdir(f"/proc/{self.pid}/fd")), mounts, cgroups, len(os.listdir(self.run_dir)), children, own]

    def close(self):
        if self.agent:
            try:
                self.agent("DestroySandbox")
            except Status:
                self.machine.terminate()
        super().close()
