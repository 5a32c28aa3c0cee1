# SPDX-License-Identifier: Apache-2.0
"""Images of many layers, and what a container of one has to see."""

import hashlib
import json
import os
import shutil
import subprocess

# A user by number: with a name, or none, ctr looks into the image by mounting it on the host.
CONFIG = {"Cmd": ["/bin/sh"], "User": "0:0",
          "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}


def write(root, name, data):
    os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
    with open(f"{root}/{name}", "wb") as file:
        file.write(data)


def body(layer, name, size):
    """Bytes of their own for each file, which no compressor and no chance produces twice."""
    block = hashlib.sha256(f"{layer} {name}".encode()).digest()
    return (block * (size // len(block) + 1))[:size]


class Layered:
    """`count` layers on busybox: each adds, replaces and removes files of those below it."""

    def __init__(self, directory, base, count):
        self.count = count
        self.name = f"docker.io/library/husk-layers-{count}:latest"
        self.archive = f"{directory}/layers-{count}.tar"
        self.files = {}  # path: content, without what the base has
        layers = [base] if count == 1 else [base, *(self.layer(directory, i) for i in range(1, count))]
        if count == 1:
            only = f"{directory}/base-{count}"
            shutil.copytree(base, only, symlinks=True)
            self.fill(only, 0)
            layers = [only]
        subprocess.run([os.path.join(os.path.dirname(__file__), "oci-image"), self.name, self.archive, *layers],
                       check=True, env=dict(os.environ, IMAGE_CONFIG=json.dumps(CONFIG)))

    def layer(self, directory, i):
        root = f"{directory}/layers-{self.count}-{i}"
        self.fill(root, i)
        if i > 2:  # what the layer before it brought goes, in one of both ways
            write(root, f"data/.wh.gone-{i - 1}", b"")
            del self.files[f"data/gone-{i - 1}"]
        if i % 7 == 6:
            write(root, "opaque/.wh..wh..opq", b"")
            self.files = {path: data for path, data in self.files.items()
                          if not path.startswith("opaque/") or path == f"opaque/of-{i}"}
        return root

    def fill(self, root, i):
        for name, size in ((f"data/own-{i}", 5000 + 997 * (i % 20)), ("data/top", 100 + i),
                           (f"data/shared-{i % 5}", 4096), (f"data/gone-{i}", 10), (f"opaque/of-{i}", 70)):
            self.files[name] = body(i, name, size)
            write(root, name, self.files[name])

    def sums(self):
        return {path: hashlib.sha256(data).hexdigest() for path, data in self.files.items()}


# Of every regular file that the image's layers brought.
SUMS = "cd / && find data opaque -type f | sort | xargs sha256sum"


def read_sums(text):
    return {path: digest for digest, path in (line.split(None, 1) for line in text.splitlines())}
