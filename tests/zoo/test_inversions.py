"""RD006: opposite orders of locks are told before they deadlock, with both places; what cannot deadlock is not.

A program's comments `# first: who` and `# second: who` mark the lines that the report has to show.
"""

import re
import sys
from pathlib import Path

import harness
import orders
import pytest

pytestmark = pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="RADDLE_TESTS leaves raddle out")

ZOO = Path(__file__).parent / "inversions"
RUN = [sys.executable, "-m", "raddle", "run"]
# What has to be named of each.
INVERSIONS = {
    "two_locks": ("transfer-thread", "report-thread", "Lock 'accounts'", "Lock 'audit'"),
    "acquire": ("transfer-thread", "report-thread", "Lock 'accounts'", "Lock 'audit'"),
    "rlocks": ("reader-thread", "writer-thread", "RLock 'index'", "RLock 'pages'"),
    "two_accounts": ("to-savings", "to-checking", "Lock 'Account.lock#1'", "Lock 'Account.lock#2'"),
    "ring_of_three": ("station-0", "station-1", "station-2", "Lock 'north'", "Lock 'east'", "Lock 'south'"),
    "main_and_condition": ("MainThread", "consumer-thread", "RLock 'ready'", "Lock 'store'"),
    "strict_locks": ("transfer-thread", "report-thread", "Lock 'all accounts'", "RLock 'the audit'"),
    "rwlocks": ("rebuild-thread", "tidy-thread", "RWLock 'the index'", "RWLock 'the pages'"),
    "gate_forgotten": ("hasty-thread", "report-thread", "Lock 'accounts'", "Lock 'audit'"),
}


def run(*arguments):
    """Runs a program under raddle; a verdict of RD006 ends it with 70."""
    return harness.run([*RUN, "--fail-on", "RD006", *map(str, arguments)], NO_COLOR="1")


def told(done):
    """The codes in a program's output."""
    return re.findall(r"^\w+\[(RD\d+)\]", done.err, re.MULTILINE)


def test_the_zoo_is_complete():
    assert set(INVERSIONS) == {path.stem for path in ZOO.glob("*.py")}


@pytest.mark.parametrize("name", INVERSIONS)
def test_an_inversion_is_told_once_with_both_places(name):
    done = run(ZOO / f"{name}.py")
    assert told(done) == ["RD006"], str(done)
    assert done.code == 70, str(done)
    missing = [word for word in INVERSIONS[name] if word not in done.err]
    assert not missing, f"not named: {missing}\n{done}"
    lines = (ZOO / f"{name}.py").read_text().splitlines()
    marked = [number for number, line in enumerate(lines, 1) if re.search(r"# (first|second): ", line)]
    hidden = [number for number in marked if not re.search(rf"^\s*{number}\s*\|", done.err, re.MULTILINE)]
    assert not hidden, f"lines not shown: {hidden}\n{done}"


def test_nothing_else_changes():
    """It is a report: nothing is raised, and the exit status stays unless it was asked for."""
    program = ZOO / "two_locks.py"
    done = harness.run([*RUN, str(program)])
    assert (done.code, told(done)) == (0, ["RD006"]), str(done)
    assert "Traceback" not in done.err
    done = harness.run([*RUN, "--lock-order", "off", "--fail-on", "any", str(program)])
    assert (done.code, done.err) == (0, ""), str(done)


@pytest.mark.parametrize("name", orders.PROGRAMS)
def test_what_cannot_deadlock_is_not_told(name):
    done = run(orders.__file__, name)
    assert (done.code, done.out, told(done)) == (0, "done\n", []), str(done)


@pytest.mark.parametrize("name", orders.PROGRAMS)
def test_the_same_without_its_excuse_is_told(name):
    """Else the test above would show nothing."""
    done = run(orders.__file__, name, "--guilty")
    assert (done.code, done.out) == (70, "done\n"), str(done)
    assert "RD006" in told(done)


@pytest.mark.parametrize("lock_order", [True, False])
def test_install_learns_if_it_is_asked_to_and_until_it_is_undone(lock_order):
    program = f"""
import raddle, sys, threading
sys.path.insert(0, {str(ZOO.parent)!r})
from orders import nested, one_after_the_other
from raddle import _raddle
def invert():
    a, b = threading.Lock(), threading.Lock()
    one_after_the_other(nested(a, b), nested(b, a))
    return _raddle.found().get("RD006", 0)
installed = raddle.install(lock_order={lock_order})
print(invert())
inner = raddle.install(lock_order=True)
print(invert())
inner.undo()
print(invert())
installed.undo()
with raddle.install():
    print(invert())
"""
    done = harness.run([sys.executable, "-c", program])
    assert done.out.split() == (["1", "2", "3", "3"] if lock_order else ["0", "1", "1", "1"]), str(done)
