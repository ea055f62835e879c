"""threading.Event, one body on both runtimes."""

import copy
import pickle
from unittest import mock

import pytest
from compare import ODD_TIMEOUTS, blocked_by, extra_names, in_thread, same, same_shape, without_address


def test_life(api):
    """Unset, set, cleared."""
    event = api.Event()
    assert event.is_set() is False
    assert event.wait(0) is False
    assert event.wait(timeout=0.001) is False
    assert event.set() is None
    assert event.is_set() is True
    assert event.wait() is True
    assert event.set() is None
    assert event.clear() is None
    assert event.is_set() is False


def test_flag(api):
    """The private name that programs read."""
    event = api.Event()
    assert event._flag is False
    event.set()
    assert event._flag is True


def test_set_wakes_all(api):
    """Five wait, one set."""
    event, results = api.Event(), []
    threads = [blocked_by(api, lambda: results.append(event.wait())) for _ in range(5)]
    event.set()
    for thread in threads:
        thread.join(20)
    assert results == [True] * 5


def test_set_and_cleared_at_once_still_wakes(api):
    """Three are in wait, set and clear follow each other: all wake, with True."""
    event, results = api.Event(), []
    threads = [blocked_by(api, lambda: results.append(event.wait(20))) for _ in range(3)]
    for thread in threads:
        thread.join(0.02)
    event.set()
    event.clear()
    for thread in threads:
        thread.join(20)
    assert results == [True] * 3
    assert not event.is_set()


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t is not None and t is not True], ids=repr)
def test_odd_timeouts_when_not_set(api, timeout):
    """Value, or class and text of the error."""
    same(api, lambda t: t.Event().wait(timeout))


@pytest.mark.parametrize("timeout", ODD_TIMEOUTS, ids=repr)
def test_odd_timeouts_when_set(api, timeout):
    """A set event does not look at the time."""

    def body(t):
        event = t.Event()
        event.set()
        return event.wait(timeout)

    same(api, body)


def test_wrong_arguments(api):
    """Too many, unknown."""
    for method, args in (("set", (1,)), ("clear", (1,)), ("is_set", (1,)), ("wait", (1, 2))):
        with pytest.raises(TypeError):
            getattr(api.Event(), method)(*args)
    with pytest.raises(TypeError):
        api.Event(1)


def test_repr(api):
    """Unset and set."""

    def body(t):
        event = t.Event()
        texts = [repr(event)]
        event.set()
        return [without_address(text).replace("raddle.", "") for text in [*texts, repr(event)]]

    same(api, body)


def test_signatures(api):
    """As CPython's."""
    for path in ("Event", "Event.wait", "Event.set", "Event.clear", "Event.is_set"):
        same_shape(api, path)


def test_names(api):
    """Nothing public beyond CPython's."""
    assert not extra_names(api, "Event")


def test_old_name_warns(api):
    """isSet() is deprecated."""
    with pytest.warns(DeprecationWarning, match="isSet"):
        assert api.Event().isSet() is False


def test_instance_attributes_and_patching(api):
    """Users put attributes on an event, and mocks in the place of its methods."""
    event = api.Event()
    event.reason = "because"
    assert event.reason == "because"
    with mock.patch.object(event, "wait", return_value="mocked") as wait:
        assert event.wait(3) == "mocked"
    wait.assert_called_once_with(3)
    assert event.wait(0) is False
    with mock.patch.object(api.Event, "is_set", return_value="class"):
        assert event.is_set() == "class"
    assert event.is_set() is False


def test_subclass(api):
    """With a mix-in, a constructor and an override."""

    class Named:
        def title(self):
            return self.name.title()

    class Logged(api.Event, Named):
        def __init__(self, name):
            super().__init__()
            self.name, self.sets = name, 0

        def set(self):
            self.sets += 1
            super().set()

    event = Logged("ready")
    in_thread(api, event.set)
    assert (event.title(), event.sets, event.wait(0)) == ("Ready", 1, True)


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_pickle_and_deep_copy(api, how):
    """Neither: there is a lock inside."""
    with pytest.raises(TypeError, match="cannot pickle"):
        how(api.Event())


def test_at_fork_reinit(api):
    """What the threading module does to a thread's event in a forked child."""
    event = api.Event()
    event.set()
    event._at_fork_reinit()
    assert event.is_set() is True
    event.clear()
    assert event.wait(0) is False
