# SPDX-License-Identifier: Apache-2.0
"""Disks that do not get into the guest, or not out of it: what the user is told, and that nothing is left."""

import contextlib
import glob
import os
import subprocess
import time

import census
import erofs_disks
from report import check, check_equal, check_in

COUNT = 10


def wrapper(ct, *words):
    """A program that is QEMU with these words behind its own."""
    path = f"{ct.run}/qemu-{ct.new_id('w')}"
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 "$@" {" ".join(words)}\n')
    os.chmod(path, 0o755)
    return path


def files(ct):
    return set(glob.glob(f"{ct.snapshots}/*/*"))


def fails(ct, hypervisor="", while_it_starts=contextlib.nullcontext()):
    """A container of layers does not start; the one line that says why."""
    name = ct.create(COUNT, "true")
    before, there = census.take(), files(ct)
    ct.write_husk_config(f"[hypervisor.qemu]\n{hypervisor}\n[runtime]\nenable_debug = true\n")
    try:
        with while_it_starts:
            done = ct.start_task(name, timeout=180)
    finally:
        ct.write_husk_config("[runtime]\nenable_debug = true\n")
    check(done.code != 0, "it started")
    lines = done.error.strip().splitlines()
    check_equal(len(lines), 1, f"lines of the error: {done.error}")
    print(f"#   {lines[0][:500]}")
    check_equal(census.leftovers(before), [])
    check_equal(files(ct) - there, set(), "files beside the layers")
    ct.ctr("container", "delete", name, check=True)
    return lines[0]


def test_device_add_is_refused(ct):
    """The monitor has the files by then; what it says is what the user reads."""
    text = fails(ct, f'path = "{wrapper(ct, "-global virtio-blk-device.max-discard-sectors=0")}"')
    check_in("device_add", text)
    check_in("max-discard-sectors", text)


def test_guest_that_sees_no_disk_and_lets_none_go(ct):
    """Without hot-plug in its kernel it never has the disk, and never agrees to lose it."""
    text = fails(ct, 'kernel_params = "pcie_ports=compat acpiphp.disable=1"')
    check_in("hot-plug timeout", text)


def test_layer_seven_of_ten_is_damaged(ct):
    file = ct.layers(COUNT)[6]
    text = fails(ct, while_it_starts=erofs_disks.changed(file, 1024 + 64))
    check_in("layer 7", text)
    check_in("verification failed", text)


@contextlib.contextmanager
def away(path):
    os.rename(path, f"{path}.away")
    try:
        yield
    finally:
        os.rename(f"{path}.away", path)


def test_layer_seven_of_ten_is_not_there(ct):
    file = ct.layers(COUNT)[6]
    check_in(file, fails(ct, while_it_starts=away(file)))


# ---- in one machine ----

def test_machine_for_many_starts(ct):
    ct.open_vm()


def in_guest(ct):
    return ct.execute(ct.vm, "sh", "-c", "ls /sys/block; ls /sys/block | grep -c dm-", check=True).text


def held(ct):
    pid = ct.tasks()[ct.vm][0]
    found = []
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(path))
    return sorted(found)


def check_as_before(ct, before):
    """What has been told to go may take a moment."""
    deadline = time.monotonic() + 60
    while (in_guest(ct), held(ct)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    check_equal((in_guest(ct), held(ct)), before)


def test_no_space_for_the_writable_image(ct):
    """Nothing else of the disks is written anywhere: tables and gaps are in memory."""
    small = f"{ct.run}/small"
    os.makedirs(small)
    subprocess.run(["nsenter", f"--mount=/proc/{ct.shim_pid(ct.vm)}/ns/mnt", "mount", "-t", "tmpfs", "-o", "size=64k",
                    "small", small], check=True)
    before = in_guest(ct), held(ct)
    text = ct.refused(erofs_disks.layer_mounts(ct.layers(COUNT), writable=f"{small}/rwlayer.img"))
    check_in(f"{small}/rwlayer.img", text)
    check_as_before(ct, before)
    left = subprocess.run(["nsenter", f"--mount=/proc/{ct.shim_pid(ct.vm)}/ns/mnt", "ls", small], check=True,
                          capture_output=True, text=True).stdout
    check_equal(left, "")


def test_one_of_two_disks_is_refused(ct):
    """Somebody writes to the image already: the layers, which went in beside it, come out again."""
    mounts = erofs_disks.layer_mounts(ct.layers(COUNT), writable=f"{ct.run}/twice.img")
    first = ct.begin(mounts, "sleep 1000")
    before = in_guest(ct), held(ct)
    text = ct.refused(mounts)
    check_in("lock", text)
    check_as_before(ct, before)
    ct.task("Kill", [(1, first), (3, 9)])
    ct.task("Wait", [(1, first)])
    ct.task("Delete", [(1, first)])
    check_equal(ct.run_in(mounts, "echo free"), (0, "free\n"))


def test_killed_in_the_middle_of_a_read(ct):
    """No verified device stays once the reader is gone."""
    before = in_guest(ct), held(ct)
    name = ct.begin(erofs_disks.layer_mounts(ct.layers(COUNT)), "while :; do cat /data/* > /dev/null; done")
    ct.task("Kill", [(1, name), (3, 9)])
    ct.task("Wait", [(1, name)])
    ct.task("Delete", [(1, name)], timeout=60)
    check_as_before(ct, before)


def test_many_times(ct):
    """More containers, one after another, than there are slots."""
    before = in_guest(ct), held(ct)
    mounts = erofs_disks.layer_mounts(ct.layers(2), writable=f"{ct.run}/many.img")
    for i in range(20):
        check_equal(ct.run_in(mounts, f"cat /i 2>/dev/null; echo {i} > /i"), (0, f"{i - 1}\n" if i else ""))
    check_as_before(ct, before)


def test_machine_is_removed(ct):
    ct.close_vm()


def run(report, entry, options):
    name, binaries = entry.split("=", 1)
    ct = erofs_disks.Disks(name, binaries, options.prefix, options.image, options.erofs_utils, "64MiB",
                     "[runtime]\nenable_debug = true\n", counts=(1, 2, COUNT))
    try:
        erofs_disks.run_tests(report, globals(), ct, f"containerd {name}, disks")
    finally:
        ct.close()
