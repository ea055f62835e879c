"""raddle.RWLock against the packages that have a lock for readers and writers, in one process.

    python -m pip install -r benches/requirements.txt
    python benches/peers_rwlock.py [--rounds 15]

Every side is used as its documentation says (`with lock.read():`, `with lock.gen_rlock():`, ...). In a round every side
does the work of a row, one after the other, and every second round goes the other way. One thread is CPU time less the
empty loop, eight are wall time, each of them a thread of the standard library that lives as long as the row. A ratio is
the other's time / raddle's in the same round: the median, and in brackets what the true median is above at 95 %.

Exits with 1 unless the first two rows of each policy are TARGET times as fast as the fastest of the others.
"""

import argparse
import gc
import os
import sys
import threading
import time
from statistics import median
from typing import NamedTuple

import fasteners
import raddle
import readerwriterlock.rwlock
import rwlock
import rwlocker
from whole_programs import upper_bound

TARGET = 10
READERS = 8
COUNT = 20_000
RADDLE = "raddle"


class Side(NamedTuple):
    """A lock, and the expressions that `with` takes to read and to write."""

    name: str
    make: object
    read: str
    write: str


def of(policy, theirs, phases):
    return [
        Side(RADDLE, lambda: raddle.RWLock(policy), "lock.read()", "lock.write()"),
        Side("rwlocker", phases, "lock.read", "lock.write"),
        Side("readerwriterlock", theirs, "lock.gen_rlock()", "lock.gen_wlock()"),
        Side("rwlock", rwlock.RWLock, "lock.reader_lock", "lock.writer_lock"),
        Side("fasteners", fasteners.ReaderWriterLock, "lock.read_lock()", "lock.write_lock()"),
    ]


THEIRS = readerwriterlock.rwlock
POLICIES = {
    "fair": of("fair", THEIRS.RWLockFair, rwlocker.RWLockFair),
    "read": of("read", THEIRS.RWLockRead, rwlocker.RWLockRead),
    "write": of("write", THEIRS.RWLockWrite, rwlocker.RWLockWrite),
}


def body(side, expression, holds=""):
    """A function that enters so many blocks."""
    names = {}
    code = f"def run(lock, count):\n    for at in range(count):\n        with {expression}:\n            {holds or 'pass'}\n"
    exec(code, {"sleep": time.sleep}, names)
    lock = side.make()
    return lambda count: names["run"](lock, count)


def one_thread(run):
    start = time.thread_time()
    for _ in range(COUNT):
        pass
    empty = time.thread_time() - start
    start = time.thread_time()
    run(COUNT)
    return time.thread_time() - start - empty


def eight_threads(run):
    gate = threading.Barrier(READERS + 1)

    def reader():
        gate.wait()
        run(COUNT)
        gate.wait()

    threads = [threading.Thread(target=reader) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    gate.wait()
    start = time.perf_counter()
    gate.wait()
    spent = time.perf_counter() - start
    for thread in threads:
        thread.join()
    return spent


# One block in 500 gives the interpreter's lock away while it reads, so that readers overlap. What that costs is in the
# figures of every side, so the target is not asked of this row.
OVERLAP = "at % 500 or sleep(0)"
ROWS = [
    ("read, one thread", "read", "", one_thread, True),
    (f"read, {READERS} threads", "read", "", eight_threads, True),
    (f"read, {READERS} threads that overlap", "read", OVERLAP, eight_threads, False),
    ("write, one thread", "write", "", one_thread, False),
]


def measure(sides, way, holds, clock, rounds):
    runs = [(side.name, body(side, getattr(side, way), holds)) for side in sides]
    times = {name: [] for name, _ in runs}
    gc.collect()
    gc.disable()
    for turn in range(-1, rounds):
        for name, run in runs[:: 1 if turn % 2 else -1]:
            spent = clock(run)
            if turn >= 0:
                times[name].append(spent / COUNT / (READERS if clock is eight_threads else 1))
    gc.enable()
    return times


def show(policy, name, times, counts):
    """Prints a row; whether the fastest of the others is TARGET times slower."""
    leads = {}
    for peer, spent in times.items():
        if peer != RADDLE:
            ratios = [theirs / ours for theirs, ours in zip(spent, times[RADDLE], strict=True)]
            leads[peer] = median(ratios), -upper_bound([-ratio for ratio in ratios])
    reached = min(bound for _, bound in leads.values()) >= TARGET
    text = "; ".join(f"{peer} {middle:.1f}x ({bound:.1f}x)" for peer, (middle, bound) in leads.items())
    mark = "" if reached or not counts else " **BELOW**"
    print(f"| {policy} | {name} | {median(times[RADDLE]) * 1e9:.0f} ns | {text}{mark} |", flush=True)
    return reached or not counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} processors")
    print("| policy | | raddle | raddle's lead over the others (95 % ≥) |")
    print("|---|---|---|---|")
    reached = True
    for policy, sides in POLICIES.items():
        for name, way, holds, clock, counts in ROWS:
            reached = show(policy, name, measure(sides, way, holds, clock, options.rounds), counts) and reached
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
