"""Threads with the gotchas taken out.

`raddle.threading` has the names of the standard library's module; `raddle.install()` puts them under the whole program.
"""

from ._install import Installed, install
from ._raddle import DeadlockError, LockAbandonedError, ThreadStartError

__all__ = ["DeadlockError", "Installed", "LockAbandonedError", "ThreadStartError", "install"]
__version__ = "0.1.0"

# Loaded when they are asked for, so that `import raddle` stays cheap.
_LATER = {
    "Barrier": "_sync",
    "BoundedSemaphore": "_sync",
    "Condition": "_sync",
    "CountDownLatch": "_sync",
    "Event": "_sync",
    "Lock": "_sync",
    "Once": "_sync",
    "RLock": "_sync",
    "RWLock": "_sync",
    "Semaphore": "_sync",
    "acquire_all": "_sync",
}
__all__ += _LATER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._sync import *  # noqa: F403


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'raddle' has no attribute '{name}'")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"raddle.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
