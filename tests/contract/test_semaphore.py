"""threading.Semaphore and BoundedSemaphore, one body on both runtimes."""

import copy
import pickle
from unittest import mock

import pytest
from compare import (
    FREE_TIMEOUTS,
    ODD_TIMEOUTS,
    blocked_by,
    extra_names,
    in_thread,
    is_nan,
    same,
    same_shape,
    without_address,
)

BOTH = pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])


@BOTH
def test_counts(api, name):
    """Two permits: two takes, no third; given back, taken again."""
    semaphore = getattr(api, name)(2)
    assert [semaphore.acquire(), semaphore.acquire(False), semaphore.acquire(False)] == [True, True, False]
    assert semaphore.acquire(timeout=0.001) is False
    assert semaphore.release() is None
    assert semaphore.acquire(blocking=False) is True
    semaphore.release(2)
    assert semaphore._value == 2


@BOTH
def test_with(api, name):
    """`with` gives True, and gives the permit back on an error."""
    semaphore = getattr(api, name)()
    with pytest.raises(KeyError), semaphore as entered:
        assert entered is True
        assert semaphore._value == 0
        raise KeyError
    assert semaphore._value == 1


@BOTH
@pytest.mark.parametrize("value", [-1, 0, 1, True, 2.0, -0.5, 2**59, "1", None], ids=repr)
def test_first_value(api, name, value):
    """What the constructor takes and refuses."""
    same(api, lambda t: getattr(t, name)(value)._value)


@BOTH
@pytest.mark.parametrize("count", [0, -1, 1, 2, 3, "1", None, True], ids=repr)
def test_release_of_so_many(api, name, count):
    """The value afterwards, or class and text of the error."""

    def body(t):
        semaphore = getattr(t, name)(2)
        semaphore.acquire()
        semaphore.acquire()
        semaphore.release(count)
        return semaphore._value

    same(api, body)


def test_released_too_often(api):
    """A Semaphore grows, a BoundedSemaphore refuses."""
    semaphore = api.Semaphore(1)
    semaphore.release()
    assert semaphore._value == 2
    error = same(api, lambda t: t.BoundedSemaphore(1).release())
    assert isinstance(error, ValueError)


def test_a_refused_release_changes_nothing(api):
    """Bounded, one of two taken, release(2): refused, still one free."""
    semaphore = api.BoundedSemaphore(2)
    semaphore.acquire()
    with pytest.raises(ValueError, match="Semaphore released too many times"):
        semaphore.release(2)
    assert semaphore._value == 1


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_odd_timeouts_with_a_permit_left(api, timeout):
    """Value, or class and text of the error."""
    same(api, lambda t: t.Semaphore().acquire(timeout=timeout))
    same(api, lambda t: t.Semaphore().acquire(True, timeout))


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t not in (None, True) and not is_nan(t)], ids=repr)
def test_odd_timeouts_without_a_permit(api, timeout):
    """Value, or class and text of the error (NaN makes the standard library spin)."""
    same(api, lambda t: t.Semaphore(0).acquire(timeout=timeout))


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_timeouts_with_non_blocking(api, timeout):
    """`acquire(False, timeout)` is an error unless it is None."""
    same(api, lambda t: t.Semaphore().acquire(False, timeout))


@pytest.mark.parametrize("args", [(1, 2, 3), ("x",), (None,), (0,), ([],)], ids=repr)
def test_odd_arguments(api, args):
    """What counts as blocking, and too many arguments."""
    same(api, lambda t: t.Semaphore().acquire(*args))


def test_release_wakes_as_many(api):
    """Three wait, release(2) wakes two, release() the third."""
    semaphore, through = api.Semaphore(0), api.Semaphore(0)

    def take():
        semaphore.acquire()
        through.release()

    threads = [blocked_by(api, take) for _ in range(3)]
    semaphore.release(2)
    assert through.acquire(timeout=20)
    assert through.acquire(timeout=20)
    assert through.acquire(timeout=0.01) is False
    semaphore.release()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@BOTH
def test_repr(api, name):
    """Class and value (and the first value)."""
    same(api, lambda t: words(repr(getattr(t, name)(3))))


def words(text):
    """A repr without its class's module, which is raddle's own at times."""
    return without_address(text).replace("raddle.threading.", "threading.").replace("raddle._raddle.", "threading.")


@BOTH
def test_signatures(api, name):
    """As CPython's."""
    for path in (name, f"{name}.acquire", f"{name}.release"):
        same_shape(api, path)


@BOTH
def test_names(api, name):
    """Nothing public beyond CPython's."""
    assert not extra_names(api, name)


def test_bounded_is_a_semaphore(api):
    """The classes' relation."""
    assert issubclass(api.BoundedSemaphore, api.Semaphore)
    assert isinstance(api.BoundedSemaphore(), api.Semaphore)


@BOTH
def test_instance_attributes_and_patching(api, name):
    """Users put attributes on a semaphore, and mocks in the place of its methods."""
    semaphore = getattr(api, name)()
    semaphore.owner = "me"
    assert semaphore.owner == "me"
    with mock.patch.object(semaphore, "acquire", return_value="mocked"):
        assert semaphore.acquire() == "mocked"
    assert semaphore.acquire(False) is True


@BOTH
def test_subclass(api, name):
    """A subclass with its own constructor and override; `with` uses what the standard library's uses."""

    def body(t):
        class Logged(getattr(t, name)):
            def __init__(self, value, log):
                super().__init__(value)
                self.log = log

            def acquire(self, *args, **kwargs):
                self.log.append("acquire")
                return super().acquire(*args, **kwargs)

            def release(self, *args):
                self.log.append("release")
                super().release(*args)

        log = []
        semaphore = Logged(1, log)
        semaphore.acquire()
        semaphore.release()
        with semaphore:
            pass
        return log

    same(api, body)


@BOTH
@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_pickle_and_deep_copy(api, name, how):
    """Neither: there is a lock inside."""
    with pytest.raises(TypeError, match="cannot pickle"):
        how(getattr(api, name)())


def test_value_may_be_read_by_others(api):
    """`_value` follows what other threads do."""
    semaphore = api.Semaphore(3)
    in_thread(api, semaphore.acquire)
    assert semaphore._value == 2
