# SPDX-License-Identifier: Apache-2.0
"""Prometheus' text format (version 0.0.4), read strictly: what a scraper may reject is an error here."""

import re

from report import Failure

KINDS = ("counter", "gauge", "histogram", "summary", "untyped")
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? ([^ ]+)(?: (-?\d+))?")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
VALUE = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|Inf|NaN)")


class Family:
    def __init__(self, name):
        self.name = name
        self.kind = self.help = None
        self.samples = {}  # labels, as a sorted tuple of pairs: value


def labels_of(text):
    found, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match:
            raise Failure(f"labels {text!r}")
        found.append((match[1], match[2]))
        at = match.end()
    if len({name for name, _ in found}) != len(found):
        raise Failure(f"a label twice: {text!r}")
    return tuple(sorted(found))


def parse(text):
    """The families by name; Failure names the line that is wrong."""
    families, current = {}, None

    def family(name):
        nonlocal current
        if current is None or current.name != name:
            if name in families:
                raise Failure(f"{name} is in two places")
            current = families[name] = Family(name)
        return current

    if text and not text.endswith("\n"):
        raise Failure("the last line has no end")
    for number, line in enumerate(text.splitlines(), 1):
        try:
            comment = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.*)", line)
            if comment:
                about = family(comment[2])
                if comment[1] == "HELP":
                    if about.help is not None or about.samples:
                        raise Failure("a second HELP, or one behind samples")
                    about.help = comment[3]
                else:
                    if about.kind or about.samples:
                        raise Failure("a second TYPE, or one behind samples")
                    if comment[3] not in KINDS:
                        raise Failure(f"no type {comment[3]!r}")
                    about.kind = comment[3]
            elif line and not line.startswith("#"):
                match = SAMPLE.fullmatch(line)
                if not match or not VALUE.fullmatch(match[3]):
                    raise Failure("no sample")
                labels = labels_of(match[2]) if match[2] else ()
                about = family(match[1])
                if labels in about.samples:
                    raise Failure("the same sample twice")
                about.samples[labels] = float(match[3])
                if about.kind == "counter" and about.samples[labels] < 0:
                    raise Failure("a counter below zero")
        except Failure as failure:
            raise Failure(f"line {number}, {line!r}: {failure}") from None
    return families


BAD = ("a{b=\"c\"} x\n", "a{b=\"c\" 1\n", "a{b=c} 1\n", "a{b=\"c\",b=\"d\"} 1\n", "a 1\na 2\n", "1a 1\n", "a  1\n", "a 1",
       "a 1\n# TYPE a counter\n", "# TYPE a nonsense\n", "# TYPE a gauge\n# TYPE a gauge\n", "a 1\nb 1\na{c=\"d\"} 1\n",
       "a{b=\"\\x\"} 1\n", "# TYPE a counter\na -1\n", "a-b 1\n")


def check_the_checker():
    for text in BAD:
        try:
            parse(text)
        except Failure:
            continue
        raise Failure(f"{text!r} was taken for right")
    parse('# HELP a b\n# TYPE a gauge\na{b="c\\"\\\\\\n",d=""} 1.5e3\na NaN 5\n\n# anything\nb +Inf\n')
