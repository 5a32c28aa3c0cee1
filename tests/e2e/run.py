#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End to end: a real containerd, real ctr, a real virtual machine.

    tests/e2e/run.py --containerd NAME=DIR --prefix DIR --image FILE [--transport T]

HUSK_TEST_RUNTIME in the environment replaces the runtime: with io.containerd.runc.v2 the same tests
say what runc does.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import census  # noqa: E402
import containerd as c  # noqa: E402
import environment  # noqa: E402
import lifecycle  # noqa: E402
import streams  # noqa: E402
from report import Report, check_equal  # noqa: E402

c.RUNTIME = os.environ.get("HUSK_TEST_RUNTIME", c.RUNTIME)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containerd", action="append", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--transport", default="auto")
    options = parser.parse_args()

    report = Report("e2e")
    for entry in options.containerd:
        name, binaries = entry.split("=", 1)
        before = census.take()
        config = f'[hypervisor.qemu]\ntransport = "{options.transport}"\n[runtime]\nenable_debug = true\n'
        ct = c.Containerd(name, binaries, options.prefix, options.image, config)
        label = f"containerd {name}, {options.transport}"
        try:
            def test_shared_container_starts(ct):
                ct.shared = ct.detached("sleep", "100000", name="shared")
            if report.run(test_shared_container_starts, ct, label=label) is not False:
                if not hasattr(ct, "shared"):
                    ct.shared = ct.detached("sleep", "100000", name="shared")
                for module in (lifecycle, streams, environment):
                    report.run_all(vars(module), ct, label=label)
            else:
                print(ct.log_tail(60))
        finally:
            ct.close()

        def test_nothing_is_left(before):
            check_equal(census.leftovers(before), [])
        report.run(test_nothing_is_left, before, label=label)
    report.finish()


if __name__ == "__main__":
    main()
