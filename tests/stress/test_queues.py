"""Eight threads on one queue, with random time limits and shutdowns: nothing is lost, nothing comes twice."""

import sys

import harness
import pytest

PROGRAM = harness.TESTS / "stress" / "queues.py"


@pytest.mark.limit(150)
@pytest.mark.parametrize(
    "options",
    [[], ["--touch"], ["--early"], ["--touch", "--early"], ["--stops"], ["--stops", "--touch", "--early"]],
    ids=" ".join,
)
def test_none_lost_none_twice(runtime, options):
    """Each kind of queue, with no bound, one place and sixteen."""
    if runtime == "std" and options:
        pytest.skip("the same as without on the standard library, or not there")
    result = harness.run([sys.executable, PROGRAM, runtime, "--items", "3000", *options], timeout=120)
    assert result.code == 0, result
    assert result.out.count("items") == 10, result
