"""`install()` and `concurrent.futures`, whoever imports what first, and whoever else finds modules."""

import subprocess
import sys

import harness
import pytest

CHECK = """
import concurrent.futures, raddle.futures
assert concurrent.futures.ThreadPoolExecutor is raddle.futures.ThreadPoolExecutor
assert concurrent.futures.as_completed is raddle.futures.as_completed
print("raddle's")
"""

FINDER = """
import raddle, sys
from importlib.machinery import PathFinder

class Front:
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, path, target) if name.startswith("concurrent") else None

raddle.install()
sys.meta_path.insert(0, Front)
import colorsys  # as any program goes on to import something
"""

STARTS = {
    "ours first": "import raddle; raddle.install()\nimport raddle.futures",
    "theirs first": "import raddle; raddle.install()\nimport concurrent.futures",
    "theirs before": "import concurrent.futures, raddle; raddle.install()",
    "ours before": "import raddle.futures, raddle; raddle.install()",
    "one name": "import raddle; raddle.install()\nfrom concurrent.futures import as_completed, ThreadPoolExecutor",
    "a finder in front": FINDER,
}


@pytest.mark.parametrize("start", STARTS)
def test_the_pool_is_ours(start):
    """Each order of imports ends with raddle's pool under the standard library's name."""
    command = [sys.executable, "-c", STARTS[start] + "\n" + CHECK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=harness.environment())
    assert (done.stdout, done.stderr) == ("raddle's\n", "")
