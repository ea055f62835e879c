"""Puts raddle in place of the standard library, and back."""

import queue
import sys
import threading

from . import _greenlets, _raddle
from . import queue as my_queue
from . import threading as mine
from ._imports import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

real: "Any" = threading

# What is put into the real module. Private names of classes are there because programs and libraries use them.
NAMES = tuple(
    "Lock RLock Condition Semaphore BoundedSemaphore Event Barrier Thread Timer _RLock _CRLock _PyRLock".split()
)
QUEUE_NAMES = ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "ShutDown")

FUTURES_NAMES = ("ThreadPoolExecutor", "wait", "as_completed")

# Modules whose own names for the interpreter's primitives stay: they are the ground that `threading` and `queue` stand on.
LEFT_ALONE = {
    "_thread",
    "_queue",
    "threading",
    "queue",
    "importlib._bootstrap",
    "_frozen_importlib",
    "_frozen_importlib_external",
}


# Where something was put, under which name, what was there before, and what was put there.
_Put = tuple[object, str, object, object]
_ABSENT = object()
# The name and the new object for each old object, by its `id`.
_Swap = dict[int, tuple[str, object]]


class Installed:
    """What `install` has done; undone by `undo()` or at the end of a `with` block."""

    def __init__(
        self, undo: "list[_Put]", threads: "Rebased", ending: "tuple[tuple[Any, ...], object]", learns: bool
    ) -> None:
        self._undo = undo
        self._learns = learns  # whether this has switched the learning of lock orders on
        self._threads = threads
        # The options of the end before, and what handled SIGTERM; None: that was not changed.
        self._exit: tuple[Any, ...] | None
        self._exit, self._sigterm = ending
        # Gevent and eventlet want this undone before they patch; futures are not loaded for programs without any.
        self._watches = (
            _greenlets.watch(self.undo),
            Watch(("concurrent.futures", "raddle.futures"), self._put_futures),
        )

    def watch(self) -> None:
        """Hear of modules that are imported later."""
        for watch in self._watches:
            watch.start()

    def _put_futures(self, _imported: "ModuleType") -> None:
        from . import futures

        if not all(hasattr(futures, name) for name in FUTURES_NAMES):
            return  # it is being imported itself, and this is called again when that is done
        package = sys.modules["concurrent.futures"]
        thread, base = sys.modules["concurrent.futures.thread"], sys.modules["concurrent.futures._base"]
        swap: _Swap = {}
        for name in FUTURES_NAMES:
            new = getattr(futures, name)
            for module in (package, thread, base):
                old = module.__dict__.get(name)
                if old is not None and old is not new:
                    swap[id(old)] = (name, new)
                    _put(self._undo, module, name, new)
        _rebind(self._undo, swap)

    def undo(self) -> None:
        """Put the standard library's objects back. Objects that were made meanwhile go on working.

        What somebody else has replaced in the meantime (gevent, a mock) stays as it is.
        """
        while self._undo:
            holder, name, before, ours = self._undo.pop()
            if getattr(holder, name, None) is not ours:
                continue
            if before is _ABSENT:
                delattr(holder, name)
            else:
                setattr(holder, name, before)
        self._threads.undo()
        if self._learns:
            _raddle.learn_lock_order(False)
            self._learns = False
        for watch in self._watches:
            watch.stop()
        if self._exit is not None:
            _raddle.configure_exit(*self._exit)
            self._exit = None
        if self._sigterm is not None:
            _raddle.unhandle_sigterm(self._sigterm)
            self._sigterm = None

    def __enter__(self) -> "Installed":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()


class Rebased:
    """Makes the threads and subclasses of `threading.Thread` that exist already raddle's, and back."""

    def __init__(self) -> None:
        ours = (mine.Thread,)
        self.classes = [cls for cls in real.Thread.__subclasses__() if cls not in ours and cls is not real.Timer]
        self.threads = [thread for thread in list(real._dangling) if type(thread) is real.Thread]
        for cls in self.classes:
            cls.__bases__ = tuple(mine.Thread if base is real.Thread else base for base in cls.__bases__)
        for thread in self.threads:
            thread.__class__ = mine.Thread

    def undo(self) -> None:
        for cls in self.classes:
            if cls not in (real._MainThread, real._DummyThread):
                cls.__bases__ = tuple(real.Thread if base is mine.Thread else base for base in cls.__bases__)
        for thread in self.threads:
            if thread.__class__ is mine.Thread:
                thread.__class__ = real.Thread
        self.classes, self.threads = [], []


def install(
    *,
    deadlocks: str = "raise",
    deadlock_grace: float = 0.2,
    lock_order: bool = False,
    hold_warn: "float | None" = None,
    daemon_grace: float = 0.0,
    exit_notice: "float | None" = None,
    exit_timeout: "float | None" = None,
    sigterm: "str | None" = None,
) -> Installed:
    """Put raddle's classes into `threading` and `queue`, and into the modules that have imported them from there.

    deadlocks: "raise" an error in the thread that closes a deadlock which nothing can dissolve and report the others,
        "report" all of them on stderr, or "off".
    deadlock_grace: seconds that something which may pass by itself must stand before it is reported.
    lock_order: learn in which order threads take their locks, and report on stderr opposite orders (RD006), which will be a
        deadlock one day. To be asked for before the program takes `acquire` or `release` from a lock to keep it.
    hold_warn: report on stderr (RD013) who has held a lock for so many seconds while others wait for it, and where that thread is;
        once for each hold. Of locks, re-entrant locks and RWLocks.
    daemon_grace: seconds that daemon threads get to stop at the end of the program. They are asked to when main is done and the
        other threads have ended; those that are left are listed on stderr. 0: as on the standard library, they are not asked.
    exit_notice: after so many seconds of waiting for threads at the end, say on stderr who keeps the program alive, and where.
    exit_timeout: after so many seconds of that, ask these threads to stop, give them `daemon_grace` (or 1 s), and end without
        those that are left. Threads that were started by something else than raddle are waited for in any case.
    sigterm: "stop" has SIGTERM end the program in order: all threads are asked to stop, main gets SystemExit, the exit status
        is 143, as a shell shows it; a second one, while main waits for the threads, ends it at once. Give `exit_timeout` as
        well if a thread may not hear of a stop.

    With any of the last four, Ctrl-C at the end, while main waits for threads, asks these to stop; a second one ends the
    program at once. Its exit status is 130 then.

    Returns an object whose `undo()` puts everything back; it can be used in a `with` statement.

    Raises ValueError for a value that makes no sense, RuntimeError for `sigterm` in another thread than the main one.

    >>> import raddle, threading
    >>> with raddle.install():
    ...     lock = threading.Lock()
    >>> type(lock) is type(threading.Lock())
    False
    """
    if sigterm not in (None, "stop"):
        raise ValueError(f"sigterm must be 'stop' or None, got {sigterm!r}")
    _raddle.configure(deadlocks, deadlock_grace, hold_warn)
    exit_before = _raddle.configure_exit(daemon_grace, exit_notice, exit_timeout)
    sigterm_before = _raddle.handle_sigterm() if sigterm is not None else None
    undo: list[_Put] = []
    swap: _Swap = {}
    rebased = Rebased()  # while the standard library's names are the standard library's
    for name in NAMES:
        _replace(undo, swap, real, name, getattr(mine, name))
    for name in QUEUE_NAMES:
        _replace(undo, swap, queue, name, getattr(my_queue, name))
    _rebind(undo, swap)
    learns = lock_order and not _raddle.learn_lock_order(True)
    installed = Installed(undo, rebased, (exit_before, sigterm_before), learns)
    installed.watch()
    return installed


def _replace(undo: "list[_Put]", swap: "dict[int, tuple[str, object]]", holder: object, name: str, new: object) -> None:
    old = getattr(holder, name, None)
    if old is None and name != "ShutDown":  # which is put there on versions that have none
        return
    if old is not new:
        if old is not None:
            swap.setdefault(id(old), (name, new))
        _put(undo, holder, name, new)


def _put(undo: "list[_Put]", holder: object, name: str, value: object) -> None:
    undo.append((holder, name, getattr(holder, name, _ABSENT), value))
    setattr(holder, name, value)


def _rebind(undo: "list[_Put]", swap: "_Swap") -> None:
    """Give the new objects to modules that were imported before and have the old ones."""
    for module_name, module in list(sys.modules.items()):
        if module is None or module_name in LEFT_ALONE or module_name.partition(".")[0] == "raddle":
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            found = swap.get(id(value))
            # The interpreter's own lock has other names too, and those who use them want that one.
            if found is not None and (attribute == found[0] or not attribute.startswith("_")):
                _put(undo, module, attribute, found[1])
