# SPDX-License-Identifier: Apache-2.0
"""A pod with two links, the first with addresses of both families, as CNI leaves it: what its namespace on the host has
the guest has."""

import glob
import json
import re
import socket

import network
from report import Skip, check, check_equal, check_in

PORT = 7020
WEB = ("sh", "-c", f"mkdir /www; hostname >/www/index.html; exec httpd -f -p '[::]:{PORT}' -h /www")


def open_pod(ct, handler):
    if not network.IPV6:
        raise Skip("this host has no IPv6")
    before = namespaces(ct)
    ct.pod = ct.run_pod(f"{handler}-two-networks")
    ct.main = ct.pod.start(*WEB, name="main")
    netns, = namespaces(ct) - before
    shown = network.here("nsenter", f"--net={netns}", "ip", "-j", "address").stdout
    ct.links = {link["ifname"]: link for link in json.loads(shown) if link["ifname"].startswith("eth")}
    ct.gateways = {"eth0": [f"{ct.subnet}.1", f"{ct.subnet_v6}1"], "eth1": [f"{ct.second_subnet}.1"]}


def close_pod(ct):
    ct.pod.remove()


def namespaces(ct):
    return set(glob.glob(f"{ct.run}/state/*/netns/*"))


def addresses(link):
    return [entry for entry in link["addr_info"] if entry["scope"] == "global"]


def test_two_networks_are_told_to_the_kubelet(ct):
    """The address of a pod is the first of its first link; of what comes behind, those of that link."""
    status = ct.pod.inspect_sandbox()["status"]["network"]
    check_equal([status["ip"], *(more["ip"] for more in status["additionalIps"])],
                [address["local"] for address in addresses(ct.links["eth0"])])
    check(status["ip"].startswith(f"{ct.subnet}."), status)
    check_equal([address["family"] for address in addresses(ct.links["eth0"])], ["inet", "inet6"])
    check_equal([address["family"] for address in addresses(ct.links["eth1"])], ["inet"])


def test_two_networks_have_their_links_in_the_guest(ct):
    """Names, hardware addresses, MTUs, and every address of each on it alone."""
    names = re.findall(r"^\d+: (eth\w+)", ct.pod.sh(ct.main, "ip -o link"), re.MULTILINE)
    check_equal(sorted(names), ["eth0", "eth1"])
    check_equal([ct.links[name]["mtu"] for name in ("eth0", "eth1")], [1500, 1400])
    for name, link in ct.links.items():
        text = ct.pod.sh(ct.main, f"ip address show dev {name}")
        check_in(f"link/ether {link['address']}", text)
        check_in(f"mtu {link['mtu']} ", text)
        found = re.findall(r"inet6? (\S+ (?:brd \S+ )?)scope global", text)
        check_equal(found, [f"{one['local']}/{one['prefixlen']} " + (f"brd {one['broadcast']} " if "broadcast" in one else "")
                            for one in addresses(link)], name)
        check("scope global tentative" not in text, text)


def test_two_networks_have_their_routes_in_the_guest(ct):
    (v4, v6), (far,) = ct.gateways["eth0"], ct.gateways["eth1"]
    text = re.sub(" +", " ", ct.pod.sh(ct.main, "ip route; ip -6 route"))
    for route in (f"default via {v4} dev eth0", f"{ct.subnet}.0/24 dev eth0", f"default via {v6} dev eth0",
                  f"{ct.subnet_v6}/64 dev eth0", f"192.0.2.0/24 via {far} dev eth1", f"{far} dev eth1 scope link",
                  f"{ct.second_subnet}.0/24 via {far} dev eth1"):
        check_in(route, text)
    check(f"{ct.second_subnet}.0/24 dev eth1" not in text, f"the plugin has taken that one away: {text}")
    check_equal(text.count("default via"), 2, text)


def test_two_networks_are_reached_from_the_host(ct):
    """Each address: by ping, and by a connection to a server that listens on all."""
    for address in (one["local"] for link in ct.links.values() for one in addresses(link)):
        done = network.here("busybox", "ping", "-c", "2", "-W", "10", address)
        check_equal(done.returncode, 0, f"ping {address}: {done.stdout.decode()}")
        with socket.create_connection((address, PORT), 60) as peer:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            check_in(ct.pod.config["hostname"].encode(), b"".join(iter(lambda: peer.recv(4096), b"")), address)


def test_two_networks_reach_the_host(ct):
    for gateway in ct.gateways["eth0"] + ct.gateways["eth1"]:
        ct.pod.sh(ct.main, network.PING.format(2, gateway))
