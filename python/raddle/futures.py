"""The names of `concurrent.futures`, with a `ThreadPoolExecutor` whose workers take job after job in Rust.

`Future` stays the standard library's class: process pools, asyncio and others make it and test for it. What this
executor gives is a subclass of it, and the executor is a subclass of the standard library's, whose own methods take over
where a program has replaced one that it is made of, or its `_work_queue`.
"""

import queue as _queue
import time as _time
import weakref as _weakref
from concurrent import futures as _real
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    InvalidStateError,
    TimeoutError,
    _base,
)
from concurrent.futures import thread as _thread
from itertools import islice as _islice
from types import FunctionType as _Function

from . import _raddle
from .threading import Semaphore as _Semaphore
from .threading import Thread as _Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable as _Callable
    from collections.abc import Iterable as _Iterable
    from collections.abc import Iterator as _Iterator
    from typing import Any

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenExecutor",
    "CancelledError",
    "Executor",
    "Future",
    "InvalidStateError",
    "ThreadPoolExecutor",
    "TimeoutError",
    "as_completed",
    "wait",
]
__all__ += [name for name in _real.__all__ if name not in __all__]

_WorkQueue = _raddle.WorkQueue
_take_result = _raddle.take_result
_RealExecutor: "Any" = _thread.ThreadPoolExecutor
_threads_queues: "Any" = _thread._threads_queues
BrokenThreadPool = _thread.BrokenThreadPool


class _Future(_raddle.Fut, Future):  # type: ignore[type-arg]
    __slots__ = ()

    def __reduce_ex__(self, protocol: "Any") -> "Any":
        raise TypeError("cannot pickle '_thread.RLock' object")

    def __copy__(self) -> "Future[Any]":
        copy: _base.Future[Any] = Future.__new__(Future)
        names = ("_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks")
        copy.__dict__ = {name: getattr(self, name) for name in names} | self.__dict__
        return copy


# To be told from CPython's by nobody.
_Future.__name__ = _Future.__qualname__ = "Future"
_Future.__module__, _Future.__doc__ = Future.__module__, Future.__doc__

# What the executor is made of. A subclass that replaces one of these gets CPython's code for all of them.
_PARTS: "tuple[str, ...]" = ("_adjust_thread_count", "_initializer_failed")
if hasattr(_RealExecutor, "prepare_context"):  # 3.14 and later
    _PARTS += ("prepare_context",)


def _work(executor_reference: "Any", work_queue: "_raddle.WorkQueue", initializer: "Any", initargs: "Any") -> None:
    """What a worker's thread runs."""
    if initializer is not None:
        try:
            initializer(*initargs)
        except BaseException as error:
            _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            work_queue.dismiss()
            executor = executor_reference()
            if executor is not None:
                executor._raddle_cause = error
                executor._initializer_failed()
            return

    def leave() -> bool:
        executor = executor_reference()
        if not (_thread._shutdown or executor is None or executor._shutdown):
            return False
        if executor is not None:
            executor._shutdown = True
        return True

    try:
        work_queue.work(leave)
    except BaseException:
        _base.LOGGER.critical("Exception in worker", exc_info=True)


class ThreadPoolExecutor(_RealExecutor):  # type: ignore[misc]
    _raddle_cause: "BaseException | None" = None
    _raddle_plain = True

    def __init_subclass__(cls, **kwargs: "Any") -> None:
        super().__init_subclass__(**kwargs)
        cls._raddle_plain = all(getattr(cls, name) is getattr(ThreadPoolExecutor, name) for name in _PARTS)

    def __init__(
        self,
        max_workers: "int | None" = None,
        thread_name_prefix: str = "",
        initializer: "_Callable[..., object] | None" = None,
        initargs: "tuple[Any, ...]" = (),
    ) -> None:
        _RealExecutor.__init__(self, max_workers, thread_name_prefix, initializer, initargs)
        if self._raddle_plain:
            self._work_queue = _WorkQueue(_Future)
            self._initializer, self._initargs = initializer, initargs

    submit = _raddle.submit
    _raddle_real_submit = _RealExecutor.submit

    def _raddle_refuse(self) -> None:
        """Raise what CPython raises when no more jobs are taken."""
        if self._broken:
            raise BrokenThreadPool(self._broken) from self._raddle_cause
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def _adjust_thread_count(self) -> None:
        work_queue = self._work_queue
        if type(work_queue) is not _WorkQueue:
            _RealExecutor._adjust_thread_count(self)
            return
        with _thread._global_shutdown_lock:
            if _thread._shutdown:
                self._raddle_refuse()
            first = not work_queue.workers
            if not work_queue.hire(self._max_workers):
                return
            threads = self._threads
            if first and threads:
                # Of the process that this one was forked from.
                threads.clear()

            def executor_is_gone(_: object, work_queue: "_raddle.WorkQueue" = work_queue) -> None:
                work_queue.put(None)

            thread = _Thread(
                name=f"{self._thread_name_prefix or self}_{len(threads)}",
                target=_work,
                args=(_weakref.ref(self, executor_is_gone), work_queue, self._initializer, self._initargs),
            )
            try:
                thread.start()
            except BaseException:
                work_queue.dismiss()
                raise
            threads.add(thread)
            _threads_queues[thread] = work_queue

    def _initializer_failed(self) -> None:
        work_queue = self._work_queue
        if type(work_queue) is not _WorkQueue:
            _RealExecutor._initializer_failed(self)
            return
        with self._shutdown_lock:
            self._broken = "A thread initializer failed, the thread pool is not usable anymore"
            work_queue.close()
            while not work_queue.empty():
                error = BrokenThreadPool(self._broken)
                error.__cause__ = self._raddle_cause
                try:
                    work_queue.get_nowait().future.set_exception(error)
                except (_queue.Empty, InvalidStateError):
                    pass

    def map(
        self,
        fn: "_Callable[..., Any]",
        *iterables: "_Iterable[Any]",
        timeout: "float | None" = None,
        chunksize: int = 1,
        buffersize: "int | None" = None,
    ) -> "_Iterator[Any]":
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        end_time = None if timeout is None else timeout + _time.monotonic()
        submit, calls = self.submit, zip(*iterables)  # noqa: B905
        futures = [submit(fn, *args) for args in _islice(calls, buffersize)]
        # The last is the first to be taken.
        futures.reverse()
        if buffersize is None:
            return _results(futures, end_time)
        return _results_and_more(futures, end_time, fn, calls, _weakref.ref(self))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        work_queue = self._work_queue
        if type(work_queue) is _WorkQueue:
            # In this order: a submit() that looked before this one gets its job in before the queue closes, or is refused.
            self._shutdown = True
            work_queue.close()
            for item in work_queue.take_rest() if cancel_futures else ():
                item.future.cancel()
            cancel_futures = False
        _RealExecutor.shutdown(self, False, cancel_futures=cancel_futures)
        if wait:
            self._raddle_join()

    def _raddle_join(self) -> None:
        """Wait for all workers, also for one that a submit() at the same time has queued a job for but not yet started.

        The queue is closed, so no job comes any more. Threads are added under the lock. A job that nobody works for is there
        only while there are no threads at all: a worker leaves no job behind, and what a forked child inherits is not its
        to do.
        """
        joined: set[Any] = set()
        while True:
            with _thread._global_shutdown_lock:
                threads = set(self._threads) - joined
            for thread in threads:
                thread.join()
            joined |= threads
            if not threads and (self._threads or type(self._work_queue) is not _WorkQueue or self._work_queue.empty()):
                return
            if not threads:
                try:
                    self._adjust_thread_count()
                except RuntimeError:  # which that submit() gets as well
                    return
                if not self._threads:
                    return

    def _idle(self) -> "Any":
        work_queue = self._work_queue
        return _Semaphore(work_queue.free) if type(work_queue) is _WorkQueue else self._raddle_idle

    def _set_idle(self, semaphore: "Any") -> None:
        self._raddle_idle = semaphore

    # For those who read it: what CPython's would be now.
    _idle_semaphore = property(_idle, _set_idle)
    del _idle, _set_idle


def _give_up(futures: "list[Any]") -> None:
    """Nobody will ask these futures: one of their call's has failed, or the rest is not wanted."""
    for future in futures:
        future.cancel()
    _raddle.forgive(futures)


def _results(futures: "list[Any]", end_time: "float | None") -> "_Iterator[Any]":
    try:
        while futures:
            yield _take_result(futures) if end_time is None else _take_result(futures, end_time - _time.monotonic())
    finally:
        _give_up(futures)


def _results_and_more(
    futures: "list[Any]", end_time: "float | None", fn: "Any", calls: "_Iterator[Any]", executor_reference: "Any"
) -> "_Iterator[Any]":
    """The same; another call is submitted for each result that is taken, as long as there is one."""
    try:
        while futures:
            if (executor := executor_reference()) is not None:
                for args in _islice(calls, 1):
                    futures.insert(0, executor.submit(fn, *args))
                del executor
            yield _take_result(futures, None if end_time is None else end_time - _time.monotonic())
    finally:
        _give_up(futures)


def as_completed(fs: "_Iterable[Any]", timeout: "float | None" = None) -> "_Iterator[Any]":
    end_time = None if timeout is None else timeout + _time.monotonic()
    fs = set(fs)
    collector = _raddle.collect(fs)
    if collector is None:
        theirs = _real_as_completed(fs, None if end_time is None else end_time - _time.monotonic())
        del fs  # which would keep what was handed out
        yield from theirs
        return
    total = len(fs)
    del fs
    with collector:
        for left in range(total, 0, -1):
            while collector.empty:
                wait_timeout = None
                if end_time is not None:
                    wait_timeout = end_time - _time.monotonic()
                    if wait_timeout < 0:
                        raise TimeoutError(f"{left} (of {total}) futures unfinished")
                collector.wait(wait_timeout)
            yield collector.pop()


def wait(fs: "_Iterable[Any]", timeout: "float | None" = None, return_when: str = ALL_COMPLETED) -> "Any":
    fs = set(fs)
    found = _raddle.wait_for(fs, timeout, return_when)
    return _real_wait(fs, timeout, return_when) if found is None else _DoneAndNotDone(*found)


_DoneAndNotDone: "Any" = _base.DoneAndNotDoneFutures
_real_as_completed = _real.as_completed
_real_wait = _real.wait


def _adopt_documentation() -> None:
    """The objects say what CPython's say, and stand where CPython's stand."""
    pairs = ((as_completed, _real_as_completed), (wait, _real_wait), (ThreadPoolExecutor, _RealExecutor))
    for mine, real in pairs:
        mine.__doc__, mine.__module__ = real.__doc__, real.__module__
        for name, value in vars(mine).items() if isinstance(mine, type) else [(mine.__name__, mine)]:
            original = getattr(_RealExecutor, name, None) if isinstance(mine, type) else real
            if isinstance(value, _Function) and original is not None:
                value.__doc__, value.__annotations__ = original.__doc__, {}
                value.__module__ = original.__module__


_adopt_documentation()


def __getattr__(name: str) -> "Any":
    """What is not defined here is the standard library's: its process and interpreter pools, for example."""
    return getattr(_real, name)
