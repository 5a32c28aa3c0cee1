#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests of the outer machine, see run.py: what a host must have for husk to use it."""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/../lib", f"{HERE}/../e2e"]

import census  # noqa: E402
import containerd as c  # noqa: E402
import cri  # noqa: E402
import cri_pods  # noqa: E402
import links  # noqa: E402
import systemd_pods  # noqa: E402
import thin  # noqa: E402
import unified  # noqa: E402
import vsock  # noqa: E402
from report import Report, check_equal  # noqa: E402

MORE = ("create_container_timeout = 120\nrequest_timeout = 120\n"
        "[runtime]\nenable_debug = true\n[hypervisor.qemu]\ndefault_memory = 256\n"
        'kernel_params = "agent.hotplug_timeout=60"\n')
CONFIG = "[agent.husk]\ndial_timeout = 240\n" + MORE
OF_ONE_CONTAINERD = (vsock, unified, links)
# By what process 1 of the machine is.
MODULES = {"script": (*OF_ONE_CONTAINERD, thin, cri_pods), "systemd": (systemd_pods,)}


class Patient(c.Containerd):
    """Everything here takes ten times as long as elsewhere."""

    def ctr(self, *args, timeout=120, **more):
        return super().ctr(*args, timeout=timeout * 3, **more)


class PatientThin(thin.Thin, Patient):
    pass


class PatientCri(cri.Cri):
    patience_s = 360


class SystemdCri(PatientCri):
    """Its configuration says what people write there for runc."""

    husk_options = "options = { SystemdCgroup = true }"


def label(entry, module):
    return f"containerd {entry.split('=', 1)[0]}, {module.__name__}"


def wants(report, entries, modules):
    """Whether ONLY leaves any test of them."""
    return any(report.wants(vars(module), label(entry, module)) for entry in entries for module in modules)


def with_containerd(report, entry, modules, kind, *more):
    if not wants(report, [entry], modules):
        return
    before, only = census.take(), report.only
    ct = kind(*entry.split("=", 1), *more)

    def test_nothing_is_left(before):
        check_equal(census.leftovers(before), [])

    try:
        for module in modules:
            report.run_all(vars(module), ct, label=label(entry, module))
    finally:
        ct.close()
    report.only = ""
    report.run(test_nothing_is_left, before, label=f"containerd {ct.name}")
    report.only = only


def arguments(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("init", choices=MODULES, help="what process 1 is")
    parser.add_argument("--containerd", action="append", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--crictl", help="without it there are no pods")
    parser.add_argument("--pause-image")
    return parser.parse_args(words)


def main():
    options = arguments(None)
    report = Report("nested")
    common = (options.prefix, options.image)
    with_crictl = (options.crictl, *common, options.pause_image, MORE)
    if options.init == "script":
        with_containerd(report, options.containerd[-1], OF_ONE_CONTAINERD, Patient, *common, CONFIG)
    for entry in options.containerd:
        if options.init == "script":
            with_containerd(report, entry, (thin,), PatientThin, *common, CONFIG)
        if options.crictl:
            kind, module = (PatientCri, cri_pods) if options.init == "script" else (SystemdCri, systemd_pods)
            with_containerd(report, entry, (module,), kind, *with_crictl)
    report.finish()


if __name__ == "__main__":
    main()
