# SPDX-License-Identifier: Apache-2.0
"""A containerd with the CRI plugin, as a kubelet meets it, and crictl for it.

Runtime handlers: husk, husk-shim (the sandbox API; containerd 2) and runc, to compare with; each also with
two networks, NAME-two-networks. CNI is Debian's plugins with a bridge, subnets and a state of their own.
"""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time

import census
import containerd as c
from processes import command_line
from report import Failure, check, check_equal

PAUSE = "docker.io/library/husk-pause:latest"
CNI_PLUGINS = "/usr/lib/cni"
RUNC = "io.containerd.runc.v2"

# A plugin's name in containerd 2, with what is the same in both inside.
CONFIG_2 = """version = 3
root = "{run}/root"
state = "{run}/state"
[grpc]
  address = "{address}"
[ttrpc]
  address = "{address}.ttrpc"
{timeouts}
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{run}/registries"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  enable_selinux = false
  enable_cdi = false
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{cni}"]
  conf_dir = "{run}/net.d"
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "husk"
{handlers}
"""

CONFIG_1 = """version = 2
root = "{run}/root"
state = "{run}/state"
[grpc]
  address = "{address}"
[ttrpc]
  address = "{address}.ttrpc"
{timeouts}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{run}/registries"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni}"
  conf_dir = "{run}/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "husk"
{handlers}
"""

HANDLER = """[plugins."{plugin}".containerd.runtimes.{name}]
  runtime_type = "{type}"
  pod_annotations = ["io.katacontainers.*"]
  privileged_without_host_devices = {without_devices}
  {more}
"""


class Cri(c.Containerd):
    """As Containerd; `pause`: the archive of the sandbox image; `registry`: address of one, for pulls."""

    patience_s = 120  # of crictl with a call
    husk_options = ""  # a line of its runtime handler

    def __init__(self, name, binaries, crictl, prefix, image, pause, config="", registry=""):
        self.crictl_path, self.pause, self.registry = crictl, pause, registry
        self.is_v1 = " 1." in subprocess.run([f"{binaries}/containerd", "--version"], check=True,
                                             stdout=subprocess.PIPE, text=True).stdout
        self.bridge = f"husk{os.getpid() % 100000}"
        self.cgroup = f"/husktest{os.getpid()}-0"  # see census.of_other_runs()
        # Tests beside this one have bridges too.
        self.subnet = f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
        self.second_subnet = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self.subnet_v6 = f"fd00:{os.getpid() % 65536:x}:7::"
        super().__init__(name, binaries, prefix, image, c.PATIENT + config)

    @property
    def sandboxers(self):
        """Runtime handlers of husk."""
        return ("husk",) if self.is_v1 else ("husk", "husk-shim")

    def config(self):
        plugin = "io.containerd.grpc.v1.cri" if self.is_v1 else "io.containerd.cri.v1.runtime"
        handlers = [("husk", c.RUNTIME, self.husk_options), ("runc", RUNC, "")]
        if not self.is_v1:
            # Told where its configuration is by its options, as the other is by the environment.
            path = f"{self.run}/husk-shim.toml"
            shutil.copy(self.husk_config, path)
            handlers.append(("husk-shim", c.RUNTIME, f'sandboxer = "shim"\n  options = {{ ConfigPath = "{path}" }}'))
        two = f'cni_conf_dir = "{self.run}/two.d"\n  cni_max_conf_num = 2\n  '
        handlers += [(f"{name}-two-networks", kind, two + more) for name, kind, more in handlers]
        text = "".join(HANDLER.format(plugin=plugin, name=name, type=kind, more=more,
                                      without_devices="false" if kind == RUNC else "true")
                       for name, kind, more in handlers)
        self.write_network()
        self.write_registry()
        return (CONFIG_1 if self.is_v1 else CONFIG_2).format(
            run=self.run, address=self.address, pause=PAUSE, cni=CNI_PLUGINS, handlers=text, timeouts=c.TIMEOUTS)

    def write_husk_config(self, text):
        super().write_husk_config(text)
        if os.path.exists(f"{self.run}/husk-shim.toml"):
            shutil.copy(self.husk_config, f"{self.run}/husk-shim.toml")

    def write_network(self):
        """One bridge for all; a pod of two networks has IPv6 on it as well, and a link of its own to the host."""
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        self.write_conflist("net.d/10-husk", "husk-test", self.bridge_with((f"{self.subnet}.0/24", "0.0.0.0/0")), portmap)
        self.write_conflist("two.d/10-husk", "husk-test", self.bridge_with((f"{self.subnet}.0/24", "0.0.0.0/0"),
                                                                         (f"{self.subnet_v6}/64", "::/0")), portmap)
        self.write_conflist("two.d/20-second", "husk-second", {
            "type": "ptp", "mtu": 1400, "ipam": self.addresses((f"{self.second_subnet}.0/24", "192.0.2.0/24"))})

    def bridge_with(self, *networks):
        return {"type": "bridge", "bridge": self.bridge, "isGateway": True, "ipMasq": False, "ipam": self.addresses(*networks)}

    def addresses(self, *networks):
        """For each subnet an address in it and a route by it."""
        return {"type": "host-local", "dataDir": f"{self.run}/ipam", "ranges": [[{"subnet": subnet}] for subnet, _ in networks],
                "routes": [{"dst": to} for _, to in networks]}

    def write_conflist(self, path, name, *plugins):
        os.makedirs(os.path.dirname(f"{self.run}/{path}"), exist_ok=True)
        with open(f"{self.run}/{path}.conflist", "w") as file:
            json.dump({"cniVersion": "0.4.0", "name": name, "plugins": plugins}, file)

    def write_registry(self):
        """Every image comes from the one registry that was given, or from nowhere."""
        os.makedirs(f"{self.run}/registries/_default")
        server = f"http://{self.registry or '127.0.0.1:1'}"
        with open(f"{self.run}/registries/_default/hosts.toml", "w") as file:
            file.write(f'server = "{server}"\n[host."{server}"]\n  capabilities = ["pull", "resolve"]\n')

    def ready(self):
        done = self.crictl("info")
        if done.code != 0:
            return False
        return all(condition["status"] for condition in json.loads(done.text)["status"]["conditions"]
                   if condition["type"] in ("RuntimeReady", "NetworkReady"))

    def import_images(self):
        for image in (self.image, self.pause):
            self.ctr("-n", "k8s.io", "image", "import", image, check=True)
        c.wait_for(lambda: self.crictl("inspecti", c.IMAGE).code == 0 and
                   self.crictl("inspecti", PAUSE).code == 0, 10, "the CRI knows its images")

    def remove_all(self):
        self.crictl("rmp", "--all", "--force", timeout=300)

    def close(self):
        super().close()
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, stderr=subprocess.DEVNULL)
        for path in glob.glob(f"/sys/fs/cgroup/*{self.cgroup}") + glob.glob(f"/sys/fs/cgroup{self.cgroup}"):
            remove_cgroup(path)  # the pods' parent, which is a kubelet's to make and remove

    def crictl_command(self, *args):
        return [self.crictl_path, "--config", f"{self.run}/crictl.yaml", "-r", f"unix://{self.address}",
                "-i", f"unix://{self.address}", "-t", f"{self.patience_s}s", *args]

    def crictl(self, *args, check=False, stdin=None, timeout=None, **more):
        """Run crictl; stdin bytes are piped in, None is /dev/null."""
        if not os.path.exists(f"{self.run}/crictl.yaml"):
            with open(f"{self.run}/crictl.yaml", "w"):
                pass
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = c.Result(subprocess.run(self.crictl_command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       timeout=timeout or self.patience_s + 60, check=False, **given, **more))
        if check and done.code != 0:
            raise Failure(f"crictl {' '.join(args)}: exit {done.code}: {done.error}")
        return done

    def config_file(self, value):
        with tempfile.NamedTemporaryFile("w", dir=self.run, suffix=".json", delete=False) as file:
            json.dump(value, file)
        return file.name

    def pod_config(self, name=None, **more):
        name = name or self.new_id("pod")
        logs = f"{self.run}/logs/{name}"
        os.makedirs(logs, exist_ok=True)
        config = {"metadata": {"name": name, "namespace": "default", "uid": name, "attempt": 0},
                  "log_directory": logs, "hostname": name,
                  "linux": {"cgroup_parent": self.cgroup}}
        config["linux"].update(more.pop("linux", {}))
        config.update(more)
        return config

    def run_pod(self, handler="husk", **more):
        """RunPodSandbox."""
        return Pod(self, handler, self.pod_config(**more))


def remove_cgroup(path, seconds=60):
    """Once those in it have gone; what is left after that the census finds."""
    deadline = time.monotonic() + seconds
    while os.path.exists(path) and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            os.rmdir(path)
            return
        time.sleep(0.1)


class Pod:
    def __init__(self, cri, handler, config):
        self.cri, self.handler, self.config = cri, handler, config
        self.file = cri.config_file(config)
        self.id = cri.crictl("runp", "--runtime", handler, self.file, check=True).text.strip()

    def create(self, *command, name="c", attempt=0, **more):
        """CreateContainer; returns its id. `more`: fields of ContainerConfig."""
        config = {"metadata": {"name": name, "attempt": attempt}, "image": {"image": c.IMAGE},
                  "command": list(command), "log_path": f"{name}.{attempt}.log", "linux": {}}
        config.update(more)
        return self.cri.crictl("create", self.id, self.cri.config_file(config), self.file, check=True).text.strip()

    def start(self, *command, **more):
        """CreateContainer and StartContainer."""
        container = self.create(*command, **more)
        self.cri.crictl("start", container, check=True)
        return container

    def sh(self, container, script, check=True):
        """What a shell writes to stdout; crictl puts two newlines behind it."""
        done = self.cri.crictl("exec", "-s", container, "sh", "-c", script, check=check)
        return done.text.removesuffix("\n\n")

    def inspect(self, container):
        return json.loads(self.cri.crictl("inspect", container, check=True).text)

    def status(self, container):
        return self.inspect(container)["status"]

    def wait_exited(self, container, seconds=60):
        """Its ContainerStatus once it has ended."""
        def exited():
            status = self.status(container)
            return status if status["state"] == "CONTAINER_EXITED" else None
        return c.wait_for(exited, seconds, f"the end of {container}")

    def log(self, container):
        """[(stream, text)] of what the container wrote; partial lines are joined."""
        lines = []
        with open(self.status(container)["logPath"]) as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # it is being written
                _, stream, tag, text = line.rstrip("\n").split(" ", 3)
                if lines and lines[-1][2] == "P" and lines[-1][0] == stream:
                    lines[-1] = (stream, lines[-1][1] + text, tag)
                else:
                    lines.append((stream, text, tag))
        return [(stream, text) for stream, text, _ in lines]

    def inspect_sandbox(self):
        return json.loads(self.cri.crictl("inspectp", self.id, check=True).text)

    def state(self):
        return self.inspect_sandbox()["status"]["state"]

    def vmm_pid(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            words = command_line(int(pid))
            if os.path.basename(words[0]).startswith("qemu") and self.id in " ".join(words):
                return int(pid)
        raise Failure(f"pod {self.id} has no VMM")

    def stop(self):
        self.cri.crictl("stopp", self.id, check=True)

    def remove(self):
        """StopPodSandbox and RemovePodSandbox, as a kubelet ends a pod."""
        self.stop()
        self.cri.crictl("rmp", self.id, check=True)
        check(self.cri.crictl("inspectp", self.id).code != 0, "the pod is still there")


@contextlib.contextmanager
def opened(report, entry, options, config="", **more):
    """A Cri of the containerd NAME=DIR for the options of a test runner; after it a test that nothing of it is left."""
    name, binaries = entry.split("=", 1)
    before = census.take()
    ct = Cri(name, binaries, options.crictl, options.prefix, options.image, options.pause_image, config, **more)

    def test_nothing_is_left():
        check_equal(census.leftovers(before), [])

    try:
        yield ct
    finally:
        ct.close()
    report.run(test_nothing_is_left, label=f"containerd {name}, pods")
