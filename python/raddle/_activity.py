"""Where the Python code of a thread is, for a thread that does not wait for anything that raddle knows.

Whether a thread is in C code cannot be seen from outside, but a stop that does not take looks twice. If the thread is at the
same instruction still, it is in a loop that comes by there, or in a call that has not returned. The processor's time tells
them apart: a loop needs the interpreter's lock to run, and uses time whenever it has it, or waits for a processor to use it; a
call that sleeps does neither, and one that computes goes on while the observer holds the lock.
"""

import linecache
import sys
import time
from typing import Any, NamedTuple

from . import _raddle

_IDLE = 0.02  # what a loop uses of the time that passes, at least


class Spot(NamedTuple):
    """The instruction that a thread is at, when it was seen there, and what it had used of the processor's time or had
    waited for that."""

    code: object
    instruction: int
    seen: float
    used: float


def spot_of(handle: "_raddle.ThreadHandle") -> "Spot | None":
    """Where a thread is now; None if it runs no Python code."""
    frame = sys._current_frames().get(handle.ident)
    return None if frame is None else Spot(frame.f_code, frame.f_lasti, time.monotonic(), _used(handle) or 0.0)


def describe(handle: "_raddle.ThreadHandle", before: "Spot | None") -> str:
    """What a running thread is doing, in words that go into a sentence.

    before: where it was when it was asked to stop, if it was.
    """
    frame = sys._current_frames().get(handle.ident)
    if frame is None:
        return "running"
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if before is not None and (before.code, before.instruction) == (frame.f_code, frame.f_lasti):
        passed, used = time.monotonic() - before.seen, _used(handle)
        # The system counts a wait for a processor when it is over: one that has not ended is only seen as such.
        sleeps = used is not None and used - before.used < _IDLE * passed and not handle.is_runnable()
        if sleeps or handle.runs_unlocked():
            return f"in native call {_expression(frame)} for {passed:.1f} s at {place}"
    return f"running at {place}, in {frame.f_code.co_qualname}"


def _used(handle: "_raddle.ThreadHandle") -> "float | None":
    used = handle.cpu_time
    return None if used is None else used + (handle.run_queue_time or 0.0)


def _expression(frame: Any) -> str:
    """The source of the expression that a frame is at: `time.sleep(60)`."""
    code, index = frame.f_code, frame.f_lasti // 2
    line, end_line, start, end = list(code.co_positions())[index]
    text = linecache.getline(code.co_filename, line or 0)
    if not text or line != end_line or start is None or end is None:
        return str(code.co_qualname)
    return text.encode()[start:end].decode(errors="replace")
