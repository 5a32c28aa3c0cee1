# SPDX-License-Identifier: Apache-2.0
"""The size of a virtual machine: from the limits of what runs in it, and from annotations."""

import os

import containerd as c
from report import Skip, check, check_equal, check_in

KEY = "io.katacontainers.config.hypervisor."
REPORT = "grep MemTotal /proc/meminfo; nproc"


def with_config(ct, line):
    """husk's configuration with a line more for the hypervisor, until the generator is closed."""
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own configuration")
    with open(ct.husk_config) as file:
        before = file.read()
    ct.write_husk_config(before.replace("[hypervisor.qemu]\n", f"[hypervisor.qemu]\n{line}\n"))
    try:
        yield
    finally:
        ct.write_husk_config(before)


def check_memory(text, mib):
    """The kernel keeps some of it for itself: its own image and what describes the memory."""
    total = int(text.split()[1]) // 1024
    check(mib - 90 < total < mib, f"{total} MiB seen of {mib}")


def test_vm_is_as_large_as_its_container_may_be(ct):
    for _ in with_config(ct, "overhead_memory = 128"):
        text = ct.run_container("sh", "-c", REPORT, check=True,
                                options=("--memory-limit", str(200 << 20), "--cpus", "1.3")).text
    check_memory(text, 328)
    check_equal(text.split()[-1], str(min(2, os.cpu_count())))


def test_least_memory(ct):
    """A limit of a few MiB, with the overhead that is configured by default, is enough to run."""
    text = ct.run_container("echo", "runs", options=("--memory-limit", str(6 << 20)), check=True).text
    check_equal(text, "runs\n")


def test_annotations(ct):
    for _ in with_config(ct, 'enable_annotations = ["default_.*"]'):
        text = ct.run_container("sh", "-c", REPORT, check=True,
                                options=("--annotation", KEY + "default_memory=300")).text
        check_memory(text, 300)
        for key, value, why in (("kernel_params", "quiet", "is not enabled"),
                                ("default_memory", "7", "must be from 64"),
                                ("default_vcpu", "2", "there is no key")):
            done = ct.run_container("true", options=("--annotation", f"{KEY}{key}={value}"))
            check(done.code != 0, key)
            check_in(f"annotation {KEY}{key}: ", done.error)
            check_in(why, done.error)
