# SPDX-License-Identifier: Apache-2.0
"""The same OCI specs under runc on this host and under the agent in the guest: a probe says what a process
finds itself to be, and every difference has its reason below."""

import copy
import json
import os
import re
import shutil
import subprocess
import tempfile

from guest import SHARE
from report import Failure, Skip, check_equal

# (spec, place, reason): regular expressions for the name of the spec and the place in the probe's answer.
EXPLAINED = [
    (".*", r"namespaces\.net", "containers of a pod use the guest's network; hosts remove the namespace"),
    (".*", r"mounts\./sys/fs/cgroup.*", "the host may have cgroup v1, the guest has v2: other files, other options"),
    (".*", r"mounts\..*\.options\.inode(32|64)", "of tmpfs; depends on the kernel's configuration"),
    (".*", r"paths\./proc/(kcore|sysrq-trigger|keys|scsi|acpi|fs|irq|bus)",
     "a host that is a container itself may lack them"),
    (".*", r"hostname", "containers of a pod share its UTS namespace, with the name from CreateSandbox"),
    (".*", r"label", "the host's security module and the guest's are configured apart"),
    (".*", r"limits\.(6|11)", "processes and pending signals: where a spec says nothing, by the size of the memory"),
    (".*", r"mounts\./\.(type|options\..*)",
     "the root is on virtio-fs in the guest; how it is written to, paths./ says"),
    (".*", r"mounts\./(proc|mnt)/[a-z_-]*\.(type|options\.(nr_inodes|size|mode)=.*|options\.(relatime|nosuid|rw))",
     "what hides a file is the guest's /dev/null on devtmpfs, not the container's on tmpfs"),
    (".*", r"mounts\./(sys|proc|mnt)/[a-z_-]*\.options\.(nodev|noexec|nosuid)",
     "the empty directory that hides another is mounted more strictly"),
    (".*", r"mounts\./proc/(acpi|kcore|sysrq-trigger|scsi)\..*", "a host that is a container itself may lack them"),
    ("mounts", r"mounts\./mnt/a2\.(type|options\.(discard|res.*))", "a path of the root, as above"),
    ("mounts", r"mounts\./mnt/a2/deep/er\.options\.r[ow]",
     "runc leaves what is mounted below a read-only path writable; the agent does not"),
    ("user_namespace", r"mounts\./dev/[a-z]*\.options\.(nosuid|(size|nr_inodes)=.*)",
     "device nodes are bound from a devtmpfs that is as large as the machine's memory allows"),
    ("slave", "slave mounts", "the agent gives the root a mount to be the slave of, a host's may be private"),
    (".*", r"calls\.kexec_load", "a kernel may be built without it"),
    (".*", r"paths\./sys/kernel", "a host that is a container itself may have mounted sysfs read-only"),
]

CAPABILITIES = (  # by their numbers, linux/capability.h
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()


def all_capabilities():
    """Those that this host can give away: in a container of its own it may lack some."""
    with open("/proc/self/status") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm"))
    return [f"CAP_{name}" for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1]


def sets(names, *which):
    return {which_one: names for which_one in which or ("bounding", "effective", "permitted")}


def base():
    """What `runc spec` makes where there are cgroups of version 2, for the probe, with a /tmp of its own on both sides."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["runc", "spec"], cwd=directory, check=True)
        with open(f"{directory}/config.json") as file:
            spec = json.load(file)
    spec["process"].update(terminal=False, args=["/bin/probe"])
    if {"type": "cgroup"} not in spec["linux"]["namespaces"]:
        spec["linux"]["namespaces"].append({"type": "cgroup"})
    spec["root"] = {"path": "rootfs", "readonly": True}
    spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                           "options": ["nosuid", "mode=1777"]})
    return spec


def plain(spec):
    return spec


def unprivileged(spec):
    spec["process"].update(user={"uid": 1000, "gid": 1001, "additionalGids": [5, 1002, 7]}, noNewPrivileges=True,
                           capabilities=sets([]), cwd="/tmp")


def ambient(spec):
    names = ["CAP_NET_RAW", "CAP_CHOWN"]
    spec["process"].update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=False, capabilities=sets(
        names, "bounding", "effective", "permitted", "inheritable", "ambient"))


def bounding_only(spec):
    spec["process"].update(user={"uid": 0, "gid": 0}, noNewPrivileges=False, capabilities={
        "bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_KILL"], "effective": []})


def privileged(spec):
    spec["process"].update(noNewPrivileges=False, capabilities=sets(all_capabilities()))
    spec["root"]["readonly"] = False
    spec["linux"].update(maskedPaths=[], readonlyPaths=[])


def limits(spec):
    spec["process"].update(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                                    {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                                    {"type": "RLIMIT_NPROC", "soft": 1000, "hard": 2000},
                                    {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 1 << 22}],
                           oomScoreAdj=100, env=["A=1", "EMPTY=", "PATH=/bin", "A=2"])


def mounts(spec):
    spec["root"]["readonly"] = False
    spec["mounts"] += [
        {"destination": "/mnt/a", "type": "tmpfs", "source": "tmpfs",
         "options": ["ro", "noexec", "nosuid", "nodev", "size=64k"]},
        {"destination": "/mnt/b", "type": "bind", "source": "/proc/sys/kernel", "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/mnt/c", "type": "bind", "source": "/dev", "options": ["bind", "noexec"]},
        {"destination": "/mnt/a2/deep/er", "type": "tmpfs", "source": "tmpfs",
         "options": ["noatime", "mode=700", "nodiratime"]}]
    spec["linux"].update(maskedPaths=["/mnt/a", "/proc/keys", "/proc/scsi", "/sys/firmware", "/none/such"],
                         readonlyPaths=["/proc/sys", "/mnt/a2", "/none/such"])


def seccomp(spec):
    spec["process"]["noNewPrivileges"] = True
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["getcpu"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["keyctl", "none_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22,
         "args": [{"index": 0, "value": 0xffffffff, "op": "SCMP_CMP_EQ"}]},
        {"names": ["setpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30,
         "args": [{"index": 0, "value": 7, "op": "SCMP_CMP_GE"}]}],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]}


def seccomp_without_nnp(spec):
    seccomp(spec)
    spec["process"].update(noNewPrivileges=False, capabilities=sets(all_capabilities()))


def devices(spec):
    spec["process"].update(noNewPrivileges=False, capabilities=sets(all_capabilities()))
    spec["linux"]["devices"] = [{"path": "/dev/test", "type": "c", "major": 1, "minor": 11, "fileMode": 0o640,
                                 "uid": 5, "gid": 6},
                                {"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o600}]
    spec["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}


def sysctls(spec):
    spec["hostname"] = "conformance"
    spec["linux"]["sysctl"] = {"kernel.shm_rmid_forced": "1", "net.ipv4.ip_unprivileged_port_start": "80"}
    spec["linux"]["rootfsPropagation"] = "private"


def slave(spec):
    spec["linux"]["rootfsPropagation"] = "rslave"


def user_namespace(spec):
    spec["linux"]["namespaces"].append({"type": "user"})
    spec["linux"].update(uidMappings=[{"containerID": 0, "hostID": 10000, "size": 5000}],
                         gidMappings=[{"containerID": 0, "hostID": 20000, "size": 5000}])


SPECS = (plain, unprivileged, ambient, bounding_only, privileged, limits, mounts, seccomp, seccomp_without_nnp,
         devices, slave, user_namespace,
         sysctls)  # last: the pod's ipc and network namespaces keep what it sets


def under_runc(g, name, spec):
    bundle = f"{g.directory}/bundle-{name}"
    shutil.copytree(f"{g.share}/busybox", f"{bundle}/rootfs", symlinks=True)
    os.chmod(g.directory, 0o711)  # for the root of a user namespace
    with open(f"{bundle}/config.json", "w") as file:
        json.dump(spec, file)
    done = subprocess.run(["runc", "run", "--bundle", bundle, f"husk-{os.getpid()}-{name}"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"runc: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def under_agent(g, name, spec):
    """The spec as a host of the agent sends it."""
    config = f"{g.directory}/{name}.json"
    with open(config, "w") as file:
        json.dump(spec, file)
    done = subprocess.run([g.agentctl, "--spec", config], stdout=subprocess.PIPE, check=True)
    message = json.loads(done.stdout)
    shutil.copytree(f"{g.share}/busybox", f"{g.share}/{name}", symlinks=True)
    message["Root"]["Path"] = f"{SHARE}/{name}"
    kept = [n for n in message["Linux"]["Namespaces"] if n["Type"] not in ("pid", "network")]
    message["Linux"]["Namespaces"] = kept
    container = g.new_id(name)
    g.agent("CreateContainer", container_id=container, OCI=message)
    g.agent("StartContainer", container_id=container)
    out, err, code = g.read_all(container), g.read_all(container, "", "ReadStderr"), g.wait(container)
    g.remove(container)
    check_equal(code, 0, err)
    return json.loads(out)


def flat(value, place=""):
    """{place: scalar}, mounts by destination."""
    if place == "mounts":
        value = {entry[0]: {"type": entry[1], "options": {o: True for o in entry[2].split(",")}} for entry in value}
    if place == "limits":
        value = dict(enumerate(value))
    if isinstance(value, dict):
        return {p: v for k, item in value.items() for p, v in flat(item, f"{place}.{k}".lstrip(".")).items()}
    return {place: value}


def relative(namespaces, outside):
    return {name: "joined" if link == outside[name] else "new" for name, link in namespaces.items()}


def compare(g, make):
    if not shutil.which("runc"):
        raise Skip("there is no runc to compare with")
    if not os.path.exists(f"{g.share}/busybox/bin/probe"):
        raise Skip("there is no static probe in this build")
    name = make.__name__.replace("_", "-")
    spec = base()
    make(spec)
    theirs, ours = under_runc(g, name, copy.deepcopy(spec)), under_agent(g, name, copy.deepcopy(spec))
    links = {n: os.readlink(f"/proc/self/ns/{n}") for n in theirs["namespaces"]}
    agent = g.look("for n in " + " ".join(links) + "; do readlink /guest/proc/1/ns/$n; done").split()
    theirs["namespaces"] = relative(theirs["namespaces"], links)
    ours["namespaces"] = relative(ours["namespaces"], dict(zip(links, agent)))
    theirs, ours = flat(theirs), flat(ours)
    wrong = []
    for place in sorted(set(theirs) | set(ours)):
        values = theirs.get(place, "-"), ours.get(place, "-")
        if values[0] == values[1]:
            continue
        if any(re.fullmatch(s, make.__name__) and re.fullmatch(p, place) for s, p, _ in EXPLAINED):
            continue
        wrong.append(f"{place}: runc {values[0]!r}, agent {values[1]!r}")
    if wrong:
        raise Failure("\n".join(wrong))


def _test(make):
    def test(g):
        compare(g, make)
    test.__name__ = f"test_conformance_{make.__name__}"
    return test


for _spec in SPECS:
    globals()[f"test_{_spec.__name__}"] = _test(_spec)


HOOK_KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def hooked(log, busybox, log_inside):
    """A spec whose hooks and program note themselves; paths of startContainer hooks are the container's."""
    result = base()
    result["process"]["args"] = ["/bin/sh", "-c", f"echo program - >> {log_inside}"]
    result["hooks"] = {}
    for kind in HOOK_KINDS:
        inside = kind == "startContainer"
        script = (f"b={'/bin/busybox' if inside else busybox}; s=$($b cat); s=${{s#*status\\\":\\\"}}; "
                  f"echo {kind} ${{s%%\\\"*}} >> {log_inside if inside else log}")
        result["hooks"][kind] = [{"path": "/bin/busybox" if inside else busybox, "args": ["sh", "-c", script]}]
    return result


def test_conformance_hooks(g):
    """The order of hooks and the status that each is told; createRuntime hooks are the host's."""
    if not shutil.which("runc"):
        raise Skip("there is no runc to compare with")
    noted = {}
    for side, share in (("runc", g.share), ("agent", SHARE)):
        file = g.new_id(f"hooks-{side}")
        open(f"{g.share}/{file}", "w").close()
        spec = hooked(f"{share}/{file}", f"{share}/busybox/bin/busybox", f"/mnt/{file}")
        spec["mounts"].append({"destination": "/mnt", "type": "bind", "source": share, "options": ["rbind"]})
        spec["process"]["args"][2] += "; echo {}"  # as the probe, whose answer is JSON
        (under_runc if side == "runc" else under_agent)(g, "hooks", spec)
        with open(f"{g.share}/{file}") as opened:
            noted[side] = [line.split() for line in opened]
    # A poststart hook runs beside the program: which of them is first is chance.
    ours, theirs = ([n for n in noted[side] if n[0] not in ("poststart", "createRuntime")] for side in ("agent", "runc"))
    check_equal(ours, theirs, "agent, runc")
    # Its state is "running" by the specification, runc looks before it has let the process go.
    check_equal([n for n in noted["agent"] if n[0] == "poststart"], [["poststart", "running"]])
    check_equal([n[0] for n in noted["runc"] if n[0] == "poststart"], ["poststart"])
