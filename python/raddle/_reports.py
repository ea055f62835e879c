"""What is said about an error: who started the thread that it left, and a report that may be kept.

A report is made of strings and numbers only. So whoever keeps one keeps no frame, no thread and no object of the program's,
and it can be sent to another process. What is noted on the error itself are plain tuples, for the same reason, and because
an error is pickled with what is noted on it: it can be read where raddle is not.
"""

import os
import reprlib
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from . import _raddle

_LONGEST_TEXT = 100_000  # characters of a traceback, of which the middle is left out
_MOST_FRAMES = 16  # of which the locals are shown: the innermost ones
_MOST_LOCALS = 20  # of one frame


class SpawnSite(NamedTuple):
    """One link of a lineage: `thread` was started by `parent`, at `file`:`line` in `function`.

    Of a job that a pool's thread worked on, the first link says who submitted it, and where.
    """

    thread: str
    parent: str
    file: "str | None"
    line: "int | None"
    function: "str | None"


class FrameReport(NamedTuple):
    """A function that an error left: where it was, and its local variables as (name, text)."""

    file: str
    line: "int | None"
    function: str
    locals: "tuple[tuple[str, str], ...]"


class ThreadReport(NamedTuple):
    """An error that nobody took, as plain data: it may be kept, sent and pickled, and keeps nothing else alive.

    kind: where it came from:
        "thread": it left the function of a `raddle.Thread`;
        "threading": that of a `threading.Thread`;
        "_thread": that of a thread of `_thread`, or a callback on a thread of a C library's;
        "future": a job of a pool's failed, and nobody asked its future;
        "callback": it left a function that was to be called when a thread or a future is done.
    thread: the name of the thread.
    serial: its number, which is never used again.
    error: the class and text of the error, on one line.
    traceback: as Python shows it, with who started the thread.
    lineage: who started the thread, who started that one, and so on.
    frames: the program's functions that the error left, outermost first, at most the innermost 16.
    """

    kind: str
    thread: str
    serial: int
    error: str
    traceback: str
    lineage: "tuple[SpawnSite, ...]"
    frames: "tuple[FrameReport, ...]"

    @property
    def exception(self) -> "BaseException | None":
        """The error itself, as long as the hook runs that was called with this report; None from then on."""
        return _live.get(id(self))


# Pickled by name, and found where they are documented.
for _class in (SpawnSite, FrameReport, ThreadReport):
    _class.__module__ = "raddle"
del _class

# The errors of the reports that are being delivered, by the report's `id`. Not attributes of theirs: those would be kept.
_live: "dict[int, BaseException]" = {}


class Shown:
    """A report while hooks are called with it: only then its `exception` is there."""

    def __init__(self, report: ThreadReport, error: BaseException) -> None:
        self.report = report
        _live[id(report)] = error

    def __enter__(self) -> ThreadReport:
        return self.report

    def __exit__(self, *exc_info: object) -> None:
        del _live[id(self.report)]


def report_of(
    kind: str,
    error: BaseException,
    handle: "_raddle.ThreadHandle",
    submission: "_raddle.Submission | None" = None,
) -> ThreadReport:
    """The report of an error."""
    name = handle.name
    links = lineage(error) or [SpawnSite(*site) for site in _sites(name, (submission or handle).lineage)]
    text = "".join(traceback.format_exception(error))
    if len(text) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        text = f"{text[:half]}\n  [{len(text) - 2 * half} characters are left out]\n{text[-half:]}"
    return ThreadReport(
        kind, name, handle.serial, _shortened(_raddle.one_line(error), 1000), text, tuple(links), tuple(_frames(error))
    )


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


# ---- the locals ----


class _Repr(reprlib.Repr):
    """`repr` of at most so much, whatever it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 120

    def repr_instance(self, x: Any, level: int) -> str:
        # The standard library's lets pass what is no Exception.
        try:
            return super().repr_instance(x, level)
        except BaseException:
            return f"<{type(x).__name__} object>"


_OURS = (
    os.path.dirname(__file__) + os.sep,
    threading.__file__,
    os.sep + os.path.join("concurrent", "futures") + os.sep,
)


def _frames(error: BaseException) -> "Iterator[FrameReport]":
    """The innermost functions of the program's that an error left, outermost first."""
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if not any(ours in entry.tb_frame.f_code.co_filename for ours in _OURS):
            entries.append(entry)
        entry = entry.tb_next
    for entry in entries[-_MOST_FRAMES:]:
        code = entry.tb_frame.f_code
        yield FrameReport(code.co_filename, entry.tb_lineno, code.co_qualname, tuple(_locals(entry.tb_frame)))


def _locals(frame: FrameType) -> "Iterator[tuple[str, str]]":
    variables = frame.f_locals
    if variables is frame.f_globals:  # those of a module are no locals
        return
    shown = _Repr()
    for name in list(variables)[:_MOST_LOCALS]:
        try:
            yield name, _shortened(shown.repr(variables[name]), 400)
        except Exception:  # of a container: `reprlib` asks it for its length and its items
            yield name, f"<{type(variables.get(name)).__name__} object>"


# ---- who started the thread ----


def lineage(error: BaseException) -> "list[SpawnSite]":
    """Who started the thread that an error left, who started that one, and so on; empty if that is not known.

    It is known of errors that left a `raddle.Thread`, and of all that a hook of `add_exception_hook` gets. An error that is
    pickled takes it along.

    >>> import raddle
    >>> def main():
    ...     raddle.spawn(int, "x", name="reader").join()
    >>> error = raddle.spawn(main, name="starter").exception()
    >>> [(site.thread, site.parent) for site in raddle.lineage(error)]
    [('reader', 'starter'), ('starter', 'MainThread')]
    """
    return [SpawnSite(*site) for site in getattr(error, "__raddle_lineage__", ())]


_Site = tuple[str, str, "str | None", "int | None", "str | None"]


def _sites(name: str, links: "Sequence[tuple[str, tuple[str, int, str] | None]]") -> "list[_Site]":
    sites: list[_Site] = []
    for parent, place in links:
        sites.append((name, parent, *(place or (None, None, None))))
        name = parent
    return sites


def leave_out_ours(error: BaseException) -> None:
    """Have an error's traceback begin where raddle called the program."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("raddle."):
        traceback = traceback.tb_next
    BaseException.with_traceback(error, traceback)  # the error's own class may take no attributes


def add_lineage(
    error: BaseException, handle: "_raddle.ThreadHandle", submission: "_raddle.Submission | None" = None
) -> None:
    """Note on an error who started the thread that it leaves, once; or who submitted the job."""
    if getattr(error, "__raddle_lineage__", None) is not None:
        return
    sites = _sites(handle.name, (submission or handle).lineage)
    if not sites:
        return
    lines = [_told(site, submission is not None and number == 0) for number, site in enumerate(sites)]
    # By the base class: the error's own may take no attributes, as a frozen dataclass.
    BaseException.__setattr__(error, "__raddle_lineage__", tuple(sites))
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, list):
        BaseException.__setattr__(error, "__notes__", notes := [])
    notes.append("\n".join(lines))


def _told(site: "_Site", is_job: bool) -> str:
    thread, parent, file, line, function = site
    what = f"A job of thread {thread!r} was submitted" if is_job else f"Thread {thread!r} was started"
    if file is None:
        return f"{what} by {parent!r}"
    return f'{what} by {parent!r} at:\n  File "{file}", line {line}' + (f", in {function}" if function else "")


# ---- errors of those who are told ----


def show_chain(title: str, error: BaseException, failures: "Sequence[tuple[str, BaseException]]") -> None:
    """Show an error and the errors of those who were told of it, on stderr: the first one first, each once.

    title: the line above all. failures: who failed, and with what.
    """
    lines = [f"{title}\n", *traceback.format_exception(error)]
    for who, failure in failures:
        lines.append(f"\n{who} was called with the above error, and failed:\n\n")
        lines.extend(_without(failure, error))
    try:
        sys.stderr.write("".join(lines))
        sys.stderr.flush()
    except Exception:  # there is no stderr, or it is closed
        pass


def _without(failure: BaseException, error: BaseException) -> "Iterator[str]":
    """The lines of `failure` and of what led to it, but for `error`, which has been shown."""
    shown = told = traceback.TracebackException.from_exception(failure)
    at: BaseException | None = failure
    while at is not None and told is not None:
        if at.__cause__ is error:
            told.__cause__ = None
        if at.__context__ is error:
            told.__context__ = None
        at, told = at.__context__, told.__context__  # type: ignore[assignment]
    return shown.format()


def name_of(function: object) -> str:
    """What a function is called, for a message."""
    name = getattr(function, "__qualname__", None)
    return f"the hook {name!r}" if isinstance(name, str) else f"a hook of class {type(function).__name__!r}"
