# SPDX-License-Identifier: Apache-2.0
"""Numbers out of repetitions, and the table they end in."""

import math
import statistics


def quantile(values, part):
    """The value that `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def spread(values):
    """median (lowest to highest), of seconds, in ms."""
    return (f"{statistics.median(values) * 1000:.0f} ms"
            f" ({min(values) * 1000:.0f} to {max(values) * 1000:.0f})")


def ratio_of_medians(values, baseline):
    return statistics.median(values) / statistics.median(baseline)


class Table:
    """One row for each promise. at_most: smaller is better, else larger."""

    def __init__(self):
        self.rows = []
        self.broken = 0

    def add(self, what, value, unit, promise, aim, at_most=True):
        kept = value <= promise if at_most else value >= promise
        reached = value <= aim if at_most else value >= aim
        self.broken += not kept
        verdict = "aim reached" if reached else "promise kept" if kept else "PROMISE BROKEN"
        self.rows.append((what, f"{value:.3g} {unit}".strip(), f"{promise:g}", f"{aim:g}", verdict))

    def show(self):
        rows = [("what", "measured", "promise", "aim", "")] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)


def section(title):
    print(f"\n== {title}", flush=True)
