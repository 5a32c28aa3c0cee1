# SPDX-License-Identifier: Apache-2.0
"""The network of a container: links of a namespace that somebody prepared (as CNI does for a pod), seen in
the guest, with traffic in both directions. Everything is in namespaces of the test's own."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys

import containerd as c
from report import Skip, check, check_equal, check_in

IPV6 = os.path.exists("/proc/sys/net/ipv6")


def ip(*args, ns=None):
    command = ["ip", *(["-n", ns] if ns else []), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check_equal(done.returncode, 0, f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def here(*command, **more):
    return subprocess.run(command, capture_output=True, check=False, **more)


def inside(ns, *command, **more):
    return here("ip", "netns", "exec", ns, *command, **more)


def require_husk():
    if c.RUNTIME != "io.containerd.husk.v2":
        raise Skip("husk's own wiring")


@contextlib.contextmanager
def namespaces(ct, *names):
    made = [ct.new_id(name) for name in names]
    try:
        for name in made:
            ip("netns", "add", name)
            ip("link", "set", "lo", "up", ns=name)
        yield made
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def cable(pod, name, peer, peer_name, address, gateway, mtu=1500):
    """A veth pair: what CNI's ptp and bridge plugins leave in a pod's namespace."""
    ip("link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", peer_name, "mtu", str(mtu),
       "netns", peer, ns=pod)
    ip("address", "add", f"{address}/24", "dev", name, ns=pod)
    ip("link", "set", name, "up", ns=pod)
    ip("address", "add", f"{gateway}/24", "dev", peer_name, ns=peer)
    ip("link", "set", peer_name, "up", ns=peer)


def check_clean(pod):
    """An end may go on for a moment when the task's Delete took too long for it."""
    c.wait_for(lambda: taps_and_filters(pod) == ([], []), 6, f"no tap and no filter in {pod}")


# Until as many answers came as were asked for: the first packets are lost where the other end is not looked up in time.
PING = "i=0; until ping -c {0} -W 10 {1} | grep '{0} packets received'; do [ $((i+=1)) -lt 5 ] || exit 1; done"


def in_namespace(pod):
    return ("--with-ns", f"network:/run/netns/{pod}")


def taps_and_filters(pod):
    taps = [line for line in ip("-o", "link", ns=pod).splitlines() if "husk-tap" in line]
    filters = subprocess.run(["tc", "-n", pod, "qdisc", "show"], capture_output=True, text=True, check=True).stdout
    return taps, [line for line in filters.splitlines() if "ingress" in line]


# A server takes all of one connection, then prints it; a client sends its standard input.
SERVER = """import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("listening", flush=True)
peer = listener.accept()[0]
data = b"".join(iter(lambda: peer.recv(1 << 16), b""))
peer.close()
sys.stdout.buffer.write(data)
"""
CLIENT = """import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 240)
peer.sendall(sys.stdin.buffer.read())
try:
    peer.shutdown(socket.SHUT_WR)
except OSError:
    pass  # it was reset already, which the next line says
sys.stdout.buffer.write(b"".join(iter(lambda: peer.recv(1 << 16), b"")))
"""


@contextlib.contextmanager
def serve(ns, address, port, program=SERVER):
    """The process, which listens; what is left of it at the end of the block is killed."""
    server = subprocess.Popen(["ip", "netns", "exec", ns, sys.executable, "-c", program, address, str(port)],
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        check_equal(server.stdout.readline(), b"listening\n")
        yield server
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def send(ns, address, port, data):
    done = inside(ns, sys.executable, "-c", CLIENT, address, str(port), input=data, timeout=300)
    check_equal(done.returncode, 0, done.stderr.decode())
    return done.stdout


@contextlib.contextmanager
def configured(ct, runtime, hypervisor=""):
    """More lines in the sections [runtime] and [hypervisor.qemu] of husk's configuration."""
    with open(ct.husk_config) as file:
        config = file.read()
    more = config.replace("[runtime]\n", f"[runtime]\n{runtime}\n")
    ct.write_husk_config(more.replace("[hypervisor.qemu]\n", f"[hypervisor.qemu]\n{hypervisor}\n"))
    try:
        yield
    finally:
        ct.write_husk_config(config)


def wire(pod, peer):
    """A pod's link with all that a link can have."""
    cable(pod, "eth0", peer, "gw0", "10.88.7.2", "10.88.7.1", mtu=1400)
    ip("route", "add", "default", "via", "10.88.7.1", ns=pod)
    ip("route", "add", "192.0.2.0/24", "via", "10.88.7.1", "src", "10.88.7.2", ns=pod)
    ip("neighbor", "add", "10.88.7.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0", "nud", "permanent", ns=pod)
    if IPV6:
        ip("address", "add", "fd00:7::1/64", "dev", "gw0", "nodad", ns=peer)
        ip("address", "add", "fd00:7::2/64", "dev", "eth0", "nodad", ns=pod)
        ip("route", "add", "default", "via", "fd00:7::1", ns=pod)


def talk(ct, name, pod, peer):
    """The guest has what wire() made, and is heard and reached."""
    look_at_the_guest(ct, name, pod)
    check_equal(ct.execute(name, "ping", "-c", "2", "-W", "10", "10.88.7.1").code, 0, "ping out")
    check_equal(inside(peer, "busybox", "ping", "-c", "2", "-W", "10", "10.88.7.2").returncode, 0, "ping in")
    if IPV6:
        check_equal(ct.execute(name, "ping", "-c", "2", "-W", "10", "fd00:7::1").code, 0, "ping out, IPv6")
        check_equal(inside(peer, "busybox", "ping", "-c", "2", "-W", "10", "fd00:7::2").returncode, 0, "ping in, IPv6")
    tcp_out(ct, name, peer, "10.88.7.1")
    tcp_in(ct, name, peer, "10.88.7.2")


def test_a_veth_is_the_guests(ct):
    """Addresses, MTU, hardware address, routes; ping and TCP both ways; the host's side is put back."""
    with namespaces(ct, "pod", "peer") as (pod, peer):
        wire(pod, peer)
        name = ct.detached("sleep", "100000", options=in_namespace(pod))
        try:
            talk(ct, name, pod, peer)
            check_equal(len(taps_and_filters(pod)[0]) if c.RUNTIME == "io.containerd.husk.v2" else 1, 1, "taps")
        finally:
            ct.remove(name)
        check_clean(pod)
        check_in("10.88.7.2", ip("address", ns=pod))


def flags_of(pod):
    return [line.split(" state ")[0] for line in ip("-d", "link", "show", "dev", "eth0", ns=pod).splitlines()]


def test_macvtap(ct):
    """The same by a macvtap, which goes with its container, and also after a shim that was killed."""
    require_husk()
    if not os.path.exists("/sys/class/macvtap"):
        raise Skip("the kernel has no macvtap")
    with namespaces(ct, "pod", "peer") as (pod, peer), configured(ct, 'internetworking_model = "macvtap"'):
        wire(pod, peer)
        before = flags_of(pod)
        name = ct.detached("sleep", "100000", options=in_namespace(pod))
        try:
            talk(ct, name, pod, peer)
            check_in("macvtap mode passthru", ip("-d", "link", ns=pod))
            check_equal([len(found) for found in taps_and_filters(pod)], [1, 0], "macvtap and ingress qdiscs")
            os.kill(ct.shim_pid(name), signal.SIGKILL)
            c.wait_for(lambda: taps_and_filters(pod) == ([], []), 30, "the macvtap goes")
        finally:
            ct.remove(name)
        check_equal(flags_of(pod), before, "the link below")


def test_no_network(ct):
    require_husk()
    with namespaces(ct, "pod", "peer") as (pod, peer), configured(ct, 'internetworking_model = "none"'):
        cable(pod, "eth0", peer, "gw0", "10.88.12.2", "10.88.12.1")
        done = ct.run_container("sh", "-c", "ls /sys/class/net; ip link show", options=in_namespace(pod), check=True)
        check_in("lo", done.text)
        check("eth" not in done.text, done.text)
        check_equal(taps_and_filters(pod), ([], []), "in the namespace")


def look_at_the_guest(ct, name, pod):
    link = ct.execute(name, "ip", "address", "show", "dev", "eth0", check=True).text
    check_in("mtu 1400", link)
    check_in("inet 10.88.7.2/24", link)
    with open("/proc/self/comm"):  # the hardware address is the link's
        mac = ip("-o", "link", "show", "dev", "eth0", ns=pod).split("link/ether ")[1].split()[0]
    check_in(mac, link)
    routes = ct.execute(name, "ip", "route", check=True).text
    check_in("default via 10.88.7.1 dev eth0", routes)
    check_in("192.0.2.0/24 via 10.88.7.1 dev eth0  src 10.88.7.2", routes)
    check_in("10.88.7.0/24 dev eth0", routes)
    check_in("10.88.7.77 dev eth0 lladdr 02:00:00:00:00:77", ct.execute(name, "ip", "neigh", check=True).text)
    if IPV6:
        check_in("inet6 fd00:7::2/64", link)
        check("fd00:7::2/64 scope global tentative" not in link, link)
        check_in("default via fd00:7::1 dev eth0", ct.execute(name, "ip", "-6", "route", check=True).text)


def tcp_out(ct, name, peer, address):
    data = os.urandom(1 << 20)
    with serve(peer, address, 7001) as server:
        ct.execute(name, "nc", address, "7001", stdin=data, check=True)
        got = server.communicate(timeout=300)[0]
    check(got == data, f"{len(got)} bytes of {len(data)} arrived")


def tcp_in(ct, name, peer, address):
    data = os.urandom(1 << 20)
    server = ct.popen("task", "exec", "--exec-id", ct.new_id("srv"), name, "sh", "-c", "nc -l -p 7002 | sha256sum",
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    c.wait_for(lambda: ":7002 " in ct.execute(name, "netstat", "-ltn").text, 20, "the server listens")
    send(peer, address, 7002, data)
    want = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
    check_equal(server.communicate(timeout=300)[0], want, "what arrived")


def test_several_links(ct):
    with namespaces(ct, "pod", "peer") as (pod, peer):
        cable(pod, "eth0", peer, "gw0", "10.88.8.2", "10.88.8.1")
        cable(pod, "net1", peer, "gw1", "10.88.9.2", "10.88.9.1", mtu=9000)
        name = ct.detached("sleep", "100000", options=in_namespace(pod))
        try:
            check_in("mtu 9000", ct.execute(name, "ip", "link", "show", "dev", "net1", check=True).text)
            for gateway in ("10.88.8.1", "10.88.9.1"):
                check_equal(ct.execute(name, "ping", "-c", "2", "-W", "10", gateway).code, 0, f"ping {gateway}")
            check_equal(ct.execute(name, "ping", "-s", "8000", "-c", "2", "-W", "10", "10.88.9.1").code, 0, "a long frame")
        finally:
            ct.remove(name)


WEB = """mkdir -p /www/cgi-bin; head -c 3000000 /dev/zero >/www/zeros
printf '#!/bin/sh\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n"; head -c $CONTENT_LENGTH | sha256sum\\n' >/www/cgi-bin/sum
chmod 755 /www/cgi-bin/sum; httpd -p 127.0.0.1:7010 -h /www; httpd -p '[::1]:7011' -h /www; exec sleep 100000"""


def post(ns, address, port, data):
    head = f"POST /cgi-bin/sum HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n"
    return send(ns, address, port, head.encode() + data).split(b"\r\n\r\n", 1)[-1].split()[:1]


def dial_nobody(ns, port):
    done = inside(ns, sys.executable, "-c", CLIENT, "127.0.0.1", str(port), input=b"x", timeout=300)
    check(done.returncode != 0, "a connection to nobody ended well")
    return done.stderr.decode()


def test_localhost_of_the_namespace_is_the_guests(ct):
    """What a port-forward does: connect to localhost in the pod's namespace, on the host."""
    require_husk()
    with namespaces(ct, "pod") as (pod,):
        name = ct.detached("sh", "-c", WEB, options=in_namespace(pod))
        try:
            c.wait_for(lambda: ct.execute(name, "netstat", "-ltn").text.count(":701") == 2, 20, "the servers listen")
            data = os.urandom(300000)
            want = [hashlib.sha256(data).hexdigest().encode()]
            for _ in range(3):
                check_equal(post(pod, "127.0.0.1", 7010, data), want)
            if IPV6:
                check_equal(post(pod, "::1", 7011, data), want, "IPv6")
                check_equal(post(pod, "127.0.0.1", 7011, data), want, "a server on ::1 alone")
            page = send(pod, "127.0.0.1", 7010, b"GET /zeros HTTP/1.0\r\n\r\n")
            check_equal(page.count(b"\0"), 3000000, "a long answer")
            check_in("reset by peer", dial_nobody(pod, 7013))
        finally:
            ct.remove(name)
        c.wait_for(lambda: "refused" in dial_nobody(pod, 7010), 6, "nobody listens after the end")


CNI_PLUGINS = ("/opt/cni/bin", "/usr/lib/cni")


# A plugin behind another: one more link, of which CNI is told nothing, with a neighbour. The task's process is in CNI_NETNS.
SECOND_LINK = """#!{python}
import json, os, subprocess, sys
conf = json.load(sys.stdin)
if os.environ["CNI_COMMAND"] == "ADD":
    pid = os.environ["CNI_NETNS"].split("/")[2]
    for command in conf["commands"]:
        subprocess.run(command.format(pid=pid, inside="nsenter --net=/proc/" + pid + "/ns/net ip"), shell=True, check=True)
    json.dump(conf["prevResult"], sys.stdout)
"""
SECOND_LINK_COMMANDS = ["ip link add gw1 type veth peer name net1 mtu 1380 address 02:00:00:88:21:02 netns {pid}",
                        "ip address add 10.88.21.1/24 dev gw1", "ip link set gw1 up", "{inside} address add 10.88.21.2/24 dev net1",
                        "{inside} link set net1 up", "{inside} route add 198.51.100.0/24 via 10.88.21.1",
                        "{inside} neighbor add 10.88.21.77 lladdr 02:00:00:00:00:77 dev net1 nud permanent"]


def cni_client(ct, host):
    """A command that runs ctr where CNI has its own configuration and a network namespace to be the host's."""
    plugins = next((path for path in CNI_PLUGINS if os.path.exists(f"{path}/bridge")), None)
    if not plugins:
        raise Skip("no CNI plugins (Debian: containernetworking-plugins)")
    files = f"{ct.run}/{ct.new_id('cni')}"
    for directory in ("etc/cni/net.d", "work", "bin"):
        os.makedirs(f"{files}/{directory}")
    with open(f"{files}/bin/second-link", "w") as file:
        file.write(SECOND_LINK.replace("{python}", sys.executable))
    os.chmod(f"{files}/bin/second-link", 0o755)
    subnets = ["10.88.20.0/24", *(["fd00:20::/64"] if IPV6 else [])]
    routes = [{"dst": "0.0.0.0/0"}, *([{"dst": "::/0"}] if IPV6 else [])]
    with open(f"{files}/etc/cni/net.d/10-test.conflist", "w") as file:
        json.dump({"cniVersion": "0.4.0", "name": host, "plugins": [{
            "type": "bridge", "bridge": "cni-test", "isGateway": True, "mtu": 1420,
            "ipam": {"type": "host-local", "dataDir": f"{files}/ipam",
                     "ranges": [[{"subnet": subnet}] for subnet in subnets], "routes": routes}},
            {"type": "second-link", "commands": SECOND_LINK_COMMANDS}]}, file)
    script = (f"mount -t overlay -o lowerdir={files}/bin:{plugins} none /mnt && mount -t tmpfs none /opt && mkdir -p /opt/cni/bin"
              f" && mount --move /mnt /opt/cni/bin"
              f" && mount -t overlay -o lowerdir=/etc,upperdir={files}/etc,workdir={files}/work none /etc && exec \"$@\"")
    return ["ip", "netns", "exec", host, "unshare", "-m", "sh", "-c", script, "sh", f"{ct.binaries}/ctr", "-a", ct.address]


def test_ctr_run_with_cni(ct):
    """CNI is called between Create and Start: two links come to a guest that runs, with all that they have."""
    with namespaces(ct, "host") as (host,):
        ctr = cni_client(ct, host)
        name = ct.new_id("cni")
        gateways = ["10.88.20.1", "10.88.21.1", *(["fd00:20::1"] if IPV6 else [])]
        script = ("for l in eth0 net1; do ip address show dev $l; done; ip route; ip -6 route; ip neigh; "
                  + "".join(f"{PING.format(2, gateway)}; " for gateway in gateways) + "nc 10.88.20.1 7003 </etc/passwd")
        ip("link", "add", "cni-test", "type", "bridge", ns=host)
        ip("address", "add", "10.88.20.1/24", "dev", "cni-test", ns=host)
        with serve(host, "10.88.20.1", 7003) as server:
            done = subprocess.run([*ctr, "run", "--rm", "--cni", "--runtime", c.RUNTIME, c.IMAGE, name, "sh", "-c", script],
                                  capture_output=True, text=True, timeout=300, check=False)
            check_equal(done.returncode, 0, done.stdout + done.stderr)
            check_in(b"root:x:0:0", server.communicate(timeout=300)[0])
    for part in ("inet 10.88.20.", "mtu 1420", "default via 10.88.20.1 dev eth0", "mtu 1380", "link/ether 02:00:00:88:21:02",
                 "inet 10.88.21.2/24", "198.51.100.0/24 via 10.88.21.1 dev net1",
                 "10.88.21.77 dev net1 lladdr 02:00:00:00:00:77", *(["inet6 fd00:20::", "default via fd00:20::1 dev eth0"] if IPV6 else [])):
        check_in(part, done.stdout)
    check_equal(done.stdout.count("2 packets received"), len(gateways), done.stdout)


def test_a_killed_shim_leaves_no_filters(ct):
    require_husk()
    with namespaces(ct, "pod", "peer") as (pod, peer):
        cable(pod, "eth0", peer, "gw0", "10.88.11.2", "10.88.11.1")
        name = ct.detached("sleep", "100000", options=in_namespace(pod))
        check_equal([len(found) for found in taps_and_filters(pod)], [1, 2], "taps and ingress qdiscs")
        os.kill(ct.shim_pid(name), signal.SIGKILL)
        c.wait_for(lambda: taps_and_filters(pod) == ([], []), 30, "the tap and the filters go")
        c.wait_for(lambda: "refused" in dial_nobody(pod, 7010), 6, "nobody listens on localhost of the namespace")
        ct.remove(name)


def test_filters_of_others_stay(ct):
    """A namespace whose link has a qdisc and a filter of somebody else's."""
    require_husk()
    with namespaces(ct, "pod", "peer") as (pod, peer):
        cable(pod, "eth0", peer, "gw0", "10.88.10.2", "10.88.10.1")
        for args in (("qdisc", "add", "dev", "eth0", "clsact"),
                     ("filter", "add", "dev", "eth0", "ingress", "pref", "5", "protocol", "ip", "u32", "match", "ip", "dport",
                      "9", "0xffff", "flowid", ":1")):
            subprocess.run(["tc", "-n", pod, *args], check=True)
        done = ct.run_container("ping", "-c", "2", "-W", "10", "10.88.10.1", options=in_namespace(pod))
        check_equal(done.code, 0, done.text + done.error)

        def left():
            return subprocess.run(["tc", "-n", pod, "filter", "show", "dev", "eth0", "ingress"], capture_output=True,
                                  text=True, check=True).stdout

        c.wait_for(lambda: "mirred" not in left(), 6, "husk's filter goes")
        check_in("pref 5", left())


def test_host_network_is_refused(ct):
    require_husk()
    done = ct.run_container("true", options=("--with-ns", f"network:/proc/{ct.process.pid}/ns/net"))
    check(done.code != 0)
    check_in("is the host's", done.error)
