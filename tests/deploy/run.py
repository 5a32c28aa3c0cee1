#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is in deploy/: manifests against Kubernetes' schemas, the installer on a node made of this machine.

    tests/deploy/run.py --containerd NAME=DIR... --prefix DIR --cache DIR

The node is an overlay of the root directory, so that its containerd is real and nothing of it changes;
only systemctl is a script, which notes that it was called.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

from report import Report, check, check_equal, check_in  # noqa: E402

VALIDATOR = "kubernetes-validate==1.36.0"  # from the Python package index; it holds the schemas
DROP_IN = "etc/containerd/conf.d/husk.toml"


def validator(cache):
    """The program, installed once."""
    place = f"{cache}/{VALIDATOR}"
    program = f"{place}/bin/kubernetes-validate"
    if not os.path.exists(program):
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([f"{TOP}/tests/lib/again", f"{place}/bin/pip", "install", "-q", VALIDATOR], check=True)
    return program


def validate(cache, path):
    return subprocess.run([validator(cache), "-k", "1.36", "--strict", path],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_manifests_fit_the_schemas(options):
    manifests = glob.glob(f"{TOP}/deploy/*.yaml")
    check(len(manifests) >= 2, "manifests are there")
    for path in manifests:
        done = validate(options.cache, path)
        check_equal(done.returncode, 0, done.stdout)


def test_a_wrong_manifest_is_refused(options):
    with open(f"{TOP}/deploy/daemonset.yaml") as file:
        text = file.read().replace("hostPID:", "hostPids:")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = validate(options.cache, file.name)
    check(done.returncode != 0, "refused")
    check_in("hostPids", done.stdout)


class Node:
    """This machine's root directory, as a copy that is written to and thrown away."""

    def __init__(self, prefix, binaries="/usr/bin"):
        self.work = tempfile.mkdtemp(prefix="husk-node-", dir="/run")
        self.root, self.source = f"{self.work}/root", f"{self.work}/husk"
        for name in ("upper", "work", "root"):
            os.mkdir(f"{self.work}/{name}")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{self.work}/upper"], check=True)
        for name in ("upper", "work"):
            os.mkdir(f"{self.work}/upper/{name}")
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir=/,upperdir={self.work}/upper/upper,workdir={self.work}/upper/work",
                        self.root], check=True)
        for name in ("dev", "proc", "sys"):
            subprocess.run(["mount", "--rbind", "--make-rslave", f"/{name}", f"{self.root}/{name}"], check=True)
        shutil.rmtree(f"{self.root}/etc/containerd", ignore_errors=True)
        with open(f"{binaries}/containerd", "rb") as file:
            self.write("usr/bin/containerd", file.read(), 0o755)
        self.write("usr/bin/systemctl", "#!/bin/sh\necho \"$@\" >>/restarts\n", 0o755)
        shutil.copytree(prefix, f"{self.source}/opt/husk", symlinks=True)
        os.mkdir(f"{self.work}/installer")
        for path in (*glob.glob(f"{TOP}/deploy/containerd-*.toml"), f"{TOP}/deploy/installer/install"):
            shutil.copy(path, f"{self.work}/installer")

    def write(self, name, text, mode=0o644):
        path = f"{self.root}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)

    def read(self, name):
        with open(f"{self.root}/{name}") as file:
            return file.read()

    def restarts(self):
        """How often containerd was restarted since the last question."""
        path = f"{self.root}/restarts"
        if not os.path.exists(path):
            return 0
        lines = self.read("restarts").splitlines()
        os.unlink(path)
        check_equal(set(lines), {"restart containerd"})
        return len(lines)

    def installer(self, action):
        return subprocess.run([f"{self.work}/installer/install", self.source, self.root, action],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def containerd(self):
        """The configuration that the node's containerd would run with."""
        return subprocess.run(["chroot", self.root, "containerd", "config", "dump"],
                              stdout=subprocess.PIPE, text=True, check=True).stdout

    def close(self):
        subprocess.run(["umount", "-l", "-R", self.root], check=True)
        subprocess.run(["umount", "-l", f"{self.work}/upper"], check=True)
        shutil.rmtree(self.work)


def test_install_and_remove(options):
    for entry in options.containerd:
        install_and_remove(options.prefix, entry.split("=", 1)[1])


def install_and_remove(prefix, binaries):
    node = Node(prefix, binaries)
    try:
        done = node.installer("install")
        check_equal(done.returncode, 0, done.stdout)
        check_equal(node.restarts(), 1, "restarts")
        check_in("io.containerd.husk.v2", node.containerd())
        check(os.path.exists(f"{node.root}/opt/husk/bin/containerd-shim-husk-v2"), "the shim is there")

        done = node.installer("install")
        check_equal(done.returncode, 0, done.stdout)
        check_equal(node.restarts(), 0, "restarts when nothing changed")

        done = node.installer("remove")
        check_equal(done.returncode, 0, done.stdout)
        check_equal(node.restarts(), 1, "restarts")
        check("husk" not in node.containerd(), "containerd knows nothing of husk")
        check(not os.path.exists(f"{node.root}/opt/husk"), "no files")
        check(not os.path.lexists(f"{node.root}/usr/local/bin/containerd-shim-husk-v2"), "no link")
        check_equal(node.installer("remove").returncode, 0, "again")
        check_equal(node.restarts(), 0, "restarts when nothing changed")
    finally:
        node.close()


def test_a_configuration_with_imports_is_left_alone(options):
    node = Node(options.prefix)
    text = 'version = 2\nimports = ["/etc/containerd/mine.toml"]\n'
    try:
        node.write("etc/containerd/config.toml", text)
        done = node.installer("install")
        check(done.returncode != 0, done.stdout)
        check_in("add \"/etc/containerd/conf.d/husk.toml\" to its imports", done.stdout)
        check_equal(node.read("etc/containerd/config.toml"), text)
        check_equal(node.restarts(), 0, "restarts")
    finally:
        node.close()


def test_a_file_that_cannot_be_written_is_a_failure(options):
    node = Node(options.prefix)
    try:
        node.write(os.path.dirname(DROP_IN), "no directory")
        done = node.installer("install")
        check(done.returncode != 0, done.stdout)
        check_in("cannot write", done.stdout)
        check_equal(node.restarts(), 0, "restarts")
    finally:
        node.close()


def test_a_node_without_qemu_is_told_so(options):
    node = Node(options.prefix)
    try:
        os.unlink(f"{node.root}/usr/bin/qemu-system-x86_64")
        done = node.installer("install")
        check(done.returncode != 0, done.stdout)
        check_in("qemu-system-x86_64", done.stdout)
        check(not os.path.exists(f"{node.root}/{DROP_IN}"), "containerd is not told of husk")
        check_equal(node.restarts(), 0, "restarts")
    finally:
        node.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containerd", action="append", required=True, help="NAME=directory of the programs")
    parser.add_argument("--prefix", required=True, help="where husk is installed")
    parser.add_argument("--cache", required=True, help="keeps the validator")
    options = parser.parse_args()
    report = Report("deploy")
    report.run_all(globals(), options)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
