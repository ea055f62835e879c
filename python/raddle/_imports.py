"""Hears of the import of a module that may never come."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class Watch:
    """A finder of modules that finds none, but calls `imported` with a module of `names` when it is there."""

    def __init__(self, names: "Collection[str]", imported: "Callable[[ModuleType], None]") -> None:
        self.names = names
        self.imported = imported

    def start(self) -> None:
        """Watch from now on; a module that is there already counts as imported now."""
        sys.meta_path.insert(0, self)
        for name in self.names:
            if name in sys.modules:
                self.imported(sys.modules[name])

    def stop(self) -> None:
        """Watch no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "ModuleSpec | None":
        """The module's own specification, with this watch as its loader; None for all other modules."""
        self._come_first()
        if name not in self.names:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
                return spec
        return None

    def _come_first(self) -> None:
        """Stand before finders that came later: one that finds a module in its own way hides it from those behind.

        The import system goes through the list while this changes it. What is before us has been asked already, and what
        is behind us keeps its place.
        """
        for finder in sys.meta_path:
            if finder is self:
                return
            if not isinstance(finder, Watch):
                sys.meta_path.remove(self)
                sys.meta_path.insert(0, self)
                return


class _Loader:
    """A module's own loader, and the watch that is told when the module is there."""

    def __init__(self, loader: "Any", watch: Watch) -> None:
        self._loader = loader
        self._watch = watch

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)

    def exec_module(self, module: "ModuleType") -> None:
        self._loader.exec_module(module)
        if self._watch in sys.meta_path:
            self._watch.imported(module)
