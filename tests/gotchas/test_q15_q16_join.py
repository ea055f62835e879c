"""Questions 15 and 16, gotchas 4b to 4d and 7e: waiting for a thread, with and without a time limit."""

import datetime
import signal
import subprocess
import sys
import threading
import time
import traceback

import harness
import pytest
import raddle
from raddle import threading as mine


def fail():
    raise ValueError("x")


def test_every_joiner_gets_the_error_with_the_same_traceback():
    thread, lengths, errors = raddle.spawn(fail), [], []

    def join():
        try:
            thread.join()
        except ValueError as error:
            lengths.append(len(traceback.extract_tb(error.__traceback__)))
            errors.append(error)

    for _ in range(3):
        join()
    for joiner in [raddle.spawn(join) for _ in range(5)]:
        joiner.join()
    assert len(set(map(id, errors))) == 1 and len(errors) == 8, "the object itself"
    assert len(set(lengths)) == 1, lengths
    for _ in range(3):
        with pytest.raises(ValueError):
            thread.result()
        assert isinstance(thread.exception(), ValueError)


def test_join_says_whether_it_has_ended():
    go = mine.Event()
    thread = raddle.spawn(go.wait)
    assert thread.join(0) is thread.join(0.001) is thread.join(-5) is False
    assert thread.join(deadline=time.monotonic() + 0.001) is False
    assert thread.join(deadline=datetime.datetime.now() + datetime.timedelta(milliseconds=1)) is False
    go.set()
    assert thread.join(float("inf")) is thread.join(5) is thread.join(0) is thread.join() is True


def test_the_drop_in_joins_as_ever():
    thread = mine.Thread(target=int)
    thread.start()
    assert thread.join(5) is thread.join() is None


@pytest.mark.parametrize("limit", [float("nan"), "1", [], object()])
def test_a_limit_that_is_none(limit):
    thread = raddle.spawn(int)
    thread.join()
    for call in (thread.join, thread.result, thread.exception):
        with pytest.raises((TypeError, ValueError), match="timeout must be a number of seconds"):
            call(limit)


def test_a_result_that_is_late_says_what_the_thread_is_doing():
    jobs = raddle._raddle.Queue()
    thread = raddle.spawn(jobs.get, name="w")
    with pytest.raises(TimeoutError) as told:
        thread.result(0.1)
    text = str(told.value)
    assert (
        text.startswith("thread 'w' still running after 0.1 s (blocked 0.")
        and "in Queue.get '" in text
        and ".jobs#1'" in text
    )
    jobs.put(7)
    assert thread.result(5) == 7


def test_joining_too_early_or_oneself_says_what_to_do():
    thread = raddle.Thread(target=int, name="unborn")
    with pytest.raises(RuntimeError, match="cannot join thread before it is started .*start()"):
        thread.join()

    def join_itself():
        threading.current_thread().join()

    with pytest.raises(RuntimeError, match="cannot join current thread"):
        raddle.spawn(join_itself).join()


def test_a_join_may_wait_for_the_start():
    thread, other = raddle.Thread(target=int), raddle.Thread(target=fail)
    before = time.monotonic()
    assert thread.join(0.02, wait_for_start=True) is False and time.monotonic() - before >= 0.02
    joiners = [raddle.spawn(lambda one=one: one.join(20, wait_for_start=True)) for one in (thread, other)]
    for joiner in joiners:
        while not joiner.activity.startswith("blocked"):
            time.sleep(0.001)
    thread.start()
    other.start()
    assert joiners[0].result(10) is True
    with pytest.raises(ValueError):
        joiners[1].result(10)
    never = raddle.Thread(target=int)
    joiner = raddle.spawn(lambda: (never.join(wait_for_start=True), never.wait_started()))
    never.stop()
    assert joiner.result(10) == (True, False), "it will not be started any more"


def test_two_that_join_each_other_are_told():
    threads, ready = [], mine.Barrier(3)

    def join(other):
        ready.wait()
        threads[other].join()

    threads += [raddle.spawn(join, 1, name="one"), raddle.spawn(join, 0, name="two")]
    ready.wait()
    errors = [thread.exception(20) for thread in threads]
    deadlocks = [error for error in errors if isinstance(error, raddle.DeadlockError)]
    assert deadlocks and "'one'" in str(deadlocks[0]) and "'two'" in str(deadlocks[0])


WAITS = {
    "join_all": raddle.join_all,
    "wait": raddle.wait,
    "first of one": lambda threads: raddle.wait(threads[-1:], return_when="FIRST_COMPLETED"),
    "first failure of one": lambda threads: raddle.wait(threads[-1:], return_when="FIRST_EXCEPTION"),
    "as_completed": lambda threads: list(raddle.as_completed(threads)),
}


@pytest.mark.parametrize("what", WAITS)
def test_who_waits_for_several_that_wait_for_it_is_told(what):
    """The way back leads through the last of them, and the others may have ended."""
    threads, ready = [], mine.Barrier(3)
    others = [raddle.spawn(raddle.sleep, 0.02) for _ in range(3)]
    if what in ("join_all", "wait"):
        others.append(raddle.spawn(raddle.sleep, 60))  # and is not waited for

    def wait():
        ready.wait()
        WAITS[what]([*others, threads[1]])

    def join():
        ready.wait()
        threads[0].join()

    threads += [raddle.spawn(wait, name="gatherer"), raddle.spawn(join, name="gathered")]
    before = time.monotonic()
    ready.wait()
    # Whoever closes the circle hears of it; the error of the other one's join is the same.
    (error,) = {error for error in [thread.exception(20) for thread in threads] if error is not None}
    assert time.monotonic() - before < 10
    assert isinstance(error, raddle.DeadlockError) and len(error.cycle) == 2
    assert "'gatherer'" in str(error) and "'gathered'" in str(error)
    for other in others:
        other.stop()


def test_an_edge_of_a_wait_for_all_is_gone_when_its_function_has_ended():
    """A callback of it may wait for whoever waits for it."""
    said, may_end = [], mine.Event()

    def gather():
        raddle.wait([gathered])
        may_end.set()
        return "gathered"

    gathered = raddle.spawn(raddle.sleep, 0.05)
    gatherer = raddle.spawn(gather)
    while not gatherer.activity.startswith("blocked"):
        time.sleep(0.001)
    gathered.add_done_callback(lambda _: said.append((may_end.wait(10), gatherer.result(10))))
    assert gathered.join(20) and said == [(True, "gathered")]


KNOT = """
import raddle, raddle.threading
ready = raddle.threading.Barrier(4)
def gather():
    ready.wait()
    %s
def back():
    ready.wait()
    gatherer.join()
both = [raddle.spawn(back, name=name, daemon=True) for name in ("left", "right")]
gatherer = raddle.spawn(gather, name="gatherer", daemon=True)
%s
ready.wait()
%s
"""
FIRST = "raddle.wait(both, return_when='FIRST_COMPLETED')"


@pytest.mark.parametrize("wait", [FIRST, FIRST.replace("COMPLETED", "EXCEPTION"), "list(raddle.as_completed(both))"])
def test_a_wait_for_the_first_of_several_is_told_when_none_can_end(wait):
    said = run_told(KNOT % (wait, "", "gatherer.join(1)"))
    assert said.count("error[RD001]") == 1
    assert "'gatherer' waits here for Thread 'left, right' to end" in said and "whichever ends first" in said


SLEEPER = "both.append(raddle.spawn(raddle.sleep, 1, daemon=True))"


@pytest.mark.parametrize(("before", "after"), [(SLEEPER, ""), ("", "both[1].stop()")])
def test_a_wait_for_the_first_of_several_is_innocent_as_long_as_one_may_end(before, after):
    assert run_told(KNOT % (FIRST, before, after + "\ngatherer.join()")) == ""


def run_told(program):
    command = [sys.executable, "-m", "raddle", "run", "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=harness.environment(NO_COLOR="1"))
    return done.stderr


def test_no_wake_up_is_lost():
    for _ in range(200):
        thread = raddle.spawn(int)
        while not thread.join(0.001):
            pass


def test_ctrl_c_leaves_a_join():
    thread = raddle.spawn(raddle.sleep, 20)
    main = threading.get_ident()

    def interrupt():
        time.sleep(0.1)
        times.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    times = []
    raddle.spawn(interrupt)
    with pytest.raises(KeyboardInterrupt):
        thread.join()
    assert time.monotonic() - times[0] < 0.5
    assert thread.stop(wait=5)


def test_several_at_once():
    go = mine.Event()
    quick, failing, slow = raddle.spawn(int), raddle.spawn(fail), raddle.spawn(go.wait)
    done, not_done = raddle.wait([quick, failing, slow], 5, return_when="FIRST_EXCEPTION")
    assert failing in done and slow in not_done
    assert raddle.wait([slow], 0.01) == (set(), {slow})
    assert raddle.wait([quick, slow], return_when="FIRST_COMPLETED").done == {quick}
    assert raddle.join_all([quick, slow], 0.01) is False
    with pytest.raises(TimeoutError, match=r"1 \(of 3\) threads unfinished"):
        list(raddle.as_completed([quick, failing, slow], 0.05))
    go.set()
    assert set(raddle.as_completed([quick, failing, slow])) == {quick, failing, slow}
    with pytest.raises(ExceptionGroup) as group:
        raddle.join_all([quick, failing, slow])
    assert [type(error) for error in group.value.exceptions] == [ValueError]
    assert raddle.join_all([]) is True and list(raddle.as_completed([])) == []
    assert raddle.wait([], return_when="FIRST_COMPLETED") == (set(), set())
    assert list(raddle.as_completed([quick, quick])) == [quick, quick]
    with pytest.raises(raddle.ThreadStateError, match="was not started"):
        raddle.wait([raddle.Thread(target=int)])
    with pytest.raises(TypeError, match="takes threads of raddle.Thread, got int 3"):
        raddle.join_all([3])
    with pytest.raises(ValueError, match="return_when must be"):
        raddle.wait([quick], return_when="NEVER")


def test_waiting_again_and_again_leaves_nothing_in_the_threads():
    go = mine.Event()
    threads = [raddle.spawn(go.wait) for _ in range(3)]
    for _ in range(100):
        assert raddle.wait(threads, 0).done == set()
        assert raddle.join_all(threads, 0) is False
    assert [len(thread._raddle_callbacks) for thread in threads] == [0, 0, 0]
    go.set()
    assert raddle.join_all(threads, 20)
