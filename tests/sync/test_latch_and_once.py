"""raddle.CountDownLatch and raddle.Once."""

import time

import pytest
import raddle
import raddle.threading as threading
from crew import Crew, until, until_waiting


def test_a_latch_opens_at_nought_and_stays_open():
    latch, team = raddle.CountDownLatch(3, name="ready"), Crew()
    for name in ("a", "b"):
        team.start(name, latch.wait)
        until_waiting(latch, name)
    latch.count_down()
    assert latch.count == 2 and latch.wait(timeout=0.01) is False and latch.wait(0) is False
    latch.count_down(5)
    assert team.join() == [True, True]
    assert latch.count == 0 and latch.wait() is True and latch.wait(0) is True
    latch.count_down()
    assert latch.count == 0 and "'ready', 0 left" in repr(latch)


def test_bad_numbers_for_a_latch():
    with pytest.raises(ValueError, match="0 or more, not -1"):
        raddle.CountDownLatch(-1)
    assert raddle.CountDownLatch(0).wait()
    for number in (0, -1):
        with pytest.raises(ValueError, match=f"one or more, not {number}"):
            raddle.CountDownLatch(1).count_down(number)
    with pytest.raises(ValueError, match="NaN"):
        raddle.CountDownLatch(1).wait(float("nan"))


def test_no_wake_of_a_latch_is_lost():
    """Waiters come while the last ones count down, over and over."""
    team, rounds = Crew(), 150
    latches = [raddle.CountDownLatch(4) for _ in range(rounds)]
    gates = threading.Barrier(8)

    def work(counts):
        for latch in latches:
            gates.wait(20)
            if counts:
                latch.count_down()
            else:
                assert latch.wait(timeout=20)

    for at in range(8):
        team.start(f"t{at}", work, at % 2)
    assert team.join() == [None] * 8


def test_once_is_done_once_and_gives_all_its_result():
    once, team, calls = raddle.Once(name="settings"), Crew(), []

    def make():
        calls.append(1)
        time.sleep(0.05)
        return object()

    assert not once.done
    for at in range(8):
        team.start(f"t{at}", once.call, make)
    results = team.join()
    assert len(calls) == 1 and len(set(map(id, results))) == 1
    assert once.done and once.call(make) is results[0] and "'settings', done" in repr(once)
    assert raddle.Once().call(max, 1, 2) == 2


def test_an_error_goes_to_its_caller_and_the_next_one_tries_again():
    once, team, go = raddle.Once(), Crew(), threading.Event()
    error = ValueError("first")

    def fail():
        go.wait(10)
        raise error

    team.start("fails", once.call, fail)
    until(lambda: "being done" in repr(once))
    team.start("next", once.call, lambda: "done")
    go.set()
    assert team.join() == [error, "done"]
    assert once.call(fail) == "done"


def test_coming_back_to_a_once_is_a_deadlock_told_by_name():
    once = raddle.Once(name="settings")

    def again():
        return once.call(lambda: 1)  # comes back here

    with pytest.raises(raddle.DeadlockError, match="'settings'") as caught:
        once.call(again)
    (edge,) = caught.value.cycle
    assert edge["waits_for"] == "Once 'settings'" and edge["waiting_at"].startswith(__file__)
    assert edge["acquired_at"].startswith(__file__)
    assert once.call(lambda: 2) == 2


def test_two_that_need_each_other():
    one, two, team = raddle.Once(name="one"), raddle.Once(name="two"), Crew()
    met = threading.Barrier(2)

    def make(other):
        met.wait(10)
        return other.call(lambda: "plain")

    team.start("a", one.call, make, two)
    team.start("b", two.call, make, one)
    ended = team.join()
    assert sorted(type(end).__name__ for end in ended) == ["DeadlockError", "str"]
