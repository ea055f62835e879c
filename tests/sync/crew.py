"""Threads for the tests of locks that answer: started, joined, and known to wait without sleeping to find out."""

import os
import threading as real
import time

import raddle.threading as threading

PATIENCE = 20.0


class Crew:
    """Threads that the test joins at its end; what each of them gave or raised is in `ended`."""

    def __init__(self):
        self.threads = {}
        self.ended = {}

    def start(self, name, target, *args):
        """Starts a thread; `target` is called with `args`."""

        def body():
            try:
                self.ended[name] = target(*args)
            except BaseException as error:
                self.ended[name] = error

        self.threads[name] = threading.Thread(target=body, name=name)
        self.threads[name].start()

    def join(self, *names):
        """Waits for these threads, or for all; gives what they gave."""
        for name in names or list(self.threads):
            self.threads[name].join(PATIENCE)
            assert not self.threads[name].is_alive(), f"{name} does not end"
        return [self.ended[name] for name in names or self.threads]


def until(condition, what="it"):
    """Looks until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} does not come about"
        time.sleep(0.001)


def until_waiting(lock, *names):
    """Returns when these threads wait for the lock."""
    until(lambda: {waiter.name for waiter in lock.waiters} >= set(names), f"that {names} wait")


def left_by_the_dead(take, name="late-holder", error=None):
    """Runs `take` in a thread that dies with what it took."""

    def body():
        take()  # taken here
        if error is not None:
            raise error

    hook, real.excepthook = real.excepthook, lambda args: None
    try:
        thread = threading.Thread(target=body, name=name)
        thread.start()
        thread.join()
    finally:
        real.excepthook = hook


def line_of(file, mark):
    """`file:line` of the line that ends with a mark."""
    with open(file) as lines:
        number = next(number for number, line in enumerate(lines, 1) if line.rstrip().endswith(f"# {mark}"))
    return f"{file}:{number}"


def in_text(spot):
    """A place as texts name it: relative to the current directory, if it is below."""
    here = os.getcwd() + os.sep
    return spot.removeprefix(here)
