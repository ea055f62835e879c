"""threading.RLock, one body on both runtimes."""

import copy
import pickle
import sys
import weakref

import pytest
from compare import FREE_TIMEOUTS, ODD_TIMEOUTS, in_thread, outcome, same, without_address


def held_elsewhere(t):
    """An RLock that another, live thread holds; gives it and what ends that thread."""
    lock, held, end = t.RLock(), t.Event(), t.Event()

    def hold():
        with lock:
            held.set()
            end.wait(30)

    thread = t.Thread(target=hold, daemon=True)
    thread.start()
    held.wait(20)
    return lock, end


def with_held(t, body):
    """`body(lock)` while another thread holds the lock."""
    lock, end = held_elsewhere(t)
    try:
        return body(lock)
    finally:
        end.set()


def test_reentrant(api):
    """Three takes, three releases, then another thread may enter."""
    lock = api.RLock()
    assert [lock.acquire(), lock.acquire(False), lock.acquire(timeout=1)] == [True, True, True]
    assert in_thread(api, lock.acquire, False) is False
    for _ in range(3):
        assert lock.release() is None
    assert in_thread(api, lock.acquire, False) is True


def test_with(api):
    """`with` gives True, nested too."""
    lock = api.RLock()
    with lock as outer, lock as inner:
        assert (outer, inner) == (True, True)
    assert in_thread(api, lock.acquire, False)


def test_release_of_a_free_one(api):
    """The class and the text."""
    same(api, lambda t: t.RLock().release())


def test_release_by_another_thread(api):
    """The class and the text."""
    same(api, lambda t: with_held(t, lambda lock: lock.release()))


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_odd_timeouts_on_a_free_lock(api, timeout):
    """Value, or class and text of the error."""
    same(api, lambda t: t.RLock().acquire(timeout=timeout))


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_odd_timeouts_on_an_owned_lock(api, timeout):
    """The owner takes it again."""

    def body(t):
        lock = t.RLock()
        lock.acquire()
        return lock.acquire(timeout=timeout)

    same(api, body)


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t not in (-1, True, None)], ids=repr)
def test_odd_timeouts_on_a_held_lock(api, timeout):
    """Another thread holds it."""
    same(api, lambda t: with_held(t, lambda lock: lock.acquire(timeout=timeout)))


@pytest.mark.parametrize("timeout", [-1, 0, 1, -5], ids=repr)
def test_timeouts_with_non_blocking(api, timeout):
    """`acquire(False, timeout)` is an error but for the default."""
    same(api, lambda t: t.RLock().acquire(False, timeout))


def shown(t):
    """The reprs of a free and a twice held RLock, without class, address and owner's number."""
    lock = t.RLock()
    texts = [without_address(repr(lock))]
    with lock, lock:
        texts.append(without_address(repr(lock)))
    owner = str(t.get_ident())
    return [text.replace(owner, "ME").split(" ", 2)[::2] + [text.split()[0]] for text in texts]


def test_repr(api):
    """Unlocked; locked, with owner and count."""
    assert [words[1] for words in shown(api)] == [words[1] for words in same_words()]
    assert [words[0] for words in shown(api)] == ["<unlocked", "<locked"]


def same_words():
    """The standard library's reprs."""
    import threading

    return shown(threading)


def test_is_owned(api):
    """By the owner only."""
    lock = api.RLock()
    assert lock._is_owned() is False
    with lock:
        assert lock._is_owned() is True
        assert in_thread(api, lock._is_owned) is False
    assert lock._is_owned() is False


def test_recursion_count(api):
    """Where the running version has it: the owner's count, 0 for others."""
    import threading

    if not hasattr(threading.RLock(), "_recursion_count"):
        pytest.skip(f"Python {sys.version_info.major}.{sys.version_info.minor} has no _recursion_count")
    lock = api.RLock()
    assert lock._recursion_count() == 0
    with lock, lock:
        assert lock._recursion_count() == 2
        assert in_thread(api, lock._recursion_count) == 0


def test_release_save_and_acquire_restore(api):
    """Three deep, given up wholly, taken back to three."""
    lock = api.RLock()
    for _ in range(3):
        lock.acquire()
    saved = lock._release_save()
    assert in_thread(api, lambda: lock.acquire(False) and lock.release() is None) is True
    lock._acquire_restore(saved)
    for _ in range(3):
        lock.release()
    assert not lock._is_owned()


def test_release_save_of_a_free_one(api):
    """The class and the text."""
    same(api, lambda t: t.RLock()._release_save())


def test_at_fork_reinit(api):
    """A held lock is free afterwards."""
    lock = api.RLock()
    lock.acquire()
    lock._at_fork_reinit()
    assert not lock._is_owned()
    assert in_thread(api, lock.acquire, False)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copy_and_pickle(api, how):
    """Neither."""
    with pytest.raises(TypeError, match="cannot pickle"):
        how(api.RLock())


def test_no_attributes_but_weak_references(api):
    """An RLock takes no attribute; a weak reference to it does not keep it."""
    lock = api.RLock()
    with pytest.raises(AttributeError):
        lock.name = "mine"
    reference = weakref.ref(lock)
    del lock
    assert reference() is None


def test_subclass(api):
    """The type can be a base class; what is overridden counts."""

    class Counting(type(api.RLock())):
        def __init__(self):
            super().__init__()
            self.taken = 0

        def acquire(self, *args, **kwargs):
            self.taken += 1
            return super().acquire(*args, **kwargs)

    lock = Counting()
    lock.acquire()
    with lock:
        pass
    assert lock.taken == 1, "`with` of a subclass uses the type's own enter"
    lock.release()


@pytest.mark.parametrize("args", [(1,), (None, None)])
def test_constructor_takes_nothing(api, args):
    """As the running version: before 3.14 with or without a warning, here only what the standard library does."""
    import threading

    expected, raised = outcome(lambda t: t.RLock(*args) and "made", threading)
    value, error = outcome(lambda t: t.RLock(*args) and "made", api)
    assert (value, type(error)) == (expected, type(raised))


def test_locked_on_every_version(runtime, api):
    """RLock.locked() is 3.14's; raddle has it everywhere."""
    if runtime == "std" and sys.version_info < (3, 14):
        pytest.skip("RLock.locked() is new in 3.14")
    lock = api.RLock()
    assert lock.locked() is False
    with lock:
        assert lock.locked() is True
        assert in_thread(api, lock.locked) is True
