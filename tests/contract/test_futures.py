"""concurrent.futures with threads, one body on both runtimes."""

import asyncio
import concurrent.futures
import copy
import functools
import gc
import inspect
import itertools
import logging
import operator
import pickle
import queue
import sys
import threading
import time
import weakref
from concurrent.futures import thread as real_thread
from unittest import mock

import pytest
from compare import FREE_TIMEOUTS, ODD_TIMEOUTS, outcome, same, same_shape, without_address

same = functools.partial(same, standard=concurrent.futures)
shape_of = functools.partial(same_shape, standard=concurrent.futures)


class Held:
    """A pool of one worker that is kept busy until `free()`, so that what is submitted stays pending."""

    def __init__(self, module, workers=1):
        self.go, self.pool = threading.Event(), module.ThreadPoolExecutor(workers)
        running = [threading.Event() for _ in range(workers)]
        self.running = [self.pool.submit(self.job, event) for event in running]
        for event in running:
            assert event.wait(20)

    def job(self, running):
        """What the worker does."""
        running.set()
        assert self.go.wait(30)
        return "held"

    def free(self):
        """Lets the worker go on."""
        self.go.set()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.free()
        self.pool.shutdown()


def finished(module, function=int, *args):
    """A future that is over."""
    with module.ThreadPoolExecutor(1) as pool:
        future = pool.submit(function, *args)
    return future


def failing():
    """Raises."""
    raise LookupError("no such job")


# ---- one future ------------------------------------------------------------------------------------------------


def test_life(futures):
    """Pending, running, finished; the state has a name that libraries read."""
    with Held(futures) as held:
        future = held.pool.submit(pow, 2, 10)
        assert (future._state, future.done(), future.running(), future.cancelled()) == ("PENDING", False, False, False)
        assert held.running[0].running()
        assert held.running[0]._state == "RUNNING"
        held.free()
        assert future.result() == future.result(0) == future._result == 1024
        assert (future.exception(), future._exception) == (None, None)
        assert (future._state, future.done(), future.running(), future.cancelled()) == ("FINISHED", True, False, False)
        assert future.cancel() is False


def test_failure(futures):
    """The error itself, as often as it is asked for, with what is being handled as its context."""
    future = finished(futures, failing)
    error = future.exception()
    assert isinstance(error, LookupError)
    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            future.result()
        assert caught.value is error
    names = []
    entry = error.__traceback__
    while entry:
        names.append(entry.tb_frame.f_code.co_name)
        entry = entry.tb_next
    assert names[-1] == "failing"
    try:
        raise KeyError(1)
    except KeyError as handled:
        with pytest.raises(LookupError):
            future.result()
        assert error.__context__ is handled


def test_base_exceptions_are_results_too(futures):
    """SystemExit and KeyboardInterrupt of a job go to who asks for its result, and the worker lives on."""
    with futures.ThreadPoolExecutor(1) as pool:
        for error in (SystemExit, KeyboardInterrupt, GeneratorExit):
            future = pool.submit(raise_it, error)
            with pytest.raises(error):
                future.result()
        assert pool.submit(int).result() == 0
        assert len(pool._threads) == 1


def raise_it(error):
    """Raises what it is given."""
    raise error


def test_stop_iteration(futures):
    """A job may raise StopIteration; result() raises it."""
    with pytest.raises(StopIteration):
        finished(futures, next, iter(())).result()


def test_cancel(futures):
    """Before it begins, once and for all; not while it runs."""
    with Held(futures) as held:
        future = held.pool.submit(int)
        assert held.running[0].cancel() is False
        assert future.cancel() is True
        assert future.cancel() is True
        assert (future._state, future.done(), future.cancelled(), future.running()) == ("CANCELLED", True, True, False)
        for ask in (future.result, future.exception):
            with pytest.raises(futures.CancelledError) as caught:
                ask()
            assert str(caught.value) == ""
        held.free()
        held.pool.submit(int).result()
        assert future._state == "CANCELLED_AND_NOTIFIED"
        assert future.cancel() is True


def test_wait_ends_by_cancel(futures):
    """One thread sleeps in result(), another cancels."""
    with Held(futures) as held:
        future, errors = held.pool.submit(int), []

        def ask():
            errors.append(outcome(lambda _: future.result(), None)[1])

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.02)
        assert future.cancel()
        for thread in threads:
            thread.join(20)
        assert [type(error) for error in errors] == [futures.CancelledError] * 3


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t is not None and t is not True], ids=repr)
@pytest.mark.parametrize("method", ["result", "exception"])
def test_odd_timeouts_while_pending(futures, method, timeout):
    """Value, or class and text of the error."""

    def body(module):
        with Held(module) as held:
            return getattr(held.pool.submit(int), method)(timeout)

    same(futures, body)


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_odd_timeouts_when_over(futures, timeout):
    """A finished future does not look at the time."""
    same(futures, lambda module: finished(module).result(timeout))


def test_timeout(futures):
    """TimeoutError, the builtin one, after about that time."""
    with Held(futures) as held:
        since = time.monotonic()
        for ask in (held.pool.submit(int).result, held.pool.submit(int).exception):
            with pytest.raises(TimeoutError) as caught:
                ask(timeout=0.05)
            assert str(caught.value) == ""
        assert 0.1 <= time.monotonic() - since < 10


def test_callbacks(futures):
    """In their order, with the future, by the thread that finishes it; at once if it is over."""
    with Held(futures) as held:
        future, called = held.pool.submit(int), []
        for number in range(3):
            future.add_done_callback(lambda it, number=number: called.append((number, it, threading.current_thread())))
        assert len(future._done_callbacks) == 3
        assert not called
        held.free()
    worker = next(iter(held.pool._threads))
    assert called == [(number, future, worker) for number in range(3)]
    future.add_done_callback(lambda it: called.append(threading.current_thread()))
    assert called[3] is threading.current_thread()


def test_callbacks_of_a_cancelled_future(futures):
    """By the thread that cancels, once."""
    with Held(futures) as held:
        future, called = held.pool.submit(int), []
        future.add_done_callback(lambda it: called.append(threading.current_thread()))
        future.cancel()
        future.cancel()
        assert called == [threading.current_thread()]
    assert len(called) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_failing_callback_is_logged(futures, caplog, when):
    """With the future and the traceback, and the next callback is called."""
    called = []

    def bad(_):
        raise ArithmeticError("in callback")

    with Held(futures) as held:
        future = held.pool.submit(int)
        if when == "after":
            held.free()
            future.result()
        with caplog.at_level(logging.ERROR, "concurrent.futures"):
            future.add_done_callback(bad)
            future.add_done_callback(called.append)
            held.free()
            held.pool.shutdown()
    record = caplog.records[0]
    assert record.getMessage() == f"exception calling callback for {future!r}"
    assert record.exc_info[0] is ArithmeticError
    assert record.levelname == "ERROR"
    assert called == [future]


def test_set_twice(futures):
    """InvalidStateError with the state and the future."""
    future = finished(futures)
    for method, value in (("set_result", 1), ("set_exception", ValueError())):
        with pytest.raises(futures.InvalidStateError) as caught:
            getattr(future, method)(value)
        assert str(caught.value) == f"FINISHED: {future!r}"
    with pytest.raises(RuntimeError, match="Future in unexpected state"):
        future.set_running_or_notify_cancel()


def test_set_by_hand(futures):
    """What somebody else has set while the job waited: the job is not done then, or its worker finds it set."""
    with Held(futures) as held:
        by_hand, cancelled = held.pool.submit(int), held.pool.submit(int)
        assert cancelled.cancel()
        assert cancelled.set_running_or_notify_cancel() is False
        assert by_hand.set_running_or_notify_cancel() is True
        by_hand.set_exception(ArithmeticError("mine"))
        assert (by_hand._state, cancelled._state) == ("FINISHED", "CANCELLED_AND_NOTIFIED")
        with pytest.raises(ArithmeticError, match="mine"):
            by_hand.result()


@pytest.mark.parametrize("value", [None, ValueError, "text", 0], ids=repr)
def test_odd_exceptions(futures, value):
    """set_exception() takes anything; result() makes of it what a raise would."""

    def body(module):
        with Held(module) as held:
            future = held.pool.submit(int)
            future.set_running_or_notify_cancel()
            future.set_exception(value)
            assert future.exception() is value
            return future.result()

    same(futures, body)


def test_repr(futures):
    """In every state."""

    def body(module):
        with Held(module) as held:
            pending, cancelled = held.pool.submit(int), held.pool.submit(int)
            cancelled.cancel()
            texts = [repr(held.running[0]), repr(pending), repr(cancelled)]
        return [without_address(text) for text in [*texts, repr(pending), repr(finished(module, failing))]]

    same(futures, body)


def test_class(futures):
    """There is one Future class for all; what a pool gives is of it."""
    assert futures.Future is concurrent.futures.Future
    future = finished(futures)
    assert isinstance(future, concurrent.futures.Future)
    assert asyncio.isfuture(future) is False
    assert (type(future).__name__, type(future).__module__) == ("Future", "concurrent.futures._base")
    assert str(type(future)[int]).endswith("Future[int]")
    assert not {name for name in set(dir(future)) - set(dir(futures.Future())) if not name.startswith("__")}


def test_instances(futures):
    """Attributes, weak references, patches; no pickle, and a shallow copy."""
    future = finished(futures)
    future.owner = "me"
    assert (future.owner, weakref.ref(future)()) == ("me", future)
    with mock.patch.object(future, "result", return_value="mocked"):
        assert future.result() == "mocked"
    assert future.result() == 0
    with pytest.raises(TypeError, match=r"cannot pickle '_thread\.RLock' object"):
        pickle.dumps(future)
    twin = copy.copy(future)
    assert (twin.result(), twin.owner) == (0, "me")


def test_its_condition(futures):
    """A program that takes `_condition` sees no change of state inside, and may wait for one."""
    with Held(futures) as held:
        future = held.pool.submit(int)
        with future._condition:
            assert future._condition is future._condition
            held.free()
            while future._state != "FINISHED":
                assert future._condition.wait(20)
        assert (future.result(), future._waiters) == (0, [])


def test_cancel_and_finish_under_its_condition(futures):
    """All methods after somebody has asked for the condition."""
    with Held(futures) as held:
        one, two, three, called = held.pool.submit(int), held.pool.submit(int), held.pool.submit(failing), []
        for future in (one, two, three):
            assert future._condition.acquire()
            future._condition.release()
            future.add_done_callback(called.append)
        assert one.cancel() is True
        assert called == [one]
        assert (one.cancelled(), one.cancel(), two.running(), two.done()) == (True, True, False, False)
        held.free()
        assert two.result() == 0
        assert isinstance(three.exception(), LookupError)
    assert (one._state, called) == ("CANCELLED_AND_NOTIFIED", [one, two, three])


def test_no_reference_is_kept(futures):
    """Arguments and errors go when the job is over and its future is gone."""

    class Thing:
        pass

    def bad(_):
        raise LookupError

    with futures.ThreadPoolExecutor(1) as pool:
        for function in (id, bad):
            thing = Thing()
            seen = weakref.ref(thing)
            future = pool.submit(function, thing)
            future.exception()
            pool.submit(int).result()
            del thing, future
            gc.collect()
            assert seen() is None


def test_a_cycle_through_a_future_is_collected(futures):
    """A result that holds its future."""
    future = finished(futures, list)
    future.result().append(future)
    future.add_done_callback(print)
    seen = weakref.ref(future)
    del future
    gc.collect()
    assert seen() is None


# ---- several futures -------------------------------------------------------------------------------------------


def test_wait(futures):
    """done and not done, for all three rules."""
    with Held(futures) as held:
        pending, cancelled = held.pool.submit(int), held.pool.submit(int)
        cancelled.cancel()
        over, failed = finished(futures), finished(futures, failing)
        answer = futures.wait([pending, over, over], 0.01)
        assert (answer.done, answer.not_done) == ({over}, {pending})
        assert type(answer).__name__ == "DoneAndNotDoneFutures"
        assert futures.wait([pending, over], return_when=futures.FIRST_COMPLETED).done == {over}
        assert futures.wait([pending, failed], return_when=futures.FIRST_EXCEPTION).done == {failed}
        # A cancelled future is done for these only when its worker has met it.
        assert futures.wait([cancelled, over], 0.01).not_done == {cancelled}
        held.free()
        assert futures.wait([pending, cancelled, failed]).done == {pending, cancelled, failed}
    assert futures.wait([]) == (set(), set())


def test_wait_wakes_for_its_rule(futures):
    """Five futures that end in a known order; each rule ends where it should."""
    for rule, least in (("FIRST_COMPLETED", 1), ("FIRST_EXCEPTION", 3), ("ALL_COMPLETED", 5)):
        with Held(futures) as held:
            jobs = [held.pool.submit(failing if number == 2 else int) for number in range(5)]
            threading.Timer(0.02, held.free).start()
            answer = futures.wait(jobs, 20, rule)
            assert len(answer.done) >= least
            assert set(jobs[:least]) <= answer.done


def test_as_completed(futures):
    """Each once, in the order in which they end; cancelled ones when they are met."""
    with Held(futures) as held:
        jobs = [held.pool.submit(operator.neg, number) for number in range(6)]
        jobs[3].cancel()
        over = finished(futures)
        found = futures.as_completed([*jobs, over, over], 20)
        assert inspect.isgenerator(found)
        assert next(found) is over
        held.free()
        assert list(found) == jobs


def test_as_completed_in_time(futures):
    """How many are missing is said, after those that are there were given."""
    with Held(futures) as held:
        jobs = [finished(futures), held.pool.submit(int), held.pool.submit(int)]
        found = futures.as_completed(jobs, 0.05)
        assert next(found) is jobs[0]
        with pytest.raises(TimeoutError) as caught:
            next(found)
        assert str(caught.value) == "2 (of 3) futures unfinished"


def test_as_completed_lets_go(futures):
    """A generator that is closed early is not told any more, and one that goes on keeps nothing that it gave."""
    with Held(futures) as held:
        jobs = [finished(futures), finished(futures), held.pool.submit(int)]
        found = futures.as_completed(jobs)
        seen = weakref.ref(next(found))
        jobs = [job for job in jobs if job is not seen()]
        gc.collect()
        assert seen() is None
        found.close()
        held.free()
        assert len(list(futures.as_completed(jobs, 20))) == 2


def test_foreign_futures_among_ours(futures):
    """By both modules' functions: futures made by hand and futures of a pool."""
    for module in (futures, concurrent.futures):
        with Held(futures) as held:
            by_hand, ours = futures.Future(), held.pool.submit(int)
            assert module.wait([by_hand, ours], 0.01).not_done == {by_hand, ours}
            held.free()
            by_hand.set_result(1)
            assert module.wait([by_hand, ours], 20).done == {by_hand, ours}
            assert set(module.as_completed([by_hand, ours], 20)) == {by_hand, ours}


def test_their_functions_on_pending_futures_of_ours(futures):
    """The standard library's wait and as_completed wake for a pool's futures."""
    with Held(futures) as held:
        jobs = [held.pool.submit(operator.neg, number) for number in range(5)]
        threading.Timer(0.02, held.free).start()
        assert concurrent.futures.wait(jobs, 20).done == set(jobs)
    with Held(futures) as held:
        jobs = [held.pool.submit(operator.neg, number) for number in range(5)]
        jobs[1].cancel()
        threading.Timer(0.02, held.free).start()
        assert list(concurrent.futures.as_completed(jobs, 20)) == jobs


@pytest.mark.parametrize("args", [([1],), (None,), ([], "x"), ([], None, "SOMETIMES")], ids=repr)
def test_wait_with_odd_arguments(futures, args):
    """Value, or class and text of the error."""
    same(futures, lambda module: module.wait(*args))
    same(futures, lambda module: list(module.as_completed(*args[:2])))


def test_wait_with_an_unknown_rule(futures):
    """It is looked at only if there is something to wait for."""

    def body(module):
        with Held(module) as held:
            return module.wait([held.pool.submit(int)], 0.01, "SOMETIMES")

    same(futures, body)
    same(futures, lambda module: len(module.wait([finished(module)], 0.01, "SOMETIMES").done))


# ---- the pool --------------------------------------------------------------------------------------------------

WRONG = [(0,), (-1,), ("2",), (1, "", 5), (2.5,), (None, "", None, 3), (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("args", WRONG, ids=repr)
def test_wrong_arguments(futures, args):
    """Class and text as CPython's."""
    same(futures, lambda module: module.ThreadPoolExecutor(*args)._max_workers)


def test_wrong_calls(futures):
    """Of submit and map."""

    def body(module, call):
        with module.ThreadPoolExecutor(1) as pool:
            return call(pool)

    for call in (
        lambda pool: pool.submit(),
        lambda pool: pool.submit(fn=int),
        lambda pool: pool.submit(5).result(),
        lambda pool: pool.submit(int, no_such=1).result(),
        lambda pool: list(pool.map(int, 5)),
        lambda pool: list(pool.map(int, [1], timeout="x")),
        lambda pool: list(pool.map(int)),
        lambda pool: list(pool.map(5, [1])),
    ):
        same(futures, functools.partial(body, call=call))


def test_names_and_signatures(futures):
    """As CPython's; what is more begins with _raddle, or is a newer CPython's."""
    assert set(concurrent.futures.__all__) <= set(dir(futures)) | {"ProcessPoolExecutor"}
    assert futures.ProcessPoolExecutor is concurrent.futures.ProcessPoolExecutor
    for path in (
        "ThreadPoolExecutor",
        "ThreadPoolExecutor.submit",
        "ThreadPoolExecutor.shutdown",
        "wait",
        "as_completed",
    ):
        shape_of(futures, path)
    mine = set(dir(futures.ThreadPoolExecutor(1))) - set(dir(concurrent.futures.ThreadPoolExecutor(1)))
    assert {name for name in mine if not name.startswith("_raddle")} == set()
    pool = futures.ThreadPoolExecutor
    assert (pool.__name__, pool.__module__) == ("ThreadPoolExecutor", "concurrent.futures.thread")
    assert issubclass(pool, concurrent.futures.Executor)
    assert futures.ThreadPoolExecutor.__doc__ == concurrent.futures.ThreadPoolExecutor.__doc__


def test_keyword_arguments(futures):
    """Any names, those of submit's own parameters included."""
    with futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(dict, [("a", 1)], self=1, fn=2, args=3, executor=4)
        assert future.result() == {"a": 1, "self": 1, "fn": 2, "args": 3, "executor": 4}


def test_workers(futures):
    """Made as they are needed, used again, named, kept in a set of real threads."""
    pool = futures.ThreadPoolExecutor(3, thread_name_prefix="crunch")
    assert (pool._threads, pool._max_workers, pool._shutdown, pool._broken) == (set(), 3, False, False)
    for _ in range(4):
        pool.submit(int).result()
        time.sleep(0.01)
    assert [thread.name for thread in pool._threads] == ["crunch_0"]
    go = threading.Event()
    jobs = [pool.submit(go.wait) for _ in range(5)]
    assert sorted(thread.name for thread in pool._threads) == ["crunch_0", "crunch_1", "crunch_2"]
    assert all(isinstance(thread, threading.Thread) and not thread.daemon for thread in pool._threads)
    assert set(threading.enumerate()) >= pool._threads
    assert pool._threads <= set(real_thread._threads_queues)
    while pool._work_queue.qsize() > 2:
        time.sleep(0.001)
    assert pool._work_queue.qsize() == 2
    go.set()
    assert all(job.result() for job in jobs)
    pool.shutdown()
    assert not any(thread.is_alive() for thread in pool._threads)


def test_default_names(futures):
    """ThreadPoolExecutor-N_M, numbered through the process."""
    with futures.ThreadPoolExecutor() as pool:
        name = pool.submit(lambda: threading.current_thread().name).result()
    prefix, _, number = name.rpartition("_")
    assert (prefix.rstrip("0123456789"), number) == ("ThreadPoolExecutor-", "0")
    assert pool._thread_name_prefix == prefix


def test_default_size(futures):
    """As many as CPython takes."""
    assert futures.ThreadPoolExecutor()._max_workers == concurrent.futures.ThreadPoolExecutor()._max_workers


def test_idle_count(futures):
    """How many workers wait, as libraries read it."""
    with futures.ThreadPoolExecutor(2) as pool:
        assert pool._idle_semaphore._value == 0
        pool.submit(int).result()
        until = time.monotonic() + 20
        while pool._idle_semaphore._value != 1 and time.monotonic() < until:
            time.sleep(0.001)
        assert pool._idle_semaphore._value == 1


def test_prestart(futures):
    """Calling the private method makes workers ahead of time."""
    with futures.ThreadPoolExecutor(2) as pool:
        pool._adjust_thread_count()
        assert len(pool._threads) == 1
        assert pool.submit(int).result() == 0


def test_shutdown(futures):
    """What was submitted is done; then no more is taken."""
    pool = futures.ThreadPoolExecutor(2)
    jobs = [pool.submit(time.sleep, 0.002) for _ in range(10)]
    assert pool.shutdown() is None
    assert all(job.done() for job in jobs)
    with pytest.raises(RuntimeError) as caught:
        pool.submit(int)
    assert str(caught.value) == "cannot schedule new futures after shutdown"
    pool.shutdown()
    pool.shutdown(wait=False)


def test_shutdown_waits_for_a_worker_that_is_about_to_start(futures):
    """A submit() has queued its job, its worker not yet: shutdown() that waits returns behind the job's end."""
    pool, ended, order = futures.ThreadPoolExecutor(2), [], []
    submitter = threading.Thread(target=lambda: pool.submit(lambda: (time.sleep(0.05), ended.append(1))))
    closer = threading.Thread(target=lambda: (pool.shutdown(True), order.append(len(ended))))
    with real_thread._global_shutdown_lock:  # under which both start workers
        submitter.start()
        deadline = time.monotonic() + 10
        while not pool._work_queue.qsize() and not pool._shutdown_lock.locked() and time.monotonic() < deadline:
            time.sleep(0.001)
        closer.start()
        time.sleep(0.05)
    closer.join(20)
    submitter.join(20)
    assert order == [1]


def test_a_job_is_refused_or_done_when_shutdown_returns(futures):
    """A submit() stops where it asks for the number of workers: shutdown() waits for its job, or the job is refused."""
    asked, closed, ended = threading.Event(), threading.Event(), []

    class Pool(futures.ThreadPoolExecutor):
        @property
        def _max_workers(self):
            asked.set()
            closed.wait(0.2)  # in vain where shutdown() has to wait for submit()
            return 1

        @_max_workers.setter
        def _max_workers(self, _):
            pass

    def submit():
        try:
            pool.submit(ended.append, 1)
        except RuntimeError as error:
            ended.append(str(error))

    pool = Pool()
    submitter = threading.Thread(target=submit)
    submitter.start()
    assert asked.wait(20)
    pool.shutdown()
    before = len(ended)
    closed.set()
    submitter.join()
    assert ended == ["cannot schedule new futures after shutdown"] or (before, ended) == (1, [1])


def test_shutdown_without_waiting(futures):
    """The jobs are done all the same."""
    with Held(futures) as held:
        jobs = [held.pool.submit(int) for _ in range(5)]
        held.pool.shutdown(wait=False)
        assert not any(job.done() for job in jobs)
        held.free()
        assert [job.result(20) for job in jobs] == [0] * 5


def test_shutdown_and_cancel(futures):
    """Those that have not begun are cancelled."""
    with Held(futures) as held:
        jobs = [held.pool.submit(int) for _ in range(5)]
        held.pool.shutdown(wait=False, cancel_futures=True)
        assert all(job.cancelled() for job in jobs)
        held.free()
        assert held.running[0].result(20) == "held"


def test_with(futures):
    """The block ends when all is done, errors pass."""
    with pytest.raises(LookupError), futures.ThreadPoolExecutor(2) as pool:
        job = pool.submit(time.sleep, 0.02)
        raise LookupError
    assert job.done()
    assert pool._shutdown is True


def test_forgotten_pool_ends_its_workers(futures):
    """Nobody has a name for it any more: its jobs are done, its workers leave."""
    pool = futures.ThreadPoolExecutor(2)
    jobs, threads = [pool.submit(time.sleep, 0.005) for _ in range(6)], set(pool._threads)
    del pool
    gc.collect()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert all(job.done() for job in jobs)


@pytest.mark.parametrize("error", [LookupError("no tool"), SystemExit(3)], ids=repr)
def test_failing_initializer(futures, caplog, error):
    """Logged; what waits and what comes is refused, with CPython's text."""

    def initializer(number):
        started.wait()
        raise error

    started = threading.Event()
    pool = futures.ThreadPoolExecutor(1, initializer=initializer, initargs=(1,))
    with caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        jobs = [pool.submit(int) for _ in range(3)]
        started.set()
        for job in jobs:
            with pytest.raises(real_thread.BrokenThreadPool) as caught:
                job.result(20)
            assert str(caught.value) == "A thread initializer failed, the thread pool is not usable anymore"
        with pytest.raises(futures.BrokenExecutor, match="A thread initializer failed") as refused:
            pool.submit(int)
    pool.shutdown()
    assert caplog.records[0].getMessage() == "Exception in initializer:"
    if futures is not concurrent.futures:
        assert caught.value.__cause__ is refused.value.__cause__ is error


def test_initializer(futures):
    """Once in each worker, before its first job."""
    seen = threading.local()

    def initializer(*args):
        seen.args = args

    with futures.ThreadPoolExecutor(2, "", initializer, ("a", 1)) as pool:
        assert list(pool.map(lambda _: seen.args, range(5))) == [("a", 1)] * 5
    assert pool._initializer is initializer
    with pytest.raises(TypeError, match="^initializer must be a callable$"):
        futures.ThreadPoolExecutor(1, initializer=5)


def test_error_that_leaves_a_callback_ends_the_worker(futures, caplog):
    """As CPython: logged as critical. The future is finished."""
    with Held(futures) as held, caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        future = held.pool.submit(int)
        future.add_done_callback(lambda _: sys.exit(1))
        held.free()
        for thread in set(held.pool._threads):
            thread.join(20)
            assert not thread.is_alive()
        assert future.result() == 0
    assert caplog.records[-1].getMessage() == "Exception in worker"


def test_other_threads_run_while_jobs_written_in_c_follow_each_other(futures):
    """The worker's loop gives way: a burst of jobs that never come by the interpreter's loop does not stop main."""
    with futures.ThreadPoolExecutor(1) as pool:
        last = [pool.submit(sum, range(20_000)) for _ in range(2000)][-1]
        longest, before = 0, time.monotonic()
        while not last.done():
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        assert longest < 0.5, longest


def test_draining_by_hand(futures):
    """The idiom from before cancel_futures: take the work items out of the queue and cancel them."""
    with Held(futures) as held:
        jobs = [held.pool.submit(pow, 2, n, mod=3) for n in range(3)]
        items = []
        while True:
            try:
                items.append(held.pool._work_queue.get_nowait())
            except queue.Empty:
                break
        assert [item.future for item in items] == jobs
        assert [(item.fn, item.args, item.kwargs) for item in items] == [(pow, (2, n), {"mod": 3}) for n in range(3)]
        items[2].run()
        assert jobs[2].result() == 1
        assert items[0].future.cancel()
        held.pool._work_queue.put(items[1])
        held.free()
        assert jobs[1].result(20) == 2


# ---- map -------------------------------------------------------------------------------------------------------


def test_map(futures):
    """Values in order, as many as the shortest has."""
    with futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(pow, [2, 3, 4], itertools.count(1))) == [2, 9, 64]
        assert list(pool.map(int, [])) == []
        assert list(pool.map(str, range(3), chunksize=2)) == ["0", "1", "2"]
        assert inspect.isgenerator(pool.map(int, [1]))


def test_map_submits_at_once(futures):
    """Before anybody asks for a value."""
    called = []
    with futures.ThreadPoolExecutor(1) as pool:
        pool.map(called.append, range(3))
    assert called == [0, 1, 2]


def test_map_error_cancels_the_rest(futures):
    """What came before is given, the error is raised, those after it are cancelled if they have not begun."""
    with Held(futures, 1) as held:
        called = []

        def job(number):
            if number == 1:
                raise LookupError(number)
            time.sleep(0.01)
            called.append(number)
            return number

        results = held.pool.map(job, range(50))
        held.free()
        assert next(results) == 0
        with pytest.raises(LookupError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)
    assert len(called) < 49


def test_dropped_map_cancels_the_rest(futures):
    """The iterator is closed after the first value."""
    with Held(futures, 1) as held:
        called = []
        results = held.pool.map(lambda n: time.sleep(0.01) or called.append(n), range(50))
        held.free()
        next(results)
        results.close()
    assert len(called) < 49


def test_map_in_time(futures):
    """The limit is for all values together."""
    with Held(futures) as held:
        results = held.pool.map(int, [1], timeout=0.02)
        with pytest.raises(TimeoutError):
            next(results)


def test_map_with_a_buffer(futures):
    """No more than so many calls ahead of the values that were taken."""
    if "buffersize" not in inspect.signature(futures.ThreadPoolExecutor.map).parameters:
        pytest.skip("only newer versions of the standard library have it")
    taken = []

    def numbers():
        for number in range(20):
            taken.append(number)
            yield number

    with futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(operator.neg, numbers(), buffersize=3)
        assert taken == [0, 1, 2]
        assert next(results) == 0
        assert taken == [0, 1, 2, 3]
        assert list(results) == [-n for n in range(1, 20)]
        for wrong, error in ((0, ValueError), (-1, ValueError), ("3", TypeError), (1.0, TypeError)):
            with pytest.raises(error, match="buffersize must be"):
                pool.map(int, [1], buffersize=wrong)


def test_map_uses_an_overridden_submit(futures):
    """As CPython's does."""

    class Counting(futures.ThreadPoolExecutor):
        count = 0

        def submit(self, fn, /, *args, **kwargs):
            self.count += 1
            return super().submit(fn, *args, **kwargs)

    with Counting(2) as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
        assert pool.count == 2


# ---- subclasses and patches ------------------------------------------------------------------------------------


def test_subclass_with_a_queue_of_its_own(futures):
    """A bounded pool, as found in many programs."""

    class Bounded(futures.ThreadPoolExecutor):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._work_queue = queue.Queue(2)

    with Bounded(2) as pool:
        assert sorted(pool.map(abs, range(-20, 0))) == list(range(1, 21))


def test_subclass_that_makes_its_workers(futures):
    """Daemons, with CPython's own worker function."""

    class Daemons(futures.ThreadPoolExecutor):
        def _adjust_thread_count(self):
            if self._idle_semaphore.acquire(timeout=0):
                return
            if len(self._threads) < self._max_workers:
                args = (weakref.ref(self), self._work_queue, self._initializer, self._initargs)
                thread = threading.Thread(target=real_thread._worker, args=args, daemon=True)
                thread.start()
                self._threads.add(thread)

    if hasattr(real_thread.ThreadPoolExecutor, "prepare_context"):
        pytest.skip("CPython's worker takes other arguments")
    with Daemons(2) as pool:
        assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
        assert all(thread.daemon for thread in pool._threads)


def test_subclass_that_calls_up(futures):
    """An override of a private method that goes on with the original."""
    called = []

    class Counting(futures.ThreadPoolExecutor):
        def _adjust_thread_count(self):
            called.append(len(self._threads))
            super()._adjust_thread_count()

    with Counting(2) as pool:
        assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
    assert len(called) == 5


def test_with_another_base(futures):
    """A pool that is a dictionary, too."""

    class Table(futures.ThreadPoolExecutor, dict):
        pass

    with Table(1) as pool:
        pool["a"] = pool.submit(int)
        assert pool["a"].result() == 0


def test_patches(futures):
    """On the object and on the class."""
    with futures.ThreadPoolExecutor(1) as pool:
        with mock.patch.object(pool, "submit", return_value="mocked") as submit:
            assert pool.submit(int, 1) == "mocked"
        submit.assert_called_once_with(int, 1)
        with mock.patch.object(futures.ThreadPoolExecutor, "submit", lambda self, fn: fn()):
            assert pool.submit(list) == []
        assert pool.submit(int).result() == 0


def test_more_workers_later(futures):
    """A program that raises `_max_workers` gets them."""
    both = threading.Barrier(2)
    with futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(both.wait, 20)
        pool._max_workers = 2
        second = pool.submit(both.wait, 20)
        assert {first.result(20), second.result(20)} == {0, 1}


# ---- asyncio ---------------------------------------------------------------------------------------------------


def test_asyncio(futures):
    """run_in_executor and wrap_future: values, errors, cancellation from either side."""

    async def main(held, pool):
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(pool, pow, 2, 5) == 32
        with pytest.raises(LookupError):
            await loop.run_in_executor(pool, failing)
        pending = held.pool.submit(int)
        wrapped = asyncio.wrap_future(pending)
        wrapped.cancel()
        await asyncio.sleep(0)
        assert pending.cancelled()
        other = held.pool.submit(int)
        wrapped = asyncio.wrap_future(other)
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wrapped
        assert await asyncio.gather(*(loop.run_in_executor(pool, abs, -n) for n in range(50))) == list(range(50))
        loop.set_default_executor(futures.ThreadPoolExecutor(2))
        assert await asyncio.to_thread(pow, 3, 2) == 9

    with Held(futures) as held, futures.ThreadPoolExecutor(2) as pool:
        asyncio.run(main(held, pool))
