"""Fixtures for every test: the runtimes to compare, and a time limit that shows all stacks.

`RADDLE_TESTS=std` leaves raddle out (to check the tests themselves); `RADDLE_RUNS=200` makes the loops longer.
A test that needs more than a minute says so: `@pytest.mark.limit(seconds)`.
"""

import importlib
import os
import signal
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "stress")]

import harness  # noqa: E402
from watchdog import Watchdog  # noqa: E402

LIMIT = int(os.environ.get("RADDLE_LIMIT", "60"))
MODULES = {"std": "threading", "raddle": "raddle.threading"}
QUEUES = {"std": "queue", "raddle": "raddle.queue"}
FUTURES = {"std": "concurrent.futures", "raddle": "raddle.futures"}
AT_THE_END = 60
watchdog = None


def pytest_configure(config):
    """Lets the dog out, with the stderr from before the capture.

    A shell that runs this in the background has told it to ignore Ctrl-C, and all it starts; the tests send it. And without
    buffers, a line that a program prints is written in pieces, between which another thread's may come.
    """
    global watchdog
    os.environ.pop("PYTHONUNBUFFERED", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "limit(seconds): time after which all stacks are dumped and the run ends")
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        watchdog = Watchdog(os.dup(2))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Ends the run with every stack when a test hangs, its fixtures included."""
    mark = item.get_closest_marker("limit")
    watchdog.begins(item.nodeid, mark.args[0] if mark else LIMIT)


def pytest_runtest_logreport(report):
    if report.failed:
        watchdog.failed(report.nodeid)


def pytest_unconfigure():
    watchdog.begins("the end of the run", AT_THE_END)


@pytest.fixture(params=harness.RUNTIMES)
def runtime(request):
    """The name of a runtime: `std`, then `raddle`."""
    return request.param


@pytest.fixture
def api(runtime):
    """The module `threading` of that runtime."""
    return importlib.import_module(MODULES[runtime])


@pytest.fixture
def queue_api(runtime):
    """The module `queue` of that runtime."""
    return importlib.import_module(QUEUES[runtime])


@pytest.fixture
def futures(runtime):
    """The module `concurrent.futures` of that runtime."""
    return importlib.import_module(FUTURES[runtime])
