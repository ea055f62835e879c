"""Makes room for gevent and eventlet: their threads are no threads, so raddle takes itself out before they patch."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# The function of each library that puts greenlets under `threading`.
PATCHERS = {"gevent.monkey": "patch_thread", "eventlet.patcher": "monkey_patch"}


class Watch:
    """A finder of modules that finds none, but has the patching function of those libraries call `leave` first."""

    def __init__(self, leave: "Callable[[], None]") -> None:
        self.leave = leave

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "ModuleSpec | None":
        """The module's own specification, with this watch as its loader; None for all other modules."""
        if name not in PATCHERS:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
                return spec
        return None

    def watch(self, module: "ModuleType") -> None:
        """Have the module's patching function make raddle leave before it does anything."""
        function = PATCHERS[module.__name__]
        patch = getattr(module, function)

        def patch_without_raddle(*args: "Any", **kwargs: "Any") -> "Any":
            library = module.__name__.partition(".")[0]
            print(f"raddle: {library} puts greenlets under threading, so raddle takes itself out", file=sys.stderr)
            self.leave()
            setattr(module, function, patch)
            return patch(*args, **kwargs)

        setattr(module, function, patch_without_raddle)


class _Loader:
    """A module's own loader, and the watch that is told when the module is there."""

    def __init__(self, loader: "Any", watch: Watch) -> None:
        self._loader = loader
        self._watch = watch

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)

    def exec_module(self, module: "ModuleType") -> None:
        self._loader.exec_module(module)
        self._watch.watch(module)
