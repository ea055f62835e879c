"""Where the Python code of a thread is, for a thread that does not wait for anything that raddle knows.

Whether a call that stands at the same instruction for a while is in C code cannot be seen from outside, but a stop that
does not take asks twice: if the thread is at the same call still, it has been in there all the time, since Python code would
have moved on.
"""

import linecache
import sys
import time
from typing import NamedTuple


class Spot(NamedTuple):
    """The instruction that a thread is at, and when it was seen there."""

    code: object
    instruction: int
    seen: float


def spot_of(ident: "int | None") -> "Spot | None":
    """Where the thread of that ident is now; None if it runs no Python code."""
    frame = sys._current_frames().get(ident) if ident is not None else None
    return None if frame is None else Spot(frame.f_code, frame.f_lasti, time.monotonic())


def describe(ident: "int | None", before: "Spot | None") -> str:
    """What a running thread is doing, in words that go into a sentence.

    before: where it was when it was asked to stop, if it was.
    """
    frame = sys._current_frames().get(ident) if ident is not None else None
    if frame is None:
        return "running"
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    stuck = before is not None and (before.code, before.instruction) == (frame.f_code, frame.f_lasti)
    if before is None or not stuck:
        return f"running at {place}, in {frame.f_code.co_qualname}"
    return f"in native call {_expression(frame)} for {time.monotonic() - before.seen:.1f} s at {place}"


def _expression(frame: object) -> str:
    """The source of the expression that a frame is at: `time.sleep(60)`."""
    code, index = frame.f_code, frame.f_lasti // 2  # type: ignore[attr-defined]
    line, end_line, start, end = list(code.co_positions())[index]
    text = linecache.getline(code.co_filename, line or 0)
    if not text or line != end_line or start is None or end is None:
        return code.co_qualname  # type: ignore[no-any-return]
    return text.encode()[start:end].decode(errors="replace")
