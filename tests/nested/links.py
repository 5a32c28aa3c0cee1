# SPDX-License-Identifier: Apache-2.0
"""Links and their carriers that need a kernel of a fuller kind: vhost-net, ipvlan."""

import subprocess

from network import check_clean, in_namespace, inside, ip, namespaces, talk, tcp_in, tcp_out, wire
from report import check, check_equal, check_in
from vsock import open_files, processes


def kernel_threads(word):
    done = subprocess.run(["ps", "-e", "-o", "comm="], stdout=subprocess.PIPE, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(word)]


def test_vhost_net(ct):
    """Frames are the host kernel's affair where it can do that."""
    with namespaces(ct, "pod", "peer") as (pod, peer):
        wire(pod, peer)
        name = ct.detached("sleep", "100000", options=in_namespace(pod))
        try:
            qemu = processes(name)["qemu"]
            check("/dev/vhost-net" in open_files(qemu), "QEMU has no /dev/vhost-net")
            check(len(kernel_threads(f"vhost-{qemu}")) >= 2, "threads of vhost-vsock and vhost-net")
            talk(ct, name, pod, peer)
        finally:
            ct.remove(name)
        check_clean(pod)


def share(pod, peer, host, mode, address):
    """A pod's link that shares another's hardware address; what it is on has a cable to `peer`."""
    ip("link", "add", "up0", "type", "veth", "peer", "name", "gw0", "netns", peer, ns=host)
    ip("link", "set", "up0", "up", ns=host)
    ip("address", "add", "10.88.13.1/24", "dev", "gw0", ns=peer)
    ip("link", "set", "gw0", "up", ns=peer)
    ip("link", "add", "link", "up0", "name", "eth0", "netns", pod, "type", "ipvlan", "mode", mode, ns=host)
    ip("address", "add", f"{address}/24", "dev", "eth0", ns=pod)
    ip("link", "set", "eth0", "up", ns=pod)


def carries(ct, pod, peer, address):
    name = ct.detached("sleep", "100000", options=in_namespace(pod))
    try:
        check_equal(ct.execute(name, "ping", "-c", "2", "-W", "10", "10.88.13.1").code, 0, "ping out")
        check_equal(inside(peer, "busybox", "ping", "-c", "2", "-W", "10", address).returncode, 0, "ping in")
        tcp_out(ct, name, peer, "10.88.13.1")
        tcp_in(ct, name, peer, address)
    finally:
        ct.remove(name)
    check_clean(pod)


def test_ipvlan(ct):
    with namespaces(ct, "pod", "peer", "host") as (pod, peer, host):
        share(pod, peer, host, "l2", "10.88.13.2")
        carries(ct, pod, peer, "10.88.13.2")


def test_ipvlan_l3(ct):
    """The pod has a subnet of its own; what it sends takes the host's routes."""
    with namespaces(ct, "pod", "peer", "host") as (pod, peer, host):
        share(pod, peer, host, "l3", "10.88.14.2")
        ip("address", "add", "10.88.13.254/24", "dev", "up0", ns=host)
        ip("route", "add", "default", "dev", "eth0", ns=pod)
        ip("route", "add", "10.88.14.0/24", "via", "10.88.13.254", ns=peer)
        carries(ct, pod, peer, "10.88.14.2")


def test_ipvlan_l3s(ct):
    """Its frames pass by every filter: that is said, and not found out by a pod without a network."""
    with namespaces(ct, "pod", "peer", "host") as (pod, peer, host):
        share(pod, peer, host, "l3s", "10.88.14.2")
        refused = ct.run_container("true", options=in_namespace(pod))
        check(refused.code != 0, "a container started")
        check_in("link 'eth0' is an ipvlan in mode l3s", refused.error)
        check_clean(pod)
