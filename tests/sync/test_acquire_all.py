"""raddle.acquire_all: several locks, all or none, in one order."""

import sys
import threading as real

import pytest
import raddle
import raddle.threading as threading
from crew import Crew, until


def test_all_are_taken_and_released():
    locks = [raddle.Lock(), raddle.RLock(), threading.Lock(), real.Lock(), raddle.RWLock().write()]
    plain = locks[:4]
    with raddle.acquire_all(*locks):
        assert all(lock.locked() for lock in plain if hasattr(lock, "locked"))
        assert not locks[4].acquire(timeout=0)
    with pytest.raises(KeyError), raddle.acquire_all(*locks, timeout=1):
        raise KeyError
    assert all(lock.acquire(False) for lock in plain) and locks[4].acquire(False)
    with raddle.acquire_all():
        pass


def test_none_are_kept_if_one_cannot_be_had():
    locks, team, go = [raddle.Lock(name=f"lock {at}") for at in range(4)], Crew(), threading.Event()
    for busy in locks:

        def hold(lock=busy):
            with lock:
                go.wait(10)

        go.clear()
        team.start("holder", hold)
        until(busy.locked)
        with (
            pytest.raises(TimeoutError, match=f"Lock '{busy.name}' .*held by 'holder'"),
            raddle.acquire_all(*locks, timeout=0.05),
        ):
            pytest.fail("entered")
        assert [lock for lock in locks if lock.locked()] == [busy]
        go.set()
        team.join()


def test_any_order_of_arguments_is_free_of_deadlocks():
    locks, team = [raddle.Lock(name=f"lock {at}") for at in range(5)], Crew()

    def work(order):
        for _ in range(200):
            with raddle.acquire_all(*order):
                pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for at in range(8):
            team.start(f"t{at}", work, (locks[at % 5 :] + locks[: at % 5])[:: 1 if at % 2 else -1])
        assert team.join() == [None] * 8
    finally:
        sys.setswitchinterval(interval)


def test_the_same_lock_twice():
    lock = raddle.Lock()
    with pytest.raises(ValueError, match="same lock twice"):
        raddle.acquire_all(lock, lock)


def test_a_deadlock_inside_gives_back_what_was_taken():
    one, two = sorted((raddle.Lock(name="one"), raddle.Lock(name="two")), key=id)
    with two, pytest.raises(raddle.DeadlockError), raddle.acquire_all(one, two):
        pytest.fail("entered")
    assert not one.locked() and not two.locked()


def test_time_limits():
    lock = raddle.Lock()
    with raddle.acquire_all(lock, timeout=float("inf")):
        pass
    with pytest.raises(ValueError, match="NaN"):
        raddle.acquire_all(lock, timeout=float("nan"))
