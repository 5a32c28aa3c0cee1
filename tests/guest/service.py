# SPDX-License-Identifier: Apache-2.0
"""The agent as a service of a bigger guest: another init process mounts what there is, and starts it."""

import os
import subprocess
import tempfile

from guest import END_WAIT, Guest, Status, bind
from report import Skip, check, check_equal, check_in

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# What a distribution's init and udev do, as far as the agent needs it.
INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
mount -t tmpfs run /run
echo nameserver 203.0.113.1 > /etc/resolv.conf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
while read -r module needs; do insmod $module; done < /etc/husk/modules
while read -r module needs; do insmod $module; done < /etc/husk/modules.serial
ip link set lo up
(exit 7) & child=$!
/sbin/husk-agent & agent=$!
sleep 5
wait $child
echo "its own child ended with $?" > /run/child
wait $agent
echo "the agent ended with $?"
poweroff -f
"""


class ServiceGuest(Guest):
    sandbox_fields = {"dns": ["  nameserver 192.0.2.1\t", "search example.org\n"]}

    def prepare(self):
        images = f"{self.directory}/images"
        cache = os.environ.get("HUSK_CACHE", os.path.join(TOP, ".cache"))
        done = subprocess.run([f"{TOP}/guest/build-image", "--agent", f"{self.build}/guest/husk-agent", "--output", images,
                               "--cache", f"{cache}/guest", "--shell", "/bin/busybox"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f"no image with a shell: {done.stdout[-200:]}")
        # A second archive behind the first one: what it has counts.
        with tempfile.TemporaryDirectory() as tree:
            with open(f"{tree}/init", "w") as file:
                file.write(INIT)
            os.chmod(f"{tree}/init", 0o755)
            archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=b"init\n", cwd=tree,
                                     stdout=subprocess.PIPE, check=True).stdout
        with open(f"{images}/default/initrd.img", "ab") as file:
            file.write(b"\0" * (-file.tell() % 512) + archive)
        self.image_dir = images


def agent_as_a_service(build):
    g = ServiceGuest(build)
    try:
        details = g.agent("GetGuestDetails")["agent_details"]
        check(not details.get("init_daemon"), "process 1 is another")
        check_equal(g.look("cat /guest/proc/1/comm").strip(), "init")
        check_equal(g.shell("echo out; echo err >&2; exit 7"), ("out\n", "err\n", 7))
        check_equal(g.shell("cat /mnt/file", mounts=[bind("/etc/resolv.conf", "/mnt/file")])[0],
                    "nameserver 192.0.2.1\nsearch example.org\n", "the pod's lines instead of the image's file")
        name = g.start("sh", "-c", "sleep 0.1 & exec sleep 100", resources={"Memory": {"Limit": 64 << 20}})
        check_equal(g.exec_output(name, "sh", "-c", "(sleep 0.1 &) ; exit 3")[2], 3)
        stats = g.agent("StatsContainer", container_id=name)["cgroup_stats"]
        check_equal(stats["memory_stats"]["usage"]["limit"], 64 << 20)
        # The agent's mounts are its own; process 1 has none of them.
        seen = g.look("grep -c kata-containers /guest/proc/1/mounts; true").strip()
        check_equal(seen, "0", "mounts of the sandbox in the first process's namespace")
        g.kill(name)
        check_equal(g.wait(name), 137)
        g.remove(name)
        check_in("own child ended with 7", g.look("until test -e /guest/run/child; do sleep 0.2; done; cat /guest/run/child"),
                 "the agent does not collect what is not its own")
        try:
            g.agent("DestroySandbox")
        except Status as status:
            check_equal(status.code, "UNAVAILABLE")
        g.machine.wait(END_WAIT)
    finally:
        g.close()


own_machine = (agent_as_a_service,)
