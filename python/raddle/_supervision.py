"""Supervision of one thread: its function is run again when it has failed, until it fails too often.

The terms and rules are those of Erlang/OTP's supervisors (https://www.erlang.org/doc/system/sup_princ.html), strategy
one_for_one with one child. The runs follow each other on the thread itself: whoever joins it waits for the last one, a stop
ends the supervision, and it keeps its name. What a run leaves in thread-local memory, or locked, is there for the next one;
where that matters, use `Thread.restart()`, which starts a new thread.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import _raddle
from ._reports import add_lineage, leave_out_ours

PERMANENT = "permanent"
TRANSIENT = "transient"
TEMPORARY = "temporary"
_KINDS = (PERMANENT, TRANSIENT, TEMPORARY)


class SupervisorGaveUp(RuntimeError):
    """A supervised thread has failed too often. Its cause is an ExceptionGroup of the failures that were too many."""


class Exponential:
    """How long to wait before a restart: `first` seconds, then twice as long each time, `most` at most.

    jitter: whether each wait is made shorter by a random part, so that threads which failed together do not return together.

    >>> import raddle
    >>> wait = raddle.Exponential(0.1, 1.0, jitter=False)
    >>> [wait(failures) for failures in (1, 2, 3, 4, 5)]
    [0.1, 0.2, 0.4, 0.8, 1.0]
    """

    def __init__(self, first: float = 0.1, most: float = 30.0, *, jitter: bool = True) -> None:
        if not 0 <= first <= most:
            raise ValueError(f"Exponential(): 0 <= first <= most, got first={first!r}, most={most!r}")
        self.first, self.most, self.jitter = first, most, jitter

    def __call__(self, failures: int) -> float:
        """The wait, in seconds, after so many failures in a row."""
        seconds = min(self.first * 2.0 ** min(failures - 1, 1000), self.most)
        return seconds * random.uniform(0.5, 1.0) if self.jitter else seconds


class Restarts:
    """When a thread's function is run again.

    restart: PERMANENT (always), TRANSIENT (when it has failed) or TEMPORARY (never).
    max_restarts, within: more restarts than these in so many seconds are too many.
    backoff: seconds to wait before a restart, or a function of the number of failures in a row that gives them.
    """

    def __init__(
        self, restart: str, max_restarts: int = 3, within: float = 5.0, backoff: "float | Callable[[int], float]" = 0.0
    ) -> None:
        if restart not in _KINDS:
            raise ValueError(f"restart must be one of {', '.join(map(repr, _KINDS))}, got {restart!r}")
        if not isinstance(max_restarts, int) or max_restarts < 0:
            raise ValueError(f"max_restarts must be 0 or more, got {max_restarts!r}")
        if not within > 0:
            raise ValueError(f"within must be a number of seconds above 0, got {within!r}")
        if not callable(backoff) and not backoff >= 0:
            raise ValueError(f"backoff must be seconds, 0 or more, or a function that gives them, got {backoff!r}")
        self.restart, self.max_restarts, self.within, self.backoff = restart, max_restarts, within, backoff
        self._recent: deque[tuple[float, BaseException | None]] = deque()
        self._in_a_row = 0

    def run(self, thread: Any, call: "Callable[[], Any]", again: "Callable[[], None]") -> Any:
        """Run `call` until it need not be run again; what it returned last. `again` is called before each other run."""
        while True:
            began = time.monotonic()
            try:
                value = call()
            except _raddle.Stopped:
                raise
            except SystemExit:
                value, failure = None, None
            except BaseException as error:
                value, failure = None, error
                if self.restart == TEMPORARY:
                    raise
            else:
                failure = None
            if failure is None and self.restart != PERMANENT:
                return value
            self._count(thread, failure, began)
            del failure
            _raddle.sleep(self.backoff(self._in_a_row) if callable(self.backoff) else self.backoff)
            again()

    def _count(self, thread: Any, failure: "BaseException | None", began: float) -> None:
        now = time.monotonic()
        self._in_a_row = 1 if now - began > self.within else self._in_a_row + 1
        self._recent.append((now, failure))
        while self._recent[0][0] < now - self.within:
            self._recent.popleft()
        if len(self._recent) <= self.max_restarts:
            return
        failures = [error for _, error in self._recent if isinstance(error, Exception)]
        text = (
            f"thread {thread.name!r} ended {len(self._recent)} times within {self.within} s, which is more than"
            f" max_restarts={self.max_restarts}"
        )
        handle = thread._raddle_handle
        for error in failures:
            leave_out_ours(error)
            add_lineage(error, handle)
        cause = ExceptionGroup(f"{len(failures)} failures of thread {thread.name!r}", failures) if failures else None
        self._recent.clear()
        raise SupervisorGaveUp(text) from cause
