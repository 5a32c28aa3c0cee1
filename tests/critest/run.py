#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""critest, the validation suite of the Container Runtime Interface, with husk and with runc.

    tests/critest/run.py --containerd NAME=DIR... --prefix DIR --image FILE --pause-image FILE
        --tools DIR --images DIR [--handler NAME...] [--whole]

--tools has critest and crictl, --images what tests/critest/images made. runc on the same machine is the
judge: what passes with it passes with husk, but for what the file `differences` lists with its reason.
Without --whole only the specs that match a line of the file `subset` are run.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "lib"))

import cri  # noqa: E402
import registry  # noqa: E402
from report import Failure, Report, Skip  # noqa: E402

SECONDS = 5400  # for one run of the suite


def lines_of(name):
    with open(os.path.join(here, name)) as file:
        return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]


def differences():
    """{spec: reason}"""
    return dict(line.split(" | ", 1) for line in lines_of("differences"))


def run(ct, options, handler, focus):
    """{spec: (outcome, text)} of one run; outcomes are passed, failed, skipped."""
    with tempfile.TemporaryDirectory(dir=ct.run) as reports:
        command = [f"{options.tools}/critest", "-config", f"{ct.run}/crictl.yaml",
                   "-runtime-endpoint", f"unix://{ct.address}", "-image-endpoint", f"unix://{ct.address}",
                   "-runtime-service-timeout", "300s", "-runtime-handler", handler,
                   f"-ginkgo.junit-report={reports}/report.xml", "-ginkgo.no-color", "-ginkgo.timeout", f"{SECONDS}s"]
        if focus:
            command.append("-ginkgo.focus=" + "|".join(focus))
        with open(f"{ct.run}/critest-{handler}.log", "w") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                           timeout=SECONDS + 60)
        keep = os.environ.get("HUSK_TEST_LOGS")
        if keep:
            os.makedirs(keep, exist_ok=True)
            subprocess.run(["cp", f"{ct.run}/critest-{handler}.log", keep], check=True)
        found = {}
        for name in os.listdir(reports):
            for case in xml.etree.ElementTree.parse(os.path.join(reports, name)).iter("testcase"):
                spec = re.sub(r"^\[It\] *(\[k8s\.io\])? *|( *\[[^]]*\])+$", "", case.get("name"))
                if case.find("skipped") is not None:
                    found[spec] = ("skipped", case.find("skipped").get("message") or "")
                elif case.find("failure") is not None or case.find("error") is not None:
                    problem = case.find("failure") if case.find("failure") is not None else case.find("error")
                    found[spec] = ("failed", (problem.get("message") or "") + (problem.text or ""))
                elif case.get("name").startswith("[It]"):
                    found[spec] = ("passed", "")
    if not found:
        with open(f"{ct.run}/critest-{handler}.log", errors="replace") as log:
            raise Failure("critest reported nothing:\n" + "".join(log.readlines()[-20:]))
    return found


def judge(outcome, reference, reason):
    """One spec, as a test of the report."""
    def spec():
        if reason and outcome[0] != "passed":
            raise Skip(f"differs: {reason}")
        if reason:
            raise Failure("listed in tests/critest/differences, and it passes")
        if outcome[0] == "failed" and reference[0] == "failed":
            raise Skip("fails with runc here too")
        if outcome[0] != reference[0]:
            raise Failure(f"{reference[0]} with runc, {outcome[0]} with husk: {outcome[1][:2000]}")
    return spec


def run_with(report, entry, address, options):
    focus = options.focus or ([] if options.whole else lines_of("subset"))
    known = differences()
    with cri.opened(report, entry, options, registry=address) as ct:
        reference = run(ct, options, "runc", focus)
        for handler in options.handler or ct.sandboxers:
            found = run(ct, options, handler, focus)
            for spec in sorted(set(reference) | set(found)):
                missing = ("failed", "critest did not get to it")
                if reference.get(spec, missing)[0] == found.get(spec, missing)[0] == "skipped":
                    continue
                test = judge(found.get(spec, missing), reference.get(spec, missing), known.get(spec))
                test.__name__ = spec
                report.run(test, label=f"containerd {ct.name}, {handler}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containerd", action="append", required=True)
    for name in ("prefix", "image", "pause-image", "tools", "images"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--handler", action="append")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--focus", action="append", help="a regular expression, instead of the subset")
    options = parser.parse_args()
    options.crictl = f"{options.tools}/crictl"

    images = registry.Registry(options.images)
    report = Report("critest")
    try:
        for entry in options.containerd:
            run_with(report, entry, images.address, options)
    finally:
        images.close()
    report.finish()


if __name__ == "__main__":
    main()
