"""One way for all errors that nobody took: `tell` shows an error as ever, then calls the hooks of `add_exception_hook`.

    a raddle.Thread's        _errors.deliver ────────────┐
    a job's                  _errors.deliver ────────────┤
    a threading.Thread's     threading.excepthook ───────┼──> tell ──> what was in that place before; then each hook
    one of _thread, of C     sys.unraisablehook ─────────┤
    a done-callback's        the log of CPython's futures┘

As long as there is no hook, nothing of the program is touched. The first one puts functions of ours into the two hooks of the
interpreter, which call what was there; the last one that is removed takes them away again, unless somebody else has put
something over them: then they stay, and only pass on.

An error on its way through `tell` is remembered, because it comes by our functions again: a `raddle.Thread`'s is shown by
`threading.excepthook`, too.
"""

import _thread
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from . import _raddle
from ._imports import Watch
from ._reports import Shown, ThreadReport, add_lineage, name_of, report_of, show_chain
from ._unraisable import ended_a_thread

_PATIENCE = 3  # failures for one thread after which a hook is not called for it any more
_MOST_COUNTED = 1000  # threads for which a hook's failures are counted, the latest

_Failures = list[tuple[str, BaseException]]


class Hook:
    """A function that is told of errors. `remove()`, or the end of a `with` block, ends that."""

    def __init__(self, fn: "Callable[[ThreadReport], object]", include_exit: bool = False) -> None:
        self.fn = fn
        self.include_exit = include_exit
        self._failures: dict[int, int] = {}

    def __call__(self, report: ThreadReport, thread: int, failures: "_Failures") -> None:
        """Call the function; what it raises is added to `failures`. thread: the serial under which failures are counted."""
        failed = self._failures.get(thread, 0)
        if failed >= _PATIENCE:
            return
        try:
            self.fn(report)
        except BaseException as error:
            self._failures[thread] = failed + 1
            if len(self._failures) > _MOST_COUNTED:
                self._failures.pop(next(iter(self._failures)), None)
            last = failed + 1 == _PATIENCE
            who = name_of(self.fn)
            failures.append((f"{who} (it is not called for this thread any more)" if last else who, error))

    def remove(self) -> None:
        """Call the function no more. Does nothing if that was done before."""
        with _changing:
            if self in _hooks:
                _hooks.remove(self)
                if not _hooks:
                    _take_away()

    def __enter__(self) -> "Hook":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


_hooks: "list[Hook]" = []
_changing = _thread.RLock()
# The `id` of each error that is being told of.
_on_its_way: "set[int]" = set()


def add_exception_hook(fn: "Callable[[ThreadReport], object]", *, include_exit: bool = False) -> Hook:
    """Have `fn(report)` called for each error that left a thread, a job or a callback, and that nobody took.

    include_exit: also for SystemExit, which is a way for a thread to end.

    Returns an object whose `remove()` ends that; it can be used in a `with` statement. `threading.excepthook` and
    `sys.unraisablehook` do what they do without it, first. What `fn` raises is shown, below the error that it was called
    with; after three failures for the same thread it is not called for that one any more.

    Raises TypeError if `fn` is not a function.

    >>> import raddle, time
    >>> reports = []
    >>> with raddle.add_exception_hook(reports.append):
    ...     thread = raddle.spawn(lambda: {}["jobs"], name="reader", on_error="hook")
    ...     while not thread.exited:
    ...         time.sleep(0.01)
    >>> [(report.kind, report.thread, report.error) for report in reports]
    [('thread', 'reader', "KeyError: 'jobs'")]
    """
    if not callable(fn):
        raise TypeError(
            f"add_exception_hook needs a function, got {type(fn).__name__} (write add_exception_hook(f), without calling f)"
        )
    hook = Hook(fn, include_exit)
    with _changing:
        _hooks.append(hook)
        if len(_hooks) == 1:
            _put()
    return hook


def are_there() -> bool:
    """Whether there is a hook."""
    return bool(_hooks)


def tell(
    kind: str,
    error: BaseException,
    handle: "_raddle.ThreadHandle",
    *,
    show: "Callable[[], object] | None" = None,
    submission: "_raddle.Submission | None" = None,
    thread: "int | None" = None,
) -> None:
    """Tell of an error that nobody took.

    handle: the thread that it left. show: what shows it, before the hooks are called. thread: the serial of the thread's
    first run, if it was restarted.
    """
    exits = isinstance(error, SystemExit)
    hooks = [hook for hook in list(_hooks) if hook.include_exit or not exits]
    failures: _Failures = []
    _on_its_way.add(id(error))
    try:
        if hooks and not exits:
            add_lineage(error, handle, submission)
        if show is not None:
            try:
                show()
            except BaseException as failure:
                failures.append((_slot_of(kind), failure))
        if hooks:
            _call(hooks, report_of(kind, error, handle, submission), error, thread or handle.serial, failures)
        if failures:
            show_chain(f"Exception in thread {handle.name}:", error, failures)
    finally:
        _on_its_way.discard(id(error))
        failures.clear()  # or a traceback would hold itself


def call_own(hook: Hook, kind: str, error: BaseException, handle: "_raddle.ThreadHandle", thread: int) -> None:
    """Tell a thread's own hook instead of all others."""
    failures: _Failures = []
    _call([hook], report_of(kind, error, handle), error, thread, failures)
    if failures:
        show_chain(f"Exception in thread {handle.name}:", error, failures)
        failures.clear()


def _call(hooks: "list[Hook]", report: ThreadReport, error: BaseException, thread: int, failures: "_Failures") -> None:
    # A thread that was asked to stop tells of its error as others do.
    with _raddle.shield(), Shown(report, error):
        for hook in hooks:
            hook(report, thread, failures)


def left_by_exit(error: SystemExit, handle: "_raddle.ThreadHandle") -> None:
    """Tell those who want to know that a thread has left its function by `sys.exit()`."""
    if any(hook.include_exit for hook in list(_hooks)):
        tell("thread", error, handle)


def guarded(function: "Callable[..., object]", *args: Any) -> None:
    """Call a function of the program's when something is done; what it raises is shown and told of, and stays here."""
    try:
        function(*args)
    except BaseException as error:
        if error.__traceback__ is not None:
            BaseException.with_traceback(error, error.__traceback__.tb_next)
        show = partial(_raddle.show_unraisable, error, function)
        tell("callback", error, _raddle.current_handle(), show=show)


def _slot_of(kind: str) -> str:
    return "threading.excepthook" if kind in ("thread", "threading") else "sys.unraisablehook"


# ---- what is put into the interpreter's hooks ----


def _is_told_elsewhere(error: "BaseException | None") -> bool:
    return error is None or id(error) in _on_its_way


def _excepthook(before: "Callable[[Any], object]") -> "Callable[[Any], None]":
    def excepthook(args: Any, /) -> None:
        error = args.exc_value
        if not _hooks or _is_told_elsewhere(error):
            before(args)
            return
        handle = getattr(args.thread, "_raddle_handle", None) or _raddle.current_handle()
        tell("threading", error, handle, show=partial(before, args))

    return excepthook


def _unraisablehook(before: "Callable[[Any], object]") -> "Callable[[Any], None]":
    def unraisablehook(unraisable: Any, /) -> None:
        error = unraisable.exc_value
        if not _hooks or _is_told_elsewhere(error) or not ended_a_thread(unraisable):
            before(unraisable)
            return
        tell("_thread", error, _raddle.current_handle(), show=partial(before, unraisable))

    return unraisablehook


def _heed_callback(record: Any) -> bool:
    """A filter of CPython's log, which lets everything pass: it is where the error of a future's done-callback goes."""
    if str(record.msg).startswith("exception calling callback") and record.exc_info:
        error = record.exc_info[1]
        if isinstance(error, BaseException):
            tell("callback", error, _raddle.current_handle())
    return True


class _Put(NamedTuple):
    """A function of ours in a module, and what was there before."""

    module: Any
    name: str
    before: Any
    ours: Any


_puts: "list[_Put]" = []
_futures = Watch(("concurrent.futures._base",), lambda module: module.LOGGER.addFilter(_heed_callback))


def _put() -> None:
    for module, name, make in ((threading, "excepthook", _excepthook), (sys, "unraisablehook", _unraisablehook)):
        before = getattr(module, name)
        ours = make(before)
        _puts.append(_Put(module, name, before, ours))
        setattr(module, name, ours)
    _futures.start()
    watch_jobs(+1)


def _take_away() -> None:
    while _puts:
        module, name, before, ours = _puts.pop()
        if getattr(module, name, None) is ours:
            setattr(module, name, before)
    _futures.stop()
    base: Any = sys.modules.get("concurrent.futures._base")
    if base is not None:
        base.LOGGER.removeFilter(_heed_callback)
    watch_jobs(-1)


_watchers = 0


def watch_jobs(more: int) -> None:
    """One more, or one less, wants to hear of jobs whose error nobody asks for."""
    global _watchers
    from ._errors import keep

    _watchers += more
    _raddle.watch_jobs(keep if _watchers else None)
