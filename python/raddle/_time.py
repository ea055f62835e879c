"""Jobs: what is done at a moment, or again and again.

When a run is due and what becomes of one that could not begin is the engine's to know. Here are the names, what a moment
means that is said as a `datetime`, and the calls of the program's functions: these are Python code called by Python code,
because a worker may be ended in the middle of one when the interpreter ends.

An error of a run after which its job goes on can be taken by nobody, so it is unhandled at once. That of a job's last run, or
that its only run was missed, waits for `result()` or `last_error`; it is unhandled when the job's object dies or the process
ends without either. `_unhandled` is the one place where these go.

A job does not keep the process alive, as a daemon thread does not: a process with a job that repeats would never end
else, and one that does should have it stopped by its owner. But a single run that was promised is not dropped without a
word: if some are still due when the process ends, one line on stderr names them. Cancelled ones and jobs that repeat are not
named, and the child of a fork has no jobs.
"""

import atexit as _atexit
import math as _math
import os as _os
import sys as _sys
import threading as _real
import time as _clock
from datetime import date as _date
from datetime import datetime as _datetime
from datetime import time as _time_of_day
from datetime import timedelta as _timedelta
from itertools import count as _count
from weakref import WeakSet as _WeakSet

from . import _raddle
from .threading import Thread as _Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from types import TracebackType
    from typing import Any

    Seconds = float | _timedelta

__all__ = ["Job", "MissedError", "call_at", "call_later", "every"]

# A thread's own errors go the same way, whoever puts a hook there.
_threading: "Any" = _real

_SHORTEST = 0.001  # seconds between two runs: what is due sooner after one another is done together anyway
_MISFIRE_GRACE = 60.0
_POLICIES = ("coalesce", "skip", "catch_up")


class MissedError(RuntimeError):
    """The only run of a job could not begin within its `misfire_grace`. `due` says when it should have.

    >>> import raddle, datetime
    >>> yesterday = datetime.datetime.now() - datetime.timedelta(days=1)
    >>> job = raddle.call_at(yesterday, print, "late")
    >>> job.result()
    Traceback (most recent call last):
    ...
    raddle.MissedError: job 'print' was due at ...
    """

    due: _datetime


MissedError.__module__ = "raddle"

# Single runs that are still to come, for the line at the end, and jobs whose error nobody has taken.
_promised: "set[Job]" = set()
_failed: "_WeakSet[Job]" = _WeakSet()


class Job(_raddle.Job):
    """What `call_later`, `call_at` and `every` give: a hold on something that is going to be done.

    Dropping it lets the job go on. In the child of a fork it does nothing any more.

    name: that of the function.
    paused: whether no run begins until `resume()`.

    >>> import raddle
    >>> job = raddle.call_later(3600, print, "an hour has passed")
    >>> job.cancel(), job.next_run, job.runs
    (True, None, 0)
    """

    if TYPE_CHECKING:
        _fn: Callable[..., Any]
        _args: tuple[Any, ...]
        _on: Any
        _zone: tzinfo | None
        _grace: float | None
        _value: Any
        _error: BaseException | None
        _traceback: TracebackType | None
        _thread: _real.Thread
        _untaken: BaseException | None
        _taken: BaseException | None

    __slots__ = (
        "_fn",
        "_args",
        "_on",
        "_zone",
        "_grace",
        "_value",
        "_error",
        "_traceback",
        "_thread",
        "_untaken",
        "_taken",
    )

    def __new__(cls, *_args: object, **_kwargs: object) -> "Job":
        raise TypeError("a Job is not made by hand: write raddle.call_later, call_at or every")

    def cancel(self) -> bool:
        """Let no run begin any more; return whether that changes anything.

        It does not if the job is over, nor if its only run has begun. A run that is under way goes on, and then the job is
        over.
        """
        news, over = self._cancel()
        if over:
            self._over()
        return news

    def pause(self) -> None:
        """Let no run begin until `resume()`. A run that is under way goes on. A job that is paused does not end."""
        self._pause()

    def resume(self) -> None:
        """Undo a `pause()`. What was due meanwhile is missed, or begins now, as `missed` and `misfire_grace` say.

        Raises ThreadStartError if the system refuses the timers a thread; the job is paused still.
        """
        if self._resume():
            self._over()

    @property
    def next_run(self) -> "_datetime | None":
        """When the next run is due, in the zone of the moment that was given, else in the local one.

        None if there is none, or the job is paused. A job that does not go by the clock on the wall has its moment told on
        that clock, as far as can be known now.
        """
        due = self._next_run()
        return None if due is None else _at_zone(due, self._zone)

    def _now(self) -> "tuple[int, int, int, int]":
        *stats, over = self._stats()
        if over:
            self._over()
        return tuple(stats)  # type: ignore[return-value]

    @property
    def runs(self) -> int:
        """How many runs have begun."""
        return self._now()[0]

    @property
    def failures(self) -> int:
        """How many runs have raised an error."""
        return self._now()[2]

    @property
    def missed(self) -> int:
        """How many runs were due and did not begin, nor will: see `missed` and `misfire_grace` of `every`."""
        return self._now()[3]

    @property
    def last_error(self) -> "BaseException | None":
        """The error of the latest run that raised one, or a MissedError if the only run was missed, or None.

        Who reads it has taken the error: it will not be reported as unhandled any more.
        """
        if self._end() == "missed":
            self._note_missed()
        error = self._error
        self._taken, self._untaken = error, None
        return error

    def result(self, timeout: "float | None" = None) -> "Any":
        """Wait until the job is over; return what its last run returned, or raise that run's error.

        timeout: seconds to wait at most; None: no limit.

        Raises TimeoutError if it is not over by then, MissedError if its only run was missed, and
        `concurrent.futures.CancelledError` if it was cancelled.

        >>> import raddle
        >>> raddle.call_later(0.01, pow, 2, 5).result()
        32
        """
        if not self._wait(timeout):
            raise TimeoutError(self._not_over(timeout))
        end = self._end()
        if end == "cancelled":
            from concurrent.futures import CancelledError

            raise CancelledError(f"job {self.name!r} was cancelled")
        if end == "left behind":
            raise MissedError(f"job {self.name!r} belongs to the process that this one was forked from; start it here")
        if end == "missed" or self._last_failed():
            error = self.last_error
            assert error is not None
            try:
                # Raised again and again, its traceback does not grow.
                raise error.with_traceback(self._traceback)
            finally:
                # Its frames must not keep the job alive, which has the error.
                del self, error
        return self._value

    def _not_over(self, timeout: "float | None") -> str:
        due = "paused" if self.paused else f"its next run is due at {self.next_run}" if self.next_run else "it runs"
        return f"job {self.name!r} was not over within {timeout} s: {due}, {self.runs} have begun"

    def __repr__(self) -> str:
        state = self._end() or ("paused" if self.paused else f"next run {self.next_run or 'none'}")
        return f"<raddle.Job {self.name!r} {state}, {self.runs} runs>"

    def __del__(self) -> None:
        self._give_up()

    # ---- by workers ----

    def _begin(self) -> None:
        """Have a run carried out by whom the job's `on` says."""
        _promised.discard(self)
        on = self._on
        try:
            if on == "pool":
                self._call()
            elif on == "thread":
                _Thread(target=self._call, name=self.name, daemon=True).start()
            else:
                on.submit(self._fn, *self._args).add_done_callback(self._collect)
        except BaseException as error:  # that it cannot be carried out
            self._ended(error)
        finally:
            del self  # a traceback keeps the frames below its own, and what they know

    def _call(self) -> None:
        self._runs_here()
        try:
            value = self._fn(*self._args)
        except BaseException as error:
            self._ended(_without_ours(error))
        else:
            self._value = value
            self._done(False)
        finally:
            del self  # as in `_begin`

    def _collect(self, future: "Any") -> None:
        """The executor is done with a run, or its job was cancelled."""
        try:
            error = future.exception()
        except BaseException as cancelled:
            error = cancelled
        if error is not None:
            self._ended(error)
        else:
            self._value = future.result()
            self._done(False)

    def _done(self, failed: bool) -> bool:
        over = self._finish(failed)
        if over:
            self._over()
        return over

    def _ended(self, error: BaseException) -> None:
        """A run has failed."""
        self._error, self._traceback = error, error.__traceback__
        if self._done(True):
            self._keep(error)
        else:
            _unhandled(error, _real.current_thread())

    def _keep(self, error: BaseException) -> None:
        """Nobody has taken it yet, unless somebody did since the end of the run."""
        self._thread = _real.current_thread()
        self._untaken = error
        _failed.add(self)
        if self._taken is error:
            self._untaken = None

    def _over(self) -> None:
        """No run comes any more."""
        _promised.discard(self)
        if self._end() == "missed":
            self._keep(self._note_missed())
        self._fn, self._args = _nothing, ()

    def _note_missed(self) -> BaseException:
        if self._error is None:
            due, late = self._late() or (0.0, 0.0)
            at = _at_zone(due, self._zone)
            error = MissedError(
                f"job {self.name!r} was due at {at}, {late:.1f} s before it could begin, and may be late by "
                f"{self._grace:g} s (pass misfire_grace=None to have it run however late it is)"
            )
            error.due = at
            with _naming:
                self._error = self._error or error
        return self._error

    def _give_up(self) -> None:
        """Nobody will take the error any more."""
        error, self._untaken = self._untaken, None
        if error is not None:
            _unhandled(error, self._thread)


Job.__module__ = "raddle"
_naming = _raddle.Lock()


def _nothing(*_args: object) -> None:
    """The function of a job that is over."""


def _without_ours(error: BaseException) -> BaseException:
    """The error with the frames of the program's only."""
    return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)


def _unhandled(error: BaseException, thread: "_real.Thread") -> None:
    """The one way of errors that nobody takes: that of an error that leaves a thread, in this case the job's worker."""
    _threading.excepthook(_threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))


class _Worker(_Thread):
    """A thread that takes what is due, one after the other."""

    def run(self) -> None:
        while (taken := _raddle.next_job()) is not None:
            job, over = taken
            if over:
                job._over()
            else:
                job._begin()
            del job, taken  # it may be the last to know it


_numbers = _count(1)


def _work() -> None:
    """The life of a worker, whose thread of the system runs already."""
    worker = _Worker(name=f"raddle-job-{next(_numbers)}", daemon=True)
    handle = worker._raddle_handle = _raddle.ThreadHandle.adopt(worker)
    handle.rename(worker.name)
    with _threading._active_limbo_lock:
        _threading._limbo[worker] = worker
    worker._bootstrap()


_raddle.work_with(_work)


def _at_exit() -> None:
    left = [(job, job.next_run) for job in list(_promised)]
    left = [(job, due) for job, due in left if job.cancel()]
    if left and _sys.stderr is not None:
        jobs = [f"{job.name} {due or '(paused)'}" for job, due in left]
        more = [f"and {len(jobs) - 5} more"] if len(jobs) > 5 else []
        one = len(left) == 1
        print(
            f"raddle: {len(left)} job{' was' if one else 's were'} still due at exit: {', '.join(jobs[:5] + more)}",
            file=_sys.stderr,
        )
    for job in list(_failed):
        job._give_up()


_atexit.register(_at_exit)
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_promised.clear)


def call_later(s: "Seconds", fn: "Callable[..., Any]", /, *args: "Any", on: "Any" = "pool") -> Job:
    """Call `fn(*args)` once, `s` seconds from now, and return a `Job`.

    s: seconds, or a timedelta; less than 0 is 0. The clock on the wall does not matter to it.
    on: "pool": a thread that is shared with other jobs, of which there are as many as are needed; "thread": one of its own;
        or an executor, whose `submit` is called.

    The job does not keep the process alive: if it is still due when that ends, a line on stderr says so.

    Raises TypeError or ValueError for arguments that make no sense, ThreadStartError if the system refuses a thread.

    >>> import raddle
    >>> job = raddle.call_later(0.01, print, "later")
    >>> job.result()
    later
    """
    delay = _seconds("s", s, None)
    return _start(_made(fn, args, on, (max(delay, 0.0), False)))


def call_at(
    when: "_datetime | float",
    fn: "Callable[..., Any]",
    /,
    *args: "Any",
    misfire_grace: "Seconds | None" = _MISFIRE_GRACE,
    on: "Any" = "pool",
) -> Job:
    """Call `fn(*args)` once at a moment, and return a `Job`.

    when: a datetime, which is local time if it has no zone, or a number as `time.monotonic()` gives it. With a datetime
        the run comes when the clock on the wall says so, also if that is set meanwhile. A time that daylight saving skips is
        the first moment after the gap; of a time that comes twice, `fold` says which is meant.
    misfire_grace: by how many seconds the run may be late; None: any. A moment that has passed is late from the beginning. If
        it is too late, `result()` raises MissedError.
    on: as for `call_later`.

    The job does not keep the process alive: if it is still due when that ends, a line on stderr says so.

    Raises TypeError or ValueError for arguments that make no sense, ThreadStartError if the system refuses a thread.

    >>> import raddle, datetime
    >>> soon = datetime.datetime.now() + datetime.timedelta(seconds=0.01)
    >>> raddle.call_at(soon, max, 3, 4).result()
    4
    """
    zone = None
    if isinstance(when, _datetime):
        first, zone = (_instant(when), True), when.tzinfo
    else:
        first = (_from_now(when), False)
    grace = _optional("misfire_grace", misfire_grace)
    return _start(_made(fn, args, on, first, grace=grace, zone=zone))


def every(
    interval: "Seconds",
    fn: "Callable[[], Any]",
    /,
    *,
    first: "_datetime | Seconds | None" = None,
    missed: str = "coalesce",
    jitter: "Seconds" = 0,
    max_instances: int = 1,
    times: "int | None" = None,
    until: "_datetime | Seconds | None" = None,
    misfire_grace: "Seconds | None" = None,
    on: "Any" = "pool",
) -> Job:
    """Call `fn()` again and again, and return a `Job`.

    The n-th run is due n intervals after the first, however long the runs before took: there is no drift. A run that
    raises is reported as an error that leaves a thread, and the job goes on.

    interval: seconds, or a timedelta, of 0.001 s at least. A day is 24 hours, also when daylight saving begins or ends.
    first: when the first run is due: seconds or a timedelta from now, 0 for at once; or a datetime, as for `call_at`, and then
        all runs follow the clock on the wall. None: after one interval.
    missed: what becomes of runs that could not begin when they were due, because the job was paused, or had
        `max_instances` under way, or the machine was asleep. "coalesce": one run stands for all, as soon as possible, and the
        others are missed. "skip": those that came during a pause or while the job was busy are missed; if several are due at
        once for another reason, the latest begins. "catch_up": each of them begins, as soon as possible.
        `Job.missed` counts those that are missed.
    jitter: each run is due up to so many seconds later than it would be, by chance. Not more than the interval.
    max_instances: how many runs may be under way at the same time.
    times: how many runs begin before the job is over; None: no limit.
    until: no run is due after this: seconds or a timedelta from now, or a datetime; None: no limit.
    misfire_grace: by how many seconds a run may be late before it is missed; None: any.
    on: as for `call_later`.

    The job does not keep the process alive.

    Raises TypeError or ValueError for arguments that make no sense, ThreadStartError if the system refuses a thread.

    >>> import raddle
    >>> job = raddle.every(0.01, lambda: print("tick"), times=3)
    >>> job.result()
    tick
    tick
    tick
    >>> job.runs
    3
    """
    seconds = _seconds("interval", interval, "to have it run once, write call_later")
    if seconds < _SHORTEST:
        text = f"interval must be {_SHORTEST} s or more, got {interval!r}"
        raise ValueError(f"{text} (to have it run once, write call_later; to have it run all the time, a loop)")
    if missed not in _POLICIES:
        raise ValueError(f"missed must be 'coalesce', 'skip' or 'catch_up', got {missed!r}")
    chance = _seconds("jitter", jitter, None)
    if not 0 <= chance <= seconds:
        raise ValueError(f"jitter must be between 0 and the interval, {seconds:g} s, got {jitter!r}")
    beginning = _moment("first", seconds if first is None else first)
    end = None if until is None else _moment("until", until)
    if end is not None and _is_before(end, beginning):
        raise ValueError(f"until must be after the first run is due, got {until!r} (the job would never run)")
    return _start(
        _made(
            fn,
            (),
            on,
            beginning,
            every=seconds,
            missed=missed,
            grace=_optional("misfire_grace", misfire_grace),
            jitter=chance,
            max_instances=_number("max_instances", max_instances),
            times=None if times is None else _number("times", times),
            until=end,
            zone=first.tzinfo if isinstance(first, _datetime) else None,
        )
    )


def _made(
    fn: "Any",
    args: "tuple[Any, ...]",
    on: "Any",
    first: "tuple[float, bool]",
    *,
    zone: "tzinfo | None" = None,
    grace: "float | None" = None,
    **rules: "Any",
) -> Job:
    """A job that has not been started."""
    if not callable(fn):
        hint = "did you write f() where f is meant?" if fn is None else "pass the function itself"
        raise TypeError(f"fn must be callable, got {fn!r} ({hint})")
    if on not in ("pool", "thread") and not callable(getattr(on, "submit", None)):
        raise (ValueError if isinstance(on, str) else TypeError)(
            f"on must be 'pool', 'thread' or an executor with a submit method, got {on!r}"
        )
    job = _raddle.Job.__new__(
        Job, getattr(fn, "__qualname__", None) or type(fn).__qualname__, first, grace=grace, **rules
    )
    job._fn, job._args, job._on, job._zone, job._grace = fn, args, on, zone, grace
    job._value = job._error = job._traceback = job._untaken = job._taken = None
    if "every" not in rules:
        _promised.add(job)
    return job


def _start(job: Job) -> Job:
    try:
        over = job._start()
    except BaseException:
        _promised.discard(job)
        raise
    if over:
        job._over()
    return job


# ---- what arguments mean ----


def _seconds(name: str, value: "Any", hint: "str | None") -> float:
    if isinstance(value, _timedelta):
        return value.total_seconds()
    more = f" ({hint})" if hint else ""
    if isinstance(value, (bool, str, bytes, complex)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number of seconds or a timedelta, got {value!r}{more}")
    seconds = float(value)
    if not _math.isfinite(seconds):
        raise ValueError(f"{name} must be a finite number of seconds, got {value!r}{more}")
    return seconds


def _optional(name: str, value: "Any") -> "float | None":
    if value is None:
        return None
    seconds = _seconds(name, value, "None for no limit")
    if seconds < 0:
        raise ValueError(f"{name} must be 0 or more seconds, or None for no limit, got {value!r}")
    return seconds


def _number(name: str, value: "Any") -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    number = value.__index__()
    if number < 1:
        raise ValueError(f"{name} must be 1 or more, got {value!r}")
    return int(number)


def _moment(name: str, value: "Any") -> "tuple[float, bool]":
    """Seconds, and whether they are since 1970 and not from now."""
    if isinstance(value, _datetime):
        return _instant(value), True
    if isinstance(value, (_date, _time_of_day)):
        raise TypeError(f"{name} must be a datetime, or seconds from now, got {value!r} (write datetime.combine)")
    return max(_seconds(name, value, None), 0.0), False


def _is_before(moment: "tuple[float, bool]", other: "tuple[float, bool]") -> bool:
    now = _clock.time()
    (a, b) = (at if on_wall else now + at for at, on_wall in (moment, other))
    return a < b


def _from_now(when: "Any") -> float:
    """How many seconds from now a moment is that `time.monotonic()` will give."""
    if isinstance(when, (_date, _time_of_day, _timedelta, str, bytes, bool)) or not hasattr(when, "__float__"):
        raise TypeError(
            f"when must be a datetime, or a number as time.monotonic() gives it, got {when!r} (for a delay, write "
            "call_later; for a date and a time of day, datetime.combine)"
        )
    left = float(when) - _clock.monotonic()
    if not _math.isfinite(left):
        raise ValueError(f"when must be a finite number, got {when!r}")
    if left > 10 * 365 * 86400:
        raise ValueError(
            f"when must be a number as time.monotonic() gives it, got {when!r}, which is {left / 86400 / 365:.0f} years "
            "away (for a moment of time.time(), pass datetime.fromtimestamp of it)"
        )
    return left


def _at_zone(seconds: float, zone: "tzinfo | None") -> _datetime:
    return _datetime.fromtimestamp(seconds).astimezone() if zone is None else _datetime.fromtimestamp(seconds, zone)


def _instant(when: _datetime) -> float:
    """A datetime in seconds since 1970. `fold` decides in a fold; of a time in a gap it is the gap's end."""
    at = when.timestamp()
    wanted = when.replace(tzinfo=None, fold=0)

    def shown(seconds: float) -> _datetime:
        return _datetime.fromtimestamp(seconds, when.tzinfo).replace(tzinfo=None, fold=0)

    if abs(shown(at) - wanted) < _timedelta(milliseconds=1):
        return at
    # In a gap the later offset gives an instant before it, the earlier one an instant after it. Clocks are changed on
    # whole seconds.
    before, after = sorted(when.replace(fold=fold).timestamp() for fold in (0, 1))
    low, high = _math.floor(before), _math.ceil(after)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) > wanted else (middle, high)
    return float(high)
