# SPDX-License-Identifier: Apache-2.0
"""Images that try to lead the agent out of their root. Each either cannot be run, with an error that says
why, or runs with what it asked for inside its own root; the guest outside is as before."""

import json
import os

from guest import PRIVILEGED, RUN, SHARE, Status, bind, process, spec
from report import Failure, check, check_equal, check_in

TRAP = f"{RUN}/trap"  # in the guest, outside of every root
SECRET = "what nobody may read"
LOOK = f"""
cd /guest{TRAP}; find . -exec stat -c '%n %F %a %u:%g %s %Y %Z' {{}} + | sort; cat secret
sed 's/^[0-9]* [0-9]* [^ ]* //' /guest/proc/1/mountinfo | cut -d' ' -f1,2 | grep -v ' /run/kata-containers/c[0-9]'
ls -A /guest/proc/1/root/ /guest/proc/1/root/etc /guest/run
"""

# In the image, what each link of its leads to; then what is asked of the agent. `refused`: words of the error;
# without, it must run.
IMAGES = [
    {"name": "proc is the root", "links": {"proc": "/"}, "refused": "ordinary directory"},
    {"name": "proc leads out", "links": {"proc": "../../../../proc"}, "refused": "ordinary directory"},
    {"name": "proc is the trap", "links": {"proc": TRAP}, "refused": "ordinary directory"},
    {"name": "sys is etc", "links": {"sys": "/etc"}, "refused": "ordinary directory"},
    {"name": "dev is the trap", "links": {"dev": TRAP}},
    {"name": "dev leads out", "links": {"dev": f"../../../../..{TRAP}"}},
    {"name": "dev is the root", "links": {"dev": "/"}, "refused": "the root itself"},
    {"name": "a mount on the trap", "links": {"data": TRAP}, "mount": "/data"},
    {"name": "a mount on the trap by dots", "links": {"data": f"../../../../../../..{TRAP}"}, "mount": "/data"},
    {"name": "a mount below the trap", "links": {"data": TRAP}, "mount": "/data/below"},
    {"name": "a mount by a chain of links", "links": {"data": "one/two", "one": "/", "two": TRAP}, "mount": "/data"},
    {"name": "a mount on the root", "links": {"data": ".."}, "mount": "/data", "refused": "the root itself"},
    {"name": "a mount through a magic link", "links": {"data": f"/proc/1/root{TRAP}"}, "mount": "/data/x",
     "refused": "/data/x"},
    {"name": "a mount through a descriptor", "links": {"data": "/proc/self/fd/3"}, "mount": "/data",
     "refused": "/data"},
    {"name": "a mount with dots", "links": {}, "mount": f"/tmp/../..{TRAP}", "refused": "'..'"},
    {"name": "a mount below proc", "links": {}, "mount": "/proc/sys/kernel", "refused": "nothing may be mounted"},
    {"name": "a tmpfs that copies what is there", "links": {"data": TRAP}, "mount": "/data",
     "kind": {"type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}},
    {"name": "cwd is the trap", "links": {"desk": TRAP}, "cwd": "/desk"},
    {"name": "cwd leads out", "links": {"desk": f"../../../../..{TRAP}"}, "cwd": "/desk"},
    {"name": "cwd below a magic link", "links": {"desk": "/proc/1/root"}, "cwd": f"/desk{TRAP}", "refused": "/desk"},
    {"name": "cwd by a descriptor", "links": {"desk": "/proc/self/fd"}, "cwd": "/desk/4", "refused": "/desk/4"},
    {"name": "passwd is the secret", "links": {"etc/passwd": f"{TRAP}/secret"}, "user": "nobody", "refused": "nobody"},
    {"name": "a masked path is the trap", "links": {"masked": TRAP}},
    {"name": "a read-only path is the trap", "links": {"readonly": TRAP}},
    {"name": "the program is the guest's", "links": {"bin/sh": "/sbin/husk-agent"}, "refused": "/bin/sh"},
    {"name": "the program leads out", "links": {"bin/sh": "../../../../../sbin/husk-agent"}, "refused": "/bin/sh"},
    {"name": "a link to itself", "links": {"data": "data"}, "mount": "/data/x", "refused": "/data/x"},
]


def make_image(g, image, index):
    root = f"{g.share}/hostile{index}"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        os.makedirs(f"{root}/{name}")
    os.link(f"{g.share}/busybox/bin/busybox", f"{root}/bin/busybox")
    for applet in ("sh", "ls", "cat", "pwd", "find"):
        os.symlink("busybox", f"{root}/bin/{applet}")
    for place, target in image["links"].items():
        if os.path.islink(f"{root}/{place}"):
            os.unlink(f"{root}/{place}")
        elif os.path.isdir(f"{root}/{place}"):
            os.rmdir(f"{root}/{place}")
        os.symlink(target, f"{root}/{place}")
    return f"{SHARE}/hostile{index}"


def message(image, root):
    mounts = []
    if "mount" in image:
        kind = image.get("kind", {"type": "bind", "source": f"{SHARE}/busybox/tmp", "options": ["rbind"]})
        mounts = [{"destination": image["mount"], **kind}]
    script = f"pwd; echo x > /written; echo x > {TRAP}/secret; cat {TRAP}/secret data/secret secret masked/secret; find {TRAP}"
    oci = spec("/bin/sh", "-c", script, root=root, mounts=mounts, cwd=image.get("cwd", "/"))
    oci["Linux"]["MaskedPaths"] = ["/masked"]
    oci["Linux"]["ReadonlyPaths"] = ["/readonly"]
    if "user" in image:
        oci["Process"]["User"] = {"Username": image["user"]}
    return oci


def try_image(g, image, index):
    name = g.new_id()
    try:
        g.agent("CreateContainer", container_id=name, OCI=message(image, make_image(g, image, index)))
        g.agent("StartContainer", container_id=name)
    except Status as status:
        check("refused" in image, f"refused: {status}")
        check_in(image["refused"], status.text)
        return
    out = g.read_all(name) + g.read_all(name, method="ReadStderr")
    g.wait(name)
    g.remove(name)
    check("refused" not in image, f"it ran: {out}")
    check(SECRET not in out, f"the secret is out: {out}")


def watcher(g):
    """A container that sees the guest, to look from often."""
    lay_trap(g)
    name = g.start("sleep", "10000", capabilities=PRIVILEGED, mounts=[
        bind("/proc", "/guest/proc"), bind("/run", "/guest/run")])

    def look():
        out, err, code = g.exec_output(name, "sh", "-c", LOOK, capabilities=PRIVILEGED)
        check_equal(code, 0, err)
        return out

    return name, look


def lay_trap(g):
    g.look(f"mkdir -p /guest{TRAP}/below && echo '{SECRET}' > /guest{TRAP}/secret && chmod -R 700 /guest{TRAP}")


def test_hostile_images(g):
    watch, look = watcher(g)
    before = look()
    check_in(SECRET, before)
    for index, image in enumerate(IMAGES):
        try:
            try_image(g, image, index)
            check_equal(look(), before)
        except Failure as failure:
            raise Failure(f"{image['name']}: {failure}") from None
    g.remove(watch)


def test_hostile_containers(g):
    """A container that runs changes what later calls go through."""
    lay_trap(g)
    before = g.look(LOOK)
    name = g.start("sleep", "1000")

    def change(script):
        check_equal(g.exec_output(name, "/bin/busybox", "sh", "-c", script)[2], 0, script)

    change(f"/bin/busybox mkdir /tmp/desk; cd /tmp; /bin/busybox rmdir desk; /bin/busybox ln -s {TRAP} desk")
    g.agent.refused("ExecProcess", "INTERNAL", "NOT_FOUND", container_id=name, exec_id="e1",
                    process=process("pwd", cwd="/tmp/desk"))
    change("/bin/busybox ln -sfn /proc/1/root/.. /tmp/desk")
    out, _, _ = g.exec_output(name, "ls", "/tmp/desk")
    check("trap" not in out, out)
    change(f"/bin/busybox ln -sf {TRAP}/secret /etc/passwd")
    user = process("id")
    user["User"] = {"Username": "nobody"}
    g.agent.refused("ExecProcess", "INTERNAL", "NOT_FOUND", "INVALID_ARGUMENT", container_id=name, exec_id="e2",
                    process=user, text="nobody")
    change("/bin/busybox ln -sf /sbin/husk-agent /bin/program")
    g.agent.refused("ExecProcess", "INTERNAL", "NOT_FOUND", container_id=name, exec_id="e3",
                    process=process("/bin/program"))
    g.remove(name)
    with open(f"{g.share}/busybox/etc/passwd.new", "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n")
    os.replace(f"{g.share}/busybox/etc/passwd.new", f"{g.share}/busybox/etc/passwd")
    for link in ("bin/program", "tmp/desk"):
        os.unlink(f"{g.share}/busybox/{link}")
    check_equal(g.look(LOOK), before)


def test_hostile_roots(g):
    """The root itself, and what a host's path to a volume goes through."""
    lay_trap(g)
    before = g.look(LOOK)
    os.symlink("/", f"{g.share}/rootlink")
    os.symlink(TRAP, f"{g.share}/volumelink")
    refusals = ("INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND", "FAILED_PRECONDITION")
    for root in (f"{SHARE}/rootlink", f"{SHARE}/volumelink", "/proc/1/root"):
        g.agent.refused("CreateContainer", *refusals, container_id=g.new_id(), OCI=spec("/bin/sh", root=root),
                        text=f"root file system: open '{root}'")
    g.agent.refused("CreateContainer", "INVALID_ARGUMENT", container_id=g.new_id(), text="without '..'",
                    OCI=spec("/bin/sh", root=f"{SHARE}/../../../.."))
    for volume in (f"{SHARE}/volumelink", f"{SHARE}/rootlink{TRAP}"):
        g.agent.refused("CreateContainer", *refusals, container_id=g.new_id(), text=f"open '{volume}'",
                        OCI=spec("true", mounts=[bind(volume, "/mnt")]))
    check_equal(g.look(LOOK), before)


# What a container that runs has put where storages of later ones are to be mounted, or taken from; each leads out.
STORAGES = [
    {"driver": "ephemeral", "source": "tmpfs", "fstype": "tmpfs", "mount_point": "{link}"},
    {"driver": "ephemeral", "source": "tmpfs", "fstype": "tmpfs", "mount_point": "{link}/below"},
    {"driver": "ephemeral", "source": "tmpfs", "fstype": "tmpfs", "mount_point": "{link}/new", "options": ["fsgid=1234"]},
    {"driver": "local", "mount_point": "{link}", "options": ["mode=0777", "fsgid=1234"]},
    {"driver": "local", "mount_point": "{link}/new", "options": ["mode=0777"]},
    {"driver": "bind", "source": "{share}/busybox/tmp", "mount_point": "{link}"},
    {"driver": "bind", "source": "{share}/busybox/etc/passwd", "mount_point": "{link}/secret"},
    {"driver": "bind", "source": "{link}", "mount_point": "{share}/taken"},
    {"driver": "bind", "source": "{link}/secret", "mount_point": "{share}/taken"},
    {"driver": "watchable-bind", "source": "{share}/busybox/etc", "mount_point": "{link}/below"},
    {"driver": "watchable-bind", "source": "{link}", "mount_point": "{share}/taken"},
    {"driver": "watchable-bind", "source": "{link}/secret", "mount_point": "{share}/taken"},
    {"driver": "overlayfs", "source": "overlay", "options": ["lowerdir={share}/busybox/etc:{share}/busybox/tmp"],
     "mount_point": "{link}/below"},
    {"driver": "overlayfs", "source": "overlay", "options": ["lowerdir={link}:{share}/busybox/tmp"],
     "mount_point": "{share}/taken"},
    {"driver": "overlayfs", "source": "overlay", "mount_point": "{share}/taken", "options": [
        "lowerdir={share}/busybox/etc", "upperdir={link}/below", "workdir={share}/busybox/tmp"]},
    {"driver": "overlayfs", "source": "overlay", "options": ["lowerdir={share}/busybox/etc:{share}/busybox/tmp"],
     "driver_options": ["io.katacontainers.volume.overlayfs.create_directory={link}/new"],
     "mount_point": "{share}/taken"},
    {"driver": "virtio-fs", "source": "kataShared", "fstype": "virtiofs", "mount_point": "{link}/below"},
]


def test_hostile_storages(g):
    """A link in the share, or on a volume: no storage is mounted where it leads, or taken from there."""
    watch, look = watcher(g)
    os.makedirs(f"{g.share}/trapped/data")
    os.symlink(TRAP, f"{g.share}/trapped/link")
    os.symlink(f"../../../../../..{TRAP}", f"{g.share}/trapped/data/link")
    volume = f"{RUN}/sandbox/storage/volume"
    g.agent("CreateContainer", container_id="volumes", OCI=spec("sleep", "1000", mounts=[bind(volume, "/mnt")]),
            storages=[{"driver": "ephemeral", "source": "tmpfs", "fstype": "tmpfs", "mount_point": volume}])
    g.agent("StartContainer", container_id="volumes")
    check_equal(g.exec_output("volumes", "ln", "-s", TRAP, "/mnt/link")[2], 0)
    before = look()
    for link in (f"{SHARE}/trapped/link", f"{SHARE}/trapped/data/link", f"{volume}/link"):
        for storage in STORAGES:
            words = json.loads(json.dumps(storage).replace("{link}", link).replace("{share}", SHARE))
            try:
                g.agent.refused("CreateContainer", "INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND", "FAILED_PRECONDITION",
                                container_id=g.new_id(), storages=[words], OCI=spec("true"), text=link)
            except Failure as failure:
                raise Failure(f"{words}: {failure}") from None
        for method, fields in (("GetVolumeStats", {"volume_guest_path": link}),
                               ("ResizeVolume", {"volume_guest_path": link, "size": 1}),
                               ("AddSwapPath", {"path": f"{link}/secret"}),
                               ("UpdateEphemeralMounts", {"storages": [STORAGES[0] | {"mount_point": link}]})):
            g.agent.refused(method, "INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND", text=link, **fields)
        check_equal(look(), before, link)
    g.remove("volumes")
    g.remove(watch)


def test_hostile_end_of_storages(g):
    """Where a storage is mounted, its directory is exchanged for a link: what the link leads to stays mounted."""
    lay_trap(g)
    place = f"{SHARE}/busybox/mnt/own/volume"
    storage = {"driver": "bind", "source": f"{SHARE}/busybox/tmp", "mount_point": place}
    g.agent("CreateContainer", container_id="owner", OCI=spec("sleep", "1000"), storages=[storage])
    target = f"{RUN}/sandbox/mounted/volume"
    g.agent("CreateContainer", container_id="victim", OCI=spec("sleep", "1000", mounts=[bind(target, "/mnt")]),
            storages=[{"driver": "bind", "source": f"{SHARE}/busybox/etc", "mount_point": target}])
    mounted = "grep -c ' /run/kata-containers/sandbox/mounted/volume ' /guest/proc/1/mountinfo"
    check_equal(g.look(mounted).strip(), "1")
    os.rename(f"{g.share}/busybox/mnt/own", f"{g.share}/busybox/mnt/moved")
    os.symlink(f"{RUN}/sandbox/mounted", f"{g.share}/busybox/mnt/own")
    g.remove("owner")
    check_equal(g.look(mounted).strip(), "1", "the mount of another container")
    g.remove("victim")
    os.unlink(f"{g.share}/busybox/mnt/own")
