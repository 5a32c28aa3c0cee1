# SPDX-License-Identifier: Apache-2.0
"""Calls about devices, with devices: swap, volumes, network cards, processors, memory, packet filters.

What the agent waits for is plugged while it waits.
"""

import os
import time

import machine
from guest import PRIVILEGED, RUN, SHARE, bind, spec, text_of, to_bytes
from machine import MIB
from report import Failure, check, check_equal, check_in

REFUSALS = ("INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND")
GATEWAY = "10.0.2.2"  # of QEMU's own network
CARDS = ("02:00:00:00:02:0a", "02:00:00:00:02:0b")


def with_storage(g, *words, plug=None, **fields):
    """A container that has the storage at /mnt: its id and where the storage is in the guest."""
    at = f"{RUN}/sandbox/storage/{g.new_id('volume')}"
    name = g.new_id()
    oci = spec(*(words or ("sleep", "1000")), mounts=[bind(at, "/mnt")], capabilities=PRIVILEGED)
    waiting = g.agent.send("CreateContainer", container_id=name, OCI=oci, storages=[{"mount_point": at, **fields}])
    if plug:
        time.sleep(0.3)
        plug()
    g.agent.result(waiting)
    g.agent("StartContainer", container_id=name)
    return name, at


def end(g, name):
    g.kill(name)
    g.wait(name)
    g.remove(name)


def sh(g, name, script):
    out, err, code = g.exec_output(name, "sh", "-c", script, capabilities=PRIVILEGED)
    check_equal(code, 0, f"{script}: {err}")
    return out


# Storages.

def test_blk_comes_late(g):
    def plug():
        g.monitor("device_add", driver="virtio-blk-pci", id="disk0", drive="plugged", bus="portdisk")

    name, _ = with_storage(g, plug=plug, driver="blk", source=f"{machine.PORT_DISK:x}/00", fstype="ext4")
    check_in("/mnt ext4 rw", sh(g, name, "cat /proc/mounts"))
    sh(g, name, "echo kept > /mnt/file")
    end(g, name)
    name, _ = with_storage(g, driver="blk", source=f"{machine.PORT_DISK:x}/00", fstype="ext4", options=["ro"])
    check_equal(sh(g, name, "cat /mnt/file"), "kept\n")
    check_in("/mnt ext4 ro", sh(g, name, "cat /proc/mounts"))
    end(g, name)


def test_scsi_comes_late(g):
    def plug():
        g.monitor("device_add", driver="scsi-hd", id="disk1", drive="scsi", bus="card.0", **{"scsi-id": 2, "lun": 1})

    name, _ = with_storage(g, plug=plug, driver="scsi", source="2:1", fstype="ext4")
    check_in("/dev/sd", sh(g, name, "cat /proc/mounts"))
    end(g, name)


def test_pmem(g):
    """An NVDIMM, of which the guest's kernel has no pages without a label, and a virtio-pmem, whose files
    are mapped by DAX."""
    name, _ = with_storage(g, driver="nvdimm", source="/dev/pmem0", fstype="ext4")
    end(g, name)
    found = g.look("for d in /guest/sys/block/pmem*; do echo ${d##*/} $(readlink $d); done").split()
    kinds = {("virtio" if "virtio" in path else "nvdimm"): node for node, path in zip(found[::2], found[1::2])}
    check_equal(sorted(kinds), ["nvdimm", "virtio"])
    for kind, options in (("nvdimm", []), ("virtio", ["dax"])):
        name, at = with_storage(g, driver="nvdimm", source=f"/dev/{kinds[kind]}", fstype="ext4", options=options)
        line = next(x for x in g.look("cat /guest/proc/1/mounts").splitlines() if f" {at} " in x)
        check(line.startswith(f"/dev/{kinds[kind]} ") and ("dax" in line) == bool(options), line)
        check_equal(sh(g, name, "echo kept > /mnt/file && cat /mnt/file"), "kept\n")
        end(g, name)


def test_disk_by_its_name(g):
    """The driver for machines with virtio-mmio, whose hosts say which node it will be."""
    disk = g.look("for d in /guest/sys/block/vd*; do echo ${d##*/} $(readlink $d); done")
    node = next(line.split()[0] for line in disk.splitlines() if f"0000:00:{machine.VOLUME:02x}.0/" in line)
    name, _ = with_storage(g, driver="mmioblk", source=f"/dev/{node}", fstype="ext4")
    check_in(f"/dev/{node} /mnt", sh(g, name, "cat /proc/mounts"))
    end(g, name)


def test_group_of_a_disk(g):
    blk = {"driver": "blk", "source": f"{machine.VOLUME:x}", "fstype": "ext4"}
    name, _ = with_storage(g, **blk)
    sh(g, name, "mkdir -p /mnt/dir; echo x > /mnt/dir/file; chmod 600 /mnt/dir/file; ln -s /bin /mnt/link")
    end(g, name)
    name, _ = with_storage(g, **blk, fs_group={"group_id": 2000})
    check_equal(sh(g, name, "cd /mnt; stat -c '%g %a' . dir dir/file; stat -c %g link /bin"),
                "2000 2775\n2000 2775\n2000 660\n0\n0\n")
    end(g, name)


def test_group_of_what_is_no_disk(g):
    source = f"{g.share}/of-a-group"
    os.makedirs(f"{source}/dir")
    with open(f"{source}/dir/file", "w") as file:
        file.write("x")
    os.chmod(f"{source}/dir/file", 0o600)
    look = "cd /mnt; stat -c '%g %a' . dir dir/file"
    bound = {"driver": "bind", "source": f"{SHARE}/of-a-group", "fstype": "bind", "fs_group": {"group_id": 2001}}
    name, _ = with_storage(g, **bound, options=["ro"])
    check_equal(sh(g, name, look), "0 755\n0 755\n0 600\n", "read-only: as it is")
    end(g, name)
    name, _ = with_storage(g, **bound)
    check_equal(sh(g, name, look), "2001 2775\n2001 2775\n2001 660\n")
    end(g, name)
    name, _ = with_storage(g, driver="ephemeral", source="tmpfs", fstype="tmpfs", fs_group={"group_id": 2002},
                           options=["mode=0700"])
    check_equal(sh(g, name, "stat -c '%g %a' /mnt"), "2002 2770\n")
    end(g, name)


def test_local_directory(g):
    name, _ = with_storage(g, driver="local", options=["mode=0750", "fsgid=1234"])
    check_equal(sh(g, name, "stat -c '%g %a' /mnt; touch /mnt/x; stat -c %g /mnt/x"), "1234 2750\n1234\n")
    end(g, name)


def test_huge_pages(g):
    name, _ = with_storage(g, driver="ephemeral", source="nodev", fstype="hugetlbfs",
                           options=[f"pagesize={2 * MIB},size={4 * MIB}"])
    check_in("/mnt hugetlbfs rw", sh(g, name, "cat /proc/mounts"))
    check_in(f"pagesize=2M,size={4 * MIB}", sh(g, name, "cat /proc/mounts"))
    pages = "/guest/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    check_equal(g.look(f"cat {pages}"), "2\n")
    end(g, name)
    g.agent.refused("CreateContainer", "RESOURCE_EXHAUSTED", text="Only allocated", container_id=g.new_id(),
                    OCI=spec("true"), storages=[{
                        "driver": "ephemeral", "source": "nodev", "fstype": "hugetlbfs",
                        "mount_point": f"{RUN}/sandbox/huge",
                        "options": [f"pagesize={2 * MIB}", f"size={1 << 40}"]}])
    check_equal(g.look(f"cat {pages}"), "2\n", "what a refused volume was given is the guest's again")


# Volumes and swap.

def usage(g, path):
    return {u["unit"]: u for u in g.agent("GetVolumeStats", volume_guest_path=path)["usage"]}


def grow(g, disk, slot, fstype, before, after):
    name, at = with_storage(g, driver="blk", source=f"{slot:x}", fstype=fstype)
    sh(g, name, "dd if=/dev/zero of=/mnt/four bs=1M count=4 2>/dev/null && sync")
    seen = usage(g, at)
    check(0.7 * before < seen["BYTES"]["total"] <= before, f"{seen}")
    check(seen["BYTES"]["used"] >= 4 * MIB, f"{seen}")
    check_equal(seen["BYTES"]["available"], seen["BYTES"]["total"] - seen["BYTES"]["used"])
    check(seen["INODES"]["used"] > 0, f"{seen}")
    g.agent.refused("ResizeVolume", "FAILED_PRECONDITION", text="the host must grow it", volume_guest_path=at,
                    size=after)
    g.monitor("block_resize", device=disk, size=after)
    g.agent("ResizeVolume", volume_guest_path=at, size=after)
    check(usage(g, at)["BYTES"]["total"] > 0.8 * after, f"{usage(g, at)}")
    check_equal(sh(g, name, "md5sum < /mnt/four"), sh(g, name, "dd if=/dev/zero bs=1M count=4 2>/dev/null | md5sum"))
    end(g, name)


def test_grown_volume(g):
    grow(g, "volume", machine.VOLUME, "ext4", 32 * MIB, 64 * MIB)


def test_grown_xfs_volume(g):
    grow(g, "xfs", machine.XFS, "xfs", 320 * MIB, 400 * MIB)


def swaps(g):
    return [line.split()[2] for line in g.look("cat /guest/proc/swaps").splitlines()[1:]]


def test_add_swap(g):
    check_equal(swaps(g), [])
    g.agent("AddSwap", PCIPath=[machine.SWAP])
    check_equal(swaps(g), [str(machine.DISKS["swap"] // 1024 - 4)])
    waiting = g.agent.send("AddSwap", PCIPath=[machine.PORT_SWAP, 0])
    time.sleep(0.3)
    g.monitor("device_add", driver="virtio-blk-pci", id="disk2", drive="late", bus="portswap")
    g.agent.result(waiting)
    check_equal(len(swaps(g)), 2)
    g.agent.refused("AddSwap", *REFUSALS, PCIPath=[machine.SWAP], text="busy")  # it is in use
    g.agent.refused("AddSwap", *REFUSALS, PCIPath=[machine.VOLUME])  # it has no swap signature


def test_add_swap_path(g):
    disk = g.look("for d in /guest/sys/block/vd*; do echo ${d##*/} $(readlink $d); done")
    node = next(line.split()[0] for line in disk.splitlines() if f"0000:00:{machine.VOLUME:02x}.0/" in line)
    g.agent.refused("AddSwapPath", *REFUSALS, path=f"/dev/{node}", text="swap on")


# Devices of a container.

def test_vfio(g):
    """A function that is taken from the guest's drivers and given to the container by its group."""
    host, guest_address = "0000:3b:00.1", f"0000:00:{machine.TEST_DEVICE:02x}.0"
    name = g.new_id()
    oci = spec("sh", "-c", "ls /dev/vfio; echo $PCIDEVICE_CARD; sleep 1000", env=[f"PCIDEVICE_CARD={host}"])
    oci["Linux"]["Devices"] = [{"Path": "/dev/vfio/77", "Type": "c", "Major": 511, "Minor": 77, "FileMode": 0o600}]
    device = {"type": "vfio-pci", "id": "77", "container_path": "/dev/vfio/77",
              "options": [f"{host}={machine.TEST_DEVICE:x}"]}
    g.agent("CreateContainer", container_id=name, OCI=oci, devices=[device])
    g.agent("StartContainer", container_id=name)
    group = g.look(f"basename $(readlink /guest/sys/bus/pci/devices/{guest_address}/iommu_group)").strip()
    out = ""
    while out.count("\n") < 2:
        out += text_of(g.agent("ReadStdout", container_id=name, len=1000))
    check_equal(out, f"{group}\n{guest_address}\n")
    check_in("vfio-pci", g.look(f"readlink /guest/sys/bus/pci/devices/{guest_address}/driver"))
    end(g, name)


# The network.

def plug_card(g, number):
    g.monitor("netdev_add", type="user", id=f"net{number}")
    g.monitor("device_add", driver="virtio-net-pci", id=f"card{number}", netdev=f"net{number}", mac=CARDS[number],
              romfile="", **({"bus": "portnet"} if number == 0 else {"bus": "port0"}))


def links(g):
    return {i["name"]: i for i in g.agent("ListInterfaces")["Interfaces"]}


def test_network(g):
    want = {"name": "eth0", "hwAddr": CARDS[0], "devicePath": f"{machine.PORT_NET:x}/00", "mtu": 1400,
            "IPAddresses": [{"address": "10.0.2.15", "mask": "24"}]}
    waiting = g.agent.send("UpdateInterface", interface=want)
    time.sleep(0.3)
    plug_card(g, 0)
    check_equal(g.agent.result(waiting)["name"], "eth0")
    g.agent("UpdateInterface", interface=want)  # a second time changes nothing
    seen = links(g)["eth0"]
    check_equal((seen["hwAddr"], int(seen["mtu"])), (CARDS[0].upper(), 1400))
    check_in(("10.0.2.15", "24"), [(a["address"], a["mask"]) for a in seen["IPAddresses"]])

    routes = [{"gateway": GATEWAY, "device": "eth0"}, {"dest": "203.0.113.0/24", "device": "eth0", "mtu": 1300}]
    g.agent("UpdateRoutes", routes={"Routes": routes})
    listed = g.agent("ListRoutes")["Routes"]
    check_in((GATEWAY, "eth0"), [(r.get("gateway"), r["device"]) for r in listed])
    check_in("203.0.113.0/24", [r.get("dest") for r in listed])
    out, err, code = g.output("ping", "-c", "2", "-W", "20", GATEWAY)
    check_equal(code, 0, out + err)

    g.agent("AddARPNeighbors", neighbors={"ARPNeighbors": [
        {"toIPAddress": {"address": "10.0.2.77"}, "device": "eth0", "lladdr": "02:00:00:00:00:77"}]})
    line = next(x for x in g.look("cat /guest/proc/1/net/arp").splitlines() if x.startswith("10.0.2.77 "))
    check_equal(line.split()[2:6], ["0x6", "02:00:00:00:00:77", "*", "eth0"])


def test_network_names_change_places(g):
    """Who has the wanted name steps aside."""
    def cards():
        names = {i.get("hwAddr", "").lower(): name for name, i in links(g).items()}
        return [names.get(address) for address in CARDS]

    plug_card(g, 1)
    deadline = time.monotonic() + 60
    while None in cards():
        if time.monotonic() > deadline:
            raise Failure(f"the card does not come: {links(g)}")
        time.sleep(0.2)
    check_equal(cards(), ["eth0", "eth1"])
    g.agent("UpdateInterface", interface={"name": "eth0", "hwAddr": CARDS[1]})
    check_equal(cards(), ["eth1", "eth0"])


def test_kernel_modules(g):
    """CreateSandbox has loaded it, with its parameter."""
    check("dummy0" in links(g) and "dummy1" in links(g), f"{links(g)}")


def test_packet_filters(g):
    for six, address in ((False, "192.0.2.1/32"), (True, "2001:db8::1/128")):
        rule = f"-A INPUT -s {address} -j DROP"
        table = f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n"
        check(rule not in text_of(g.agent("GetIPTables", is_ipv6=six)), "not yet")
        g.agent("SetIPTables", is_ipv6=six, data=to_bytes(table))
        check_in(rule, text_of(g.agent("GetIPTables", is_ipv6=six)))
        g.agent.refused("SetIPTables", "INTERNAL", is_ipv6=six, data=to_bytes("*nonsense\n-A X\n"), text="tables-restore")
        check_in(rule, text_of(g.agent("GetIPTables", is_ipv6=six)), "a refused table changes nothing")


# Processors and memory.

def test_processors(g):
    free, pinned = (g.start("sleep", "1000", resources=r) for r in ({}, {"CPU": {"Cpus": "0"}}))
    check_equal((sh(g, free, "nproc"), sh(g, pinned, "nproc")), ("1\n", "1\n"))
    slot = next(c for c in g.monitor("query-hotpluggable-cpus") if "qom-path" not in c)
    waiting = g.agent.send("OnlineCPUMem", nb_cpus=2, cpu_only=True, wait=True)
    g.monitor("device_add", driver=slot["type"], id="processor1", **slot["props"])
    g.agent.result(waiting)
    check_equal(g.look("cat /guest/sys/devices/system/cpu/online"), "0-1\n")
    check_equal(sh(g, free, "nproc"), "2\n", "a container without a cpuset has all")
    check_equal(sh(g, pinned, "nproc"), "1\n", "one with a cpuset keeps to it")
    g.agent("UpdateContainer", container_id=pinned, resources={"CPU": {"Cpus": "0-1"}})
    check_equal(sh(g, pinned, "nproc"), "2\n")
    for name in (free, pinned):
        end(g, name)


def test_memory(g):
    def total():
        return int(g.look("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /guest/proc/meminfo")) // 1024

    before = total()
    details = g.agent("GetGuestDetails", mem_block_size=True)
    check_equal(int(details["mem_block_size_bytes"]), 128 * MIB)
    g.monitor("object-add", **{"qom-type": "memory-backend-memfd", "id": "more", "size": 128 * MIB, "share": True})
    g.monitor("device_add", driver="pc-dimm", id="dimm", memdev="more")
    deadline = time.monotonic() + 60
    while total() < before + 120:  # the kernel announces it some time after it was plugged
        if time.monotonic() > deadline:
            raise Failure(f"{total()} MiB, {before} before")
        g.agent("OnlineCPUMem")
        time.sleep(0.2)


def boot(build):
    return machine.Machine(build)
