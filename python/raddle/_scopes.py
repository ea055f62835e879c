"""Scopes: threads that do not outlive a block.

A scope is a token and a list. The token of each of its threads follows the scope's, and the scope's follows those that the
block hears. So one stop reaches them all, and the threads they have started in scopes of their own. The block is stopped by
the token, too, until its end, which takes that stop off. The end of the block joins the threads one after the other, with the
edges in the wait graph that any join has.

Who waits at the end of a block is stopped like anywhere else; the stop is handed to the threads first, and raised when
they have ended. If there are errors they leave instead: a stop comes again, an error does not. The time limit needs no timer:
the block and each thread have the same deadline.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from . import _raddle
from ._arguments import time_limit
from ._errors import Outcome
from ._several import ThreadLimiter
from ._threads import Thread

_T = TypeVar("_T")

_POLICIES = ("stop_siblings", "collect", "first_success")


class Scope:
    """A block that its threads do not outlive.

    name: for texts.
    on_error: what an error in one of the threads does: "stop_siblings" stops the others and the block; "collect" lets them go
        on; "first_success" lets them go on, and stops the others and the block as soon as one has returned.
    timeout: seconds after which the block and its threads are stopped, with a TimeoutError at the end of the block.
    limit: how many of its threads run at a time; `spawn` waits for its turn.

    A block that is stopped leaves its next blocking call of raddle, or `checkpoint()`, and the program goes on behind the block.
    At its end all threads are joined. Their errors leave as an ExceptionGroup of the original ones, with the
    block's own error among them. An error that somebody took with `join()` before is left out by "collect"; with
    "first_success" errors leave only if no thread returned.

    >>> import raddle
    >>> with raddle.Scope() as scope:
    ...     lengths = [scope.spawn(len, word) for word in ("warp", "weft!")]
    >>> scope.results()
    [4, 5]
    """

    def __init__(
        self,
        *,
        name: "str | None" = None,
        on_error: str = "stop_siblings",
        timeout: "float | None" = None,
        limit: "int | None" = None,
    ) -> None:
        if on_error not in _POLICIES:
            raise ValueError(f"Scope(): on_error must be one of {', '.join(map(repr, _POLICIES))}, got {on_error!r}")
        self.name = name
        self._on_error = on_error
        self._timeout = time_limit("Scope", "timeout", timeout)
        self._limiter = None if limit is None else ThreadLimiter(limit)
        self._source = _raddle.StopSource()
        self._block = _raddle.ScopeBlock(self._source.token)
        self._threads: list[Thread[Any]] = []
        self._state = "new"
        self._deadline: _raddle.DeadlineScope | None = None
        self._expired = False

    def __repr__(self) -> str:
        return f"<Scope {self.name or hex(id(self))}: {self._state}, {len(self._threads)} threads>"

    def __enter__(self) -> "Scope":
        if self._state != "new":
            raise RuntimeError(f"{self!r} was entered before; make a new one for each `with`")
        self._state = "open"
        self._block.enter()
        if self._timeout is not None:
            self._deadline = _raddle.move_on_after(self._timeout)
            self._deadline.__enter__()
        return self

    def spawn(self, fn: "Callable[..., _T]", /, *args: Any, **options: Any) -> "Thread[_T]":
        """Start a thread that calls `fn(*args)` and belongs to the scope; returns it. Its threads may call this, too.

        options: what `Thread` takes: name, ... For keyword arguments of `fn`, use functools.partial.

        Raises RuntimeError outside the block.
        """
        if self._state != "open":
            way = "call it inside `with scope:`" if self._state == "new" else "its block is over; make a new one"
            raise RuntimeError(f"{self!r} takes no threads ({way})")
        thread: Thread[_T] = Thread(target=fn, args=args, **options)
        thread._raddle_scope = self
        if self._limiter is not None:
            self._limiter._take(None)
            thread.add_done_callback(self._limiter._give)
        thread.add_done_callback(self._ended)
        try:
            thread.start()
        except BaseException:
            if self._limiter is not None:
                self._limiter._give()
            raise
        self._threads.append(thread)
        return thread

    def stop(self, reason: "str | None" = None) -> None:
        """Ask all its threads to stop, those that are still to come, and the block."""
        self._source.stop(reason)

    cancel = stop

    def results(self) -> "list[Any]":
        """What the functions of its threads returned, in the order in which they were started; of those that did."""
        return [_outcome(thread).value for thread in self._threads if _came(thread, "value")]

    def _ended(self, thread: "Thread[Any]") -> None:
        if self._on_error == "stop_siblings" and _came(thread, "error"):
            self.stop(f"thread {thread.name!r} of the same scope failed")
        elif self._on_error == "first_success" and _came(thread, "value"):
            self.stop(f"thread {thread.name!r} of the same scope has returned")

    def __exit__(self, _class: object, error: "BaseException | None", _traceback: object) -> bool:
        if self._block.leave(error):
            error = None
        if error is not None:
            self.stop(f"the block of the scope failed: {type(error).__name__}")
        cut = self._join_all()
        self._state = "closed"
        left_by = [reason for reason in (error, cut) if reason is not None and not self._is_own_deadline(reason)]
        try:
            return self._leave(left_by, error)
        finally:
            del error, cut, left_by  # or the traceback would hold itself

    def _join_all(self) -> "BaseException | None":
        """Wait for all threads. What ends the wait before is handed on to the threads, and returned when they have ended;
        a second Ctrl-C leaves them."""
        cut: BaseException | None = None
        joined = 0
        while joined < len(self._threads):
            thread = self._threads[joined]
            try:
                if cut is None:
                    thread._raddle_wait("Scope", None)
                else:
                    with _raddle.shield():
                        thread._raddle_wait("Scope", None)
                joined += 1
            except BaseException as error:
                if isinstance(cut, KeyboardInterrupt):
                    left = ", ".join(repr(thread.name) for thread in self._threads[joined:])
                    error.add_note(f"{self!r} was left while these of its threads were running: {left}")
                    raise
                cut = error
                self.stop(f"the end of the scope was interrupted: {type(error).__name__}")
        return cut

    def _is_own_deadline(self, error: BaseException) -> bool:
        """Whether the scope's time limit has ended the block by this."""
        own = self._deadline is not None and self._deadline.__exit__(type(error), error, None)
        self._expired = self._expired or own
        return own

    def _leave(self, left_by: "list[BaseException]", error: "BaseException | None") -> bool:
        if self._deadline is not None:
            self._deadline.__exit__(None, None, None)
        errors: list[BaseException] = [reason for reason in left_by if isinstance(reason, Exception)]
        for reason in left_by:
            if not isinstance(reason, (Exception, _raddle.Stopped)):  # Ctrl-C: as it is
                return _pass_on(reason, error)
        errors += self._errors()
        if left_by and not errors:
            return _pass_on(left_by[0], error)
        if self._expired:
            expired = TimeoutError(f"Scope(timeout={self._timeout}) expired (stopped: {self._stopped()})")
            if not errors:
                raise expired from None
            errors.append(expired)
        if errors:
            what = f"{len(errors)} error{'s' if len(errors) > 1 else ''} in scope {self.name or ''}".rstrip()
            raise BaseExceptionGroup(what, errors) from None
        if self._source.token.requested:
            _raddle.checkpoint()  # what has stopped the threads from outside ends this thread's block, too, though it need not wait
        return True

    def _stopped(self) -> str:
        return ", ".join(repr(thread.name) for thread in self._threads if _came(thread, "stopped")) or "its block"

    def _errors(self) -> "list[BaseException]":
        failed = [(_outcome(thread), _outcome(thread).take()) for thread in self._threads if _came(thread, "error")]
        if self._on_error == "first_success" and any(_came(thread, "value") for thread in self._threads):
            return []
        errors = [outcome.error for outcome, first in failed if first or self._on_error != "collect"]
        return [error for error in errors if error is not None]

    def _inside(self, handle: "_raddle.ThreadHandle", call: "Callable[[], Any]") -> "Callable[[], Any]":
        """`call`, as a thread of the scope does it: stopped with the scope, and by its time limit."""
        handle.belongs(True)
        handle.follow(self._source.token)
        if self._deadline is None or self._deadline.deadline is None:
            return call
        deadline = _raddle.deadline_at(self._deadline.deadline)

        def within() -> Any:
            with deadline:
                try:
                    return call()
                except Exception:
                    self._expired = self._expired or deadline.is_over
                    raise
            self._expired = True
            handle.stop(f"Scope(timeout={self._timeout}) expired")
            _raddle.checkpoint()

        return within


def _pass_on(reason: BaseException, error: "BaseException | None") -> bool:
    """Leave a block by `reason`; `error` is on its way already."""
    if reason is error:
        return False
    raise reason


def _came(thread: "Thread[Any]", what: str) -> bool:
    outcome = thread._raddle_outcome
    return outcome is not None and outcome.kind == what


def _outcome(thread: "Thread[Any]") -> Outcome:
    assert thread._raddle_outcome is not None, "it was started"
    return thread._raddle_outcome
