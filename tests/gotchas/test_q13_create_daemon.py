"""How is a daemon thread created? As on the standard library, on both classes; a raddle.Thread has a grace as well."""

import threading

import pytest
import raddle


@pytest.fixture(params=["threading", "raddle.threading", "raddle"])
def thread_class(request):
    return {"threading": threading.Thread, "raddle.threading": raddle.threading.Thread, "raddle": raddle.Thread}[
        request.param
    ]


def test_a_daemons_child_is_a_daemon_unless_it_says_otherwise(thread_class):
    seen = []

    def starter():
        for daemon in (None, True, False):
            child = thread_class(target=lambda: None, daemon=daemon)
            seen.append(child.daemon)

    for daemon in (True, False):
        thread = thread_class(target=starter, daemon=daemon)
        thread.start()
        thread.join()
    assert seen == [True, True, False, False, True, False]


def test_a_daemon_that_is_one_by_inheritance_says_so():
    seen = []

    def starter():
        for daemon in (None, True, False):
            child = raddle.Thread(target=lambda: None, daemon=daemon).start()
            seen.append(raddle.info(child).inherited)
            child.join()

    for daemon in (True, False):
        raddle.Thread(target=starter, daemon=daemon).start().join()
    assert seen == [True, False, False, False, False, False]


def test_it_cannot_be_made_one_while_it_runs(thread_class):
    go_on = threading.Event()
    thread = thread_class(target=go_on.wait, name="worker")
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="^cannot set daemon status of active thread") as caught:
            thread.daemon = True
    finally:
        go_on.set()
        thread.join()
    if thread_class is not threading.Thread:
        assert "thread 'worker' was started by 'MainThread' at " in str(caught.value)
        assert "give daemon= to the constructor, or set it before start()" in str(caught.value)


def test_set_daemon_works_and_is_deprecated(thread_class):
    thread = thread_class(target=lambda: None)
    with pytest.warns(DeprecationWarning, match="setDaemon"):
        thread.setDaemon(True)
    assert thread.daemon
    with pytest.warns(DeprecationWarning, match="isDaemon"):
        assert thread.isDaemon()


@pytest.mark.parametrize("grace", [float("nan"), "1"])
def test_a_grace_is_a_number_of_seconds(grace):
    with pytest.raises((TypeError, ValueError), match="grace"):
        raddle.Thread(target=print, daemon=True, grace=grace)
