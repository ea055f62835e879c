"""A thread that gives way instead of sleeping would wait for a turn of whoever else wants the processor."""

import os
import sys
from pathlib import Path

import harness
import pytest

PROGRAM = Path(__file__).parent / "crowded.py"


@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="it is compared with the standard library")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a processor of its own")
def test_short_jobs_on_a_crowded_processor():
    """A turn lasts for milliseconds, a job some 20 us; what the scheduler makes of it varies by 2."""
    done = harness.run([sys.executable, str(PROGRAM)], timeout=50)
    assert done.code == 0, str(done)
    theirs, ours = map(float, done.out.split())
    assert ours < 5 * theirs, f"{ours:.3f} s, the standard library {theirs:.3f} s"
