#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nested: husk on a host that has everything, which is a virtual machine itself.

    tests/nested/run.py --cache DIR --containerd NAME=DIR... --prefix DIR --image FILE

Boots that host (machine.py) and shows what its tests (inside.py) print; then another whose process 1 is systemd.
"""

import argparse
import os
import platform
import sys
import threading
import time

import inside
import machine
from report import Report

SYSTEMD = "/lib/systemd/systemd"
OWN = ("/tmp", "/run")  # of the machine, empty
LIMIT = 3600  # seconds; on a quiet machine it takes a tenth


def why_not(*directories):
    if platform.machine() != "x86_64":
        return "its machine is an x86-64 one"
    for directory in directories:
        if os.stat(directory).st_dev != os.stat("/").st_dev:
            return f"{directory} is on another file system than /, which is all that the machine gets"
        if os.path.realpath(directory).startswith(tuple(f"{own}/" for own in OWN)):
            return f"{directory} is below a directory that the machine has of its own"
    return None


def environment():
    """What the tests in there are told of this environment."""
    return {name: os.environ[name] for name in ("ONLY",) if name in os.environ}


def show(outer):
    """What the tests print; their exit status, None if the machine ended before them."""
    for line in outer.lines:
        line = line.rstrip()
        if line.startswith("exit "):
            return int(line.split()[1])
        print(line, flush=True)
    return None


def run(tree, cache, words):
    """In a machine of their own; the tests' exit status."""
    logs = os.environ.get("HUSK_TEST_LOGS", cache)
    start = time.monotonic()
    outer = machine.Machine(tree, f"{cache}/guest", words, environment(), logs)
    limit = threading.Timer(LIMIT, outer.end)
    limit.start()
    try:
        status = show(outer)
    finally:
        limit.cancel()
        outer.close()
    if status is None:
        print(f"not ok - nested: the machine ended before its tests ({time.monotonic() - start:.0f} s)")
        with open(f"{logs}/nested-console.log", errors="replace") as file:
            print("".join(f"#   {line}" for line in file.readlines()[-20:]))
    return 1 if status is None else status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True, help="the build's cache, in which the guest image's kernel is unpacked")
    options, words = parser.parse_known_args()
    tree = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    reason = why_not(tree, options.cache)
    if reason:
        print(f"ok 1 - nested: all # SKIP {reason}")
        return
    status = 0
    for init, modules in inside.MODULES.items():
        if not inside.wants(Report(""), inside.arguments([init, *words]).containerd, modules):
            continue
        if init == "systemd" and not os.path.exists(SYSTEMD):
            print(f"ok 1 - nested: pods in systemd's slices # SKIP there is no {SYSTEMD}")
            continue
        status = run(tree, options.cache, [init, *words]) or status
    sys.exit(status)


if __name__ == "__main__":
    main()
