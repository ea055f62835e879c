"""threading.Barrier, one body on both runtimes."""

import copy
import pickle
from unittest import mock

import pytest
from compare import ODD_TIMEOUTS, blocked_by, extra_names, is_nan, same, same_shape, without_address


def gather(api, barrier, count, timeout=None):
    """So many threads at a barrier; gives them and the list of what each got."""
    results = []

    def attend():
        try:
            results.append(barrier.wait(timeout))
        except api.BrokenBarrierError:
            results.append("broken")

    return [blocked_by(api, attend) for _ in range(count)], results


def ended(threads):
    """Waits for all of them."""
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def at_barrier(barrier, count):
    """Waits until so many are there."""
    import time

    limit = time.monotonic() + 20
    while barrier.n_waiting < count:
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_fills(api):
    """Three parties, three times: each gets another index."""
    barrier = api.Barrier(3)
    for _ in range(3):
        threads, results = gather(api, barrier, 2)
        results.append(barrier.wait())
        ended(threads)
        assert sorted(results) == [0, 1, 2]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


def test_one_party(api):
    """Never waits."""
    barrier = api.Barrier(1)
    assert [barrier.wait() for _ in range(3)] == [0, 0, 0]


def test_action(api):
    """Runs once for each filling, before anybody goes on."""
    done = []
    barrier = api.Barrier(2, action=lambda: done.append(barrier.n_waiting))
    threads, _ = gather(api, barrier, 1)
    barrier.wait()
    ended(threads)
    assert len(done) == 1


def test_failing_action_breaks_it(api):
    """The one who ran it gets its error, the other BrokenBarrierError."""
    barrier = api.Barrier(2, lambda: 1 / 0)
    caught = []

    def attend():
        try:
            barrier.wait()
        except Exception as error:
            caught.append(type(error).__name__)

    threads = [blocked_by(api, attend) for _ in range(2)]
    ended(threads)
    assert sorted(caught) == ["BrokenBarrierError", "ZeroDivisionError"]
    assert barrier.broken


def test_time_over_breaks_it(api):
    """One waits without limit, another one's time is over: both get BrokenBarrierError; so does who comes later."""
    barrier = api.Barrier(3)
    threads, results = gather(api, barrier, 1)
    at_barrier(barrier, 1)
    with pytest.raises(api.BrokenBarrierError):
        barrier.wait(0.001)
    ended(threads)
    assert results == ["broken"]
    assert barrier.broken is True
    with pytest.raises(api.BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    assert barrier.broken is False


def test_time_over_while_the_last_one_acts(api):
    """All have come: who waits for the action to end has met the others, whatever its limit."""
    acting, go_on = api.Event(), api.Event()

    def action():
        acting.set()
        go_on.wait(20)

    barrier = api.Barrier(2, action)
    threads, results = gather(api, barrier, 1, timeout=0.05)
    at_barrier(barrier, 1)
    last = blocked_by(api, lambda: results.append(barrier.wait()))
    assert acting.wait(20)
    threads[0].join(0.2)
    assert threads[0].is_alive()
    go_on.set()
    ended([*threads, last])
    assert sorted(results) == [0, 1]
    assert not barrier.broken


def test_own_time_limit(api):
    """The constructor's timeout counts where wait() gives none."""
    barrier = api.Barrier(2, timeout=0.001)
    with pytest.raises(api.BrokenBarrierError):
        barrier.wait()


def test_abort(api):
    """Two wait, abort: both get BrokenBarrierError."""
    barrier = api.Barrier(3)
    threads, results = gather(api, barrier, 2)
    at_barrier(barrier, 2)
    assert barrier.abort() is None
    ended(threads)
    assert results == ["broken", "broken"]
    assert barrier.broken


def test_reset(api):
    """Two wait, reset: both get BrokenBarrierError, the barrier is as new."""
    barrier = api.Barrier(3)
    threads, results = gather(api, barrier, 2)
    at_barrier(barrier, 2)
    assert barrier.reset() is None
    ended(threads)
    assert results == ["broken", "broken"]
    assert not barrier.broken
    threads, results = gather(api, barrier, 2)
    barrier.wait()
    ended(threads)
    assert sorted(results)[0] in (0, 1)


@pytest.mark.parametrize("parties", [0, -1, 1.5, "2", None, True], ids=repr)
def test_odd_parties(api, parties):
    """What the constructor takes and refuses."""
    same(api, lambda t: t.Barrier(parties).parties)


@pytest.mark.parametrize(
    "timeout", [t for t in ODD_TIMEOUTS if t is not None and t is not True and not is_nan(t)], ids=repr
)
def test_odd_timeouts(api, timeout):
    """Class and text of the error, or whether the barrier is broken by it (NaN makes the standard library spin)."""

    def body(t):
        barrier = t.Barrier(2)
        try:
            return barrier.wait(timeout)
        except t.BrokenBarrierError:
            return "broken"

    same(api, body)


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t is not None], ids=repr)
def test_odd_timeouts_of_the_last_one(api, timeout):
    """Who fills it, does not wait."""
    same(api, lambda t: t.Barrier(1).wait(timeout))


def test_repr(api):
    """Waiting and broken, on the versions that have a repr of their own."""

    def body(t):
        barrier = t.Barrier(2)
        texts = [repr(barrier)]
        barrier.abort()
        return [without_address(text).replace("raddle.", "") for text in [*texts, repr(barrier)]]

    same(api, body)


def test_error_class(api):
    """BrokenBarrierError is a RuntimeError, the same one in both modules."""
    import threading

    assert issubclass(api.BrokenBarrierError, RuntimeError)
    assert api.BrokenBarrierError is threading.BrokenBarrierError


def test_signatures(api):
    """As CPython's."""
    for path in ("Barrier", "Barrier.wait", "Barrier.abort", "Barrier.reset"):
        same_shape(api, path)


def test_names(api):
    """Nothing public beyond CPython's."""
    assert not extra_names(api, "Barrier", 2)


@pytest.mark.parametrize("name", ["parties", "n_waiting", "broken"])
def test_properties_cannot_be_set(api, name):
    """AttributeError."""
    with pytest.raises(AttributeError):
        setattr(api.Barrier(2), name, 1)


def test_instance_attributes_and_patching(api):
    """Users put attributes on a barrier, and mocks in the place of its methods."""
    barrier = api.Barrier(1)
    barrier.stage = "first"
    assert barrier.stage == "first"
    with mock.patch.object(barrier, "wait", return_value="mocked"):
        assert barrier.wait() == "mocked"
    assert barrier.wait() == 0


def test_subclass(api):
    """A constructor and an override of its own."""

    class Counted(api.Barrier):
        def __init__(self, parties):
            super().__init__(parties, timeout=5)
            self.waits = 0

        def wait(self, timeout=None):
            self.waits += 1
            return super().wait(timeout)

    barrier = Counted(1)
    assert (barrier.wait(), barrier.waits) == (0, 1)


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_pickle_and_deep_copy(api, how):
    """Neither: there is a lock inside."""
    with pytest.raises(TypeError, match="cannot pickle"):
        how(api.Barrier(2))
