"""Threads that fail, and what is heard of them."""

import sys
import threading
import time
from pathlib import Path

import harness

RUN = [sys.executable, "-m", "raddle", "run"]


def wait_until(condition, seconds=10):
    """Waits until something is so, or fails."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def wait_for_end(thread):
    """Waits until a raddle.Thread has ended, without taking its error."""
    wait_until(lambda: thread.exited)


def line_of(file, mark):
    """The number of the line of a file that ends with a mark."""
    lines = Path(file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))


class Slot:
    """What a program puts into `threading.excepthook`."""

    def __init__(self):
        self.seen = []

    def __call__(self, args):
        self.seen.append((args.exc_type, args.thread.name, threading.current_thread().name))


def run(program, *options, under=RUN):
    """Runs a piece of Python to its end, by `raddle run` unless another command is given."""
    return harness.run([*under, *options, "-c", program], timeout=30)


def run_python(program):
    """The same by `python`."""
    return run(program, under=[sys.executable])
