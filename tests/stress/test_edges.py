"""Life at the edges: processes, stacks, crashes, exits and forks from a thread, each as on the standard library.

Each program in edges/ is run unmodified by plain python and by `raddle run`; `RADDLE_RUNS=200` makes the loops longer.
"""

import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import harness
import pytest

EDGES = Path(__file__).parent / "edges"
ONCE = """
    popen_terminate fork_in_worker fork_in_handler posix_spawn recursion_through_c stack_size pthread_kill
""".split()
RADDLE = pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="RADDLE_TESTS leaves raddle out")
AT_ONCE = 4
EXPECTED = {
    "popen_terminate": "mask []\n['0000000000000000']\nexit -15\n",
    "fork_in_worker": "child 0\nthreads 1\n",
    "fork_in_handler": "lock 0\nlock in time 0\nevent 0\nsemaphore 0\ncondition 0\nbarrier 0\nqueue 0\nstate of a barrier 0\n",
    "posix_spawn": "child 7\n",
    "pthread_kill": "woken EINTR\n",
}


def run(runtime, program, timeout=60):
    """Runs one of the programs."""
    return harness.run(harness.command(runtime, EDGES / f"{program}.py"), timeout=timeout)


@cache
def reference(program):
    """How it ends on the standard library."""
    return run("std", program)


def many(runtime, program):
    """As many runs as were asked for, some at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: run(runtime, program), range(harness.RUNS)))


@pytest.mark.parametrize("program", ONCE)
def test_standard_library(program):
    """The program does what it is for: without that, being the same as the standard library would say nothing."""
    done = reference(program)
    assert done.code == 0, str(done)
    assert done.out == EXPECTED.get(program, done.out)


@RADDLE
@pytest.mark.parametrize("program", ONCE)
def test_same_as_on_the_standard_library(program):
    """Same exit code, same output, and not a word more."""
    done, expected = run("raddle", program), reference(program)
    assert (done.code, done.out, done.err) == (expected.code, expected.out, expected.err), str(done)


def test_segfault_in_a_worker_is_dumped(runtime):
    """A worker crashes, faulthandler's handler runs on its stack: the dump names the function."""
    done = run(runtime, "segfault")
    assert done.code == -signal.SIGSEGV, str(done)
    assert "Fatal Python error: Segmentation fault" in done.err
    assert re.search(r"Current thread 0x\w+.*\n(.*\n)*?.*in reads_address_zero", done.err), str(done)
    assert "still here" not in done.out


@pytest.mark.limit(600)
def test_exit_with_blocked_daemons(runtime):
    """Daemons blocked in every kind of wait, main returns: exit code 0, nothing on stderr."""
    for done in many(runtime, "exit_blocked_daemons"):
        assert (done.code, done.out, done.err) == (0, "bye\n", ""), str(done)


@RADDLE
@pytest.mark.limit(600)
def test_exit_with_printing_daemons():
    """Daemons print and start threads, main returns: exit code 0, nothing fatal."""
    for done in many("raddle", "exit_printing_daemons"):
        assert done.code == 0, str(done)
        assert "Fatal" not in done.err, str(done)
        assert "panicked" not in done.err, str(done)


@pytest.mark.limit(600)
def test_fork_with_live_threads_and_held_locks(runtime):
    """Threads hold locks and run, main forks: the child has one thread and works, the parent goes on."""
    for done in many(runtime, "fork_with_threads"):
        assert (done.code, done.out, done.err) == (0, "child 5\nalive []\n", ""), str(done)


@pytest.mark.limit(600)
def test_exit_with_live_pools(runtime):
    """Idle workers, running and waiting jobs, a pool without a name: what was submitted is done, then the process ends."""
    for done in many(runtime, "exit_live_pools"):
        assert (done.code, done.out, done.err) == (3, "bye\nall done\n", ""), str(done)


@pytest.mark.limit(600)
def test_exit_with_timers_pools_and_carriers(runtime):
    """What is not a daemon is waited for, timers too, and what they start; a daemon timer does not hold the exit up."""
    if runtime == "std" and sys.version_info >= (3, 12):
        pytest.skip("a timer that fires at the end can start no thread there: sometimes it comes too late")
    for done in many(runtime, "exit_timers_and_carriers"):
        assert (done.code, done.out, done.err) == (0, "bye\nall True\n", ""), str(done)


@pytest.mark.limit(600)
def test_fork_with_timers_and_idle_carriers(runtime):
    """Main forks with timers pending: they fire in the parent alone, and both processes go on with new ones."""
    lines = "child's last timer\nchild 5\nparent's last timer\n"
    for done in many(runtime, "fork_with_timers"):
        assert (done.code, done.out, done.err) == (0, lines, ""), str(done)


@RADDLE
@pytest.mark.limit(600)
def test_fork_with_live_pools():
    """Main forks with idle and busy pools: both processes go on with both."""
    for done in many("raddle", "fork_with_pools"):
        assert (done.code, done.out, done.err) == (0, "child 5\n", ""), str(done)


@RADDLE
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_workers_inherit_what_a_fresh_thread_would():
    """Main blocks a signal and starts a worker, unblocks it and starts another: each has the mask of its start."""
    program = EDGES / "inherited_mask.py"
    done, expected = (harness.run(harness.command(name, program)) for name in ("raddle", "std"))
    assert done.out == expected.out == "[[10], [], [10]]\n", str(done)


@RADDLE
def test_sub_interpreters_are_refused():
    """raddle tells a legacy one why; an isolated one is refused by it (3.11) or by the interpreter. Main goes on."""
    done = run("std", "sub_interpreter")
    legacy, isolated, main = done.out.splitlines()
    assert re.fullmatch(r"legacy: raddle cannot be used in a sub-interpreter \(this is interpreter \d+\): .*", legacy)
    assert re.match(
        r"isolated: .*raddle.* (cannot be used in a|does not support loading in) sub-?interpreter", isolated
    )
    assert (done.code, main, done.err) == (0, "main goes on", ""), str(done)
