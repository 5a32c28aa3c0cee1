# SPDX-License-Identifier: Apache-2.0
"""A guest whose kernel enforces a SELinux policy of ours: labels of containers, of their execs and of their mounts."""

import os
import shutil
import subprocess
import tempfile

from guest import PRIVILEGED, Guest, process, spec
from report import Skip, check_equal, check_in

# What husk gives a guest's kernel, and selinux; the last lsm= on a command line counts.
LSM = "landlock,lockdown,yama,loadpin,safesetid,integrity,selinux,bpf"
POLICY = f"{os.path.dirname(os.path.abspath(__file__))}/selinux.conf"

# With categories, whose comma must not end a mount option.
CONTAINER = "husk_u:husk_r:husk_container_t:s0:c0,c1"
OTHER_CATEGORY = "husk_u:husk_r:husk_container_t:s0:c0,c2"
OTHER_TYPE = "husk_u:husk_r:husk_exec_t:s0:c0,c1"
DATA = "husk_u:object_r:husk_data_t:s0:c0,c1"
GUEST = "husk_u:husk_r:husk_guest_t:s0-s0:c0.c2"
UNKNOWN = "system_u:system_r:none_such_t:s0"

LABEL = "tr -d '\\0' < /proc/self/attr/current; echo"
LOOK = f"{LABEL}; cat /mnt/data"
TMPFS = {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}
QUEUES = {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"}


def compiled():
    """As the kernel takes it."""
    compiler = shutil.which("checkpolicy", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not compiler:
        raise Skip("there is no checkpolicy here")
    with tempfile.TemporaryDirectory() as tree:
        subprocess.run([compiler, "-M", "-U", "allow", "-o", f"{tree}/policy", POLICY], check=True)
        with open(f"{tree}/policy", "rb") as file:
            return file.read()


def boot(build):
    binary = compiled()
    g = Guest(build, config=f'kernel_params = "lsm={LSM} enforcing=1"')
    with open(f"{g.share}/busybox/etc/policy", "wb") as file:
        file.write(binary)
    try:
        load(g)
    except BaseException:
        g.close()
        raise
    return g


def load(g):
    """As a pod that looks after the guest would. One write has to bring the whole policy."""
    out, err, code = g.shell("dd if=/etc/policy of=/mnt/load bs=1M; cat /mnt/enforce", capabilities=PRIVILEGED,
                             mounts=[{"destination": "/mnt", "type": "selinuxfs", "source": "selinuxfs"}])
    check_equal((out, code), ("1", 0), err)


def labelled(*args, label=CONTAINER, mount_label="", mounts=(), **fields):
    message = spec(*args, mounts=mounts)
    message["Process"].update(SelinuxLabel=label, **fields)
    message["Linux"]["MountLabel"] = mount_label
    return message


def run_exec(g, name, script, **fields):
    return g.exec_output(name, "sh", "-c", script, more=fields)[:2]


def test_selinux_label_of_a_container(g):
    for label in (CONTAINER, OTHER_TYPE):
        check_equal(g.output(message=labelled("sh", "-c", LABEL, label=label)), (f"{label}\n", "", 0))
    check_equal(g.output(message=labelled("sh", "-c", LABEL, NoNewPrivileges=True)), (f"{CONTAINER}\n", "", 0))
    check_equal(g.shell(LABEL), (f"{GUEST}\n", "", 0), "none asked for: the agent's")


def test_selinux_label_of_an_exec(g):
    """And that it is enforced: another type or another category may not read what the container wrote."""
    name = g.start(message=labelled("sleep", "1000", mount_label=DATA, mounts=[TMPFS]))
    check_equal(run_exec(g, name, "echo the data > /mnt/data"), ("", ""))
    check_equal(run_exec(g, name, LOOK), (f"{CONTAINER}\nthe data\n", ""), "none of its own: the container's")
    check_equal(run_exec(g, name, LOOK, SelinuxLabel=CONTAINER), (f"{CONTAINER}\nthe data\n", ""))
    for label in (OTHER_TYPE, OTHER_CATEGORY):
        out, err = run_exec(g, name, LOOK, SelinuxLabel=label)
        check_equal(out, f"{label}\n")
        check_in("/mnt/data': Permission denied", err)
    text = g.agent.refused("ExecProcess", "INVALID_ARGUMENT", container_id=name, exec_id="unknown", text=UNKNOWN,
                           process={**process("true"), "SelinuxLabel": UNKNOWN})
    check_in("SELinux label", text)
    g.kill(name, 15)
    check_equal(g.wait(name), 143, "a signal of the agent's")
    g.remove(name)


def test_selinux_label_of_mounts(g):
    """New file systems have it, those of the guest keep theirs."""
    message = labelled("cat", "/proc/mounts", mount_label=DATA, mounts=[TMPFS, QUEUES])
    message["Linux"]["MaskedPaths"] = ["/root"]
    out, err, code = g.output(message=message)
    check_equal((err, code), ("", 0))
    options = {line.split()[1]: line.split()[3] for line in out.splitlines()}
    for path in ("/mnt", "/dev", "/dev/pts", "/root"):
        check_in(f'context="{DATA}"', options[path], path)
    for path in ("/", "/proc", "/sys", "/dev/shm", "/dev/mqueue"):
        check_equal("context=" in options[path], False, f"{path}: {options[path]}")
    message["Linux"]["MountLabel"] = ""
    check_equal("context=" in g.output(message=message)[0], False)


def test_selinux_unknown_labels(g):
    """Refused before anything runs: a container must not be less confined than it says."""
    for message in (labelled("true", label=UNKNOWN), labelled("true", label="no label"),
                    labelled("true", mount_label=UNKNOWN, mounts=[TMPFS])):
        label = message["Linux"]["MountLabel"] or message["Process"]["SelinuxLabel"]
        g.agent.refused("CreateContainer", "INVALID_ARGUMENT", container_id=g.new_id(), OCI=message, text=label)
