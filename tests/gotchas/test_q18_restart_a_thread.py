"""Question 18: restarting a thread, by hand and by supervision, whose rules are OTP's for one_for_one."""

import time

import pytest
import raddle
from raddle import ThreadState


class Flaky:
    """Fails in its first runs, then returns how many there were."""

    def __init__(self, failures, error=ValueError):
        self.failures, self.error, self.runs = failures, error, 0

    def __call__(self):
        self.runs += 1
        if self.runs <= self.failures:
            raise self.error(f"run {self.runs}")
        return self.runs


def test_a_thread_that_kept_its_target_runs_again():
    flaky = Flaky(1)
    thread = raddle.Thread(target=flaky, name="flaky", restartable=True).start()
    first = (thread.serial, thread.name)
    with pytest.raises(ValueError):
        thread.join()
    assert thread.restart() is thread and thread.result() == 2
    assert (thread.generation, thread.state, thread.name) == (1, ThreadState.FINISHED, "flaky")
    assert thread.serial != first[0]
    assert thread.restart().result() == 3 and thread.generation == 2


def test_a_stop_does_not_outlive_its_run():
    thread = raddle.spawn(raddle.sleep, 60, restartable=True)
    assert thread.stop(wait=5) and thread.state is ThreadState.STOPPED
    thread.restart()
    assert not thread.stop_requested and not thread.join(0.05)
    assert thread.stop(wait=5)
    early = raddle.Thread(target=int, restartable=True)
    early.stop()
    assert early.restart().result() == 0


def test_a_subclass_with_its_own_run_keeps_what_it_needs_itself():
    class Worker(raddle.Thread):
        def run(self):
            return self.generation

    thread = Worker().start()
    thread.join()
    assert thread.restart().result() == 1


def test_what_cannot_be_restarted_says_why():
    thread = raddle.spawn(int, name="once")
    thread.join()
    with pytest.raises(raddle.ThreadStateError) as told:
        thread.restart()
    assert str(told.value) == "thread 'once' did not keep its target (pass restartable=True)"
    new = raddle.Thread(target=int, restartable=True, name="new")
    with pytest.raises(raddle.ThreadStateError, match=r"'new' is new and cannot be restarted \(call start\(\)\)"):
        new.restart()
    running = raddle.spawn(raddle.sleep, 60, restartable=True)
    with pytest.raises(raddle.ThreadStateError, match=r"cannot be restarted \(stop\(\) and join\(\) it first\)"):
        running.restart()
    running.stop(wait=5)


def test_an_error_that_nobody_took_is_not_lost_by_a_restart():
    reports = []
    thread = raddle.Thread(target=Flaky(1), restartable=True, on_exception=reports.append).start()
    while not thread.done:
        time.sleep(0.001)
    thread.restart().join()
    assert [report.error for report in reports] == ["ValueError: run 1"]


# Who is run again after what, as OTP's table has it.
@pytest.mark.parametrize(
    ("restart", "target", "runs", "end"),
    [
        ("permanent", Flaky(0), 4, "SupervisorGaveUp"),
        ("permanent", Flaky(9), 4, "SupervisorGaveUp"),
        ("transient", Flaky(0), 1, None),
        ("transient", Flaky(2), 3, None),
        ("transient", Flaky(9), 4, "SupervisorGaveUp"),
        ("transient", Flaky(9, SystemExit), 1, None),
        ("temporary", Flaky(0), 1, None),
        ("temporary", Flaky(9), 1, "ValueError"),
    ],
)
def test_who_is_run_again(restart, target, runs, end):
    target.runs = 0
    thread = raddle.spawn(target, restart=restart, max_restarts=3, within=60)
    error = thread.exception(20)
    assert (target.runs, error and type(error).__name__) == (runs, end)
    assert thread.generation == runs - 1


def test_who_gives_up_says_what_happened():
    thread = raddle.spawn(Flaky(9), name="db", restart="transient", max_restarts=1, within=60)
    with pytest.raises(raddle.SupervisorGaveUp) as told:
        thread.join()
    assert str(told.value) == "thread 'db' ended 2 times within 60 s, which is more than max_restarts=1"
    assert [str(error) for error in told.value.__cause__.exceptions] == ["run 1", "run 2"]


def test_failures_that_are_far_apart_do_not_count_together():
    target = Flaky(6)
    thread = raddle.spawn(target, restart="transient", max_restarts=1, within=0.02, backoff=0.05)
    assert thread.result(20) == 7


def test_a_stop_ends_the_supervision():
    target = Flaky(99)
    thread = raddle.spawn(target, restart="permanent", max_restarts=99, backoff=raddle.Exponential(30, 60))
    while not thread.activity.startswith("blocked"):
        time.sleep(0.001)
    assert thread.stop(wait=5) and thread.state is ThreadState.STOPPED and target.runs == 1


def test_backoff():
    exact = raddle.Exponential(0.5, 4, jitter=False)
    assert [exact(failures) for failures in range(1, 6)] == [0.5, 1, 2, 4, 4]
    assert exact(10**6) == 4
    loose = raddle.Exponential(1, 1)
    assert all(0.5 <= loose(1) <= 1 for _ in range(100))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"restart": "always"}, "restart must be one of 'permanent', 'transient', 'temporary', got 'always'"),
        ({"restart": "transient", "max_restarts": -1}, "max_restarts must be 0 or more, got -1"),
        ({"restart": "transient", "within": 0}, "within must be a number of seconds above 0, got 0"),
        ({"restart": "transient", "backoff": -1}, "backoff must be seconds, 0 or more, .*got -1"),
    ],
)
def test_bad_rules(options, text):
    with pytest.raises(ValueError, match=text):
        raddle.spawn(int, **options)
    with pytest.raises(ValueError, match="0 <= first <= most"):
        raddle.Exponential(2, 1)
