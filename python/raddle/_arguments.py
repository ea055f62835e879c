"""What a caller has given, looked at before anything is done with it, so that a mistake is told in the line that makes it."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MethodType
from typing import Any

from . import _raddle


def shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def where() -> str:
    """`app.py:12`, of the innermost frame that is not raddle's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "raddle":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def checked(target: object, args: Any, kwargs: Any, *, has_run: bool) -> "tuple[Any, ...]":
    """The arguments as a tuple, if a thread can run `target` with them, or has a `run` of its own; otherwise a TypeError."""
    if target is None and not has_run:
        raise TypeError(
            "this thread would do nothing (target is None; did you write target=f() instead of target=f?), at "
            + where()
        )
    if target is not None and not callable(target):
        hint = "; did you write target=f() instead of target=f?"
        raise TypeError(f"target must be callable, got {shown(target)} (at {where()}{hint})")
    if isinstance(args, (str, bytes)) or not isinstance(args, Iterable):
        raise TypeError(
            f"args must be a sequence of arguments, got {shown(args)} (write args=({args!r},)), at {where()}"
        )
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise TypeError(f"kwargs must be a mapping of names to arguments, got {shown(kwargs)}, at {where()}")
    given = tuple(args)
    if target is not None and not _surely_fits(target, given, kwargs):
        _must_fit(target, given, kwargs or {})
    return given


def _surely_fits(target: Any, args: "tuple[Any, ...]", kwargs: Any) -> bool:
    """Whether a plain function takes so many arguments; `inspect` finds out about all else, and costs more."""
    count = len(args)
    if type(target) is MethodType:
        target, count = target.__func__, count + 1
    if type(target) is not FunctionType or kwargs or hasattr(target, "__wrapped__"):
        return False
    code = target.__code__
    if code.co_kwonlyargcount > len(target.__kwdefaults__ or ()):
        return False
    least = code.co_argcount - len(target.__defaults__ or ())
    return least <= count and (count <= code.co_argcount or bool(code.co_flags & 0x04))


def _must_fit(target: Any, args: "tuple[Any, ...]", kwargs: "Mapping[str, Any]") -> None:
    import inspect

    try:
        signature = inspect.signature(target)
    except (ValueError, TypeError):  # written in C, and does not say
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(target, "__qualname__", repr(target))
        raise TypeError(f"{name}{signature} cannot be called so: {error} (at {where()})") from None


def time_limit(method: str, name: str, value: "float | None") -> "float | None":
    """A time limit as the engine takes it; None: no limit."""
    return _raddle.seconds(method, name, value)


def until(method: str, moment: Any) -> float:
    """How many seconds it is until a moment: a datetime, or one of `time.monotonic()`'s."""
    import datetime

    if isinstance(moment, datetime.datetime):
        return max(moment.timestamp() - time.time(), 0.0)
    if isinstance(moment, (int, float)) and moment == moment:
        return max(moment - time.monotonic(), 0.0)
    raise TypeError(f"{method}(): a moment is a datetime or seconds of time.monotonic(), got {shown(moment)}")


def stack_of(size: Any) -> int:
    """The size of a stack, in bytes, if that is one. The interpreter's own least is 32 KiB."""
    if not isinstance(size, int):
        raise TypeError(f"Thread(): stack_size must be a number of bytes, got {shown(size)}")
    if size < 32768:
        raise ValueError(f"Thread(): stack_size must be 32768 bytes or more, got {size}")
    return size


def beginning(start_at: Any, start_after: Any) -> "Callable[[], float] | None":
    if start_at is not None and start_after is not None:
        raise TypeError("Thread(): give start_at or start_after, not both")
    if start_at is not None:
        until("start_at", start_at)
        return lambda: until("start_at", start_at)
    if start_after is None:
        return None
    seconds = time_limit("Thread", "start_after", start_after)
    if seconds is None:
        raise ValueError(f"Thread(): start_after must be a number of seconds, got {start_after!r}")
    return lambda: seconds
