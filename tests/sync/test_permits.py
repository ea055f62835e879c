"""raddle.Semaphore: permits that know their holder, several at once, and a number of them that can be changed."""

import os
import time

import crew
import pytest
import raddle
import raddle.threading as threading
from crew import Crew, until, until_waiting


def test_permits_are_counted():
    permits = raddle.Semaphore(3, name="slots")
    assert permits.available == permits.permits == 3 and permits.name == "slots"
    assert permits.acquire() is True and permits.acquire(2) is True
    assert (
        permits.available == 0 and permits.acquire(blocking=False) is False and permits.acquire(timeout=0.01) is False
    )
    permits.release(3)
    with permits as entered:
        assert entered is True and permits.available == 2
    assert permits.available == 3 and "'slots', 3 of 3 available" in repr(permits)


@pytest.mark.parametrize("number", [0, -1])
def test_no_permits_at_all_are_refused(number):
    with pytest.raises(ValueError, match=f"needs one permit or more, not {number}: .*raddle.Event"):
        raddle.Semaphore(number)
    permits = raddle.Semaphore(2)
    with pytest.raises(ValueError, match=f"needs one permit or more, not {number}"):
        permits.resize(number)
    for call in (permits.acquire, permits.release, permits.permit):
        with pytest.raises(ValueError, match=f"n must be one or more, not {number}"):
            call(number)


@pytest.mark.parametrize("odd", [1.0, "1", False])
def test_what_is_no_number_of_permits_is_refused(odd):
    permits = raddle.Semaphore(2)
    for call in (permits.acquire, permits.release, permits.permit):
        with pytest.raises(TypeError, match="whole number of permits"):
            call(odd)
    with pytest.raises(TypeError):
        raddle.Semaphore("2")


def test_more_than_there_will_ever_be():
    permits = raddle.Semaphore(3)
    for call in (permits.acquire, permits.permit):
        with pytest.raises(ValueError, match="4 permits can never be had of a semaphore that has 3; resize"):
            call(4)


def test_more_is_never_given_back_than_was_taken():
    permits = raddle.Semaphore(2, name="slots")
    with pytest.raises(ValueError, match="Semaphore released too many times .*'slots'.* has all of its 2 permits back"):
        permits.release()
    permits.acquire()
    with pytest.raises(ValueError, match="released too many times"):
        permits.release(2)
    with permits.permit():
        # That one belongs to the block.
        permits.release()
        with pytest.raises(ValueError, match="released too many times"):
            permits.release()
    assert permits.available == 2


def test_a_permit_knows_its_holder_who_alone_ends_it():
    permits, team = raddle.Semaphore(3, name="slots"), Crew()
    block = permits.permit(2)
    with block:  # taken here
        (holder,) = permits.holders
        assert holder.name == "MainThread" and holder.taken_at == crew.line_of(__file__, "taken here")
        assert permits.available == 1
        team.start("stranger", block.__exit__, None, None, None)
        assert isinstance(team.join()[0], ValueError)
        assert permits.available == 1
    assert permits.holders == [] and permits.available == 3


def test_a_time_limit_names_the_holder():
    permits, team = raddle.Semaphore(1, name="slots"), Crew()
    with permits:  # in the way

        def tries():
            with permits.permit(timeout=0.1):
                pass

        team.start("t", tries)
        (error,) = team.join()
    at = crew.in_text(crew.line_of(__file__, "in the way"))
    assert isinstance(error, TimeoutError)
    assert str(error) == (
        f"Semaphore 'slots' could not be taken within 0.1 s: it is held by 'MainThread', which took it at {at}"
    )


def test_time_limits():
    permits = raddle.Semaphore(1)
    for free in (None, float("inf"), 10**400, 1):
        assert permits.acquire(timeout=free)
        for none in (0, -1, 0.01):
            assert permits.acquire(timeout=none) is False
        permits.release()
    with pytest.raises(ValueError, match="NaN"):
        permits.acquire(timeout=float("nan"))
    with pytest.raises(ValueError, match="non-blocking"):
        permits.acquire(blocking=False, timeout=1)


def test_a_release_serves_all_who_fit():
    permits, team = raddle.Semaphore(4), Crew()
    permits.acquire(4)
    for name, amount in [("a", 1), ("b", 2), ("c", 2)]:
        team.start(name, permits.acquire, amount)
        until_waiting(permits, name)
    permits.release(3)
    assert team.join("a", "b") == [True, True]
    assert team.threads["c"].is_alive() and [waiter.name for waiter in permits.waiters] == ["c"]
    permits.release(1)
    team.threads["c"].join(0.02)
    assert team.threads["c"].is_alive(), "one permit is not two"
    permits.release(1)
    assert team.join("c") == [True]


def test_one_who_wants_many_is_not_passed_for_ever():
    """Seven threads take and give one permit all the time; one wants all four."""
    permits, team, stop = raddle.Semaphore(4), Crew(), threading.Event()

    def small():
        while not stop.is_set():
            with permits:
                time.sleep(0.0005)

    for at in range(7):
        team.start(f"small {at}", small)
    for _ in range(10):
        assert permits.acquire(4, timeout=10)
        permits.release(4)
    stop.set()
    team.join()


def test_fair_serves_in_the_order_of_arrival():
    permits, team, served = raddle.Semaphore(1, fair=True), Crew(), []

    def take(name):
        permits.acquire()
        served.append(name)
        permits.release()

    permits.acquire()
    names = [f"t{at}" for at in range(8)]
    for name in names:
        team.start(name, take, name)
        until_waiting(permits, name)
    permits.release()
    # One that comes now does not pass them, whenever it comes.
    take("late")
    team.join()
    assert served == [*names, "late"]


@pytest.mark.parametrize("fair", [False, True])
def test_resize(fair):
    permits, team = raddle.Semaphore(2, fair=fair), Crew()
    permits.acquire(2)
    team.start("waits", permits.acquire, 2)
    until_waiting(permits, "waits")
    permits.resize(4)
    assert team.join() == [True] and permits.available == 0
    permits.resize(1)
    assert permits.available == 0 and permits.permits == 1
    for left in (3, 2, 1):
        assert permits.acquire(blocking=False) is False
        permits.release()
        assert permits.available == 0, left
    permits.release()
    assert permits.available == 1


def test_permits_of_a_dead_thread():
    permits = raddle.Semaphore(2, name="slots")
    crew.left_by_the_dead(permits.permit(2).__enter__, error=ValueError("boom"))
    assert [(holder.name, holder.death) for holder in permits.holders] == [("late-holder", "ValueError: boom")]
    assert permits.acquire(blocking=False) is False
    assert permits.recover() == 2 and permits.recover() == 0
    assert permits.available == 2 and permits.holders == []


@pytest.mark.parametrize("fair", [False, True])
def test_stress(fair):
    """Eight threads take one to three of four permits, give up at times, while the number is changed all the time."""
    permits, team, out, most = raddle.Semaphore(4, fair=fair), Crew(), [0], [0]

    def work(seed):
        for at in range(300):
            amount = (seed + at) % 3 + 1
            try:
                with permits.permit(amount, timeout=0.001 if at % 7 == 0 else 20):
                    out[0] += amount
                    most[0] = max(most[0], out[0])
                    if at % 10 == 0:
                        time.sleep(0.0005)
                    out[0] -= amount
            except TimeoutError:
                assert at % 7 == 0

    for seed in range(8):
        team.start(f"t{seed}", work, seed)
    while any(thread.is_alive() for thread in team.threads.values()):
        for size in (6, 3, 4):
            permits.resize(size)
            time.sleep(0.001)
            assert permits.available >= 0
    team.join()
    permits.resize(4)
    assert permits.available == 4 and not permits.holders and not permits.waiters
    assert 1 < most[0] <= 6


def test_a_deadlock_through_permits_is_told_and_not_raised():
    """Anybody may make more permits, so the wait need not be for ever; but it is reported."""
    from raddle import _raddle

    permits, lock, team = raddle.Semaphore(1, name="slots"), raddle.Lock(name="lock"), Crew()
    before = _raddle.found()["RD001"]

    def cross():
        with lock:
            until(lambda: permits.available == 0)
            permits.acquire()

    with permits:
        team.start("crosses", cross)
        until_waiting(permits, "crosses")
        team.start("helper", lambda: until(lambda: _raddle.found()["RD001"] > before) or permits.resize(2))
        with lock:
            pass
    assert team.join() == [None, None]


def test_in_the_child_of_a_fork():
    permits, team, go = raddle.Semaphore(1), Crew(), threading.Event()

    def hold():
        with permits:
            go.wait(10)

    team.start("holder", hold)
    until(lambda: permits.available == 0)
    team.start("waiter", hold)
    until_waiting(permits, "waiter")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert permits.recover() == 1
            with permits:
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    team.join()
