"""How much memory does a blocked thread take? Resident bytes of 10,000 of them, by thread.

    python benches/blocked_threads.py [--threads 10000] [--rounds 3]

The interpreter that runs this is the one that is measured; raddle must be installed for it. Each figure is that of a
process of its own: the resident set when all threads are blocked less that before the first was made. (What the kernel
keeps for a thread, its stack there and the page tables, is in no resident set.) The medians count; exits with 1 if a
thread of raddle takes more than 16 KiB.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

SIDES = ("threading", "raddle.threading")
WAYS = ("Lock.acquire", "Event.wait")
BAR = 16


def resident():
    """Bytes of the process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(threading, way, count):
    """KiB by thread, `count` of which are blocked in `way`."""
    if way == "Lock.acquire":
        lock = threading.Lock()
        lock.acquire()
        block, release = lock.acquire, lock.release
        work = lambda: (block(), release())  # noqa: E731
        end = release
    else:
        event = threading.Event()
        work, end = event.wait, event.set
    begun = 0

    def blocked():
        nonlocal begun
        begun += 1
        work()

    threading.Thread(target=lambda: None).start()
    before = resident()
    threads = [threading.Thread(target=blocked) for _ in range(count)]
    for thread in threads:
        thread.start()
    while begun < count:
        time.sleep(0.01)
    time.sleep(0.5)
    taken = resident() - before
    end()
    for thread in threads:
        thread.join()
    return taken / count / 1024


def run(side, way, count):
    """The same, in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--way", way, "--threads", str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


def main():
    """Prints a line for each way to be blocked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        module = __import__(arguments.side, fromlist=["Thread"])
        print(json.dumps(measure(module, arguments.way, arguments.threads)))
        return 0
    worst = 0
    for way in WAYS:
        rounds = [[run(side, way, arguments.threads) for side in SIDES] for _ in range(arguments.rounds)]
        theirs, ours = (median(round[number] for round in rounds) for number in range(2))
        worst = max(worst, ours)
        print(f"{arguments.threads} threads in {way}: {ours:.1f} KiB each (bar: {BAR}), standard library {theirs:.1f}")
    return int(worst > BAR)


if __name__ == "__main__":
    sys.exit(main())
