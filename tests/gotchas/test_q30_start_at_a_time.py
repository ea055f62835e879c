"""Q30: start at a particular time. `call_later`, `call_at` and `every`: punctual, without drift, nothing missed silently."""

import datetime
import doctest
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
import zoneinfo
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest
import raddle

UTC = datetime.UTC


def wait_until(condition, limit=5.0):
    """Wait for a thing that another thread does."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.001)


@pytest.fixture
def unhandled(monkeypatch):
    """The errors that nobody took, as `threading.excepthook` hears of them."""
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    return told


def run(program, *, status=0):
    """What a program of its own prints, and writes to stderr."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode == status, ended.stderr
    return ended.stdout, ended.stderr


# ---- when ----


def test_a_thousand_jobs_wait_on_one_thread_beyond_main():
    out, _ = run("""
        import os, raddle
        jobs = [raddle.call_later(3600, print) for _ in range(1000)]
        print(len(os.listdir("/proc/self/task")))
        for job in jobs:
            job.cancel()
    """)
    assert int(out) <= 2


def test_forty_runs_do_not_drift():
    def off():
        begin = time.monotonic()
        raddle.every(0.05, lambda: None, times=40).result()
        return abs(time.monotonic() - begin - 2)

    # The machine may be busy with something else once.
    assert any(off() <= 0.01 for _ in range(3))


@pytest.mark.parametrize("on", ["pool", "thread"])
def test_jobs_are_punctual(on):
    late, begin = [], time.monotonic() + 0.02
    jobs = [
        raddle.call_at(due, lambda due=due: late.append(time.monotonic() - due), on=on)
        for due in (begin + number * 0.005 for number in range(200))
    ]
    for job in jobs:
        job.result()
    assert min(late) >= 0, "one began before its time"
    # benches/jobs.py holds the 99th percentile against 2 ms, on an idle machine; this one need not be.
    assert sorted(late)[100] < 0.002


def test_a_job_that_blocks_keeps_no_other_waiting():
    gate, late = threading.Event(), []
    blocked = [raddle.call_later(0, gate.wait, 10) for _ in range(20)]
    wait_until(lambda: sum(job.runs for job in blocked) == 20)
    due = time.monotonic() + 0.05
    raddle.call_at(due, lambda: late.append(time.monotonic() - due)).result(5)
    gate.set()
    assert late[0] < 0.5


def test_a_job_that_blocks_from_the_beginning_keeps_those_of_its_moment_waiting_for_moments_only():
    due = time.monotonic() + 0.05
    jobs = [raddle.call_at(due, time.sleep, 0.3) for _ in range(50)]
    for job in jobs:
        job.result()
    assert time.monotonic() - due < 2  # one after the other would take 15


@pytest.mark.parametrize("delay", [-5, 0, datetime.timedelta(0)])
def test_a_delay_that_is_none_is_at_once(delay):
    assert raddle.call_later(delay, pow, 2, 3).result(5) == 8


def test_the_first_run_comes_after_one_interval_or_as_said():
    begin, runs = time.monotonic(), []
    raddle.every(0.1, lambda: runs.append(time.monotonic() - begin), times=1).result()
    raddle.every(5, lambda: runs.append(time.monotonic() - begin), first=0, times=1).result()
    soon = datetime.datetime.now() + datetime.timedelta(seconds=0.05)
    raddle.every(5, lambda: runs.append(datetime.datetime.now()), first=soon, times=1).result()
    assert runs[0] >= 0.1 and runs[1] < 1
    assert soon <= runs[2]


# ---- zones ----


def berlin():
    try:
        return zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone data")


def due_at(when):
    """When a job for that moment is due."""
    job = raddle.call_at(when, print)
    due = job.next_run
    job.cancel()
    return due


# The moment, its fold, and when that is: in the gap the first moment after it, in the fold the one that is meant.
DST = [
    ((2027, 3, 28, 1, 59), 0, (2027, 3, 28, 0, 59)),
    ((2027, 3, 28, 2, 30), 0, (2027, 3, 28, 1, 0)),
    ((2027, 3, 28, 2, 30), 1, (2027, 3, 28, 1, 0)),
    ((2027, 3, 28, 3, 0), 0, (2027, 3, 28, 1, 0)),
    ((2027, 10, 31, 2, 30), 0, (2027, 10, 31, 0, 30)),
    ((2027, 10, 31, 2, 30), 1, (2027, 10, 31, 1, 30)),
    ((2027, 10, 31, 3, 0), 0, (2027, 10, 31, 2, 0)),
]


@pytest.mark.parametrize("local, fold, utc", DST)
def test_daylight_saving(local, fold, utc):
    when = datetime.datetime(*local, fold=fold, tzinfo=berlin())
    due = due_at(when)
    assert due.astimezone(UTC) == datetime.datetime(*utc, tzinfo=UTC)
    assert due.tzinfo is when.tzinfo


@pytest.mark.parametrize("local, fold, utc", DST)
def test_a_datetime_without_a_zone_is_local_time(local, fold, utc, monkeypatch):
    berlin()
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        due = due_at(datetime.datetime(*local, fold=fold))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert due.astimezone(UTC) == datetime.datetime(*utc, tzinfo=UTC)


def test_a_gap_at_midnight_and_an_offset_that_never_changes():
    berlin()
    # Beirut's clocks skip from 24:00 to 1:00.
    beirut = zoneinfo.ZoneInfo("Asia/Beirut")
    due = due_at(datetime.datetime(2027, 3, 28, 0, 15, tzinfo=beirut))
    assert due == datetime.datetime(2027, 3, 28, 1, 0, tzinfo=beirut)
    fixed = datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))
    when = datetime.datetime(2030, 1, 1, 12, 0, 0, 250000, tzinfo=fixed)
    assert abs(due_at(when) - when) < datetime.timedelta(milliseconds=1)


# ---- what was missed ----


def test_a_moment_that_has_passed_is_now_within_the_grace():
    now = time.monotonic()
    assert raddle.call_at(now - 59, pow, 2, 3).result(5) == 8
    assert raddle.call_at(now - 500, pow, 2, 3, misfire_grace=None).result(5) == 8
    assert raddle.call_at(now - 500, pow, 2, 3, misfire_grace=datetime.timedelta(seconds=501)).result(5) == 8
    assert raddle.call_at(datetime.datetime.now(UTC) - datetime.timedelta(seconds=50), pow, 2, 3).result(5) == 8


def test_a_run_that_was_missed_says_so_to_everyone_who_asks(unhandled):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    when = datetime.datetime.now(zone).replace(microsecond=0) - datetime.timedelta(hours=1)
    job = raddle.call_at(when, print)
    for _ in range(2):
        with pytest.raises(raddle.MissedError) as caught:
            job.result()
    assert caught.value.due == when
    assert str(caught.value).startswith(f"job 'print' was due at {when}, 360")
    assert "misfire_grace=None" in str(caught.value)
    assert (job.runs, job.missed, job.next_run) == (0, 1, None)
    del job
    gc.collect()
    assert unhandled == [], "somebody took it"


def test_a_run_that_was_missed_is_reported_if_nobody_asks(unhandled):
    raddle.call_at(time.monotonic() - 100, print)
    gc.collect()
    assert [type(error) for error in unhandled] == [raddle.MissedError]


def test_a_single_run_is_missed_if_its_pause_was_too_long(unhandled):
    job = raddle.call_at(time.monotonic() + 0.02, print, misfire_grace=0.05)
    job.pause()
    waiting = ThreadPoolExecutor(1).submit(job.result)
    time.sleep(0.15)
    job.resume()
    with pytest.raises(raddle.MissedError):
        waiting.result(5)
    assert unhandled == []


@pytest.mark.parametrize("look", [lambda job: job.missed, lambda job: job.resume()])
def test_a_run_that_was_missed_during_a_pause_is_told_to_somebody(look, unhandled):
    job = raddle.call_at(time.monotonic() + 0.02, print, misfire_grace=0.05)
    job.pause()
    time.sleep(0.15)
    look(job)
    del job
    wait_until(lambda: [type(error) for error in unhandled] == [raddle.MissedError])


def test_what_came_while_the_machine_was_asleep():
    out, err = run("""
        import os, raddle, subprocess, time
        repeated = raddle.every(0.1, int)
        raddle.call_later(0.3, print, "a delay has no grace")
        raddle.call_at(time.monotonic() + 0.3, print, "never", misfire_grace=0.1)
        pid = os.getpid()
        subprocess.Popen(["sh", "-c", f"kill -STOP {pid}; sleep 0.8; kill -CONT {pid}"]).wait()
        time.sleep(0.2)
        repeated.cancel()
        print("missed some:", repeated.missed > 3)
    """)
    assert out == "a delay has no grace\nmissed some: True\n"
    assert err.count("MissedError: job 'print' was due at") == 1


def assert_sooner_or_later(expected, attempt):
    """The plan's own tests have a clock that they set; here the machine may be busy with something else now and then."""
    seen = []
    while expected not in seen:
        assert len(seen) < 5, f"{seen}, never {expected}"
        seen.append(attempt())


def through_a_pause(missed):
    """How many runs follow a pause over several moments at once, how many are missed, and whether the next are on time."""
    runs = []
    job = raddle.every(0.1, lambda: runs.append(time.monotonic()), missed=missed)
    begin = time.monotonic()
    job.pause()
    time.sleep(0.45)
    resumed = time.monotonic()
    job.resume()
    time.sleep(0.2)
    job.cancel()
    at_once = sum(moment - resumed < 0.03 for moment in runs)
    return at_once, job.missed, [round(moment - begin, 1) for moment in runs[at_once:]]


@pytest.mark.parametrize("missed, expected", [("coalesce", (1, 3)), ("skip", (0, 4)), ("catch_up", (4, 0))])
def test_what_was_due_during_a_pause(missed, expected):
    assert_sooner_or_later((*expected, [0.5, 0.6]), lambda: through_a_pause(missed))


def while_busy(missed):
    """How many runs there are, and how many are missed, if the first lasts until between the fifth and the sixth moment."""
    slept, begin = [], time.monotonic()

    def work():
        if not slept:
            slept.append(None)
            time.sleep(0.45)

    job = raddle.every(0.1, work, missed=missed)
    time.sleep(max(begin + 0.65 - time.monotonic(), 0))
    job.cancel()
    return job.runs, job.missed


@pytest.mark.parametrize("missed, expected", [("coalesce", (3, 3)), ("skip", (2, 4)), ("catch_up", (6, 0))])
def test_what_is_due_while_the_job_is_busy(missed, expected):
    assert_sooner_or_later(expected, lambda: while_busy(missed))


def test_no_more_run_at_once_than_there_may():
    lock, running, most = threading.Lock(), 0, 0

    def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1

    for instances in (1, 3):
        most = 0
        job = raddle.every(0.01, work, max_instances=instances, missed="catch_up", times=9)
        job.result()
        assert most == instances


def by_chance():
    """Whether 30 runs come after their moments, almost all by no more than the jitter, and not all by the same."""
    late, begin = [], time.monotonic()
    raddle.every(0.04, lambda: late.append(time.monotonic() - begin), jitter=0.03, times=30, max_instances=2).result()
    off = [moment - 0.04 * number for number, moment in enumerate(sorted(late), start=1)]
    assert min(off) >= 0, "one began before its time"
    return sum(moment > 0.036 for moment in off) < 5, max(off) - min(off) > 0.01


def test_jitter_stays_within_its_bounds():
    assert_sooner_or_later((True, True), by_chance)


def test_a_job_ends_after_so_many_runs_or_in_time():
    counted = raddle.every(0.01, lambda: "value", times=3)
    assert (counted.result(), counted.runs, counted.next_run) == ("value", 3, None)
    timed = raddle.every(0.1, lambda: "value", until=0.35)
    assert (timed.result(), timed.runs) == ("value", 3)
    end = datetime.datetime.now(UTC) + datetime.timedelta(seconds=0.35)
    dated = raddle.every(0.1, lambda: "value", until=end)
    assert (dated.result(), dated.runs) == ("value", 3)


# ---- the hold on a job ----


def test_a_cancelled_job_does_nothing():
    ran = []
    job = raddle.call_later(0.05, ran.append, 1)
    assert job.next_run - datetime.datetime.now(UTC) < datetime.timedelta(seconds=0.1)
    assert job.cancel() and not job.cancel()
    with pytest.raises(CancelledError, match="job 'list.append' was cancelled"):
        job.result()
    time.sleep(0.1)
    assert (ran, job.next_run, job.runs, job.missed) == ([], None, 0, 0)


def test_a_single_run_that_has_begun_cannot_be_cancelled():
    gate = threading.Event()
    job = raddle.call_later(0, gate.wait, 10)
    wait_until(lambda: job.runs)
    assert not job.cancel()
    gate.set()
    assert job.result() is True


def test_a_paused_job_waits_and_goes_on():
    ran = []
    job = raddle.call_later(0.02, ran.append, 1)
    job.pause()
    assert job.paused and job.next_run is None
    with pytest.raises(TimeoutError, match=r"job 'list.append' was not over within 0.05 s: paused, 0 have begun"):
        job.result(0.05)
    job.resume()
    assert job.result(5) is None and ran == [1] and not job.paused


def test_a_result_may_be_asked_for_again_and_again():
    with pytest.raises(ValueError, match="NaN|nan"):
        raddle.call_later(0, int).result(float("nan"))
    job = raddle.call_later(0, divmod, 7, 2)
    assert [job.result(), job.result(float("inf"))] == [(3, 1), (3, 1)]


def test_a_job_lives_without_anyone_who_holds_it():
    ran = threading.Event()
    raddle.call_later(0.05, ran.set)
    gc.collect()
    assert ran.wait(5)


@pytest.mark.parametrize("end", [raddle.Job.result, raddle.Job.cancel])
def test_what_a_job_holds_is_free_when_it_is_over(end):
    class Big:
        def __call__(self):
            return 1

    big = Big()
    seen, job = weakref.ref(big), raddle.call_later(0 if end is raddle.Job.result else 3600, big)
    del big
    assert end(job) == 1
    wait_until(lambda: seen() is None)
    seen = weakref.ref(job)
    del job
    wait_until(lambda: seen() is None)


def test_a_job_runs_in_a_thread_that_everybody_knows():
    def look():
        me = threading.current_thread()
        return me in threading.enumerate(), isinstance(me, threading.Thread), me.daemon, me.name, me.is_alive(), me

    for on in ("pool", "thread"):
        *seen, name, alive, worker = raddle.call_later(0, look, on=on).result()
        assert seen == [True, True, True] and alive
        assert name.startswith("raddle-job-") if on == "pool" else name.endswith("look")
        worker.join(5)
        assert not worker.is_alive() and worker not in threading.enumerate()


def test_a_job_may_start_jobs_and_cancel_itself():
    done = threading.Event()

    def work():
        job.cancel()
        raddle.call_later(0.01, done.set)

    job = raddle.every(0.02, work)
    assert done.wait(5)
    with pytest.raises(CancelledError):
        job.result(5)
    assert job.runs == 1


# ---- executors ----


def test_an_executor_runs_a_job():
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        name = raddle.call_later(0, lambda: threading.current_thread().name, on=executor).result()
        assert name.startswith("mine")
        assert raddle.every(0.01, lambda: 7, times=3, on=executor).result() == 7
        failing = raddle.call_later(0, divmod, 1, 0, on=executor)
        with pytest.raises(ZeroDivisionError):
            failing.result()


def test_an_executor_that_takes_nothing_or_cancels_does_not_leave_a_job_behind():
    executor = ThreadPoolExecutor(1)
    gate = threading.Event()
    executor.submit(gate.wait, 10)
    waiting = raddle.call_later(0, int, on=executor)
    wait_until(lambda: waiting.runs)
    wait_until(lambda: executor._work_queue.qsize())
    executor.shutdown(wait=False, cancel_futures=True)
    gate.set()
    with pytest.raises(CancelledError):
        waiting.result(5)
    with pytest.raises(RuntimeError, match="after shutdown"):
        raddle.call_later(0, int, on=executor).result(5)


# ---- errors ----


def test_the_error_of_a_single_run_is_its_result(unhandled):
    error = ValueError("mine")

    def work():
        raise error

    job = raddle.call_later(0, work)
    lengths = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            job.result()
        assert caught.value is error
        lengths.append(len(caught.traceback))
    assert len(set(lengths)) == 1, "the traceback grows"
    assert job.last_error is error and job.failures == 1
    del job, caught
    gc.collect()
    assert unhandled == []


def test_an_error_that_nobody_takes_is_told_once(unhandled):
    raddle.call_later(0, divmod, 1, 0)
    wait_until(lambda: unhandled)
    kept = [raddle.call_later(0, divmod, 1, 0)]
    wait_until(lambda: kept[0].failures)
    time.sleep(0.05)
    assert len(unhandled) == 1, "somebody may take it still"
    kept.clear()
    wait_until(lambda: len(unhandled) == 2)
    assert [type(error) for error in unhandled] == [ZeroDivisionError] * 2


def test_an_error_keeps_nothing_alive(unhandled):
    class Big:
        pass

    def work():
        big = Big()
        seen.append(weakref.ref(big))
        raise ValueError

    seen = []
    gc.disable()
    try:
        job = raddle.call_later(0, work)
        with pytest.raises(ValueError):
            job.result()
        del job
        raddle.call_later(0, work)
        wait_until(lambda: len(unhandled) == 1)
        unhandled.clear()
        wait_until(lambda: [ref() for ref in seen] == [None, None])
    finally:
        gc.enable()


def test_a_failed_run_does_not_end_the_job(unhandled):
    runs = []

    def work():
        runs.append(1)
        if len(runs) % 2:
            raise ValueError(len(runs))

    job = raddle.every(0.01, work, times=5)
    with pytest.raises(ValueError, match="5"):
        job.result()
    assert (job.runs, job.failures, len(runs)) == (5, 3, 5)
    # Those after which it went on could be taken by nobody; the last one was.
    assert [error.args for error in unhandled] == [(1,), (3,)]
    last = raddle.every(0.01, lambda: 1 // (len(runs) - 5 or runs.append(0) or 0), times=2)
    assert last.result() == 1, "only the last run counts"


def test_a_hook_that_fails_ends_neither_the_job_nor_its_worker(monkeypatch, capsys):
    monkeypatch.setattr(threading, "excepthook", lambda args: args.nothing)
    job = raddle.every(0.01, lambda: 1 // 0, times=3)
    assert isinstance(job._wait(5) and job.last_error, ZeroDivisionError)
    assert (job.runs, job.failures) == (3, 3)
    err = capsys.readouterr().err
    assert err.count("Exception in threading.excepthook:") == 2 and "has no attribute 'nothing'" in err
    assert "ZeroDivisionError" in err, "what the hook was called for is lost"


# ---- bad input ----


def function():
    pass


BAD = [
    (lambda: raddle.every(0, function), ValueError),
    (lambda: raddle.every(-1, function), ValueError),
    (lambda: raddle.every(float("nan"), function), ValueError),
    (lambda: raddle.every("5", function), TypeError),
    (lambda: raddle.every(datetime.timedelta(0), function), ValueError),
    (lambda: raddle.every(1, None), TypeError),
    (lambda: raddle.every(1, 5), TypeError),
    (lambda: raddle.every(1, function, missed="all"), ValueError),
    (lambda: raddle.every(1, function, jitter=2), ValueError),
    (lambda: raddle.every(1, function, jitter=-1), ValueError),
    (lambda: raddle.every(1, function, max_instances=0), ValueError),
    (lambda: raddle.every(1, function, times=1.5), TypeError),
    (lambda: raddle.every(1, function, times=0), ValueError),
    (lambda: raddle.every(1, function, until=0.5), ValueError),
    (lambda: raddle.every(1, function, until=datetime.date(2030, 1, 1)), TypeError),
    (lambda: raddle.every(1, function, misfire_grace=-1), ValueError),
    (lambda: raddle.every(1, function, on="process"), ValueError),
    (lambda: raddle.every(1, function, on=5), TypeError),
    (lambda: raddle.call_later(float("inf"), function), ValueError),
    (lambda: raddle.call_later(None, function), TypeError),
    (lambda: raddle.call_later(1, function()), TypeError),
    (lambda: raddle.call_at(datetime.time(3, 0), function), TypeError),
    (lambda: raddle.call_at(datetime.timedelta(1), function), TypeError),
    (lambda: raddle.call_at(float("nan"), function), ValueError),
    (lambda: raddle.call_at(time.monotonic() + 1e9, function), ValueError),
    (lambda: raddle.Job("name", (0, False)), TypeError),
]

SAID = """
interval must be 0.001 s or more, got 0 (to have it run once, write call_later; to have it run all the time, a loop)
interval must be 0.001 s or more, got -1 (to have it run once, write call_later; to have it run all the time, a loop)
interval must be a finite number of seconds, got nan (to have it run once, write call_later)
interval must be a number of seconds or a timedelta, got '5' (to have it run once, write call_later)
interval must be 0.001 s or more, got datetime.timedelta(0) (to have it run once, write call_later; to have it run all the time, a loop)
fn must be callable, got None (did you write f() where f is meant?)
fn must be callable, got 5 (pass the function itself)
missed must be 'coalesce', 'skip' or 'catch_up', got 'all'
jitter must be between 0 and the interval, 1 s, got 2
jitter must be between 0 and the interval, 1 s, got -1
max_instances must be 1 or more, got 0
times must be a whole number, got 1.5
times must be 1 or more, got 0
until must be after the first run is due, got 0.5 (the job would never run)
until must be a datetime, or seconds from now, got datetime.date(2030, 1, 1) (write datetime.combine)
misfire_grace must be 0 or more seconds, or None for no limit, got -1
on must be 'pool', 'thread' or an executor with a submit method, got 'process'
on must be 'pool', 'thread' or an executor with a submit method, got 5
s must be a finite number of seconds, got inf
s must be a number of seconds or a timedelta, got None
fn must be callable, got None (did you write f() where f is meant?)
when must be a datetime, or a number as time.monotonic() gives it, got datetime.time(3, 0) (for a delay, write call_later; for a date and a time of day, datetime.combine)
when must be a datetime, or a number as time.monotonic() gives it, got datetime.timedelta(days=1) (for a delay, write call_later; for a date and a time of day, datetime.combine)
when must be a finite number, got nan
when must be a number as time.monotonic() gives it, got *, which is 32 years away (for a moment of time.time(), pass datetime.fromtimestamp of it)
a Job is not made by hand: write raddle.call_later, call_at or every
""".strip().splitlines()


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_input_is_refused_in_words_that_help(number):
    call, error = BAD[number]
    with pytest.raises(error) as caught:
        call()
    begin, star, end = SAID[number].partition("*")
    text = str(caught.value)
    assert text == SAID[number] or star and text.startswith(begin) and text.endswith(end)


def test_every_bad_input_has_its_text():
    assert len(BAD) == len(SAID)


# ---- the edges of a process's life ----


def test_jobs_do_not_run_in_the_child_of_a_fork():
    out, err = run("""
        import os, raddle, time
        job = raddle.every(0.02, lambda: os.write(1, b"%d\\n" % os.getpid()))
        promised = raddle.call_later(30, print)
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            runs = job.runs
            time.sleep(0.3)
            try:
                promised.result()
            except raddle.MissedError as error:
                print("parent's:", error, flush=True)
            print("own:", raddle.call_later(0.01, pow, 2, 3).result(5), job.next_run, flush=True)
            raise SystemExit
        os.waitpid(child, 0)
        promised.cancel()
        print("parent", os.getpid(), flush=True)
    """)
    lines = out.splitlines()
    pid = next(line.split()[1] for line in lines if line.startswith("parent "))
    assert {line for line in lines if line.isdigit()} == {pid}
    assert any(
        line.startswith("parent's: job 'print' belongs to the process that this one was forked") for line in lines
    )
    assert "own: 8 None" in lines
    assert "still due" not in err and "Traceback" not in err


def test_a_job_that_forks():
    out, _ = run("""
        import os, raddle
        def work():
            child = os.fork()
            if child == 0:
                os._exit(raddle.call_later(0, pow, 2, 3).result(5))
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(raddle.call_later(0, work).result(10))
    """)
    assert out == "8\n"


def test_what_is_still_due_at_the_end_is_named_in_one_line():
    out, err = run("""
        import raddle, time
        begin = time.monotonic()
        for _ in range(2):
            raddle.call_later(3600, print)
        raddle.call_later(3600, print).cancel()
        raddle.every(3600, print)
        print("main is done")
    """)
    assert out == "main is done\n"
    (line,) = err.splitlines()
    assert line.startswith("raddle: 2 jobs were still due at exit: print 2")
    assert run("import raddle; raddle.every(3600, print)") == ("", "")


def test_an_error_that_nobody_took_is_told_at_the_end():
    _, err = run("""
        import ctypes, raddle, time
        job = raddle.call_later(0, divmod, 1, 0)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(job))  # never dies
        time.sleep(0.2)
    """)
    assert err.count("ZeroDivisionError") == 1


@pytest.mark.limit(180)
def test_a_process_ends_whatever_its_jobs_do():
    program = """
        import raddle, sys, threading, time
        for number in range(50):
            raddle.every(0.002, lambda: time.sleep(0.001), first=0)
            raddle.call_later(0.05 + number / 1000, time.sleep, 3600)
        raddle.every(0.001, sum, on="thread") if 0 else raddle.every(0.001, list, on="thread")
        time.sleep(0.08)
    """
    for _ in range(int(os.environ.get("RADDLE_RUNS", "50"))):
        begin = time.monotonic()
        run(program)
        assert time.monotonic() - begin < 10


def test_a_job_does_not_load_with_the_package():
    assert run("import raddle, sys; print('raddle._job' in sys.modules, 'every' in dir(raddle))")[0] == "False True\n"
    with pytest.raises(AttributeError, match="module 'raddle' has no attribute 'nothing'"):
        raddle.nothing  # noqa: B018


def test_the_examples_of_the_docstrings():
    names = ("Job", "MissedError", "call_later", "call_at", "every")
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = [test for name in names for test in finder.find(getattr(raddle, name), name, module=False)]
    for test in examples:
        runner.run(test)
    assert sum(bool(test.examples) for test in examples) >= len(names)
    assert runner.failures == 0
