"""raddle.RWLock.upgradable: what was read is still true when it is changed, and nobody waits for ever on the way."""

import random
import time

import pytest
import raddle
import raddle.threading as threading
from crew import Crew, line_of, until, until_waiting

EVERY = pytest.mark.parametrize("policy", ["fair", "read", "write"])


@EVERY
def test_an_upgrade_is_alone_and_others_read_beside_upgradable(policy):
    """Sequence: two inside, one of them may upgrade; it does when the other has left; then it reads on."""
    lock, team, go = raddle.RWLock(policy), Crew(), threading.Event()

    def read():
        with lock.read():
            go.wait(20)
        return "read"

    with lock.upgradable():
        assert lock.upgrader.name == "MainThread" and lock.holder is None
        team.start("reader", read)
        until(lambda: len(lock.readers) == 2)
        team.start("second", lambda: lock.upgradable().acquire(blocking=False))
        assert team.join("second") == [False]
        assert lock.upgrade().acquire(timeout=0.01) is False
        go.set()
        with lock.upgrade():
            assert lock.holder.name == lock.upgrader.name == "MainThread" and not lock.readers
            team.start("late", lambda: lock.read().acquire(blocking=False))
            assert team.join("late", "reader") == [False, "read"]
        assert lock.holder is None and len(lock.readers) == 1
    assert not lock.locked() and lock.upgrader is None


@EVERY
def test_nothing_changes_between_the_look_and_the_change(policy):
    """Eight threads add one to what they have read, in three ways, for a second: no addition is lost."""
    lock, team, state = raddle.RWLock(policy), Crew(), {"count": 0}
    end = time.monotonic() + 1.0

    def work(seed):
        dice, added = random.Random(seed), 0
        while time.monotonic() < end:
            way = dice.random()
            if way < 0.2:
                with lock.write():
                    state["count"] += 1
                    added += 1
            elif way < 0.6:
                with lock.upgradable():
                    seen = state["count"]
                    time.sleep(0)
                    if way < 0.5:
                        with lock.upgrade():
                            assert state["count"] == seen
                            state["count"] = seen + 1
                            added += 1
                    assert state["count"] == seen + (way < 0.5)
            else:
                with lock.read():
                    time.sleep(0)
        return added

    for seed in range(8):
        team.start(seed, work, seed)
    assert sum(team.join()) == state["count"] > 0
    assert not lock.locked()


def test_an_upgrade_goes_before_a_writer_that_waits():
    lock, team, order = raddle.RWLock(name="table"), Crew(), []

    def write():
        with lock.write():
            order.append("writer")

    with lock.upgradable():
        team.start("writer", write)
        until_waiting(lock, "writer")
        with lock.upgrade():
            order.append("upgrade")
    team.join()
    assert order == ["upgrade", "writer"]


def test_two_readers_that_want_to_write_do_not_wait_for_each_other():
    """The second would: it reads and asks for the right of the first, which waits for it to let go."""
    lock, team = raddle.RWLock(name="table"), Crew()

    def upgrade():
        with lock.upgradable(), lock.upgrade():
            return "upgraded"

    with lock.read():
        team.start("first", upgrade)
        until_waiting(lock, "first")
        with pytest.raises(raddle.DeadlockError) as caught:
            lock.upgradable().acquire()
        assert len(caught.value.cycle) == 2
    assert team.join() == ["upgraded"]


def test_a_wait_with_a_limit_names_who_was_in_the_way():
    lock, team, go = raddle.RWLock(name="table"), Crew(), threading.Event()

    def hold():
        with lock.upgradable():  # taken here
            go.wait(20)

    team.start("holder", hold)
    until(lambda: lock.upgrader)
    assert lock.upgrader.taken_at == line_of(__file__, "taken here")
    for way in (lock.upgradable(timeout=0.01), lock.upgradable().within(0.01)):
        with pytest.raises(TimeoutError, match="'holder'"), way:
            pass
    with pytest.raises(TimeoutError, match="'holder'"), lock.write(timeout=0.01):
        pass
    go.set()
    team.join()


def test_misuse_says_what_was_meant():
    lock = raddle.RWLock(name="table")
    for wrong in (lambda: lock.upgrade().acquire(), lambda: lock.upgrade().acquire(blocking=False)):
        with pytest.raises(
            RuntimeError, match=r"^cannot upgrade a lock that this thread did not take with upgradable\(\)"
        ):
            wrong()
    with pytest.raises(RuntimeError, match="did not take with upgradable"), lock.read(), lock.upgrade():
        pass
    with (
        pytest.raises(RuntimeError, match="^cannot release a lock that this thread has not upgraded"),
        lock.upgradable(),
    ):
        lock.upgrade().release()
    with pytest.raises(RuntimeError, match=r"^cannot release a lock that this thread did not take with upgradable\(\)"):
        lock.upgradable().release()
    with lock.upgradable(), lock.upgrade():
        with pytest.raises(RuntimeError, match="or has upgraded"):
            lock.upgradable().release()
        for again in (lock.upgradable(), lock.upgrade(), lock.read(), lock.write()):
            with pytest.raises(raddle.DeadlockError):
                again.acquire()
    assert not lock.locked() and lock.upgrader is None


def test_the_lock_of_a_dead_upgrader_is_recovered():
    lock, team = raddle.RWLock(name="table"), Crew()
    for take in (
        lambda: lock.upgradable().acquire(),
        lambda: (lock.upgradable().acquire(), lock.upgrade().acquire()),
    ):
        team.start("forgetful", take)
        team.join()
        with pytest.raises(raddle.LockAbandonedError):
            lock.upgradable().acquire()
        assert lock.recover() == 1
        with lock.upgradable(timeout=1.0), lock.upgrade(timeout=1.0):
            pass


def test_a_stop_ends_the_wait_for_an_upgrade():
    lock = raddle.RWLock(name="table")

    def upgrade():
        with lock.upgradable(), lock.upgrade():
            pass

    with lock.read():
        thread = raddle.spawn(upgrade, name="upgrader")
        until_waiting(lock, "upgrader")
        thread.stop()
        thread.join()
        assert thread.state is raddle.ThreadState.STOPPED
    assert not lock.locked() and lock.upgrader is None


def test_what_it_calls_itself():
    lock = raddle.RWLock()
    assert repr(lock.upgradable()).startswith("<upgradable side of raddle.RWLock at ")
    assert repr(lock.upgrade()).startswith("<upgrade side of raddle.RWLock at ")
    with raddle.acquire_all(lock.upgradable(), raddle.Lock()):
        assert lock.upgrader.name == "MainThread"


def test_a_thread_that_may_upgrade_holds_the_lock():
    """Also one that nobody has taken in another way; and it is in no list any more when it is gone."""
    name = "only upgradable"

    def held():
        return [lock.name for info in raddle.threads() for lock in info.held_locks if lock.name == name]

    for _ in range(50):
        lock = raddle.RWLock(name=name)
        with lock.upgradable():
            assert held() == [name]
            with lock.upgrade():
                assert held() == [name]
        assert held() == []
        del lock
    assert held() == []
