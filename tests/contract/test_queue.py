"""queue.Queue and its relatives, one body on both runtimes."""

import collections
import copy
import gc
import heapq
import pickle
import queue
import sys
import threading
import time
import weakref
from fractions import Fraction
from unittest import mock

import compare
import pytest
from compare import ODD_TIMEOUTS, blocked_by, extra_names, in_thread, is_nan, same_shape, without_address

THREE = pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue"])
FOUR = pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
HAS_SHUTDOWN = hasattr(queue, "ShutDown")
needs_shutdown = pytest.mark.skipif("runtime == 'std' and not HAS_SHUTDOWN", reason="new in 3.13")


def same(queue_api, body):
    """Asserts that `body(queue_api)` ends as `body(queue)` does."""
    return compare.same(queue_api, body, queue)


@pytest.fixture
def ending(runtime):
    """Skips the standard library where it has no shutdown."""
    if runtime == "std" and not HAS_SHUTDOWN:
        pytest.skip("Queue.shutdown is new in 3.13")


@pytest.fixture(params=["native", "compatible"])
def make(request, queue_api):
    """Makes a queue, in each of raddle's modes; on the standard library there is no difference."""

    def make(name, *args):
        made = getattr(queue_api, name)(*args)
        if request.param == "compatible":
            assert made.mutex
        return made

    return make


# ---- order, bound, tasks ----


@pytest.mark.parametrize(
    ("name", "order"), [("Queue", [3, 1, 2]), ("LifoQueue", [2, 1, 3]), ("PriorityQueue", [1, 2, 3])]
)
def test_order(make, name, order):
    """What comes out, and the counts on the way."""
    q = make(name)
    assert (q.empty(), q.full(), q.qsize()) == (True, False, 0)
    assert [q.put(item) for item in (3, 1, 2)] == [None] * 3
    assert (q.empty(), q.full(), q.qsize(), q.unfinished_tasks) == (False, False, 3, 3)
    assert [q.get(), q.get_nowait(), q.get(False)] == order
    assert (q.empty(), q.qsize(), q.unfinished_tasks) == (True, 0, 3)


@THREE
def test_bound(make, queue_api, name):
    """No room: Full. None in: Empty."""
    q = make(name, 2)
    q.put(1)
    q.put_nowait(2)
    assert q.full()
    for call in (
        lambda: q.put(3, False),
        lambda: q.put(3, block=False),
        lambda: q.put_nowait(3),
        lambda: q.put(3, timeout=0.001),
        lambda: q.put(3, True, 0),
    ):
        with pytest.raises(queue_api.Full):
            call()
    assert sorted([q.get(), q.get(timeout=1)]) == [1, 2]
    for call in (lambda: q.get(False), q.get_nowait, lambda: q.get(timeout=0.001), lambda: q.get(True, 0)):
        with pytest.raises(queue_api.Empty):
            call()


def test_exceptions_are_the_standard_librarys(queue_api):
    """Whoever catches queue.Empty catches ours."""
    assert queue_api.Empty is queue.Empty
    assert queue_api.Full is queue.Full
    if HAS_SHUTDOWN:
        assert queue_api.ShutDown is queue.ShutDown
    with pytest.raises(queue.Empty) as caught:
        queue_api.Queue().get_nowait()
    assert caught.value.args == ()


@pytest.mark.parametrize("maxsize", [-1, -(2**70), 0, True, 1, 2, 1.5, Fraction(3, 2), None, "5", [], 2**70], ids=repr)
@THREE
def test_odd_sizes(queue_api, name, maxsize):
    """Made with it: what it says, and what becomes of three puts."""

    def body(api):
        q = getattr(api, name)(maxsize)
        results = [q.maxsize]
        for item in range(3):
            try:
                results.append(q.put_nowait(item))
            except api.Full:
                results.append("full")
        return [*results, q.full(), q.qsize(), q.unfinished_tasks]

    same(queue_api, body)


@pytest.mark.parametrize("method", ["full", "qsize", "empty", "join", "task_done", "get_nowait"])
@pytest.mark.parametrize("maxsize", [1.5, None, "5", []], ids=repr)
def test_methods_of_a_queue_of_odd_size(queue_api, maxsize, method):
    """Value, or class and text of the error."""
    same(queue_api, lambda api: getattr(api.Queue(maxsize), method)())


@pytest.mark.parametrize("size", [-1, 0, 2.5, None, "", "x", True], ids=repr)
@pytest.mark.parametrize("method", ["full", "qsize", "empty", "get_nowait"])
def test_odd_values_of_qsize(queue_api, size, method):
    """Whatever an overridden `_qsize` gives."""

    def body(api):
        q = type("Mine", (api.Queue,), {"_qsize": lambda self: size})(3)
        q.queue.append(1)
        return getattr(q, method)()

    same(queue_api, body)


@pytest.mark.parametrize("maxsize", [-1, 0, 1, 2.5, None, "5"], ids=repr)
def test_size_set_later(queue_api, maxsize):
    """The same when it is set afterwards."""

    def body(api):
        q = api.Queue(2)
        q.put(0)
        q.maxsize = maxsize
        q.put_nowait(1)
        return q.maxsize, q.full(), q.qsize()

    same(queue_api, body)


def test_a_bound_taken_away_lets_a_putter_in(make, api):
    """As soon as somebody gets."""
    q = make("Queue", 1)
    q.put(0)
    putter = blocked_by(api, q.put, 1)
    putter.join(0.02)
    q.maxsize = 3
    assert q.get() == 0
    putter.join(20)
    assert not putter.is_alive()


@THREE
def test_tasks(make, name):
    """Counted by put and task_done; one too many is refused and changes nothing."""
    q = make(name)
    q.put(1)
    q.put(2)
    assert q.task_done() is None
    assert q.unfinished_tasks == 1
    q.task_done()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times"):
        q.task_done()
    assert q.unfinished_tasks == 0
    assert q.join() is None


def test_join_waits_for_the_last(make, api):
    """Not for the get, for the task_done."""
    q = make("Queue")
    q.put(1)
    q.put(2)
    joiners = [blocked_by(api, q.join) for _ in range(3)]
    q.get(), q.get(), q.task_done()
    joiners[0].join(0.02)
    assert joiners[0].is_alive()
    q.task_done()
    for joiner in joiners:
        joiner.join(20)
        assert not joiner.is_alive()


def test_unfinished_tasks_can_be_set(queue_api, api):
    """The idiom that empties a queue for good."""
    q = queue_api.Queue()
    for item in range(3):
        q.put(item)
    joiner = blocked_by(api, q.join)
    joiner.join(0.02)
    with q.mutex:
        q.queue.clear()
        q.unfinished_tasks = 0
        q.all_tasks_done.notify_all()
        q.not_full.notify_all()
    joiner.join(20)
    assert not joiner.is_alive()
    assert (q.qsize(), q.unfinished_tasks) == (0, 0)


# ---- time limits ----


@pytest.mark.parametrize("timeout", [*ODD_TIMEOUTS, Fraction(1, 1000), 10**400], ids=lambda t: repr(t)[:20])
@FOUR
def test_odd_timeouts_when_there_is_an_item(queue_api, name, timeout):
    """Value, or class and text of the error; positional, by name, and with block=False."""

    def get(api, *args, **kwargs):
        q = getattr(api, name)()
        q.put(7)
        return q.get(*args, **kwargs)

    same(queue_api, lambda api: get(api, True, timeout))
    same(queue_api, lambda api: get(api, timeout=timeout))
    same(queue_api, lambda api: get(api, False, timeout))


# What the standard library spins or sleeps with for ever.
ENDLESS = (None,)


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t not in ENDLESS and not is_nan(t)], ids=repr)
@FOUR
def test_odd_timeouts_when_there_is_none(queue_api, name, timeout):
    """Value, or class and text of the error."""
    if timeout is True:
        pytest.skip("takes a second, and is tested as 1.0 elsewhere")
    same(queue_api, lambda api: getattr(api, name)().get(timeout=timeout))


@pytest.mark.parametrize("timeout", ODD_TIMEOUTS, ids=repr)
@THREE
def test_odd_timeouts_of_put(queue_api, name, timeout):
    """Without a bound nobody looks at them; with room some are refused; without room more."""
    same(queue_api, lambda api: getattr(api, name)().put(1, timeout=timeout))
    same(queue_api, lambda api: getattr(api, name)(1).put(1, timeout=timeout))
    if timeout is None or timeout is True or is_nan(timeout):
        return

    def body(api):
        q = getattr(api, name)(1)
        q.put(1)
        q.put(2, timeout=timeout)

    same(queue_api, body)


@THREE
def test_nan_raises_in_the_caller(runtime, make, name):
    """Where the standard library would spin for ever."""
    if runtime == "std":
        pytest.skip("spins for ever")
    with pytest.raises(ValueError, match="NaN"):
        make(name).get(timeout=float("nan"))
    full = make(name, 1)
    full.put(1)
    with pytest.raises(ValueError, match="NaN"):
        full.put(2, timeout=float("nan"))
    assert full.get(timeout=float("nan")) == 1


@pytest.mark.parametrize("block", [1, 0, "", "x", None, [], 2.5], ids=repr)
@THREE
def test_odd_values_of_block(queue_api, name, block):
    """Its truth counts."""
    if block:
        q = getattr(queue_api, name)()
        q.put(5)
        assert q.get(block) == 5
    same(queue_api, lambda api: getattr(api, name)().get(block, timeout=0.001))


def test_join_with_a_timeout(runtime, make, api):
    """raddle's own: whether all is done."""
    if runtime == "std":
        pytest.skip("the standard library has none")
    q = make("Queue")
    assert q.join(timeout=0) is True
    q.put(1)
    assert q.join(timeout=0) is False
    assert q.join(0.001) is False
    with pytest.raises(ValueError, match="non-negative"):
        q.join(timeout=-1)
    done = threading.Timer(0.02, q.task_done)
    done.start()
    assert q.join(timeout=20) is True
    assert q.join(timeout=None) is None
    with pytest.raises(TypeError):
        q.join("x")


@pytest.mark.parametrize("args", [(), (1, True, None, 4), (1, 2, 3, 4, 5)], ids=repr)
@THREE
def test_wrong_number_of_arguments(queue_api, name, args):
    """Class and text."""
    same(queue_api, lambda api: getattr(api, name)().put(*args))
    same(queue_api, lambda api: getattr(api, name)().get(*args, *args) if len(args) else None)


@THREE
def test_wrong_keywords(queue_api, name):
    """Class and text."""
    same(queue_api, lambda api: getattr(api, name)().put(1, wait=True))
    same(queue_api, lambda api: getattr(api, name)().put(1, item=2))
    same(queue_api, lambda api: getattr(api, name)().get(frobnicate=True))
    same(queue_api, lambda api: getattr(api, name)().put_nowait())
    for method in ("qsize", "empty", "full", "task_done", "get_nowait"):
        with pytest.raises(TypeError):
            getattr(getattr(queue_api, name)(), method)(1)


# ---- waiting ----


@THREE
def test_a_put_wakes_a_getter_and_a_get_a_putter(make, api, name):
    """One for one."""
    q, got = make(name, 1), []
    getters = [blocked_by(api, lambda: got.append(q.get())) for _ in range(3)]
    for item in range(3):
        q.put(item)
    for getter in getters:
        getter.join(20)
    assert sorted(got) == [0, 1, 2]
    q.put(0)
    putters = [blocked_by(api, q.put, item) for item in (1, 2)]
    assert sorted([q.get(), q.get(), q.get()]) == [0, 1, 2]
    for putter in putters:
        putter.join(20)
        assert not putter.is_alive()


def test_a_burst_reaches_all_getters(make, api):
    """Five wait, five items come at once."""
    q, got = make("Queue"), []
    getters = [blocked_by(api, lambda: got.append(q.get(timeout=20))) for _ in range(5)]
    for getter in getters:
        getter.join(0.01)
    for item in range(5):
        q.put(item)
    for getter in getters:
        getter.join(20)
    assert sorted(got) == list(range(5))


def test_ctrl_c_while_waiting(queue_api):
    """A signal handler's error ends the wait, and the queue is as before."""
    import signal

    class Stop(Exception):
        pass

    def handler(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for q in (queue_api.Queue(), queue_api.SimpleQueue()):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(Stop):
                q.get()
            q.put(1)
            assert q.get() == 1
    finally:
        signal.signal(signal.SIGALRM, before)


# ---- the end ----


def told(q, call):
    """What a call gives, or the name of its error."""
    try:
        return call(q)
    except Exception as error:
        return type(error).__name__


@pytest.mark.usefixtures("ending")
@THREE
def test_shutdown(make, name):
    """Nothing more in; what is in can be got; then ShutDown, whatever the time limit."""
    q = make(name)
    q.put(1)
    assert q.is_shutdown is False
    assert q.shutdown() is None
    assert q.is_shutdown is True
    assert [told(q, lambda q: q.put(2)), told(q, lambda q: q.put_nowait(2))] == ["ShutDown"] * 2
    assert q.get() == 1
    calls = (lambda q: q.get(), lambda q: q.get_nowait(), lambda q: q.get(timeout=1), lambda q: q.get(timeout=-1))
    assert [told(q, call) for call in calls] == ["ShutDown"] * 4
    assert q.unfinished_tasks == 1
    q.task_done()
    q.join()


@pytest.mark.usefixtures("ending")
@THREE
def test_shutdown_now(make, name):
    """What was in counts as done."""
    q = make(name)
    q.put(1), q.put(2), q.put(3)
    q.get()
    q.shutdown(immediate=True)
    assert (q.qsize(), q.unfinished_tasks, told(q, lambda q: q.get())) == (0, 1, "ShutDown")
    q.task_done()
    q.join()


@pytest.mark.usefixtures("ending")
@pytest.mark.parametrize("immediate", [False, True])
@THREE
def test_shutdown_wakes_all(make, api, name, immediate):
    """Getters, putters and, if it is immediate, joiners."""
    empty, full, results = make(name), make(name, 1), []
    full.put(0)
    waiting = [blocked_by(api, lambda: results.append(told(empty, lambda q: q.get()))) for _ in range(2)]
    waiting += [blocked_by(api, lambda: results.append(told(full, lambda q: q.put(1)))) for _ in range(2)]
    waiting += [blocked_by(api, lambda: results.append(told(full, lambda q: q.join())))]
    for thread in waiting:
        thread.join(0.01)
    empty.shutdown(immediate)
    full.shutdown(immediate)
    if not immediate:
        full.get()
        full.task_done()
    for thread in waiting:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(map(str, results)) == ["None"] + ["ShutDown"] * 4


@pytest.mark.usefixtures("ending")
def test_shutdown_can_be_taken_back(make):
    """The flag is an attribute like any other."""
    q = make("Queue")
    q.shutdown()
    q.is_shutdown = False
    q.put(1)
    assert q.get() == 1


def test_shut_down_class(runtime, queue_api):
    """An exception of the module `queue`, on every version."""
    if runtime == "raddle":
        assert queue_api.ShutDown.__module__ == "queue"
        assert queue_api.ShutDown.__mro__[1] is Exception


# ---- what CPython's queue is made of ----


@pytest.mark.parametrize(
    ("name", "kind", "inside"),
    [
        ("Queue", collections.deque, [3, 1, 2]),
        ("LifoQueue", list, [3, 1, 2]),
        ("PriorityQueue", list, [1, 3, 2]),
    ],
)
def test_inside(queue_api, name, kind, inside):
    """`q.queue` is the real thing, for reading and for changing."""
    q = getattr(queue_api, name)()
    for item in (3, 1, 2):
        q.put(item)
    assert type(q.queue) is kind
    assert list(q.queue) == inside
    assert q.queue is q.queue
    q.queue.append(9)
    assert (q.qsize(), q.unfinished_tasks) == (4, 3)
    with q.mutex:
        q.queue.clear()
    assert q.empty()
    q.queue = kind([5])
    assert q.get() == 5


def test_mutex_is_held_by_nobody_and_keeps_others_out(queue_api, api):
    """`with q.mutex`, and the conditions over the same lock."""
    q = queue_api.Queue()
    assert not q.mutex.locked()
    with q.mutex:
        assert q.mutex.locked()
        putter = blocked_by(api, q.put, 1)
        putter.join(0.02)
        assert putter.is_alive()
        assert len(q.queue) == 0
    putter.join(20)
    assert q.qsize() == 1
    for condition in (q.not_empty, q.not_full, q.all_tasks_done):
        assert condition._lock is q.mutex
        with condition:
            assert q.mutex.locked()


def test_wait_on_its_condition(queue_api, api):
    """Whoever waits on `not_empty` by hand is notified by put."""
    q, seen = queue_api.Queue(), []

    def watch():
        with q.not_empty:
            while not q.queue:
                q.not_empty.wait(20)
            seen.append(list(q.queue))

    watcher = blocked_by(api, watch)
    watcher.join(0.02)
    q.put("x")
    watcher.join(20)
    assert seen == [["x"]]


@THREE
def test_touched_while_others_wait(queue_api, api, name):
    """Getters that wait already when somebody touches the mutex are served all the same, and so are the others."""
    q, got = getattr(queue_api, name)(), []
    full = getattr(queue_api, name)(1)
    full.put(0)
    threads = [blocked_by(api, lambda: got.append(q.get())) for _ in range(2)]
    threads += [blocked_by(api, lambda: got.append(q.get(timeout=20))) for _ in range(2)]
    threads += [blocked_by(api, full.put, 1), blocked_by(api, full.put, 2, True, 20), blocked_by(api, full.join)]
    for thread in threads:
        thread.join(0.01)
    assert q.mutex, full.mutex
    with full.not_full:
        full.queue.clear()
        full.maxsize = 2
        full.not_full.notify_all()
    for item in range(4):
        q.put(item)
    for thread in threads[:6]:
        thread.join(20)
        assert not thread.is_alive()
    for _ in range(3):
        full.task_done()
    threads[6].join(20)
    assert not threads[6].is_alive()
    assert sorted(got) == [0, 1, 2, 3]
    assert sorted(full.queue) == [1, 2]


def test_a_timed_getter_keeps_its_limit_when_the_queue_is_touched(queue_api, api):
    """The time that has passed before counts."""
    q, results = queue_api.Queue(), []

    def body():
        start = time.monotonic()
        results.append(told(q, lambda q: q.get(timeout=0.3)))
        results.append(time.monotonic() - start)

    getter = blocked_by(api, body)
    getter.join(0.2)
    assert q.mutex
    getter.join(20)
    assert results[0] == "Empty"
    assert 0.29 < results[1] < 0.45


def test_replaced_conditions_are_used(queue_api):
    """As gevent-like libraries and tests do."""

    def body(api):
        log = []

        class Noting(threading.Condition):
            def notify(self, n=1):
                log.append("notify")
                super().notify(n)

        q = api.Queue()
        q.not_empty = Noting(q.mutex)
        q.put(1)
        q.get()
        return log

    same(queue_api, body)


@pytest.mark.parametrize("attribute", ["queue", "mutex", "not_empty", "not_full", "all_tasks_done", "maxsize"])
@THREE
def test_not_made_yet(queue_api, name, attribute):
    """A subclass that has not called `__init__`: the attribute's absence is told as ever."""

    def body(api):
        class Late(getattr(api, name)):
            def __init__(self):
                pass

        return getattr(Late(), attribute)

    same(queue_api, body)


@pytest.mark.parametrize(
    "method", ["put", "get", "qsize", "empty", "full", "task_done", "join", "put_nowait", "get_nowait"]
)
@THREE
def test_used_before_it_is_made(queue_api, name, method):
    """Class and text of the error."""

    def body(api):
        class Late(getattr(api, name)):
            def __init__(self):
                pass

        return getattr(Late(), method)(*[1] * method.startswith("put"))

    same(queue_api, body)


# ---- subclasses and patches ----


class OrderedSet(dict):
    """Items once each, in order."""


@pytest.mark.parametrize("override", ["_init", "_put", "_get", "_qsize"])
@THREE
def test_each_extension_point(queue_api, name, override):
    """Overridden alone, calling the original."""

    def body(api):
        log = []
        base = getattr(api, name)

        def overriding(self, *args):
            log.append((override, args))
            return getattr(base, override)(self, *args)

        q = type("Mine", (base,), {override: overriding})(2)
        q.put(3)
        q.put(1)
        results = [q.qsize(), q.full(), q.get(), q.get(), q.empty()]
        return results, [entry for entry in log if entry[0] != "_qsize"], bool(log)

    same(queue_api, body)


def test_unique_queue(queue_api):
    """The recipe that everybody copies: a queue over a set, with all four points."""

    def body(api):
        class Unique(api.Queue):
            def _init(self, maxsize):
                self.queue = {}

            def _qsize(self):
                return len(self.queue)

            def _put(self, item):
                self.queue[item] = None

            def _get(self):
                item = next(iter(self.queue))
                del self.queue[item]
                return item

        q = Unique(3)
        for item in "abracad":
            if not q.full():
                q.put(item)
        return [q.get() for _ in range(q.qsize())], q.unfinished_tasks

    same(queue_api, body)


def test_an_error_of_an_extension_point(queue_api):
    """Leaves the queue usable and the count as it was."""

    def body(api):
        class Failing(api.Queue):
            def _put(self, item):
                if item == "bad":
                    raise KeyError(item)
                super()._put(item)

        q = Failing()
        results = [told(q, lambda q: q.put("bad")), q.unfinished_tasks, q.mutex.locked()]
        q.put("good")
        return [*results, q.get()]

    same(queue_api, body)


@pytest.mark.parametrize("where", ["instance", "class", "base", "mixin"])
def test_points_put_in_place_later(queue_api, where):
    """A patch of `_put` on an instance, its class, a base or a mix-in counts from then on, with items already in."""

    def body(api):
        log = []

        class Mixin:
            pass

        class Base(api.Queue):
            pass

        class Mine(Mixin, Base):
            pass

        q = Mine()
        q.put(1)
        assert q.get() == 1
        q.put(2)

        def put(*args):
            log.append(args[-1])
            q.queue.append(args[-1] * 10)

        holder = {"instance": q, "class": Mine, "base": Base, "mixin": Mixin}[where]
        holder._put = put
        q.put(3)
        return log, [q.get(), q.get()]

    same(queue_api, body)


def test_patch_of_the_class_itself(queue_api):
    """mock.patch.object(queue.Queue, "_qsize") is seen, and its end, too."""
    q = queue_api.Queue()
    q.put(1)
    with mock.patch.object(queue_api.Queue, "_qsize", return_value=7):
        assert q.qsize() == 7
    assert q.qsize() == 1
    with mock.patch.object(queue_api.Queue, "put", return_value="mocked"):
        assert q.put(1) == "mocked"
    assert q.put(2) is None


def test_overridden_put_and_get_serve_nowait(queue_api):
    """`put_nowait` is `put(item, block=False)`, on subclasses and patched instances."""

    def body(api):
        log = []

        class Mine(api.Queue):
            def put(self, item, block=True, timeout=None):
                log.append(("put", item, block, timeout))
                super().put(item, block, timeout)

            def get(self, block=True, timeout=None):
                log.append(("get", block, timeout))
                return super().get(block, timeout)

        q = Mine()
        q.put_nowait(1)
        q.get_nowait()
        q = api.Queue()
        q.put = lambda *args, **kwargs: log.append((args, kwargs))
        q.put_nowait(2)
        return log

    same(queue_api, body)


@THREE
def test_attributes_patches_and_weak_references(queue_api, name):
    """As of any Python object."""
    q = getattr(queue_api, name)()
    q.owner = "me"
    assert vars(q)["owner"] == "me"
    q.put(1)
    assert q.get() == 1
    with mock.patch.object(q, "get", return_value="mocked"):
        assert q.get() == "mocked"
    reference = weakref.ref(q)
    assert reference() is q
    del q
    gc.collect()
    assert reference() is None


@THREE
def test_subclass_with_a_mixin(queue_api, api, name):
    """A constructor of its own, keyword arguments, a mix-in."""

    class Named:
        def title(self):
            return self.name.title()

    class Mine(getattr(queue_api, name), Named):
        def __init__(self, name, *, limit):
            self.name = name
            super().__init__(maxsize=limit)

        def put_all(self, items):
            for item in items:
                self.put(item)

    q = Mine("jobs", limit=2)
    in_thread(api, q.put_all, [1, 2])
    assert (q.title(), q.maxsize, q.full(), isinstance(q, queue_api.Queue)) == ("Jobs", 2, True, True)


def test_relations(queue_api):
    """Lifo and priority are queues, the simple one is none."""
    assert issubclass(queue_api.LifoQueue, queue_api.Queue)
    assert issubclass(queue_api.PriorityQueue, queue_api.Queue)
    assert not issubclass(queue_api.SimpleQueue, queue_api.Queue)


@THREE
def test_made_again(queue_api, name):
    """`__init__` once more makes it as new."""
    q = getattr(queue_api, name)(1)
    q.put(1)
    q.__init__(2)
    assert (q.qsize(), q.unfinished_tasks, q.maxsize) == (0, 0, 2)
    q.put(1)
    assert len(q.queue) == 1
    q.__init__()
    assert (q.qsize(), q.maxsize) == (0, 0)
    q.put(2)
    assert q.get() == 2


# ---- faces ----


@FOUR
def test_faces(queue_api, name):
    """Module, names, repr, generic alias, signatures."""
    cls, theirs = getattr(queue_api, name), getattr(queue, name)
    assert (cls.__module__, cls.__qualname__, cls.__name__) == (theirs.__module__, theirs.__qualname__, name)
    assert without_address(repr(cls())) == without_address(repr(theirs()))
    assert repr(cls[int]) == repr(theirs[int])
    assert cls[int].__origin__ is cls
    methods = ["put", "get", "put_nowait", "get_nowait", "qsize", "empty"]
    if name != "SimpleQueue":
        methods += ["full", "task_done"] + ["shutdown"] * HAS_SHUTDOWN
        same_shape(queue_api, name, queue)
        for method in methods:
            same_shape(queue_api, f"{name}.{method}", queue)
    assert all(callable(getattr(cls, method)) for method in methods)


@FOUR
def test_names(queue_api, name):
    """Nothing public beyond CPython's, but what newer ones have."""
    assert extra_names(queue_api, name, standard=queue) <= {"shutdown", "is_shutdown"}


@FOUR
@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_pickle_and_deep_copy(queue_api, name, how):
    """Class and text of the error."""
    with mock.patch.object(queue, name, getattr(queue_api, name)):
        error = same(queue_api, lambda api: how(getattr(api, name)()))
    assert isinstance(error, TypeError)


@THREE
def test_shallow_copy(queue_api, name):
    """Shares what it is made of."""
    q = getattr(queue_api, name)(3)
    q.put(1)
    q.extra = "x"
    other = copy.copy(q)
    assert other.queue is q.queue
    assert other.mutex is q.mutex
    assert (other.maxsize, other.extra, other.get(), q.qsize()) == (3, "x", 1, 0)


def test_simple_queue_takes_no_arguments_and_no_attributes(queue_api):
    """As CPython's."""
    with pytest.raises(TypeError):
        queue_api.SimpleQueue(1)
    with pytest.raises(AttributeError):
        queue_api.SimpleQueue().name = 1
    q = queue_api.SimpleQueue()
    assert weakref.ref(q)() is q
    assert [q.put(1), q.put(2, False), q.put(3, timeout=-5), q.put(item=4, block="x")] == [None] * 4
    assert (q.qsize(), q.empty()) == (4, False)
    assert [q.get(), q.get(True), q.get(timeout=1), q.get_nowait()] == [1, 2, 3, 4]
    assert q.empty() is True
    with pytest.raises(queue.Empty):
        q.get_nowait()


def test_simple_queue_subclass(queue_api):
    """May have attributes."""

    class Mine(queue_api.SimpleQueue):
        pass

    q = Mine()
    q.name = "x"
    q.put(1)
    assert (q.name, q.get()) == ("x", 1)


# ---- priorities ----


class Ranked:
    """Compared by its rank only; counts its comparisons."""

    compared = 0

    def __init__(self, rank, number):
        self.rank, self.number = rank, number

    def __lt__(self, other):
        Ranked.compared += 1
        return self.rank < other.rank


@pytest.mark.parametrize("kind", ["ranked", "numbers", "tuples", "texts"])
def test_ties_come_out_as_from_heapq(queue_api, kind):
    """The same order among equals, after the same comparisons."""
    import random

    random.seed(7)
    make = {
        "ranked": lambda rank, number: Ranked(rank, number),
        "numbers": lambda rank, number: float(rank) if number % 2 else rank,  # 1 and 1.0 are told apart by their type
        "tuples": lambda rank, number: (rank, float(number % 3)) if number % 2 else (rank, number % 3),
        "texts": lambda rank, number: str(rank),
    }[kind]
    items = [make(random.randrange(5), number) for number in range(60)]
    Ranked.compared, heap, expected = 0, [], []
    for index, item in enumerate(items):
        heapq.heappush(heap, item)
        if index % 3 == 0:
            expected.append(heapq.heappop(heap))
    expected += [heapq.heappop(heap) for _ in range(len(heap))]
    compared, Ranked.compared = Ranked.compared, 0
    q, got = queue_api.PriorityQueue(), []
    for index, item in enumerate(items):
        q.put(item)
        if index % 3 == 0:
            got.append(q.get())
    got += [q.get() for _ in range(q.qsize())]
    assert all(mine is theirs for mine, theirs in zip(got, expected, strict=True))
    assert Ranked.compared == compared


@pytest.mark.parametrize(
    "items",
    [
        [1, "x"],
        [(1, "x"), (1, 2)],
        [(1,), 2],
        [object(), object()],
        [1, None],
        [2, 1, 1.5, True],
        [(1, 2, 3), (1, 2)],
        [float("nan"), 1, 2],
        [b"b", b"a"],
        [(1, None), (0, None)],
        [[2], [1]],
        [2**100, 1, -(2**100)],
        [(), ()],
        [tuple(range(20)), tuple(range(19))],
    ],
    ids=repr,
)
def test_comparable_and_incomparable_items(queue_api, items):
    """What comes out, or class and text of the error, and what is in the heap then."""

    def body(api):
        q = api.PriorityQueue()
        errors = []
        for item in items:
            try:
                q.put(item)
            except TypeError as error:
                errors.append(without_address(str(error)))
        inside = [item if type(item) is not object else "object" for item in q.queue]
        return errors, repr(inside), q.unfinished_tasks

    same(queue_api, body)


def test_a_comparison_that_uses_the_queue(queue_api):
    """Looks at another queue, lets other threads run, raises: the items are all there."""

    def body(api):
        other = api.Queue()

        class Chatty:
            def __init__(self, rank):
                self.rank = rank

            def __lt__(self, other_item):
                other.put(self.rank)
                time.sleep(0)
                if self.rank == 13:
                    raise ZeroDivisionError
                return self.rank < other_item.rank

        q, results = api.PriorityQueue(), []
        for rank in (5, 13, 1, 7):
            try:
                q.put(Chatty(rank))
            except ZeroDivisionError:
                results.append("raised")
        return results, [item.rank for item in q.queue], q.unfinished_tasks, list(other.queue)

    same(queue_api, body)


def test_ranked_items_and_many_threads(queue_api, api):
    """Comparisons that give the interpreter away, four threads: nothing is lost."""

    class Slow:
        def __init__(self, rank):
            self.rank = rank

        def __lt__(self, other):
            time.sleep(0)
            return self.rank < other.rank

    q, got = queue_api.PriorityQueue(), []

    def work(start):
        for rank in range(start, start + 50):
            q.put(Slow(rank))
        for _ in range(50):
            got.append(q.get(timeout=20).rank)

    threads = [api.Thread(target=work, args=(50 * start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert sorted(got) == list(range(200))


# ---- memory ----


@FOUR
def test_items_are_let_go_at_once(queue_api, name):
    """A queue keeps nothing that has been got, and frees what it holds with itself."""

    class Item:
        def __lt__(self, other):
            return False

    q = getattr(queue_api, name)()
    q.put(Item())
    reference = weakref.ref(q.get())
    assert reference() is None
    item = Item()
    reference = weakref.ref(item)
    q.put(item)
    del item
    assert reference() is not None
    del q
    assert reference() is None


@FOUR
def test_cycles_are_collected(queue_api, name):
    """A queue that is in itself."""

    class Item:
        def __lt__(self, other):
            return False

    for touched in (False, True):
        q, item = getattr(queue_api, name)(), Item()
        item.queue = q
        q.put(item)
        if touched and name != "SimpleQueue":
            assert q.mutex
        reference = weakref.ref(item)
        del q, item
        gc.collect()
        assert reference() is None


def test_reference_counts(queue_api):
    """Putting and getting, refused and not, leaves no reference behind."""
    item = object()
    for name in ("Queue", "LifoQueue", "SimpleQueue"):
        q = getattr(queue_api, name)(*[1] * (name != "SimpleQueue"))
        before = sys.getrefcount(item)
        for _ in range(50):
            q.put(item)
            if name != "SimpleQueue":
                for put in (lambda q=q: q.put_nowait(item), lambda q=q: q.put(item, timeout=0.0001)):
                    with pytest.raises(queue.Full):
                        put()
            assert q.get() is item
        assert sys.getrefcount(item) == before
