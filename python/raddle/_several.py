"""Starting threads, some at a time, and waiting for several of them."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
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


class after:
    """Others have to end before a thread begins: `raddle.after(load, parse).spawn(draw)`.

    However they end: with a result, an error or a stop. They need not have been started. The thread waits in its own time, so it
    can be stopped until then, and if one of the others waits for it, that is a DeadlockError.

    >>> import raddle
    >>> pages: list[str] = []
    >>> load = [raddle.spawn(pages.append, page) for page in ("warp", "weft")]
    >>> raddle.after(*load).spawn(sorted, pages).result()
    ['warp', 'weft']
    """

    def __init__(self, *threads: "Thread[Any]") -> None:
        if not threads:
            raise TypeError("after() needs a thread to come after (write raddle.after(thread).spawn(...))")
        _are_threads("after", threads, started=False)
        self._threads = threads

    def spawn(self, fn: "Callable[..., _T]", /, *args: Any, **options: Any) -> "Thread[_T]":
        """Make and start a thread that calls `fn(*args)` when the others have ended; returns it.

        options: what `Thread` takes: name, daemon, ...
        """
        thread: Thread[_T] = Thread(target=fn, args=args, **options)
        thread._raddle_beforehand = self._wait
        return thread.start()

    def _wait(self) -> None:
        for thread in self._threads:
            thread._raddle_wait_begun()
        _wait_for(list(self._threads), ALL_COMPLETED, None)
        for thread in self._threads:
            thread._raddle_wait("after", None)


def current() -> "_threading.Thread":
    """The calling thread, as `threading.current_thread()` gives it."""
    return _threading.current_thread()  # type: ignore[no-any-return]


class DoneAndNotDone(NamedTuple):
    """What `wait` returns: the threads that have ended, and the others."""

    done: "set[Thread[Any]]"
    not_done: "set[Thread[Any]]"


def _are_threads(what: str, threads: "Iterable[Thread[Any]]", *, started: bool = True) -> "list[Thread[Any]]":
    listed = list(threads)
    for thread in listed:
        if not isinstance(thread, Thread):
            raise TypeError(f"{what} takes threads of raddle.Thread, got {shown(thread)}")
        if started and not thread.started and not thread.done:
            raise state_error(thread, f"{what}: thread {thread.name!r} was not started (t.start() missing?)")
    return listed


def join_all(threads: "Iterable[Thread[Any]]", timeout: "float | None" = None) -> bool:
    """Wait until all have ended, at most `timeout` seconds; whether they have.

    Raises an ExceptionGroup of the errors of those that failed, when all have ended; DeadlockError if one of them waits for
    the calling thread.
    """
    listed = _are_threads("join_all", threads)
    end = _end("join_all", timeout)
    if not _wait_for(listed, ALL_COMPLETED, _left(end)):
        return False
    for thread in listed:
        if not thread._raddle_wait("join_all", _left(end)):
            return False
    errors = [error for error in [thread.exception() for thread in listed] if error is not None]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(listed)} threads failed", errors)
    return True


def as_completed(threads: "Iterable[Thread[_T]]", timeout: "float | None" = None) -> "Iterator[Thread[_T]]":
    """Each thread as soon as its function has ended. Raises TimeoutError if that takes longer than `timeout` seconds."""
    listed = _are_threads("as_completed", threads)
    end = _end("as_completed", timeout)
    ended: list[Thread[_T]] = []
    several, _ = _several(listed, FIRST_COMPLETED, ended)
    return _each(ended, several, len(listed), end)


def _each(
    ended: "list[Thread[_T]]", several: "_raddle.Several", count: int, end: "float | None"
) -> "Iterator[Thread[_T]]":
    for number in range(count):
        if not several.wait(_left(end)):
            raise TimeoutError(f"{count - number} (of {count}) threads unfinished")
        several.take()
        yield ended.pop(0)


def _wait_for(threads: "list[Thread[Any]]", rule: str, seconds: "float | None") -> bool:
    several, callbacks = _several(threads, rule)
    try:
        return several.wait(seconds)
    finally:  # or threads that are waited for again and again would remember each time
        for thread, callback in zip(threads, callbacks, strict=True):
            with suppress(ValueError):
                thread._raddle_callbacks.remove(callback)


def _several(
    threads: "list[Thread[_T]]", rule: str, ended: "list[Thread[_T]] | None" = None
) -> "tuple[_raddle.Several, list[Callable[[Thread[_T]], object]]]":
    """What to wait for, and what the threads call; they come to `ended` before a wait for them is over."""
    handles = [(at, thread._raddle_handle) for at, thread in enumerate(threads) if not thread.done]
    several = _raddle.Several(rule, [(at, handle) for at, handle in handles if handle is not None])
    callbacks: list[Callable[[Thread[_T]], object]] = []
    for at, thread in enumerate(threads):
        callbacks.append(partial(_has_ended, several, at, ended))
        thread.add_done_callback(callbacks[-1])
    return several, callbacks


def _has_ended(several: "_raddle.Several", number: int, ended: "list[Thread[_T]] | None", thread: "Thread[_T]") -> None:
    if ended is not None:
        ended.append(thread)
    several.ended(number, _failed(thread))


def _failed(thread: "Thread[Any]") -> bool:
    return thread._raddle_outcome is not None and thread._raddle_outcome.kind == "error"


def _end(what: str, timeout: "float | None") -> "float | None":
    seconds = time_limit(what, "timeout", timeout)
    return None if seconds is None else time.monotonic() + seconds


def _left(end: "float | None") -> "float | None":
    return None if end is None else max(end - time.monotonic(), 0.0)


def wait(
    threads: "Iterable[Thread[_T]]", timeout: "float | None" = None, return_when: str = ALL_COMPLETED
) -> DoneAndNotDone:
    """Wait until all have ended, the first has, or the first has failed, at most `timeout` seconds.

    return_when: ALL_COMPLETED, FIRST_COMPLETED or FIRST_EXCEPTION.

    Raises DeadlockError if all are waited for, or only one is left, and one of them waits for the calling thread.
    """
    if return_when not in (ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION):
        raise ValueError(
            f"wait(): return_when must be ALL_COMPLETED, FIRST_COMPLETED or FIRST_EXCEPTION, got {return_when!r}"
        )
    waiting = list(dict.fromkeys(_are_threads("wait", threads)))
    seconds = time_limit("wait", "timeout", timeout)
    if waiting:
        _wait_for(waiting, return_when, seconds)
    done = {thread for thread in waiting if thread.done}
    return DoneAndNotDone(done, set(waiting) - done)
