# SPDX-License-Identifier: Apache-2.0
"""A guest whose kernel is told to use AppArmor, with profiles of its own: containers and their execs are confined."""

import shutil
import subprocess
import tempfile

from guest import PRIVILEGED, Guest, spec
from report import Skip, check_equal, check_in

# What husk gives a guest's kernel, and apparmor; the last lsm= on a command line counts.
LSM = "landlock,lockdown,yama,loadpin,safesetid,integrity,apparmor,bpf"
RULES = "file, capability, network, signal, ptrace, unix, mount, pivot_root,"
PROFILES = f"""
abi <abi/3.0>,
profile husk-confined flags=(attach_disconnected) {{ {RULES} deny /etc/secret r, }}
profile husk-exec flags=(attach_disconnected) {{ {RULES} deny /etc/other r, }}
"""
LOOK = "cat /proc/self/attr/current; cat /etc/secret; cat /etc/other"


def compiled():
    """As the kernel takes them."""
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not parser:
        raise Skip("there is no apparmor_parser here")
    with tempfile.TemporaryDirectory() as tree:
        with open(f"{tree}/profiles", "w") as file:
            file.write(PROFILES)
        subprocess.run([parser, "--skip-kernel-load", "--skip-cache", "--quiet", "--policy-features",
                        "/etc/apparmor.d/abi/3.0", "--ofile", f"{tree}/binary", f"{tree}/profiles"],
                       check=True, stderr=subprocess.DEVNULL)
        with open(f"{tree}/binary", "rb") as file:
            return file.read()


def boot(build):
    binary = compiled()
    g = Guest(build, config=f'kernel_params = "lsm={LSM}"')
    root = f"{g.share}/busybox"
    for name in ("secret", "other"):
        with open(f"{root}/etc/{name}", "w") as file:
            file.write(f"the {name}\n")
    with open(f"{root}/etc/policy", "wb") as file:
        file.write(binary)
    try:
        load(g)
    except BaseException:
        g.close()
        raise
    return g


def load(g):
    """As a pod that looks after the guest would: any container that may, whatever else is in the image."""
    _, err, code = g.shell("dd if=/etc/policy of=/mnt/apparmor/.replace bs=1M", capabilities=[*PRIVILEGED, "CAP_MAC_ADMIN"],
                           mounts=[{"destination": "/mnt", "type": "securityfs", "source": "securityfs"}])
    check_equal(code, 0, err)


def confined(*args, profile="husk-confined", **fields):
    message = spec(*args)
    message["Process"].update(ApparmorProfile=profile, **fields)
    return message


def run_exec(g, name, **fields):
    return g.exec_output(name, "sh", "-c", LOOK, more=fields)


def check_denied(result, profile, file):
    label, *rest = result[0].splitlines()
    check_equal(label, f"{profile} (enforce)")
    check_equal(rest, [f"the {name}" for name in ("secret", "other") if name != file])
    check_in(f"/etc/{file}': Permission denied", result[1])


def test_apparmor_confines(g):
    check_denied(g.output(message=confined("sh", "-c", LOOK)), "husk-confined", "secret")
    check_denied(g.output(message=confined("sh", "-c", LOOK, NoNewPrivileges=True)), "husk-confined", "secret")
    # Not of this container, though the same image.
    out, err, code = g.shell(LOOK)
    check_equal((out, err, code), ("unconfined\nthe secret\nthe other\n", "", 0))


def test_apparmor_confines_execs(g):
    name = g.start(message=confined("sleep", "1000"))
    check_denied(run_exec(g, name, ApparmorProfile="husk-confined"), "husk-confined", "secret")
    check_denied(run_exec(g, name), "husk-confined", "secret")
    check_denied(run_exec(g, name, ApparmorProfile="husk-exec"), "husk-exec", "other")
    g.kill(name, 15)
    check_equal(g.wait(name), 143, "a signal of the agent's, that is of nobody confined")
    g.remove(name)


def test_apparmor_profile_that_is_not_loaded(g):
    out, err, code = g.output(message=confined("sh", "-c", LOOK, profile="none-such"))
    check_equal((out, err, code), ("unconfined\nthe secret\nthe other\n", "", 0))

