# SPDX-License-Identifier: Apache-2.0
"""OCI hooks of the host, which the shim runs: where, when, and what of a container they can reach."""

import json
import os
import signal

import containerd as c
import ttrpc
from report import Skip, check, check_equal, check_in

KINDS = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


def noting(log, kind, more=""):
    script = f"echo {kind} $(pwd) >> {log}; cat >> {log}; echo >> {log}; {more}"
    return {"path": "/bin/sh", "args": ["sh", "-c", script]}


def prepare(ct, hooks, args):
    """A bundle with these hooks for a further container of the shared sandbox: (id, bundle, spec)."""
    name = ct.new_id("hooked")
    bundle = f"{ct.run}/{name}"
    os.makedirs(f"{bundle}/rootfs")
    with open(f"{ct.bundle(ct.shared)}/config.json") as file:
        spec = json.load(file)
    spec["process"]["args"] = args
    spec["root"] = {"path": "rootfs"}
    spec["annotations"] = {"org.example/key": "value"}
    spec["linux"]["cgroupsPath"] = f"/default/{name}"
    spec["hooks"] = hooks
    write_spec(bundle, spec)
    return name, bundle, spec


def write_spec(bundle, spec):
    with open(f"{bundle}/config.json", "w") as file:
        json.dump(spec, file)


def create(ct, task, name, bundle, output):
    # An overlay, so that what a hook writes does not reach the other tests' files.
    for directory in ("upper", "work"):
        os.makedirs(f"{bundle}/{directory}")
    overlay = [(1, "overlay"), (2, "overlay"), *((4, option) for option in (
        f"lowerdir={ct.rootfs}", f"upperdir={bundle}/upper", f"workdir={bundle}/work"))]
    task("Create", [(1, name), (2, bundle), (3, overlay), (5, ""), (6, f"file://{output}"), (7, f"file://{output}")])


def noted(log):
    """[(kind, directory, state)]"""
    with open(log) as file:
        text = file.read().splitlines()
    return [(*text[i].split(), json.loads(text[i + 1])) for i in range(0, len(text), 2)]


def only_husk():
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("two containers in one sandbox")


def test_hooks_of_the_host(ct):
    only_husk()
    log, output = f"{ct.run}/{ct.new_id('hooks')}", f"{ct.run}/{ct.new_id('out')}"
    hooks = {kind: [noting(log, kind)] for kind in KINDS}
    # As those that make devices or libraries appear: into the root file system, found by the bundle.
    hooks["createRuntime"][0]["args"][2] += "echo from a hook > rootfs/hooked"
    hooks["createContainer"][0]["args"][2] += ("ln -s hooked rootfs/linked;"
                                               "mount -t tmpfs mounted-by-a-hook rootfs/tmp || exit 1")
    name, bundle, _ = prepare(ct, hooks, ["cat", "/linked"])
    task = ttrpc.Task(ct.shim_address(ct.shared))
    create(ct, task, name, bundle, output)
    check_equal([kind for kind, _, _ in noted(log)], ["prestart", "createRuntime", "createContainer"])
    with open(f"/proc/{ct.shim_pid(ct.shared)}/mounts") as file:
        check("mounted-by-a-hook" not in file.read(), "what a createContainer hook mounts stays")
    check_equal(os.listdir(f"{bundle}/rootfs"), [], "only hooks see the root file system there")
    task("Start", [(1, name)])
    check_equal([kind for kind, _, _ in noted(log)], ["prestart", "createRuntime", "createContainer", "poststart"])
    task("Wait", [(1, name)])
    task("Delete", [(1, name)])
    check_equal([kind for kind, _, _ in noted(log)], list(KINDS))
    check_equal({directory for _, directory, _ in noted(log)}, {bundle})
    states = {kind: state for kind, _, state in noted(log)}
    check_equal({kind: state["status"] for kind, state in states.items()}, {
        "prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "poststart": "running", "poststop": "stopped"})
    check_equal({state["id"] for state in states.values()}, {name})
    check_equal(states["prestart"]["pid"], ct.tasks()[ct.shared][0], "the task's pid")
    check_equal(states["prestart"]["annotations"], {"org.example/key": "value"})
    with open(output) as file:
        check_equal(file.read(), "from a hook\n")


def test_hook_that_fails_fails_create(ct):
    only_husk()
    log = f"{ct.run}/{ct.new_id('hooks')}"
    hooks = {"createRuntime": [noting(log, "createRuntime", "echo no such network >&2; exit 3")],
             "poststop": [noting(log, "poststop")]}
    name, bundle, _ = prepare(ct, hooks, ["true"])
    task = ttrpc.Task(ct.shim_address(ct.shared))
    try:
        create(ct, task, name, bundle, "/dev/null")
        check(False, "Create succeeded")
    except ttrpc.Status as status:
        check_in("createRuntime: hook '/bin/sh'", str(status))
        check_in("code 3: no such network", str(status))
    check_equal([kind for kind, _, _ in noted(log)], ["createRuntime", "poststop"])


def test_poststop_hooks_after_a_crash(ct):
    """The shim is killed: the hooks that it owes run when containerd has the rest taken away."""
    log = f"{ct.run}/{ct.new_id('hooks')}"
    _, bundle, spec = prepare(ct, {"poststop": [noting(log, "poststop")]}, ["sleep", "1000"])
    spec["root"] = {"path": ct.rootfs, "readonly": True}
    write_spec(bundle, spec)
    name = ct.new_id("crashing")
    ct.ctr("run", "-d", "--runtime", c.RUNTIME, "--config", f"{bundle}/config.json", name, check=True)
    check(not os.path.exists(log), "nothing has stopped yet")
    os.kill(ct.shim_pid(name), signal.SIGKILL)
    c.wait_for(lambda: os.path.exists(log) and open(log).read().endswith("}\n"), 20, "the poststop hook")
    check_equal([kind for kind, _, _ in noted(log)], ["poststop"])
    ct.remove(name)
