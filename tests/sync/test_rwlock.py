"""raddle.RWLock: who may be inside with whom, who goes first, and what is told of those who never will."""

import os
import random
import sys
import threading as real
import time

import crew
import pytest
import raddle
import raddle.threading as threading
from crew import Crew, until, until_waiting

POLICIES = ["fair", "read", "write"]
EVERY = pytest.mark.parametrize("policy", POLICIES)


@EVERY
def test_readers_share_and_a_writer_is_alone(policy):
    """Sequence: three readers inside at once, a writer none of them."""
    lock = raddle.RWLock(policy)
    team, inside = Crew(), threading.Barrier(3)

    def read():
        with lock.read():
            inside.wait(10)

    for name in "abc":
        team.start(name, read)
    assert team.join("a", "b", "c") == [None] * 3
    with lock.write():
        assert lock.locked() and lock.holder.name == "MainThread" and not lock.readers
        team.start("r", lambda: lock.read().acquire(blocking=False))
        team.start("w", lambda: lock.write().acquire(timeout=0.01))
        assert team.join("r", "w") == [False, False]
    assert not lock.locked()


@EVERY
def test_no_reader_beside_a_writer_under_stress(policy):
    """Eight threads, readers and writers mixed, with switches inside the blocks: no two that must not meet, meet."""
    lock, team, faults = raddle.RWLock(policy, name="table"), Crew(), []
    state = {"readers": 0, "writers": 0}
    mutex = real.Lock()
    met, done = [0], {"r": 0, "w": 0}
    end = time.monotonic() + 1.5

    def change(what, by):
        with mutex:
            state[what] += by
            met[0] = max(met[0], state["readers"])
            if state["writers"] > 1 or state["writers"] and state["readers"]:
                faults.append(dict(state))

    def work(seed):
        dice = random.Random(seed)
        while time.monotonic() < end:
            writes = dice.random() < 0.2
            side = lock.write() if writes else lock.read()
            impatient = dice.random() < 0.1
            if not side.acquire(timeout=dice.random() / 1000 if impatient else 10):
                if not impatient:
                    faults.append("starved")
                continue
            change("writers" if writes else "readers", 1)
            if dice.random() < 0.2:
                time.sleep(0)
            change("writers" if writes else "readers", -1)
            side.release()
            done["w" if writes else "r"] += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for seed in range(8):
            team.start(f"t{seed}", work, seed)
        team.join()
    finally:
        sys.setswitchinterval(interval)
    assert not faults
    assert not lock.locked() and not lock.waiters
    assert met[0] > 1, "readers never met: the test shows nothing"
    assert done["r"] and done["w"]


def holding(lock, side, until_told):
    """Holds a side until the event is set."""
    with getattr(lock, side)():
        until_told.wait(crew.PATIENCE)


def test_fair_serves_a_writer_among_readers_that_never_pause():
    """Seven readers that overlap all the time, one writer: it gets in, again and again."""
    lock, team, stop, written = raddle.RWLock("fair"), Crew(), threading.Event(), [0]

    def read():
        while not stop.is_set():
            with lock.read():
                time.sleep(0.0005)

    def write():
        for _ in range(20):
            with lock.write(timeout=10):
                written[0] += 1

    for at in range(7):
        team.start(f"reader {at}", read)
    team.start("writer", write)
    team.join("writer")
    stop.set()
    team.join()
    assert written[0] == 20


def test_fair_serves_a_reader_among_writers_that_never_pause():
    lock, team, stop, reads = raddle.RWLock("fair"), Crew(), threading.Event(), [0]

    def write():
        while not stop.is_set():
            with lock.write():
                time.sleep(0.0005)

    def read():
        for _ in range(20):
            with lock.read(timeout=10):
                reads[0] += 1

    for at in range(3):
        team.start(f"writer {at}", write)
    team.start("reader", read)
    team.join("reader")
    stop.set()
    team.join()
    assert reads[0] == 20


@pytest.mark.parametrize(("policy", "passes"), [("fair", False), ("read", True), ("write", False)])
def test_whether_a_new_reader_passes_a_waiting_writer(policy, passes):
    lock, team, go = raddle.RWLock(policy), Crew(), threading.Event()
    team.start("reader", holding, lock, "read", go)
    until(lambda: lock.locked())
    team.start("writer", holding, lock, "write", go)
    until_waiting(lock, "writer")
    assert lock.read().acquire(blocking=False) is passes
    if passes:
        lock.read().release()
    go.set()
    assert team.join() == [None, None]


@pytest.mark.parametrize(
    ("policy", "groups"),
    [("fair", [["r1"], ["w"], ["r2"]]), ("read", [["r1", "r2"], ["w"]]), ("write", [["w"], ["r1", "r2"]])],
)
def test_in_which_order_those_who_wait_are_served(policy, groups):
    """A writer is inside; a reader, a writer and a reader come, one after the other."""
    lock, team, served = raddle.RWLock(policy), Crew(), []

    def take(name):
        with lock.write() if name == "w" else lock.read():
            served.append(name)
            # The next in line is served before the order within a group of readers could show.
            time.sleep(0.02 if name == "w" else 0)

    with lock.write():
        for name in ["r1", "w", "r2"]:
            team.start(name, take, name)
            until_waiting(lock, name)
        assert [waiter.name for waiter in lock.waiters] == ["r1", "w", "r2"]
    team.join()
    for group in groups:
        assert sorted(served[: len(group)]) == group
        del served[: len(group)]


@EVERY
def test_a_writer_that_gives_up_lets_the_readers_behind_it_in(policy):
    lock, team, go = raddle.RWLock(policy), Crew(), threading.Event()
    team.start("reader", holding, lock, "read", go)
    until(lambda: lock.locked())
    team.start("writer", lambda: lock.write().acquire(timeout=0.1))
    until_waiting(lock, "writer")
    with lock.read(timeout=10):
        assert len(lock.readers) == 2
        assert team.join("writer") == [False]
    go.set()
    team.join()


@EVERY
def test_a_reader_may_read_again_though_a_writer_waits(policy):
    lock, team = raddle.RWLock(policy), Crew()
    with lock.read():
        team.start("writer", holding, lock, "write", threading.Event())
        team.threads.pop("writer")
        until_waiting(lock, "writer")
        with lock.read(), lock.read():
            assert len(lock.readers) == 1


@EVERY
@pytest.mark.parametrize(("first", "second"), [("read", "write"), ("write", "write"), ("write", "read")])
def test_what_a_holder_may_not_take_is_a_deadlock(policy, first, second):
    lock = raddle.RWLock(policy, name="table")
    with getattr(lock, first)():
        with pytest.raises(raddle.DeadlockError, match="waits for a lock that it holds itself") as caught:
            getattr(lock, second)().acquire()
        assert caught.value.cycle[0]["waits_for"] == "RWLock 'table'"
        assert getattr(lock, second)().acquire(timeout=0.01) is False
    assert not lock.locked()


def test_two_threads_that_read_one_table_and_write_the_other():
    one, two, team = raddle.RWLock(name="one"), raddle.RWLock(name="two"), Crew()
    met = threading.Barrier(2)

    def cross(mine, theirs):
        with mine.read():
            met.wait(10)
            with theirs.write():
                return "through"

    team.start("a", cross, one, two)
    team.start("b", cross, two, one)
    ended = team.join()
    assert sorted(type(end).__name__ for end in ended) == ["DeadlockError", "str"]
    error = next(end for end in ended if isinstance(end, raddle.DeadlockError))
    assert {edge["thread"] for edge in error.cycle} == {"a", "b"}
    assert {edge["waits_for"] for edge in error.cycle} == {"RWLock 'one'", "RWLock 'two'"}


def test_a_deadlock_through_the_last_of_several_readers():
    """The writer waits for all readers; it is the one that came last that waits for the writer's other lock."""
    table, lock, team, go = raddle.RWLock(name="table"), raddle.Lock(name="lock"), Crew(), threading.Event()

    def write():
        with lock, table.write():
            return "wrote"

    def close():
        with table.read():
            team.start("writer", write)
            until_waiting(table, "writer")
            lock.acquire()

    with table.read():
        for name in ("bystander 1", "bystander 2"):
            team.start(name, holding, table, "read", go)
        until(lambda: len(table.readers) == 3)
        team.start("closer", close)
        (error,) = team.join("closer")
    assert [edge["thread"] for edge in error.cycle] == ["writer", "closer"]
    go.set()
    assert team.join("writer") == ["wrote"]
    team.join()


def test_a_reader_that_waits_behind_a_writer_that_waits_for_it_is_told():
    """R holds a lock and stands in line behind W; W waits for main, which reads and wants the lock."""
    table, lock, team = raddle.RWLock("fair", name="table"), raddle.Lock(name="lock"), Crew()

    def read():
        with lock:
            until_waiting(table, "writer")
            with table.read():
                return "read"

    with table.read():
        team.start("writer", lambda: table.write().acquire() and table.write().release())
        until_waiting(table, "writer")
        team.start("reader", read)
        until_waiting(table, "reader")
        with pytest.raises(raddle.DeadlockError) as caught:
            lock.acquire()
    assert {edge["thread"] for edge in caught.value.cycle} == {"MainThread", "writer", "reader"}
    assert team.join("reader") == ["read"]
    team.join()


@EVERY
@pytest.mark.parametrize("left", ["read", "write"])
def test_the_hold_of_a_dead_thread(policy, left):
    lock = raddle.RWLock(policy, name="table")
    crew.left_by_the_dead(getattr(lock, left)().acquire, error=ValueError("boom"))
    with pytest.raises(raddle.LockAbandonedError, match="'late-holder'.*it died: ValueError: boom") as caught:
        lock.write().acquire()
    assert (caught.value.owner, caught.value.death) == ("late-holder", "ValueError: boom")
    assert lock.write().acquire(timeout=0.01) is False
    with pytest.raises(TimeoutError, match="held by 'late-holder'.*ended"):
        lock.write(timeout=0.01).__enter__()
    assert (lock.holder if left == "write" else lock.readers[0]).death == "ValueError: boom"
    assert lock.recover() == 1
    with lock.write():
        pass
    with pytest.raises(RuntimeError, match="not abandoned.*is free"):
        lock.recover()


def test_a_reader_that_dies_wakes_the_writer_that_waits_for_it():
    lock, team, go = raddle.RWLock(name="table"), Crew(), threading.Event()
    stay = threading.Event()

    def die():
        lock.read().acquire()
        go.wait(10)

    team.start("other", holding, lock, "read", stay)
    team.start("dies", die)
    until(lambda: len(lock.readers) == 2)
    team.start("writer", lambda: lock.write().acquire())
    until_waiting(lock, "writer")
    go.set()
    assert isinstance(team.join("writer")[0], raddle.LockAbandonedError)
    stay.set()
    team.join()


def test_only_a_holder_releases():
    lock, team = raddle.RWLock(name="table"), Crew()
    with pytest.raises(RuntimeError, match="not read by this thread.*'table'.*is free"):
        lock.read().release()
    with lock.read():
        team.start("r", lock.read().release)
        team.start("w", lock.write().release)
        errors = team.join()
        assert all("by this thread" in str(error) and "held by 'MainThread'" in str(error) for error in errors)
    assert not lock.locked()


def test_more_readers_than_there_are_slots():
    lock, team, go = raddle.RWLock(), Crew(), threading.Event()
    for at in range(20):
        team.start(f"reader {at}", holding, lock, "read", go)
    until(lambda: len(lock.readers) == 20)
    assert {reader.name for reader in lock.readers} == set(team.threads)
    assert not lock.write().acquire(timeout=0.01)
    go.set()
    team.join()
    assert lock.write().acquire(timeout=10) and not lock.readers


def test_time_limits():
    lock, team = raddle.RWLock(name="table"), Crew()
    with lock.write():

        def tries():
            for timeout in (0, -1, -float("inf")):
                assert lock.read().acquire(timeout=timeout) is False
            began = time.monotonic()
            with pytest.raises(TimeoutError, match=r"RWLock 'table'.*within 0\.1 s.*held by 'MainThread'.*test_rwlock"):
                lock.read(timeout=0.1).__enter__()
            with pytest.raises(TimeoutError):
                lock.write().within(0.1).__enter__()
            return time.monotonic() - began

        team.start("t", tries)
        assert 0.2 <= team.join()[0] < 5
    for free in (None, float("inf"), 10**400, 2.5, 3):
        with lock.read(timeout=free):
            pass
    with pytest.raises(ValueError, match="NaN"):
        lock.read(timeout=float("nan"))
    with pytest.raises(TypeError, match="not str"):
        lock.read(timeout="1")
    with pytest.raises(ValueError, match="non-blocking"):
        lock.read().acquire(False, 1)


def test_arguments():
    with pytest.raises(ValueError, match="'fair', 'read' or 'write', not"):
        raddle.RWLock("writers")
    assert raddle.RWLock("read").policy == "read" and raddle.RWLock().policy == "fair"
    assert raddle.RWLock().name is None and raddle.RWLock(name="n").name == "n"
    assert "'n', unlocked" in repr(raddle.RWLock(name="n"))


@pytest.mark.parametrize("side", ["read", "write"])
def test_in_the_child_of_a_fork_the_holds_of_others_are_those_of_the_dead(side):
    lock, team, go = raddle.RWLock(name="table"), Crew(), threading.Event()
    team.start("holder", holding, lock, side, go)
    until(lambda: lock.locked())
    team.start("waiter", holding, lock, "write", go)
    until_waiting(lock, "waiter")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert not lock.write().acquire(timeout=0.01)
            try:
                lock.write().acquire()
            except raddle.LockAbandonedError:
                assert lock.recover() == 1
                with lock.write(timeout=5):
                    code = 0
                with lock.read(timeout=5), lock.read(timeout=5):
                    pass
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    assert team.join() == [None, None]


def test_a_signals_error_ends_a_wait():
    import signal

    class Rang(Exception):
        pass

    def ring(*_):
        raise Rang

    lock, team, go = raddle.RWLock(), Crew(), threading.Event()
    team.start("writer", holding, lock, "write", go)
    until(lambda: lock.locked())
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Rang):
            lock.read().acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
    go.set()
    team.join()
    with lock.write():
        pass
