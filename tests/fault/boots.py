# SPDX-License-Identifier: Apache-2.0
"""Boots that fail: what the user is told, and that nothing is left."""

import os
import subprocess
import time

import census
from report import check, check_equal, check_in


def initrd(ct, script):
    """An initrd whose init is this shell script."""
    root = f"{ct.run}/bad-initrd"
    subprocess.run(["rm", "-rf", root], check=True)
    for directory in ("bin", "dev", "proc"):
        os.makedirs(f"{root}/{directory}")
    subprocess.run(["cp", "/bin/busybox", f"{root}/bin/sh"], check=True)
    with open(f"{root}/init", "w") as file:
        file.write("#!/bin/sh\n" + script)
    os.chmod(f"{root}/init", 0o755)
    path = f"{ct.run}/bad-initrd.img"
    subprocess.run(f"cd {root} && find . | cpio --quiet -o -H newc >{path}", shell=True, check=True)
    return path


def fails(ct, hypervisor, agent="", seconds=60):
    before = census.take()
    ct.write_husk_config(f"[hypervisor.qemu]\n{hypervisor}\n[agent.husk]\n{agent}\n")
    start = time.monotonic()
    done = ct.run_container("true", timeout=seconds + 30)
    took = time.monotonic() - start
    ct.write_husk_config("")
    check(done.code != 0, "it started")
    lines = done.error.strip().splitlines()
    check_equal(len(lines), 1, f"lines of the error: {done.error}")
    check(took < seconds, f"took {took:.1f} s")
    print(f"#   {lines[0][:600]}")
    check_equal(census.leftovers(before), [])
    return lines[0], took


def guest(ct):
    directory = f"{ct.prefix}/share/husk/guest/default"
    return f'kernel = "{directory}/vmlinux"\n'


def test_agent_never_answers(ct):
    image = initrd(ct, "while :; do :; done\n")
    text, took = fails(ct, guest(ct) + f'initrd = "{image}"', "dial_timeout = 6")
    check_in("agent", text)
    check_in("6 s", text)
    check(took > 5, f"the deadline was 6 s, it took {took:.1f} s")


def test_init_dies_and_the_console_is_shown(ct):
    image = initrd(ct, "echo the last words of init >/dev/console; exit 3\n")
    text, took = fails(ct, guest(ct) + f'initrd = "{image}"', "dial_timeout = 200", 260)
    check_in("panic", text)
    check(took < 100, f"the death of the VM was not noticed: {took:.1f} s")


def test_kernel_is_no_kernel(ct):
    text, _ = fails(ct, 'kernel = "/bin/busybox"\ninitrd = "/bin/busybox"')
    check_in("qemu", text.lower())


def test_missing_kernel_is_named(ct):
    text, _ = fails(ct, 'kernel = "/no/such/vmlinux"\ninitrd = "/no/such/initrd"')
    check_in("/no/such/vmlinux", text)


def test_missing_vmm_is_named(ct):
    text, _ = fails(ct, 'path = "/no/such/qemu"')
    check_in("/no/such/qemu", text)


def test_missing_virtiofsd_is_named(ct):
    text, _ = fails(ct, 'virtio_fs_daemon = "/no/such/virtiofsd"')
    check_in("/no/such/virtiofsd", text)


def test_bad_machine_shows_what_qemu_says(ct):
    text, _ = fails(ct, 'machine_type = "no-such-machine"')
    check_in("unsupported machine type", text)


def test_bad_configuration_names_file_and_line(ct):
    text, _ = fails(ct, "default_vcpus = \"many\"")
    check_in("husk.toml:2", text)
    check_in("default_vcpus", text)


def test_planned_hypervisor_is_said_to_be_absent(ct):
    before = census.take()
    ct.write_husk_config('[runtime]\nhypervisor_name = "clh"\n[hypervisor.clh]\n')
    done = ct.run_container("true")
    ct.write_husk_config("")
    check(done.code != 0)
    check_in("not available", done.error)
    check_equal(census.leftovers(before), [])
