"""pytest plugin: tests that fail instead of hanging, and threads and errors that no test may leave behind.

Under `raddle run -m pytest`, its reports are shown at the end. All else happens only if it is asked for, by `pytest --raddle`
or by `raddle = true` in pytest's configuration. Then raddle is installed before the tests are collected, and each test
fails, with raddle's report as the text,

- if a deadlock or a stall is found while it runs; where the test itself waits in it, the wait is ended;
- if it takes locks in an order that is opposite to one seen before, in this test or an earlier one;
- if threads that were started by its function still run when its fixtures have been torn down. Those of pools are not
  counted (a pool may belong to a fixture of a wider scope), nor are daemon threads, unless `raddle_leaks = all`;
- if an error left one of its threads and nobody took it;
- if one of its threads has ended with a lock in its hands, or the test itself has forgotten to release one. A lock that a
  fixture of a wider scope took is not counted, nor one of a thread that was there before.

A test that does so on purpose is marked `@pytest.mark.raddle_ignore("leaks", "errors", "locks", "deadlocks", "lock_order")`,
with one or more of these words.

pytest loads this module in every program that has the package, with whatever version of itself: so nothing else is loaded here,
and what needs a newer pytest is in `_pytest_watch.py`.
"""

import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OLDEST = (8, 0)  # that has the hooks which are needed


def pytest_addoption(parser: "pytest.Parser") -> None:
    """The flag and the settings."""
    group = parser.getgroup("raddle")
    group.addoption(
        "--raddle", action="store_true", help="run the tests on raddle: no hangs, no leaked threads, no lost errors"
    )
    parser.addini("raddle", "run the tests on raddle, as --raddle does", type="bool", default=False)
    parser.addini(
        "raddle_leaks", "which threads a test may not leave: regular (default), all, or none", default="regular"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: "pytest.Config") -> None:
    """Install raddle, if it was asked for."""
    config.addinivalue_line(
        "markers", "raddle_ignore(*kinds): deadlocks, leaks, errors, locks or lock_order, that this test means to make"
    )
    engine: Any = sys.modules.get("raddle._raddle")
    is_observed = engine is not None and engine.is_observed()
    is_asked = config.getoption("--raddle") or config.getini("raddle")
    version = getattr(pytest, "version_tuple", (0,))
    if version < OLDEST:
        if is_asked:
            raise pytest.UsageError(f"raddle's plugin needs pytest 8 or newer, this is {pytest.__version__}")
        return
    if not is_observed and not is_asked:
        return
    leaks = config.getini("raddle_leaks")
    if leaks not in ("regular", "all", "none"):
        raise pytest.UsageError(f"raddle_leaks must be regular, all or none, got {leaks!r}")

    from . import _pytest_watch

    if is_observed:
        config.pluginmanager.register(_pytest_watch.Summary(), "raddle-summary")
    if is_asked:
        config.pluginmanager.register(_pytest_watch.Watch(leaks), "raddle-watch")
