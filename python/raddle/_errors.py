"""Errors that left a thread and that nobody took: one way for all of them, and who started the thread.

An error is taken (somebody joined the thread, a scope or a supervisor has it) or unhandled, never both and never neither. An
unhandled one is delivered once: to the thread's own `on_exception`, or to the hooks of `add_exception_hook` and to
`threading.excepthook`, which is the standard library's unless the program has set another.
"""

import sys
import traceback
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _raddle
from . import threading as _threading


class SpawnSite(NamedTuple):
    """One link of a lineage: `thread` was started by `parent`, at `file`:`line` in `function`."""

    thread: str
    parent: str
    file: "str | None"
    line: "int | None"
    function: "str | None"


class ThreadReport(NamedTuple):
    """An error that left a thread, as plain data: it may be kept, sent and pickled, and keeps nothing else alive.

    kind: where it left: "thread".
    thread: the thread's name.
    serial: its number.
    error: the class and text of the error, on one line.
    traceback: as Python shows it, with who started the thread.
    lineage: who started the thread, who started that one, and so on.
    """

    kind: str
    thread: str
    serial: int
    error: str
    traceback: str
    lineage: "tuple[SpawnSite, ...]"


# Errors that are held for somebody to join their thread, by the number of the thread.
_held: "dict[int, weakref.ref[Outcome]]" = {}


class Outcome(_raddle.Outcome):
    """What came of one run of a thread."""

    _name = "?"
    _serial = 0
    _on_exception: "Callable[[ThreadReport], object] | None" = None

    def bind(self, thread: Any, handle: "_raddle.ThreadHandle") -> None:
        """Note whose it is."""
        self._name, self._serial = thread.name, handle.serial
        self._on_exception = thread._raddle_on_exception

    def fail(self, error: BaseException) -> None:
        super().fail(error)
        _held[self._serial] = weakref.ref(self)

    def take(self) -> bool:
        _held.pop(self._serial, None)
        return super().take()

    def give_up(self) -> bool:
        _held.pop(self._serial, None)
        return super().give_up()

    def __del__(self) -> None:
        if self.give_up():
            deliver(self)


def undelivered_errors() -> "list[ThreadReport]":
    """The errors that are held for somebody to join their thread, and that nobody has taken so far."""
    outcomes = [outcome for outcome in [ref() for ref in list(_held.values())] if outcome is not None]
    return [report_of(outcome) for outcome in outcomes if outcome.is_held]


def lineage(error: BaseException) -> "list[SpawnSite]":
    """Who started the thread that an error left, who started that one, and so on; empty if it left none."""
    return list(getattr(error, "__raddle_lineage__", ()))


def add_lineage(error: BaseException, handle: "_raddle.ThreadHandle") -> None:
    """Note on an error who started the thread that it leaves, once."""
    if getattr(error, "__raddle_lineage__", None) is not None:
        return
    name, sites = handle.name, []
    for parent, place in handle.lineage:
        file, line, function = place or (None, None, None)
        sites.append(SpawnSite(name, parent, file, line, function))
        name = parent
    try:
        error.__raddle_lineage__ = tuple(sites)  # type: ignore[attr-defined]
    except AttributeError:  # a class of the program's that takes none
        return
    error.add_note("\n".join(map(_shown, sites)))


def leave_out_ours(error: BaseException) -> None:
    """Have an error's traceback begin where raddle called the program."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("raddle."):
        traceback = traceback.tb_next
    error.__traceback__ = traceback


def _shown(site: SpawnSite) -> str:
    text = f"Thread {site.thread!r} was started by {site.parent!r}"
    if site.file is None:
        return text
    function = f", in {site.function}" if site.function else ""
    return f'{text} at:\n  File "{site.file}", line {site.line}{function}'


def report_of(outcome: Outcome) -> ThreadReport:
    """The report of the error of an outcome."""
    error = outcome.error
    assert error is not None
    text = "".join(traceback.format_exception(error))
    one_line = traceback.format_exception_only(error)[0].strip()
    return ThreadReport("thread", outcome._name, outcome._serial, one_line, text, tuple(lineage(error)))


_hooks: "list[Callable[[ThreadReport], object]]" = []


def add_exception_hook(fn: "Callable[[ThreadReport], object]") -> None:
    """Have `fn(report)` called for each error that left a thread and that nobody took."""
    if not callable(fn):
        raise TypeError(f"add_exception_hook needs a function, got {type(fn).__name__}")
    _hooks.append(fn)


def guarded(function: "Callable[..., object]", *args: Any) -> None:
    """Call a function of the program's; what it raises is shown, and stays here."""
    try:
        function(*args)
    except BaseException as error:
        sys.unraisablehook(
            _Unraisable(type(error), error, error.__traceback__, None, function)  # type: ignore[arg-type]
        )


class _Unraisable(NamedTuple):
    exc_type: type
    exc_value: BaseException
    exc_traceback: Any
    err_msg: "str | None"
    object: Any


def deliver_held() -> None:
    """Deliver what is still held: the program ends, and nobody will join those threads any more."""
    for outcome in [ref() for ref in list(_held.values())]:
        if outcome is not None and outcome.give_up():
            deliver(outcome)


class _Ended:
    """What a hook gets for a thread that is no more."""

    def __init__(self, name: str, serial: int) -> None:
        self.name, self.serial, self.ident = name, serial, None


def deliver(outcome: Outcome) -> None:
    """Deliver an error that nobody will take any more."""
    error = outcome.error
    if error is None:
        return
    if outcome._on_exception is not None:
        guarded(outcome._on_exception, report_of(outcome))
        return
    if _hooks:
        report = report_of(outcome)
        for hook in list(_hooks):
            guarded(hook, report)
    thread = _Ended(outcome._name, outcome._serial)
    args = _threading.ExceptHookArgs((type(error), error, error.__traceback__, thread))
    guarded(_threading.excepthook, args)
