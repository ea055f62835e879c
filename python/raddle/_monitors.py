"""Being told of the end of a thread: `Thread.monitor`, after Erlang's.

A done-callback runs in the thread that ends, which it keeps from ending, and in which nobody can wait for that thread. A
monitor is called when all of that is over, in a thread of its own: it may wait, restart the thread, or fail, and the thread
does not notice. That thread is started by the one that ends and is no daemon, so a program that waits for the one waits for the
other; what becomes of a daemon at the end of the process is not waited for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _raddle

if TYPE_CHECKING:
    from ._threads import Thread, ThreadState


class ThreadExit(NamedTuple):
    """How a run of a thread has ended.

    thread: the name of the thread.
    serial: the number of the run, which is never used again; None if it was stopped before it was started.
    generation: how often the thread had been restarted.
    state: FINISHED, FAILED or STOPPED.
    error: the error that left its function, which nobody has taken by this; None if there was none.
    reason: why it was asked to stop, if it has obeyed and a reason was given.
    """

    thread: str
    serial: "int | None"
    generation: int
    state: "ThreadState"
    error: "BaseException | None"
    reason: "str | None"


ThreadExit.__module__ = "raddle"


def tell(fn: "Callable[[ThreadExit], object]", thread: "Thread[Any]") -> None:
    """Have `fn` called when `thread`, whose function has ended, is gone."""
    from ._threads import Thread

    name = f"monitor of {thread.name!r}"
    args = (thread._raddle_handle, fn, _exit_of(thread))
    Thread(target=_call, args=args, name=name, daemon=False, on_error="hook").start()


def _exit_of(thread: "Thread[Any]") -> ThreadExit:
    from ._threads import ThreadState

    outcome = thread._raddle_outcome
    kind = None if outcome is None else outcome.kind
    state = {"value": ThreadState.FINISHED, "error": ThreadState.FAILED}.get(kind or "", ThreadState.STOPPED)
    error = outcome.error if outcome is not None and kind is not None else None
    failed, reason = (None, getattr(error, "reason", None)) if kind == "stopped" else (error, None)
    return ThreadExit(thread.name, thread.serial, thread.generation, state, failed, reason)


def _call(handle: "_raddle.ThreadHandle | None", fn: "Callable[[ThreadExit], object]", end: ThreadExit) -> None:
    if handle is not None:
        handle.wait()
    fn(end)
