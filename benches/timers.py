"""What a `threading.Timer` costs from its construction to its end, and how many threads there are while timers wait.

    python benches/timers.py [--rounds 5]

The interpreter that runs this is the one that is measured; raddle must be installed for it, and the figures that count
are those of an optimised interpreter and a wheel of the profile `dist`.

Each figure is that of a process of its own, one side after the other: 10,000 timers of raddle, and 1,000 of the standard
library, which has a thread for each. The CPU is that of the whole process, by timer, and is given by parts: construction,
start, the wait for all functions, join. The medians count. Exits with 1 if more than one thread beyond main waits, or if
the standard library's CPU is less than 20 times raddle's.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from statistics import median

SIDES = {"threading": 1000, "raddle.threading": 10_000}
PARTS = ("construct", "start", "expire", "join")
BAR = 20


def measure(threading, count):
    """Microseconds of CPU by timer for each part, and the threads beyond main while all of them wait."""
    finished, moments, done = 0, [], threading.Event()

    def work():
        nonlocal finished
        finished += 1
        if finished == count:
            done.set()

    def step():
        moments.append(time.process_time())

    step()
    timers = [threading.Timer(2, work) for _ in range(count)]
    step()
    for timer in timers:
        timer.start()
    step()
    waiting = len(os.listdir("/proc/self/task")) - 1
    assert finished == 0, "a timer expired before the last was started"
    done.wait()
    step()
    for timer in timers:
        timer.join()
    step()
    return [(after - before) / count * 1e6 for before, after in pairwise(moments)], waiting


def run(side):
    """The same, in a process of its own."""
    command = [sys.executable, __file__, "--side", side]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def main():
    """Prints a line for each side, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        module = __import__(arguments.side, fromlist=["Timer"])
        print(json.dumps(measure(module, SIDES[arguments.side])))
        return 0
    rounds = [{side: run(side) for side in SIDES} for _ in range(arguments.rounds)]
    for side, count in SIDES.items():
        parts = [median(round[side][0][number] for round in rounds) for number in range(len(PARTS))]
        total = median(sum(round[side][0]) for round in rounds)
        text = ", ".join(f"{name} {cost:.1f}" for name, cost in zip(PARTS, parts, strict=True))
        print(f"{count} of {side}: {total:.1f} us of CPU each ({text}); {rounds[0][side][1]} threads wait")
    ratio = median(sum(round["threading"][0]) / sum(round["raddle.threading"][0]) for round in rounds)
    waiting = max(round["raddle.threading"][1] for round in rounds)
    print(f"{ratio:.1f}x (bar: {BAR}x); at most {waiting} threads beyond main while they wait (bar: 1)")
    return int(ratio < BAR or waiting > 1)


if __name__ == "__main__":
    sys.exit(main())
