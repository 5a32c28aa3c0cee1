# SPDX-License-Identifier: Apache-2.0
"""Processes of this host: who started whom, and what they are."""

import glob
import os


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    return int(text[text.rindex(")") + 2:].split()[1])


def children_of(pid):
    """All below it, from one look at all processes: there may be many, and little time."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                text = file.read()
            parent = int(text[text.rindex(")") + 2:].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(path.split("/")[2]))
    found = list(children.get(pid, []))
    for child in found:  # grows meanwhile
        found += children.get(child, [])
    return found


def program(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def command_line(pid):
    """Its words; "" is all there are of a process that has gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return [""]
