"""Threads with the gotchas taken out.

`raddle.threading` has the names of the standard library's module; `raddle.install()` puts them under the whole program.
"""

from ._install import Installed, install
from ._raddle import DeadlockError, LockAbandonedError, ThreadStartError

__all__ = ["DeadlockError", "Installed", "LockAbandonedError", "ThreadStartError", "install"]
__version__ = "0.1.0"
