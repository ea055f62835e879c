"""The innocent zoo: programs that look like a deadlock for a moment and are none. None may ever see an error.

    python tests/zoo/innocents.py raddle --runs 100000                  # no grace: every cycle is judged at once
    python tests/zoo/innocents.py raddle --runs 100 --late 1            # default grace, the releaser comes after 1 s
    python tests/zoo/innocents.py raddle --runs 20 --late 0.05 --quiet  # within the grace: no verdict at all
    RADDLE_FAULT=any-cycle-raises python tests/zoo/innocents.py raddle --only hand_off

`--runs` is the sum over the chosen innocents with no grace, and the number of each with `--late`. An innocent is a
function of `pause`, which its releaser calls just before it releases. Where a thread has to be blocked first, it frees
the releaser through a lock of `_thread` as its last step: the releaser can go on only when the blocked thread has left
the interpreter, so that the wait (and the cycle) stands by then, without any sleep.

The first error in any thread ends the process: exit 1, with the traceback and the innocent's name.
"""

import _thread
import argparse
import ctypes
import importlib
import importlib.util
import itertools
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "stress"))

import harness

INNOCENTS = {}
HELD_UP = 0.1  # a run that takes so much longer than its pauses was kept waiting by the machine, beyond the grace
MACHINE_TOO_SLOW = 75
libc = ctypes.CDLL(None, use_errno=True)
running = "nothing yet"


def innocent(function):
    """Adds a function to the zoo."""
    INNOCENTS[function.__name__] = function
    return function


def fail():
    """Ends the process with the traceback of the error in hand: one raise is one too many."""
    sys.stderr.flush()
    print(f"RAISED in {running}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
    os._exit(1)


def guarded(function, *args):
    """Runs a function whose error would otherwise only end its thread."""
    try:
        function(*args)
    except BaseException:
        fail()


class Gate:
    """A one-way gate made of a raw lock, which no runtime sees: open() frees passed()."""

    def __init__(self):
        self.raw = _thread.allocate_lock()
        self.raw.acquire()

    def open(self):
        """Frees the other side once."""
        self.raw.release()

    def passed(self):
        """Waits for open()."""
        self.raw.acquire()


def spawn(function, *args):
    """Starts a thread of the chosen runtime; its error ends the process."""
    thread = threading.Thread(target=guarded, args=(function, *args))
    thread.start()
    return thread


def behind(gate, pause, release):
    """A releaser: waits until the gate opens, pauses, releases."""
    gate.passed()
    pause()
    release()


def join(*threads):
    """Joins threads whose end is near; the limit is only for a runtime that loses a wake-up."""
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), f"{running}: a thread never ended"


# ---- plain locks that somebody else releases -------------------------------------------------------------------


@innocent
def one_shot_signal(pause):
    """Main takes a lock, a worker gives it free as its signal, main takes it again."""
    done, gate = threading.Lock(), Gate()
    done.acquire()
    worker = spawn(behind, gate, pause, done.release)
    gate.open()
    done.acquire()
    join(worker)


@innocent
def reacquire_in_worker(pause):
    """A worker takes a lock twice; main releases it in between."""
    lock, gate = threading.Lock(), Gate()

    def twice():
        lock.acquire()
        gate.open()
        lock.acquire()

    worker = spawn(twice)
    behind(gate, pause, lock.release)
    join(worker)
    lock.release()


@innocent
def hand_off(pause):
    """Two threads take turns: each takes its own turn lock again, which the other one releases."""
    ping, pong = threading.Lock(), threading.Lock()
    pong.acquire()

    def turn(mine, other):
        for _ in range(2):
            mine.acquire()
            pause()
            other.release()

    first, second = spawn(turn, ping, pong), spawn(turn, pong, ping)
    join(first, second)


@innocent
def crossed_and_released_by_third(pause):
    """Two threads hold a lock each by acquire() and want the other's; main releases the first one."""
    one, two, gate = threading.Lock(), threading.Lock(), Gate()
    held = threading.Barrier(2)

    def cross(mine, other):
        mine.acquire()
        held.wait()
        gate_of[mine].open()
        other.acquire()
        other.release()

    gate_of = {one: Gate(), two: gate}
    threads = spawn(cross, one, two), spawn(cross, two, one)
    gate_of[one].passed()
    behind(gate, pause, one.release)
    two.release()
    join(*threads)


@innocent
def with_against_acquire(pause):
    """One edge by `with`, the other by acquire(): a third thread releases the latter."""
    owned, free, gate = threading.Lock(), threading.Lock(), Gate()
    held = threading.Barrier(2)

    def owner():
        with owned:
            held.wait()
            gate.open()
            with free:
                pass

    def taker():
        free.acquire()
        held.wait()
        with owned:
            pass

    threads = spawn(owner), spawn(taker)
    behind(gate, pause, free.release)
    join(*threads)


@innocent
def join_under_a_lock(pause):
    """Main holds a lock by acquire() and joins a worker that wants it; a helper releases it."""
    lock, gate = threading.Lock(), Gate()
    lock.acquire()

    def want():
        gate.open()
        with lock:
            pass

    worker, helper = spawn(want), spawn(behind, gate, pause, lock.release)
    worker.join()
    join(helper)


@innocent
def taken_and_left_by_a_dead_thread(pause):
    """A thread takes a lock and ends; main waits for it; another thread releases it."""
    lock, gate = threading.Lock(), Gate()
    join(spawn(lock.acquire))
    helper = spawn(behind, gate, pause, lock.release)
    gate.open()
    lock.acquire()
    lock.release()
    join(helper)


class HandMadeCondition:
    """A condition as people write it: waiters park on a Lock of their own, the mutex is released by hand."""

    def __init__(self, mutex):
        self.mutex = mutex
        self.waiters = []

    def wait(self, gate):
        """Called inside `with mutex`: releases it, parks, takes it back."""
        parked = threading.Lock()
        parked.acquire()
        self.waiters.append(parked)
        self.mutex.release()
        gate.open()
        parked.acquire()
        self.mutex.acquire()

    def notify(self):
        """Called inside `with mutex`."""
        self.waiters.pop(0).release()


@innocent
def hand_made_condition(pause):
    """A waiter parks inside `with mutex`; the notifier takes the mutex by `with` in the meantime."""
    condition, gate = HandMadeCondition(threading.Lock()), Gate()

    def wait():
        with condition.mutex:
            condition.wait(gate)

    def notify():
        gate.passed()
        with condition.mutex:
            pause()
            condition.notify()

    join(spawn(wait), spawn(notify))


@innocent
def mutex_opened_inside_with(pause):
    """A holder by `with` releases by hand, waits for a thread that needs the mutex, and takes it back."""
    mutex = threading.Lock()

    def need():
        with mutex:
            pause()

    with mutex:
        mutex.release()
        spawn(need).join()
        mutex.acquire()


# ---- cycles with a timed edge -----------------------------------------------------------------------------------


def back_off(pause, make):
    """One thread gives up after a while and lets the other, untimed one pass."""
    one, two = make(), make()
    held = threading.Barrier(2)

    def polite():
        with one:
            held.wait()
            if two.acquire(timeout=max(pause.seconds, 0.0005)):
                two.release()

    def stubborn():
        with two:
            held.wait()
            with one:
                pass

    join(spawn(polite), spawn(stubborn))


@innocent
def timed_back_off(pause):
    """Plain locks by `with`; the polite thread's attempt has a time-out."""
    back_off(pause, threading.Lock)


@innocent
def timed_back_off_rlock(pause):
    """RLocks; the polite thread's attempt has a time-out."""
    back_off(pause, threading.RLock)


@innocent
def timed_join_against_join(pause):
    """Two threads join each other, one of them with a time-out."""
    both, threads = threading.Barrier(2), []

    def polite():
        both.wait()
        threads[1].join(max(pause.seconds, 0.0005))

    def stubborn():
        both.wait()
        threads[0].join()

    threads += [threading.Thread(target=guarded, args=(f,)) for f in (polite, stubborn)]
    for thread in threads:
        thread.start()
    join(*threads)


@innocent
def timed_condition_under_a_lock(pause):
    """A consumer holds a lock and waits on a condition with a time-out; the producer needs that lock to notify."""
    store, ready, gate = threading.Lock(), threading.Condition(), Gate()

    def consume():
        with store, ready:
            gate.open()
            ready.wait(max(pause.seconds, 0.0005))

    def produce():
        gate.passed()
        with store, ready:
            ready.notify()

    join(spawn(consume), spawn(produce))


# ---- things that have no owner ----------------------------------------------------------------------------------


@innocent
def semaphores_as_signals(pause):
    """Two threads each take a permit that only the other one gives."""
    left, right, gate = threading.Semaphore(0), threading.Semaphore(0), Gate()

    def answer():
        gate.passed()
        pause()
        left.release()
        right.acquire()

    worker = spawn(answer)
    gate.open()
    left.acquire()
    right.release()
    join(worker)


@innocent
def everybody_waits_for_a_raw_thread(pause):
    """Every thread of the runtime is in an untimed wait; a thread of `_thread` sets the event."""
    event, gate, ended = threading.Event(), Gate(), Gate()

    def outside():
        behind(gate, pause, event.set)
        ended.open()

    _thread.start_new_thread(guarded, (outside,))
    worker = spawn(event.wait)
    gate.open()
    worker.join()
    ended.passed()


# ---- signals ------------------------------------------------------------------------------------------------------


LOST = 1.0  # a signal not answered by then was lost between check and sleep; tests/stress/signals.py counts those


class Left(Exception):
    """What a signal handler raises to take main out of a wait."""


def with_handler(number, handler, body):
    """Runs the body under a handler of its own, which is put back."""
    before = signal.signal(number, handler)
    try:
        body()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(number, before)


def alarm_after(pause):
    """The alarm clock rings after the pause, or as soon as main has had time to block; and again if that was lost."""
    signal.setitimer(signal.ITIMER_REAL, max(pause.seconds, 0.0004), LOST)


@innocent
def released_by_a_signal_handler(pause):
    """Main waits for a lock that it holds itself; the SIGALRM handler releases it."""
    lock = threading.Lock()
    lock.acquire()

    def body():
        alarm_after(pause)
        lock.acquire()

    with_handler(signal.SIGALRM, lambda *_: lock.release(), body)


@innocent
def cycle_left_by_sigalrm(pause):
    """Main and a worker hold a lock each by `with` and want the other's; SIGALRM's handler raises in main."""
    mine, theirs, gate = threading.Lock(), threading.Lock(), Gate()

    def want():
        with theirs:
            gate.open()
            with mine:
                pass

    def ring(*_):
        raise Left

    def body():
        try:
            with mine:
                workers.append(spawn(want))
                gate.passed()
                alarm_after(pause)
                with theirs:
                    pass
        except Left:
            pass

    workers = []
    with_handler(signal.SIGALRM, ring, body)
    join(*workers)


@innocent
def join_cycle_left_by_sigalrm(pause):
    """Main holds an RLock and joins a worker that wants it; SIGALRM's handler raises in main."""
    lock, gate = threading.RLock(), Gate()

    def want():
        gate.open()
        with lock:
            pass

    def ring(*_):
        raise Left

    def body():
        try:
            with lock:
                workers.append(spawn(want))
                gate.passed()
                alarm_after(pause)
                workers[0].join()
        except Left:
            pass

    workers = []
    with_handler(signal.SIGALRM, ring, body)
    join(*workers)


@innocent
def event_set_by_a_signal_handler(pause):
    """Main waits without limit for an event that SIGALRM's handler sets."""
    event = threading.Event()

    def body():
        alarm_after(pause)
        event.wait()

    with_handler(signal.SIGALRM, lambda *_: event.set(), body)


def knock(gate, pause, number, answered):
    """Sends this process a signal from a raw thread, once main is blocked; and again if that was lost."""

    def send():
        os.kill(os.getpid(), number)
        while not answered.raw.acquire(timeout=LOST):
            os.kill(os.getpid(), number)

    _thread.start_new_thread(guarded, (behind, gate, pause, send))


@innocent
def main_sleeps_until_sigterm(pause):
    """A server's main: workers wait for work, main for SIGTERM, whose handler raises."""
    stop, gate, answered = threading.Event(), Gate(), Gate()
    worker = spawn(stop.wait)

    def terminate(*_):
        answered.open()
        raise Left

    def body():
        knock(gate, pause, signal.SIGTERM, answered)
        try:
            gate.open()
            threading.Event().wait()
        except Left:
            stop.set()

    with_handler(signal.SIGTERM, terminate, body)
    join(worker)


@innocent
def main_sleeps_until_ctrl_c(pause):
    """A script's main: waits for a lock that nobody releases, and Ctrl-C ends it (default handler)."""
    stop, gate, answered, never = threading.Event(), Gate(), Gate(), threading.Lock()
    worker = spawn(stop.wait)
    never.acquire()

    def body():
        knock(gate, pause, signal.SIGINT, answered)
        try:
            gate.open()
            never.acquire()
        except KeyboardInterrupt:
            answered.open()
            stop.set()

    with_handler(signal.SIGINT, signal.default_int_handler, body)
    join(worker)


# ---- C threads ----------------------------------------------------------------------------------------------------

ROUTINE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
NOTIFY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
WRITE = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class CookieFunctions(ctypes.Structure):
    """cookie_io_functions_t of <stdio.h>."""

    _fields_ = [("read", ctypes.c_void_p), ("write", WRITE), ("seek", ctypes.c_void_p), ("close", CLOSE)]


class SignalEvent(ctypes.Structure):
    """struct sigevent of <signal.h>, as glibc lays it out on 64 bits."""

    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", NOTIFY),
        ("attributes", ctypes.c_void_p),
        ("padding", ctypes.c_byte * 32),
    ]


class TimerSpec(ctypes.Structure):
    """struct itimerspec of <time.h>."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


libc.fopencookie.argtypes = [ctypes.c_void_p, ctypes.c_char_p, CookieFunctions]
libc.fopencookie.restype = ctypes.c_void_p
libc.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]


def c_thread(routine, argument=None):
    """Starts an OS thread that has never called Python; gives its pthread_t."""
    ident = ctypes.c_ulong()
    error = libc.pthread_create(ctypes.byref(ident), None, routine, ctypes.c_void_p(argument))
    assert error == 0, os.strerror(error)
    return ident


def c_join(ident):
    """Waits for such a thread's end, with the interpreter released."""
    libc.pthread_join(ident, None)


@innocent
def released_by_a_c_callback(pause):
    """Main waits for a lock that it holds itself; a C thread calls back and releases it."""
    lock, gate = threading.Lock(), Gate()
    lock.acquire()
    routine = ROUTINE(lambda _: guarded(behind, gate, pause, lock.release))
    ident = c_thread(routine)
    gate.open()
    lock.acquire()
    c_join(ident)


@innocent
def taken_in_one_callback_released_in_the_next(pause):
    """A C thread calls back twice, with a new thread state each time; the lock taken in the first is freed in the next.

    The C thread runs `fclose` on a stream whose write and close functions are Python's: two callbacks with C between.
    Main waits for the lock in the meantime, an RLock this time: its owner is the OS thread, which lives on.
    """
    lock, taken = threading.RLock(), Gate()

    def write(_cookie, _data, size):
        guarded(lock.acquire)
        taken.open()
        return size

    def close(_cookie):
        guarded(lambda: (pause(), lock.release()))
        return 0

    functions = CookieFunctions(None, WRITE(write), None, CLOSE(close))
    stream = libc.fopencookie(None, b"w", functions)
    libc.fputs(b"x", stream)
    ident = c_thread(libc.fclose, stream)
    taken.passed()
    with lock:
        pass
    c_join(ident)


@innocent
def taken_and_released_in_qsort(pause):
    """Each call of a qsort comparator takes the lock that the call before released, or the other way round."""
    lock, calls = threading.Lock(), itertools.count()

    def compare(_a, _b):
        guarded(lock.release if next(calls) % 2 else lock.acquire)
        return 0

    libc.qsort((ctypes.c_int * 4)(), 4, 4, COMPARE(compare))
    if next(calls) % 2:
        pause()
        lock.release()
    with lock:
        pass


@innocent
def freed_by_a_c_thread_that_never_called_python(pause):
    """Main waits for a lock that it holds itself; a C timer's thread makes its first call ever to release it."""
    lock = threading.Lock()
    lock.acquire()
    notify = NOTIFY(lambda _: guarded(lock.release))
    timer, sigev_thread = ctypes.c_void_p(), 2
    event = SignalEvent(None, 0, sigev_thread, notify, None)
    assert libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0
    seconds = max(pause.seconds, 0.0003)
    spec = TimerSpec(0, 0, int(seconds), int(seconds % 1 * 1e9))
    assert libc.timer_settime(timer, 0, ctypes.byref(spec), None) == 0
    lock.acquire()
    libc.timer_delete(timer)


# ---- imports ---------------------------------------------------------------------------------------------------


class Bodies:
    """Modules that are a function each: a finder and a loader of them."""

    def __init__(self):
        self.functions, self.numbers = {}, itertools.count()

    def add(self, function):
        """The name of a new module; importing it calls the function."""
        name = f"innocent_module_{next(self.numbers)}"
        self.functions[name] = function
        return name

    def find_spec(self, name, path=None, target=None):
        """Called by the import system."""
        return importlib.util.spec_from_loader(name, self) if name in self.functions else None

    def create_module(self, spec):
        """Called by the import system, which makes the usual module."""

    def exec_module(self, module):
        """Called by the import system."""
        self.functions[module.__name__]()

    def forget(self, *names):
        """Makes modules as if they had never been."""
        for name in names:
            del self.functions[name], sys.modules[name]


bodies = Bodies()
sys.meta_path.append(bodies)


@innocent
def join_while_importing(pause):
    """A module joins a thread while it is imported; the thread imports another module, which takes its time."""

    def body():
        worker = spawn(importlib.import_module, slow)
        worker.join()

    slow, name = bodies.add(pause), bodies.add(body)
    importlib.import_module(name)
    bodies.forget(slow, name)


@innocent
def import_of_a_module_that_waits_for_another(pause):
    """A thread waits for a module whose body waits for a lock that the thread took; a third thread gives it free."""
    lock, gate, taken = threading.Lock(), Gate(), Gate()

    def importer():
        lock.acquire()
        taken.open()
        gate.open()
        importlib.import_module(name)

    def body():
        threads.append(spawn(importer))
        taken.passed()
        threads.append(spawn(behind, gate, pause, lock.release))
        lock.acquire()

    threads, name = [], bodies.add(body)
    importlib.import_module(name)
    join(*threads)
    bodies.forget(name)


# ---- pools ----------------------------------------------------------------------------------------------------------


def pool_of(workers):
    """A pool of the chosen runtime; imported here, after it was chosen."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(workers)


@innocent
def nested_job_with_a_free_worker(pause):
    """A job waits for another one of its own pool, in which a second worker has time for it."""
    with pool_of(2) as pool:
        outer = pool.submit(lambda: pool.submit(pause).result())
        outer.result(30)


@innocent
def nested_job_behind_one_that_ends(pause):
    """Two jobs fill a pool; one waits for a third, which begins as soon as the other one ends."""
    gate = Gate()
    with pool_of(2) as pool:
        other = pool.submit(behind, gate, pause, int)

        def outer():
            inner = pool.submit(int)
            gate.open()
            return inner.result()

        assert pool.submit(outer).result(30) == 0
        other.result(30)


@innocent
def nested_job_cancelled_by_a_third(pause):
    """The only worker waits for a job that stands behind its own; main cancels that one."""
    gate, inner = Gate(), []

    def outer():
        inner.append(pool.submit(int))
        gate.open()
        try:
            inner[0].result()
        except Exception as error:
            return type(error).__name__

    with pool_of(1) as pool:
        future = pool.submit(outer)
        behind(gate, pause, lambda: inner[0].cancel())
        assert future.result(30) == "CancelledError"


@innocent
def result_set_by_hand(pause):
    """A job waits for a future that main gives its value."""
    from concurrent.futures import Future

    gate, promise = Gate(), Future()

    def wants_promise():
        gate.open()
        return promise.result()

    with pool_of(1) as pool:
        job = pool.submit(wants_promise)
        behind(gate, pause, lambda: promise.set_result(1))
        assert job.result(30) == 1


@innocent
def one_of_two_jobs_set_by_hand(pause):
    """The only worker waits for a job behind its own, or for a future that main gives its value."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    gate, promise = Gate(), Future()

    def wants_either():
        either = [pool.submit(int), promise]
        gate.open()
        return len(wait(either, return_when=FIRST_COMPLETED).done)

    with pool_of(1) as pool:
        job = pool.submit(wants_either)
        behind(gate, pause, lambda: promise.set_result(1))
        assert job.result(30) == 1


@innocent
def one_of_two_jobs_in_a_pool_with_time(pause):
    """Both workers of a pool wait for a job behind theirs, or for one of another pool, which comes about."""
    from concurrent.futures import as_completed

    with pool_of(2) as others, pool_of(2) as pool:

        def wants_either():
            either = [pool.submit(int), others.submit(pause)]
            return next(as_completed(either)) is not None

        jobs = [pool.submit(wants_either) for _ in range(2)]
        assert [job.result(30) for job in jobs] == [True, True]


@innocent
def both_jobs_behind_one_that_ends(pause):
    """Two jobs fill a pool; one waits for two more, of which one was cancelled, the other for a thread that runs."""
    from concurrent.futures import wait

    gate = Gate()

    def joins():
        join(spawn(behind, gate, pause, int))

    def waits():
        both = [pool.submit(int), pool.submit(int)]
        both[0].cancel()
        gate.open()
        return len(wait(both).done)

    with pool_of(2) as pool:
        jobs = [pool.submit(joins), pool.submit(waits)]
        assert [job.result(30) for job in jobs] == [None, 2]


# ---- the command line -----------------------------------------------------------------------------------------------


class Pause:
    """What a releaser does just before it releases: nothing, or wait so long."""

    def __init__(self, seconds):
        self.seconds, self.calls = seconds, 0

    def __call__(self):
        self.calls += 1
        if self.seconds:
            time.sleep(self.seconds)


def repeat(names, runs, pause):
    """Runs each of the innocents so often, in a random order; gives the number of runs and of those held up."""
    global running
    plan, held_up = names * runs, 0
    random.shuffle(plan)
    for running in plan:
        pause.calls, began = 0, time.monotonic()
        with harness.limit(30):
            guarded(INNOCENTS[running], pause)
        held_up += time.monotonic() - began > pause.seconds * max(1, pause.calls) + HELD_UP
    return len(plan), held_up


def options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=["std", "raddle"])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--late", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--only", choices=list(INNOCENTS), action="append")
    parser.add_argument("--quiet", action="store_true", help="a verdict of any kind is a failure, too")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    return parser.parse_args()


def main():
    """Runs the zoo and prints one line of figures."""
    args = options()
    random.seed(args.seed)
    print(f"seed {args.seed}", flush=True)
    harness.choose(args.runtime, **({} if args.late else {"deadlock_grace": 0.0}))
    names = args.only or list(INNOCENTS)
    each = args.runs if args.late else -(-args.runs // len(names))
    began = time.monotonic()
    total, held_up = repeat(names, each, Pause(args.late))
    found = harness.verdicts(args.runtime)
    print(f"{total} runs of {len(names)} innocents in {time.monotonic() - began:.1f} s: 0 raises, reported: {found}")
    if args.quiet and found:
        sys.exit(MACHINE_TOO_SLOW if held_up else 1)


if __name__ == "__main__":
    main()
