"""The names of `queue`, on raddle's runtime. `Empty` and `Full` are the standard library's, and so is `ShutDown` from 3.13 on."""

from queue import Empty, Full

from ._raddle import LifoQueue, PriorityQueue, Queue, SimpleQueue

try:
    from queue import ShutDown  # type: ignore[attr-defined]
except ImportError:
    from ._raddle import ShutDown

__all__ = ["Empty", "Full", "LifoQueue", "PriorityQueue", "Queue", "ShutDown", "SimpleQueue"]
