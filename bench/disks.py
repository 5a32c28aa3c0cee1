# SPDX-License-Identifier: Apache-2.0
"""Disks that come to a running machine and leave it: the calls of the shim, without containerd."""

import statistics

import hotplug
from figures import quantile, section


def milliseconds(values):
    return (f"median {statistics.median(values) / 1000:.1f} ms, p99 {quantile(values, 0.99) / 1000:.1f},"
            f" worst {max(values) / 1000:.1f}")


def measure(build, cycles):
    for driver in ("virtio-blk", "virtio-scsi"):
        section(f"a disk plugged in and out, {driver}, {cycles} times")
        machine = hotplug.Machine(build, config=f'block_device_driver = "{driver}"')
        try:
            path = hotplug.erofs(machine, "disk", "")
            machine.mounted(machine.plug(path, read_only=True, shared=True), "erofs", "true", "ro")
            plugged, unplugged = [], []
            for _ in range(cycles):
                disk = machine.plug(path, read_only=True, shared=True)
                plugged.append(disk["us"])
                unplugged.append(machine.unplug(disk)["us"])
        finally:
            machine.close()
        print(f"plug: {milliseconds(plugged)}\nunplug: {milliseconds(unplugged)}", flush=True)
