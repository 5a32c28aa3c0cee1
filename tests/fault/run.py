#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fault tests with real parts: see kills.py, boots.py, pods.py and blocks.py. Options as of tests/e2e/run.py."""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import blocks  # noqa: E402
import boots  # noqa: E402
import containerd as c  # noqa: E402
import kills  # noqa: E402
import pods  # noqa: E402
from report import Report  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containerd", action="append", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--crictl")
    parser.add_argument("--pause-image")
    parser.add_argument("--pods-only", action="store_true")
    parser.add_argument("--erofs-utils", help="a directory with a mkfs.erofs of 1.7 or newer")
    options = parser.parse_args()

    # What is tested is husk; one containerd is enough, the newest.
    name, binaries = options.containerd[-1].split("=", 1)
    report = Report("fault")
    if options.crictl:
        pods.run(report, options.containerd[-1], options)
    if options.pods_only:
        report.finish()
    ct = c.Containerd(name, binaries, options.prefix, options.image, c.PATIENT)
    try:
        for module in (kills, boots):
            report.run_all(vars(module), ct, label=f"containerd {name}")
    finally:
        ct.close()
    if options.erofs_utils:
        blocks.run(report, options.containerd[-1], options)
    report.finish()


if __name__ == "__main__":
    main()
