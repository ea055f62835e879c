"""Starting threads, some at a time, and waiting for several of them."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from . import _raddle
from . import threading as _threading
from ._arguments import shown, time_limit
from ._threads import Thread, state_error

_T = TypeVar("_T")

FIRST_COMPLETED = "FIRST_COMPLETED"
FIRST_EXCEPTION = "FIRST_EXCEPTION"
ALL_COMPLETED = "ALL_COMPLETED"


class ThreadLimiter:
    """So many threads at a time: `spawn(..., limiter=limiter)` waits for a free slot.

    >>> import raddle
    >>> two_at_a_time = raddle.ThreadLimiter(2)
    >>> threads = [raddle.spawn(abs, -n, limiter=two_at_a_time) for n in range(5)]
    >>> [thread.result() for thread in threads]
    [0, 1, 2, 3, 4]
    """

    def __init__(self, max: int) -> None:
        if not isinstance(max, int) or max < 1:
            raise ValueError(f"ThreadLimiter needs at least one slot, got {max!r}")
        self.max = max
        self._slots = _raddle.Semaphore(max)

    @property
    def free(self) -> int:
        """How many slots are free now."""
        return self._slots._value

    def _take(self, timeout: "float | None") -> None:
        if not self._slots.acquire(timeout=timeout):
            raise TimeoutError(
                f"no slot of ThreadLimiter({self.max}) became free within {timeout} s (raise the limit, or wait longer)"
            )

    def _give(self, _thread: object = None) -> None:
        self._slots.release()


def spawn(
    fn: "Callable[..., _T]",
    /,
    *args: Any,
    limiter: "ThreadLimiter | None" = None,
    timeout: "float | None" = None,
    **options: Any,
) -> "Thread[_T]":
    """Make a thread that calls `fn(*args)`, and start it; returns it.

    limiter: what it waits for a slot of, at most `timeout` seconds (TimeoutError).
    options: what `Thread` takes: name, daemon, ... For keyword arguments of `fn`, use functools.partial.

    >>> import raddle
    >>> raddle.spawn(max, 1, 2).result()
    2
    """
    thread: Thread[_T] = Thread(target=fn, args=args, **options)
    if limiter is None:
        if timeout is not None:
            raise TypeError("spawn(): timeout is for the wait for a slot, and there is no limiter=")
        return thread.start()
    limiter._take(time_limit("spawn", "timeout", timeout))
    try:
        thread.start()
    except BaseException:
        limiter._give()
        raise
    thread.add_done_callback(limiter._give)
    return thread


def current() -> "_threading.Thread":
    """The calling thread, as `threading.current_thread()` gives it."""
    return _threading.current_thread()  # type: ignore[no-any-return]


class DoneAndNotDone(NamedTuple):
    """What `wait` returns: the threads that have ended, and the others."""

    done: "set[Thread[Any]]"
    not_done: "set[Thread[Any]]"


def _are_threads(what: str, threads: "Iterable[Thread[Any]]") -> "list[Thread[Any]]":
    listed = list(threads)
    for thread in listed:
        if not isinstance(thread, Thread):
            raise TypeError(f"{what} takes threads of raddle.Thread, got {shown(thread)}")
        if not thread.started and not thread.done:
            raise state_error(thread, f"{what}: thread {thread.name!r} was not started (t.start() missing?)")
    return listed


def join_all(threads: "Iterable[Thread[Any]]", timeout: "float | None" = None) -> bool:
    """Wait until all have ended, at most `timeout` seconds; whether they have.

    Raises an ExceptionGroup of the errors of those that failed, when all have ended.
    """
    listed = _are_threads("join_all", threads)
    seconds = time_limit("join_all", "timeout", timeout)
    end = None if seconds is None else time.monotonic() + seconds
    for thread in listed:
        if not thread._raddle_wait("join_all", None if end is None else end - time.monotonic()):
            return False
    errors = [error for error in [thread.exception() for thread in listed] if error is not None]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(listed)} threads failed", errors)
    return True


def as_completed(threads: "Iterable[Thread[_T]]", timeout: "float | None" = None) -> "Iterator[Thread[_T]]":
    """Each thread as soon as its function has ended. Raises TimeoutError if that takes longer than `timeout` seconds."""
    listed = _are_threads("as_completed", threads)
    seconds = time_limit("as_completed", "timeout", timeout)
    end = None if seconds is None else time.monotonic() + seconds
    ended: _raddle.SimpleQueue[Thread[_T]] = _raddle.SimpleQueue()
    for thread in listed:
        thread.add_done_callback(ended.put)
    return _each(ended, len(listed), end)


def _each(ended: "_raddle.SimpleQueue[Thread[_T]]", count: int, end: "float | None") -> "Iterator[Thread[_T]]":
    from queue import Empty

    for number in range(count):
        try:
            yield ended.get(timeout=None if end is None else max(end - time.monotonic(), 0))
        except Empty:
            raise TimeoutError(f"{count - number} (of {count}) threads unfinished") from None


def wait(
    threads: "Iterable[Thread[_T]]", timeout: "float | None" = None, return_when: str = ALL_COMPLETED
) -> DoneAndNotDone:
    """Wait until all have ended, the first has, or the first has failed, at most `timeout` seconds.

    return_when: ALL_COMPLETED, FIRST_COMPLETED or FIRST_EXCEPTION.
    """
    if return_when not in (ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION):
        raise ValueError(
            f"wait(): return_when must be ALL_COMPLETED, FIRST_COMPLETED or FIRST_EXCEPTION, got {return_when!r}"
        )
    waiting = set(_are_threads("wait", threads))
    done: set[Thread[Any]] = set()
    try:
        for thread in as_completed(waiting, timeout):
            done.add(thread)
            failed = thread._raddle_outcome is not None and thread._raddle_outcome.kind == "error"
            if return_when == FIRST_COMPLETED or return_when == FIRST_EXCEPTION and failed:
                break
    except TimeoutError:
        pass
    done |= {thread for thread in waiting if thread.done}
    return DoneAndNotDone(done, waiting - done)
