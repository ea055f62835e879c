"""The examples in docstrings and in `docs/` do what they say."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest
import raddle

DOCS = Path(__file__).parents[1] / "docs"
MODULES = [name for _, name, _ in pkgutil.walk_packages(raddle.__path__, "raddle.") if not name.endswith("__main__")]
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    if name != "raddle._raddle":
        assert doctest.testmod(module, optionflags=FLAGS).failed == 0


@pytest.mark.parametrize("path", sorted(DOCS.glob("**/*.md")), ids=lambda path: path.stem)
def test_examples_in_the_docs(path):
    outcome = doctest.testfile(str(path), module_relative=False, optionflags=FLAGS)
    assert outcome.failed == 0 and outcome.attempted > 0
