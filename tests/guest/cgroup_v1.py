# SPDX-License-Identifier: Apache-2.0
"""A guest with the cgroups of version 1: limits by their names, statistics, freezer, out of memory, devices."""

import json

from guest import PRIVILEGED, Guest, text_of
from report import Failure, check, check_equal, check_in

CGROUP = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "nodev"]}
RESOURCES = {"Memory": {"Limit": 64 << 20, "Swap": -1, "Swappiness": 10, "Reservation": 32 << 20},
             "CPU": {"Shares": 512, "Quota": 50000, "Period": 100000, "Cpus": "0", "Mems": "0"},
             "Pids": {"Limit": 50}}


def boot(build):
    return Guest(build, config='kernel_params = "agent.unified_cgroup_hierarchy=false"')


def test_v1_limits(g):
    files = {"memory/memory.limit_in_bytes": str(64 << 20), "memory/memory.swappiness": "10",
             "memory/memory.soft_limit_in_bytes": str(32 << 20), "cpu/cpu.shares": "512",
             "cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000", "cpuset/cpuset.cpus": "0",
             "pids/pids.max": "50"}
    name = g.start("sleep", "100", resources=RESOURCES, mounts=[CGROUP])
    for file, want in files.items():
        check_equal(g.exec_output(name, "cat", f"/sys/fs/cgroup/{file}")[0].strip(), want, file)
    # Each process is in the container's cgroup, in every hierarchy.
    lines = g.exec_output(name, "cat", "/proc/self/cgroup")[0].splitlines()
    outside = [line for line in lines if line.split(":")[1] and line.split(":")[2] != "/"]
    check_equal(outside, [], "seen from a cgroup namespace")
    check_in("Read-only", g.exec_output(name, "sh", "-c", "mkdir /sys/fs/cgroup/memory/x")[1])
    g.agent("UpdateContainer", container_id=name, resources={"Memory": {"Limit": 96 << 20}, "CPU": {"Quota": -1}})
    check_equal(g.exec_output(name, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes")[0].strip(), str(96 << 20))
    check_equal(g.exec_output(name, "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")[0].strip(), "-1")
    g.agent.refused("UpdateContainer", "INVALID_ARGUMENT", "INTERNAL", container_id=name,
                    resources={"CPU": {"Cpus": "nonsense"}})
    g.remove(name)


def test_v1_stats(g):
    name = g.start("sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo; exec sleep 100",
                   resources={"Memory": {"Limit": 128 << 20}})
    g.agent("ReadStdout", container_id=name, len=10)
    stats = g.agent("StatsContainer", container_id=name)["cgroup_stats"]
    check(stats["cpu_stats"]["cpu_usage"]["total_usage"] > 1000000, "time was used")
    check(stats["cpu_stats"]["cpu_usage"]["percpu_usage"][0] > 0, "by a processor")
    check_equal(stats["memory_stats"]["usage"]["limit"], 128 << 20)
    check(stats["memory_stats"]["usage"]["usage"] > 0, "memory is in use")
    check("rss" in json.dumps(stats["memory_stats"]["stats"]), "memory.stat")
    check_equal(stats["pids_stats"]["current"], 1)
    g.remove(name)


def test_v1_freezer(g):
    name = g.start("sh", "-c", "while :; do echo tick; sleep 0.05; done")
    g.agent("ReadStdout", container_id=name, len=5)
    g.agent("PauseContainer", container_id=name)
    check_equal(g.look(f"cat /guest/sys/fs/cgroup/freezer/{name}/freezer.state").strip(), "FROZEN")
    g.agent("ResumeContainer", container_id=name)
    check_in("tick", text_of(g.agent("ReadStdout", container_id=name, len=5)))
    g.agent("PauseContainer", container_id=name)
    g.remove(name)


def test_v1_out_of_memory(g):
    waiting = g.agent.send("GetOOMEvent")
    name = g.start("sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done",
                   resources={"Memory": {"Limit": 16 << 20, "Swap": 16 << 20}})
    check_equal(g.wait(name), 137)
    check_equal(g.agent.result(waiting)["container_id"], name)
    g.remove(name)


def test_v1_devices(g):
    rules = {"Devices": [{"Allow": False, "Access": "rwm"},
                         {"Allow": True, "Type": "c", "Major": 1, "Minor": 11, "Access": "r"}]}
    name = g.start("sleep", "100", resources=rules, capabilities=PRIVILEGED)
    # The defaults, the rule's, and one that is neither: /dev/kmsg may be read, /dev/mem may not.
    script = ("mknod /dev/k c 1 11; mknod /dev/m c 1 1; head -c 1 /dev/zero | wc -c; cat /dev/m 2>&1; "
              "dd if=/dev/k of=/dev/null bs=8192 count=1 2>/dev/null && echo read; echo x 2>&1 > /dev/k")
    out, _, _ = g.exec_output(name, "sh", "-c", script, capabilities=PRIVILEGED)
    check_in("1\n", out)
    check_equal(out.count("Operation not permitted"), 2, out)
    check_in("\nread\n", out)
    g.remove(name)


def test_v1_kill_reaches_child_cgroups(g):
    script = ("mkdir /guest/memory/below && sh -c 'echo $$ > /guest/memory/below/cgroup.procs; exec sleep 1000' & "
              "until grep -q . /guest/memory/below/cgroup.procs; do sleep 0.05; done; echo ready; exec sleep 1000")
    name = g.start("sh", "-c", script, capabilities=PRIVILEGED, mounts=[{**CGROUP, "destination": "/guest", "options": []}])
    check_equal(text_of(g.agent("ReadStdout", container_id=name, len=10)), "ready\n")
    g.kill(name)
    check_equal(g.wait(name), 137)
    g.remove(name)
    left = g.look("ls -d /guest/sys/fs/cgroup/*/c[0-9]* 2>/dev/null; true").split()
    mine = [path for path in left if path.endswith(f"/{name}")]
    if mine:
        raise Failure(f"cgroups stay: {mine}")
