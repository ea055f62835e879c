"""What the tests of errors have in common: nothing is printed, and what is heard of an error is collected."""

import gc
import sys
import threading

import pytest
from failing import Slot


@pytest.fixture
def slot(monkeypatch):
    """The program's own `threading.excepthook`, which collects."""
    slot = Slot()
    monkeypatch.setattr(threading, "excepthook", slot)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    return slot


@pytest.fixture
def reports(slot):
    """The reports of a hook that is there during the test."""
    import raddle

    reports = []
    with raddle.add_exception_hook(reports.append):
        yield reports
        gc.collect()  # so that no error of this test is delivered in the next
