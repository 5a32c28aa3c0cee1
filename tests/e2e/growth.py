# SPDX-License-Identifier: Apache-2.0
"""Virtual machines that grow with the limits of their containers (static_sandbox_resource_mgmt = false)."""

import contextlib
import hashlib
import json
import os
import tempfile

import containerd as c
import ttrpc
from report import Failure, Skip, check, check_equal, check_in

REPORT = "grep MemTotal /proc/meminfo; nproc"
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
MIB = 1 << 20
CPUS = os.cpu_count()


@contextlib.contextmanager
def growing(ct, lines):
    """husk's configuration with dynamic sizes and these lines for the hypervisor."""
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own configuration")
    with open(ct.husk_config) as file:
        before = file.read()
    if "[hypervisor.qemu]\n" not in before:
        before = f"[hypervisor.qemu]\n{before}"
    text = before.replace("[hypervisor.qemu]\n", f"[hypervisor.qemu]\n{lines}\n")
    if "[agent.kata]" not in text:
        text += "[agent.kata]\ndial_timeout = 120\n"  # several machines at once on few processors
    ct.write_husk_config(text.replace("[runtime]\n", "[runtime]\nstatic_sandbox_resource_mgmt = false\n"))
    try:
        yield
    finally:
        ct.write_husk_config(before)


def size(text):
    """(MiB, CPUs) of what REPORT wrote."""
    words = text.split()
    return int(words[1]) // 1024, int(words[-1])


def check_size(text, mib, cpus):
    """The kernel keeps some memory for itself: its own image and what describes the memory."""
    total, n = size(text)
    check(mib - 100 < total < mib, f"{total} MiB seen of {mib}")
    check_equal(n, cpus, "CPUs")


def update(ct, name, resources):
    ttrpc.Task(ct.shim_address(name))("Update", [(1, name), (2, [(1, RESOURCES), (2, json.dumps(resources))])])


def refused_update(ct, name, resources):
    """Why."""
    try:
        update(ct, name, resources)
    except ttrpc.Status as status:
        return str(status)
    raise Failure(f"{resources} were accepted")


def write_both_ways(ct, name, shared):
    data = os.urandom(4 * MIB)
    with open(f"{shared}/there", "wb") as file:
        file.write(data)
    text = ct.execute(name, "sh", "-c", "md5sum < /data/there; cat /data/there > /data/back", check=True).text
    check_equal(text.split()[0], hashlib.md5(data).hexdigest())
    with open(f"{shared}/back", "rb") as file:
        check(file.read() == data, "what came back is something else")


def test_growing_starts_with_the_limits_on_top(ct):
    with growing(ct, "default_memory = 256"):
        name = ct.new_id("limited")
        text = ct.run_container("sh", "-c", REPORT, check=True, name=name,
                                options=("--memory-limit", str(200 * MIB), "--cpus", "0.5")).text
    check_size(text, 456, min(2, CPUS))
    ct.logged(name, "sandbox size: ")


def test_growing_by_an_update(ct):
    """What is new is used: by the container, and for the share, which another process of the host serves."""
    with growing(ct, "default_memory = 256\ndefault_maxmemory = 1000"):
        shared = tempfile.mkdtemp(dir=ct.run)
        name = ct.detached("sleep", "100000", options=("--mount", f"type=bind,src={shared},dst=/data,options=rbind:rw"))
    try:
        check_size(ct.execute(name, "sh", "-c", REPORT, check=True).text, 256, 1)
        update(ct, name, {"memory": {"limit": 300 * MIB}, "cpu": {"quota": 60000, "period": 100000}})
        check_size(ct.execute(name, "sh", "-c", REPORT, check=True).text, 256 + 384, min(2, CPUS))
        # The guest takes new pages from what is new first: virtiofsd reads and writes those.
        write_both_ways(ct, name, shared)
        # Smaller limits change no machine, and the next larger ones find the room there is.
        update(ct, name, {"memory": {"limit": 100 * MIB}})
        update(ct, name, {"memory": {"limit": 384 * MIB}})
        check_size(ct.execute(name, "sh", "-c", REPORT, check=True).text, 256 + 384, min(2, CPUS))
        why = refused_update(ct, name, {"memory": {"limit": 800 * MIB}})
        for part in (f"update '{name}'", "default_maxmemory = 1000 MiB", "default_memory = 256 MiB", "1056 MiB"):
            check_in(part, why)
        check_equal(ct.execute(name, "echo", "alive", check=True).text, "alive\n")
        check_size(ct.execute(name, "sh", "-c", REPORT, check=True).text, 256 + 384, min(2, CPUS))
    finally:
        ct.remove(name)


def test_growing_beyond_the_maximum(ct):
    for lines, option, words in (
            ("default_memory = 256\ndefault_maxmemory = 400", ("--memory-limit", str(200 * MIB)),
             ("comes to 456 MiB", "hypervisor.default_maxmemory = 400 MiB", "limits of its containers are 200 MiB")),
            ("default_maxvcpus = 1", ("--cpus", "1.5"), ("come to 1.5", "hypervisor.default_maxvcpus = 1"))):
        with growing(ct, lines):
            name = ct.new_id("toolarge")
            done = ct.run_container("true", name=name, options=option)
        check(done.code != 0, "it runs")
        for part in words:
            check_in(part, done.error)
        check(name not in ct.tasks(), "the task is left")
        check(not os.path.exists(f"/run/husk/default/{name}"), "its directory is left")
