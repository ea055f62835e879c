"""Threads with the gotchas taken out.

`raddle.threading` has the names of the standard library's module; `raddle.install()` puts them under the whole program.
"""

from ._install import Installed, install
from ._raddle import DeadlockError, LockAbandonedError, Stopped, ThreadStartError, ThreadStateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._errors import undelivered_errors as undelivered_errors
    from ._hooks import add_exception_hook as add_exception_hook
    from ._raddle import DeadlineScope as DeadlineScope
    from ._raddle import Registration as Registration
    from ._raddle import StopSource as StopSource
    from ._raddle import StopToken as StopToken
    from ._raddle import ThreadInfo as ThreadInfo
    from ._raddle import any_of as any_of
    from ._raddle import checkpoint as checkpoint
    from ._raddle import current_token as current_token
    from ._raddle import deadline_at as deadline_at
    from ._raddle import fail_after as fail_after
    from ._raddle import info as info
    from ._raddle import move_on_after as move_on_after
    from ._raddle import on_stop as on_stop
    from ._raddle import shield as shield
    from ._raddle import sleep as sleep
    from ._raddle import stop_requested as stop_requested
    from ._raddle import threads as threads
    from ._reports import FrameReport as FrameReport
    from ._reports import SpawnSite as SpawnSite
    from ._reports import ThreadReport as ThreadReport
    from ._reports import lineage as lineage
    from ._threads import Thread as Thread
    from ._threads import ThreadLimiter as ThreadLimiter
    from ._threads import ThreadState as ThreadState
    from ._threads import as_completed as as_completed
    from ._threads import current as current
    from ._threads import join_all as join_all
    from ._threads import spawn as spawn
    from ._threads import wait as wait

__version__ = "0.1.0"

# Names that are looked up when somebody asks for them first: `raddle run` needs none of them.
_LATER = {
    "DeadlineScope": "_raddle",
    "FrameReport": "_reports",
    "Registration": "_raddle",
    "StopSource": "_raddle",
    "StopToken": "_raddle",
    "SpawnSite": "_reports",
    "Thread": "_threads",
    "ThreadInfo": "_raddle",
    "ThreadLimiter": "_threads",
    "ThreadReport": "_reports",
    "ThreadState": "_threads",
    "add_exception_hook": "_hooks",
    "any_of": "_raddle",
    "as_completed": "_threads",
    "checkpoint": "_raddle",
    "current": "_threads",
    "current_token": "_raddle",
    "deadline_at": "_raddle",
    "fail_after": "_raddle",
    "info": "_raddle",
    "join_all": "_threads",
    "lineage": "_reports",
    "move_on_after": "_raddle",
    "on_stop": "_raddle",
    "shield": "_raddle",
    "sleep": "_raddle",
    "spawn": "_threads",
    "stop_requested": "_raddle",
    "threads": "_raddle",
    "undelivered_errors": "_errors",
    "wait": "_threads",
}

__all__ = [
    "DeadlockError",
    "Installed",
    "LockAbandonedError",
    "Stopped",
    "ThreadStartError",
    "ThreadStateError",
    "install",
    *_LATER,
]


def __getattr__(name: str) -> "Any":
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
