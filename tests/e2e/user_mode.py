# SPDX-License-Identifier: Apache-2.0
"""The user-mode network: a container that nobody gave one reaches others through a process of the host."""

import contextlib
import ctypes
import glob
import hashlib
import json
import os
import signal
import socket
import subprocess

import containerd as c
from network import IPV6, cable, configured, ip, namespaces, require_husk, serve
from report import Skip, check, check_equal, check_in


@contextlib.contextmanager
def entered(ns):
    """This thread's network namespace, for the sockets and processes that are made in the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{ns}") as there:
        check_equal(libc.setns(there.fileno(), 0), 0, "setns")
        try:
            yield
        finally:
            check_equal(libc.setns(home.fileno(), 0), 0, "setns")


# Whatever is asked for: A 192.0.2.99, AAAA 2001:db8::99.
NAME_SERVER = """import socket, sys
answers = {1: bytes([192, 0, 2, 99]), 28: socket.inet_pton(socket.AF_INET6, "2001:db8::99")}
at = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
at.bind((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    query, peer = at.recvfrom(512)
    end = query.index(0, 12) + 5
    data = answers.get(query[end - 3], b"")
    answer = bytes([0xc0, 12, 0, query[end - 3], 0, 1, 0, 0, 0, 9, 0, len(data)]) + data if data else b""
    at.sendto(query[:2] + bytes([0x81, 0x80, 0, 1, 0, 1 if data else 0, 0, 0, 0, 0]) + query[12:end] + answer, peer)
"""
OUTSIDE = ("10.88.40.1", "fd00:40::1") if IPV6 else ("10.88.40.1",)


@contextlib.contextmanager
def host_of_its_own(ct):
    """A containerd on a host (a namespace) with a link to others, OUTSIDE, who are its name servers. Of IPv4 it has
    no default route, of IPv6 it has one."""
    with namespaces(ct, "host", "peer") as (host, peer):
        cable(host, "uplink", peer, "gw0", "10.88.40.2", "10.88.40.1")
        if IPV6:
            ip("address", "add", "fd00:40::1/64", "dev", "gw0", "nodad", ns=peer)
            ip("address", "add", "fd00:40::2/64", "dev", "uplink", "nodad", ns=host)
            ip("route", "add", "default", "via", "fd00:40::1", ns=host)
        resolver = f"{ct.run}/{host}-resolv.conf"
        with open(resolver, "w") as file:
            file.writelines(f"nameserver {address}\n" for address in OUTSIDE)
        with open(ct.husk_config) as file:
            config = file.read()

        class OnThatHost(c.Containerd):
            launcher = ("nsenter", f"--net=/run/netns/{host}", "unshare", "-m", "sh", "-c",
                        'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver)

        on_host = OnThatHost(ct.name, ct.binaries, ct.prefix, ct.image, config)
        try:
            with contextlib.ExitStack() as stack:
                for address in OUTSIDE:
                    stack.enter_context(serve(peer, address, 53, NAME_SERVER))
                yield on_host, host, peer
        finally:
            on_host.close()


def user_mode(on_host, host, peer, hypervisor, ports, process):
    """A container that nobody gave a network: out to the host's localhost and beyond, in through published ports,
    [(address, port, port in the guest, "tcp" or "udp")]."""
    texts = [f"[{address}]:{port}:{guest}/{kind}" if ":" in address else f"{address}:{port}:{guest}/{kind}"
             for address, port, guest, kind in ports]
    options = ("--annotation", f"io.katacontainers.config.runtime.published_ports={json.dumps(texts)}")
    with configured(on_host, 'internetworking_model = "user"', f'enable_annotations = ["runtime.published_ports"]\n{hypervisor}'):
        name = on_host.detached("sleep", "100000", options=options)
    try:
        pids = user_mode_processes(on_host, name, host, process)
        user_mode_addresses(on_host, name)
        user_mode_out(on_host, name, host, peer)
        for address, port, guest, kind in ports:
            published(on_host, name, host, (address, port), guest, kind)
        if process == "passt":
            os.kill(pids["passt"], signal.SIGKILL)
            check_equal(on_host.exit_code(name, 60), 137, "without its network the machine is over")
            on_host.logged(f"passt (pid {pids['passt']}) was killed by signal 9")
    finally:
        on_host.remove(name)
    c.wait_for(lambda: is_free(host, ports[0][1]), 6, "the port is free again")


def is_free(host, port):
    with entered(host):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            return False
    return True


def user_mode_processes(ct, name, host, process):
    with open(glob.glob(f"/run/husk/*/{name}/vm/processes.json")[0]) as file:
        text = file.read()
    pids = {entry["name"]: entry["pid"] for entry in json.loads(text)["processes"]}
    check_equal("passt" in pids, process == "passt", "a passt of its own")
    there = os.stat(f"/run/netns/{host}").st_ino
    check_equal(os.stat(f"/proc/{pids[process]}/ns/net").st_ino, there, "it is where the host is")
    if process == "passt":
        check(os.stat(f"/proc/{pids['qemu']}/ns/net").st_ino != there, "QEMU has nothing of the host")
    return pids


def user_mode_addresses(ct, name):
    link = ct.execute(name, "ip", "address", "show", "dev", "eth0", check=True).text
    check_in("inet 10.0.2.15/24", link)
    check_in("default via 10.0.2.2 dev eth0", ct.execute(name, "ip", "route", check=True).text)
    if IPV6:
        check_in("inet6 fd68:7573:6b::15/64", link)
        check_in("default via fd68:7573:6b::2 dev eth0", ct.execute(name, "ip", "-6", "route", check=True).text)


def user_mode_out(ct, name, host, peer):
    places = [("10.0.2.2", "127.0.0.1", host), ("10.88.40.1", "10.88.40.1", peer)]
    servers = ["10.0.2.3"]
    if IPV6:
        places += [("fd68:7573:6b::2", "::1", host), ("fd00:40::1", "fd00:40::1", peer)]
        servers.append("fd68:7573:6b::3")
    for address, there, ns in places:
        check(any(reached(ct, name, address, there, ns) for _ in range(TRIES)), f"no connection to {address}")
    for address in servers:
        c.wait_for(lambda: {"192.0.2.99", "2001:db8::99"} <= looked_up(ct, name, address), 6, f"an answer of {address}")


# passt of 2023, stopped for a second while a connection is made, loses it; nobody else is to.
TRIES = 3


def reached(ct, name, address, there, ns):
    """Whether a connection was made; what it carries arrives."""
    data = os.urandom(300000)
    with serve(ns, there, 7001) as server:
        if ct.execute(name, "nc", "-w", "30", address, "7001", stdin=data).code != 0:
            return False
        check(server.communicate(timeout=300)[0] == data, f"what {address} got")
    return True


def looked_up(ct, name, server):
    """Datagrams get lost, and an answer may come after nslookup has given up."""
    return set(ct.execute(name, "nslookup", "name.example", server).text.split())


def published(ct, name, host, at, guest, kind):
    if kind == "tcp":
        published_tcp(ct, name, host, at, guest)
    else:
        published_udp(ct, name, host, at)


def published_tcp(ct, name, host, at, guest):
    check(any(reached_from_outside(ct, name, host, at, guest) for _ in range(TRIES)), f"no connection from {at}")


def reached_from_outside(ct, name, host, at, guest):
    """There and back, the guest's end closing first: passt of 2023 loses an end that comes before its connection to the guest."""
    data, server, answer = os.urandom(300000), ct.new_id("srv"), b""
    done = ct.popen("task", "exec", "--exec-id", server, name, "nc", "-l", "-p", str(guest), "-e",
                    "sh", "-c", f"head -c {len(data)} | sha256sum", stdin=subprocess.DEVNULL)
    c.wait_for(lambda: f":{guest} " in ct.execute(name, "netstat", "-ltn").text, 20, "the server listens")
    with entered(host):
        peer = socket.create_connection(at, 60)
    with peer, contextlib.suppress(OSError):
        peer.sendall(data)
        answer = b"".join(iter(lambda: peer.recv(1 << 16), b""))
    if not answer:
        ct.ctr("task", "kill", "--exec-id", server, "-s", "KILL", name)
        done.wait(300)
        return False
    check_equal(answer.split()[:1], [hashlib.sha256(data).hexdigest().encode()], f"what the guest got from {at}")
    check_equal(done.wait(300), 0)
    return True


def published_udp(ct, name, host, at):
    """busybox has no server for UDP; the kernel counts what nobody waits for."""
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    before = unwanted_datagrams(ct, name, family)
    with entered(host):
        peer = socket.socket(family, socket.SOCK_DGRAM)

    def came():
        peer.sendto(b"over udp", at)  # again, as it may get lost
        return unwanted_datagrams(ct, name, family) > before

    with peer:
        c.wait_for(came, 30, f"a datagram from {at} comes")


def unwanted_datagrams(ct, name, family):
    script = ("grep ^Udp6NoPorts /proc/net/snmp6 | tr -s ' \\t' ' ' | cut -d ' ' -f 2" if family == socket.AF_INET6 else
              "grep ^Udp: /proc/net/snmp | tail -n 1 | cut -d ' ' -f 3")
    return int(ct.execute(name, "sh", "-c", script, check=True).text)


def test_user_mode_by_passt(ct):
    require_husk()
    if not os.path.exists("/usr/bin/passt"):
        raise Skip("no passt (Debian: passt)")
    ports = [("127.0.0.1", 8082, 7002, "tcp"), ("127.0.0.1", 8083, 7003, "udp")]
    if IPV6:
        ports += [("::1", 8092, 7002, "tcp"), ("::1", 8093, 7003, "udp"), ("::", 8094, 7002, "tcp")]
    with host_of_its_own(ct) as (on_host, host, peer):
        refused_ports(on_host, "", ["127.0.0.1:8082:1", "[::1]:8082:1"], "tcp port 8082 of 127.0.0.1 and of ::1")
        user_mode(on_host, host, peer, "", ports, "passt")


def test_user_mode_by_qemu(ct):
    require_husk()
    with host_of_its_own(ct) as (on_host, host, peer):
        refused_ports(on_host, 'passt = ""', ["[::1]:8082:1"], "passt is needed")
        user_mode(on_host, host, peer, 'passt = ""',
                  [("127.0.0.1", 8082, 7002, "tcp"), ("127.0.0.1", 8083, 7003, "udp")], "qemu")


def refused_ports(on_host, hypervisor, ports, why):
    if not IPV6:
        return
    with configured(on_host, f'internetworking_model = "user"\npublished_ports = {json.dumps(ports)}', hypervisor):
        done = on_host.run_container("true")
    check(done.code != 0)
    check_in("published_ports", done.error)
    check_in(why, done.error)


def test_a_published_port_that_is_taken(ct):
    require_husk()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with configured(ct, f'internetworking_model = "user"\npublished_ports = ["127.0.0.1:{port}:80"]'):
            done = ct.run_container("true")
    check(done.code != 0)
    check_in(str(port), done.error)
