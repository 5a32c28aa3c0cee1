# SPDX-License-Identifier: Apache-2.0
"""Run test functions one after the other and say how each ended.

A test is a function whose name begins with test_; it fails by an exception, skips by raising Skip
with the reason. Lines are TAP; the last one is `N passed, N failed, N skipped`.
"""

import os
import sys
import time
import traceback


class Skip(Exception):
    pass


class Failure(AssertionError):
    pass


def check(condition, text="check failed"):
    if not condition:
        raise Failure(text)


def check_equal(got, want, what=""):
    if got != want:
        raise Failure(f"{what}{': ' if what else ''}got {got!r}, want {want!r}")


def check_in(part, whole, what=""):
    if part not in whole:
        raise Failure(f"{what}{': ' if what else ''}{part!r} is not in {whole!r}")


class Report:
    """ONLY=word in the environment runs the tests whose name contains it."""

    def __init__(self, title):
        self.title = title
        self.passed = self.failed = self.skipped = self.number = 0
        self.only = os.environ.get("ONLY", "")

    def run(self, function, *args, label=""):
        name = function.__name__.removeprefix("test_") + (f" [{label}]" if label else "")
        if self.only and self.only not in name:
            return None
        self.number += 1
        start = time.monotonic()
        try:
            function(*args)
        except Skip as skip:
            self.skipped += 1
            print(f"ok {self.number} - {self.title}: {name} # SKIP {skip}", flush=True)
            return None
        except Exception as problem:  # a test may fail in any way; the next one still runs
            self.failed += 1
            print(f"not ok {self.number} - {self.title}: {name} ({time.monotonic() - start:.1f} s)")
            text = str(problem) if isinstance(problem, Failure) else traceback.format_exc()
            for line in text.splitlines()[-40:]:
                print(f"#   {line}")
            sys.stdout.flush()
            return False
        self.passed += 1
        print(f"ok {self.number} - {self.title}: {name} ({time.monotonic() - start:.1f} s)", flush=True)
        return True

    @staticmethod
    def tests(module):
        """Every test_ function of the module's globals, in the order they were written."""
        return [f for n, f in module.items() if n.startswith("test_") and callable(f)]

    def wants(self, module, label=""):
        """Whether ONLY leaves any of its tests: else nothing has to be set up for them."""
        return any(self.only in f.__name__.removeprefix("test_") + f" [{label}]" for f in self.tests(module))

    def run_all(self, module, *args, label=""):
        for test in self.tests(module):
            self.run(test, *args, label=label)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        sys.exit(1 if self.failed else 0)
