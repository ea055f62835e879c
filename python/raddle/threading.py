"""The names of `threading`, on raddle's runtime.

What is not a lock or a thread is the standard library's own object, so that both modules speak of the same threads:
`_active`, `_limbo`, `_main_thread`, `current_thread`, `local`, the hooks and the exceptions. `Thread` subclasses the
standard library's, which keeps starting the operating system's thread; what is added is that the runtime knows of it.
"""

import os as _os
import sys as _sys
import threading
from _weakref import ref as _ref

from . import _raddle

TYPE_CHECKING = False  # `typing` and its like cost more to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable as _Callable
    from collections.abc import Iterable as _Iterable
    from collections.abc import Mapping as _Mapping
    from contextvars import Context as _Context
    from typing import Any as _Any

_real: "_Any" = threading  # of which private names are used, too: see the project's design
del threading, TYPE_CHECKING

__all__ = list(_real.__all__)

Lock = _raddle.Lock
Condition = _raddle.Condition
Semaphore = _raddle.Semaphore
BoundedSemaphore = _raddle.BoundedSemaphore
Event = _raddle.Event
Barrier = _raddle.Barrier

_CRLock = _PyRLock = _RLock = _raddle.RLock

RLock = _raddle.RLock if _sys.version_info >= (3, 14) else _raddle.make_rlock


class Thread(_real.Thread):  # type: ignore[misc]
    _raddle_handle: "_raddle.ThreadHandle | None" = None
    _raddle_stack_size: "int | None" = None  # that threads get

    if _sys.version_info < (3, 14):
        _raddle_context: "_Context | None" = None

        def __init__(
            self,
            group: None = None,
            target: "_Callable[..., object] | None" = None,
            name: "str | None" = None,
            args: "_Iterable[_Any]" = (),
            kwargs: "_Mapping[str, _Any] | None" = None,
            *,
            daemon: "bool | None" = None,
            context: "_Context | None" = None,
        ) -> None:
            _real_init(self, group, target, name, args, kwargs, daemon=daemon)
            if context is not None:
                self._raddle_context = context

    def start(self) -> None:
        if not self._initialized or self._started.is_set():
            try:
                _real_start(self)  # which raises
            except RuntimeError as error:
                _raddle.explain_misuse(error, self)
                raise
            return
        if _is_replaced() or _raddle.is_closed():
            # By whoever starts threads here now (gevent, eventlet, a debugger); or the interpreter ends.
            _start_otherwise(self)
            return
        self._raddle_handle = handle = _raddle.ThreadHandle(self._name, self._daemonic)
        with _real._active_limbo_lock:
            _real._limbo[self] = self
        try:
            handle.start(self, self._raddle_delay(), self._raddle_stack_size)
        except BaseException:
            with _real._active_limbo_lock:
                del _real._limbo[self]
            handle.forget()
            raise
        self._started.set()

    def _raddle_delay(self) -> "float | None":
        """After how many seconds it begins; until then it needs no thread of the system."""
        return None

    def _raddle_withdraw(self) -> bool:
        """Take it back if its time has not come; whether it was."""
        handle = self._raddle_handle
        if handle is None or not handle.withdraw():
            return False
        handle.stopped()  # if that is why
        with _real._active_limbo_lock:
            _real._limbo.pop(self, None)
        handle.end()
        return True

    if _sys.version_info < (3, 13):

        def _set_tstate_lock(self) -> None:
            if self._tstate_lock is None or self._tstate_lock is not self._raddle_handle:
                _real_set_tstate_lock(self)

        def _wait_for_tstate_lock(self, block: bool = True, timeout: float = -1) -> None:
            # CPython's takes a thread for dead if a signal handler raises in the middle of this.
            handle = self._raddle_handle
            if handle is None or self._tstate_lock is not handle:
                _real_wait_for_tstate_lock(self, block, timeout)
                return
            if block and not handle.ended:
                handle.join(None if timeout == -1 else timeout)
            if not handle.locked():
                self._stop()

        def _delete(self) -> None:
            # What thread-locals hold is finalized in this thread, not in a dummy that has its place: CPython does it later,
            # when it is in the tables no more. From 3.13 on they are where nobody gets at them.
            things = _raddle.things_of_thread()
            for name in list(things):
                if str(name).startswith("thread.local."):
                    things.pop(name, None)
            _real_delete(self)

    def _bootstrap(self) -> None:
        handle = self._raddle_handle
        if handle is not None:
            handle.bind()
            self._invoke_excepthook: _Callable[[Thread], None] = _noting(handle, self._invoke_excepthook)
        if _sys.version_info < (3, 14) and self._raddle_context is not None:
            self._raddle_context.run(_real_bootstrap, self)
        else:
            _real_bootstrap(self)

    def join(self, timeout: "float | None" = None) -> None:
        handle = self._raddle_handle
        # Before 3.13 a thread's last step is another's: who finds that it has ended takes it.
        if timeout is None and handle is not None and handle.ended and getattr(self, "_is_stopped", True):
            return
        try:
            if handle is None or self is current_thread() or not self.is_alive():
                _real_join(self, timeout)
                return
        except RuntimeError as error:
            _raddle.explain_misuse(error, self)
            raise
        handle.join(None if timeout is None else max(timeout, 0))
        if handle.ended:
            _real_join(self)

    def _set_name(self, name: str) -> None:
        _real_name.__set__(self, name)
        if self._raddle_handle is not None:
            self._raddle_handle.rename(self._name)

    def _set_daemon(self, daemonic: bool) -> None:
        try:
            _real_daemon.__set__(self, daemonic)
        except RuntimeError as error:
            _raddle.explain_misuse(error, self)
            raise

    _real_daemon = _real.Thread.daemon
    daemon = property(_real_daemon.fget, _set_daemon, None, _real_daemon.__doc__)
    _real_name = _real.Thread.name
    name = property(_real_name.fget, _set_name, None, _real_name.__doc__)
    del _set_name, _real_name, _set_daemon, _real_daemon

    def _get_native_id(self) -> "int | None":
        native_id: int | None = _real_native_id.__get__(self)
        if native_id is None and self._raddle_handle is not None:
            return self._raddle_handle.native_id
        return native_id

    native_id = property(_get_native_id, None, None, _real.Thread.native_id.__doc__)
    del _get_native_id


_real_init = _real.Thread.__init__
_real_start = _real.Thread.start
_real_bootstrap = _real.Thread._bootstrap
_real_set_tstate_lock: "_Any" = getattr(_real.Thread, "_set_tstate_lock", None)
_real_wait_for_tstate_lock: "_Any" = getattr(_real.Thread, "_wait_for_tstate_lock", None)
_real_delete = _real.Thread._delete
_real_join = _real.Thread.join
_real_name = _real.Thread.name
_real_native_id = _real.Thread.native_id
_real_ident = _real.Thread.ident
_real_repr = _real.Thread.__repr__
_native_id = Thread.native_id
_real_daemon = _real.Thread.daemon


def _start_otherwise(thread: Thread) -> None:
    """Start a thread as the standard library does, known to the runtime if it turns out to be one of the system's."""
    if _is_replaced():
        _real_start(thread)
        return
    thread._raddle_handle = _raddle.ThreadHandle(thread._name, thread._daemonic)
    try:
        _real_start(thread)
    except BaseException:
        thread._raddle_handle.forget()
        raise


# Which of them there is depends on the version.
_STARTERS = [
    (name, getattr(_real, name)) for name in ("_start_new_thread", "_start_joinable_thread") if hasattr(_real, name)
]


def _is_replaced() -> bool:
    """Whether threads are started by something else than the interpreter: they may be no threads at all then."""
    return any(getattr(_real, name, None) is not starter for name, starter in _STARTERS)


def _noting(handle: "_raddle.ThreadHandle", invoke: "_Callable[[Thread], None]") -> "_Callable[[Thread], None]":
    """`invoke`, after the error that it is called for has been noted. That it was asked to stop, and does, is no error."""

    def invoke_excepthook(thread: Thread) -> None:
        error = _sys.exc_info()[1]
        if isinstance(error, _raddle.Stopped) and error._raddle_block == 0 and handle.stopped():
            return
        handle.failed(error)
        try:
            invoke(thread)
        except BaseException as failure:
            # The program's hook has failed, and so has what shows that. The interpreter would show the last error only.
            if error is not None and not isinstance(failure, SystemExit):
                _show_chain(thread.name, error, failure)
            raise

    return invoke_excepthook


def _show_chain(name: str, error: BaseException, failure: BaseException) -> None:
    try:
        from ._reports import show_chain
    except ImportError:  # the interpreter ends
        return
    show_chain(f"Exception in thread {name}:", error, [("threading.excepthook", failure)])


class _Finished(_raddle.Event):
    """The event of a timer, whose thread need not begin any more when it is set."""

    def __init__(self, timer: "Timer") -> None:
        super().__init__()
        self._raddle_timer = _ref(timer)

    def set(self) -> None:
        super().set()
        timer = self._raddle_timer()
        if timer is not None:
            timer._raddle_withdraw()


_Finished.__name__ = _Finished.__qualname__ = "Event"
_Finished.__module__ = "threading"


class Timer(Thread):
    def __init__(
        self,
        interval: float,
        function: "_Callable[..., object]",
        args: "_Any | None" = None,
        kwargs: "dict[str, _Any] | None" = None,
    ) -> None:
        Thread.__init__(self)
        self.interval = interval
        self.function = function
        self.args = args if args is not None else []
        self.kwargs = kwargs if kwargs is not None else {}
        self.finished = _Finished(self)

    def cancel(self) -> None:
        self.finished.set()

    def _raddle_delay(self) -> "float | None":
        usual = type(self.interval) in (int, float) and 0 <= self.interval <= TIMEOUT_MAX
        unchanged = type(self).run is Timer.run and "run" not in vars(self) and type(self.finished) is _Finished
        return self.interval if usual and unchanged and not self.finished.is_set() else None

    def _raddle_promote(self) -> None:
        if self._raddle_handle is not None:
            self._raddle_handle.promote(self)

    @property
    def ident(self) -> "int | None":
        self._raddle_promote()
        return _real_ident.__get__(self)  # type: ignore[no-any-return]

    @property
    def native_id(self) -> "int | None":
        self._raddle_promote()
        return _native_id.__get__(self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        if self._initialized and self._started.is_set():
            self._raddle_promote()
        return _real_repr(self)  # type: ignore[no-any-return]

    def run(self) -> None:
        left = self._raddle_handle and self._raddle_handle.left
        self.finished.wait(self.interval if left is None else left)
        if not self.finished.is_set():
            self.function(*self.args, **self.kwargs)
        self.finished.set()


class _ShutdownLocks(set):  # type: ignore[type-arg]
    """What CPython before 3.13 waits for at its end, which has our threads in it for who asks, not for who iterates.

    `threading._shutdown` waits for those that it finds here in its way, and then for our threads in the runtime's, which
    knows that main is done. So no thread has to be put in and taken out.
    """

    def __contains__(self, lock: object) -> bool:
        if isinstance(lock, _raddle.ThreadHandle):
            return lock.keeps_alive
        return super().__contains__(lock)


def _list_ours() -> None:
    with _real._shutdown_locks_lock:
        _real._shutdown_locks = _ShutdownLocks(_real._shutdown_locks)


if hasattr(_real, "_shutdown_locks"):
    _list_ours()
    if hasattr(_os, "register_at_fork"):
        _os.register_at_fork(after_in_child=_list_ours)  # after that of `threading`, which makes a new set


def _adopt_documentation() -> None:
    """The classes say what CPython's say, and stand where CPython's stand."""
    for mine, real in ((Thread, _real.Thread), (Timer, _real.Timer)):
        mine.__module__ = "threading"
        mine.__doc__ = real.__doc__
        for name, value in vars(mine).items():
            original = vars(real).get(name)
            if callable(value) and original is not None:
                value.__doc__ = original.__doc__
                value.__annotations__ = {}
                value.__qualname__ = original.__qualname__
                value.__module__ = "threading"


_adopt_documentation()
# Pickled by name (multiprocessing's managers are), so it must stand where it is found.
Lock.__module__ = "threading"
if _sys.version_info >= (3, 13):
    Lock.__qualname__ = "Lock"

# The main thread and foreign threads are Threads of both modules.
for _class in (_real._MainThread, _real._DummyThread):
    if _class.__bases__ == (_real.Thread,):
        _class.__bases__ = (Thread,)
del _class

# Called often, and found here at once; what is looked up in `__getattr__` takes ten times as long.
current_thread = _real.current_thread
main_thread = _real.main_thread
get_ident = _real.get_ident
get_native_id = _real.get_native_id
enumerate = _real.enumerate
active_count = _real.active_count
local = _real.local
TIMEOUT_MAX = _real.TIMEOUT_MAX


def __getattr__(name: str) -> "_Any":
    """What is not defined here is the standard library's: `excepthook`, `_active`, ..."""
    try:
        return getattr(_real, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


class _Facade(type(_sys)):  # type: ignore[misc]
    """Writes what is not defined here to the standard library's module.

    Deleting a name that was written undoes the writing, as with a module whose global was patched and is restored.
    Reading is `__getattr__`'s above: a class with a method of that name makes every look into the module slow.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__ or not hasattr(_real, name):
            super().__setattr__(name, value)
        else:
            _before.setdefault(name, []).append(getattr(_real, name))
            del _before[name][:-_DEEPEST]
            setattr(_real, name, value)

    def __delattr__(self, name: str) -> None:
        if _before.get(name):
            setattr(_real, name, _before[name].pop())
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(_real), *self.__dict__})


_DEEPEST = 32
# What was written over, latest last: patches of one name are undone from the inside out. Plain assignments leave theirs
# here, too, hence the bound.
_before: "dict[str, list[object]]" = {}
_sys.modules[__name__].__class__ = _Facade
