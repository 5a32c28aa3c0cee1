# SPDX-License-Identifier: Apache-2.0
"""Root file systems on disks: how long a start takes with few and many verified EROFS layers, and how fast
their files are read, verified and not, against the same files through virtio-fs.

One by one: the agent's worker pool has one thread (the guest's kernel hands UV_THREADPOOL_SIZE to process 1),
so that no two layers are mounted at the same time.
"""

import contextlib
import os
import shutil
import time

import erofs_disks
import layered
from figures import ratio_of_medians, section, spread

COUNTS = (1, 10, 60)
BIG = 64 << 20  # bytes of each of two files: one is read from its beginning, one here and there
PIECES = 2000
ONE_BY_ONE = 'kernel_params = "UV_THREADPOOL_SIZE=1"\n'


class Machine(erofs_disks.Disks):
    """The image of one layer has the big files, and is there as directories too."""

    def import_images(self):
        base = f"{self.directory}/with-big"
        shutil.copytree(self.rootfs, base, symlinks=True)
        os.mkdir(f"{base}/big")
        for name in ("one", "two"):
            with open(f"{base}/big/{name}", "wb") as file:
                file.write(os.urandom(BIG))
        self.images[1] = layered.Layered(self.directory, base, 1)
        super().import_images()
        self.ctr("image", "import", "--local", "--snapshotter", "overlayfs", self.images[1].archive, check=True)

    def time_start(self, count, config):
        self.write_husk_config(config)
        name = self.create(count, "true")
        began = time.monotonic()
        self.start_task(name, check=True)
        elapsed = time.monotonic() - began
        self.remove(name)
        return elapsed

    def time_reads(self, programs, verified, snapshotter):
        """Bytes a second, from the beginning and at random, with nothing in the guest's cache."""
        script = (f"/bench/guest_reader sequential /big/one {BIG} && "
                  f"/bench/guest_reader random /big/two {PIECES}")
        with contextlib.nullcontext() if verified else self.metadata_hidden():
            done = self.run_image(1, script, snapshotter, check=True, options=(
                "--mount", f"type=bind,src={programs},dst=/bench,options=rbind:ro"))
        sequential, random = (int(line) / 1e9 for line in done.text.split())
        return BIG / sequential, PIECES * 4096 / random


def measure_starts(ct, config, repetitions):
    section(f"start to exit of `true`, verified EROFS layers, {repetitions} of each in turn")
    sides = {n: [] for n in COUNTS}, {n: [] for n in COUNTS}
    for _ in range(repetitions):
        for count in COUNTS:
            for times, more in zip(sides, ("", ONE_BY_ONE)):
                times[count].append(ct.time_start(count, config + more))
    for count in COUNTS:
        at_once, in_turn = (times[count] for times in sides)
        print(f"{count:2} layers: side by side {spread(at_once)}, one by one {spread(in_turn)}:"
              f" {ratio_of_medians(at_once, in_turn):.2f}", flush=True)


def measure_reads(ct, programs, config, repetitions):
    kinds = {"EROFS, verified": (True, "erofs"), "EROFS": (False, "erofs"), "virtio-fs": (True, "overlayfs")}
    section(f"reading {BIG >> 20} MiB from the beginning, {PIECES} pieces of 4 KiB, {repetitions} of each in turn")
    ct.write_husk_config(config)
    rates = {kind: [] for kind in kinds}
    for _ in range(repetitions):
        for kind, how in kinds.items():
            rates[kind].append(ct.time_reads(programs, *how))
    for kind, pairs in rates.items():
        sequential, random = (sorted(values)[len(values) // 2] for values in zip(*pairs))
        print(f"{kind:15}  {sequential / 1e6:6.1f} MB/s  at random {random / 1e6:6.2f} MB/s", flush=True)


def measure(options, config):
    ct = Machine("bench-layers", options.containerd_2, options.prefix, options.image, options.erofs_utils,
                 config=config, counts=[n for n in COUNTS if n > 1])
    try:
        measure_starts(ct, config, options.layer_starts)
        measure_reads(ct, options.programs, config, options.layer_starts)
    finally:
        ct.close()
