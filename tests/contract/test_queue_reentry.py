"""Queues used by signal handlers, destructors and forked children, in the middle of anything."""

import gc
import itertools
import os
import queue
import signal
import sys
import threading
import time

import pytest

FOUR = pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])


@pytest.fixture
def every_millisecond():
    """Calls a handler every millisecond, on the main thread."""
    before = signal.getsignal(signal.SIGALRM)

    def start(handler):
        signal.signal(signal.SIGALRM, lambda *_: handler())
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def skip_where_it_may_hang(runtime, name):
    """CPython's own queues, but for the simple one, lock themselves out."""
    if runtime == "std" and name != "SimpleQueue":
        pytest.skip("hangs on the standard library")


@FOUR
def test_put_and_get_in_a_signal_handler(runtime, queue_api, every_millisecond, name):
    """A handler uses the queue that main is using: nothing is lost, nothing comes twice."""
    skip_where_it_may_hang(runtime, name)
    q, numbers, got = getattr(queue_api, name)(), itertools.count(), []

    def handler():
        q.put(next(numbers))
        try:
            got.append(q.get_nowait())
        except queue.Empty:
            pass

    every_millisecond(handler)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        q.put(next(numbers))
        q.put(next(numbers))
        got.append(q.get())
    signal.setitimer(signal.ITIMER_REAL, 0)
    got += [q.get() for _ in range(q.qsize())]
    assert sorted(got) == list(range(next(numbers)))


@FOUR
def test_a_signal_handler_feeds_the_main_thread_that_waits(runtime, queue_api, every_millisecond, name):
    """Main sleeps in get; the handler, which runs on main, puts."""
    skip_where_it_may_hang(runtime, name)
    q, numbers = getattr(queue_api, name)(), itertools.count()
    every_millisecond(lambda: q.put(next(numbers)))
    assert [q.get(timeout=20) for _ in range(100)][0] == 0


def test_a_signal_handler_makes_room_for_the_main_thread_that_waits(runtime, queue_api, every_millisecond):
    """Main sleeps in put; the handler gets."""
    skip_where_it_may_hang(runtime, "Queue")
    q, got = queue_api.Queue(1), []

    def handler():
        try:
            got.append(q.get_nowait())
        except queue.Empty:
            pass

    every_millisecond(handler)
    for item in range(50):
        q.put(item, timeout=20)
    signal.setitimer(signal.ITIMER_REAL, 0)
    got += [q.get() for _ in range(q.qsize())]
    assert got == list(range(50))


@FOUR
def test_destructors_that_put(runtime, queue_api, name):
    """Run by the garbage collector in the middle of anything: a put, a get, the change into the compatible mode."""
    skip_where_it_may_hang(runtime, name)
    numbers, before = itertools.count(), gc.get_threshold()

    class Circular:
        def __init__(self, q):
            self.circular, self.q = self, q

        def __del__(self):
            self.q.put(next(numbers))

    gc.set_threshold(3)
    try:
        for _ in range(40):
            q, got, numbers = getattr(queue_api, name)(), [], itertools.count()
            for _ in range(10):
                Circular(q)
                q.put(next(numbers))
                got.append(q.get())
            if name != "SimpleQueue":
                assert q.mutex, q.queue is not None
            gc.collect()
            got += [q.get() for _ in range(q.qsize())]
            assert sorted(got) == list(range(next(numbers)))
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("how", ["clear", "shutdown", "del", "reinit"])
def test_destructors_of_items_use_their_queue(runtime, queue_api, how):
    """What is thrown out of a queue looks at it while it goes."""
    if runtime == "std" and how in ("clear", "shutdown"):
        pytest.skip("hangs on the standard library, or is not there")
    seen = []

    class Item:
        def __init__(self, q):
            self.q = q

        def __del__(self):
            seen.append(self.q.qsize())

    q = queue_api.Queue()
    for _ in range(5):
        q.put(Item(q))
    if how == "shutdown":
        q.shutdown(immediate=True)
    elif how == "reinit":
        q.__init__()
    elif how == "clear":
        items, q.queue = q.queue, type(q.queue)()
        del items
    else:
        del q
        gc.collect()
    assert len(seen) == 5


@FOUR
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_while_others_wait_and_work(runtime, queue_api, name):
    """The child has the items, none of the parent's waiters, and can wait and wake in it."""
    if runtime == "std" and name != "SimpleQueue":
        pytest.skip("notifies the parent's waiters, who are not there")
    for _ in range(5):
        q, busy = getattr(queue_api, name)(), getattr(queue_api, name)()
        stop = threading.Event()
        waiting = [threading.Thread(target=q.get) for _ in range(3)]

        def churn(busy=busy, stop=stop):
            while not stop.is_set():
                busy.put(1)
                busy.get()

        for thread in [*waiting, worker := threading.Thread(target=churn)]:
            thread.start()
        kept = getattr(queue_api, name)()
        for item in range(3):
            kept.put(item)
        time.sleep(0.01)
        child = os.fork()
        if child == 0:
            os._exit(in_the_child(q, kept))
        assert os.waitstatus_to_exitcode(ended(child)) == 0
        for _ in waiting:
            q.put("parent")
        stop.set()
        for thread in [*waiting, worker]:
            thread.join(20)
            assert not thread.is_alive()
        assert kept.qsize() == 3


def ended(child):
    """The status of a child, which is killed after 20 seconds."""
    for _ in range(2000):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def in_the_child(q, kept):
    """0 if all is well."""
    try:
        signal.alarm(15)
        assert sorted(kept.get_nowait() for _ in range(3)) == [0, 1, 2]
        q.put(1)
        assert q.get(timeout=5) == 1
        getter = threading.Thread(target=q.get)
        getter.start()
        time.sleep(0.01)
        q.put(2)
        getter.join(5)
        assert not getter.is_alive()
        return 0
    except BaseException as error:
        print(repr(error), file=sys.__stderr__, flush=True)
        return 1
