# SPDX-License-Identifier: Apache-2.0
"""What a sandbox could leave behind, counted before and after: processes, mounts, files in the
state directory, sockets, cgroups, network devices and namespaces."""

import glob
import os
import re
import time

PROGRAMS = ("containerd-shim-husk-v2", "qemu-system-x86_64", "virtiofsd", "husk-agent",
            "vhost-device-vsock")
# Units come and go on a machine as they like.
SYSTEMD = re.compile(r"\.(service|scope|slice|socket|mount|swap)(/|$)")


def mark():
    """In the environment of every process of this test run: others may be at work on the machine."""
    return {"HUSK_TEST_RUN": str(os.getpid())}


def processes():
    found = set()
    wanted = b"\0HUSK_TEST_RUN=%d\0" % os.getpid()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
            if exe not in PROGRAMS:
                continue
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in b"\0" + file.read():
                    found.add(f"{exe} pid {pid}")
        except OSError:
            continue
    return found


def mounts():
    with open("/proc/self/mountinfo") as file:
        return {path for path in (line.split()[4] for line in file) if not of_other_runs(path)}


def files(*patterns):
    return {path for pattern in patterns for path in glob.glob(pattern, recursive=True) if not of_other_runs(path)}


def cgroups():
    found = set()
    for base, names, _ in os.walk("/sys/fs/cgroup"):
        found |= {os.path.join(base, n) for n in names}
    return {path for path in found if not of_other_runs(path) and not SYSTEMD.search(path)}


def of_other_runs(path):
    """Containers are called word<pid of the test run>-<number>, see Containerd.new_id()."""
    found = re.search(r"/[a-z]+([0-9]+)-[0-9]+(/|$)", path)
    return found and found.group(1) != str(os.getpid())


def take():
    return {
        "process": processes(),
        "mount": mounts(),
        "file": files("/run/husk/**", "/run/containerd/s/*", "/dev/shm/*"),
        "cgroup": cgroups(),
        "network device": set(os.listdir("/sys/class/net")),
        "network namespace": files("/run/netns/*", "/var/run/netns/*"),
    }


def leftovers(before, seconds=120):
    """What is there now and was not before, after giving it some time to go; [] is what one wants. A kernel takes
    seconds for the devices of a network namespace, and a busy machine may take as long for each step of an end."""
    deadline = time.monotonic() + seconds
    while True:
        now = take()
        extra = [f"{kind} {item}" for kind in now for item in sorted(now[kind] - before[kind])]
        if not extra or time.monotonic() > deadline:
            return extra
        time.sleep(0.1)
