"""threading.Condition, one body on both runtimes."""

import copy
import pickle
import time
from unittest import mock

import pytest
from compare import ODD_TIMEOUTS, blocked_by, extra_names, in_thread, public, same, same_shape, without_address


def waiting(api, condition, count, results, timeout=None):
    """So many threads in wait; all are there when this returns, since each held the condition's lock until then."""
    arrived = api.Semaphore(0)

    def wait(number):
        with condition:
            arrived.release()
            results.append((number, condition.wait(timeout)))

    threads = [api.Thread(target=wait, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
        arrived.acquire()
        with condition:
            pass
    return threads


def ended(threads):
    """Whether all have come to an end."""
    for thread in threads:
        thread.join(20)
    return not any(thread.is_alive() for thread in threads)


def until(check):
    """Waits for something that other threads do."""
    limit = time.monotonic() + 20
    while not check():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_notify_wakes_as_many_as_asked_in_order(api):
    """Four wait; notify(2), then notify(), then notify_all(): first come, first woken."""
    condition, woken = api.Condition(), []
    threads = waiting(api, condition, 4, woken)
    for count, sum_so_far in ((2, 2), (1, 3)):
        with condition:
            condition.notify(count)
        until(lambda total=sum_so_far: len(woken) == total)
    assert sorted(number for number, _ in woken) == [0, 1, 2]
    with condition:
        condition.notify_all()
    assert ended(threads)
    assert sorted(woken) == [(number, True) for number in range(4)]


def test_notify_more_than_wait(api):
    """Two wait, notify(10): both wake, none is kept for later."""
    condition, woken = api.Condition(), []
    threads = waiting(api, condition, 2, woken)
    with condition:
        condition.notify(10)
    assert ended(threads)
    with condition:
        assert condition.wait(0.001) is False


def test_timed_wait(api):
    """Nobody notifies: False, and the lock is held again."""
    condition = api.Condition()
    with condition:
        assert condition.wait(0.001) is False
        assert condition.wait(timeout=0.001) is False
        assert condition._is_owned()


@pytest.mark.parametrize("method", ["wait", "notify", "notify_all"])
def test_without_the_lock(api, method):
    """The class and the text."""
    same(api, lambda t: getattr(t.Condition(), method)())
    same(api, lambda t: getattr(t.Condition(t.Lock()), method)())


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t not in (None,)] + [1e-3], ids=repr)
def test_odd_timeouts(api, timeout):
    """Value, or class and text of the error; and the lock is held afterwards."""

    def body(t):
        condition = t.Condition()
        with condition:
            try:
                return condition.wait(timeout)
            finally:
                assert condition._is_owned()

    if timeout is True:
        return  # one second
    same(api, body)


@pytest.mark.parametrize("count", [0, -1, -5, 1.5, "1", None, True], ids=repr)
def test_odd_counts(api, count):
    """notify(n) with nobody there."""

    def body(t):
        condition = t.Condition()
        with condition:
            return condition.notify(count)

    same(api, body)


@pytest.mark.parametrize("count", [0, -1], ids=repr)
def test_notify_of_none(api, count):
    """One waits, notify(0) or notify(-1): as on the standard library."""

    def body(t):
        condition, woken = t.Condition(), []
        waiting(t, condition, 1, woken, 0.05)
        with condition:
            condition.notify(count)
        until(lambda: woken)
        return woken

    same(api, body)


def test_wait_for(api):
    """The value of the predicate comes out: at once, after a notify, at the end of the time."""
    condition, box = api.Condition(), []
    with condition:
        assert condition.wait_for(lambda: "yes") == "yes"
        assert condition.wait_for(list, 0.001) == []

    def put():
        with condition:
            box.append(1)
            condition.notify()

    with condition:
        thread = api.Thread(target=put)
        thread.start()
        assert condition.wait_for(lambda: box) == [1]
    thread.join()


def test_an_error_in_the_predicate_leaves_the_lock_held(api):
    """Predicate raises inside wait_for: the error comes out, the lock is still owned."""
    condition = api.Condition()
    with condition:
        with pytest.raises(ZeroDivisionError):
            condition.wait_for(lambda: 1 / 0)
        assert condition._is_owned()


def test_recursive_lock_is_given_up_wholly(api):
    """Held three deep, wait: another thread can enter; afterwards it is three deep again."""
    condition, woken = api.Condition(), []

    def wait():
        with condition, condition, condition:
            woken.append(condition.wait(20))
            woken.append(condition._is_owned())

    thread = blocked_by(api, wait)
    until(lambda: notify_if_any(condition))
    assert ended([thread])
    assert woken == [True, True]


def notify_if_any(condition):
    """Notifies; whether somebody was there."""
    with condition:
        there = bool(condition._waiters)
        condition.notify()
    return there


class Duck:
    """A lock made by a user, with everything that Condition looks for, in its own way."""

    def __init__(self, api):
        self.lock, self.calls = api.Lock(), []

    def acquire(self, *args):
        return self.lock.acquire(*args)

    def release(self):
        self.lock.release()

    def __enter__(self):
        self.calls.append("enter")
        return self.lock.__enter__()

    def __exit__(self, *exc):
        self.calls.append("exit")
        return self.lock.__exit__(*exc)

    def _release_save(self):
        self.calls.append("save")
        self.lock.release()
        return "what it was"

    def _acquire_restore(self, saved):
        self.calls.append(f"restore {saved}")
        self.lock.acquire()

    def _is_owned(self):
        self.calls.append("owned?")
        return self.lock.locked()


class Bare:
    """The least that a lock can be."""

    def __init__(self, api):
        self.lock, self.calls = api.Lock(), []

    def acquire(self, blocking=True):
        self.calls.append(("acquire", blocking))
        return self.lock.acquire(blocking)

    def release(self):
        self.calls.append("release")
        self.lock.release()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc):
        self.release()


@pytest.mark.parametrize("make", [Duck, Bare])
def test_over_a_lock_of_the_user(api, make):
    """The same calls in the same order as on the standard library."""

    def body(t):
        lock = make(t)
        condition = t.Condition(lock)
        with condition:
            waited = condition.wait(0.001)
            condition.notify()
            condition.notify_all()
        return waited, lock.calls

    same(api, body)


def test_a_user_s_lock_is_really_waited_on(api):
    """Over a duck: wait, notify from another thread."""
    condition, woken = api.Condition(Duck(api)), []
    threads = waiting(api, condition, 2, woken)
    with condition:
        condition.notify_all()
    assert ended(threads)
    assert [result for _, result in woken] == [True, True]


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_over_a_lock_of_the_other_runtime(api, kind):
    """A Condition takes any lock: here one of the standard library's."""
    import threading

    condition, woken = api.Condition(getattr(threading, kind)()), []
    threads = waiting(api, condition, 1, woken)
    with condition:
        condition.notify()
    assert ended(threads)
    assert woken == [(0, True)]


@pytest.mark.parametrize("wrong", [3, object(), "lock"], ids=["int", "object", "str"])
def test_over_something_else(api, wrong):
    """The class and the text."""
    same(api, lambda t: bool(t.Condition(wrong)))


def test_shared_lock(api):
    """Two conditions over one lock; its methods are the lock's."""
    lock = api.Lock()
    one, two = api.Condition(lock), api.Condition(lock)
    with one:
        assert lock.locked()
        assert two.acquire(False) is False
        assert two._is_owned()
    two.acquire()
    assert lock.locked()
    one.release()


def test_default_lock_is_an_rlock(api):
    """Entered twice by one thread."""
    condition = api.Condition()
    with condition, condition:
        assert in_thread(api, condition.acquire, False) is False
    assert type(condition._lock) is type(api.RLock())


def test_repr(api):
    """The lock's repr and the number of waiters."""
    condition = api.Condition()
    assert without_address(repr(condition)) == without_address(f"<Condition({condition._lock!r}, 0)>")
    woken = []
    threads = waiting(api, condition, 2, woken)
    assert repr(condition).endswith(", 2)>")
    with condition:
        condition.notify_all()
    assert ended(threads)


def test_signatures(api):
    """As CPython's."""
    for path in ("Condition", "Condition.wait", "Condition.wait_for", "Condition.notify", "Condition.notify_all"):
        same_shape(api, path)


def test_names(api):
    """Nothing public beyond CPython's."""
    assert not extra_names(api, "Condition")
    assert "notifyAll" in public(api.Condition)


def test_not_all_in_camel_case_warns(api):
    """The old name is deprecated."""
    condition = api.Condition()
    with condition, pytest.warns(DeprecationWarning, match="notifyAll"):
        condition.notifyAll()


def test_instance_attributes_and_patching(api):
    """Users put attributes on a condition, and mocks in the place of its methods."""
    condition = api.Condition()
    condition.owner = "me"
    assert condition.owner == "me"
    with mock.patch.object(condition, "wait", return_value="mocked"):
        assert condition.wait() == "mocked"
    with condition:
        assert condition.wait(0.001) is False


def test_subclass(api):
    """A subclass with its own constructor and an override that wait_for uses."""

    class Logged(api.Condition):
        def __init__(self, name):
            super().__init__()
            self.name, self.waits = name, 0

        def wait(self, timeout=None):
            self.waits += 1
            return super().wait(timeout)

    condition = Logged("mine")
    with condition:
        condition.wait(0.001)
        condition.wait_for(lambda: False, 0.002)
    assert condition.name == "mine"
    assert condition.waits >= 2


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_pickle_and_deep_copy(api, how):
    """Neither: there is a lock inside."""
    with pytest.raises(TypeError, match="cannot pickle"):
        how(api.Condition())


def test_at_fork_reinit(api):
    """A held condition is free afterwards, its waiters forgotten."""
    condition = api.Condition()
    condition.acquire()
    condition._at_fork_reinit()
    assert in_thread(api, condition.acquire, False)
