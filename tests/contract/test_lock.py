"""threading.Lock, one body on both runtimes."""

import copy
import pickle
import sys
import weakref
from unittest import mock

import pytest
from compare import FREE_TIMEOUTS, ODD_TIMEOUTS, blocked_by, in_thread, same, without_address


def repr_of(lock):
    """A repr without what may differ: the address and the module that defines the class."""
    return without_address(repr(lock)).replace("raddle.threading.", "_thread.").replace("raddle._raddle.", "_thread.")


def test_acquire_and_release(api):
    """Take, try, release, take again."""
    lock = api.Lock()
    assert lock.acquire() is True
    assert lock.locked() is True
    assert lock.acquire(False) is False
    assert lock.acquire(blocking=False) is False
    assert lock.acquire(True, 0.001) is False
    assert lock.acquire(timeout=0.001) is False
    assert lock.release() is None
    assert lock.locked() is False
    assert lock.acquire(False) is True


def test_with(api):
    """`with` gives True and releases on an error too."""
    lock = api.Lock()
    with pytest.raises(KeyError), lock as entered:
        assert entered is True
        assert lock.locked()
        raise KeyError
    assert not lock.locked()


def test_released_by_another_thread(api):
    """A plain lock has no owner."""
    lock = api.Lock()
    lock.acquire()
    in_thread(api, lock.release)
    assert not lock.locked()


def test_release_unlocked(api):
    """The class and the text."""
    same(api, lambda t: t.Lock().release())


def test_leaving_a_lock_that_somebody_else_released(api):
    """Enter, foreign release, leave."""

    def body(t):
        lock = t.Lock()
        with lock:
            lock.release()

    same(api, body)


def test_an_error_inside_with_is_the_context_of_the_failing_release(api):
    """Enter, foreign release, error in the body: the release's error comes out, with the body's as its context."""
    lock = api.Lock()
    with pytest.raises(RuntimeError) as caught, lock:
        lock.release()
        raise KeyError("body")
    assert isinstance(caught.value.__context__, KeyError)


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_odd_timeouts_on_a_free_lock(api, timeout):
    """Value, or class and text of the error."""
    same(api, lambda t: t.Lock().acquire(timeout=timeout))
    same(api, lambda t: t.Lock().acquire(True, timeout))


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t not in (-1, True, None)], ids=repr)
def test_odd_timeouts_on_a_held_lock(api, timeout):
    """A held lock: those that do not wait for ever."""

    def body(t):
        lock = t.Lock()
        lock.acquire()
        return lock.acquire(timeout=timeout)

    same(api, body)


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_timeouts_with_non_blocking(api, timeout):
    """`acquire(False, timeout)` is an error but for the default."""
    same(api, lambda t: t.Lock().acquire(False, timeout))


@pytest.mark.parametrize("blocking", [0, 1, -1, 2, "", "yes", None, 1.5, [], object()], ids=repr)
def test_what_counts_as_blocking(api, blocking):
    """What the argument parser takes and refuses."""
    same(api, lambda t: t.Lock().acquire(blocking))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1, 2, 3), {}),
        ((), {"block": 1}),
        ((True,), {"blocking": True}),
        ((True, 1), {"timeout": 1}),
        ((), {"waitflag": 1}),
    ],
)
def test_wrong_arguments(api, args, kwargs):
    """TypeError, with CPython's words."""
    same(api, lambda t: t.Lock().acquire(*args, **kwargs))


@pytest.mark.parametrize("method", ["release", "locked"])
def test_methods_without_arguments(api, method):
    """One argument too many."""
    with pytest.raises(TypeError):
        getattr(api.Lock(), method)(1)


@pytest.mark.parametrize("args", [(1,), (None,)])
def test_constructor_takes_nothing(api, args):
    """One argument too many."""
    with pytest.raises(TypeError):
        api.Lock(*args)


def test_repr(api):
    """Unlocked and locked."""

    def body(t):
        lock = t.Lock()
        free = repr_of(lock)
        with lock:
            return free, repr_of(lock)

    same(api, body)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(api, protocol):
    """Cannot be pickled, by any protocol."""
    with pytest.raises((TypeError, pickle.PicklingError), match="(?i)(cannot|can.t) pickle"):
        pickle.dumps(api.Lock(), protocol)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_copy(api, how):
    """Cannot be copied."""
    with pytest.raises(TypeError, match="cannot pickle"):
        how(api.Lock())


def test_no_attributes_but_weak_references(api):
    """A lock takes no attribute; a weak reference to it does not keep it."""
    lock = api.Lock()
    with pytest.raises(AttributeError):
        lock.name = "mine"
    reference = weakref.ref(lock)
    del lock
    assert reference() is None


def test_cannot_be_a_base_class(api):
    """The type of a lock is final."""
    with pytest.raises(TypeError, match="is not an acceptable base type"):
        type("Mine", (type(api.Lock()),), {})


def test_old_names(api):
    """acquire_lock and the others."""
    lock = api.Lock()
    assert lock.acquire_lock() is True
    assert lock.locked_lock() is True
    lock.release_lock()
    assert not lock.locked()


def test_at_fork_reinit(api):
    """A held lock is free afterwards."""
    lock = api.Lock()
    lock.acquire()
    lock._at_fork_reinit()
    assert not lock.locked()
    assert lock.acquire(False)


def test_patched_class(api):
    """`mock.patch` of the name in the module takes and goes."""
    real = api.Lock
    with mock.patch.object(api, "Lock", mock.Mock(return_value="lock")):
        assert api.Lock() == "lock"
    assert api.Lock is real
    assert api.Lock().acquire()


def test_a_waiter_gets_the_lock(api):
    """Held, another thread blocks, released: it gets it."""
    lock = api.Lock()
    lock.acquire()
    thread = blocked_by(api, lock.acquire)
    lock.release()
    thread.join(20)
    assert not thread.is_alive()
    assert lock.locked()


def test_hashable_and_equal_by_identity(api):
    """Locks are keys of dictionaries."""
    one, two = api.Lock(), api.Lock()
    assert one != two
    assert len({one, two, one}) == 2


def test_truth(api):
    """A lock is true, held or not."""
    lock = api.Lock()
    assert lock
    lock.acquire()
    assert lock


def test_size(api):
    """At most 64 bytes, the collector's 16 among them, however many have waited."""
    lock = api.Lock()
    lock.acquire()
    assert lock.acquire(timeout=0.001) is False
    assert sys.getsizeof(lock) <= 64
