"""Gotcha 10: forgetting to release a lock. What each lock does when its holder is gone."""

import threading as std
import time

import harness
import pytest
import raddle
import raddle.threading as threading

APART = 0.002  # long enough for the dead thread's ident to be free again
ROUNDS = 50


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(std, "excepthook", lambda args: None)


def forget(module, acquire, error=None):
    """A thread that takes a lock and ends without giving it back."""

    def forgetful():
        acquire()
        if error:
            raise error

    thread = module.Thread(target=forgetful, name="forgetful")
    thread.start()
    thread.join()
    time.sleep(APART)


def enters(module, lock):
    """Whether another thread gets in."""
    got = []
    thread = module.Thread(target=lambda: got.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    return got[0]


MAKERS = {
    "Lock": raddle.Lock,
    "RLock": raddle.RLock,
    "the drop-in's RLock": threading.RLock,
    "write side": lambda: raddle.RWLock().write(),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_stranger_never_enters(kind):
    entered = 0
    for _ in range(ROUNDS):
        lock = MAKERS[kind]()
        forget(threading, lock.acquire)
        entered += enters(threading, lock)
    assert entered == 0


@pytest.mark.skipif("std" not in harness.RUNTIMES, reason="shows what the standard library does")
def test_the_standard_librarys_rlock_lets_strangers_in():
    entered = 0
    for _ in range(ROUNDS):
        lock = std.RLock()
        forget(std, lock.acquire)
        entered += enters(std, lock)
    assert entered > ROUNDS // 2


@pytest.mark.parametrize("kind", MAKERS)
def test_the_error_names_the_dead_thread_the_place_and_how_it_died(kind):
    lock = MAKERS[kind]()
    forget(threading, lock.acquire, ValueError("no such account"))
    with pytest.raises(raddle.LockAbandonedError) as caught:
        lock.acquire()
    error = caught.value
    assert isinstance(error, RuntimeError)
    for part in ("'forgetful'", "test_g10_release.py:", "ended without giving it back", "ValueError: no such account"):
        assert part in str(error)
    assert error.owner == "forgetful" and error.death == "ValueError: no such account"
    assert "test_g10_release.py:" in error.acquired_at


@pytest.mark.parametrize("kind", MAKERS)
def test_timed_and_non_blocking_takers_get_false(kind):
    lock = MAKERS[kind]()
    forget(threading, lock.acquire)
    assert lock.acquire(blocking=False) is False
    assert lock.acquire(timeout=0.01) is False


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_recover(kind):
    lock = MAKERS[kind]()
    forget(threading, lock.acquire)
    lock.recover()
    assert lock.holder.name == "MainThread" and not enters(threading, lock)
    lock.release()
    with lock:
        pass
    with pytest.raises(RuntimeError, match="not abandoned"):
        lock.recover()


def test_a_plain_lock_never_raises_for_it():
    """Releasing it from elsewhere is legal."""
    lock = threading.Lock()
    forget(threading, lock.acquire)
    helper = threading.Timer(0.05, lock.release)
    helper.start()
    assert lock.acquire()
    helper.join()
