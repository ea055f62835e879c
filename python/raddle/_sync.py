"""Locks and their relatives that have a name and answer.

What they have in common: time limits are seconds, `None` and infinity are no limit, what is not above 0 does not block, NaN
is a ValueError. A wait that could never end is an error in the thread that would wait.
"""

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, TypeVar

from . import _raddle
from ._raddle import CountDownLatch, RateLimiter, RWLock
from ._raddle import Permits as Semaphore
from ._raddle import StrictLock as Lock
from ._raddle import StrictRLock as RLock

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "CountDownLatch",
    "Event",
    "Lock",
    "Once",
    "RLock",
    "RWLock",
    "RateLimiter",
    "Semaphore",
    "acquire_all",
]

_T = TypeVar("_T")


class _Named:
    """Keeps a name where the engine looks for it."""

    __slots__ = ()
    _raddle_name: str | None = None

    @property
    def name(self) -> str | None:
        """The name that reports use, if one was given."""
        return self._raddle_name


class Condition(_Named, _raddle.Condition):
    """`threading.Condition` with a name.

    >>> changed = Condition(name="changed")
    >>> with changed:
    ...     changed.wait(timeout=0)
    False
    """

    def __init__(self, lock: Any | None = None, *, name: str | None = None) -> None:
        super().__init__(lock)
        self._raddle_name = name


class Event(_Named, _raddle.Event):
    """`threading.Event` with a name.

    >>> ready = Event(name="ready")
    >>> ready.set()
    >>> ready.wait(timeout=float("inf"))
    True
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__()
        self._raddle_name = name


class BoundedSemaphore(_Named, _raddle.BoundedSemaphore):
    """`threading.BoundedSemaphore` with a name. `raddle.Semaphore` is bounded, too, and can do more."""

    def __init__(self, value: int = 1, *, name: str | None = None) -> None:
        super().__init__(value)
        self._raddle_name = name


class Barrier(_Named, _raddle.Barrier):
    """`threading.Barrier` with a name.

    >>> Barrier(1, name="start").wait()
    0
    """

    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(parties, action, timeout)
        self._raddle_name = name


class Once(_raddle.OnceBase):
    """Something that is done once, by whoever comes first.

    >>> settings = Once(name="settings")
    >>> settings.call(lambda: {"port": 8080})
    {'port': 8080}
    >>> settings.call(lambda: 1 / 0)
    {'port': 8080}
    """

    _result: Any

    def call(self, fn: Callable[..., _T], /, *args: Any) -> _T:
        """Call `fn(*args)` if nobody has done so, and return what the one successful call returned.

        Who comes while another thread is at it waits. An error goes to the caller whose `fn` raised it, and the next one
        tries again. `fn` must not come back here: that is a DeadlockError.
        """
        if self._begin():
            done = False
            try:
                self._result = fn(*args)
                done = True
            finally:
                self._end(done)
        result: _T = self._result
        return result


class Acquirable(Protocol):
    """What `acquire_all` takes: a lock of raddle or of the standard library, a side of an RWLock."""

    def acquire(self) -> object: ...
    def release(self) -> object: ...


class acquire_all:
    """Take several locks for a block, all or none, without a deadlock among those who do so.

    They are taken in one order, whatever order they are given in, and released at the end of the block. With a `timeout` in
    seconds for all of them, TimeoutError says who was in the way. Giving the same lock twice is a ValueError.

    >>> mine, yours = Lock(name="mine"), Lock(name="yours")
    >>> with acquire_all(mine, yours, timeout=1.0):
    ...     mine.locked() and yours.locked()
    True
    >>> mine.locked() or yours.locked()
    False
    """

    def __init__(self, *locks: Acquirable, timeout: float | None = None) -> None:
        if len({id(lock) for lock in locks}) < len(locks):
            raise ValueError("acquire_all() was given the same lock twice")
        if timeout is not None and timeout != timeout:
            raise ValueError("timeout must not be NaN; None is no limit, 0 does not block")
        # An address stays the same for as long as the lock lives: an order that all threads agree on.
        self._locks = sorted(locks, key=id)
        self._timeout = timeout

    def __enter__(self) -> None:
        end = None if self._timeout is None else monotonic() + self._timeout
        taken: list[Acquirable] = []
        try:
            for lock in self._locks:
                _acquire(lock, None if end is None else max(end - monotonic(), 0.0))
                taken.append(lock)
        except BaseException:
            _release(taken)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        _release(self._locks)


def _acquire(lock: Any, left: float | None) -> None:
    if left is None:
        lock.acquire()
    elif hasattr(lock, "within"):
        lock.within(left).__enter__()
    elif not lock.acquire(timeout=left):
        raise TimeoutError(f"{lock!r} could not be taken in time")


def _release(locks: list[Acquirable]) -> None:
    for lock in reversed(locks):
        lock.release()
