"""Questions 15 and 16, gotchas 4b to 4d and 7e: waiting for a thread, with and without a time limit."""

import datetime
import signal
import threading
import time
import traceback

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
    assert raddle.join_all([]) is True
    with pytest.raises(raddle.ThreadStateError, match="was not started"):
        raddle.wait([raddle.Thread(target=int)])
    with pytest.raises(TypeError, match="takes threads of raddle.Thread, got int 3"):
        raddle.join_all([3])
    with pytest.raises(ValueError, match="return_when must be"):
        raddle.wait([quick], return_when="NEVER")
