"""Programs that end, many times over: `RADDLE_RUNS=500` for the full bar."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import harness

AT_ONCE = 4
TIMEOUT = 30.0


class Ended(NamedTuple):
    """How a program ended, and how long after it said "main is done" on stdout (or began)."""

    code: int
    out: str
    err: str
    seconds: float


def run(program, *args, under=(), prelude=None, within=None):
    """Run the text of a program once. `under`: what it is run by, as ("-m", "raddle", "run"). `prelude`: in place of PRELUDE.

    `within`: in how many seconds it has to end. One that took longer is run again, twice at most: a busy machine holds up
    one, what the program does wrong holds up each.
    """
    for _ in range(3):
        ended = run_once((PRELUDE if prelude is None else prelude) + program, *args, under=under)
        if within is None or ended.seconds < within:
            break
    return ended


def run_once(program, *args, under):
    began = time.monotonic()
    done = harness.run([sys.executable, *under, "-c", program, *map(str, args)], timeout=TIMEOUT)
    ended = [float(line.split()[1]) for line in done.out.splitlines() if line.startswith("done-at ")]
    seconds = time.monotonic() - (ended[-1] if ended else began)
    out = "".join(line for line in done.out.splitlines(keepends=True) if not line.startswith("done-at "))
    return Ended(done.code, out, done.err, seconds)


def many(program, *args, runs=None, **how):
    """Run it as often as was asked for, some at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda _: run(program, *args, **how), range(runs or harness.RUNS))


RADDLE_RUN = ("-m", "raddle", "run")

# What every program may use. `soon(signal, *delays)` has signals sent to it, `at_end` does so when main is done: by a process
# of its own, since a thread that did so would be one to wait for.
PRELUDE = """
import os, signal, subprocess, sys, threading, time
import raddle

signal.signal(signal.SIGINT, signal.default_int_handler)

def done():
    print("done-at", time.monotonic(), flush=True)

def soon(number, *delays):
    kill = "import os, sys, time\\n"
    for delay in delays:
        kill += f"time.sleep({delay})\\ntry: os.kill({os.getpid()}, {int(number)})\\nexcept OSError: pass\\n"
    subprocess.Popen([sys.executable, "-S", "-c", kill], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

def at_end(number, *delays):
    raddle.on_shutdown(lambda: soon(number, *delays))

"""
assert os.name == "posix"
