"""Random programs of threads, restarts, timers, pools, scopes and jobs into which errors are injected: each error is taken or
unhandled.

A unit is one run of a thread, or one run of a job, of a pool's or a timed one. Each has a number, which is the text of its error; so who is told of an error says
whose it was. A unit that failed must be found in exactly one place: somebody who asked got it, or one report told of it.

RADDLE_RUNS says how many programs; 10,000 take some minutes.
"""

import gc
import itertools
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import harness
import pytest
import raddle
import raddle.futures
import raddle.threading
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raddle import _errors

pytestmark = pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="the standard library keeps no account")
RUNS = int(os.environ.get("RADDLE_RUNS", "300"))


class Injected(Exception):
    """The error of a unit."""


@dataclass
class Account:
    """What was injected, and who was told of what."""

    numbers: "itertools.count" = field(default_factory=itertools.count)
    injected: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    reported: list = field(default_factory=list)

    def unit(self, fails, inside=()):
        """A function that is one unit. inside: programs that it runs first."""
        number = next(self.numbers)

        def work():
            for program in inside:
                program(self)
            if fails:
                self.injected.append(number)
                raise Injected(number)

        work.number = number
        return work

    def ask(self, method, counts=True):
        """Asks for an error, by a method that raises or returns it. counts: whether that is how it is taken."""
        try:
            error = method()
        except Injected as raised:
            error = raised
        if isinstance(error, Injected) and counts:
            self.asked.append(error.args[0])

    def report(self, report):
        """Is told of an error that nobody took."""
        self.reported.append(report.exception.args[0])


# ---- what a program is made of: functions of an account ----


@st.composite
def threads(draw, inside):
    """A thread with each policy, asked by nobody, one or several, before or after its end."""
    fails, daemon = draw(st.booleans()), draw(st.booleans())
    policy = draw(st.sampled_from(["join", "hook", "function", "on_exception"]))
    asks = draw(st.lists(st.sampled_from(["join", "result", "exception", "joiner"]), max_size=3))
    delay = draw(st.sampled_from([None, None, 0.0005]))
    nested = draw(st.lists(inside, max_size=2))

    def program(account):
        options = {"function": {"on_error": account.report}, "on_exception": {"on_exception": account.report}}
        options = {**options.get(policy, {"on_error": policy}), "daemon": daemon, "start_after": delay}
        thread = raddle.spawn(account.unit(fails, nested), **options)
        takes = policy in ("join", "on_exception")
        joiners = []
        seen = Account()
        for ask in asks:
            if ask == "joiner":
                joiners.append(threading.Thread(target=seen.ask, args=(thread.join,)))
                joiners[-1].start()
            else:
                seen.ask(getattr(thread, ask))
        for joiner in joiners:
            joiner.join()
        assert len(seen.asked) == len(asks) * fails, "everybody who asks gets the error"
        if takes and asks and fails:
            account.asked.append(seen.asked[0])
        raddle.wait([thread])

    return program


@st.composite
def restarts(draw, inside):
    """A thread that runs several times; each run may be asked for."""
    runs = draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=4))

    def program(account):
        units = iter([account.unit(fails) for fails, _ in runs])
        thread = raddle.Thread(target=lambda: next(units)(), restartable=True)
        for number, (_, asks) in enumerate(runs):
            raddle.wait([thread.restart() if number else thread.start()])
            if asks:
                account.ask(thread.exception)

    return program


@st.composite
def drop_ins(draw, inside):
    """A thread or a timer of the drop-in, or a thread of the standard library's; a timer may be cancelled."""
    fails = draw(st.booleans())
    make = draw(st.sampled_from([raddle.threading.Thread, threading.Thread, raddle.threading.Timer]))
    cancelled = draw(st.booleans())
    nested = draw(st.lists(inside, max_size=1))

    def program(account):
        work = account.unit(fails, nested)
        if make is raddle.threading.Timer:
            thread = make(0.0005, work)
        else:
            thread = make(target=work)
        thread.start()
        if cancelled and hasattr(thread, "cancel"):
            thread.cancel()
        thread.join()

    return program


@st.composite
def pools(draw, inside):
    """A pool of one to three workers, with jobs that are asked for in every way, or not at all."""
    workers = draw(st.integers(1, 3))
    ways = ["result", "exception", "as_completed", "callback", "nobody", "kept"]
    jobs = draw(st.lists(st.tuples(st.booleans(), st.sampled_from(ways)), max_size=5))
    nested = draw(st.lists(inside, max_size=1))

    def program(account):
        kept = []
        with raddle.futures.ThreadPoolExecutor(workers) as pool:
            for fails, way in jobs:
                future = pool.submit(account.unit(fails, nested))
                if way == "callback":
                    future.add_done_callback(lambda future: account.ask(future.exception))
                elif way == "as_completed":
                    [future] = raddle.futures.as_completed([future])
                    account.ask(future.result)
                elif way == "kept":
                    kept.append(future)
                elif way != "nobody":
                    account.ask(getattr(future, way))
                del future

    return program


@st.composite
def scopes(draw, inside):
    """A scope with threads, one of which may be supervised; its errors leave as a group, and are those of its threads."""
    policy = draw(st.sampled_from(["collect", "stop_siblings"]))
    fails = draw(st.lists(st.booleans(), max_size=4))
    supervised = draw(st.booleans())
    # A part that is stopped in the middle would leave threads behind that outlive the program.
    nested = draw(st.lists(inside, max_size=1)) if policy == "collect" else []

    def program(account):
        retries = iter([account.unit(False), account.unit(False)])
        try:
            with raddle.Scope(on_error=policy) as scope:
                for fail in fails:
                    scope.spawn(account.unit(fail, nested))
                if supervised:
                    scope.spawn(lambda: next(retries)(), restart="transient")
        except ExceptionGroup as group:
            for error in group.exceptions:
                account.ask(lambda error=error: error)

    return program


@st.composite
def jobs(draw, inside):
    """A job that runs once or up to three times, carried out by any of those who can, and asked for in each way or by nobody.

    The errors of all runs but the last are unhandled at once; that of the last waits for who asks, or for the job's end.
    """
    runs = draw(st.lists(st.booleans(), min_size=1, max_size=3))
    on = draw(st.sampled_from(["pool", "thread", "executor"]))
    way = draw(st.sampled_from(["result", "last_error", "nobody"]))
    nested = draw(st.lists(inside, max_size=1))

    def program(account):
        units = [account.unit(fails, nested if at == 0 else ()) for at, fails in enumerate(runs)]
        coming, begun = iter(units), []

        def run():
            unit = next(coming)
            begun.append(unit.number)
            unit()

        with raddle.futures.ThreadPoolExecutor(1) as executor:
            by = executor if on == "executor" else on
            if len(runs) == 1:
                job = raddle.call_later(0.0005, run, on=by)
            else:
                job = raddle.every(0.001, run, times=len(runs), missed="catch_up", on=by)
            assert job._wait(20), f"it is over at some time: {job!r}"
        if way == "result":
            account.ask(job.result)
        elif way == "last_error":
            latest = job.last_error
            # That of a run before the last is unhandled already.
            account.ask(lambda: latest, counts=latest is not None and latest.args[0] == begun[-1])
            latest = None
        job = None
        own = set(begun).intersection(account.injected)
        # The workers tell of what nobody took, a moment later.
        end = time.monotonic() + 20
        while not own.issubset([*account.asked, *account.reported]) and time.monotonic() < end:
            time.sleep(0.0001)

    return program


def one_of(inside):
    """Any part, with parts of its own."""
    return st.one_of(threads(inside), restarts(inside), drop_ins(inside), pools(inside), scopes(inside), jobs(inside))


PARTS = st.recursive(one_of(st.just(lambda account: None)), one_of, max_leaves=6)


@pytest.fixture
def quiet(monkeypatch):
    """Nothing is printed, and the interpreter does not end."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    yield
    _errors._ending = False


@pytest.mark.limit(30 + RUNS)
def test_injected_is_taken_plus_unhandled(quiet):
    total = Counter()

    @settings(
        max_examples=RUNS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(PARTS, min_size=1, max_size=4))
    def check(program):
        account = Account()
        _errors._ending = False
        with raddle.add_exception_hook(account.report):
            for part in program:
                part(account)
            gc.collect()
            _errors.deliver_held()
        found = Counter(account.asked) + Counter(account.reported)
        assert found == Counter(account.injected), "each error in exactly one place"
        total.update(
            programs=1, injected=len(account.injected), taken=len(account.asked), unhandled=len(account.reported)
        )
        gc.freeze()  # or each collection would look at all that was kept of the programs before

    try:
        check()
    finally:
        gc.unfreeze()
    print(dict(total))
    assert total["injected"] == total["taken"] + total["unhandled"] > RUNS
