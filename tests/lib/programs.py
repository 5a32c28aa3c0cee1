# SPDX-License-Identifier: Apache-2.0
"""Programs of this host for guests that have no libraries."""

import os
import re
import shutil
import subprocess


def copy(program, directory):
    """A program with its libraries and their loader: run it there as `ld.so --library-path DIR DIR/NAME`."""
    path = shutil.which(program)
    if not path:
        raise FileNotFoundError(2, "no such program", program)
    text = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    os.makedirs(directory)
    for library in re.findall(r"(/\S+) \(0x", text):
        base = os.path.basename(library)
        shutil.copy(library, f"{directory}/{'ld.so' if base.startswith('ld-') else base}")
    shutil.copy(path, directory)
