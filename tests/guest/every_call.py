# SPDX-License-Identifier: Apache-2.0
"""Each method of the protocol with input that is right and input that is wrong, from one table, on a machine that
has what the methods are about. A method that is missing here is an error: what the others do is in the other
modules."""

import os
import subprocess
import time

import machine
from guest import END_WAIT, RUN, SHARE, process, spec, to_bytes
from report import Failure, check, check_equal

NAME = "every"
GONE = {"container_id": "none-such"}
ABSENT = ("NOT_FOUND",)
WRONG = ("INVALID_ARGUMENT",)


def of(**fields):
    """A request about the container of this test."""
    return {"container_id": NAME, **fields}


def interface(**fields):
    return {"interface": {"name": "lo", "hwAddr": "00:00:00:00:00:00",
                          "IPAddresses": [{"address": "127.0.0.7", "mask": "8"}], **fields}}


def routes(**fields):
    return {"routes": {"Routes": [{"dest": "198.51.100.0/24", "device": "lo", **fields}]}}


def neighbors(**fields):
    return {"neighbors": {"ARPNeighbors": [{"toIPAddress": {"address": "192.0.2.9"}, "device": "dummy0",
                                            "lladdr": "02:00:00:00:00:09", **fields}]}}


def copy(**fields):
    return {"path": f"{SHARE}/every-call", "data": to_bytes("data"), "file_mode": 0o100640, "file_size": 4, **fields}


def memory_hog(g):
    name = g.start("sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done",
                   resources={"Memory": {"Limit": 16 << 20, "Swap": 16 << 20}})
    g.wait(name)
    g.remove(name)
    return {}


SHM = {"driver": "ephemeral", "source": "shm", "fstype": "tmpfs", "mount_point": f"{RUN}/sandbox/shm",
       "options": ["remount", "size=8m"]}
TABLE = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
NO_INPUT = []  # the request has no fields that could be wrong

# method: the right fields, or a function of the guest that gives them, or None where there is no right answer in
# this agent; then pairs of wrong fields and the codes they are refused with. In this order.
CALLS = {
    "Health/Check": ({}, NO_INPUT),
    "Health/Version": ({}, NO_INPUT),
    "CreateSandbox": (None, [({"hostname": "x" * 300}, ("FAILED_PRECONDITION",))]),  # the machine has made it
    "GetGuestDetails": ({"mem_block_size": True, "mem_hotplug_probe": True}, NO_INPUT),
    "SetPolicy": (None, [({"policy": "package agent_policy"}, ABSENT)]),
    "MemAgentMemcgSet": (None, [({"disabled": True}, ("INTERNAL",))]),
    "MemAgentCompactSet": (None, [({"disabled": True}, ("INTERNAL",))]),
    "SetGuestDateTime": (lambda g: {"Sec": int(time.time()), "Usec": 1}, [({"Sec": -1}, WRONG),
                                                                         ({"Sec": 1, "Usec": 10**6}, WRONG)]),
    "ReseedRandomDev": (lambda g: {"data": to_bytes(os.urandom(64))}, [({}, WRONG)]),
    "OnlineCPUMem": ({"nb_cpus": 1}, [({"nb_cpus": 4000, "cpu_only": True}, ("DEADLINE_EXCEEDED",))]),
    "MemHotplugByProbe": ({}, [({"memHotplugProbeAddr": [1]}, ABSENT)]),
    "GetMetrics": ({}, NO_INPUT),
    "ListInterfaces": ({}, NO_INPUT),
    "UpdateInterface": (interface(), [({}, WRONG), (interface(name="none0", hwAddr="02:00:00:00:00:99"), ("INTERNAL", "NOT_FOUND")),
                                      (interface(hwAddr="nonsense"), WRONG), (interface(name="x" * 20), WRONG),
                                      (interface(IPAddresses=[{"address": "x", "mask": "8"}]), WRONG),
                                      (interface(IPAddresses=[{"address": "10.0.0.1", "mask": "77"}]), WRONG),
                                      (interface(devicePath="../.."), WRONG)]),
    "ListRoutes": ({}, NO_INPUT),
    "UpdateRoutes": (routes(), [({}, WRONG), (routes(device="none0"), ("INTERNAL", "NOT_FOUND")),
                                (routes(dest="nonsense"), WRONG), (routes(gateway="x"), WRONG)]),
    "AddARPNeighbors": (neighbors(), [({}, WRONG), (neighbors(device="none0"), ("INTERNAL", "NOT_FOUND")),
                                      (neighbors(lladdr="x"), WRONG), (neighbors(toIPAddress=None), WRONG)]),
    "GetIPTables": ({}, NO_INPUT),
    "SetIPTables": ({"data": to_bytes(TABLE)}, [({"data": to_bytes("nonsense")}, ("INTERNAL",))]),
    "AddSwap": (lambda g: {"PCIPath": [machine.SPARE_SWAP]}, [({}, WRONG), ({"PCIPath": [32]}, WRONG),
                                                             ({"PCIPath": [machine.VOLUME]}, WRONG)]),
    "AddSwapPath": (lambda g: {"path": spare_node(g)}, [({"path": ""}, WRONG), ({"path": "/none-such"}, ABSENT),
                                                       ({"path": "/run"}, WRONG)]),
    "CopyFile": (copy(), [(copy(path="/etc/passwd"), WRONG), (copy(path=f"{SHARE}/../../x"), WRONG),
                          (copy(file_size=-1), WRONG), (copy(offset=99), WRONG), (copy(file_mode=0o60600), WRONG)]),
    "GetVolumeStats": ({"volume_guest_path": SHARE}, [({}, WRONG), ({"volume_guest_path": "/none-such"}, ABSENT)]),
    "ResizeVolume": (lambda g: {"volume_guest_path": mounted_volume(g), "size": 1 << 20},
                     [({}, WRONG), ({"volume_guest_path": "/none-such"}, ABSENT),
                      ({"volume_guest_path": "/run", "size": 1}, ("UNIMPLEMENTED",))]),
    "UpdateEphemeralMounts": ({"storages": [SHM]}, [({"storages": [{**SHM, "driver": "blk"}]}, WRONG),
                                                    ({"storages": [{**SHM, "mount_point": "x"}]}, WRONG)]),
    "RemoveStaleVirtiofsShareMounts": ({}, NO_INPUT),
    "CreateContainer": (lambda g: of(OCI=spec("cat", terminal=True)),
                        [({"container_id": NAME}, WRONG), ({"container_id": "../x", "OCI": spec("true")}, WRONG),
                         ({"container_id": "x", "OCI": {}}, WRONG),
                         ({"container_id": "x", "OCI": spec("true", namespaces=("nonsense",))}, WRONG)]),
    "StartContainer": (of(), [(GONE, ABSENT)]),
    "ExecProcess": (of(exec_id="e", process=process("sleep", "1000")),
                    [(of(exec_id="e2"), WRONG), (of(exec_id="../x", process=process("true")), WRONG),
                     (of(exec_id="e3", process=process("true", cwd="x")), WRONG),
                     ({**GONE, "exec_id": "e", "process": process("true")}, ABSENT)]),
    "TtyWinResize": (of(row=20, column=30), [({**GONE, "row": 1, "column": 1}, ABSENT),
                                             (of(exec_id="e", row=1, column=1), ("UNAVAILABLE",)),
                                             (of(row=70000, column=1), WRONG)]),
    "WriteStdin": (of(data=to_bytes("typed\n")), [({**GONE, "data": "YQ=="}, ABSENT),
                                                  (of(exec_id="none", data="YQ=="), ABSENT)]),
    "ReadStdout": (of(len=100), [({**GONE, "len": 1}, ABSENT), (of(exec_id="none", len=1), ABSENT)]),
    "CloseStdin": (of(exec_id="e"), [(GONE, ABSENT), (of(exec_id="none"), ABSENT)]),
    "StatsContainer": (of(), [(GONE, ABSENT)]),
    "UpdateContainer": (of(resources={"CPU": {"Shares": 512}}), [({**GONE, "resources": {}}, ABSENT),
                                                                (of(resources={"CPU": {"Cpus": "x"}}), WRONG)]),
    "PauseContainer": (of(), [(GONE, ABSENT)]),
    "ResumeContainer": (of(), [(GONE, ABSENT), (of(), ("FAILED_PRECONDITION",))]),
    "GetDiagnosticData": (of(log_type="termination_log"), [({**GONE, "log_type": "termination_log"}, ABSENT),
                                                           (of(log_type="x"), WRONG)]),
    "SignalProcess": (of(exec_id="e", signal=9), [({**GONE, "signal": 9}, ABSENT), (of(signal=999), WRONG),
                                                  (of(exec_id="none", signal=15), ABSENT)]),
    "ReadStderr": (of(exec_id="e", len=100), [({**GONE, "len": 1}, ABSENT), (of(exec_id="none", len=1), ABSENT)]),
    "WaitProcess": (of(exec_id="e"), [(GONE, ABSENT), (of(exec_id="none"), ABSENT)]),
    "RemoveContainer": (of(), [(GONE, ABSENT)]),
    "GetOOMEvent": (memory_hog, NO_INPUT),
    "DestroySandbox": ({}, NO_INPUT),
}
# The right input comes first where the wrong one is about what it has made.
RIGHT_FIRST = ("ExecProcess", "ResumeContainer")


def spare_node(g):
    disk = g.look("for d in /guest/sys/block/vd*; do echo ${d##*/} $(readlink $d); done")
    return "/dev/" + next(x.split()[0] for x in disk.splitlines() if f"0000:00:{machine.SPARE_PATH:02x}.0/" in x)


def mounted_volume(g):
    at = f"{RUN}/sandbox/storage/every"
    g.agent("CreateContainer", container_id="volume", OCI=spec("true"), storages=[
        {"driver": "blk", "source": f"{machine.VOLUME:x}", "fstype": "ext4", "mount_point": at}])
    return at


def methods(g):
    words = subprocess.run([g.agentctl, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split("(")[0] for line in words.splitlines() if "(" in line]


def right(g, method, fields):
    if fields is not None:
        g.agent(method, **(fields(g) if callable(fields) else fields))


def wrong(g, method, refusals):
    for fields, codes in refusals:
        g.agent.refused(method, *codes, **fields)


def test_every_call(g):
    check_equal(sorted(CALLS), sorted(methods(g)), "the table has every method of the protocol")
    problems = []
    for method, (fields, refusals) in CALLS.items():
        steps = [lambda: wrong(g, method, refusals), lambda: right(g, method, fields)]
        for step in reversed(steps) if method in RIGHT_FIRST else steps:
            try:
                step()
            except Exception as problem:  # the others are tried as well
                problems.append(f"{method}: {problem}")
        check(fields is not None or refusals, f"{method} is not called at all")
    if problems:
        raise Failure("\n".join(problems))
    g.machine.wait(END_WAIT)
