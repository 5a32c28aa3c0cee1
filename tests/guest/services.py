# SPDX-License-Identifier: Apache-2.0
"""The sandbox, the guest, its network, files and storages: every call about them."""

import os
import time

import prometheus
from guest import RUN, SHARE, bind, spec, to_bytes
from report import check, check_equal, check_in

S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK = 0o100000, 0o040000, 0o120000, 0o060000
REFUSALS = ("INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND", "PERMISSION_DENIED")


# The sandbox.

def test_second_sandbox(g):
    g.agent.refused("CreateSandbox", "FAILED_PRECONDITION", "ALREADY_EXISTS", "INTERNAL", hostname="other")
    check_equal(g.shell("hostname")[0], "guest\n")


def test_unimplemented_by_design(g):
    g.agent.refused("SetPolicy", "NOT_FOUND", "UNIMPLEMENTED", policy="package agent_policy")
    for method in ("MemAgentMemcgSet", "MemAgentCompactSet"):
        g.agent.refused(method, "INTERNAL", "FAILED_PRECONDITION", "UNIMPLEMENTED", disabled=True)
    g.agent.refused("ResizeVolume", "UNIMPLEMENTED", "INTERNAL", volume_guest_path="/run", size=1 << 20)


def test_refresh_of_share_mounts(g):
    check_equal(g.agent.needs("RemoveStaleVirtiofsShareMounts"), {})


# The guest.

def test_guest_details(g):
    details = g.agent("GetGuestDetails", mem_block_size=True, mem_hotplug_probe=True)
    check(details["agent_details"]["init_daemon"], "the agent is process 1")
    check_in("virtio-fs", details["agent_details"]["storage_handlers"])
    check_in("seccomp", details["agent_details"]["extra_features"])
    check_equal(details["agent_details"]["extra_features"], sorted(details["agent_details"]["extra_features"]))
    bare = g.agent("GetGuestDetails")
    check("mem_block_size_bytes" not in bare, "was not asked for")


def test_clock(g):
    g.agent("SetGuestDateTime", Sec=1700000000, Usec=5)
    check(1700000000 <= int(g.shell("date +%s")[0]) < 1700000100, "the clock was set")
    g.agent.refused("SetGuestDateTime", *REFUSALS, Sec=-1, Usec=0)
    g.agent.refused("SetGuestDateTime", *REFUSALS, Sec=1, Usec=1000000)
    g.agent("SetGuestDateTime", Sec=int(time.time()), Usec=0)


def test_reseed(g):
    g.agent("ReseedRandomDev", data=to_bytes(os.urandom(512)))
    g.agent.refused("ReseedRandomDev", *REFUSALS)


def test_online(g):
    g.agent("OnlineCPUMem", nb_cpus=1, cpu_only=True)
    g.agent("OnlineCPUMem")
    # Processors that never come: an answer, not the end of this client's patience.
    g.agent.refused("OnlineCPUMem", "INTERNAL", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT", nb_cpus=4000,
                    cpu_only=True)


def test_memory_probe(g):
    g.agent.needs("MemHotplugByProbe")
    g.agent.refused("MemHotplugByProbe", *REFUSALS, memHotplugProbeAddr=[1])


def test_swap(g):
    g.agent.refused("AddSwapPath", *REFUSALS, path="/none-such")
    g.agent.refused("AddSwapPath", *REFUSALS, path="")
    g.agent.refused("AddSwap", *REFUSALS, "DEADLINE_EXCEEDED", PCIPath=[31])
    g.agent.refused("AddSwap", *REFUSALS, PCIPath=[])
    g.agent.refused("AddSwap", *REFUSALS, PCIPath=[4096])


AGENT_FAMILIES = ("scrape_count", "threads", "total_time", "total_vm", "total_rss", "proc_status", "io_stat", "proc_stat")
GUEST_FAMILIES = ("load", "tasks", "cpu_time", "vm_stat", "netdev_stat", "diskstat", "meminfo", "filesystem_bytes",
                  "filesystem_inodes")


def test_metrics(g):
    prometheus.check_the_checker()
    first, second = (prometheus.parse(g.agent("GetMetrics")["metrics"]) for _ in range(2))
    names = [f"kata_agent_{n}" for n in AGENT_FAMILIES] + [f"kata_guest_{n}" for n in GUEST_FAMILIES]
    disks = g.look("ls /guest/sys/block").split()
    for name in names:
        check(name in first, f"{name} is missing")
    for family in first.values():
        check(family.kind and family.help, f"{family.name} has a type and a help")
        check(family.samples or (family.name == "kata_guest_diskstat" and not disks), f"{family.name} is empty")
    scrapes = [families["kata_agent_scrape_count"].samples[()] for families in (first, second)]
    check_equal(scrapes[1] - scrapes[0], 1)
    total = int(g.look("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /guest/proc/meminfo"))
    check_equal(first["kata_guest_meminfo"].samples[(("item", "memtotal"),)], total)
    check_equal(first["kata_agent_threads"].samples[()], int(g.look("ls /guest/proc/1/task | wc -l")))
    rss = first["kata_agent_total_rss"].samples[()]
    shm = {dict(labels)["item"]: value for labels, value in first["kata_guest_filesystem_bytes"].samples.items()
           if ("mount", f"{RUN}/sandbox/shm") in labels}
    check_equal(shm.get("total", shm), 8 << 20)
    check(500_000 < rss < 20_000_000, f"{rss} bytes are no size of the agent")


def test_volume_stats(g):
    stats = g.agent.needs("GetVolumeStats", volume_guest_path=f"{RUN}/sandbox/shm")
    usage = {u["unit"]: u for u in stats["usage"]}
    check_equal(usage["BYTES"]["total"], 8 << 20)
    check(usage["INODES"]["total"] > 0, "inodes are counted")
    check(not stats.get("volume_condition", {}).get("abnormal"), "all is well")
    g.agent.refused("GetVolumeStats", *REFUSALS, volume_guest_path="/none-such")
    g.agent.refused("GetVolumeStats", *REFUSALS, volume_guest_path="")


def test_diagnostic_data(g):
    with open(f"{g.share}/termination", "w") as file:
        file.write("last words" + "x" * 5000)
    annotations = {"io.kubernetes.container.terminationMessagePath": "/dev/termination-log"}
    name = g.start("sleep", "100", annotations=annotations,
                   mounts=[bind(f"{SHARE}/termination", "/dev/termination-log")])
    try:
        data = g.agent.needs("GetDiagnosticData", log_type="termination_log", container_id=name)["data"]
        check_equal(len(data), 4096)
        check(data.startswith("last words"), data)
        g.agent.refused("GetDiagnosticData", "INVALID_ARGUMENT", log_type="nonsense", container_id=name)
    finally:
        g.remove(name)
    g.agent.refused("GetDiagnosticData", *REFUSALS, log_type="termination_log", container_id="none-such")


# The network.

def test_interfaces(g):
    interfaces = g.agent.needs("ListInterfaces").get("Interfaces", [])
    names = [i["name"] for i in interfaces]
    g.agent.refused("UpdateInterface", "INVALID_ARGUMENT")
    g.agent.refused("UpdateInterface", "INTERNAL", "NOT_FOUND", text="Link not found",
                    interface={"name": "eth9", "hwAddr": "02:00:00:00:00:99"})
    check(all(names), "each has a name")
    g.agent.refused("UpdateInterface", *REFUSALS, interface={"name": "x" * 100, "hwAddr": "nonsense"})
    g.agent.refused("UpdateInterface", *REFUSALS, interface={
        "name": "lo", "IPAddresses": [{"address": "not an address", "mask": "24"}]})


def test_routes(g):
    g.agent.needs("ListRoutes")
    g.agent.refused("UpdateRoutes", "INVALID_ARGUMENT")
    g.agent.refused("UpdateRoutes", *REFUSALS, routes={"Routes": [{"dest": "10.0.0.0/8", "device": "eth9"}]},
                    text="Link not found")
    g.agent.refused("UpdateRoutes", *REFUSALS, routes={"Routes": [{"dest": "nonsense", "device": "lo"}]})
    routes = g.agent("UpdateRoutes", routes={"Routes": [{"dest": "198.51.100.0/24", "device": "lo"}]})
    check_in("198.51.100.0/24", [r.get("dest") for r in routes.get("Routes", [])])


def test_neighbors(g):
    g.agent.refused("AddARPNeighbors", "INVALID_ARGUMENT")
    g.agent.refused("AddARPNeighbors", *REFUSALS, neighbors={"ARPNeighbors": [
        {"toIPAddress": {"address": "10.0.0.1"}, "device": "eth9", "lladdr": "02:00:00:00:00:01"}]})
    g.agent.refused("AddARPNeighbors", *REFUSALS, neighbors={"ARPNeighbors": [{"device": "lo"}]})


def test_iptables(g):
    """The small guest image has no iptables: the answer must say so."""
    g.agent.refused("GetIPTables", "INTERNAL", "NOT_FOUND", text="iptables-save")
    g.agent.refused("SetIPTables", "INTERNAL", "NOT_FOUND", data=to_bytes("*filter\nCOMMIT\n"),
                    text="iptables-restore")


# Files.

def copy(g, path, data=b"", mode=S_IFREG | 0o640, size=None, **more):
    return {"path": f"{SHARE}/{path}", "data": to_bytes(data), "file_mode": mode, "dir_mode": 0o750,
            "file_size": len(data) if size is None else size, **more}


def test_copy_file(g):
    g.agent.needs("CopyFile", **copy(g, "copied/deep/file", b"content", uid=0, gid=0))
    path = f"{g.share}/copied/deep/file"
    with open(path, "rb") as file:
        check_equal(file.read(), b"content")
    check_equal(os.stat(path).st_mode & 0o7777, 0o640)
    check_equal(os.stat(os.path.dirname(path)).st_mode & 0o777, 0o750)
    g.agent("CopyFile", **copy(g, "copied/parts", b"first", size=9))
    check(not os.path.exists(f"{g.share}/copied/parts"), "not before it is whole")
    g.agent("CopyFile", **copy(g, "copied/parts", b"last", size=9, offset=5))
    with open(f"{g.share}/copied/parts", "rb") as file:
        check_equal(file.read(), b"firstlast")
    g.agent("CopyFile", **copy(g, "copied/dir", mode=S_IFDIR | 0o711))
    check_equal(os.stat(f"{g.share}/copied/dir").st_mode & 0o7777, 0o711)
    g.agent("CopyFile", **copy(g, "copied/link", b"/etc/target", mode=S_IFLNK | 0o777))
    check_equal(os.readlink(f"{g.share}/copied/link"), "/etc/target")
    g.agent("CopyFile", **copy(g, "copied/empty"))
    check_equal(os.stat(f"{g.share}/copied/empty").st_size, 0)


def test_copy_file_stays_inside(g):
    g.agent.needs("CopyFile", **copy(g, "inside/file", b"x"))
    for path in ("/etc/outside", f"{RUN}/outside", f"{SHARE}/../../outside", f"{SHARE}/inside/../../../outside",
                 f"{SHARE}", "", "relative", f"{SHARE}evil/file"):
        g.agent.refused("CopyFile", *REFUSALS, path=path, file_size=1, file_mode=S_IFREG | 0o644, data="YQ==")
    os.symlink("/run", f"{g.share}/inside/out")
    try:
        g.agent("CopyFile", **copy(g, "inside/out/escaped", b"x"))
    except Exception as refused:  # refused or followed inside the share: both keep the guest whole
        check(str(refused), "an error has a text")
    check("escaped" not in g.look("ls /guest/run; ls /guest/run/kata-containers"), "it left the share")


def test_copy_file_refuses(g):
    g.agent.refused("CopyFile", *REFUSALS, **copy(g, "bad/block", mode=S_IFBLK | 0o600))
    g.agent.refused("CopyFile", *REFUSALS, **copy(g, "bad/size", b"xx", size=-1))
    g.agent.refused("CopyFile", *REFUSALS, **copy(g, "bad/offset", b"xx", size=10, offset=-1))
    g.agent.refused("CopyFile", *REFUSALS, **copy(g, "bad/more", b"xxxx", size=2))


# Storages.

def storage(driver, mount_point, **fields):
    return {"driver": driver, "mount_point": mount_point, **fields}


def test_storages_of_a_container(g):
    where = f"{RUN}/sandbox/volume"
    options = ["size=1m", "mode=0770"]
    first, second = (g.start("sleep", "100", mounts=[bind(where, "/mnt")], request={"storages": [
        storage("ephemeral", where, source="tmpfs", fstype="tmpfs", options=options)]}) for _ in range(2))
    check_equal(g.exec_output(first, "sh", "-c", "echo shared > /mnt/file; stat -c %a /mnt")[0], "770\n")
    check_equal(g.exec_output(second, "cat", "/mnt/file")[0], "shared\n")
    g.remove(first)
    check_equal(g.exec_output(second, "cat", "/mnt/file")[0], "shared\n")
    g.remove(second)
    # It is the pod's: a container that is started again finds its files.
    third = g.start("cat", "/mnt/file", mounts=[bind(where, "/mnt")], request={"storages": [
        storage("ephemeral", where, source="tmpfs", fstype="tmpfs", options=options)]})
    check_equal(g.read_all(third), "shared\n")
    g.remove(third)


def test_storages_are_counted(g):
    where = f"{RUN}/sandbox/bound"
    request = {"storages": [storage("bind", where, source=f"{SHARE}/busybox", fstype="bind", options=["rbind", "ro"])]}
    first, second = (g.start("sleep", "100", mounts=[bind(where, "/mnt")], request=request) for _ in range(2))
    g.remove(first)
    check_in(where, g.look("cat /guest/proc/1/mountinfo"))
    check_in("busybox", g.exec_output(second, "ls", "/mnt/bin")[0])
    g.remove(second)
    check(where not in g.look("cat /guest/proc/1/mountinfo"), "mounted without a user")


def test_storages_refuse(g):
    before = g.look("cat /guest/proc/1/mountinfo | wc -l")
    good = storage("bind", f"{RUN}/sandbox/good", source=f"{SHARE}/busybox", fstype="bind", options=["rbind"])
    for bad in (storage("9p", "/mnt"), storage("", "/mnt"), storage("ephemeral", ""),
                storage("ephemeral", "relative", fstype="tmpfs"),
                storage("ephemeral", f"{RUN}/sandbox/bad", fstype="nonsense", source="x"),
                storage("local", f"{RUN}/sandbox/bad", options=["mode=nonsense"])):
        g.agent.refused("CreateContainer", *REFUSALS, "UNIMPLEMENTED", container_id=g.new_id(),
                        OCI=spec("true"), storages=[good, bad])
    check_equal(g.look("cat /guest/proc/1/mountinfo | wc -l"), before, "the good ones are taken back")


def test_missing_devices(g):
    """A device that never comes is an error once the hot-plug deadline is over, not a hang."""
    for driver, source in (("blk", "1f"), ("scsi", "0:31"), ("mmioblk", "/dev/vdz"), ("nvdimm", "/dev/pmem9")):
        g.agent.refused("CreateContainer", *REFUSALS, "DEADLINE_EXCEEDED", "UNIMPLEMENTED", container_id=g.new_id(),
                        OCI=spec("true"), storages=[storage(driver, f"{RUN}/sandbox/{driver}", source=source,
                                                            fstype="ext4")])


def test_devices_refuse(g):
    for device in ({"type": "nonsense", "id": "02", "container_path": "/dev/x"},
                   {"type": "", "id": "02", "container_path": "/dev/x"},
                   {"type": "blk", "container_path": "/dev/x"}, {"type": "blk", "id": "02"},
                   {"type": "blk", "id": "../..", "container_path": "/dev/x"}):
        g.agent.refused("CreateContainer", *REFUSALS, "UNIMPLEMENTED", "DEADLINE_EXCEEDED",
                        container_id=g.new_id(), OCI=spec("true"), devices=[device])


def test_update_ephemeral_mounts(g):
    shm = storage("ephemeral", f"{RUN}/sandbox/shm", source="shm", fstype="tmpfs",
                  options=["remount", "size=4m", "nosuid", "nodev", "noexec"])
    g.agent.needs("UpdateEphemeralMounts", storages=[shm])
    check_in("size=4096k", g.shell("mount")[0])
    shm["options"][1] = "size=8m"
    g.agent("UpdateEphemeralMounts", storages=[shm])
    g.agent.refused("UpdateEphemeralMounts", *REFUSALS, storages=[{**shm, "driver": "blk"}])
    g.agent.refused("UpdateEphemeralMounts", *REFUSALS, storages=[{**shm, "mount_point": "relative"}])
