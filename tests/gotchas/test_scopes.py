"""Scopes: nothing outlives the block, errors leave as a group of the original ones, one stop reaches all."""

import os
import signal
import threading
import time

import pytest
import raddle
from raddle import ThreadState, futures

RUNS = int(os.environ.get("RADDLE_RUNS", "20"))


def fail(text="x"):
    raise ValueError(text)


def test_results_in_order_and_nothing_left():
    with raddle.Scope(name="sums") as scope:
        threads = [
            scope.spawn(lambda number=number: (raddle.sleep(0.001 * (20 - number)), number)[1]) for number in range(20)
        ]
    assert scope.results() == list(range(20))
    assert all(thread.exited and not thread.is_alive() for thread in threads)
    with raddle.Scope():
        pass


def test_an_error_stops_the_others_and_leaves_as_it_is():
    error = ValueError("x")

    def fail():
        raise error

    with pytest.raises(ExceptionGroup) as group:
        with raddle.Scope(name="shop") as scope:
            sleeper = scope.spawn(raddle.sleep, 60)
            scope.spawn(fail)
    assert group.value.exceptions == (error,) and "1 error in scope shop" in str(group.value)
    assert sleeper.state is ThreadState.STOPPED
    assert raddle.undelivered_errors() == []


@pytest.mark.parametrize("call", ["sleep", "get", "checkpoint", "join", "nested"])
def test_an_error_stops_the_block_too(call):
    asleep = raddle.spawn(raddle.sleep, 60, daemon=True)

    def spin():
        while True:
            raddle.checkpoint()

    def nest():
        with raddle.Scope():
            raddle.sleep(60)

    calls = {
        "sleep": lambda: raddle.sleep(60),
        "get": raddle.queue.Queue().get,
        "checkpoint": spin,
        "join": asleep.join,
        "nested": nest,
    }
    heard, before = [], time.monotonic()
    with pytest.raises(ExceptionGroup) as group:
        with raddle.Scope() as scope:
            scope.spawn(lambda: (raddle.sleep(0.02), fail()), name="failing")
            for _ in range(2):  # again and again
                try:
                    calls[call]()
                except raddle.Stopped as stopped:
                    heard.append(stopped.reason)
            raddle.sleep(60)
    assert time.monotonic() - before < 10
    assert heard == ["thread 'failing' of the same scope failed"] * 2
    assert [str(error) for error in group.value.exceptions] == ["x"]
    raddle.checkpoint()  # it was the scope's, and is over with it
    asleep.stop()


def test_a_stop_of_the_scope_goes_no_further_than_its_block():
    with raddle.Scope() as outer:
        with raddle.Scope() as inner:
            threading.Timer(0.02, inner.stop, ["enough"]).start()
            raddle.sleep(60)
        assert not raddle.stop_requested()
        child = outer.spawn(int)
    assert child.result() == 0
    with raddle.move_on_after(60) as deadline, raddle.Scope() as scope:
        scope.stop()
        raddle.sleep(60)
    assert not deadline.expired


def test_a_stop_of_an_outer_scope_passes_through_the_inner_one():
    passed = []
    with raddle.Scope() as outer:
        with raddle.Scope() as inner:
            leaf = inner.spawn(raddle.sleep, 60)
            threading.Timer(0.02, outer.stop, ["enough"]).start()
            raddle.sleep(60)
        passed.append("between")
    passed.append("behind")
    assert passed == ["behind"] and leaf.state is ThreadState.STOPPED


def test_threads_hear_at_once_of_a_stop_around_their_scope():
    """Their scope's block, which would hand it on, is in a call that raddle cannot end."""
    left = threading.Event()
    with raddle.Scope() as outer, raddle.Scope() as inner:
        leaf = inner.spawn(raddle.sleep, 60)
        leaf.add_done_callback(lambda _: left.set())
        outer.stop()
        assert real_wait_for(left.is_set)
    with raddle.Scope() as outer, raddle.shield(), raddle.Scope() as inner:
        leaf = inner.spawn(raddle.sleep, 0.05)
        outer.stop()
        assert leaf.join(10) and leaf.state is ThreadState.FINISHED, "it is behind the shield"


def real_wait_for(condition):
    """Wait in no call of raddle's."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def test_a_stop_of_the_thread_is_not_the_scopes():
    def work():
        with raddle.Scope() as scope:
            scope.spawn(raddle.sleep, 60)
            raddle.sleep(60)
        raise AssertionError("not reached")

    thread = raddle.spawn(work)
    while not thread.activity.startswith("blocked"):
        time.sleep(0.001)
    assert thread.stop("enough", wait=5) and thread.state is ThreadState.STOPPED


def test_nobody_goes_on_behind_threads_that_were_stopped_from_outside():
    def work():
        with raddle.Scope() as scope:
            child = scope.spawn(raddle.sleep, 60)
            raddle.current().stop()
            assert real_wait_for(lambda: child.exited)
        raise AssertionError("not reached")

    thread = raddle.spawn(work)
    assert thread.join(10) and thread.state is ThreadState.STOPPED


def test_a_shield_in_the_block_keeps_the_scopes_stop_out():
    said = []
    with raddle.Scope() as scope:
        scope.stop()
        try:
            raddle.sleep(60)
        finally:
            with raddle.shield():
                raddle.sleep(0.02)
                said.append("goodbye")
            raddle.checkpoint()
            said.append("not reached")
    assert said == ["goodbye"]


def test_an_error_of_a_block_is_not_lost_to_a_stop():
    with pytest.raises(ExceptionGroup) as group:
        with raddle.Scope(), raddle.Scope() as inner:
            inner.spawn(fail)
            raddle.sleep(60)
    assert "2 errors" not in str(group.value)

    def fail_when_stopped():
        with raddle.Scope() as scope:
            scope.spawn(raddle.sleep, 60)
            try:
                raddle.sleep(60)
            finally:
                fail("goodbye")

    thread = raddle.spawn(fail_when_stopped)
    while not thread.activity.startswith("blocked"):
        time.sleep(0.001)
    thread.stop(wait=5)
    error = thread.exception()
    assert isinstance(error, ExceptionGroup) and [str(one) for one in error.exceptions] == ["goodbye"]


def test_an_error_of_the_block_stops_them_too():
    with pytest.raises(ExceptionGroup) as group:
        with raddle.Scope() as scope:
            sleeper = scope.spawn(raddle.sleep, 60)
            raise KeyError("k")
    assert [type(error) for error in group.value.exceptions] == [KeyError] and sleeper.done


def test_collect_lets_the_others_go_on():
    with pytest.raises(ExceptionGroup) as group:
        with raddle.Scope(on_error="collect") as scope:
            threads = [scope.spawn(fail, "a"), scope.spawn(raddle.sleep, 0.03), scope.spawn(fail, "b")]
            with pytest.raises(ValueError):
                threads[2].join()  # it is dealt with here
    assert [str(error) for error in group.value.exceptions] == ["a"]
    assert threads[1].state is ThreadState.FINISHED


def test_the_first_success_is_enough():
    with raddle.Scope(on_error="first_success") as scope:
        scope.spawn(fail)
        slow = scope.spawn(raddle.sleep, 60)
        scope.spawn(lambda: (raddle.sleep(0.02), "found")[1])
    assert scope.results() == ["found"] and slow.state is ThreadState.STOPPED
    with pytest.raises(ExceptionGroup, match="2 errors"):
        with raddle.Scope(on_error="first_success") as scope:
            scope.spawn(fail)
            scope.spawn(fail)


def test_the_first_success_ends_the_block():
    behind = False
    with raddle.Scope(on_error="first_success") as scope:
        scope.spawn(lambda: (raddle.sleep(0.02), "found")[1])
        raddle.sleep(60)
        raise AssertionError("not reached")
    behind = True
    assert scope.results() == ["found"] and behind


@pytest.mark.parametrize("where", ["block", "thread", "end"])
def test_a_time_limit(where):
    before = time.monotonic()
    with pytest.raises(TimeoutError, match=r"Scope\(timeout=0.05\) expired"):
        with raddle.Scope(timeout=0.05) as scope:
            if where != "block":
                scope.spawn(raddle.sleep, 60)
            if where != "end":
                raddle.sleep(60)
    assert 0.05 <= time.monotonic() - before < 10
    with raddle.Scope(timeout=60) as scope:
        thread = scope.spawn(int)
    assert thread.result() == 0


def test_a_time_limit_beside_an_error():
    def fail_when_stopped():
        try:
            raddle.sleep(60)
        finally:
            raise ValueError("goodbye")

    with pytest.raises(ExceptionGroup) as group:
        with raddle.Scope(timeout=0.02) as scope:
            scope.spawn(fail_when_stopped)
    assert [type(error) for error in group.value.exceptions] == [ValueError, TimeoutError]


def test_so_many_at_a_time():
    running, most = [], []

    def work():
        running.append(1)
        most.append(len(running))
        raddle.sleep(0.005)
        running.pop()

    with raddle.Scope(limit=3) as scope:
        for _ in range(12):
            scope.spawn(work)
    assert max(most) <= 3
    with pytest.raises(ValueError, match="at least one slot, got 0"):
        raddle.Scope(limit=0)


def test_a_stop_reaches_the_whole_tree():
    leaves = []

    def branch():
        with raddle.Scope() as scope:
            leaves.extend(scope.spawn(raddle.sleep, 60) for _ in range(3))

    with raddle.Scope() as root:
        branches = [root.spawn(branch) for _ in range(3)]
        while len(leaves) < 9:
            time.sleep(0.001)
        root.stop("enough")
    assert {thread.state for thread in leaves + branches} == {ThreadState.STOPPED}


def test_who_waits_at_the_end_is_stopped_like_anywhere_else():
    inner = []

    def outer():
        with raddle.Scope() as scope:
            inner.append(scope.spawn(raddle.sleep, 60))

    thread = raddle.spawn(outer)
    while not inner:
        time.sleep(0.001)
    assert thread.stop(wait=5)
    assert (thread.state, inner[0].state) == (ThreadState.STOPPED, ThreadState.STOPPED)
    with raddle.move_on_after(0.02) as deadline:
        with raddle.Scope() as scope:
            left = scope.spawn(raddle.sleep, 60)
    assert deadline.expired and left.state is ThreadState.STOPPED


def test_ctrl_c_stops_them_and_leaves():
    main = threading.get_ident()
    raddle.spawn(lambda: (time.sleep(0.1), signal.pthread_kill(main, signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        with raddle.Scope() as scope:
            thread = scope.spawn(raddle.sleep, 60)
    assert thread.state is ThreadState.STOPPED


def test_its_threads_may_add_threads():
    with raddle.Scope() as scope:

        def grow(depth):
            if depth:
                scope.spawn(grow, depth - 1)
            return depth

        scope.spawn(grow, 5)
    assert scope.results() == [5, 4, 3, 2, 1, 0]


def test_outside_its_block_it_takes_no_threads():
    scope = raddle.Scope(name="shop")
    with pytest.raises(RuntimeError, match="<Scope shop: new, 0 threads> takes no threads .*inside `with scope:`"):
        scope.spawn(int)
    with scope:
        pass
    with pytest.raises(RuntimeError, match="its block is over"):
        scope.spawn(int)
    with pytest.raises(RuntimeError, match="was entered before"):
        with scope:
            pass
    with pytest.raises(ValueError, match="on_error must be one of"):
        raddle.Scope(on_error="ignore")


def test_it_works_inside_a_pool():
    def job(number):
        with raddle.Scope() as scope:
            scope.spawn(pow, number, 2)
        return scope.results()

    with futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(8))) == [[number * number] for number in range(8)]


def test_a_thread_that_waits_for_the_block_is_told():
    lock = raddle.threading.Lock()

    def need():
        with lock:
            pass

    with pytest.raises(ExceptionGroup) as group, lock, raddle.Scope() as scope:
        scope.spawn(need, name="needy")
        time.sleep(0.05)
    assert any(isinstance(error, raddle.DeadlockError) for error in group.value.exceptions)


@pytest.mark.limit(600)
def test_many_stops_at_any_moment():
    for _ in range(RUNS * 5):
        with raddle.Scope() as scope:
            threads = [scope.spawn(raddle.sleep, 60) for _ in range(4)]
            scope.stop()
        assert all(thread.state is ThreadState.STOPPED for thread in threads)
