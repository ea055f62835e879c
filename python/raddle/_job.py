"""Jobs: what `_time.py` makes, and the workers that call the program's functions.

When a run is due and what becomes of one that could not begin is the engine's to know. The program's functions are called
here, by Python code, because a worker may be ended in the middle of one when the interpreter ends.

An error of a run after which its job goes on can be taken by nobody, so it is unhandled at once. That of a job's last run, or
that its only run was missed, waits for `result()` or `last_error`; it is unhandled when the job's object dies or the process
ends without either. `_unhandled` is the one place where these go.

A job does not keep the process alive, as a daemon thread does not: a process with a job that repeats would never end
else, and one that does should have it stopped by its owner. But a single run that was promised is not dropped without a
word: if some are still due when the process ends, one line on stderr names them. Cancelled ones and jobs that repeat are not
named, and the child of a fork has no jobs.
"""

import atexit as _atexit
import sys as _sys
import threading as _real
from datetime import datetime as _datetime
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

__all__ = ["Job", "MissedError", "make", "start"]

# A thread's own errors go the same way, whoever puts a hook there.
_threading: "Any" = _real


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

# Single runs that are not over, for the line at the end, and jobs whose error nobody has taken.
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
        on = self._on
        try:
            if on == "thread":
                _Thread(target=self._call, name=self.name, daemon=True).start()
            elif on != "pool":
                on.submit(self._fn, *self._args).add_done_callback(self._collect)
        except BaseException as error:  # that it cannot be carried out
            self._ended(error)
            return
        try:
            if on == "pool":
                self._call()
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
    try:
        _threading.excepthook(_threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
    except BaseException:
        # As the standard library does: it must not end the worker, nor be lost.
        print("Exception in threading.excepthook:", file=_sys.stderr)
        _sys.excepthook(*_sys.exc_info())


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


def make(
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


def start(job: Job) -> Job:
    """Have the engine drive it."""
    try:
        over = job._start()
    except BaseException:
        _promised.discard(job)
        raise
    if over:
        job._over()
    return job


def _at_zone(seconds: float, zone: "tzinfo | None") -> _datetime:
    return _datetime.fromtimestamp(seconds).astimezone() if zone is None else _datetime.fromtimestamp(seconds, zone)
