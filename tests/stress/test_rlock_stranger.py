"""An RLock left by a dead thread: no stranger enters it, and who waits for it is told whose it was, where and how it died.

CPython compares thread idents, which the next thread gets again, and lets that one in as the owner.
"""

import re
import threading as real
import time

import harness
import pytest

pytestmark = pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="the standard library lets strangers in")
ROUNDS = 50
APART = 0.002  # between the two threads: long enough for the first one's ident to be free again


@pytest.fixture
def threading(monkeypatch):
    """raddle's module `threading`, with nothing said about the holders' errors."""
    import raddle.threading

    monkeypatch.setattr(real, "excepthook", lambda args: None)
    return raddle.threading


def line_of(mark):
    """The number of the line of this file that ends with a mark."""
    with open(__file__) as file:
        return next(number for number, line in enumerate(file, 1) if line.rstrip().endswith(f"# {mark}"))


def leave(lock, how):
    """Takes the lock and dies with it."""
    lock.acquire()  # taken here
    if how == "failed":
        raise ValueError("the holder's own error")
    if how == "exited":
        raise SystemExit


def left_by_the_dead(threading, how="returned"):
    """An RLock whose holder has ended."""
    lock = threading.RLock()
    holder = threading.Thread(target=leave, args=(lock, how), name="late-holder")
    holder.start()
    holder.join(10)
    time.sleep(APART)
    return lock


def in_thread(threading, function):
    """What a function gives or raises in a thread of its own."""
    results = []

    def body():
        try:
            results.append(function())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=body, name="stranger")
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "the stranger hangs"
    return results[0]


def untimed(lock, way):
    """A blocking, untimed take: by acquire() or by `with`."""
    if way == "acquire":
        return lock.acquire()
    with lock:
        return True


def test_no_stranger_enters(threading):
    """Holder ends, next thread tries without blocking: 0 of 50 get in."""
    entered = 0
    for _ in range(ROUNDS):
        lock = left_by_the_dead(threading)
        entered += in_thread(threading, lambda lock=lock: lock.acquire(False))
    assert entered == 0, f"{entered} of {ROUNDS} strangers entered"


@pytest.mark.parametrize("args", [{"blocking": False}, {"timeout": 0.01}, {"timeout": 0}], ids=str)
def test_non_blocking_and_timed_takers_get_false(threading, args):
    """Holder ends; a take that may fail fails, as on the standard library with a live holder."""
    lock = left_by_the_dead(threading)
    assert in_thread(threading, lambda: lock.acquire(**args)) is False


@pytest.mark.parametrize("way", ["acquire", "with"])
@pytest.mark.parametrize(
    ("how", "told"),
    [("returned", r"return|finish|ended"), ("failed", r"ValueError"), ("exited", r"SystemExit|exit|ended")],
)
def test_untimed_taker_is_told_who_where_and_how(threading, how, told, way):
    """Holder dies in one of three ways; the taker's error names it, its line and its death."""
    import raddle

    lock = left_by_the_dead(threading, how)
    error = in_thread(threading, lambda: untimed(lock, way))
    assert isinstance(error, raddle.LockAbandonedError), repr(error)
    assert isinstance(error, RuntimeError)
    text = str(error)
    assert "late-holder" in text, text
    assert f"test_rlock_stranger.py:{line_of('taken here')}" in text, text
    assert re.search(told, text), text


def test_fifty_untimed_takers_are_all_told(threading):
    """Holder ends, untimed taker: 50 of 50 errors."""
    import raddle

    for _ in range(ROUNDS):
        lock = left_by_the_dead(threading)
        assert isinstance(in_thread(threading, lock.acquire), raddle.LockAbandonedError)


def test_main_is_told_too(threading):
    """Holder ends; main, the oldest thread of all, is a stranger like any other."""
    import raddle

    lock = left_by_the_dead(threading)
    with pytest.raises(raddle.LockAbandonedError, match="late-holder"):
        lock.acquire()


def test_who_waits_already_is_told_when_the_holder_dies(threading):
    """Holder takes, taker blocks without limit, holder ends: the taker wakes with the error."""
    import raddle

    lock, held, end = threading.RLock(), threading.Event(), threading.Event()

    def hold():
        lock.acquire()
        held.set()
        end.wait(10)

    holder = threading.Thread(target=hold, name="late-holder")
    holder.start()
    held.wait(10)
    results = []

    def want():
        try:
            results.append(lock.acquire())
        except RuntimeError as error:
            results.append(error)

    taker = threading.Thread(target=want, daemon=True)
    taker.start()
    taker.join(0.05)
    end.set()
    taker.join(10)
    assert results and isinstance(results[0], raddle.LockAbandonedError), results


def test_the_dead_one_s_lock_is_not_owned(threading):
    """Holder ends: a stranger neither owns the lock nor may release it."""
    lock = left_by_the_dead(threading)
    assert in_thread(threading, lock._is_owned) is False
    error = in_thread(threading, lock.release)
    assert isinstance(error, RuntimeError)
    assert str(error).startswith("cannot release un-acquired lock")


def test_an_rlock_that_was_left_in_order_stays_usable(threading):
    """Holder takes twice, releases twice, ends: the next thread enters."""
    lock = threading.RLock()

    def tidy():
        with lock, lock:
            pass

    in_thread(threading, tidy)
    assert in_thread(threading, lambda: untimed(lock, "with")) is True
