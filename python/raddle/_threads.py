"""Threads that answer: their result, their error, who started them; and that can be asked to stop.

`Thread` subclasses the drop-in's, so it is a `threading.Thread` for everybody else. What is added begins where CPython's
`_bootstrap_inner` calls `run()`: the attribute is replaced, in the new thread and for that one call, by a function that keeps
what comes of it in an `Outcome`. A run has a handle and an outcome of its own, so `restart()` makes new ones.

An error is held for those who join the thread. If the outcome is finalized and nobody has taken the error, or the
interpreter ends, it is delivered, see `_errors.py`.
"""

import contextvars
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar

from . import _errors, _hooks, _monitors, _raddle
from . import threading as _threading
from ._activity import Spot, describe, spot_of
from ._arguments import beginning, checked, shown, stack_of, time_limit, until
from ._errors import Outcome
from ._monitors import ThreadExit
from ._raddle import ThreadStateError
from ._reports import ThreadReport, add_lineage, leave_out_ours
from ._supervision import Restarts

_T = TypeVar("_T")


class ThreadState(Enum):
    """Where a thread is in its life. What it is doing is another question: `Thread.activity`."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    ABANDONED = "abandoned"


_DONE = (ThreadState.FINISHED, ThreadState.FAILED, ThreadState.STOPPED, ThreadState.ABANDONED)
_POLICIES = ("join", "hook", "exit")


class Thread(_threading.Thread, Generic[_T]):
    """A thread whose result and error come back, and that can be asked to stop.

    target: what it does; with `args` and `kwargs`. They are checked here, in the caller's line.
    name, daemon, context, stack_size: as for `threading.Thread`, on every version; `stack_size` in bytes. Unlike there, the
        thread runs in a copy of the starter's context if none is given.
    grace: seconds that a daemon gets to stop at the end of the process, before it is left behind and told of; 0: it is neither
        asked nor told of; None: what `raddle.install(daemon_grace=...)` says, or 1.
    restartable: whether target and arguments are kept, so that `restart()` can be called.
    restart: run its function again: "permanent" (whenever it has ended), "transient" (when it has failed) or "temporary"
        (never), `backoff` seconds later (or what `backoff(failures)` gives), but not more than `max_restarts` times in
        `within` seconds: then it fails with SupervisorGaveUp. See `raddle.Exponential`.
    start_at, start_after: begin at a moment (a datetime, or seconds of `time.monotonic()`), or so many seconds after `start()`.
        Until then it needs no thread of the system.
    on_error: what becomes of an error: "join" (it is held for who joins the thread, and delivered if nobody does), "hook" (it
        is delivered at once), "exit" (the same, and the process ends in order with exit status 1: main gets SystemExit, all
        threads are asked to stop), or a function that gets its `ThreadReport`.
    on_exception: a function that gets the `ThreadReport` of an error that nobody took.

    Raises TypeError for a target that cannot be called, and for arguments that do not fit it.

    >>> import raddle
    >>> adder = raddle.Thread(target=sum, args=([1, 2],)).start()
    >>> adder.result()
    3
    """

    def __init__(
        self,
        group: None = None,
        target: "Callable[..., _T] | None" = None,
        name: "str | None" = None,
        args: "Iterable[Any]" = (),
        kwargs: "Mapping[str, Any] | None" = None,
        *,
        daemon: "bool | None" = None,
        grace: "float | None" = None,
        context: "contextvars.Context | None" = None,
        stack_size: "int | None" = None,
        restartable: bool = False,
        restart: "str | None" = None,
        max_restarts: int = 3,
        within: float = 5.0,
        backoff: "float | Callable[[int], float]" = 0.0,
        start_at: "Any | None" = None,
        start_after: "float | None" = None,
        on_error: "str | Callable[[ThreadReport], object]" = "join",
        on_exception: "Callable[[ThreadReport], object] | None" = None,
    ) -> None:
        args = checked(target, args, kwargs, has_run=type(self).run is not Thread.run)
        if not callable(on_error) and on_error not in _POLICIES:
            raise ValueError(
                f"on_error must be one of {', '.join(map(repr, _POLICIES))} or a function, got {on_error!r}"
            )
        if on_exception is not None and not callable(on_exception):
            raise TypeError(f"on_exception must be a function, got {shown(on_exception)}")
        if on_error == "exit":
            _raddle.hear_failures()
        super().__init__(group, target, name, args, kwargs, daemon=daemon, context=context)
        self._raddle_context_given = context is not None
        self._raddle_kept = (target, args, kwargs) if restartable or restart is not None else None
        self._raddle_begin = beginning(start_at, start_after)
        self._raddle_stack_size = None if stack_size is None else stack_of(stack_size)
        self._raddle_inherits = daemon is None
        self._raddle_grace = time_limit("Thread", "grace", grace)
        self._raddle_on_error = on_error
        own = on_error if callable(on_error) else on_exception
        self._raddle_on_exception = None if own is None else _hooks.Hook(own)
        self._raddle_generation = 0
        self._raddle_callbacks: list[Callable[[Thread[_T]], object]] = []
        self._raddle_outcome: Outcome | None = None
        self._raddle_parent: weakref.ref[Any] | None = None
        self._raddle_cpu_before = 0.0  # what the system's thread had used for others
        self._raddle_cpu_time: float | None = None
        self._raddle_stopped_early = False
        self._raddle_asked_at: Spot | None = None
        self._raddle_scope: Any = None
        self._raddle_beforehand: Callable[[], None] | None = None
        self._raddle_begun = _raddle.Event()  # it was started, or never will be
        self._raddle_restarts = None if restart is None else Restarts(restart, max_restarts, within, backoff)

    # ---- its life ----

    def start(self) -> "Thread[_T]":  # type: ignore[override]
        """Start it; returns itself.

        Raises ThreadStateError if it was stopped before, ThreadStartError if the system refuses it (it may be called
        again), RuntimeError if it was started before.
        """
        if getattr(self, "_raddle_stopped_early", False):
            raise state_error(
                self, f"thread {self.name!r} was stopped before it was started (make a new Thread, or call restart())"
            )
        starter = _threading.current_thread()
        if not self._started.is_set():
            self._raddle_outcome = Outcome()
            self._raddle_parent = weakref.ref(starter)
            if not self._raddle_context_given:
                setattr(self, _CONTEXT, contextvars.copy_context())
        try:
            super().start()
        except BaseException:
            if not self._started.is_set():  # refused: as if it had never been tried
                self._raddle_handle = None
            raise
        if self._raddle_handle is not None:
            self._raddle_handle.set_grace(self._raddle_grace, self._raddle_inherits and self.daemon)
        self._raddle_begun.set()
        return self

    def _raddle_delay(self) -> "float | None":
        return None if self._raddle_begin is None else self._raddle_begin()

    def _bootstrap(self) -> None:
        handle, outcome = self._raddle_handle, self._raddle_outcome
        if handle is not None and outcome is not None:
            self.run = partial(_keep, self, handle, outcome, self.run)  # type: ignore[method-assign]
        super()._bootstrap()
        # The frames of the traceback refer to those below them, and those to the thread, which has the error: a circle. Ours
        # and CPython's are emptied, this one by itself, or only a collection would find out that nobody has the thread.
        if outcome is not None and outcome.kind == "error":
            _errors.empty_frames(outcome.traceback)
        del self, handle, outcome

    def run(self) -> "_T | None":
        """What it does: call the target. A subclass may do something else; what it returns is the result."""
        try:
            if self._target is not None:
                return self._target(*self._args, **self._kwargs)  # type: ignore[no-any-return]
            return None
        finally:
            del self._target, self._args, self._kwargs

    def restart(self) -> "Thread[_T]":
        """Run it once more, as a new run of the same name; returns itself.

        Raises ThreadStateError if it still runs, has never been started, or did not keep its target.
        """
        state = self.state
        at_its_end = self.done and self is not _threading.current_thread()  # which is waited for below
        if state not in _DONE and not at_its_end:
            way = "call start()" if state is ThreadState.NEW else "stop() and join() it first"
            raise state_error(self, f"thread {self.name!r} is {state.value} and cannot be restarted ({way})")
        if self._raddle_kept is None and type(self).run is Thread.run:
            raise state_error(self, f"thread {self.name!r} did not keep its target (pass restartable=True)")
        if self._raddle_handle is not None:
            _threading.Thread.join(self)
        if self._raddle_outcome is not None and self._raddle_outcome.give_up():
            _errors.deliver(self._raddle_outcome)
        target, args, kwargs = self._raddle_kept or (None, (), None)
        context = getattr(self, _CONTEXT) if self._raddle_context_given else None
        _threading.Thread.__init__(self, None, target, self.name, args, kwargs, daemon=self.daemon, context=context)
        self._raddle_handle = None
        self._raddle_stopped_early, self._raddle_asked_at = False, None
        self._raddle_cpu_before, self._raddle_cpu_time = 0.0, None
        self._raddle_generation += 1
        return self.start()

    # ---- what came of it ----

    def join(  # type: ignore[override]
        self, timeout: "float | None" = None, *, deadline: "Any | None" = None, wait_for_start: bool = False
    ) -> bool:
        """Wait until it has ended, at most `timeout` seconds or until `deadline`; whether it has.

        deadline: a datetime, or seconds of `time.monotonic()`.
        wait_for_start: if it has not been started, wait for that first, within the same time.

        Raises the error that left its function: the object itself, each time and for everybody who joins it. RuntimeError
        if it has not been started, or is the calling thread.
        """
        if not self._raddle_wait("join", timeout, deadline, wait_for_start):
            return False
        self._raddle_raise()
        return True

    def _raddle_wait(
        self, method: str, timeout: "float | None", deadline: "Any | None" = None, wait_for_start: bool = False
    ) -> bool:
        seconds = time_limit(method, "timeout", timeout)
        if deadline is not None:
            left = until(method, deadline)
            seconds = left if seconds is None else min(seconds, left)
        if wait_for_start and not self._started.is_set():
            before = time.monotonic()
            if not self._raddle_wait_begun(seconds):
                return False
            seconds = None if seconds is None else max(seconds - (time.monotonic() - before), 0.0)
        if self._raddle_stopped_early:
            return True
        handle = self._raddle_handle
        if seconds is None or handle is None or self is _threading.current_thread():
            super().join()
            return True
        if not handle.wait(seconds):
            return False
        super().join()
        return True

    def _raddle_wait_begun(self, seconds: "float | None" = None) -> bool:
        begun: Any = self._raddle_begun
        begun._raddle_name = f"start of thread {self.name!r}"  # for reports
        return bool(begun.wait(seconds))

    def _raddle_raise(self) -> None:
        outcome = self._raddle_outcome
        if outcome is not None and outcome.kind == "error":
            outcome.take()
            error = outcome.error
            try:
                raise error  # type: ignore[misc]
            finally:
                del error, outcome  # or the traceback would hold itself

    def result(self, timeout: "float | None" = None) -> _T:
        """What its function returned; waits for it, at most `timeout` seconds.

        Raises the error that left the function; TimeoutError, which says what the thread is doing; ThreadStateError if it
        was stopped and has no result.
        """
        if not self._raddle_wait("result", timeout):
            raise TimeoutError(
                f"thread {self.name!r} still running after {float(timeout or 0):.1f} s ({self.activity}; call result()"
                " again, or stop() it)"
            )
        self._raddle_raise()
        outcome = self._raddle_outcome
        if outcome is None or outcome.kind in (None, "stopped"):
            why = "was stopped" if self.state is ThreadState.STOPPED else "was ended from outside"
            reason = outcome and outcome.error
            raise state_error(
                self, f"thread {self.name!r} {why} and has no result" + (f" ({reason})" if reason else "")
            )
        return outcome.value  # type: ignore[no-any-return]

    def exception(self, timeout: "float | None" = None) -> "BaseException | None":
        """The error that left its function, or None; waits for it, at most `timeout` seconds.

        Raises TimeoutError.
        """
        if not self._raddle_wait("exception", timeout):
            raise TimeoutError(
                f"thread {self.name!r} still running after {float(timeout or 0):.1f} s ({self.activity})"
            )
        outcome = self._raddle_outcome
        if outcome is None or outcome.kind != "error":
            return None
        outcome.take()
        return outcome.error

    def add_done_callback(self, fn: "Callable[[Thread[_T]], object]") -> None:
        """Have `fn(thread)` called when its function has ended, in that thread; at once if it has ended before.

        What `fn` raises is shown by `sys.unraisablehook`, as that of a destructor is.
        """
        if not callable(fn):
            raise TypeError(f"add_done_callback needs a function, got {shown(fn)}")
        self._raddle_callbacks.append(fn)
        if self.done:
            self._raddle_call_back()

    def _raddle_call_back(self) -> None:
        while self._raddle_callbacks:
            try:
                callback = self._raddle_callbacks.pop(0)
            except IndexError:  # another thread was faster
                return
            _hooks.guarded(callback, self)

    def monitor(self, fn: "Callable[[ThreadExit], object]") -> None:
        """Have `fn(exit)` called with a `ThreadExit` when it has ended, in a thread of its own; also if it has ended before.

        Unlike a done-callback, `fn` may wait for the thread or restart it, and may take its time: nothing of the thread runs
        any more. It hears of this run only, once. An error of the thread is still for those who join it; one that leaves `fn` is
        unhandled. At its end the process waits for `fn` as it does for the thread: for that of a daemon it does not.

        >>> import raddle
        >>> thread, ends = raddle.Thread(target=int, args=("four",), name="parser"), raddle.queue.Queue()
        >>> thread.monitor(ends.put)
        >>> end = thread.start() and ends.get()
        >>> end.thread, end.state, type(end.error)
        ('parser', <ThreadState.FAILED: 'failed'>, <class 'ValueError'>)
        >>> thread.exception() is end.error
        True
        """
        if not callable(fn):
            raise TypeError(f"monitor needs a function, got {shown(fn)}")
        self.add_done_callback(partial(_monitors.tell, fn))

    def link(self, other: "Thread[Any]") -> None:
        """If one of the two fails, the other is asked to stop."""
        for one, peer in ((self, other), (other, self)):
            one.add_done_callback(_stopping(peer))

    # ---- stopping it ----

    def stop(self, reason: "str | None" = None, *, wait: "float | None" = None, interrupt: bool = False) -> bool:
        """Ask it to stop: its next blocking call of raddle, or `checkpoint()`, raises `Stopped` in it.

        reason: why, for whoever reads the error.
        wait: seconds to wait for its end; None: not at all.
        interrupt: raise `Stopped` in running Python code as well, once, where the next round of a loop would begin; not while
            it holds a lock of raddle's or is in a `shield()`, nor in native code: then it comes as soon as that is over.

        Returns whether it has ended by now; if not, `activity` says where it is. One that was never started will not be.

        >>> import raddle
        >>> def spin():
        ...     while True:
        ...         pass
        >>> raddle.spawn(spin).stop("enough", wait=10, interrupt=True)
        True
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"stop(): reason must be a str or None, got {shown(reason)}")
        if not isinstance(interrupt, bool):
            raise TypeError(f"stop(): interrupt must be True or False, got {shown(interrupt)}")
        seconds = time_limit("stop", "wait", wait) if wait is not None else 0.0
        handle = self._raddle_handle
        if handle is None:
            if not self._started.is_set():
                self._raddle_stopped_early = True
                self._raddle_begun.set()
                self._raddle_call_back()
            return True
        if self.done and handle.ended:
            return True
        if handle.stop(reason):
            self._raddle_asked_at = spot_of(handle)
        self._raddle_withdraw()
        if interrupt:
            from ._interrupt import interrupt as interrupt_running

            interrupt_running(handle)
        return handle.wait(seconds)

    def _raddle_withdraw(self) -> bool:
        withdrawn = super()._raddle_withdraw()
        if withdrawn:
            self._raddle_call_back()
        return withdrawn

    # ---- what is known of it ----

    @property
    def state(self) -> ThreadState:
        """Where it is in its life."""
        handle = self._raddle_handle
        if handle is None:
            return ThreadState.STOPPED if self._raddle_stopped_early else ThreadState.NEW
        return ThreadState(handle.state)

    @property
    def activity(self) -> str:
        """What it is doing, in words: "blocked 1.9 s in Queue.get 'jobs' at app.py:30", "running at app.py:12, in work"; and
        "in native call zlib.compress(data) for 4.2 s at app.py:7", if it was asked to stop and has been there ever since."""
        handle = self._raddle_handle
        if handle is None:
            return self.state.value
        doing = handle.activity
        return doing if doing != "running" else describe(handle, self._raddle_asked_at)

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return bool(self._started.is_set())

    @property
    def done(self) -> bool:
        """Whether its function has ended, or never will begin."""
        outcome = self._raddle_outcome
        return outcome is not None and outcome.kind is not None or self.state in _DONE

    @property
    def exited(self) -> bool:
        """Whether nothing of it runs on any thread of the system any more."""
        return self._raddle_handle is not None and self._raddle_handle.ended

    @property
    def started_at(self) -> "float | None":
        """When it was started, in seconds of `time.monotonic()`; None before that."""
        return self._raddle_handle.started_at if self._raddle_handle is not None else None

    @property
    def finished_at(self) -> "float | None":
        """When the last of it had run, in seconds of `time.monotonic()`; None before that."""
        return self._raddle_handle.finished_at if self._raddle_handle is not None else None

    @property
    def generation(self) -> int:
        """How often it was restarted."""
        return self._raddle_generation

    @property
    def serial(self) -> "int | None":
        """The number of this run, which is never used again in this process; None before it was started."""
        return self._raddle_handle.serial if self._raddle_handle is not None else None

    @property
    def parent(self) -> Any:
        """The thread that started it; None if there is none any more."""
        return self._raddle_parent() if self._raddle_parent is not None else None

    @property
    def spawn_site(self) -> "str | None":
        """Where it was started: "app.py:9"."""
        lineage = self._raddle_handle.lineage if self._raddle_handle is not None else []
        place = lineage[0][1] if lineage else None
        return None if place is None else f"{place[0]}:{place[1]}"

    @property
    def stop_requested(self) -> bool:
        """Whether it was asked to stop."""
        return self._raddle_stopped_early or self._raddle_handle is not None and self._raddle_handle.stop_requested

    @property
    def held_locks(self) -> "tuple[_raddle.HeldLock, ...]":
        """The locks that it holds, and where it took them; also those that it has left behind at its end."""
        return self._raddle_handle.held_locks if self._raddle_handle is not None else ()

    @property
    def cpu_time(self) -> "float | None":
        """Seconds of processor time that it has used; None before it runs."""
        if self._raddle_cpu_time is not None:
            return self._raddle_cpu_time
        used = None if self._raddle_handle is None else self._raddle_handle.cpu_time
        return None if used is None else max(used - self._raddle_cpu_before, 0.0)

    def wait_started(self, timeout: "float | None" = None) -> bool:
        """Wait until it was started, at most `timeout` seconds; whether it was. One that was stopped before will not be."""
        self._raddle_wait_begun(time_limit("wait_started", "timeout", timeout))
        return self.started


_CONTEXT = "_context" if sys.version_info >= (3, 14) else "_raddle_context"


def _keep(thread: "Thread[Any]", handle: "_raddle.ThreadHandle", outcome: Outcome, run: "Callable[[], Any]") -> None:
    """Call `run` for `thread`, once; what comes of it is kept.

    No closure: the frame of this function is alive as long as a traceback from above it, and with it the function.
    """
    del thread.run
    thread._raddle_cpu_before = time.thread_time()
    outcome.bind(thread, handle)
    if thread._raddle_beforehand is not None:
        run = partial(_first, thread._raddle_beforehand, run)
    if thread._raddle_restarts is not None:
        handle.belongs(False)
        run = _restarting(thread, run)
    if thread._raddle_scope is not None:
        run = thread._raddle_scope._inside(handle, run)
    try:
        handle.runs(True)
        try:
            value = run()
        finally:
            handle.runs(False)
        outcome.finish(value)
    except SystemExit as error:
        outcome.finish(None)
        _hooks.left_by_exit(error, handle)
    except _raddle.Stopped as error:
        if error._raddle_block == 0 and handle.stopped():
            outcome.stop(error.with_traceback(None))
        else:
            _fail(handle, outcome, error)
    except BaseException as error:
        _fail(handle, outcome, error)
    thread._raddle_cpu_time = time.thread_time() - thread._raddle_cpu_before
    if thread._raddle_on_error != "join" and outcome.give_up():
        _errors.deliver(outcome)
        if thread._raddle_on_error == "exit":
            _raddle.end_process(1, f"thread {thread.name!r} failed")
    thread._raddle_call_back()


def _first(before: "Callable[[], None]", run: "Callable[[], Any]") -> Any:
    before()
    return run()


def _restarting(thread: "Thread[Any]", run: "Callable[[], Any]") -> "Callable[[], Any]":
    restarts, kept = thread._raddle_restarts, thread._raddle_kept
    assert restarts is not None and kept is not None

    def again() -> None:
        thread._target, thread._args, thread._kwargs = kept[0], kept[1], kept[2] or {}
        thread._raddle_generation += 1

    return lambda: restarts.run(thread, run, again)


def _fail(handle: "_raddle.ThreadHandle", outcome: Outcome, error: BaseException) -> None:
    """Note an error that left a thread's function, without the frames that are ours, and with who started the thread."""
    leave_out_ours(error)
    add_lineage(error, handle)
    handle.failed(error)
    outcome.fail(error)


def _stopping(peer: "Thread[Any]") -> "Callable[[Thread[Any]], None]":
    other = weakref.ref(peer)

    def stop(failed: "Thread[Any]") -> None:
        thread = other()
        outcome = failed._raddle_outcome
        if thread is not None and outcome is not None and outcome.kind == "error" and thread.started:
            thread.stop(f"linked thread {failed.name!r} failed")

    return stop


def state_error(thread: "Thread[Any]", text: str) -> ThreadStateError:
    error = ThreadStateError(text)
    error.thread, error.state = thread, thread.state
    return error
