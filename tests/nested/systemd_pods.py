# SPDX-License-Identifier: Apache-2.0
"""Pods on a host whose cgroups are systemd's, and a kubelet with the systemd driver: below a slice for each pod."""

import os
import shutil
import subprocess

import cri_pods
from report import check_equal
from unified import ROOT

UNITS = "/run/systemd/system"
# Where set-property --runtime keeps what it was told: for the next slice of that name too.
PROPERTIES = "/run/systemd/system.control"
# As a kubelet makes it, by D-Bus.
SLICE = """[Unit]
DefaultDependencies=no
[Slice]
CPUAccounting=yes
IOAccounting=yes
MemoryAccounting=yes
TasksAccounting=yes
MemoryMax={limit}
CPUQuota=150%
"""


def systemctl(*words):
    subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, check=True)


class Slices:
    """kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice, and in it a scope's place for each sandbox."""

    def __init__(self, ct):
        self.name = f"kubepods-burstable-pod{ct.new_id('uid').replace('-', '_')}.slice"
        self.parent = f"/kubepods.slice/kubepods-burstable.slice/{self.name}"
        self.path = f"{ROOT}{self.parent}"

    def make(self):
        with open(f"{UNITS}/{self.name}", "w") as file:
            file.write(SLICE.format(limit=cri_pods.POD_LIMIT))
        systemctl("daemon-reload")
        systemctl("start", self.name)
        check_equal(os.path.isdir(self.path), True, self.path)

    def limit(self, name, value):
        systemctl("set-property", "--runtime", self.name, f"{name.replace('memory.max', 'MemoryMax')}={value}")

    def of(self, sandbox):
        scope = f"{self.path}/cri-containerd-{sandbox}.scope"
        return scope, f"{scope}/vmm"

    def disturb(self):
        yield systemctl("daemon-reload")
        # As a kubelet does: of the pod when it is resized, of those above whenever pods come and go.
        yield systemctl("set-property", "--runtime", self.name, "MemoryMax=700M")
        yield systemctl("set-property", "--runtime", "kubepods-burstable.slice", "CPUWeight=50")
        yield systemctl("daemon-reexec")

    def remove(self):
        systemctl("stop", self.name)
        os.unlink(f"{UNITS}/{self.name}")
        shutil.rmtree(f"{PROPERTIES}/{self.name}.d", ignore_errors=True)
        check_equal(os.path.exists(self.path), False, f"{self.path} is still there")


def test_pod_in_a_slice(ct):
    cri_pods.story(ct, "husk", Slices)


def test_pod_of_the_sandbox_api_in_a_slice(ct):
    cri_pods.sandbox_api(ct)
    cri_pods.story(ct, "husk-shim", Slices)
