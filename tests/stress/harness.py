"""What every test program here needs: choose a runtime, never hang without stacks, run a program under either runtime.

A program takes its runtime as its first argument, `std` or `raddle`, and calls `choose()` with it before it makes a
thread. Nothing here waits without a limit: in this process `limit()` dumps every stack and ends it, in a child `run()`
sends SIGABRT, which faulthandler answers with every stack.
"""

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
RUNTIMES = os.environ.get("RADDLE_TESTS", "std,raddle").split(",")
RUNS = int(os.environ.get("RADDLE_RUNS", "20"))


def choose(runtime, **options):
    """Puts `runtime` under `threading` for the rest of the process; `options` are those of `raddle.install()`."""
    if runtime == "std":
        return None
    if runtime != "raddle":
        sys.exit(f"no such runtime: {runtime!r} (std or raddle)")
    import raddle

    installed = raddle.install(**options)
    seed_fault(os.environ.get("RADDLE_FAULT"))
    return installed


def seed_fault(name):
    """Puts a known bug into the runtime: "any-cycle-raises" makes it raise at cycles that may dissolve by themselves."""
    if not name:
        return
    from raddle import _raddle

    assert name == "any-cycle-raises", name
    _raddle.configure("raise-any", 0.2)


def verdicts(runtime):
    """How often each code was told in this process; always empty on the standard library."""
    if runtime == "std":
        return {}
    from raddle import _raddle

    return {code: count for code, count in _raddle.found().items() if count}


def command(runtime, program, *args):
    """The command line that runs an unmodified program on `runtime`."""
    under = ["-m", "raddle", "run"] if runtime == "raddle" else []
    return [sys.executable, *under, str(program), *map(str, args)]


def environment(**more):
    """This process's environment, with stacks on SIGABRT."""
    return {**os.environ, "PYTHONFAULTHANDLER": "1", **more}


@dataclass(frozen=True)
class Result:
    """How a program ended."""

    code: int
    out: str
    err: str
    seconds: float

    def __str__(self):
        return f"exit {self.code} after {self.seconds:.2f} s\n--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-8000:]}"


def run(argv, timeout=60, **env):
    """Runs a program to its end; one that takes longer than `timeout` is an AssertionError with all its stacks."""
    began = time.monotonic()
    child = start(argv, **env)
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        out, err = abort(child)
        raise AssertionError(f"no end within {timeout} s: {argv}\n{Result(-1, out, err, timeout)}") from None
    return Result(child.returncode, out, err, time.monotonic() - began)


def start(argv, **env):
    """Starts a program with both outputs as text pipes, in a session of its own."""
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(argv, **pipes, text=True, errors="replace", env=environment(**env), start_new_session=True)


def abort(child):
    """Ends a program that hangs: SIGABRT for its stacks, then SIGKILL; gives what it had written.

    Its own children too: one that was forked and hangs would keep the pipes open.
    """
    for number in signal.SIGABRT, signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=5)
    raise AssertionError(f"killed, and still its pipes are open: {child.args}")


@contextlib.contextmanager
def limit(seconds, file=sys.__stderr__):
    """Dumps every stack and ends this process if the block takes longer than `seconds`."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=file)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
