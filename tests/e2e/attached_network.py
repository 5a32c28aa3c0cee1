# SPDX-License-Identifier: Apache-2.0
"""A network that files of dan_conf describe: taps of somebody else's, and the other end of a vhost-user device."""

import contextlib
import json
import os
import re

import vhost_user_net
from network import IPV6, PING, configured, ip, namespaces, require_husk
from report import check, check_equal, check_in


# What a file of dan_conf says of the guest's end; IPv6 where there is some.
ATTACHED = {
    "interface": {"ip_addresses": ["10.88.30.2/24"], "mtu": 1450},
    "routes": [{"dest": "", "gateway": "10.88.30.1"}, {"dest": "192.0.2.0/24", "gateway": "10.88.30.9", "source": "10.88.30.2"}],
    "neighbors": [{"ip_address": "10.88.30.77", "hardware_addr": "02:00:00:00:00:77"},
                  {"ip_address": "10.88.30.78", "hardware_addr": "02:00:00:00:00:78", "state": 4}]}  # NUD_STALE
ATTACHED_V6 = {
    "interface": {"ip_addresses": ["fd00:30::2/64"]},
    "routes": [{"dest": "::/0", "gateway": "fd00:30::1"}],
    "neighbors": [{"ip_address": "fd00:30::77", "hardware_addr": "02:00:00:00:06:77"}]}


def attached():
    if not IPV6:
        return ATTACHED
    both = {key: ATTACHED[key] + ATTACHED_V6[key] for key in ("routes", "neighbors")}
    addresses = ATTACHED["interface"]["ip_addresses"] + ATTACHED_V6["interface"]["ip_addresses"]
    return {**both, "interface": {**ATTACHED["interface"], "ip_addresses": addresses}}


@contextlib.contextmanager
def tap_of_somebody(ct, *kind):
    """A namespace and a tap in it that is somebody else's, who has wired it."""
    with namespaces(ct, "far") as (far,):
        ip("tuntap", "add", "mode", "tap", *kind, "name", "tap7", ns=far)
        ip("address", "add", "10.88.30.1/24", "dev", "tap7", ns=far)
        if IPV6:
            ip("address", "add", "fd00:30::1/64", "dev", "tap7", "nodad", ns=far)
        ip("link", "set", "tap7", "up", ns=far)
        yield far


@contextlib.contextmanager
def attachment(ct, far, device, hypervisor=""):
    """The name of the container that is to have the tap."""
    name, directory = ct.new_id("dan"), f"{ct.run}/dan"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{name}.json", "w") as file:
        json.dump({"netns": f"/run/netns/{far}", "devices": [{
            "name": "net0", "guest_mac": "02:00:00:88:30:02", "device": {"type": "host-tap", "tap_name": "tap7", **device},
            "network_info": attached()}]}, file)
    with configured(ct, f'dan_conf = "{directory}"', hypervisor):
        yield name


LOOK = "ip address show dev net0; ip route; ip -6 route; ip neigh; cd /sys/class/net/net0/queues; echo *; grep virtio /proc/interrupts"


def test_directly_attached(ct):
    """A file of dan_conf: what the guest is to have of a tap, with a queue for each processor, which carries its frames."""
    require_husk()
    with tap_of_somebody(ct, "multi_queue") as far, attachment(ct, far, {"queue_num": 2}, "default_vcpus = 2") as name:
        peers = ("10.88.30.1", *(["fd00:30::1"] if IPV6 else []))
        pings = [f"taskset -p {cpu} $$; {PING.format(2, peer)}" for cpu in (1, 2) for peer in peers]
        text = re.sub(" +", " ", ct.run_container("sh", "-c", "; ".join([*pings, LOOK]), name=name, check=True).text)
        check_in("tap7", ip("link", ns=far), "the tap is its owner's and stays")
    for part in ("mtu 1450", "link/ether 02:00:00:88:30:02", "inet 10.88.30.2/24", "default via 10.88.30.1 dev net0",
                 "192.0.2.0/24 via 10.88.30.9 dev net0 src 10.88.30.2", "rx-0 rx-1 tx-0 tx-1"):
        check_in(part, text)
    check_in("PERMANENT", neighbor_line(text, "10.88.30.77 dev net0 lladdr 02:00:00:00:00:77"))
    check_in("STALE", neighbor_line(text, "10.88.30.78 dev net0 lladdr 02:00:00:00:00:78"))
    if IPV6:
        check_in("inet6 fd00:30::2/64", text)
        check_in("default via fd00:30::1 dev net0", text)
        check_in("PERMANENT", neighbor_line(text, "fd00:30::77 dev net0 lladdr 02:00:00:00:06:77"))


def neighbor_line(text, start):
    found = [line for line in text.splitlines() if line.startswith(start)]
    check_equal(len(found), 1, f"{start} in {text}")
    return found[0]


def test_directly_attached_by_a_tap_of_one_queue(ct):
    """Its owner made it so: the second queue that the file speaks of is not to be had."""
    require_husk()
    with tap_of_somebody(ct) as far, attachment(ct, far, {"queue_num": 2}, "default_vcpus = 2") as name:
        text = ct.run_container("sh", "-c", f"echo /sys/class/net/net0/queues/*; {PING.format(2, '10.88.30.1')}", name=name, check=True).text
    check_in("queues/rx-0 /sys/class/net/net0/queues/tx-0\n", text)
    check_in("2 packets received", text)


def test_vhost_user(ct):
    """A device of dan_conf whose other end is a process that maps the guest's memory."""
    require_husk()
    name, directory = ct.new_id("dan"), f"{ct.run}/dan-user"
    os.makedirs(directory)
    peer = vhost_user_net.Peer(f"{directory}/switch.sock", "10.88.31.1")
    try:
        with open(f"{directory}/{name}.json", "w") as file:
            json.dump({"devices": [{
                "name": "net0", "guest_mac": "02:00:00:88:31:02",
                "device": {"type": "vhost-user", "path": f"{directory}/switch.sock"},
                "network_info": {"interface": {"ip_addresses": ["10.88.31.2/24"]}}}]}, file)
        with configured(ct, f'dan_conf = "{directory}"'):
            text = ct.run_container("sh", "-c", f"ip link show dev net0; {PING.format(3, '-s 1000 10.88.31.1')}", name=name, check=True).text
        check_in("link/ether 02:00:00:88:31:02", text)
        check_in("3 packets received", text)
        check(peer.pings >= 3, f"{peer.pings} pings")
        with configured(ct, f'dan_conf = "{directory}"'):
            peer.close()
            os.unlink(f"{directory}/switch.sock")
            done = ct.run_container("true", name=name)
        check_in("link 'net0': vhost-user device", done.error)
    finally:
        peer.close()
