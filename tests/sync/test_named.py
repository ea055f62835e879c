"""Condition, Event, BoundedSemaphore, Barrier of the package: a name for reports, and the package's time limits."""

import doctest
import inspect
import subprocess
import sys

import pytest
import raddle
import raddle._sync
import raddle.threading as threading
from raddle import _raddle

NAMED = {
    "Condition": lambda name: raddle.Condition(name=name),
    "Event": lambda name: raddle.Event(name=name),
    "BoundedSemaphore": lambda name: raddle.BoundedSemaphore(name=name),
    "Barrier": lambda name: raddle.Barrier(2, name=name),
}


@pytest.mark.parametrize("kind", NAMED)
def test_they_are_the_drop_ins_with_a_name(kind):
    thing = NAMED[kind]("jobs")
    assert thing.name == "jobs" and NAMED[kind](None).name is None
    assert isinstance(thing, getattr(threading, kind))


@pytest.mark.parametrize("kind", NAMED)
def test_the_name_is_in_what_is_told_of_it(kind):
    """A program that waits for one for ever is told so under its name."""
    wait = {"Condition": "with x: x.wait()", "Event": "x.wait()", "Barrier": "x.wait()"}
    make = {"Barrier": "2, "}.get(kind, "")
    program = f"""
import raddle, threading
x = raddle.{kind}({make}name="the jobs")
{"x.acquire()" if kind == "BoundedSemaphore" else ""}
def body():
    {wait.get(kind, "x.acquire()")}
thread = threading.Thread(target=body)
thread.start()
thread.join(0.2)
import os, signal
from raddle import _raddle
_raddle.configure("raise", 0.1)
signal.setitimer(signal.ITIMER_REAL, 3)
thread.join()
"""
    command = [sys.executable, "-m", "raddle", "run", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert f"{kind} 'the jobs'" in ended.stderr, ended.stderr


INF, NAN = float("inf"), float("nan")


def test_time_limits():
    event, barrier, semaphore = raddle.Event(), raddle.Barrier(1), raddle.BoundedSemaphore()
    condition = raddle.Condition()
    event.set()
    assert event.wait(INF) and barrier.wait(INF) == 0 and semaphore.acquire(timeout=INF)
    event.clear()
    with condition:
        for call in (event.wait, condition.wait, lambda timeout: semaphore.acquire(timeout=timeout)):
            assert call(-INF) is False
            with pytest.raises(ValueError, match="NaN"):
                call(NAN)
    two = raddle.Barrier(2)
    with pytest.raises(ValueError, match="NaN"):
        two.wait(NAN)
    # The drop-in's are the standard library's.
    with pytest.raises(OverflowError):
        threading.Event().wait(INF)


def test_a_wait_without_end_begins():
    from crew import Crew

    event, team = raddle.Event(), Crew()
    team.start("waits", event.wait, INF)
    event.set()
    assert team.join() == [True]


def test_the_names_are_loaded_when_they_are_asked_for():
    program = (
        "import sys, raddle; assert 'raddle._sync' not in sys.modules; assert 'RWLock' in dir(raddle); raddle.RWLock;"
        "assert 'raddle._sync' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'Rwlock'"):
        raddle.Rwlock  # noqa: B018
    for name in raddle._sync.__all__:
        assert getattr(raddle, name) is getattr(raddle._sync, name)


EXAMPLES = [value for name, value in vars(raddle._sync).items() if name in raddle._sync.__all__]


@pytest.mark.parametrize("thing", EXAMPLES, ids=lambda thing: thing.__name__)
def test_the_examples_of_the_docstrings(thing):
    names = {name: getattr(raddle, name) for name in raddle._sync.__all__}
    text = inspect.getdoc(thing)
    assert text
    example = doctest.DocTestParser().get_doctest(text, names, thing.__name__, None, 0)
    assert example.examples or thing is raddle.BoundedSemaphore
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example)
    assert not runner.failures


def test_each_public_method_says_what_it_does():
    for thing in (_raddle.RWLock, _raddle.RWLockSide, _raddle.StrictLock, _raddle.Permits, _raddle.CountDownLatch):
        for name in vars(thing):
            if not name.startswith("_"):
                assert inspect.getdoc(getattr(thing, name)), (thing, name)
