# SPDX-License-Identifier: Apache-2.0
"""What a sandbox could leave behind, counted before and after: processes, mounts, files in the
state directory, sockets, cgroups, network devices and namespaces."""

import glob
import os
import time

PROGRAMS = ("containerd-shim-husk-v2", "qemu-system-x86_64", "virtiofsd", "husk-agent",
            "vhost-device-vsock")


def processes():
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
            if exe in PROGRAMS:
                found.add(f"{exe} pid {pid}")
        except OSError:
            continue
    return found


def mounts():
    with open("/proc/self/mountinfo") as file:
        return {line.split()[4] for line in file}


def files(*patterns):
    return {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}


def cgroups():
    found = set()
    for base, names, _ in os.walk("/sys/fs/cgroup"):
        found |= {os.path.join(base, n) for n in names}
    return found


def take():
    return {
        "process": processes(),
        "mount": mounts(),
        "file": files("/run/husk/**", "/run/containerd/s/*", "/dev/shm/*"),
        "cgroup": cgroups(),
        "network device": set(os.listdir("/sys/class/net")),
        "network namespace": files("/run/netns/*", "/var/run/netns/*"),
    }


def leftovers(before, seconds=5):
    """What is there now and was not before, after giving it some time to go; [] is what one wants."""
    deadline = time.monotonic() + seconds
    while True:
        now = take()
        extra = [f"{kind} {item}" for kind in now for item in sorted(now[kind] - before[kind])]
        if not extra or time.monotonic() > deadline:
            return extra
        time.sleep(0.1)
