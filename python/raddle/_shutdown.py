"""What a program wants done at its end, before its threads are waited for."""

from collections.abc import Callable
from typing import Any

from . import _raddle


class ShutdownCallback:
    """A function that is called at the end of the program. It can be called as ever, so `on_shutdown` is a decorator, too."""

    __slots__ = ("__wrapped__", "_waiting")

    def __init__(self, fn: "Callable[[], object]") -> None:
        self.__wrapped__ = fn
        self._waiting = _raddle.on_shutdown(fn)

    def remove(self) -> bool:
        """Take it back; False if it was called or taken back before."""
        return self._waiting.remove()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<ShutdownCallback {self.__wrapped__!r}>"


def on_shutdown(fn: "Callable[[], object]") -> ShutdownCallback:
    """Have `fn()` called at the end of the program, when main is done: before its threads are waited for or asked to stop.

    The latest is called first, on the main thread. An error in one is shown by `sys.unraisablehook`, and the others are called.
    Functions of `atexit` run after the threads were joined, which is too late to tell them anything. The child of a fork
    begins without any; `os._exit` and signals that kill the process call none.

    Returns what can take it back: `remove()`. Raises TypeError if `fn` is no function, RuntimeError if the callbacks have run.

    >>> import raddle, threading
    >>> enough = threading.Event()
    >>> worker = raddle.spawn(enough.wait)
    >>> callback = raddle.on_shutdown(enough.set)
    >>> callback.remove()
    True
    >>> enough.set()
    >>> worker.join()
    True
    """
    if not callable(fn):
        raise TypeError(
            f"on_shutdown needs a function, got {type(fn).__name__} (write on_shutdown(queue.close), without calling it)"
        )
    return ShutdownCallback(fn)
