"""Threads with the gotchas taken out.

`raddle.threading` has the names of the standard library's module; `raddle.install()` puts them under the whole program.

(PYTEST_DONT_REWRITE: there are no assertions in here for pytest to explain.)
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._errors import undelivered_errors as undelivered_errors
    from ._hooks import add_exception_hook as add_exception_hook
    from ._install import Installed as Installed
    from ._install import install as install
    from ._job import Job as Job
    from ._job import MissedError as MissedError
    from ._monitors import ThreadExit as ThreadExit
    from ._raddle import DeadlineScope as DeadlineScope
    from ._raddle import DeadlockError as DeadlockError
    from ._raddle import LockAbandonedError as LockAbandonedError
    from ._raddle import Registration as Registration
    from ._raddle import Stopped as Stopped
    from ._raddle import StopSource as StopSource
    from ._raddle import StopToken as StopToken
    from ._raddle import ThreadInfo as ThreadInfo
    from ._raddle import ThreadStartError as ThreadStartError
    from ._raddle import ThreadStateError as ThreadStateError
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
    from ._scopes import Scope as Scope
    from ._several import ThreadLimiter as ThreadLimiter
    from ._several import after as after
    from ._several import as_completed as as_completed
    from ._several import current as current
    from ._several import join_all as join_all
    from ._several import spawn as spawn
    from ._several import wait as wait
    from ._shutdown import ShutdownCallback as ShutdownCallback
    from ._shutdown import on_shutdown as on_shutdown
    from ._supervision import Exponential as Exponential
    from ._supervision import SupervisorGaveUp as SupervisorGaveUp
    from ._sync import Barrier as Barrier
    from ._sync import BoundedSemaphore as BoundedSemaphore
    from ._sync import Condition as Condition
    from ._sync import CountDownLatch as CountDownLatch
    from ._sync import Event as Event
    from ._sync import Lock as Lock
    from ._sync import Once as Once
    from ._sync import RateLimiter as RateLimiter
    from ._sync import RLock as RLock
    from ._sync import RWLock as RWLock
    from ._sync import Semaphore as Semaphore
    from ._sync import acquire_all as acquire_all
    from ._threads import Thread as Thread
    from ._threads import ThreadState as ThreadState
    from ._time import call_at as call_at
    from ._time import call_later as call_later
    from ._time import every as every
    from ._tree import thread_tree as thread_tree

__version__ = "0.1.0"

# In which module each name is. Each is looked up when somebody asks for it first: to import the package does nothing yet,
# so that a plugin or a tool may have it loaded without changing the program.
_LATER = {
    "Barrier": "_sync",
    "BoundedSemaphore": "_sync",
    "Condition": "_sync",
    "CountDownLatch": "_sync",
    "DeadlineScope": "_raddle",
    "DeadlockError": "_raddle",
    "Event": "_sync",
    "Exponential": "_supervision",
    "FrameReport": "_reports",
    "Installed": "_install",
    "Job": "_job",
    "Lock": "_sync",
    "LockAbandonedError": "_raddle",
    "MissedError": "_job",
    "Once": "_sync",
    "RLock": "_sync",
    "RWLock": "_sync",
    "RateLimiter": "_sync",
    "Registration": "_raddle",
    "Scope": "_scopes",
    "Semaphore": "_sync",
    "ShutdownCallback": "_shutdown",
    "SpawnSite": "_reports",
    "StopSource": "_raddle",
    "StopToken": "_raddle",
    "Stopped": "_raddle",
    "SupervisorGaveUp": "_supervision",
    "Thread": "_threads",
    "ThreadExit": "_monitors",
    "ThreadInfo": "_raddle",
    "ThreadLimiter": "_several",
    "ThreadReport": "_reports",
    "ThreadStartError": "_raddle",
    "ThreadState": "_threads",
    "ThreadStateError": "_raddle",
    "acquire_all": "_sync",
    "add_exception_hook": "_hooks",
    "after": "_several",
    "any_of": "_raddle",
    "as_completed": "_several",
    "call_at": "_time",
    "call_later": "_time",
    "checkpoint": "_raddle",
    "current": "_several",
    "current_token": "_raddle",
    "deadline_at": "_raddle",
    "every": "_time",
    "fail_after": "_raddle",
    "info": "_raddle",
    "install": "_install",
    "join_all": "_several",
    "lineage": "_reports",
    "move_on_after": "_raddle",
    "on_shutdown": "_shutdown",
    "on_stop": "_raddle",
    "shield": "_raddle",
    "sleep": "_raddle",
    "spawn": "_several",
    "stop_requested": "_raddle",
    "thread_tree": "_tree",
    "threads": "_raddle",
    "undelivered_errors": "_errors",
    "wait": "_several",
}

__all__ = [*_LATER]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name in ("threading", "queue", "futures"):
        return import_module(f".{name}", __name__)
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
