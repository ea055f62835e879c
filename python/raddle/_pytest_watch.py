"""What the pytest plugin does once it was asked for; see `pytest_plugin.py`, which loads this only then.

Lock orders are kept from one test to the next. Of locks that were made for a test they are forgotten with these, so tests that
have nothing in common cannot accuse each other; a lock that several tests share is the same one in the program, and two tests
that take two such locks in opposite orders show what only chance would show in one. In different threads, as ever: what main
does in one test after the other, it does not do twice at a time.
"""

import gc
import time

import pytest

from . import _errors, _raddle
from ._hooks import add_exception_hook
from ._install import install
from ._raddle import move_on_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

LEAK_GRACE = 0.3  # seconds that a test's threads get to end by themselves
FATAL = ("RD001", "RD002", "RD004")


class Summary:
    """Under `raddle run`: its reports stand at the end, since pytest captures what is written while a test runs."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, str]] = []
        _raddle.on_verdict(self.on_verdict)

    def on_verdict(self, _code: str, text: str, mark: str, _raised: bool) -> None:
        """Called by the thread that found something, in the middle of its wait."""
        self.reports.append((text, mark))

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """The reports so far."""
        if self.reports:
            terminalreporter.section("raddle")
        for text, mark in self.reports:
            terminalreporter.write(text)
            terminalreporter.write(mark)

    def pytest_unconfigure(self) -> None:
        """What comes now is printed."""
        _raddle.on_verdict(None)


class Watch:
    """What is watched while a test runs."""

    def __init__(self, leaks: str) -> None:
        self.leaks = leaks
        self.found: list[str] = []
        self.opposite: list[str] = []  # lock orders, until a test has failed for them
        self.scope: _raddle.DeadlineScope | None = None
        self.reports: list[Any] = []
        self.kept: set[tuple[int, int]] = set()
        self.installed = install(lock_order=True)
        self.hook: Any = None
        _raddle.on_verdict(self.on_verdict)

    def pytest_sessionstart(self) -> None:
        """Hear of errors after pytest's own plugin, which lets nobody else hear."""
        self.hook = add_exception_hook(self.on_report)

    def pytest_unconfigure(self) -> None:
        """Take raddle out again."""
        _raddle.on_verdict(None)
        if self.hook is not None:
            self.hook.remove()
        self.installed.undo()

    def on_report(self, report: "Any") -> None:
        """An error left a thread, and nobody will take it. Those of jobs come whenever their future is freed."""
        if report.kind in ("thread", "threading"):
            self.reports.append(report)

    def on_verdict(self, code: str, text: str, _mark: str, raised: bool) -> None:
        """Called by the thread that found something, in the middle of its wait. What was raised, the test sees itself."""
        if code == "RD006":
            self.opposite.append(text)
        if code in FATAL and not raised:
            self.found.append(text)
            scope = self.scope
            if scope is not None:
                scope.end()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: "pytest.Item") -> "Generator[None, Any, Any]":
        """Before the fixtures of the test."""
        item.stash[HELD] = _held()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: "pytest.FixtureDef[Any]") -> "Generator[None, Any, Any]":
        """What a fixture for several tests takes, it may keep."""
        before = _held()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self.kept |= _held() - before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: "pytest.Item") -> "Generator[None, Any, Any]":
        """The test's function: a wait of its own that would never end is ended."""
        before = {info.serial for info in _raddle.threads()}
        held = {report.serial for report in _errors.undelivered_errors()}
        item.stash[BEFORE] = (before, held)
        self.found.clear()
        self.reports.clear()
        _raddle.tell_again()
        result = None
        scope = move_on_after(None)
        self.scope = None if _ignores(item, "deadlocks") else scope
        item.stash[CUT_SHORT] = True
        try:
            with scope:
                result = yield
                item.stash[CUT_SHORT] = False
        finally:
            self.scope = None
            if self.found and not _ignores(item, "deadlocks"):
                text = "\n".join(self.found)
                self.found.clear()
                pytest.fail(f"raddle found this while the test ran:\n\n{text}", pytrace=False)
        if problems := self._opposite_orders(item):
            pytest.fail("\n".join(problems), pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: "pytest.Item") -> "Generator[None, Any, Any]":
        """After the fixtures of the test: what it has left behind."""
        result = yield
        before, held = item.stash.get(BEFORE, (None, set()))
        if before is None:
            return result
        problems = [
            *self._left_running(item, before),
            *self._not_taken(item, held),
            *self._left_held(item, before),
            *self._opposite_orders(item),
        ]
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
        return result

    def _left_running(self, item: "pytest.Item", before: "set[int]") -> "list[str]":
        if self.leaks == "none" or _ignores(item, "leaks"):
            return []
        end = time.monotonic() + LEAK_GRACE
        while (left := self._new_threads(before)) and time.monotonic() < end:
            time.sleep(0.005)
        if not left:
            return []
        lines = [f"the test left {len(left)} thread{'s' if len(left) > 1 else ''} running:"]
        for info in left:
            started = f" (started by {info.started_by!r} at {info.spawn_site})" if info.spawn_site else ""
            lines.append(f"  {info.name!r}{started}: {info.activity}")
        lines.append("  (join them, stop them, or start them in a raddle.Scope)")
        return ["\n".join(lines)]

    def _new_threads(self, before: "set[int]") -> "list[Any]":
        kinds = {"regular", "scoped", "supervised", "timer"}
        return [
            info
            for info in _raddle.threads()
            if info.serial not in before
            and (info.kind in kinds | ({"daemon"} if self.leaks == "all" else set()))
            and (self.leaks == "all" or not info.daemon)
        ]

    def _opposite_orders(self, item: "pytest.Item") -> "list[str]":
        """What the test's function has not failed for yet: after one that failed by itself, in fixtures."""
        texts = self.opposite[:]
        del self.opposite[: len(texts)]  # others may come meanwhile
        if not texts or _ignores(item, "lock_order"):
            return []
        return ["raddle found this while the test ran:\n\n" + "\n".join(texts)]

    def _left_held(self, item: "pytest.Item", before: "set[int]") -> "list[str]":
        if _ignores(item, "locks") or not self._held_by_it(item, before):
            return []
        gc.collect()  # nobody can wait for a lock that nobody has
        held = self._held_by_it(item, before)
        if not held:
            return []
        lines = [f"the test left {len(held)} lock{'s' if len(held) > 1 else ''} behind:"]
        for lock in held:
            who = (
                f"{lock.holder_name!r}, which has ended" if lock.abandoned else f"{lock.holder_name!r}, the test's own"
            )
            at = f"; it was taken at {lock.taken_at}" if lock.taken_at else ""
            lines.append(f"  {lock.kind} {lock.name!r} is held by {who}{at}")
        lines.append("  (write `with lock:` instead of acquire() and release(): it lets go however the block is left)")
        return ["\n".join(lines)]

    def _held_by_it(self, item: "pytest.Item", before: "set[int]") -> "list[Any]":
        """The locks of its threads that have ended, and those of the thread it ran in unless an error has cut it short."""
        others = item.stash.get(HELD, set()) | self.kept
        me = None if item.stash.get(CUT_SHORT, True) else _raddle.current_handle().serial
        return [
            lock
            for lock in _raddle.held_locks()
            if (lock.identity, lock.holder) not in others
            and (lock.holder == me or (lock.abandoned and lock.holder not in before))
        ]

    def _not_taken(self, item: "pytest.Item", held: "set[int]") -> "list[str]":
        reports = [report for report in _errors.undelivered_errors() if report.serial not in held]
        reports += self.reports
        self.reports.clear()
        if not reports or _ignores(item, "errors"):
            return []
        texts = [
            f"thread {report.thread!r} failed, and nobody took its error:\n{report.traceback}" for report in reports
        ]
        return ["\n".join(texts)]


BEFORE: "pytest.StashKey[tuple[set[int], set[int]]]" = pytest.StashKey()
HELD: "pytest.StashKey[set[tuple[int, int]]]" = pytest.StashKey()
CUT_SHORT: "pytest.StashKey[bool]" = pytest.StashKey()


def _held() -> "set[tuple[int, int]]":
    return {(lock.identity, lock.holder) for lock in _raddle.held_locks()}


def _ignores(item: "pytest.Item", kind: str) -> bool:
    """Whether a test does that on purpose."""
    return any(not mark.args or kind in mark.args for mark in item.iter_markers("raddle_ignore"))
