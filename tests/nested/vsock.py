# SPDX-License-Identifier: Apache-2.0
"""KVM and the host's own vsock, which husk chooses by itself where they are."""

import glob
import json
import os

import containerd as c
import lifecycle
import streams
from report import check, check_equal


def processes(name):
    """{program: pid} of what runs beside the shim of a sandbox."""
    with open(glob.glob(f"/run/husk/*/{name}/vm/processes.json")[0]) as file:
        return {entry["name"]: entry["pid"] for entry in json.load(file)["processes"]}


def open_files(pid):
    return {os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*")}


def test_kvm_and_vsock_are_chosen(ct):
    """A container prints a line; nobody asked for an accelerator or a transport."""
    ct.shared = ct.detached("sleep", "100000", options=("--mount", c.CGROUP))
    check_equal(ct.execute(ct.shared, "echo", "hello", check=True).text, "hello\n")
    running = processes(ct.shared)
    files = open_files(running["qemu"])
    for device in ("/dev/kvm", "/dev/vhost-vsock"):
        check(device in files, f"QEMU has no {device}: {sorted(files)}")
    check("vhost-device-vsock" not in running, "there is a daemon for vsock")
    ct.logged(ct.shared, "accelerator kvm: /dev/kvm opens")
    ct.logged(ct.shared, "transport vsock: /dev/vhost-vsock opens")


def test_streams_over_vsock(ct):
    streams.test_stdout_and_stderr_are_kept_apart(ct)
    streams.test_stdin_of_an_exec(ct)
    streams.test_terminal_with_resize(ct)
    streams.test_a_stalled_reader_blocks_only_its_own_stream(ct)


def test_metrics(ct):
    """Of a host with cgroup v2 they are of another type."""
    lifecycle.test_metrics(ct)


def test_the_machine_ends(ct):
    ct.remove(ct.shared)
    c.wait_for(lambda: not glob.glob(f"/run/husk/*/{ct.shared}"), 6, "its directory goes")
