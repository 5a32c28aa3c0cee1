# SPDX-License-Identifier: Apache-2.0
"""More volumes as a kubelet lays them out, in containers of the pod of volumes.py: what it keeps in memory and
renews, and mounts that come when the containers run already."""

import contextlib
import os
import subprocess

import containerd as c
from report import check, check_equal, check_in
from volumes import HOST_TO_CONTAINER, WAIT, bind, check_switch, mount, project, volume, write

PRIVATE, BIDIRECTIONAL = 0, 2
MAY_MOUNT = {"security_context": {"capabilities": {"add_capabilities": ["SYS_ADMIN"]}}}


@contextlib.contextmanager
def in_memory(ct, plugin, name, files, modes):
    """A volume of files that are never on a disk."""
    path = volume(ct, plugin, name)
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", path)
    try:
        project(path, 1, files, modes)
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)  # the pod lives on, and virtiofsd with it


def names(ct, container, path):
    return sorted(ct.volumes.sh(container, f"ls -A {path}").split())


def mode(ct, container, path):
    return ct.volumes.sh(container, f"stat -Lc '%a %u' {path}")


def test_secret_is_switched(ct):
    files = {"password": "old", ".dockerconfigjson": "{}", "gone": "x"}
    modes = {"password": 0o400, ".dockerconfigjson": 0o644, "gone": 0o400}
    with in_memory(ct, "secret", "login", files, modes) as path:
        container = ct.volumes.start(*WAIT, name="secret", mounts=[bind("/login", path, readonly=True), bind("/disk", ct.disk)])
        check_equal(ct.volumes.sh(container, "cat /login/password /login/.dockerconfigjson"), "old{}")
        check_equal([mode(ct, container, f"/login/{name}") for name in files], ["400 0\n", "644 0\n", "400 0\n"])
        check_in("Permission denied", ct.volumes.sh(container, "su -s /bin/sh nobody -c 'cat /login/password' 2>&1 || true"))
        check_in("Read-only file system", ct.volumes.sh(container, "echo x 2>&1 >/login/password || true"))
        new = {"password": "new", ".dockerconfigjson": "{}", "added": "y"}
        check_switch(ct, container, "/login/password", "new", lambda: project(path, 2, new, {**modes, "added": 0o440}))
        want = ["..2026_01_31_12_00_02.123456789", "..data", ".dockerconfigjson", "added", "password"]
        c.wait_for(lambda: names(ct, container, "/login") == want, 20, "the old set is gone")
        check_equal([mode(ct, container, f"/login/{name}") for name in new], ["400 0\n", "644 0\n", "440 0\n"])
        ct.crictl("rm", "-f", container, check=True)


def test_projected_is_switched(ct):
    """The token of a service account, with what else a pod finds beside it: one volume, renewed as a whole."""
    def files(token, label):
        return {"token": token, "ca.crt": "certificate\n", "namespace": "default", "pod/labels": f'app="{label}"\n'}

    inside, modes = "/var/run/secrets/kubernetes.io/serviceaccount", {"token": 0o400, "ca.crt": 0o644, "pod/labels": 0o644}
    with in_memory(ct, "projected", "kube-api-access", files("first-token", "one"), modes) as path:
        os.chown(f"{path}/..data/token", 1000, 0)  # as for a pod with runAsUser
        container = ct.volumes.start(*WAIT, name="projected", mounts=[bind(inside, path, readonly=True), bind("/disk", ct.disk)])
        read_all = f"cd {inside}; cat token namespace pod/labels"
        check_equal(ct.volumes.sh(container, read_all), 'first-tokendefaultapp="one"\n')
        check_equal([mode(ct, container, f"{inside}/{name}") for name in ("token", "ca.crt", "namespace")],
                    ["400 1000\n", "644 0\n", "640 0\n"])
        check_switch(ct, container, f"{inside}/token", "second-token", lambda: project(path, 2, files("second-token", "two"), modes))
        check_equal(ct.volumes.sh(container, read_all), 'second-tokendefaultapp="two"\n', "the rest of it")
        check_equal(mode(ct, container, f"{inside}/token"), "400 0\n")
        ct.crictl("rm", "-f", container, check=True)


def test_mount_propagation(ct):
    """A mount of the host comes in where that is asked for; one of a container stays in it, even if "Bidirectional"
    asks for more: it is the guest's."""
    late, own = f"{ct.host}/propagated", f"{ct.host}/own"
    os.makedirs(late)
    os.makedirs(own)
    container = ct.volumes.start(*WAIT, name="propagation", linux=MAY_MOUNT, mounts=[
        bind("/private", ct.host, propagation=PRIVATE), bind("/slave", ct.host, propagation=HOST_TO_CONTAINER),
        bind("/shared", ct.host, propagation=BIDIRECTIONAL)])

    def seen(directory):
        return ct.volumes.sh(container, f"ls {directory}").split()

    try:
        mount("-t", "tmpfs", "tmpfs", late)
        write(f"{late}/file", "mounted later\n")
        for place in ("/slave", "/shared"):
            c.wait_for(lambda: seen(f"{place}/propagated") == ["file"], 10, f"a mount of the host, in {place}")
        check_equal(seen("/private/propagated"), [])
        ct.volumes.sh(container, "mount -t tmpfs none /shared/own && touch /shared/own/of-shared")
        check_equal(seen("/shared/own"), ["of-shared"])
    finally:
        subprocess.run(["umount", "-l", late], check=False)
    for place in ("/slave", "/shared"):
        c.wait_for(lambda: seen(f"{place}/propagated") == [], 10, f"its end, in {place}")
    is_runc = ct.volumes.handler == "runc"
    there = ["of-shared"] if is_runc else []
    check_equal(os.listdir(own), there, "on the host")
    check_equal(ct.volumes.sh(ct.one, "ls /host/own").split(), there, "in the pod's other container")
    if not is_runc:
        ct.logged("level=warning", "'/shared' is Bidirectional")
    ct.crictl("rm", "-f", container, check=True)
    check(not os.path.ismount(own) or is_runc, "a mount is left on the host")
    subprocess.run(["umount", own], check=False, stderr=subprocess.DEVNULL)
