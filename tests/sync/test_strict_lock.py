"""raddle.Lock and raddle.RLock: only the holder releases, and both answer."""

import os
import time
import weakref

import crew
import pytest
import raddle
import raddle.threading as threading
from crew import Crew, until, until_waiting

BOTH = pytest.mark.parametrize("kind", [raddle.Lock, raddle.RLock])


def hold(lock, go):
    with lock:  # held here
        go.wait(crew.PATIENCE)


def held(lock):
    """The lock is held by a thread 'holder' until the event is set."""
    team, go = Crew(), threading.Event()
    team.start("holder", hold, lock, go)
    until(lock.locked)
    return team, go


@BOTH
def test_acquire_and_release(kind):
    lock = kind(name="accounts")
    assert lock.acquire() is True and lock.locked() is True
    assert lock.release() is None and lock.locked() is False
    with lock as entered:
        assert entered is True
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert lock.locked() is False and lock.name == "accounts" and kind().name is None
    assert "raddle." in repr(lock) and "'accounts'" in repr(lock)
    weakref.ref(lock)


@BOTH
def test_only_the_holder_releases(kind):
    lock = kind(name="accounts")
    with pytest.raises(RuntimeError, match="cannot release un-acquired lock .*'accounts', made at .*is free"):
        lock.release()
    team, go = held(lock)
    at = crew.in_text(crew.line_of(__file__, "held here"))
    with pytest.raises(RuntimeError) as caught:
        lock.release()
    assert f"is held by 'holder', which took it at {at}; only its holder can release it" in str(caught.value)
    assert lock.locked()
    go.set()
    team.join()


def test_a_lock_taken_twice_is_a_deadlock_however_it_was_taken():
    lock = raddle.Lock(name="accounts")
    assert lock.acquire()
    with pytest.raises(raddle.DeadlockError, match="waits for a lock that it holds itself") as caught:
        lock.acquire()
    (edge,) = caught.value.cycle
    assert edge["thread"] == "MainThread" and edge["holds"] == edge["waits_for"] == "Lock 'accounts'"
    assert edge["acquired_at"].startswith(__file__) and edge["waiting_at"].startswith(__file__)
    assert lock.acquire(blocking=False) is False and lock.acquire(timeout=0.01) is False
    lock.release()


def test_rlock_counts():
    lock = raddle.RLock()
    with lock, lock, lock.within(1):
        assert lock._recursion_count() == 3
    assert not lock.locked()


def test_a_cycle_of_two():
    one, two, team = raddle.Lock(name="one"), raddle.RLock(name="two"), Crew()
    met = threading.Barrier(2)

    def cross(mine, theirs):
        with mine:
            met.wait(10)
            # Without `with`: a strict hold is owned however it was taken.
            theirs.acquire()
            theirs.release()

    team.start("a", cross, one, two)
    team.start("b", cross, two, one)
    ended = team.join()
    (error,) = [end for end in ended if end is not None]
    assert isinstance(error, raddle.DeadlockError)
    assert {edge["holds"] for edge in error.cycle} == {"Lock 'one'", "RLock 'two'"}


@BOTH
def test_holder_and_waiters(kind):
    lock = kind(name="accounts")
    assert lock.holder is None and lock.waiters == []
    team, go = held(lock)
    assert lock.holder.name == "holder" and lock.holder.death is None
    assert lock.holder.taken_at == crew.line_of(__file__, "held here")
    for name in ("first", "second"):
        team.start(name, hold, lock, go)
        until_waiting(lock, name)
    first, second = lock.waiters
    assert (first.name, second.name) == ("first", "second") and first.since >= second.since >= 0
    assert first.waits_at == crew.line_of(__file__, "held here") and first.serial != second.serial
    assert "'holder'" in repr(lock.holder) and "'first'" in repr(first)
    go.set()
    team.join()
    assert lock.holder is None and lock.waiters == []


@BOTH
def test_within(kind):
    lock = kind(name="accounts")
    team, go = held(lock)
    began = time.monotonic()
    with pytest.raises(TimeoutError) as caught, lock.within(0.1):
        pytest.fail("entered")
    assert 0.1 <= time.monotonic() - began < 5
    at = crew.in_text(crew.line_of(__file__, "held here"))
    kind_name = kind.__name__
    text = f"{kind_name} 'accounts' could not be taken within 0.1 s: it is held by 'holder', which took it at {at}"
    assert str(caught.value) == text
    with pytest.raises(TimeoutError), lock.within(-1):
        pass
    go.set()
    team.join()
    for free in (None, float("inf"), 10**400, 1):
        with lock.within(free):
            assert lock.locked()
    assert not lock.locked()
    with pytest.raises(ValueError, match="NaN"):
        lock.within(float("nan"))
    with pytest.raises(TypeError, match="number of seconds"):
        lock.within("1")


@BOTH
def test_time_limits(kind):
    lock = kind()
    team, go = held(lock)
    for timeout in (0, -1, -float("inf"), 0.01):
        assert lock.acquire(timeout=timeout) is False
    assert lock.acquire(False) is False
    with pytest.raises(ValueError, match="non-blocking"):
        lock.acquire(False, 1)
    with pytest.raises(ValueError, match="NaN"):
        lock.acquire(timeout=float("nan"))
    go.set()
    team.join()
    assert lock.acquire(timeout=float("inf"))
    lock.release()


@BOTH
def test_recover_takes_over_the_lock_of_a_dead_thread(kind):
    lock = kind(name="accounts")
    crew.left_by_the_dead(lock.acquire, error=ValueError("boom"))
    with pytest.raises(raddle.LockAbandonedError, match="'late-holder'.*ended without giving it back") as caught:
        lock.acquire()
    assert (caught.value.owner, caught.value.death) == ("late-holder", "ValueError: boom")
    assert caught.value.acquired_at.startswith(os.path.dirname(__file__))
    assert lock.acquire(timeout=0.01) is False and lock.holder.death == "ValueError: boom"
    lock.recover()
    assert lock.holder.name == "MainThread" and lock.holder.taken_at.startswith(__file__)
    team = Crew()
    team.start("next", lambda: lock.acquire() and lock.release())
    until_waiting(lock, "next")
    lock.release()
    assert team.join() == [None]


@BOTH
def test_recover_refuses_what_is_not_abandoned(kind):
    lock = kind(name="accounts")
    with pytest.raises(
        RuntimeError, match="not abandoned .*'accounts'.* is free; only the lock of a thread that has ended"
    ):
        lock.recover()
    team, go = held(lock)
    with pytest.raises(RuntimeError, match="not abandoned .*is held by 'holder', which took it at"):
        lock.recover()
    go.set()
    team.join()


@BOTH
def test_a_waiter_hears_of_the_holders_death(kind):
    lock, team, go = kind(), Crew(), threading.Event()
    team.start("dies", lambda: lock.acquire() and go.wait(10))
    until(lock.locked)
    team.start("waits", lock.acquire)
    until_waiting(lock, "waits")
    go.set()
    assert isinstance(team.join("waits")[0], raddle.LockAbandonedError)


@BOTH
def test_one_of_many_recovers(kind):
    """Eight threads find the dead thread's lock; each gets it in the end, one after the other."""
    lock, team, inside = kind(), Crew(), []
    crew.left_by_the_dead(lock.acquire)

    def work():
        while True:
            try:
                lock.acquire()
            except raddle.LockAbandonedError:
                try:
                    lock.recover()
                except RuntimeError:
                    continue
            break
        inside.append(1)
        assert len(inside) == 1
        time.sleep(0.001)
        inside.pop()
        lock.release()

    for at in range(8):
        team.start(f"t{at}", work)
    assert team.join() == [None] * 8


@BOTH
def test_a_condition_over_it(kind):
    lock = kind(name="accounts")
    changed, team = raddle.Condition(lock, name="changed"), Crew()
    with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
        changed.notify()

    def notify():
        with changed:
            changed.notify()

    with changed:
        assert changed.wait(timeout=0.01) is False and lock._is_owned()
        team.start("notifies", notify)
        assert changed.wait(timeout=10) is True and lock._is_owned()
    team.join()
    assert not lock.locked()


@BOTH
def test_stress(kind):
    """Eight threads; the count that the lock protects is right in the end, though some of them give up at times."""
    lock, team, count = kind(), Crew(), [0]

    def work(seed):
        done = 0
        for at in range(400):
            if (at + seed) % 5 == 0:
                try:
                    with lock.within(0.0005):
                        count[0], _ = count[0] + 1, time.sleep(0)
                except TimeoutError:
                    continue
            else:
                with lock:
                    before = count[0]
                    if at % 50 == 0:
                        time.sleep(0.0005)
                    count[0] = before + 1
            done += 1
        return done

    for seed in range(8):
        team.start(f"t{seed}", work, seed)
    assert sum(team.join()) == count[0]


@BOTH
def test_in_the_child_of_a_fork_the_holder_is_dead(kind):
    lock = kind()
    team, go = held(lock)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            lock.acquire()
        except raddle.LockAbandonedError:
            lock.recover()
            lock.release()
            code = 0 if lock.acquire(timeout=1) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    team.join()
