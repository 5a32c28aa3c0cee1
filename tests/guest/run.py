#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent in a real virtual machine, without containerd: every call of its protocol.

    tests/guest/run.py --build DIR [--transport NAME] [--whole]

One machine for all tests but those that end it. ONLY=word in the environment chooses tests.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import apparmor  # noqa: E402
import cgroup_v1  # noqa: E402
import compat  # noqa: E402
import conformance  # noqa: E402
import containers  # noqa: E402
import devices  # noqa: E402
import endurance  # noqa: E402
import every_call  # noqa: E402
import guest  # noqa: E402
import hostile  # noqa: E402
import hotplug  # noqa: E402
import layers  # noqa: E402
import runtime_spec  # noqa: E402
import selinux  # noqa: E402
import service  # noqa: E402
import services  # noqa: E402
from report import Report, Skip  # noqa: E402


def on_own_machine(report, modules, build):
    """The modules' tests on the machine that boot() of the first makes; where that cannot be, one test says why."""
    if not any(report.wants(vars(module)) for module in modules):
        return
    try:
        machine = modules[0].boot(build)
    except Skip as reason:
        def test_machine(why=reason):
            raise why
        report.run(test_machine, label=modules[0].__name__)
        return
    try:
        for module in modules:
            report.run_all(vars(module), machine)
    finally:
        machine.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--transport", default="serial")
    parser.add_argument("--whole", action="store_true", help="1 000 containers and 10 000 orphans in one guest too, not a "
                        "fifth of them: some minutes more where the guest is emulated")
    options = parser.parse_args()

    report = Report("guest")
    modules = (containers, hostile, services, compat, runtime_spec, conformance, endurance)
    if any(report.wants(vars(module)) for module in modules):
        machine = guest.Guest(os.path.abspath(options.build), options.transport)
        machine.cycles = machine.processes = 1000 if options.whole else 200
        machine.orphans = 10 * machine.cycles
        try:
            for module in modules:
                report.run_all(vars(module), machine)
        finally:
            machine.close()
    report.run_all(vars(compat.own_machine), os.path.abspath(options.build))
    for test in (*service.own_machine, *runtime_spec.own_agent, *layers.own_agent):
        report.run(test, os.path.abspath(options.build))
    local = guest.Local(os.path.abspath(options.build))
    local.cycles, local.processes, local.orphans = 1000, 10000, 10000
    try:
        for module in (runtime_spec, endurance):
            report.run_all(vars(module), local, label="as a process of this host")
    finally:
        local.close()
    for modules in ((devices, every_call), (layers,), (hotplug,), (cgroup_v1,), (apparmor,), (selinux,)):
        on_own_machine(report, modules, os.path.abspath(options.build))
    report.finish()


if __name__ == "__main__":
    main()
