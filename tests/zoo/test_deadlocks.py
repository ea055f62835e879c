"""The deadlock zoo: every program here hangs on the standard library and is told by `raddle run` within half a second.

A program prints `step <monotonic time>` before each step that may close its deadlock; the clock is the machine's, so
the time from the last step to the verdict's line on stderr is measured from outside. Its comments `# held: who` and
`# waits: who` mark the lines that the report has to show.
"""

import re
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import harness
import pytest

ZOO = Path(__file__).parent / "deadlocks"
TOLD_WITHIN = 0.5
VERDICT = re.compile(r"^\w+\[(RD00[12])\]", re.MULTILINE)
STEP = re.compile(r"step (\d+\.\d+)")


@dataclass(frozen=True)
class Case:
    """What is to be told about one program; `ends` is None where raising and reporting are both right."""

    program: str
    code: str
    ends: bool | None
    threads: tuple
    objects: tuple = ()


RAISED = [
    Case("ab_ba_with", "RD001", True, ("transfer-thread", "report-thread"), ("accounts", "audit")),
    Case("self_with", "RD001", True, ("MainThread",), ("Account.lock",)),
    Case("philosophers", "RD001", True, tuple(f"philosopher-{n}" for n in range(5))),
    Case("ring_of_ten", "RD001", True, tuple(f"station-{n}" for n in range(10))),
    Case("mutual_join", "RD001", True, ("chicken-thread", "egg-thread")),
    Case("lock_and_join", "RD001", True, ("MainThread", "worker-thread"), ("results",)),
    Case("rlock_cross", "RD001", True, ("reader-thread", "writer-thread"), ("index", "pages")),
]
REPORTED = [
    Case("ab_ba_acquire", "RD001", False, ("transfer-thread", "report-thread"), ("accounts", "audit")),
    Case("with_and_acquire", "RD001", False, ("transfer-thread", "report-thread"), ("accounts", "audit")),
    Case("self_acquire", "RD001", False, ("again-thread",), ("ledger",)),
    Case("self_acquire_main", "RD001", False, ("MainThread",), ("ledger",)),
    Case("condition_join", "RD001", None, ("consumer-thread", "producer-thread"), ("ready",)),
    Case("nested_pool", "RD001", False, ("crunch_0",), ("Future",)),
    Case("nested_pool_of_three", "RD001", False, ("crunch_",), ("Future",)),
    Case("nested_pool_wait", "RD001", False, ("crunch_",), ("Future",)),
    Case("nested_pool_first", "RD001", False, ("crunch_",), ("Future",)),
    Case("nested_pool_as_completed", "RD001", False, ("crunch_",), ("Future",)),
    Case("nested_pool_join", "RD001", False, ("crunch_1", "helper-thread"), ("Future",)),
    Case("jobs_cross", "RD001", False, ("crunch_0", "crunch_1"), ("Future",)),
    Case("lock_and_future", "RD001", False, ("MainThread", "crunch_0"), ("results", "Future")),
    Case("condition_over_lock", "RD002", False, ("consumer-thread", "producer-thread", "MainThread"), ("store",)),
    Case("semaphore_mutex", "RD002", False, ("upload-thread", "download-thread", "MainThread"), ("disk", "network")),
    Case("event_never_set", "RD002", False, ("worker-thread", "MainThread"), ("configured",)),
    Case("queues_full", "RD002", False, ("ask-thread", "answer-thread", "MainThread"), ("requests", "replies")),
    Case("queues_never_fed", "RD002", False, ("work-thread", "listen-thread", "MainThread"), ("jobs", "events")),
    Case("barrier_never_filled", "RD002", False, ("attendant-0", "attendant-1", "MainThread"), ("meeting",)),
]
IMPORTS = [
    Case("import_join", "RD001", False, ("MainThread", "loader-thread"), ("half_imported_plugin",)),
    Case("import_against_lock", "RD001", False, ("MainThread", "loader-thread"), ("locking_plugin", "settings")),
]
CASES = RAISED + REPORTED + IMPORTS


def identify(case):
    """A case's name in pytest's list."""
    return case.program


class Watched:
    """A running program whose output is read as it arrives, with the time of the first verdict."""

    def __init__(self, runtime, program):
        self.out = self.err = ""
        self.told_at = None
        argv = harness.command(runtime, ZOO / f"{program}.py")
        self.child = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.environment(NO_COLOR="1")
        )
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.child.stdout, selectors.EVENT_READ, "out")
        self.selector.register(self.child.stderr, selectors.EVENT_READ, "err")

    def read(self, seconds, enough):
        """Reads until `enough()`, both pipes' end, or the time is over."""
        until = time.monotonic() + seconds
        while self.selector.get_map() and not enough() and time.monotonic() < until:
            for key, _ in self.selector.select(max(0, until - time.monotonic())):
                self.take(key)

    def take(self, key):
        """Adds what a pipe has to offer, and notes when the first verdict came."""
        data = key.fileobj.read1(65536)
        if not data:
            self.selector.unregister(key.fileobj)
        setattr(self, key.data, getattr(self, key.data) + data.decode(errors="replace"))
        if self.told_at is None and VERDICT.search(self.err):
            self.told_at = time.monotonic()

    def steps(self):
        """The times that the program printed."""
        return [float(stamp) for stamp in STEP.findall(self.out)]

    def end(self):
        """Kills the program if it still runs; gives its exit code (None: it was still running)."""
        if not self.selector.get_map():  # both pipes are closed: it is about to end
            self.child.wait(10)
        code = self.child.poll()
        self.child.kill()
        self.child.wait()
        return code

    def __str__(self):
        return f"--- stdout\n{self.out}\n--- stderr\n{self.err}"


def marked_lines(program):
    """The numbers of the lines that hold a `# held:` or `# waits:` mark."""
    lines = (ZOO / f"{program}.py").read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if re.search(r"# (held|waits): ", line)]


def shows_line(report, number):
    """Whether a report shows a source line, in `file:line` or in a snippet's margin."""
    return re.search(rf"\.py:{number}\b|^\s*{number}\s*\|", report, re.MULTILINE) is not None


def observe(case):
    """Runs a program under raddle up to its end, or for a moment beyond its verdict where it goes on hanging."""
    seen = Watched("raddle", case.program)
    seen.read(15, lambda: seen.told_at is not None)
    seen.read(5 if case.ends else 0.3, lambda: False)
    code = seen.end()
    return seen, code


def check_told(case, seen):
    """The right code, in time, with every thread, every object and every marked line."""
    assert seen.told_at is not None, f"not told\n{seen}"
    assert VERDICT.search(seen.err)[1] == case.code, str(seen)
    delay = seen.told_at - max(seen.steps())
    assert delay <= TOLD_WITHIN, f"told after {delay:.3f} s\n{seen}"
    missing = [name for name in case.threads + case.objects if name not in seen.err]
    assert not missing, f"not named: {missing}\n{seen}"
    hidden = [number for number in marked_lines(case.program) if not shows_line(seen.err, number)]
    assert not hidden, f"lines not shown: {hidden}\n{seen}"


def check_end(case, seen, code):
    """A raised deadlock lets the program end, with 70; a reported one changes nothing."""
    raised = "DeadlockError" in seen.err
    if case.ends is not None:
        assert raised == case.ends, f"raised: {raised}\n{seen}"
    if case.ends:
        assert code == 70, f"exit {code}\n{seen}"
    if case.ends is False:
        assert code is None, f"the program ended: exit {code}\n{seen}"


@pytest.mark.skipif("std" not in harness.RUNTIMES, reason="RADDLE_TESTS leaves the standard library out")
@pytest.mark.parametrize("case", CASES, ids=identify)
def test_hangs_on_the_standard_library(case):
    """Last step printed, then nothing: the zoo holds only programs that do hang."""
    seen = Watched("std", case.program)
    seen.read(15, seen.steps)
    seen.read(0.4, lambda: False)
    assert seen.end() is None, str(seen)
    assert seen.steps(), str(seen)


@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="RADDLE_TESTS leaves raddle out")
@pytest.mark.parametrize("case", CASES, ids=identify)
def test_is_told(case):
    """Deadlock forms, verdict arrives; raised where every edge is owned, else the program goes on hanging."""
    seen, code = observe(case)
    check_told(case, seen)
    check_end(case, seen, code)
