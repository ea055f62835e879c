"""Signals to a blocked main: none lost in the window between check and sleep, Ctrl-C within 50 ms."""

import sys
from pathlib import Path

import harness
import pytest

PROGRAM = Path(__file__).parent / "signals.py"
FD = pytest.mark.parametrize("fd", [(), ("--wakeup-fd",)], ids=["plain", "wakeup fd"])


def probe(runtime, *args):
    """Runs the program and shows its figures."""
    done = harness.run([sys.executable, str(PROGRAM), runtime, *args], timeout=250)
    print(done.out)
    return done


@FD
@pytest.mark.limit(280)
@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="the standard library does lose signals")
def test_no_signal_is_missed(fd):
    """1,900 signals swept over the time that main takes to block, in each kind of wait: 0 missed."""
    done = probe("raddle", "--signals", "1900", *fd)
    assert done.code == 0, str(done)
    assert ", 0 missed" in done.out


@FD
@pytest.mark.limit(120)
@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="the standard library is late at times")
def test_ctrl_c_comes_at_once(fd):
    """Main blocked for 20 ms, SIGINT: KeyboardInterrupt within 50 ms, in each kind of wait."""
    done = probe("raddle", "--ctrl-c", "30", *fd)
    assert done.code == 0, str(done)
