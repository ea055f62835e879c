"""Question 28: how does one thread wait for another, and what if it waits for ever?"""

import re
import sys
import time
from pathlib import Path

import harness
import pytest
import raddle
import raddle.threading as threading

TOLD_WITHIN = 0.5


def crossed(make, count):
    """So many threads, each of which holds one lock and wants the next; what each got, and how long it took."""
    locks = [make(f"fork {at}") for at in range(count)]
    meet, ended = threading.Barrier(count), []

    def dine(left, right):
        try:
            with left:
                meet.wait(10)
                with right:
                    ended.append("ate")
        except raddle.DeadlockError as error:
            ended.append(error)

    pairs = [(locks[at], locks[(at + 1) % count]) for at in range(count)]
    threads = [threading.Thread(target=dine, args=pair, name=f"P{at}") for at, pair in enumerate(pairs)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return ended, time.monotonic() - began


@pytest.mark.parametrize(("kind", "count"), [("Lock", 1), ("Lock", 2), ("Lock", 5), ("RLock", 2), ("RLock", 5)])
def test_a_cycle_of_locks_is_raised_at_once_with_all_edges(kind, count):
    """Self-acquire, AB/BA, philosophers."""
    ended, seconds = crossed(lambda name: getattr(raddle, kind)(name=name), count)
    (error,) = [end for end in ended if isinstance(end, raddle.DeadlockError)]
    assert seconds < TOLD_WITHIN and ended.count("ate") == count - 1
    assert {edge["thread"] for edge in error.cycle} == {f"P{at}" for at in range(count)}
    assert len(error.cycle) == count == len({edge["waits_for"] for edge in error.cycle})
    for edge in error.cycle:
        assert edge["acquired_at"].startswith(__file__) and edge["waiting_at"].startswith(__file__)
        assert edge["since"] >= 0
    lines = str(error).splitlines()
    assert re.match(r"deadlock: '?(MainThread|P0)'? waits for a lock that it holds|deadlock: \d threads wait", lines[0])
    assert len(lines) == 1 + count and all(
        re.search(r"holds .* and waits .*for .*Lock 'fork \d'", line) for line in lines[1:]
    )


def test_mutual_join_is_raised():
    threads, ended = [], []

    def join(other):
        while len(threads) < 2:
            time.sleep(0.001)
        try:
            threads[other].join()
        except raddle.DeadlockError as error:
            ended.append(error)

    for other in (1, 0):
        threads.append(threading.Thread(target=join, args=(other,), name=f"J{other}"))
    began = time.monotonic()
    for thread in list(threads):
        thread.start()
    while not ended:
        assert time.monotonic() - began < TOLD_WITHIN + 5
        time.sleep(0.001)
    assert len(ended) == 1 and {edge["thread"] for edge in ended[0].cycle} == {"J0", "J1"}


@pytest.mark.parametrize(
    "program", ["nested_pool", "queues_full", "philosophers", "ab_ba_with", "mutual_join", "self_with"]
)
def test_what_a_program_does_to_itself_is_told_in_time(program):
    """Unmodified programs under `raddle run`: a queue that is full, a pool that waits for itself, ..."""
    path = Path(harness.TESTS) / "zoo" / "deadlocks" / f"{program}.py"
    child = harness.start([sys.executable, "-m", "raddle", "run", str(path)])
    try:
        began = time.monotonic()
        for line in child.stderr:
            if "RD00" in line:
                break
        else:
            pytest.fail("nothing was told")
        assert time.monotonic() - began < 10
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("make", [threading.Lock])
def test_the_hand_off_idiom_runs_ten_thousand_times(make):
    """acquire; another thread releases; acquire: legal for a plain lock, so no error."""
    lock, rounds = make(), 10_000
    wanted = threading.Semaphore(0)

    def release():
        for _ in range(rounds):
            wanted.acquire()
            lock.release()

    helper = threading.Thread(target=release)
    helper.start()
    lock.acquire()
    for _ in range(rounds):
        wanted.release()
        lock.acquire()
    helper.join()


def test_a_strict_lock_refuses_the_hand_off():
    lock, errors = raddle.Lock(name="mine"), []
    lock.acquire()

    def release():
        try:
            lock.release()
        except RuntimeError as error:
            errors.append(str(error))

    helper = threading.Thread(target=release)
    helper.start()
    helper.join()
    assert len(errors) == 1 and "is held by 'MainThread'" in errors[0] and lock.locked()


def test_a_wait_with_a_limit_says_who_was_in_the_way():
    lock = raddle.Lock(name="accounts")
    go = threading.Event()

    def hold():
        with lock:
            go.wait(10)

    holder = threading.Thread(target=hold, name="audit")
    holder.start()
    while not lock.locked():
        time.sleep(0.001)
    with pytest.raises(TimeoutError, match="Lock 'accounts' .* held by 'audit', which took it at .*:"):
        with lock.within(0.05):
            pass
    assert lock.holder.name == "audit" and lock.waiters == []
    go.set()
    holder.join()


def test_a_lock_without_a_name_is_called_after_where_it_is_kept():
    class Account:
        def __init__(self):
            self.lock = raddle.Lock()

    account = Account()
    with account.lock, pytest.raises(raddle.DeadlockError, match=r"Lock 'Account\.lock#\d+'"):
        account.lock.acquire()


def test_ways_to_wait_for_another():
    latch, event, order = raddle.CountDownLatch(2), raddle.Event(name="go"), []

    def work():
        order.append("work")
        latch.count_down()

    def after():
        latch.wait()
        order.append("after")
        event.set()

    for target in (after, work, work):
        threading.Thread(target=target).start()
    assert event.wait(timeout=10) and order == ["work", "work", "after"]


def test_a_reader_that_wants_to_write_is_told():
    table = raddle.RWLock(name="table")
    with table.read(), pytest.raises(raddle.DeadlockError, match="RWLock 'table'"):
        table.write().acquire()


def test_a_thread_that_begins_when_others_have_ended():
    order, go = [], threading.Event()

    def first(name, error=None):
        go.wait()
        order.append(name)
        if error:
            raise error

    one, two = raddle.spawn(first, "one"), raddle.Thread(target=first, args=("two", ValueError("two")))
    third = raddle.after(one, two).spawn(lambda: (order.append("three"), one.exited, two.exited)[1:], name="third")
    while not third.activity.startswith("blocked"):
        time.sleep(0.001)
    two.start()
    while "Thread.join" not in third.activity:
        time.sleep(0.001)
    assert order == [] and not third.done
    go.set()
    assert third.result(10) == (True, True) and order[-1] == "three" and isinstance(two.exception(), ValueError)
    fourth = raddle.after(third).spawn(order.append, "four", restartable=True)
    fourth.result(10)
    assert fourth.restart().join(10) and order[3:] == ["four", "four"]


def test_a_thread_that_comes_after_others_may_be_stopped_before_it_begins():
    other, ran = raddle.Thread(target=int), []
    thread = raddle.after(other).spawn(ran.append, 1)
    assert thread.stop("not needed", wait=10) and thread.state is raddle.ThreadState.STOPPED and ran == []
    with pytest.raises(TypeError, match=r"after\(\) needs a thread to come after \(write raddle.after\(thread\).spawn"):
        raddle.after()
    with pytest.raises(TypeError, match="after takes threads of raddle.Thread, got int 3"):
        raddle.after(3)
    with pytest.raises(TypeError, match="cannot be called so"):
        raddle.after(other).spawn(lambda number: number)


def test_a_thread_that_comes_after_one_that_waits_for_it_is_told():
    threads = []
    ready = threading.Event()
    threads.append(raddle.spawn(lambda: (ready.wait(), threads[1].join()), name="before"))
    threads.append(raddle.after(threads[0]).spawn(int, name="behind"))
    ready.set()
    errors = {thread.exception(10) for thread in threads} - {None}
    assert [type(error) for error in errors] == [raddle.DeadlockError]
