"""Which code of a thread is watched that is to be interrupted, see `interrupt.rs`; loaded by the first `stop(interrupt=True)`.

A thread is interrupted at the edge of a loop, where the next round would begin, or where a function that calls itself begins
once more. There a statement has just ended, so what a call gave has been put where it belongs, and a `try` that was meant for it
has begun. (At the end of a call, where the interpreter would raise an error that comes from outside, neither is so.) The first
instruction of the round is taken, not the jump to it: the compiler leaves the jump out of the loop's `try`.

Watched is the code of all functions that the thread is in, but for those that keep books for others: raddle's own, and the
standard library's locks, queues, pools and imports. It may enter others before it comes by an edge, because it holds a lock at
each, or is in a call of native code; so it is looked at again every few milliseconds, less often after a while, until it has
heard of its stop or its function has ended.
"""

import _thread
import os
import sys
import threading as _real
from collections import Counter
from functools import partial
from types import CodeType
from typing import Any

from . import _raddle

LOOK = 0.005  # seconds between two looks at a thread
OFTEN = 400  # looks at that distance; after that
SELDOM = 20  # every so many

_START = -1  # as in `interrupt.rs`
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_BOOKKEEPERS = ("threading.py", "queue.py", "contextlib.py", "socketserver.py", "_weakrefset.py")
_LIBRARY = os.path.dirname(os.__file__) + os.sep

# Guards what follows. It may be entered again: a garbage collection runs code of the program anywhere.
_lock = _thread.RLock()
_pending: "dict[_raddle.ThreadHandle, None]" = {}
_points: "dict[int, frozenset[int]]" = {}  # by the addresses of
_watched: "list[CodeType]" = []
_looks = 0
_job: Any = None
_tool: "int | None" = None


def interrupt(handle: "_raddle.ThreadHandle") -> None:
    """Have a thread that was asked to stop raise `Stopped` wherever it is, once."""
    global _looks, _job
    if not handle.interrupt():
        return
    with _lock:
        _pending[handle] = None
        _looks = 0
    _look()
    if _pending and _job is None:
        from ._time import every

        _job = every(LOOK, _look)


def _look() -> None:
    global _looks, _job
    with _lock:
        for handle in list(_pending):
            if not handle.interruption_pending:
                _pending.pop(handle, None)
        if not _pending:
            _unwatch()
            job, _job = _job, None
        else:
            job = None
            if _looks < OFTEN or _looks % SELDOM == 0:
                for handle in list(_pending):
                    _watch(handle)
            _looks += 1
    if job is not None:
        job.cancel()


def _watch(handle: "_raddle.ThreadHandle") -> None:
    innermost = frame = sys._current_frames().get(handle.ident)
    codes: Counter[CodeType] = Counter()
    traced = False
    while frame is not None:
        traced = traced or frame.f_trace is not None
        codes[frame.f_code] += 1
        frame = frame.f_back
    theirs = [code for code in codes if not _keeps_books(code.co_filename)]
    for code in theirs:
        if id(code) not in _points:
            _points[id(code)] = _edges(code)
            _watched.append(code)
        if codes[code] > 1:
            _points[id(code)] |= {_START}
    if sys.version_info >= (3, 12):
        _monitor(theirs)
    elif innermost is not None and theirs and not traced and _real.gettrace() is None:
        if innermost.f_lasti in _points.get(id(innermost.f_code), ()):
            innermost.f_trace_opcodes = True  # a jump to itself begins no line
        _raddle.trace_thread(innermost, _points)


def _keeps_books(file: str) -> bool:
    if file.startswith((_OURS, "<frozen ")):
        return True
    if not file.startswith(_LIBRARY):
        return False
    name = file[len(_LIBRARY) :]
    return name in _BOOKKEEPERS or name.startswith(("concurrent" + os.sep, "importlib" + os.sep))


def _edges(code: CodeType) -> "frozenset[int]":
    """The offsets of the instructions with which a round of a loop begins."""
    from dis import get_instructions

    protected = _protected(code)
    instructions = list(get_instructions(code))
    index = {instruction.offset: number for number, instruction in enumerate(instructions)}
    edges: set[int] = set()
    for instruction in instructions:
        name, target = instruction.opname, instruction.argval
        if "JUMP_BACKWARD" not in name or "NO_INTERRUPT" in name or target not in index:
            continue
        number = index[target]
        while instructions[number].opname == "EXTENDED_ARG":
            number += 1
        first = instructions[number].offset
        inside = any(start <= first < end for start, end in protected)
        edges.add(first if inside or not any(a <= instruction.offset < b for a, b in protected) else instruction.offset)
    return frozenset(edges)


def _protected(code: CodeType) -> "list[tuple[int, int]]":
    """The stretches of the code that have a handler of errors, see CPython's Objects/exception_handling_notes.txt."""
    content = iter(code.co_exceptiontable)

    def number(byte: int) -> int:
        value = byte & 63
        while byte & 64:
            byte = next(content)
            value = value << 6 | byte & 63
        return value

    stretches = []
    for byte in content:
        start, length = number(byte), number(next(content))
        number(next(content)), number(next(content))
        stretches.append((start * 2, (start + length) * 2))
    return stretches


if sys.version_info >= (3, 12):
    _monitoring = sys.monitoring

    def _monitor(codes: "list[CodeType]") -> None:
        global _tool
        if _tool is None:
            _tool = _free_tool()
        if _tool is None:
            return
        events = _monitoring.events
        for code in codes:
            wanted = events.INSTRUCTION | (events.PY_START if _START in _points[id(code)] else 0)
            if _monitoring.get_local_events(_tool, code) != wanted:
                _monitoring.set_local_events(_tool, code, wanted)

    def _free_tool() -> "int | None":
        # The lower ones are promised to debuggers, coverage and profilers.
        for tool in (4, 3, 5, 2, 1, 0):
            try:
                _monitoring.use_tool_id(tool, "raddle")
            except ValueError:
                continue
            point, events = _raddle.interruption_point, _monitoring.events
            _monitoring.register_callback(tool, events.INSTRUCTION, partial(point, _points, _monitoring.DISABLE, False))
            _monitoring.register_callback(tool, events.PY_START, partial(point, _points, None, True))
            return tool
        return None

    def _unwatch() -> None:
        global _tool
        if _tool is not None:
            for code in _watched:
                _monitoring.set_local_events(_tool, code, 0)
            for event in (_monitoring.events.INSTRUCTION, _monitoring.events.PY_START):
                _monitoring.register_callback(_tool, event, None)
            _monitoring.free_tool_id(_tool)
            _tool = None
        _points.clear()
        _watched.clear()
else:

    def _unwatch() -> None:  # the trace function takes itself off
        _points.clear()
        _watched.clear()


def _after_fork() -> None:
    global _lock, _job
    _lock, _job = _thread.RLock(), None
    _pending.clear()
    _look()


os.register_at_fork(after_in_child=_after_fork)
