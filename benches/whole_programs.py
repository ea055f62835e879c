"""Whole programs under `python` and under `raddle run`: what raddle costs somebody who changes nothing else.

    python -m pip install -r benches/requirements.txt
    python benches/whole_programs.py [--pairs 40] [--only start-up,sqlalchemy_pool]

The interpreter that runs this is the one that is measured; raddle must be installed for it, and the figures that count
are those of an optimised interpreter and a wheel of the profile `dist`.

A pair is two processes, one after the other, and every second pair runs raddle first, so that neither a machine that
gets slower nor the order favours a side. A row says the median of the pairs (of the ratios raddle / python; for the
start-up of the differences) with its upper bound at 95 %. The bound is an order statistic: that half of all pairs lie
above the k-th smallest of n is as likely as k heads in n throws of a coin, whatever the times are distributed like.
Exits with 1 if a bound is above its bar.
"""

import argparse
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

PROGRAMS = Path(__file__).parent / "programs"
RUNNERS = {"python": [], "raddle": ["-m", "raddle", "run"]}
START_UP = ["-c", "pass"]
START_UP_BAR = 25.0  # milliseconds
RATIO_BAR = 1.05
CONFIDENCE = 0.95


class Cost(NamedTuple):
    """What a process took, in seconds, and what it wrote."""

    wall: float
    cpu: float
    output: bytes


def run(runner, command):
    """Runs a command to its end; CPU is that of the process with its threads, user and system."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *RUNNERS[runner], *command], stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{runner} {command} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, output)


def run_pairs(command, count):
    """Runs pairs of processes; returns as many pairs (python's cost, raddle's)."""
    pairs = []
    for turn in range(-1, count):  # the first one warms the caches
        order = list(RUNNERS) if turn % 2 else list(RUNNERS)[::-1]
        cost = {runner: run(runner, command) for runner in order}
        if cost["python"].output != cost["raddle"].output:
            sys.exit(f"{command}: python wrote {cost['python'].output!r}, raddle {cost['raddle'].output!r}")
        if turn >= 0:
            pairs.append((cost["python"], cost["raddle"]))
    return pairs


def upper_bound(values):
    """What the true median is below, at `CONFIDENCE`; infinite if there are too few values to say."""
    below = 0.0
    for rank, value in enumerate(sorted(values)):
        below += math.comb(len(values), rank) / 2 ** len(values)
        if below >= CONFIDENCE:
            return value
    return math.inf


def show(name, unit, sides, values, bar):
    """Prints a row; returns whether it reaches its bar."""
    bound = upper_bound(values)
    reached = bound <= bar
    sides = "".join(f"{median(side):>10.3f}" for side in sides)
    print(f"{name:<26}{sides}{median(values):>10.3f}{bound:>10.3f}{bar:>10.2f} {unit:<4}{'' if reached else 'MISSED'}")
    sys.stdout.flush()
    return reached


def measure_start_up(count):
    pairs = run_pairs(START_UP, count)
    sides = [[cost.wall * 1000 for cost in side] for side in zip(*pairs, strict=True)]
    differences = [raddle - python for python, raddle in zip(*sides, strict=True)]
    return show("start-up, wall", "+ms", sides, differences, START_UP_BAR)


def measure_program(name, count):
    pairs = run_pairs([str(PROGRAMS / f"{name}.py")], count)
    reached = []
    for field in ("wall", "cpu"):
        sides = [[getattr(cost, field) for cost in side] for side in zip(*pairs, strict=True)]
        ratios = [raddle / python for python, raddle in zip(*sides, strict=True)]
        reached.append(show(f"{name}, {field}", "x", sides, ratios, RATIO_BAR))
    return all(reached)


def main():
    names = ["start-up", *sorted(path.stem for path in PROGRAMS.glob("*.py"))]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, metavar=",".join(names))
    options = parser.parse_args()
    print(f"{'':<26}{'python':>10}{'raddle':>10}{'median':>10}{'95 % <=':>10}{'bar':>10}")
    reached = []
    for name in options.only:
        reached.append(measure_start_up(options.pairs) if name == "start-up" else measure_program(name, options.pairs))
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
