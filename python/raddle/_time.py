"""`call_later`, `call_at` and `every`: what their arguments mean, and words for those that mean nothing.

A moment that is said as a `datetime` becomes an instant here, once: zones, gaps and folds are the interpreter's to know. The
engine knows seconds on one of two clocks.
"""

import math as _math
import time as _clock
from datetime import date as _date
from datetime import datetime as _datetime
from datetime import time as _time_of_day
from datetime import timedelta as _timedelta

from ._job import Job, MissedError
from ._job import make as _make
from ._job import start as _start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Seconds = float | _timedelta

__all__ = ["Job", "MissedError", "call_at", "call_later", "every"]

_SHORTEST = 0.001  # seconds between two runs: what is due sooner after one another is done together anyway
_MISFIRE_GRACE = 60.0
_POLICIES = ("coalesce", "skip", "catch_up")


def call_later(s: "Seconds", fn: "Callable[..., Any]", /, *args: "Any", on: "Any" = "pool") -> Job:
    """Call `fn(*args)` once, `s` seconds from now, and return a `Job`.

    s: seconds, or a timedelta; less than 0 is 0. The clock on the wall does not matter to it.
    on: "pool": a thread that is shared with other jobs, of which there are as many as are needed; "thread": one of its own;
        or an executor, whose `submit` is called.

    The job does not keep the process alive: if it is still due when that ends, a line on stderr says so.

    Raises TypeError or ValueError for arguments that make no sense, ThreadStartError if the system refuses a thread.

    >>> import raddle
    >>> job = raddle.call_later(0.01, print, "later")
    >>> job.result()
    later
    """
    return _start(_make(fn, args, on, (_seconds("s", s, None), False)))


def call_at(
    when: "_datetime | float",
    fn: "Callable[..., Any]",
    /,
    *args: "Any",
    misfire_grace: "Seconds | None" = _MISFIRE_GRACE,
    on: "Any" = "pool",
) -> Job:
    """Call `fn(*args)` once at a moment, and return a `Job`.

    when: a datetime, which is local time if it has no zone, or a number as `time.monotonic()` gives it. With a datetime
        the run comes when the clock on the wall says so, also if that is set meanwhile. A time that daylight saving skips is
        the first moment after the gap; of a time that comes twice, `fold` says which is meant.
    misfire_grace: by how many seconds the run may be late; None: any. A moment that has passed is late from the beginning. If
        it is too late, `result()` raises MissedError.
    on: as for `call_later`.

    The job does not keep the process alive: if it is still due when that ends, a line on stderr says so.

    Raises TypeError or ValueError for arguments that make no sense, ThreadStartError if the system refuses a thread.

    >>> import raddle, datetime
    >>> soon = datetime.datetime.now() + datetime.timedelta(seconds=0.01)
    >>> raddle.call_at(soon, max, 3, 4).result()
    4
    """
    zone = None
    if isinstance(when, _datetime):
        first, zone = (_instant(when), True), when.tzinfo
    else:
        first = (_from_now(when), False)
    grace = _optional("misfire_grace", misfire_grace)
    return _start(_make(fn, args, on, first, grace=grace, zone=zone))


def every(
    interval: "Seconds",
    fn: "Callable[[], Any]",
    /,
    *,
    first: "_datetime | Seconds | None" = None,
    missed: str = "coalesce",
    jitter: "Seconds" = 0,
    max_instances: int = 1,
    times: "int | None" = None,
    until: "_datetime | Seconds | None" = None,
    misfire_grace: "Seconds | None" = None,
    on: "Any" = "pool",
) -> Job:
    """Call `fn()` again and again, and return a `Job`.

    The n-th run is due n intervals after the first, however long the runs before took: there is no drift. A run that
    raises is reported as an error that leaves a thread, and the job goes on.

    interval: seconds, or a timedelta, of 0.001 s at least. A day is 24 hours, also when daylight saving begins or ends.
    first: when the first run is due: seconds or a timedelta from now, 0 for at once; or a datetime, as for `call_at`, and then
        all runs follow the clock on the wall. None: after one interval.
    missed: what becomes of runs that could not begin when they were due, because the job was paused, or had
        `max_instances` under way, or the machine was asleep. "coalesce": one run stands for all, as soon as possible, and the
        others are missed. "skip": those that came during a pause or while the job was busy are missed; if several are due at
        once for another reason, the latest begins. "catch_up": each of them begins, as soon as possible.
        `Job.missed` counts those that are missed.
    jitter: each run is due up to so many seconds later than it would be, by chance. Not more than the interval.
    max_instances: how many runs may be under way at the same time.
    times: how many runs begin before the job is over; None: no limit.
    until: no run is due after this: seconds or a timedelta from now, or a datetime; None: no limit.
    misfire_grace: by how many seconds a run may be late before it is missed; None: any.
    on: as for `call_later`.

    The job does not keep the process alive.

    Raises TypeError or ValueError for arguments that make no sense, ThreadStartError if the system refuses a thread.

    >>> import raddle
    >>> job = raddle.every(0.01, lambda: print("tick"), times=3)
    >>> job.result()
    tick
    tick
    tick
    >>> job.runs
    3
    """
    seconds = _seconds("interval", interval, "to have it run once, write call_later")
    if seconds < _SHORTEST:
        text = f"interval must be {_SHORTEST} s or more, got {interval!r}"
        raise ValueError(f"{text} (to have it run once, write call_later; to have it run all the time, a loop)")
    if missed not in _POLICIES:
        raise ValueError(f"missed must be 'coalesce', 'skip' or 'catch_up', got {missed!r}")
    chance = _seconds("jitter", jitter, None)
    if not 0 <= chance <= seconds:
        raise ValueError(f"jitter must be between 0 and the interval, {seconds:g} s, got {jitter!r}")
    beginning = _moment("first", seconds if first is None else first)
    end = None if until is None else _moment("until", until)
    if end is not None and _is_before(end, beginning):
        raise ValueError(f"until must be after the first run is due, got {until!r} (the job would never run)")
    return _start(
        _make(
            fn,
            (),
            on,
            beginning,
            every=seconds,
            missed=missed,
            grace=_optional("misfire_grace", misfire_grace),
            jitter=chance,
            max_instances=_number("max_instances", max_instances),
            times=None if times is None else _number("times", times),
            until=end,
            zone=first.tzinfo if isinstance(first, _datetime) else None,
        )
    )


# ---- what arguments mean ----


def _seconds(name: str, value: "Any", hint: "str | None") -> float:
    if isinstance(value, _timedelta):
        return value.total_seconds()
    more = f" ({hint})" if hint else ""
    if isinstance(value, (bool, str, bytes, complex)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number of seconds or a timedelta, got {value!r}{more}")
    seconds = float(value)
    if not _math.isfinite(seconds):
        raise ValueError(f"{name} must be a finite number of seconds, got {value!r}{more}")
    return seconds


def _optional(name: str, value: "Any") -> "float | None":
    if value is None:
        return None
    seconds = _seconds(name, value, "None for no limit")
    if seconds < 0:
        raise ValueError(f"{name} must be 0 or more seconds, or None for no limit, got {value!r}")
    return seconds


def _number(name: str, value: "Any") -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    number = value.__index__()
    if number < 1:
        raise ValueError(f"{name} must be 1 or more, got {value!r}")
    return int(number)


def _moment(name: str, value: "Any") -> "tuple[float, bool]":
    """Seconds, and whether they are since 1970 and not from now."""
    if isinstance(value, _datetime):
        return _instant(value), True
    if isinstance(value, (_date, _time_of_day)):
        raise TypeError(f"{name} must be a datetime, or seconds from now, got {value!r} (write datetime.combine)")
    return max(_seconds(name, value, None), 0.0), False


def _is_before(moment: "tuple[float, bool]", other: "tuple[float, bool]") -> bool:
    now = _clock.time()
    (a, b) = (at if on_wall else now + at for at, on_wall in (moment, other))
    return a < b


def _from_now(when: "Any") -> float:
    """How many seconds from now a moment is that `time.monotonic()` will give."""
    if isinstance(when, (_date, _time_of_day, _timedelta, str, bytes, bool)) or not hasattr(when, "__float__"):
        raise TypeError(
            f"when must be a datetime, or a number as time.monotonic() gives it, got {when!r} (for a delay, write "
            "call_later; for a date and a time of day, datetime.combine)"
        )
    left = float(when) - _clock.monotonic()
    if not _math.isfinite(left):
        raise ValueError(f"when must be a finite number, got {when!r}")
    if left > 10 * 365 * 86400:
        raise ValueError(
            f"when must be a number as time.monotonic() gives it, got {when!r}, which is {left / 86400 / 365:.0f} years "
            "away (for a moment of time.time(), pass datetime.fromtimestamp of it)"
        )
    return left


def _instant(when: _datetime) -> float:
    """A datetime in seconds since 1970. `fold` decides in a fold; of a time in a gap it is the gap's end."""
    at = when.timestamp()
    wanted = when.replace(tzinfo=None, fold=0)

    def shown(seconds: float) -> _datetime:
        return _datetime.fromtimestamp(seconds, when.tzinfo).replace(tzinfo=None, fold=0)

    if abs(shown(at) - wanted) < _timedelta(milliseconds=1):
        return at
    # In a gap the later offset gives an instant before it, the earlier one an instant after it. Clocks are changed on
    # whole seconds.
    before, after = sorted(when.replace(fold=fold).timestamp() for fold in (0, 1))
    low, high = _math.floor(before), _math.ceil(after)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) > wanted else (middle, high)
    return float(high)
