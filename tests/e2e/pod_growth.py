# SPDX-License-Identifier: Apache-2.0
"""Pods whose machine grows with each container that has limits."""

import os

import growth
from report import Skip, check, check_equal, check_in

SLEEP = ("sleep", "100000")
MIB = 1 << 20


def limits(mib, cpus=0):
    resources = {"memory_limit_in_bytes": mib * MIB}
    if cpus:
        resources.update(cpu_period=100000, cpu_quota=int(cpus * 100000))
    return {"resources": resources}


def open_pod(ct, handler):
    if handler == "runc":
        raise Skip("it has no machine")
    lines = "default_memory = 256\ndefault_maxmemory = 1024\ndefault_maxvcpus = 3\nmemory_slots = 4"
    with growth.growing(ct, lines):
        ct.pod = ct.run_pod(handler)
    ct.main = ct.pod.start(*SLEEP, name="main")


def close_pod(ct):
    ct.pod.remove()


def test_growing_without_limits_there_is_what_was_configured(ct):
    growth.check_size(ct.pod.sh(ct.main, growth.REPORT), 256, 1)


def test_growing_each_container_adds_its_own(ct):
    ct.first = ct.pod.start(*SLEEP, name="first", linux=limits(120, cpus=0.5))
    growth.check_size(ct.pod.sh(ct.first, growth.REPORT), 384, 2)
    ct.second = ct.pod.start(*SLEEP, name="second", linux=limits(200, cpus=1.5))
    growth.check_size(ct.pod.sh(ct.second, growth.REPORT), 640, 3)
    growth.check_size(ct.pod.sh(ct.main, growth.REPORT), 640, 3)
    ct.logged(ct.pod.id, "sandbox size: 3 CPUs, 640 MiB")


def test_growing_update(ct):
    ct.crictl("update", "--memory", str(300 * MIB), ct.first, check=True)
    check_equal(ct.pod.sh(ct.first, "cat /sys/fs/cgroup/memory.max"), f"{300 * MIB}\n")
    growth.check_size(ct.pod.sh(ct.main, growth.REPORT), 768, 3)
    done = ct.crictl("update", "--memory", str(700 * MIB), ct.first)
    check(done.code != 0, "more than the maximum")
    check_in("hypervisor.default_maxmemory = 1024 MiB", done.error)
    check_equal(ct.pod.sh(ct.first, "cat /sys/fs/cgroup/memory.max"), f"{300 * MIB}\n")


def test_growing_what_is_left_is_there_for_the_next(ct):
    ct.crictl("rm", "-f", ct.first, check=True)
    third = ct.pod.start(*SLEEP, name="third", linux=limits(300))
    growth.check_size(ct.pod.sh(third, growth.REPORT), 768, 3)
    ct.crictl("rm", "-f", third, check=True)


def test_growing_more_than_the_maximum(ct):
    container = ct.pod.create(*SLEEP, name="huge", linux=limits(900))
    done = ct.crictl("start", container)
    check(done.code != 0, "it runs")
    check_in("default_maxmemory = 1024 MiB", done.error)
    check(not os.path.exists(f"{ct.run}/state/io.containerd.runtime.v2.task/k8s.io/{container}"), "its bundle is left")
    growth.check_size(ct.pod.sh(ct.main, growth.REPORT), 768, 3)
    ct.crictl("rm", "-f", container, check=True)


def test_growing_the_cgroup_on_the_host_is_bound_to_the_cpus_of_all(ct):
    """main is bound to nothing, so that the machine is not either; it is once main is."""
    path = ct.crictl("inspectp", ct.pod.id, check=True).text
    cgroup = f"/sys/fs/cgroup/cpuset{ct.cgroup}/{ct.pod.id}"
    check_in("SANDBOX_READY", path)
    if not os.path.isdir(cgroup):
        raise Skip("no cpuset hierarchy of version 1")

    def bound():
        with open(f"{cgroup}/cpuset.cpus") as file:
            return file.read().strip()

    everything = bound()
    ct.crictl("update", "--cpuset-cpus", "0", ct.second, check=True)
    check_equal(bound(), everything)
    ct.crictl("update", "--cpuset-cpus", "0", ct.main, check=True)
    check_equal(bound(), "0")
    ct.crictl("rm", "-f", ct.second, check=True)
    check_equal(bound(), "0")
