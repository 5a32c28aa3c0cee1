# SPDX-License-Identifier: Apache-2.0
"""Pods on a host with cgroup v2: below a cgroup with limits, as a kubelet with the cgroupfs driver makes it for each."""

import contextlib
import json
import os
import subprocess

import containerd as c
import cri
from pods import WAIT, check_out_of_memory
from report import Skip, check, check_equal, check_in
from unified import MIB, ROOT, read, write
from vsock import processes

POD_LIMIT = 800 * MIB
ALL_CPUS = "0-1"


class Directories:
    """A kubelet's cgroups of pods: kubepods/burstable/podUID, and in it one of each sandbox."""

    def __init__(self, ct):
        self.top = f"/{ct.new_id('kubepods')}"
        self.parent = f"{self.top}/burstable/pod-1"
        self.path = f"{ROOT}{self.parent}"

    def make(self):
        """With limits; what is below the pod's own is the runtime's to do."""
        os.makedirs(self.path)
        for above in (ROOT, f"{ROOT}{self.top}", os.path.dirname(self.path)):
            write(f"{above}/cgroup.subtree_control", "+cpu +cpuset +memory +pids")
        self.limit("memory.max", POD_LIMIT)
        write(f"{self.path}/cpu.max", "150000 100000")

    def limit(self, name, value):
        write(f"{self.path}/{name}", str(value))

    def of(self, sandbox):
        """The sandbox's cgroup, and where its processes are."""
        return f"{self.path}/{sandbox}", f"{self.path}/{sandbox}"

    def disturb(self):
        """Nothing else has a hand in there."""

    def remove(self):
        for path in (self.path, os.path.dirname(self.path), f"{ROOT}{self.top}"):
            cri.remove_cgroup(path)


@contextlib.contextmanager
def parent(ct, kind):
    found = kind(ct)
    found.make()
    try:
        yield found
    finally:
        found.remove()


def members(cgroup):
    return {int(pid) for pid in read(f"{cgroup}/cgroup.procs").split()}


def cgroup_of(process):
    return read(f"/proc/{process}/cgroup").removeprefix("0::")


def threads_for(pid):
    """The kernel's, which work for vhost-vsock and vhost-net."""
    lines = subprocess.run(["ps", "-e", "-o", "pid=,comm="], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if line.split()[1].startswith(f"vhost-{pid}")]


def everything_is_in_the_cgroup(pod, of):
    own, cgroup = of.of(pod.id)
    running = processes(pod.id)
    check("virtiofsd" in running and "qemu" in running, running)
    kernel = threads_for(running["qemu"])
    check(len(kernel) >= 2, "threads of vhost-vsock and vhost-net")
    check({*running.values(), *kernel} <= members(cgroup), f"{running} and {kernel} are not all in {members(cgroup)}")
    for program, pid in running.items():
        for thread in os.listdir(f"/proc/{pid}/task"):
            check_equal(cgroup_of(f"{pid}/task/{thread}"), cgroup.removeprefix(ROOT), f"thread {thread} of {program}")
    check(os.path.isdir(own), own)
    check(int(read(f"{of.path}/memory.current")) > 64 * MIB, "the guest's memory is not charged to the pod")


def limits_are_the_pods(of):
    check_equal(read(f"{of.path}/memory.max"), str(POD_LIMIT))
    check_equal(read(f"{of.path}/cpu.max"), "150000 100000")


def update_reaches_guest_and_host(ct, pod, container, of):
    """Of a pod all of whose containers are bound the machine is."""
    cgroup, qemu = of.of(pod.id)[1], processes(pod.id)["qemu"]
    limits = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max"
    check_equal(pod.sh(container, limits), f"{96 * MIB}\n50000 100000\n")
    ct.crictl("update", "--memory", str(80 * MIB), "--cpu-quota", "40000", "--cpuset-cpus", "1", container, check=True)
    check_equal(pod.sh(container, limits), f"{80 * MIB}\n40000 100000\n")
    check_equal(read(f"{cgroup}/cpuset.cpus"), "1")
    check_equal(os.sched_getaffinity(qemu), {1})


def others_do_not_change_it(pod, of):
    """What the host's own manager of cgroups does to those above."""
    cgroup, running = of.of(pod.id)[1], processes(pod.id)
    before = members(cgroup)
    for _ in of.disturb() or ():
        check_equal(members(cgroup), before)
        check_equal(read(f"{cgroup}/cpuset.cpus"), "1")
        check_equal(os.sched_getaffinity(running["qemu"]), {1})
        check_in("oom_kill 0", read(f"{cgroup}/memory.events"))
        check_equal(read(f"{of.path}/cpu.max"), "150000 100000")


def stats_are_plausible(ct, pod, container):
    """A container's are the guest's; a pod's are the host's, so that they have the machine in them."""
    (one,) = json.loads(ct.crictl("stats", "-o", "json", "--id", container, check=True).text)["stats"]
    memory = int(one["memory"]["workingSetBytes"]["value"])
    check(0 < memory < 80 * MIB, f"the container has {memory} bytes")
    check(int(one["cpu"]["usageCoreNanoSeconds"]["value"]) > 0, one["cpu"])
    (all_of_it,) = json.loads(ct.crictl("statsp", "-o", "json", "--id", pod.id, check=True).text)["stats"]
    pod_memory = int(all_of_it["linux"]["memory"]["workingSetBytes"]["value"])
    check(64 * MIB < pod_memory < POD_LIMIT, f"the pod has {pod_memory} bytes")


def a_guest_out_of_memory(ct, pod):
    container = pod.start("sh", "-c", "exec tail /dev/zero", name="hungry",
                          linux={"resources": {"memory_limit_in_bytes": 20 * MIB}})
    check_out_of_memory(pod, container)
    ct.crictl("rm", container, check=True)


def the_hosts_limit_kills_and_tells(ct, pod, container, of):
    of.limit("memory.max", 8 * MIB)
    check_out_of_memory(pod, container)
    ct.logged(pod.id, "the host's OOM killer")


@contextlib.contextmanager
def running_pod(ct, handler, parent):
    pod = ct.run_pod(handler, linux={"cgroup_parent": parent})
    try:
        yield pod
    finally:
        ct.crictl("rmp", "-f", pod.id)


def story(ct, handler, kind):
    with parent(ct, kind) as of:
        with running_pod(ct, handler, of.parent) as pod:
            container = pod.start(*WAIT, linux={"resources": {"memory_limit_in_bytes": 96 * MIB, "cpu_period": 100000,
                                                              "cpu_quota": 50000}})
            everything_is_in_the_cgroup(pod, of)
            limits_are_the_pods(of)
            a_guest_out_of_memory(ct, pod)
            update_reaches_guest_and_host(ct, pod, container, of)
            stats_are_plausible(ct, pod, container)
            others_do_not_change_it(pod, of)
            the_hosts_limit_kills_and_tells(ct, pod, container, of)
            pod.remove()
            c.wait_for(lambda: not os.path.exists(of.of(pod.id)[0]), 6, "the sandbox's cgroup goes")
            check_equal([name for name in os.listdir(of.path) if os.path.isdir(f"{of.path}/{name}")], [])


def sandbox_api(ct):
    if "husk-shim" not in ct.sandboxers:
        raise Skip("this containerd has no sandbox API")


def test_pod(ct):
    story(ct, "husk", Directories)


def test_pod_of_the_sandbox_api(ct):
    sandbox_api(ct)
    story(ct, "husk-shim", Directories)
