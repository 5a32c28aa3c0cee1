# SPDX-License-Identifier: Apache-2.0
"""What hosts of Kata Containers rely on, one test for each point."""

import datetime
import json
import os
import socket
import time
import types

from guest import END_WAIT, RUN, SHARE, Guest, Status, spec, to_bytes
from report import Skip, check, check_equal, check_in


def test_both_namespace_spellings(g):
    for names in (("mnt", "ipc", "uts"), ("mount", "ipc", "uts")):
        check_equal(g.shell("echo ok", namespaces=names), ("ok\n", "", 0))


def test_exec_id_of_init(g):
    name = g.start("sleep", "100")
    g.kill(name, 0, "")
    g.kill(name, 0, name)
    g.kill(name, 9)
    check_equal(g.wait(name, name), 137)
    check_equal((g.read_all(name), g.read_all(name, "", "ReadStderr")), ("", ""))
    g.kill(name, 9)  # for whatever is left; hosts send it after the wait
    g.remove(name)


def test_end_of_output(g):
    name = g.start("sh", "-c", "echo first; sleep 100 & exit 0")
    check_equal(g.read_all(name), "first\n", "a child in the background holds the pipe")
    check_equal(g.wait(name), 0)
    g.remove(name)
    terminal = g.start("sh", "-c", "echo last", terminal=True)
    check_equal(g.read_all(terminal), "last\r\n", "EIO of a terminal is its end")
    g.remove(terminal)


def test_exit_codes_wait(g):
    name = g.start("sh", "-c", "exit 42")
    check_equal(g.read_all(name), "")
    boxes = [g.agent.send("WaitProcess", container_id=name) for _ in range(4)]
    check_equal([g.agent.result(b).get("status") for b in boxes], [42] * 4)
    check_equal(g.wait(name), 42, "the init's is kept until the container is removed")
    g.remove(name)
    g.agent.refused("WaitProcess", "NOT_FOUND", "INVALID_ARGUMENT", container_id=name)
    other = g.start("sleep", "100")
    exec_id = g.execute(other, "sh", "-c", "exit 43")
    check_equal([g.read_all(other, exec_id), g.read_all(other, exec_id, "ReadStderr")], ["", ""])
    check_equal(g.wait(other, exec_id), 43)
    g.agent.refused("WaitProcess", "NOT_FOUND", container_id=other, exec_id=exec_id)
    g.remove(other)


def test_exit_by_signal(g):
    for signal in (1, 6, 11, 15):
        name = g.start("sh", "-c", f"sh -c 'kill -{signal} $$'; exit $?")
        check_equal(g.wait(name), 128 + signal)
        g.remove(name)


def test_link_not_found(g):
    g.agent.refused("UpdateInterface", "INTERNAL", "NOT_FOUND", text="Link not found",
                    interface={"name": "eth7", "hwAddr": "02:00:00:00:00:77"})


def test_copy_is_confined(g):
    g.agent.refused("CopyFile", "INTERNAL", "INVALID_ARGUMENT", "PERMISSION_DENIED", "NOT_FOUND",
                    path="/etc/passwd", file_size=1, file_mode=0o100644, data="YQ==")


def test_shared_namespaces(g):
    links = "for n in ipc uts net pid mnt; do readlink /proc/self/ns/$n; done"
    first, second = g.shell(links)[0].split(), g.shell(links)[0].split()
    agent = g.look("for n in ipc uts net pid mnt; do readlink /guest/proc/1/ns/$n; done").split()
    check_equal(first[:3], second[:3], "ipc, uts and network are the sandbox's")
    check(first[0] != agent[0] and first[1] != agent[1], "ipc and uts are not the agent's")
    check_equal(first[2], agent[2], "the guest's network")
    check(first[3] != agent[3] and first[4] != agent[4], "pid and mount are new")


def test_large_messages(g):
    """3 MB in one request; a host of Kata cuts at 4 MiB."""
    name = g.start("wc", "-c")
    data = "x" * 3000000
    check_equal(g.agent("WriteStdin", container_id=name, data=to_bytes(data))["len"], len(data))
    g.agent("CloseStdin", container_id=name)
    check_equal(g.read_all(name), "3000000\n")
    g.remove(name)


def test_parallel_requests(g):
    name = g.start("sleep", "100")
    waiting = [g.agent.send("WaitProcess", container_id=name) for _ in range(100)]
    checks = [g.agent.send("Health/Check") for _ in range(200)]
    for box in checks:
        check_equal(g.agent.result(box)["status"], "SERVING")
    g.kill(name)
    check_equal({g.agent.result(box)["status"] for box in waiting}, {137})
    g.remove(name)


def test_unknown_fields(g):
    name = g.new_id()
    unknown = {"999": to_bytes("whatever"), "536870911": ""}
    g.agent("CreateContainer", container_id=name, OCI={**spec("true"), **unknown}, **unknown)
    g.remove(name)


def test_root_path_or_mounted(g):
    """Root.Path is bound, unless a storage has mounted something at <run>/<id>/rootfs already."""
    name = g.new_id()
    rootfs = f"{RUN}/{name}/rootfs"
    lower = {"driver": "overlayfs", "source": "overlay", "fstype": "overlay", "mount_point": rootfs,
             "options": [f"lowerdir={SHARE}/busybox", "io.katacontainers.fs-opt.overlay-rw"]}
    try:
        g.agent("CreateContainer", container_id=name, storages=[lower],
                OCI=spec("sh", "-c", "echo kept > /written; cat /written; mount | head -n 1", root=rootfs))
    except Status as status:
        if "No such device" not in status.text:
            raise
        raise Skip("the guest image has no overlayfs") from None
    g.agent("StartContainer", container_id=name)
    out = g.read_all(name)
    check(out.startswith("kept\noverlay on / type overlay"), out)
    g.remove(name)
    check(name not in g.look("cat /guest/proc/1/mountinfo; ls /guest/run/kata-containers"), "left behind")


def test_state_survives_the_connection(g):
    name = g.start("sh", "-c", "read line; echo $line; exit 5")
    g.reconnect()
    g.agent("WriteStdin", container_id=name, data=to_bytes("again\n"))
    check_equal(g.read_all(name), "again\n")
    check_equal(g.wait(name), 5)
    g.remove(name)


# Tests that need a machine of their own; each is given the build tree.

def test_before_the_sandbox(build):
    """Unknown kernel parameters are ignored; calls about the network and files may precede CreateSandbox,
    whose run directory starts empty; containers may not."""
    g = Guest(build, config='kernel_params = "agent.nonsense=1 nonsense agent.trace=true"', sandbox=False)
    try:
        g.agent("Health/Check")
        g.agent.refused("CreateContainer", "FAILED_PRECONDITION", "INTERNAL", container_id="c1", OCI=spec("true"))
        for method in ("ListInterfaces", "ListRoutes"):
            try:
                g.agent(method)
            except Status as status:
                check_equal(status.code, "UNIMPLEMENTED")
        g.create_sandbox(dns=["nameserver 192.0.2.1", "search example.org"])
        check_equal(sorted(g.look("ls /guest/run/kata-containers").split())[-2:], ["sandbox", "shared"])
        g.agent.refused("CreateSandbox", "FAILED_PRECONDITION", "ALREADY_EXISTS", "INTERNAL")
    finally:
        g.close()


def test_destroy_ends_the_machine(build):
    g = Guest(build)
    try:
        name = g.start("sleep", "100")
        pending = g.agent.send("GetOOMEvent")
        g.agent("DestroySandbox")
        try:
            g.agent.result(pending)
            check(False, "GetOOMEvent answers after the end")
        except Status as status:
            check_in(status.code, ("INTERNAL", "UNAVAILABLE"))
        check(name, "containers end with it")
        g.machine.wait(END_WAIT)
    finally:
        g.close()


def test_shared_pid_namespace(build):
    """The first container of the machine lends its pid namespace to those that ask for it."""
    g = Guest(build)
    try:
        first = g.start("sleep", "100")
        seen = g.exec_output(first, "readlink", "/proc/self/ns/pid")[0]
        sharing = g.start("sleep", "100", request={"sandbox_pidns": True})
        check_equal(g.exec_output(sharing, "readlink", "/proc/self/ns/pid")[0], seen)
        alone = g.start("sleep", "100")
        check(g.exec_output(alone, "readlink", "/proc/self/ns/pid")[0] != seen, "not asked for, not shared")
        g.kill(sharing, 15)
        check_equal(g.wait(sharing), 143)
        for name in (sharing, alone, first):
            g.remove(name)
    finally:
        g.close()


def test_refused_sandboxes(build):
    """Each failure leaves the agent able to create a sandbox."""
    g = Guest(build, sandbox=False)
    try:
        for bad in ({"storages": [{"driver": "none-such", "mount_point": "/mnt"}]},
                    {"hostname": "x" * 300}, {"kernel_modules": [{"name": ""}]},
                    {"kernel_modules": [{"name": "none_such_module"}]}):
            g.agent.refused("CreateSandbox", "INTERNAL", "INVALID_ARGUMENT", "UNIMPLEMENTED", "NOT_FOUND", **bad)
        g.create_sandbox()
        check_equal(g.shell("echo fine")[0], "fine\n")
    finally:
        g.close()


LOG_PORT = 1025
LEVELS = ("TRCE", "DEBG", "INFO", "WARN", "ERRO", "CRIT")


def hybrid_port(address, port):
    """The stream of a port in the guest, by the handshake of hybrid vsock; a file of lines."""
    deadline = time.monotonic() + 60
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(address)
        connection.sendall(f"CONNECT {port}\n".encode())
        file = connection.makefile("rb", buffering=0)
        connection.close()  # the file has it
        if file.readline().startswith(b"OK "):
            return file
        check(time.monotonic() < deadline, "nobody listens")
        time.sleep(0.2)


def test_log_port(build):
    """Lines of JSON as Kata's hosts read them, to one host after the other."""
    daemon = f"{build}/../vsock/usr/bin/vhost-device-vsock"
    if not os.path.exists(daemon):
        raise Skip("there is no vhost-device-vsock here")
    g = Guest(build, "hybrid-vsock", config=f'vsock_daemon = "{os.path.realpath(daemon)}"\n'
              f'kernel_params = "agent.log_vport={LOG_PORT} agent.log=debug"')
    try:
        for _ in range(2):
            file = hybrid_port(g.address.removeprefix("hvsock://").rsplit(":", 1)[0], LOG_PORT)
            name = g.new_id("log")
            g.agent.refused("CreateContainer", "INTERNAL", "NOT_FOUND", container_id=name,
                            OCI=spec('/none"such\\\n'))
            lines = []
            while not lines or name not in lines[-1]["msg"]:
                lines.append(json.loads(file.readline()))
            for line in lines:
                check_equal({key: type(value) for key, value in line.items() if key in (
                    "msg", "level", "ts", "subsystem", "name", "source", "version", "pid")}, dict.fromkeys((
                        "msg", "level", "ts", "subsystem", "name", "source", "version", "pid"), str), f"{line}")
                check_in(line["level"], LEVELS)
                datetime.datetime.strptime(line["ts"][:26] + line["ts"][29:], "%Y-%m-%dT%H:%M:%S.%f%z")
                check_equal((line["pid"], line["source"]), ("1", "agent"))
            file.close()
        check_warned(g)
    finally:
        g.close()


def check_warned(g):
    """A profile in a guest without AppArmor: the container runs, and it is said why without."""
    file = hybrid_port(g.address.removeprefix("hvsock://").rsplit(":", 1)[0], LOG_PORT)
    name = g.new_id("log")
    message = spec("true")
    message["Process"]["ApparmorProfile"] = "none-such"
    g.agent("CreateContainer", container_id=name, OCI=message)
    line = {"level": ""}
    while "'none-such' is not applied: the guest's kernel has no AppArmor" not in line.get("msg", ""):
        line = json.loads(file.readline())
    check_equal(line["level"], "WARN", f"{line}")
    g.agent("StartContainer", container_id=name)
    check_equal(g.wait(name), 0)
    g.remove(name)
    file.close()


own_machine = types.SimpleNamespace(**{f.__name__: f for f in (
    test_before_the_sandbox, test_destroy_ends_the_machine, test_shared_pid_namespace,
    test_refused_sandboxes, test_log_port)})
for _name in vars(own_machine):
    del globals()[_name]
