"""500 random programs: those that finish give the standard library's output, those that hang are told."""

import os
import random
import sys
from pathlib import Path

import harness
import pytest

PROGRAM = Path(__file__).parent / "generate.py"
COUNT = int(os.environ.get("RADDLE_PROGRAMS", "500"))


@pytest.mark.limit(600)
def test_random_programs(runtime):
    """Seed printed, programs classified by the model, run, compared; on `std` this checks the model itself."""
    seed = os.environ.get("RADDLE_SEED") or random.randrange(2**32)
    print(f"seed {seed}")
    argv = [sys.executable, str(PROGRAM), runtime, "--count", str(COUNT), "--seed", str(seed)]
    done = harness.run(argv, timeout=580)
    print(done.out)
    assert done.code == 0, str(done)
