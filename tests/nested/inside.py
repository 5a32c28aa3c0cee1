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
import links  # noqa: E402
import thin  # noqa: E402
import unified  # noqa: E402
import vsock  # noqa: E402
from report import Report, check_equal  # noqa: E402

CONFIG = ("[agent.husk]\ndial_timeout = 240\ncreate_container_timeout = 120\nrequest_timeout = 120\n"
          "[runtime]\nenable_debug = true\n[hypervisor.qemu]\ndefault_memory = 256\n"
          'kernel_params = "agent.hotplug_timeout=60"\n')


class Patient(c.Containerd):
    """Everything here takes ten times as long as elsewhere."""

    def ctr(self, *args, timeout=120, **more):
        return super().ctr(*args, timeout=timeout * 3, **more)


def with_containerd(report, entry, options, modules, kind=Patient):
    name, binaries = entry.split("=", 1)
    label = {module: f"containerd {name}, {module.__name__}" for module in modules}
    if not any(report.wants(vars(module), label[module]) for module in modules):
        return
    before, only = census.take(), report.only
    ct = kind(name, binaries, options.prefix, options.image, CONFIG)

    def test_nothing_is_left(before):
        check_equal(census.leftovers(before), [])

    try:
        for module in modules:
            report.run_all(vars(module), ct, label=label[module])
    finally:
        ct.close()
    report.only = ""
    report.run(test_nothing_is_left, before, label=f"containerd {name}")
    report.only = only


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containerd", action="append", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--image", required=True)
    options = parser.parse_args()
    report = Report("nested")
    with_containerd(report, options.containerd[-1], options, (vsock, unified, links))
    for entry in options.containerd:
        with_containerd(report, entry, options, (thin,), type("Thin", (thin.Thin, Patient), {}))
    report.finish()


if __name__ == "__main__":
    main()
