# SPDX-License-Identifier: Apache-2.0
"""What a kubelet updates, in the pod of volumes.py: each switch is seen soon, and as one step by whoever reads meanwhile."""

import os
import shutil
import statistics
import subprocess
import threading
import time

import containerd as c
from report import Failure, Skip, check, check_equal, check_in
from volumes import WAIT, bind, project, volume

SWITCHES = 20
LOOK_S = 0.05

# Each look opens one file many times and reads two files of one set; it says which version it saw and what was wrong.
READER = f"""
path=$1
look() {{
	i=0
	while [ $i != 40 ]; do
		read now <$path/key || echo missing
		[ "$now" -ge "$was" ] || echo back from $was to $now
		was=$now i=$((i+1))
	done
	cd -P $path/..data
	read first <first || echo missing first
	read second <deep/second || echo missing second
	[ "$first" = "$second" ] || echo mixture of $first and $second
	cd /
}}
was=0
until [ $was -gt {SWITCHES} ]; do
	look 2>/dev/null
	echo saw $now
	usleep {int(LOOK_S * 1e6)}
done
"""


def files(number):
    return {"key": f"{number}\n", "first": f"{number}\n", "deep/second": f"{number}\n", f"only-{number}": ""}


class Reader:
    """What READER says, as it comes."""

    def __init__(self, ct, container, path):
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(ct.crictl_command("exec", container, "sh", "-c", READER, "sh", path),
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                if line.strip():
                    self.lines.append(line.strip())
                self.changed.notify_all()

    def wait(self, line, since=0):
        """The index of this line."""
        deadline = time.monotonic() + 120
        with self.changed:
            while line not in self.lines[since:]:
                if not self.changed.wait(deadline - time.monotonic()):
                    raise Failure(f"no {line!r} in {self.lines[since:][:20]}")
            return self.lines.index(line, since)

    def count(self):
        with self.changed:
            return len(self.lines)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()


def follow_switches(ct, container, path, inside):
    reader = Reader(ct, container, inside)
    looks, seconds = [], []
    try:
        reader.wait("saw 1")
        for number in range(2, SWITCHES + 2):
            # At any point of whatever looks at the volume from time to time.
            time.sleep(number * 0.37 % 1.1)
            before, began = reader.count(), time.monotonic()
            project(path, number, files(number))
            looks.append(reader.wait(f"saw {number}", before) - before)
            seconds.append(time.monotonic() - began)
    finally:
        reader.close()
    return reader.lines, looks, seconds


def test_switches_without_a_gap(ct):
    path = volume(ct, "configmap", "often")
    project(path, 1, files(1))
    container = ct.volumes.start(*WAIT, name="often", mounts=[bind("/often", path, readonly=True)])
    lines, looks, seconds = follow_switches(ct, container, path, "/often")
    print(f"# {SWITCHES} switches, {len(lines)} looks; seen after {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s")
    check_equal([line for line in lines if not line.startswith("saw ")], [])
    # A look takes no less than this: so the two seconds are those in which the container had the processor.
    check(max(looks) * LOOK_S <= 2, f"seen after {looks} looks")
    last = SWITCHES + 1
    want = ["..2026_01_31_12_00_21.123456789", "..data", "deep", "first", "key", f"only-{last}"]
    c.wait_for(lambda: sorted(ct.volumes.sh(container, "ls -A /often").split()) == want, 20, "the old files are gone")
    check_equal(ct.volumes.sh(container, "readlink /often/key; readlink /often/..data; stat -c %a /often/..data/deep/second"),
                f"..data/key\n{want[0]}\n640\n")
    ct.crictl("rm", "-f", container, check=True)


def test_switch_is_told_by_inotify(ct):
    probe = f"{os.path.dirname(ct.prefix)}/build/tests/guest/probe"
    if not os.path.exists(probe):
        raise Skip("there is no static probe in this build")
    path = volume(ct, "configmap", "watched")
    project(path, 1, {"key": "1\n"})
    shutil.copy(probe, f"{ct.host}/probe")
    container = ct.volumes.start("sh", "-c", "cp /host/probe /tmp/probe; exec /tmp/probe watch /watched", name="watched",
                                 mounts=[bind("/watched", path, readonly=True), bind("/host", ct.host, readonly=True)])
    try:
        c.wait_for(lambda: "inotify" in ct.volumes.sh(container, "ls -l /proc/[0-9]*/fd", check=False), 30, "a watch")
        project(path, 2, {"key": "2\n", "new": ""})
        c.wait_for(lambda: "new" in [text for _, text in ct.volumes.log(container)], 20, "the last event")
        names = [text for _, text in ct.volumes.log(container)]
        check_in("..data", names)
        check_equal(ct.volumes.sh(container, "cat /watched/key"), "2\n")
    finally:
        os.unlink(f"{ct.host}/probe")
    ct.crictl("rm", "-f", container, check=True)


def test_writable_volume_is_the_hosts(ct):
    """Kubernetes mounts them read-only. What a container may write to is no copy."""
    path = volume(ct, "configmap", "writable")
    project(path, 1, {"key": "1\n"})
    container = ct.volumes.start(*WAIT, name="writable", mounts=[bind("/writable", path)])
    ct.volumes.sh(container, "echo word >/writable/file")
    with open(f"{path}/file") as file:
        check_equal(file.read(), "word\n")
    ct.crictl("rm", "-f", container, check=True)


def test_volume_too_large_for_a_copy(ct):
    if ct.volumes.handler == "runc":
        raise Skip("husk's own")
    path = volume(ct, "configmap", "large")
    project(path, 1, {"key": "x" * (3 << 20)})
    container = ct.volumes.start(*WAIT, name="large", mounts=[bind("/large", path, readonly=True)])
    check_equal(ct.volumes.sh(container, "wc -c </large/key; stat -f -c %T /large").split()[0], str(3 << 20))
    ct.logged("level=warning", "kubernetes.io~configmap/large", "more than 3 MiB")
    ct.crictl("rm", "-f", container, check=True)
