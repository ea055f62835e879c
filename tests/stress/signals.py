"""Signals against a blocked main thread: none may be lost between the last check and the sleep, and Ctrl-C comes at once.

    python tests/stress/signals.py raddle --signals 1900 [--wakeup-fd]     # 0 missed is asked for
    python tests/stress/signals.py std --signals 1900                      # the standard library loses some hundred
    python tests/stress/signals.py raddle --ctrl-c 100                     # at most 50 ms each

Main announces in shared memory that its next step is to block. A forked helper, which needs no interpreter lock of
ours, sees that, lets some nanoseconds pass and sends the signal; it sweeps over the time that blocking takes. The
Python handler raises, which takes main out. A signal that has not done so after LOST counts as missed, and another one
follows to free main. Worker threads with an open signal mask are there to get the process's signal in main's place.
"""

import argparse
import contextlib
import mmap
import os
import random
import select
import signal
import socket
import sys
import threading
import time

import harness

LOST = 0.2
SWEEP_NS = 12_000
ANNOUNCED, ANSWERED, MISSED, SENT_AT = range(0, 32, 8)
WORKERS = 3


class Knock(Exception):
    """What the handler of the probing signal raises."""


class Board:
    """Memory shared with the helper: numbers of the tries announced and answered, misses, time of the last signal."""

    def __init__(self):
        self.memory = mmap.mmap(-1, 4096)

    def read(self, place):
        """Reads one of the numbers."""
        return int.from_bytes(self.memory[place : place + 8], "little")

    def write(self, place, value):
        """Writes one of the numbers."""
        self.memory[place : place + 8] = value.to_bytes(8, "little")


def helper(board, number, pauses):
    """The other process: one signal for each announcement, a second one where the first was lost."""
    main = os.getppid()
    for turn, pause in enumerate(pauses, 1):
        while board.read(ANNOUNCED) < turn:
            if os.getppid() != main:
                return
        spin(pause)
        board.write(SENT_AT, time.monotonic_ns())
        os.kill(main, number)
        if not answered(board, turn):
            board.write(MISSED, board.read(MISSED) + 1)
            while not answered(board, turn) and os.getppid() == main:
                os.kill(main, number)


def spin(nanoseconds):
    """Lets time pass: exactly where it is short, asleep where it is long."""
    if nanoseconds > 1_000_000:
        time.sleep(nanoseconds / 1e9)
        return
    until = time.monotonic_ns() + nanoseconds
    while time.monotonic_ns() < until:
        pass


def answered(board, turn):
    """Whether main has been taken out of its wait in time."""
    until = time.monotonic() + LOST
    while board.read(ANSWERED) < turn:
        if time.monotonic() > until:
            return False
        time.sleep(0.00002)
    return True


def start_helper(board, number, pauses):
    """Forks the helper before there are any threads."""
    pid = os.fork()
    if pid:
        return pid
    try:
        helper(board, number, pauses)
    finally:
        os._exit(0)


def endless_waits():
    """The blocking calls: name -> a call that never comes back by itself."""
    held, rlock, taken = threading.Lock(), threading.RLock(), threading.Event()
    held.acquire()
    threading.Thread(target=keep, args=(rlock, taken), daemon=True).start()
    taken.wait()
    condition = threading.Condition()
    condition.acquire()
    return {
        "Lock.acquire": held.acquire,
        "Event.wait": threading.Event().wait,
        "Thread.join": None,  # has a thread of its own each time
        "RLock.acquire": rlock.acquire,
        "Condition.wait": condition.wait,
        "Semaphore.acquire": threading.Semaphore(0).acquire,
    }


def keep(lock, taken):
    """Holds a lock for ever."""
    with lock:
        taken.set()
        threading.Event().wait(3600)


@contextlib.contextmanager
def thread_to_join():
    """The join of a thread that lives until the try is over (3.11 takes a thread whose join was interrupted for dead)."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, args=(3600,), daemon=True)
    thread.start()
    yield thread.join
    end.set()


def start_receivers():
    """Threads that could receive the process's signals: asleep in timed waits, their mask open."""
    for _ in range(WORKERS):
        threading.Thread(target=nap, daemon=True).start()


def nap():
    """Wakes up now and then, so that the process has other threads that run."""
    while True:
        threading.Event().wait(0.003)


def block_once(board, turn, wait, leave):
    """Main's part of one try: announce, block, be taken out by `leave`; gives the nanoseconds from send to there."""
    try:
        board.write(ANNOUNCED, turn)
        wait()
        raise AssertionError(f"{wait} came back by itself")
    except leave:
        late = time.monotonic_ns() - board.read(SENT_AT)
    board.write(ANSWERED, turn)
    return late


@contextlib.contextmanager
def wakeup_fd(wanted):
    """A user's wakeup descriptor; at the end it has to be the user's still, and to have got a byte for each signal."""
    if not wanted:
        yield None
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    yield lambda: drain(reader)
    assert signal.set_wakeup_fd(-1) == writer.fileno(), "the user's wakeup fd was changed"


def drain(reader):
    """The signal numbers at the descriptor; the C handler, on whatever thread, may write its byte a moment later."""
    ready, _, _ = select.select([reader], [], [], LOST)
    return reader.recv(4096) if ready else b""


def probe(args, number, leave, pauses):
    """All tries; gives latencies by call."""
    board = Board()
    pid = start_helper(board, number, pauses)
    harness.choose(args.runtime)
    waits, latencies, silent = endless_waits(), {}, 0
    start_receivers()
    names = list(waits)
    with wakeup_fd(args.wakeup_fd) as arrived:
        for turn in range(1, len(pauses) + 1):
            name = names[turn % len(names)]
            with harness.limit(30), contextlib.nullcontext(waits[name]) if waits[name] else thread_to_join() as wait:
                latencies.setdefault(name, []).append(block_once(board, turn, wait, leave))
            silent += arrived is not None and number not in arrived()
    board.write(ANNOUNCED, len(pauses))
    os.waitpid(pid, 0)
    assert not silent, f"{silent} signals without a byte in the user's wakeup fd"
    return latencies, board.read(MISSED)


def aimed(args):
    """The sweep over the window between check and sleep."""

    def knock(*_):
        raise Knock

    signal.signal(signal.SIGUSR1, knock)
    pauses = [turn * SWEEP_NS // args.signals for turn in range(args.signals)]
    random.shuffle(pauses)
    _, missed = probe(args, signal.SIGUSR1, Knock, pauses)
    print(f"{args.signals} signals, {missed} missed")
    return missed == 0


def ctrl_c(args):
    """SIGINT with Python's own handler while main has been blocked for 20 ms."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    latencies, missed = probe(args, signal.SIGINT, KeyboardInterrupt, [20_000_000] * args.ctrl_c)
    worst = {name: max(values) / 1e6 for name, values in latencies.items()}
    print(f"Ctrl-C, worst of each in ms: { {name: round(value, 2) for name, value in worst.items()} }, {missed} missed")
    return missed == 0 and max(worst.values()) <= 50


def main():
    """Runs what is asked for; exit 1 where something was lost or late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=["std", "raddle"])
    parser.add_argument("--signals", type=int, default=0)
    parser.add_argument("--ctrl-c", type=int, default=0)
    parser.add_argument("--wakeup-fd", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    args = parser.parse_args()
    random.seed(args.seed)
    print(f"seed {args.seed}", flush=True)
    good = [task(args) for task, wanted in ((aimed, args.signals), (ctrl_c, args.ctrl_c)) if wanted]
    sys.stdout.flush()
    os._exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
