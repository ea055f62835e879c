"""Locks that answer: the classes of `raddle` that hold threads up. Their docstrings are the contract.

Everything here is loaded when a name is asked for first, see `raddle.__getattr__`.
"""

from ._raddle import RWLock

__all__ = ["RWLock"]
