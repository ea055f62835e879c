"""raddle against the standard library and against the packages that do the same work, in one process.

    python -m pip install -r benches/requirements.txt
    python benches/peers.py [--only lock,queue] [--rounds 15] [--plot docs/speed.svg]

The interpreter that runs this is the one that is measured; raddle must be installed for it, and the figures that count
are those of an optimised interpreter and a wheel of the profile `dist`.

In a round every side does the work of the row, one after the other, and every second round goes the other way, so that
neither a machine that gets slower nor the order favours a side. Rows of one thread are CPU time less the empty loop, the
others wall time. A ratio is the other's time / raddle's in the same round; a row says the median and, in brackets, what
the true median is above at 95 % (the order statistic of whole_programs.py).

A peer that promises less than the standard library's class does is shown in italics with what it lacks; nothing is asked
of raddle there. Everywhere else the bound has to be above 1: exits with 1 if it is not. Medians below the row's target
are marked.
"""

import argparse
import gc
import json
import multiprocessing
import queue
import sys
import threading
import time
from _queue import SimpleQueue
from concurrent import futures
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiologic
import peers_work as work
import raddle.futures
import raddle.queue
import raddle.threading
from fastrlock.rlock import FastRLock
from speed_plot import draw
from whole_programs import upper_bound

MODULES = [(threading, raddle.threading), (queue, raddle.queue), (futures, raddle.futures)]
CONTENDED_TARGETS = json.loads((Path(__file__).parent / "contended_targets.json").read_text())
STDLIB, RADDLE = "standard library", "raddle"
NO_TIMEOUT = "no time-outs"
NO_JOIN = "no join, task_done"


class Side(NamedTuple):
    """Somebody who does the work of a row; `lacks` says what of the standard library's contract he does not keep."""

    name: str
    make: object
    lacks: str = ""


class Row(NamedTuple):
    """`work(make)` gives a function that does the work so many times; it may return the seconds that count."""

    name: str
    group: str
    target: float
    count: int
    clock: object
    work: object
    sides: list


def both(name, *arguments):
    """The standard library's class of this name, ready to be called, and raddle's."""
    pair = next(pair for pair in MODULES if hasattr(pair[0], name))
    return [
        Side(side, partial(getattr(module, name), *arguments))
        for side, module in zip((STDLIB, RADDLE), pair, strict=True)
    ]


def aio(name, *arguments, lacks=""):
    return Side("aiologic", partial(getattr(aiologic, name), *arguments), lacks)


def mp(name, *arguments):
    return Side("multiprocessing", partial(getattr(multiprocessing, name), *arguments))


def one_thread(name, group, target, count, job, *sides):
    return Row(name, group, target, count, time.thread_time, job, sides)


def several(name, group, target, count, job, *sides, clock=time.perf_counter):
    return Row(name, group, target, count, clock, job, sides)


def contended(kind, holders, *arguments):
    name = f"{kind}({arguments[0]})" if arguments else kind
    target = CONTENDED_TARGETS[f"{name}, {holders} threads"]
    sides = [*both(kind, *arguments), mp(kind, *arguments), aio(kind, *arguments)]
    return several(f"{name} shared by {holders} threads", "contended", target, 1, work.share(holders), *sides)


ACQUIRE_RELEASE = work.in_turn("acquire", "release")
LOCK = [*both("Lock"), mp("Lock"), aio("Lock")]
RLOCK = [*both("RLock"), mp("RLock"), aio("RLock"), Side("fastrlock", FastRLock, NO_TIMEOUT)]
SEMAPHORE = [*both("Semaphore", 3), mp("Semaphore", 3), aio("Semaphore", 3)]
BOUNDED = [*both("BoundedSemaphore", 3), mp("BoundedSemaphore", 3), aio("BoundedSemaphore", 3)]
EVENT = [*both("Event"), aio("REvent")]
C_QUEUE = Side("_queue", SimpleQueue, "no maxsize, join, task_done")
QUEUE = [*both("Queue"), C_QUEUE, aio("Queue", lacks=NO_JOIN)]
QUEUE_64 = [*both("Queue", 64), C_QUEUE, aio("Queue", 64, lacks=NO_JOIN)]
THREAD = both("Thread")
POOL = both("ThreadPoolExecutor", 4)
FUTURES = [Side(STDLIB, lambda: futures), Side(RADDLE, lambda: raddle.futures)]

ROWS = [
    one_thread("Lock acquire + release", "lock", 1.7, 20_000, ACQUIRE_RELEASE, *LOCK),
    one_thread("Lock with", "lock", 1.4, 20_000, work.enter, *LOCK),
    one_thread("RLock acquire + release", "lock", 2.2, 20_000, ACQUIRE_RELEASE, *RLOCK),
    one_thread("RLock with", "lock", 1.8, 20_000, work.enter, *RLOCK),
    one_thread("Lock made and taken, 100,000 kept", "lock", 1.0, 100_000, work.make_and_take, *both("Lock")),
    one_thread("RLock made and taken, 100,000 kept", "lock", 1.0, 100_000, work.make_and_take, *both("RLock")),
    one_thread("Semaphore acquire + release", "lock", 40, 10_000, ACQUIRE_RELEASE, *SEMAPHORE),
    one_thread("Semaphore with", "lock", 15, 10_000, work.enter, *SEMAPHORE),
    one_thread("BoundedSemaphore acquire + release", "lock", 40, 10_000, ACQUIRE_RELEASE, *BOUNDED),
    one_thread(
        "Condition with + notify", "lock", 5, 10_000, work.enter_and_notify, *both("Condition"), aio("Condition")
    ),
    one_thread("Event set + clear", "lock", 20, 10_000, work.in_turn("set", "clear"), *EVENT),
    one_thread("Event is_set", "lock", 1.8, 40_000, work.in_turn("is_set"), *EVENT),
    one_thread("Event wait when set", "lock", 25, 10_000, work.wait_when_set, *EVENT),
    one_thread("Barrier(1) wait", "lock", 15, 5_000, work.in_turn("wait"), *both("Barrier", 1), aio("RBarrier", 1)),
    one_thread("Queue put + get", "queue", 40, 10_000, work.put_and_get, *QUEUE),
    one_thread("Queue(64) put + get", "queue", 40, 10_000, work.put_and_get, *QUEUE_64),
    one_thread(
        "LifoQueue put + get",
        "queue",
        40,
        10_000,
        work.put_and_get,
        *both("LifoQueue"),
        aio("LifoQueue", lacks=NO_JOIN),
    ),
    one_thread(
        "SimpleQueue put + get", "queue", 1.3, 20_000, work.put_and_get, *both("SimpleQueue"), aio("SimpleQueue")
    ),
    one_thread(
        "PriorityQueue put + get, 1,000 in it",
        "queue",
        5,
        5_000,
        work.put_and_get_among_1000,
        *both("PriorityQueue"),
        aio("PriorityQueue", lacks=NO_JOIN),
    ),
    several("Queue, 1 producer, 1 consumer, an item", "queue", 20, 40_000, work.hand_over(1), *QUEUE),
    several("Queue, 4 producers, 4 consumers, an item", "queue", 20, 40_000, work.hand_over(4), *QUEUE),
    contended("Lock", 4),
    contended("Lock", 32),
    contended("Semaphore", 8, 4),
    contended("Semaphore", 32, 4),
    several(
        "Thread start, caller's time",
        "thread",
        15,
        150,
        work.start_callers_time,
        *THREAD,
        Side("_thread", work.BareThread, "no Thread object"),
    ),
    several("Thread start beside 4 that spin", "thread", 15, 10, work.start_beside_4_that_spin, *THREAD),
    several("Thread start + join", "thread", 3, 200, work.start_and_join, *THREAD),
    several("Thread start + join, 200 at once", "thread", 6, 200, work.start_all_and_join, *THREAD),
    several("submit + result, one by one", "futures", 1.5, 1_000, work.submit_and_result, *POOL),
    several("submit 10,000, then results", "futures", 20, 10_000, work.submit_all_then_results, *POOL),
    several("map of 10,000", "futures", 20, 10_000, work.map_all, *POOL),
    several("as_completed of 5,000 done", "futures", 3, 5_000, work.done_futures("as_completed"), *FUTURES),
    several("wait for 5,000 done", "futures", 3, 5_000, work.done_futures("wait"), *FUTURES),
    several("await to_thread", "futures", 1.5, 500, work.to_thread, *POOL),
    several("1,000 timers, CPU each", "timer", 20, 1_000, work.arm_and_fire, *both("Timer"), clock=time.process_time),
]


def empty_loop(row):
    """What the loop itself costs; only rows of one thread are precise enough for that to matter."""
    if row.clock is not time.thread_time:
        return 0.0
    start = row.clock()
    for _ in range(row.count):
        pass
    return row.clock() - start


def measure(row, rounds):
    """Returns the seconds of one piece of work: a list of rounds for every side's name."""
    runs = [(side.name, row.work(side.make)) for side in row.sides]
    times = {name: [] for name, _ in runs}
    gc.collect()
    gc.disable()
    for turn in range(-1, rounds):  # the first one warms the caches
        idle = empty_loop(row)
        for name, run in runs[:: 1 if turn % 2 else -1]:
            start = row.clock()
            spent = run(row.count)
            if spent is None:
                spent = row.clock() - start - idle
            if turn >= 0:
                times[name].append(max(spent, 1e-9) / row.count)
    gc.enable()
    return times


def ahead(times, slower, faster=RADDLE):
    """The median of the ratios of two sides and its lower bound."""
    ratios = [slow / fast for slow, fast in zip(times[slower], times[faster], strict=True)]
    return median(ratios), -upper_bound([-ratio for ratio in ratios])


def duration(seconds):
    unit, size = next((u, s) for u, s in (("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)) if seconds >= s or u == "ns")
    return f"{seconds / size:.{0 if seconds / size >= 10 else 1}f} {unit}"


def factor(value):
    return f"{value:.{0 if value >= 20 else 1 if value >= 5 else 2}f}x"


def show(row, times):
    """Prints a row of the table; returns whether raddle is ahead of everybody it is compared with."""
    reached, peers = True, []
    for side in row.sides:
        if side.name == RADDLE:
            continue
        middle, bound = ahead(times, side.name)
        behind = not side.lacks and bound <= 1
        reached = reached and not behind
        text = f"{factor(middle)} ({factor(bound)}){' **BEHIND**' if behind else ''}"
        if side.name == STDLIB:
            ratio = text + (" below target" if middle < row.target else "")
        else:
            peers.append(f"*{side.name} {text}: {side.lacks}*" if side.lacks else f"{side.name} {text}")
    cost = [duration(median(times[name])) for name in (STDLIB, RADDLE)]
    print(f"| {row.name} | {' | '.join(cost)} | {ratio} | {row.target:g}x | {'; '.join(peers)} |", flush=True)
    return reached


def bar(row, times):
    """What the plot shows of a row: how many times faster than the standard library everybody is."""
    peers = [
        (side.name, ahead(times, STDLIB, side.name)[0], bool(side.lacks))
        for side in row.sides
        if side.name not in (STDLIB, RADDLE)
    ]
    return row.name, ahead(times, STDLIB)[0], peers


def main():
    groups = list(dict.fromkeys(row.group for row in ROWS))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(","), default=groups, metavar=",".join(groups))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    if options.rounds < 5:
        parser.error("fewer than 5 rounds say nothing at 95 %")
    print(f"| | {STDLIB} | {RADDLE} | ratio (95 % ≥) | target | raddle's lead over peers (95 % ≥) |")
    print("|---|---|---|---|---|---|")
    reached, bars = True, []
    for row in ROWS:
        if row.group in options.only:
            times = measure(row, options.rounds)
            reached = show(row, times) and reached
            bars.append(bar(row, times))
    if options.plot:
        options.plot.parent.mkdir(exist_ok=True)
        options.plot.write_text(draw(bars))
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
