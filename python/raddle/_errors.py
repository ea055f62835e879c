"""Errors that left a thread or a job, and what has become of them.

An error is taken (somebody joined the thread, asked the future, a scope or a supervisor has it) or unhandled, never both and
never neither: the engine's `Delivery` sees to that. An unhandled one is delivered once: to the thread's own `on_exception`,
or else as `_hooks.py` says. It is unhandled when nobody can take it any more: the last one who could have is gone, and with
it the `Outcome`; or the interpreter ends.

Of a job there is an outcome only if somebody wants to hear of it: there is a hook, or `raddle run` shall fail on it.
"""

import atexit
import os
import weakref
from functools import partial
from types import TracebackType
from typing import Any

from . import _hooks, _raddle
from . import threading as _threading
from ._reports import ThreadReport, add_lineage, report_of

# Errors that are held for somebody who takes them, by the `id` of their outcome.
_held: "dict[int, weakref.ref[Outcome]]" = {}
_ending = False
_is_counted = False


class Outcome(_raddle.Outcome):
    """What came of one run of a thread, or of one job."""

    _kind = "thread"
    _handle: "_raddle.ThreadHandle | None" = None
    _thread: "weakref.ref[Any] | None" = None
    _first = 0  # the serial of the thread's first run
    _on_exception: "_hooks.Hook | None" = None
    _submission: "_raddle.Submission | None" = None

    def bind(self, thread: Any, handle: "_raddle.ThreadHandle") -> None:
        """Note whose it is."""
        self._handle, self._thread = handle, weakref.ref(thread)
        self._first = thread.__dict__.setdefault("_raddle_first", handle.serial)
        self._on_exception = thread._raddle_on_exception

    def fail(self, error: BaseException) -> None:
        super().fail(error)
        _held[id(self)] = weakref.ref(self)
        if _ending and self.give_up():
            deliver(self)

    def take(self) -> bool:
        _held.pop(id(self), None)
        return super().take()

    def give_up(self) -> bool:
        _held.pop(id(self), None)
        return super().give_up()

    def __del__(self) -> None:
        if self.is_held and self.give_up():
            deliver(self)


def keep(error: object, submission: "_raddle.Submission | None") -> "Outcome | None":
    """The outcome of a job of the calling thread's that fails with this, for its future to hold on to."""
    if not isinstance(error, BaseException):
        return None
    outcome = Outcome()
    outcome._kind, outcome._handle, outcome._submission = "future", _raddle.current_handle(), submission
    if _hooks.are_there():  # a program that does not ask sees its errors as they are
        add_lineage(error, outcome._handle, submission)
    outcome.fail(error)
    return outcome


def empty_frames(traceback: "TracebackType | None") -> None:
    """Clear the locals of the ended functions below those of a traceback."""
    frame = traceback and traceback.tb_frame.f_back
    while frame is not None:
        try:
            frame.clear()
        except RuntimeError:  # it has not ended
            return
        frame = frame.f_back


def undelivered_errors() -> "list[ThreadReport]":
    """The errors that are held for somebody to take them, and that nobody has taken so far.

    >>> import raddle
    >>> thread = raddle.spawn(int, "x", name="reader")
    >>> done, not_done = raddle.wait([thread])
    >>> [(report.thread, report.kind) for report in raddle.undelivered_errors()]
    [('reader', 'thread')]
    >>> thread.exception()
    ValueError("invalid literal for int() with base 10: 'x'")
    >>> raddle.undelivered_errors()
    []
    """
    outcomes = [outcome for outcome in [ref() for ref in list(_held.values())] if outcome is not None]
    return [report for report in [_report(outcome) for outcome in outcomes if outcome.is_held] if report is not None]


def _report(outcome: Outcome) -> "ThreadReport | None":
    error, handle = outcome.error, outcome._handle
    if error is None or handle is None:
        return None
    return report_of(outcome._kind, error, handle, outcome._submission)


class EndedThread:
    """What `threading.excepthook` gets of a thread whose object is no more."""

    ident = native_id = _raddle_outcome = None
    _stderr = None

    def __init__(self, handle: "_raddle.ThreadHandle") -> None:
        self._raddle_handle = handle
        self.name, self.daemon = handle.name, handle.daemon

    def is_alive(self) -> bool:
        return False


def deliver(outcome: Outcome) -> None:
    """Deliver an error that nobody will take any more."""
    error, handle = outcome.error, outcome._handle
    if error is None or handle is None:
        return
    if outcome._on_exception is not None:
        _hooks.call_own(outcome._on_exception, "thread", error, handle, outcome._first)
    elif outcome._kind == "future":
        show = partial(_raddle.unasked, handle, error, outcome._submission) if _is_counted else None
        _hooks.tell("future", error, handle, show=show, submission=outcome._submission)
    else:
        thread = outcome._thread and outcome._thread()
        args = _threading.ExceptHookArgs((type(error), error, error.__traceback__, thread or EndedThread(handle)))
        _hooks.tell("thread", error, handle, show=partial(_threading.excepthook, args), thread=outcome._first)


def deliver_held() -> None:
    """Deliver all errors that are held: the interpreter ends, and nobody will take them. Later ones are delivered at once."""
    global _ending
    _ending = True
    for ref in list(_held.values()):
        outcome = ref()
        if outcome is not None and outcome.give_up():
            deliver(outcome)


def count_jobs() -> None:
    """Report the errors of jobs that nobody asks for as RD003: `raddle run` shall fail on them."""
    global _is_counted
    _is_counted = True
    _hooks.watch_jobs(+1)


atexit.register(deliver_held)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_held.clear)  # which are the parent's to deliver
