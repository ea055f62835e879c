"""Makes room for gevent and eventlet: their threads are no threads, so raddle takes itself out before they patch."""

import sys

from ._imports import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

# The function of each library that puts greenlets under `threading`.
PATCHERS = {"gevent.monkey": "patch_thread", "eventlet.patcher": "monkey_patch"}


def watch(leave: "Callable[[], None]") -> Watch:
    """A watch that has the patching function of those libraries call `leave` before it does anything."""

    def imported(module: "ModuleType") -> None:
        function = PATCHERS[module.__name__]
        patch = getattr(module, function)

        def patch_without_raddle(*args: "Any", **kwargs: "Any") -> "Any":
            library = module.__name__.partition(".")[0]
            print(f"raddle: {library} puts greenlets under threading, so raddle takes itself out", file=sys.stderr)
            leave()
            setattr(module, function, patch)
            return patch(*args, **kwargs)

        setattr(module, function, patch_without_raddle)

    return Watch(PATCHERS, imported)
