#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End to end: a real containerd, real ctr, a real virtual machine.

    tests/e2e/run.py --containerd NAME=DIR... --prefix DIR --image FILE [--vsock-daemon FILE]
        [--crictl FILE --pause-image FILE [--handler NAME] [--pods-only]]

Each containerd with the serial port transport; the last one also with hybrid vsock where the path of a
vhost-device-vsock is given. With crictl the pods' stories too, for each way in which a containerd can
have its sandboxes made.

What runc does with the same tests: HUSK_TEST_RUNTIME=io.containerd.runc.v2 in the environment for
ctr's, --handler runc for those of pods.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import attached_network  # noqa: E402
import census  # noqa: E402
import commands  # noqa: E402
import console  # noqa: E402
import containerd as c  # noqa: E402
import cri  # noqa: E402
import environment  # noqa: E402
import erofs  # noqa: E402
import growth  # noqa: E402
import hooks  # noqa: E402
import lifecycle  # noqa: E402
import network  # noqa: E402
import pod_death  # noqa: E402
import pod_growth  # noqa: E402
import pod_network  # noqa: E402
import pod_overhead  # noqa: E402
import pod_switches  # noqa: E402
import pod_volumes  # noqa: E402
import pods  # noqa: E402
import rootless  # noqa: E402
import sizes  # noqa: E402
import streams  # noqa: E402
import user_mode  # noqa: E402
import volumes  # noqa: E402
from report import Report, check_equal  # noqa: E402

c.RUNTIME = os.environ.get("HUSK_TEST_RUNTIME", c.RUNTIME)


def run_with(report, entry, transport, options):
    name, binaries = entry.split("=", 1)
    label = f"containerd {name}, {transport}"
    config = c.PATIENT + f'[hypervisor.qemu]\ntransport = "{transport}"\n'
    if transport == "hybrid-vsock":
        config += f'vsock_daemon = "{options.vsock_daemon}"\n'
    config += "[runtime]\nenable_debug = true\n"
    before = census.take()
    ct = c.Containerd(name, binaries, options.prefix, options.image, config)

    def test_shared_container_starts(ct):
        ct.detached("sleep", "100000", name=ct.shared, options=("--mount", c.CGROUP))

    def test_nothing_is_left(before):
        check_equal(census.leftovers(before), [])

    try:
        ct.shared = ct.new_id("shared")
        only, report.only = report.only, ""
        started = report.run(test_shared_container_starts, ct, label=label)
        report.only = only
        if started:
            for module in (commands, lifecycle, streams, environment, hooks, console, network, attached_network, user_mode, rootless,
                           sizes, growth):
                report.run_all(vars(module), ct, label=label)
        else:
            print(ct.log_tail(60))
    finally:
        ct.close()
    report.run(test_nothing_is_left, before, label=label)


def run_pods(report, entry, options):
    with cri.opened(report, entry, options, "[runtime]\nenable_debug = true\n") as ct:
        for handler in [options.handler] if options.handler else ct.sandboxers:
            run_handler(report, ct, handler, f"containerd {ct.name}, {handler}")


def run_handler(report, ct, handler, label):
    for modules in ((pods, pod_overhead, pod_death), (pod_network,), (volumes, pod_volumes, pod_switches), (pod_growth,)):
        run_in_pod(report, modules, ct, handler, label)


def run_in_pod(report, modules, ct, handler, label):
    """The tests of modules that share the pod of the first, if any of them is asked for."""
    def test_shared_pod_starts(ct):
        modules[0].open_pod(ct, handler)

    def test_shared_pod_is_removed(ct):
        modules[0].close_pod(ct)

    labels = {module: f"{label}, {module.__name__}" for module in modules}
    if not any(report.wants(vars(module), labels[module]) for module in modules):
        return
    only, report.only = report.only, ""
    started = report.run(test_shared_pod_starts, ct, label=labels[modules[0]])
    report.only = only
    if not started:
        print(ct.log_tail(60))
        return
    for module in modules:
        report.run_all(vars(module), ct, label=labels[module])
    report.only = ""
    report.run(test_shared_pod_is_removed, ct, label=labels[modules[0]])
    report.only = only


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containerd", action="append", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--vsock-daemon")
    parser.add_argument("--crictl")
    parser.add_argument("--pause-image")
    parser.add_argument("--handler")
    parser.add_argument("--pods-only", action="store_true")
    parser.add_argument("--erofs-utils", help="a directory with a mkfs.erofs of 1.7 or newer")
    parser.add_argument("--disks-only", action="store_true")
    options = parser.parse_args()

    report = Report("e2e")
    if options.erofs_utils:
        erofs.run(report, options.containerd[-1], options)
    if not options.pods_only and not options.disks_only:
        for entry in options.containerd:
            run_with(report, entry, "serial", options)
        if options.vsock_daemon:
            run_with(report, options.containerd[-1], "hybrid-vsock", options)
    if options.crictl and not options.disks_only:
        for entry in options.containerd:
            run_pods(report, entry, options)
    report.finish()


if __name__ == "__main__":
    main()
