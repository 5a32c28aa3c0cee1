# SPDX-License-Identifier: Apache-2.0
"""Parts of the OCI runtime specification one by one, in a machine and with the agent as a process of this host."""

import json
import os
import shutil
import time

from guest import CAPABILITIES, RUN, SHARE, Local, Status, bind, spec
from report import Failure, Skip, check, check_equal, check_in


def placed_create(g, message, **request):
    name = request.pop("name", None) or g.new_id()
    g.agent("CreateContainer", container_id=name, OCI=g.placed(message), **request)
    return name


# Hooks.

def noting(kind, log, busybox=f"{SHARE}/busybox/bin/busybox", end="true"):
    """A hook that appends its kind, then its state, to the log."""
    script = f"b={busybox}; s=$($b cat); echo \"{kind} $s\" >> {log}; {end}"
    return {"Path": busybox, "Args": ["sh", "-c", script]}


def with_hooks(g, end=None):
    end = end or {}
    log = g.new_id("hooks")
    open(f"{g.share}/{log}", "w").close()
    message = spec("sh", "-c", f"echo program >> /mnt/{log}; exec sleep 100",
                   annotations={"one": "two \"quoted\""}, mounts=[bind(SHARE, "/mnt")])
    where = {"StartContainer": (f"/mnt/{log}", "/bin/busybox")}
    message["Hooks"] = {}
    for kind in ("Prestart", "CreateRuntime", "CreateContainer", "StartContainer", "Poststart", "Poststop"):
        path, busybox = where.get(kind, (f"{SHARE}/{log}", f"{SHARE}/busybox/bin/busybox"))
        message["Hooks"][kind] = [noting(kind, path, busybox, end.get(kind, "true")), noting(kind, path, busybox)]
    return message, f"{g.share}/{log}"


def lines(path):
    with open(path) as file:
        return file.read().splitlines()


def kinds(path):
    return [line.split()[0] for line in lines(path)]


def test_hooks_in_order(g):
    message, log = with_hooks(g)
    name = placed_create(g, message)
    check_equal(kinds(log), ["Prestart"] * 2 + ["CreateContainer"] * 2)
    g.agent("StartContainer", container_id=name)
    g.exec_output(name, "sh", "-c", f"until grep -q program /mnt/{os.path.basename(log)}; do sleep 0.05; done")
    started = kinds(log)
    check_equal(started[4:6], ["StartContainer"] * 2)
    check_equal(sorted(started[6:]), ["Poststart", "Poststart", "program"])
    g.remove(name)
    check_equal(kinds(log)[-2:], ["Poststop"] * 2)
    states = {}
    for line in lines(log):
        if line.startswith(("C", "P", "S")):
            kind, text = line.split(" ", 1)
            states[kind] = json.loads(text)
    check_equal({k: s["status"] for k, s in states.items()}, {
        "Prestart": "creating", "CreateContainer": "creating", "StartContainer": "created", "Poststart": "running",
        "Poststop": "stopped"})
    check_equal({k: s["id"] for k, s in states.items()}, {k: name for k in states})
    check_equal({s.get("pid") for k, s in states.items() if k != "Poststop"}, {states["Prestart"]["pid"]})
    check("pid" not in states["Poststop"], "nobody is left")
    check_equal(states["Prestart"]["annotations"], {"one": "two \"quoted\""})
    check_in(name, states["Prestart"]["bundle"])


def test_hooks_read_the_bundle(g):
    """config.json, as the agent has changed it: where vendors' hooks look a container up, the first and the last."""
    log = g.new_id("bundle")
    busybox = f"{SHARE}/busybox/bin/busybox"
    script = (f"b={busybox}; s=$($b cat); d=${{s#*bundle\\\":\\\"}}; d=${{d%%\\\"*}}; "
              f"{{ $b stat -c '%a %u' $d/config.json; $b cat $d/config.json; echo; }} >> {SHARE}/{log}")
    hook = {"Path": busybox, "Args": ["sh", "-c", script], "Env": ["VENDOR=all"]}
    message = spec("sleep", "1000", annotations={"one": "two \"quoted\""}, resources={"CPU": {"Shares": 512}})
    message["Hostname"] = "of-the-specification"
    message["Hooks"] = {"Prestart": [hook], "CreateContainer": [hook], "Poststop": [hook]}
    name = placed_create(g, message)
    g.agent("StartContainer", container_id=name)
    g.remove(name)
    said = lines(f"{g.share}/{log}")
    check_equal(said[0::2], ["600 0"] * 3)
    check_equal(len(set(said[1::2])), 1, "one text for all")
    config = json.loads(said[1])
    check_equal(config["root"], {"path": f"{getattr(g, 'run_dir', RUN)}/{name}/rootfs"})
    check_equal(config["hostname"], "of-the-specification")
    check_equal(config["process"]["args"], ["sleep", "1000"])
    check_equal(config["process"]["user"], {"uid": 0, "gid": 0})
    check_equal(config["process"]["capabilities"]["bounding"], CAPABILITIES)
    check_equal(config["annotations"], {"one": "two \"quoted\""})
    check_equal(config["hooks"]["createContainer"][0]["env"], ["VENDOR=all"])
    check_equal(config["linux"]["resources"], {"cpu": {"shares": 512}})
    check_in("/proc/kcore", config["linux"]["maskedPaths"])
    check_equal([m["destination"] for m in config["mounts"]], [m["destination"] for m in message["Mounts"]])


def test_prestart_hooks_see_the_namespaces(g):
    """Made, and with the process in them, but not entered: /proc/PID/ns of the state's pid."""
    message, log = with_hooks(g)
    script = (f"b={SHARE}/busybox/bin/busybox; s=$($b cat); p=${{s#*pid\\\":}}; p=${{p%%,*}}; "
              f"for n in mnt pid; do test $($b readlink /proc/$p/ns/$n) != $($b readlink /proc/self/ns/$n) || exit 1; "
              f"done; echo seen >> {SHARE}/{os.path.basename(log)}")
    message["Hooks"] = {"Prestart": [{"Path": f"{SHARE}/busybox/bin/busybox", "Args": ["sh", "-c", script]}]}
    name = placed_create(g, message)
    check_equal(lines(log), ["seen"])
    g.remove(name)


def test_hooks_that_fail(g):
    message, log = with_hooks(g, {"Prestart": "echo none such >&2; exit 4"})
    text = g.agent.refused("CreateContainer", "INTERNAL", container_id=g.new_id(), OCI=g.placed(message))
    check_in("prestart: hook", text)
    check_in("code 4: none such", text)
    check_equal(kinds(log), ["Prestart"] + ["Poststop"] * 2, "the first failure ends it, what is undone is told")
    message, log = with_hooks(g, {"Poststart": "exit 1", "Poststop": "exit 1"})
    name = placed_create(g, message)
    g.agent("StartContainer", container_id=name)
    check_equal(kinds(log).count("Poststart"), 2, "the rest are run")
    check_equal(g.exec_output(name, "echo", "runs")[0], "runs\n")
    g.remove(name)
    check_equal(kinds(log).count("Poststop"), 2, "the rest are run")


def test_hook_that_hangs(g):
    message, _ = with_hooks(g)
    message["Hooks"] = {"Prestart": [{"Path": f"{SHARE}/busybox/bin/busybox", "Args": ["sleep", "1000"], "Timeout": 1}]}
    g.agent.refused("CreateContainer", "DEADLINE_EXCEEDED", container_id=g.new_id(), OCI=g.placed(message))


def test_remove_timeout(g):
    """The host stops waiting, the removal does not stop."""
    let_go = f"{SHARE}/{g.new_id('go')}"
    message, log = with_hooks(g, {"Poststop": f"until $b test -e {let_go}; do $b sleep 0.1; done"})
    name = placed_create(g, message)
    start = time.monotonic()
    g.agent.refused("RemoveContainer", "DEADLINE_EXCEEDED", container_id=name, timeout=1, text="still being removed")
    check(time.monotonic() - start > 0.9, "the timeout of the request")
    g.agent.refused("RemoveContainer", "FAILED_PRECONDITION", container_id=name)
    g.agent.refused("StartContainer", "FAILED_PRECONDITION", container_id=name)
    write(f"{g.share}/{os.path.basename(let_go)}", "")
    until_gone(g, name)
    check_equal(kinds(log)[-2:], ["Poststop"] * 2)
    name = placed_create(g, spec("true"))
    g.agent("RemoveContainer", container_id=name, timeout=60)
    g.agent.refused("RemoveContainer", "NOT_FOUND", container_id=name)


def until_gone(g, name):
    deadline = time.monotonic() + 60
    while True:
        try:
            g.agent("StatsContainer", container_id=name)
        except Status as status:
            if status.code == "NOT_FOUND":
                return
        check(time.monotonic() < deadline, f"{name} does not go")
        time.sleep(0.1)


class HookedLocal(Local):
    """An agent that was told of hooks in its image before they were looked for."""

    def prepare(self):
        for kind in ("prestart", "poststart", "poststop"):
            directory = f"{self.directory}/hooks/{kind}"
            os.makedirs(directory)
            path = f"{directory}/10-note"
            with open(path, "w") as file:
                file.write(f"#!{self.share}/busybox/bin/busybox sh\necho \"$1 $#\" >> {self.share}/guest-hooks\n")
            os.chmod(path, 0o755)
        self.sandbox_fields = {"guest_hook_path": f"{self.directory}/hooks"}


def guest_hooks(build):
    g = HookedLocal(build)
    try:
        message, log = with_hooks(g)
        name = placed_create(g, message)
        check_equal(lines(f"{g.share}/guest-hooks"), ["prestart 1"])
        check_equal(kinds(log)[:2], ["Prestart"] * 2, "those of the specification come first")
        g.agent("StartContainer", container_id=name)
        g.remove(name)
        g.shell("true")
        check_equal(lines(f"{g.share}/guest-hooks"), ["prestart 1", "poststart 1", "poststop 1"] * 2)
    finally:
        g.close()


def bundle_that_cannot_be_written(build):
    """The error names file and step, and nothing is left of the container."""
    g = HookedLocal(build)
    try:
        name = g.new_id()
        os.makedirs(f"{g.run_dir}/{name}/config.json/in-the-way")
        text = g.agent.refused("CreateContainer", "INTERNAL", "INVALID_ARGUMENT", container_id=name,
                               OCI=g.placed(spec("true")))
        check_in(f"bundle '{g.run_dir}/{name}': rename '.config.json.new' to 'config.json'", text)
        check(not os.path.exists(f"{g.run_dir}/{name}"), "the bundle stays")
        check(not os.path.exists(f"{g.share}/guest-hooks"), "hooks ran for a container without a config.json")
        check_equal(g.shell("echo works")[0], "works\n")
    finally:
        g.close()


# Security modules.

def test_apparmor_profiles(g):
    """None is loaded in the guest: the container runs without, whether the kernel has AppArmor or not."""
    message = spec("sh", "-c", "cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current; true")
    message["Process"]["ApparmorProfile"] = "none-such"
    name = placed_create(g, message)
    g.agent("StartContainer", container_id=name)
    check_in(g.read_all(name).split(" ")[0].strip(), ("", "unconfined"))
    check_equal(g.wait(name), 0)
    g.remove(name)


def test_selinux_labels(g):
    message = spec("true")
    message["Process"]["SelinuxLabel"] = "system_u:system_r:container_t:s0"
    message["Linux"]["MountLabel"] = "system_u:object_r:container_file_t:s0"
    message["Process"]["Args"] = ["sleep", "1000"]
    name = placed_create(g, message)
    g.agent("StartContainer", container_id=name)
    check_equal(g.exec_output(name, "true"), ("", "", 0))
    g.remove(name)
    if isinstance(g, Local):  # whose log is at hand
        with open(f"{g.directory}/log") as file:
            warnings = [line for line in file if name in line and "SELinux" in line]
        check_equal(len(warnings), 1, f"{warnings}")
        check_in("container_t:s0' is not applied: the guest's kernel has no SELinux", warnings[0])


# Namespaces.

def run_placed(g, message):
    """(stdout, stderr, exit code)"""
    name = placed_create(g, message)
    g.agent("StartContainer", container_id=name)
    result = (g.read_all(name), g.read_all(name, method="ReadStderr"), g.wait(name))
    g.remove(name)
    return result


def in_user_namespace(message, first=10000):
    message["Linux"]["Namespaces"].append({"Type": "user"})
    message["Linux"]["UIDMappings"] = [{"ContainerID": 0, "HostID": first, "Size": 2000}]
    message["Linux"]["GIDMappings"] = [{"ContainerID": 0, "HostID": 2 * first, "Size": 2000}]
    return message


def test_user_namespace(g):
    message = in_user_namespace(spec("sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /dev/shm/f; "
                                     "stat -c %u:%g /dev/shm/f"))
    # The pod's /dev/shm is the guest's: to its root it belongs to nobody it knows.
    out, err, code = run_placed(g, message)
    check_equal((code, err), (0, ""))
    lines_of = [line.split() for line in out.splitlines()]
    check_equal(lines_of, [["0", "10000", "2000"], ["0", "20000", "2000"], ["0"], ["0:0"]])
    for change in ({"UIDMappings": []}, {"UIDMappings": [{"ContainerID": 0, "HostID": 0, "Size": 0}]},
                   {"GIDMappings": [{"ContainerID": 5, "HostID": 10000, "Size": 5}]}):
        message = in_user_namespace(spec("true"))
        message["Linux"].update(change)
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", container_id=g.new_id(),
                        OCI=g.placed(message))


def test_id_mapped_mounts(g):
    """Owners of a bound tmpfs as the container's user namespace maps them, or an error that names the reason."""
    volume = f"{RUN}/sandbox/shm"
    g.shell("echo > /dev/shm/of-root; chown 7:8 /dev/shm/of-root")
    script = "stat -c %u:%g /mnt/of-root; touch /mnt/mine; stat -c %u:%g /mnt/mine"
    plain = in_user_namespace(spec("sh", "-c", script, mounts=[bind(volume, "/mnt")]))
    check_equal(run_placed(g, plain)[0].splitlines()[0], "65534:65534", "unmapped: nobody's")
    g.shell("rm /dev/shm/mine")
    mapped = in_user_namespace(spec("sh", "-c", script, mounts=[bind(volume, "/mnt", "ridmap")]))
    if tuple(map(int, g.shell("uname -r")[0].split("-")[0].split(".")[:2])) < (6, 3):
        g.agent.refused("CreateContainer", "INTERNAL", "UNIMPLEMENTED", container_id=g.new_id(), OCI=g.placed(mapped),
                        text="no id-mapped mounts of this file system")
    else:
        check_equal(run_placed(g, mapped)[0], "7:8\n0:0\n")
        check_equal(g.shell("stat -c %u:%g /dev/shm/mine")[0], "0:0\n", "on the file system itself")
    g.shell("rm -f /dev/shm/of-root /dev/shm/mine")
    without = spec("true", mounts=[bind(volume, "/mnt", "idmap")])
    g.agent.refused("CreateContainer", "INTERNAL", "INVALID_ARGUMENT", container_id=g.new_id(), OCI=g.placed(without),
                    text="without a user namespace")


# Mounts.

def test_propagation_of_the_root(g):
    for word, tags in (("", ""), ("private", ""), ("rprivate", ""), ("slave", "master"), ("rslave", "master"),
                       ("shared", "shared master"), ("rshared", "shared master"), ("unbindable", "unbindable")):
        message = spec("awk", '$5 == "/"', "/proc/self/mountinfo")
        message["Linux"]["RootfsPropagation"] = word
        line = run_placed(g, message)[0].splitlines()[-1]
        fields = line.split(" - ")[0].split()[6:]
        check_equal(sorted(f.split(":")[0] for f in fields), sorted(tags.split()), f"{word or 'nothing asked for'}")
    message["Linux"]["RootfsPropagation"] = "nonsense"
    g.agent.refused("CreateContainer", "INTERNAL", "INVALID_ARGUMENT", container_id=g.new_id(), OCI=g.placed(message),
                    text="no propagation of a root file system")


def test_shared_mounts(g):
    """A sidecar mounts something after its start; a container that is told of it waits for that, and sees it."""
    label = {"io.kubernetes.cri.container-name": "sidecar"}
    sidecar = g.start("sh", "-c", "sleep 1; mkdir -p /tmp/fs && mount -t tmpfs none /tmp/fs && echo served > /tmp/fs/f; "
                      "exec sleep 100", annotations=label, capabilities=[*CAPABILITIES, "CAP_SYS_ADMIN"],
                      mounts=[{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}])
    mount = {"name": "served", "src_ctr": "sidecar", "src_path": "/tmp/fs", "dst_ctr": "app", "dst_path": "/tmp/in/it"}
    message = spec("sh", "-c", "cat /tmp/in/it/f; grep -c ' /tmp/in/it ' /proc/mounts",
                   mounts=[{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}])
    name = placed_create(g, message, shared_mounts=[mount])
    g.agent("StartContainer", container_id=name)
    check_equal((g.read_all(name), g.read_all(name, method="ReadStderr"), g.wait(name)), ("served\n1\n", "", 0))
    g.remove(name)
    for change, text in (({"dst_path": "relative"}, "no absolute path"),
                         ({"src_path": "/tmp/../x"}, "no absolute path")):
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", container_id=g.new_id(), OCI=g.placed(message),
                        shared_mounts=[{**mount, **change}], text=text)
    g.agent.refused("CreateContainer", "INTERNAL", "DEADLINE_EXCEEDED", container_id=g.new_id(), OCI=g.placed(message),
                    shared_mounts=[{**mount, "src_path": "/tmp/none"}], text="nothing is mounted at '/tmp/none'")
    g.remove(sidecar)


# Volumes that inotify works on.

def watchable(source, name, *options):
    return {"driver": "watchable-bind", "source": source, "fstype": "bind", "options": ["bind", *options],
            "mount_point": f"{SHARE}/watchable/{name}"}


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def until(g, name, script, want, seconds=120):
    deadline = time.monotonic() + seconds
    while (got := g.exec_output(name, "sh", "-c", script)[0]) != want:
        if time.monotonic() > deadline:
            raise Failure(f"{script}: {got!r}, not {want!r} within {seconds} s")
        time.sleep(0.3)


def test_watchable_volume(g):
    """As the kubelet keeps a ConfigMap: a link that is swapped, and a process of the container that is told of it."""
    if not os.path.exists(f"{g.share}/busybox/bin/probe"):
        raise Skip("there is no static probe in this build")
    source = f"{g.share}/{g.new_id('config')}"
    os.makedirs(f"{source}/..1")
    write(f"{source}/..1/key", "old\n")
    os.symlink("..1", f"{source}/..data")
    os.symlink("..data/key", f"{source}/key")
    volume = watchable(f"{SHARE}/{os.path.basename(source)}", "config", "ro")
    message = spec("sh", "-c", "probe watch /mnt > /tmp/events", mounts=[bind(volume["mount_point"], "/mnt", "ro"), {
        "destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}])
    name = placed_create(g, message, storages=[g.placed(volume)])
    g.agent("StartContainer", container_id=name)
    until(g, name, "cat /mnt/key; ls -A /mnt", "old\n..1\n..data\nkey\n")
    os.makedirs(f"{source}/..2")
    write(f"{source}/..2/key", "new\n")
    os.symlink("..2", f"{source}/..data_tmp")
    os.rename(f"{source}/..data_tmp", f"{source}/..data")
    shutil.rmtree(f"{source}/..1")
    until(g, name, "cat /mnt/key; ls -A /mnt", "new\n..2\n..data\nkey\n")
    check_in("..data", g.exec_output(name, "cat", "/tmp/events")[0], "inotify")
    check_in("Read-only", g.exec_output(name, "touch", "/mnt/x")[1])
    g.remove(name)


def test_watchable_file_and_large_ones(g):
    single, large = f"{g.share}/{g.new_id('one')}", f"{g.share}/{g.new_id('large')}"
    write(single, "first\n")
    os.makedirs(large)
    for i in range(17):
        write(f"{large}/{i}", "x\n")
    volumes = [watchable(f"{SHARE}/{os.path.basename(single)}", "single"),
               watchable(f"{SHARE}/{os.path.basename(large)}", "large")]
    message = spec("sleep", "100", mounts=[bind(volumes[0]["mount_point"], "/mnt/f"),
                                           bind(volumes[1]["mount_point"], "/guest")])
    name = placed_create(g, message, storages=[g.placed(v) for v in volumes])
    g.agent("StartContainer", container_id=name)
    check_equal(g.exec_output(name, "cat", "/mnt/f")[0], "first\n")
    write(single, "second, longer\n")
    until(g, name, "cat /mnt/f", "second, longer\n")
    check_in("17", g.exec_output(name, "sh", "-c", "ls /guest | wc -l")[0])
    types = g.exec_output(name, "sh", "-c", "grep -E ' /(mnt/f|guest) ' /proc/mounts | cut -d' ' -f3")[0].split()
    check_equal(types[0], "tmpfs", "a copy")
    check(types[1] != "tmpfs", "17 files are bound as they are")
    g.remove(name)
    bad = watchable(f"{SHARE}/none-such", "bad")
    g.agent.refused("CreateContainer", "INTERNAL", "NOT_FOUND", container_id=g.new_id(), OCI=g.placed(spec("true")),
                    storages=[g.placed(bad)], text="none-such")


def shared_pid_namespace_that_ended(build):
    """The first container lends its pid namespace; when that has ended the error says so, not "no memory"."""
    g = Local(build)
    try:
        first = g.start("sleep", "100")
        second = g.start("sleep", "100", request={"sandbox_pidns": True})
        g.kill(first)
        check_equal(g.wait(first), 137)
        check_equal(g.wait(second), 137, "a pid namespace ends with its first process")
        text = g.agent.refused("CreateContainer", "FAILED_PRECONDITION", container_id=g.new_id(), sandbox_pidns=True,
                               OCI=g.placed(spec("true")))
        check_in(f"has ended with container {first}", text)
        g.remove(first)
        g.agent.refused("CreateContainer", "FAILED_PRECONDITION", container_id=g.new_id(), sandbox_pidns=True,
                        OCI=g.placed(spec("true")), text="was removed")
        check_equal(g.shell("echo alone")[0], "alone\n")
    finally:
        g.close()


own_agent = (guest_hooks, bundle_that_cannot_be_written, shared_pid_namespace_that_ended)  # each with an agent of its own
