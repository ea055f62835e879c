"""Question 17, gotcha 5: stopping a thread.

Every blocking call is a way of being stopped: see `BLOCKING`. `RADDLE_RUNS=1000` stops each a thousand times.
"""

import hashlib
import os
import queue
import re
import statistics
import sys
import threading as real
import time

import pytest
import raddle
from raddle import ThreadState, futures, threading

RUNS = int(os.environ.get("RADDLE_RUNS", "20"))


def held(lock):
    lock.acquire()
    return lock


def full(maxsize=1):
    items = raddle._raddle.Queue(maxsize)
    items.put(0)
    return items


def waiting(condition):
    def wait():
        with condition:
            condition.wait()

    return wait


def waiting_for(condition):
    def wait():
        with condition:
            condition.wait_for(lambda: False)

    return wait


def never_done():
    items = raddle._raddle.Queue()
    items.put(0)
    return items


def pending():
    future = futures.Future()
    return future


# What a thread may be blocked in: a function that makes the call.
BLOCKING = {
    "Lock.acquire": lambda: held(threading.Lock()).acquire,
    "Lock.acquire with a limit": lambda: (lambda lock: lambda: lock.acquire(timeout=60))(held(threading.Lock())),
    "Lock.__enter__": lambda: held(threading.Lock()).__enter__,
    "RLock.acquire": lambda: in_another_thread(threading.RLock()).acquire,
    "Condition.wait": lambda: waiting(threading.Condition()),
    "Condition.wait, plain lock": lambda: waiting(threading.Condition(threading.Lock())),
    "Condition.wait_for": lambda: waiting_for(threading.Condition()),
    "Semaphore.acquire": lambda: threading.Semaphore(0).acquire,
    "BoundedSemaphore.acquire": lambda: held(threading.BoundedSemaphore(1)).acquire,
    "Event.wait": lambda: threading.Event().wait,
    "Barrier.wait": lambda: lambda: threading.Barrier(2).wait(),  # a stop breaks it
    "Queue.get": lambda: raddle._raddle.Queue().get,
    "Queue.get with a limit": lambda: (lambda items: lambda: items.get(timeout=60))(raddle._raddle.Queue()),
    "Queue.put": lambda: (lambda items: lambda: items.put(1))(full()),
    "Queue.join": lambda: never_done().join,
    "LifoQueue.get": lambda: raddle._raddle.LifoQueue().get,
    "PriorityQueue.get": lambda: raddle._raddle.PriorityQueue().get,
    "SimpleQueue.get": lambda: raddle._raddle.SimpleQueue().get,
    "Thread.join": lambda: sleeper().join,
    "Thread.result": lambda: sleeper().result,
    "threading.Thread.join": lambda: plain_sleeper().join,
    "Future.result": lambda: pool_future().result,
    "Future.exception": lambda: pool_future().exception,
    "futures.wait": lambda: (lambda future: lambda: futures.wait([future]))(pool_future()),
    "futures.as_completed": lambda: (lambda future: lambda: list(futures.as_completed([future])))(pool_future()),
    "sleep": lambda: lambda: raddle.sleep(60),
    "sleep for ever": lambda: lambda: raddle.sleep(float("inf")),
    "StopToken.wait": lambda: raddle.StopSource().token.wait,
    "raddle.wait": lambda: (lambda thread: lambda: raddle.wait([thread]))(sleeper()),
    "raddle.wait for the first": lambda: waiting_for_the_first(sleeper(), sleeper()),
    "as_completed": lambda: (lambda thread: lambda: list(raddle.as_completed([thread])))(sleeper()),
    "join_all": lambda: (lambda threads: lambda: raddle.join_all(threads))([sleeper(), sleeper()]),
    "Thread.join, not started": lambda: lambda: raddle.Thread(target=int).join(wait_for_start=True),
    "Thread.wait_started": lambda: raddle.Thread(target=int).wait_started,
    "Scope.__exit__": lambda: at_the_end_of_a_scope,
    "a scope's block": lambda: in_the_block_of_a_scope,
    "spawn with a limiter": lambda: (lambda limiter: lambda: raddle.spawn(int, limiter=limiter))(full_limiter()),
    "Scope.spawn with a limit": lambda: in_a_full_scope,
    "strict Lock.acquire": lambda: held(raddle.Lock()).acquire,
    "strict Lock.__enter__": lambda: held(raddle.Lock()).__enter__,
    "Lock.within": lambda: (lambda lock: lambda: lock.within(60).__enter__())(held(raddle.Lock())),
    "strict RLock.acquire": lambda: in_another_thread(raddle.RLock()).acquire,
    "RLock.within": lambda: (lambda lock: lambda: lock.within(60).__enter__())(in_another_thread(raddle.RLock())),
    "RWLock.read": lambda: in_another_thread(raddle.RWLock(), "write").read().acquire,
    "RWLock.write": lambda: in_another_thread(raddle.RWLock(), "read").write().acquire,
    "RWLock.write with a limit": lambda: (lambda lock: lambda: lock.write(60).__enter__())(
        in_another_thread(raddle.RWLock(), "read")
    ),
    "acquire_all": lambda: (lambda lock: lambda: raddle.acquire_all(raddle.Lock(), lock).__enter__())(
        held(raddle.Lock())
    ),
    "named Condition.wait": lambda: waiting(raddle.Condition(name="changed")),
    "named Event.wait": lambda: raddle.Event(name="ready").wait,
    "named Barrier.wait": lambda: lambda: raddle.Barrier(2, name="start").wait(),
    "CountDownLatch.wait": lambda: raddle.CountDownLatch(1).wait,
    "Once.call": lambda: (lambda once: lambda: once.call(int))(begun_once()),
    "Semaphore.acquire, weighted": lambda: (lambda permits: lambda: permits.acquire(2))(
        held(raddle.Semaphore(2, fair=True))
    ),
    "Semaphore.permit": lambda: (lambda permits: lambda: permits.permit().__enter__())(held(raddle.Semaphore(1))),
    "Job.result": lambda: due_in_an_hour().result,
    "RateLimiter.acquire": lambda: held(raddle.RateLimiter(1, per=3600)).acquire,
    "RateLimiter.acquire, second in line": lambda: behind_another(held(raddle.RateLimiter(1, per=3600))).acquire,
}

_over = real.Event()
_pools, _jobs = [], []


def sleeper():
    return raddle.spawn(_over.wait, daemon=True)


def plain_sleeper():
    thread = threading.Thread(target=_over.wait, daemon=True)
    thread.start()
    return thread


def pool_future():
    if not _pools:
        _pools.append(futures.ThreadPoolExecutor(1))
    return _pools[0].submit(_over.wait)


def due_in_an_hour():
    _jobs.append(raddle.call_later(3600, int))
    return _jobs[-1]


def in_another_thread(lock, side=None):
    taken, part = real.Event(), lock if side is None else getattr(lock, side)()
    raddle.spawn(lambda: (part.acquire(), taken.set(), _over.wait()), daemon=True)
    assert taken.wait(20)
    return lock


def behind_another(limiter):
    first = raddle.spawn(limiter.acquire, daemon=True)
    until(lambda: is_blocked(first))
    return limiter


def begun_once():
    once, begun = raddle.Once(), real.Event()
    raddle.spawn(once.call, lambda: (begun.set(), _over.wait()), daemon=True)
    assert begun.wait(20)
    return once


def full_limiter():
    limiter = raddle.ThreadLimiter(1)
    raddle.spawn(_over.wait, limiter=limiter, daemon=True)
    return limiter


def waiting_for_the_first(*threads):
    return lambda: raddle.wait(threads, return_when="FIRST_COMPLETED")


def at_the_end_of_a_scope():
    with raddle.Scope() as scope:
        scope.spawn(raddle.sleep, 60)


def in_the_block_of_a_scope():
    with raddle.Scope() as scope:
        scope.spawn(raddle.sleep, 60)
        raddle.sleep(60)


def in_a_full_scope():
    with raddle.Scope(limit=1) as scope:
        scope.spawn(raddle.sleep, 60)
        scope.spawn(raddle.sleep, 60)


@pytest.fixture(scope="module", autouse=True)
def end_of_the_helpers():
    yield
    _over.set()
    for pool in _pools:
        pool.shutdown()
    for job in _jobs:
        job.cancel()


def is_blocked(thread):
    return thread.activity.startswith("blocked")


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.0005)


@pytest.mark.parametrize("what", BLOCKING)
@pytest.mark.limit(600)
def test_a_blocked_call_is_left(what):
    call, times, left, ledger = BLOCKING[what](), [], [], threading.Lock()

    def block():
        with ledger:
            try:
                call()
            finally:
                left.append(1)

    for _ in range(RUNS):
        thread = raddle.spawn(block)
        until(lambda thread=thread: is_blocked(thread))
        before = time.perf_counter()
        assert thread.stop("enough", wait=20)
        times.append(time.perf_counter() - before)
        assert thread.state is ThreadState.STOPPED
        assert not ledger.locked(), "a lock was left behind"
    assert len(left) == RUNS
    times.sort()
    p99 = times[int(len(times) * 0.99)]
    print(f"{what}: median {statistics.median(times) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms")
    assert statistics.median(times) < 0.01
    assert RUNS < 1000 or p99 <= 0.01


def test_a_loop_that_swallows_every_exception_ends():
    items = raddle._raddle.Queue()

    def loop():
        while True:
            try:
                items.get()
            except Exception:
                pass

    thread = raddle.spawn(loop)
    until(lambda: is_blocked(thread))
    assert thread.stop(wait=5)


def test_a_stop_comes_again_at_each_blocking_call():
    heard = []

    def stubborn():
        for _ in range(3):
            try:
                raddle.sleep(60)
            except raddle.Stopped as stopped:
                heard.append(stopped.reason)
        raddle.checkpoint()

    thread = raddle.spawn(stubborn)
    until(lambda: is_blocked(thread))
    assert thread.stop("enough", wait=5) and thread.state is ThreadState.STOPPED
    assert heard == ["enough"] * 3


def test_what_the_error_says():
    caught = []

    def work():
        try:
            raddle.sleep(60)
        except raddle.Stopped as stopped:
            caught.append(stopped)
            raise

    thread = raddle.spawn(work)
    before = time.monotonic()
    thread.stop("the shop is closed", wait=5)
    (error,) = caught
    assert (error.reason, error.requested_by) == ("the shop is closed", "MainThread")
    assert before <= error.requested_at <= time.monotonic()
    assert str(error) == "stopped by 'MainThread': the shop is closed"
    assert not isinstance(error, Exception) and thread.exception() is None
    with pytest.raises(raddle.ThreadStateError, match="was stopped and has no result .*the shop is closed"):
        thread.result()
    with pytest.raises(TypeError, match="reason must be a str or None, got int"):
        thread.stop(3)


def test_a_thread_that_returns_all_the_same_has_finished():
    def work():
        try:
            raddle.sleep(60)
        except raddle.Stopped:
            return "what there is so far"

    thread = raddle.spawn(work)
    until(lambda: is_blocked(thread))
    assert thread.stop(wait=5)
    assert (thread.state, thread.result()) == (ThreadState.FINISHED, "what there is so far")


def test_a_stop_that_does_not_take_is_no_stop():
    go = real._allocate_lock()  # the interpreter's own, where nothing can be stopped
    go.acquire()
    thread = raddle.spawn(go.acquire)
    before = time.perf_counter()
    assert thread.stop(wait=0.05) is False and time.perf_counter() - before < 5
    assert thread.stop_requested and thread.state is ThreadState.RUNNING
    go.release()
    thread.join()
    assert thread.stop() is True, "it has ended"


def test_native_code_that_does_not_return_is_named():
    go = real.Event()

    def work():
        while not go.is_set():
            time.sleep(0.5)

    thread = raddle.spawn(work)
    try:
        until(lambda: thread.activity.startswith("running at ") and "in test_native" in thread.activity)
        time.sleep(0.05)
        assert thread.stop(wait=0.1) is False
        assert re.match(r"in native call time\.sleep\(0\.5\) for 0\.\d s at .*test_q17", thread.activity), (
            thread.activity
        )
    finally:
        go.set()
    thread.join()


def test_a_loop_is_not_taken_for_native_code():
    go = real.Event()

    def spin():
        while not go.is_set():
            pass

    thread = raddle.spawn(spin)
    try:
        until(lambda: "in test_a_loop_is_not_taken_for_native_code.<locals>.spin" in thread.activity)
        for _ in range(20):
            assert thread.stop(wait=0.02) is False
            activity = thread.activity
            assert activity.startswith("running at "), activity
    finally:
        go.set()
    thread.join()


def test_native_code_that_computes_is_named():
    for rounds in (1_500_000, 6_000_000, 24_000_000):  # on a busy machine it may be over before we look
        thread = raddle.spawn(lambda rounds=rounds: hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", rounds))
        until(lambda thread=thread: thread.state is ThreadState.RUNNING or thread.done)
        time.sleep(0.05)
        if thread.stop(wait=0.1):
            continue
        activities = []
        while not thread.done:
            activities.append(thread.activity)
            if activities[-1].startswith("in native call hashlib.pbkdf2_hmac("):
                thread.join()
                return
            time.sleep(0.05)  # nor is it seen to compute while it gets no processor
    pytest.fail(f"it was over before it was looked at, or called {activities}")


def test_what_does_not_block_is_not_stopped():
    lock, items = threading.Lock(), raddle._raddle.SimpleQueue()

    def work():
        with pytest.raises(raddle.Stopped):
            raddle.sleep(60)
        items.put(1)
        with lock:
            return items.get(), raddle.stop_requested()

    thread = raddle.spawn(work)
    until(lambda: is_blocked(thread))
    thread.stop()
    assert thread.result(5) == (1, True)


def test_a_shield_keeps_a_stop_out():
    def work():
        try:
            raddle.sleep(60)
        finally:
            with raddle.shield():
                raddle.sleep(0.02)
                goodbyes.append("said")
            with raddle.shield(0.02):
                raddle.sleep(60)
            goodbyes.append("not reached")

    goodbyes = []
    thread = raddle.spawn(work)
    until(lambda: is_blocked(thread))
    before = time.monotonic()
    assert thread.stop(wait=5) and time.monotonic() - before < 5
    assert goodbyes == ["said"] and thread.state is ThreadState.STOPPED


def test_a_condition_has_its_lock_when_it_is_left():
    condition, owned = threading.Condition(), []

    def work():
        with condition:
            try:
                condition.wait()
            finally:
                owned.append(condition._is_owned())

    thread = raddle.spawn(work)
    until(lambda: is_blocked(thread))
    with condition:
        thread.stop()
        time.sleep(0.05)
    assert thread.join(5) and owned == [True]


def test_callbacks_for_what_raddle_cannot_interrupt():
    read, write = os.pipe()

    def work():
        with raddle.on_stop(lambda: os.write(write, b"x")):
            return os.read(read, 1)

    thread = raddle.spawn(work)
    time.sleep(0.05)
    assert thread.stop(wait=5) and thread.result() == b"x"

    def removed():
        with raddle.on_stop(lambda: os.write(write, b"y")):
            pass
        raddle.sleep(60)

    thread = raddle.spawn(removed)
    until(lambda: is_blocked(thread))
    assert thread.stop(wait=5)
    os.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    with pytest.raises(TypeError, match="on_stop needs a function, got int"):
        raddle.on_stop(5)


def test_deadlines_end_their_block_only():
    items = raddle._raddle.Queue()
    before = time.monotonic()
    with raddle.move_on_after(0.03) as inner:
        items.get()
    assert inner.expired and 0.03 <= time.monotonic() - before < 5
    with raddle.move_on_after(5) as idle:
        pass
    assert not idle.expired
    with pytest.raises(TimeoutError, match=r"fail_after\(0.01\) expired at .*test_q17"):
        with raddle.fail_after(0.01):
            raddle.sleep(60)
    with raddle.move_on_after(0.01) as outer, raddle.move_on_after(60) as inner:
        raddle.sleep(60)
    assert (outer.expired, inner.expired) == (True, False)
    with raddle.deadline_at(time.monotonic() + 0.01) as at:
        raddle.sleep(60)
    assert at.expired
    with raddle.move_on_after(None), pytest.raises(TimeoutError):
        raise TimeoutError
    with pytest.raises(ValueError, match="seconds must be a number of seconds, got nan"):
        raddle.move_on_after(float("nan"))
    with pytest.raises(RuntimeError, match="was entered before"):
        with at:
            pass


def test_a_time_limit_of_the_call_comes_before_that_of_the_block():
    items = raddle._raddle.Queue()
    with raddle.move_on_after(60) as scope:
        with pytest.raises(queue.Empty):
            items.get(timeout=0.01)
    assert not scope.expired


def test_tokens():
    source, other = raddle.StopSource(), raddle.StopSource()
    both, calls = raddle.any_of(source.token, other.token), []
    registration = both.on_stop(lambda: calls.append("both"))
    assert not both.requested and both.wait(0.01) is False and both.wait(0) is False
    assert other.stop("other") and not other.stop("again")
    assert both.requested and both.reason == "other" and both.wait() is True and calls == ["both"]
    assert not source.token.requested
    both.on_stop(lambda: calls.append("late"))
    assert calls == ["both", "late"]
    registration.remove()
    with pytest.raises(ValueError, match="at least one token"):
        raddle.any_of()
    thread = raddle.spawn(lambda: raddle.current_token().wait())
    until(lambda: is_blocked(thread))
    assert thread.stop(wait=5)


def test_a_callback_that_fails_does_not_keep_the_stop_from_others(monkeypatch):
    shown, called = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: shown.append(args.exc_type))
    source = raddle.StopSource()
    first = source.token.on_stop(lambda: 1 / 0)
    second = source.token.on_stop(lambda: called.append(1))
    assert source.stop() and shown == [ZeroDivisionError] and called == [1]
    del first, second


def test_linked_threads_end_together():
    def fail():
        raddle.sleep(0.02)
        raise ValueError("x")

    failing, other = raddle.spawn(fail, name="failing"), raddle.spawn(raddle.sleep, 60)
    other.link(failing)
    assert other.join(5) and other.state is ThreadState.STOPPED
    assert isinstance(failing.exception(5), ValueError)


@pytest.mark.limit(600)
def test_no_lock_is_left_behind():
    """Stopped at any moment, not only when they are blocked."""
    locks = [threading.Lock(), threading.RLock(), threading.Condition(), threading.Semaphore(1)]

    def work():
        while True:
            for lock in locks:
                with lock:
                    raddle.sleep(0.0001)

    for _ in range(RUNS * 5):
        threads = [raddle.spawn(work) for _ in range(4)]
        for thread in threads:
            thread.stop()
        assert raddle.join_all(threads, 20)
    for lock in locks:
        assert lock.acquire(False), f"{lock} was left behind"
        lock.release()
