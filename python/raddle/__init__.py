"""Threads with the gotchas taken out.

`raddle.threading` has the names of the standard library's module; `raddle.install()` puts them under the whole program.
"""

from ._install import Installed, install
from ._raddle import DeadlockError, LockAbandonedError, ThreadStartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._job import Job as Job
    from ._job import MissedError as MissedError
    from ._time import call_at as call_at
    from ._time import call_later as call_later
    from ._time import every as every

__version__ = "0.1.0"

# What is loaded when it is asked for: the module that has it. `raddle run` imports this package before every program.
_LATER = {
    "Job": "_job",
    "MissedError": "_job",
    "call_at": "_time",
    "call_later": "_time",
    "every": "_time",
}

__all__ = [
    "DeadlockError",
    "Installed",
    "Job",
    "LockAbandonedError",
    "MissedError",
    "ThreadStartError",
    "call_at",
    "call_later",
    "every",
    "install",
]


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
