# SPDX-License-Identifier: Apache-2.0
"""A host with cgroup v2: the sandbox's cgroup, below one with limits as a kubelet makes for a pod."""

import contextlib
import os

import containerd as c
import growth
from report import check, check_equal, check_in
from vsock import processes

ROOT = "/sys/fs/cgroup"
MIB = 1 << 20
POD_LIMIT = 800 * MIB


def read(path):
    with open(path) as file:
        return file.read().strip()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


@contextlib.contextmanager
def pod_cgroup(ct, **limits):
    """With limits, and nothing handed down to what is below it, which is the runtime's to do."""
    path = f"{ROOT}/{ct.new_id('pod')}"
    write(f"{ROOT}/cgroup.subtree_control", "+cpu +cpuset +memory +pids")
    os.mkdir(path)
    try:
        for name, value in limits.items():
            write(f"{path}/{name.replace('_', '.')}", value)
        yield path
    finally:
        os.rmdir(path)


def processes_are_in_the_pods_cgroup(ct, name, pod, cgroup):
    inside = {int(pid) for pid in read(f"{cgroup}/cgroup.procs").split()}
    for program, pid in processes(name).items():
        check(pid in inside, f"{program}, {pid}, is not in {inside}")
        check_equal(read(f"/proc/{pid}/cgroup"), f"0::{cgroup.removeprefix(ROOT)}", program)
    check(ct.shim_pid(name) not in inside, "the shim is in the pod's cgroup")
    check(int(read(f"{pod}/memory.current")) > 32 * MIB, "the guest's memory is not charged to the pod")
    check_equal(read(f"{pod}/memory.max"), str(POD_LIMIT))


def updates_reach_host_and_guest(ct, name, cgroup):
    qemu = processes(name)["qemu"]
    check_equal(ct.execute(name, "cat", "/sys/fs/cgroup/memory.max", check=True).text, f"{96 * MIB}\n")
    growth.update(ct, name, {"cpu": {"cpus": "1", "mems": "0"}, "memory": {"limit": 80 * MIB}})
    check_equal(read(f"{cgroup}/cpuset.cpus"), "1")
    check_equal(read(f"{cgroup}/cpuset.mems"), "0")
    check_equal(os.sched_getaffinity(qemu), {1})
    check_equal(ct.execute(name, "cat", "/sys/fs/cgroup/memory.max", check=True).text, f"{80 * MIB}\n")
    growth.update(ct, name, {"cpu": {"cpus": ""}})
    check_equal(read(f"{cgroup}/cpuset.cpus.effective"), "0-1")
    check_equal(os.sched_getaffinity(qemu), {0, 1})


def the_hosts_limit_kills_and_tells(ct, name, pod):
    write(f"{pod}/memory.max", str(8 * MIB))
    check_equal(ct.exit_code(name, 60), 137)
    ct.logged(name, "the host's OOM killer")


def test_cgroup_of_a_pod(ct):
    """VMM and virtiofsd are in it, an update binds them and limits the container, the pod's limit is the
    end of them, and nothing is left."""
    with pod_cgroup(ct, memory_max=str(POD_LIMIT), cpu_max="150000 100000") as pod:
        name = ct.new_id("box")
        cgroup = f"{pod}/{name}"
        ct.detached("sleep", "100000", name=name, options=(
            "--mount", c.CGROUP, "--cgroup", cgroup.removeprefix(ROOT), "--memory-limit", str(96 * MIB)))
        try:
            processes_are_in_the_pods_cgroup(ct, name, pod, cgroup)
            updates_reach_host_and_guest(ct, name, cgroup)
            the_hosts_limit_kills_and_tells(ct, name, pod)
        finally:
            ct.remove(name)
        c.wait_for(lambda: not os.path.exists(cgroup), 6, "the sandbox's cgroup goes")


def test_a_cgroup_that_cannot_be_made(ct):
    """sandbox_cgroup_only: no VM outside of its cgroup."""
    with pod_cgroup(ct) as pod:
        write(f"{pod}/cgroup.max.depth", "0")
        done = ct.run_container("true", options=("--cgroup", f"{pod.removeprefix(ROOT)}/box"))
        check(done.code != 0, "it ran")
        check_in("cgroup", done.error)
