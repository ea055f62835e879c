"""Q20, Q21: the parent gets the error itself: its class, its object, its traceback, and who had started the thread.

What is noted on an error is noted once, goes with it into other processes, and leaves the user's `__cause__` alone.
"""

import concurrent.futures
import copy
import dataclasses
import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
import traceback

import pytest
import raddle
import raddle.futures
import raddle.threading
from failing import line_of, wait_until


class Injected(Exception):
    """The error of these tests."""

    def __init__(self, text, code=0):
        super().__init__(text, code)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An error that takes no attributes."""

    code: int


def fail():
    raise Injected("no such account", 7)


def sites(error):
    return [(site.thread, site.parent, site.line) for site in raddle.lineage(error)]


def here(mark):
    return line_of(__file__, mark)


def test_except_with_the_exact_type():
    thread = raddle.spawn(fail)
    try:
        thread.join()
    except Injected as error:
        assert error.code == 7
    else:
        pytest.fail("join() did not raise")


def test_each_joiner_gets_the_object_itself():
    thread = raddle.spawn(fail)
    error = thread.exception()
    for ask in (thread.join, thread.result, thread.join):
        with pytest.raises(Injected) as caught:
            ask()
        assert caught.value is error


def test_the_traceback_does_not_grow():
    thread = raddle.spawn(fail)
    lengths = set()
    for _ in range(5):
        try:
            thread.join()
        except Injected:
            pass
        lengths.add(len(traceback.extract_tb(thread.exception().__traceback__)))
    assert lengths == {1}


def test_cause_and_context_are_the_users():
    def caused():
        try:
            raise KeyError("context")
        except KeyError:
            raise Injected("caused") from LookupError("cause")

    error = raddle.spawn(caused).exception()
    assert isinstance(error.__cause__, LookupError) and isinstance(error.__context__, KeyError)
    assert raddle.spawn(fail).exception().__context__ is None


def child():
    raddle.spawn(fail, name="grandchild").join()  # grandchild


def parent():
    raddle.spawn(child, name="child").join()  # child


def test_three_deep_contains_all_three_sites_in_order():
    error = raddle.spawn(parent, name="parent").exception()  # parent
    lines = [here("grandchild"), here("child"), here("parent")]
    names = ["grandchild", "child", "parent", "MainThread"]
    assert sites(error) == list(zip(names, names[1:], lines, strict=False))
    text = "".join(traceback.format_exception(error))
    told = [text.index(f'File "{__file__}", line {line}, in ', text.index("was started by")) for line in lines]
    assert told == sorted(told)
    assert "Thread 'parent' was started by 'MainThread' at:" in text


def test_formatting_twice_gives_the_same_text():
    error = raddle.spawn(parent).exception()
    assert traceback.format_exception(error) == traceback.format_exception(error)


def test_the_note_is_made_once():
    """However many threads the error leaves, and however often."""
    thread = raddle.spawn(parent)
    for _ in range(3):
        with pytest.raises(Injected):
            thread.join()
    assert len(thread.exception().__notes__) == 1


def test_a_note_of_the_users_stays():
    def noted():
        error = Injected("noted")
        error.add_note("the user's")
        raise error

    notes = raddle.spawn(noted).exception().__notes__
    assert notes[0] == "the user's" and len(notes) == 2


def test_an_error_that_takes_no_attributes():
    def freeze():
        raise Frozen(7)

    thread = raddle.spawn(freeze)
    for _ in range(2):
        with pytest.raises(Frozen):
            thread.join()
    assert len(raddle.lineage(thread.exception())) == len(thread.exception().__notes__) == 1


def test_an_error_that_left_no_thread_has_no_lineage():
    assert raddle.lineage(ValueError()) == []


@pytest.mark.parametrize("through", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_lineage_and_note_go_with_the_error(through):
    error = raddle.spawn(fail, name="failing").exception()
    other = through(error)
    assert other is not error and raddle.lineage(other) == raddle.lineage(error)
    assert other.__notes__ == error.__notes__


def test_a_pickled_error_needs_no_raddle():
    """What is noted are plain tuples: it can be read where raddle is not installed."""
    data = pickle.dumps(raddle.spawn(int, "x").exception())
    assert b"raddle." not in data


def in_a_process():
    raddle.spawn(fail, name="failing").join()  # in a process


def test_lineage_comes_back_from_a_worker_of_a_process_pool():
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        error = pool.submit(in_a_process).exception()
    assert type(error) is Injected and error.code == 7
    assert sites(error) == [("failing", "MainThread", here("in a process"))]


def identity(value):
    return value


def test_lineage_goes_to_a_worker_of_a_process_pool_and_back():
    error = raddle.spawn(fail, name="failing").exception()
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        back = pool.submit(identity, error).result()
    assert raddle.lineage(back) == raddle.lineage(error) != []


# ---- other kinds of threads: what is noted is noted while somebody wants to be told of errors ----


def test_a_threads_own_subclass():
    class Reader(raddle.Thread):
        def run(self):
            fail()

    error = Reader(name="reader").start().exception()  # subclass
    assert sites(error) == [("reader", "MainThread", here("subclass"))]


def test_a_restarted_thread_says_who_restarted_it():
    thread = raddle.Thread(target=fail, name="again", restartable=True)
    thread.start().exception()
    error = thread.restart().exception()  # restarted
    assert sites(error) == [("again", "MainThread", here("restarted"))]


def test_a_timer(reports):
    timer = raddle.threading.Timer(0.01, fail)
    timer.start()  # timer
    timer.join()
    wait_until(lambda: reports)
    [report] = reports
    assert [(site.parent, site.line) for site in report.lineage] == [("MainThread", here("timer"))]
    assert f"line {here('timer')}" in report.traceback


def test_a_thread_of_the_drop_in(reports):
    thread = raddle.threading.Thread(target=fail, name="dropped-in")
    thread.start()  # drop-in
    thread.join()
    wait_until(lambda: reports)
    assert sites_of(reports) == [("dropped-in", "MainThread", here("drop-in"))]


def sites_of(reports):
    return [(site.thread, site.parent, site.line) for report in reports for site in report.lineage]


def test_a_job_says_where_it_was_submitted(reports):
    with raddle.futures.ThreadPoolExecutor(1, "pool") as pool:
        pool.submit(int).result()
        error = pool.submit(fail).exception()  # submitted
    assert sites(error) == [("pool_0", "MainThread", here("submitted"))]
    assert "A job of thread 'pool_0' was submitted by 'MainThread' at:" in error.__notes__[0]


def test_a_job_of_a_job(reports):
    """Who submitted it, and then who started that thread: the pool's, by whoever brought the pool to start it."""
    with raddle.futures.ThreadPoolExecutor(2, "pool") as pool:

        def outer():
            return pool.submit(fail).exception()  # inner

        error = pool.submit(outer).result()  # outer
    assert [site.line for site in raddle.lineage(error)] == [here("inner"), here("outer")]


def test_nothing_is_noted_for_programs_that_do_not_ask():
    """Their output stays CPython's."""
    seen = []
    before, threading.excepthook = threading.excepthook, lambda args: seen.append(args.exc_value)
    try:
        thread = raddle.threading.Thread(target=fail)
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before
    with raddle.futures.ThreadPoolExecutor(1) as pool:
        seen.append(pool.submit(fail).exception())
    assert [vars(error) for error in seen] == [{"code": 7}] * 2


# ---- monitors ----


def ended(thread):
    ends = raddle.queue.Queue()
    thread.monitor(ends.put)
    return ends


def wait_until_blocked(thread):
    while not thread.activity.startswith("blocked"):
        time.sleep(0.001)


@pytest.mark.parametrize("late", [False, True])
def test_a_monitor_is_told_how_a_thread_ended(late):
    def fail():
        raise ValueError("x")

    for target, args, stop, state in (
        (int, (), False, raddle.ThreadState.FINISHED),
        (sys.exit, (3,), False, raddle.ThreadState.FINISHED),
        (fail, (), False, raddle.ThreadState.FAILED),
        (raddle.sleep, (60,), True, raddle.ThreadState.STOPPED),
    ):
        thread = raddle.Thread(target=target, args=args, name="watched")
        ends = None if late else ended(thread)
        thread.start()
        if stop:
            wait_until_blocked(thread)
            thread.stop("enough")
        if late:
            assert thread.exception(10) is None or target is fail
            ends = ended(thread)
        end = ends.get(timeout=10)
        assert (end.thread, end.serial, end.generation, end.state) == ("watched", thread.serial, 0, state)
        assert (end.error, end.reason) == (thread.exception(), "enough" if stop else None)
        assert ends.empty(), "once"


def test_a_monitor_hears_of_a_thread_that_never_ran():
    thread = raddle.Thread(target=int)
    ends = ended(thread)
    thread.stop()
    assert ends.get(timeout=10)[1:4] == (None, 0, raddle.ThreadState.STOPPED)
    with pytest.raises(TypeError, match="monitor needs a function, got int 3"):
        thread.monitor(3)


def test_a_monitor_may_wait_and_restart():
    """Which a done-callback cannot: it runs in the thread itself."""
    seen, both_ran = [], raddle.CountDownLatch(2)
    thread = raddle.Thread(target=both_ran.count_down, restartable=True)

    def again(end):
        seen.append((thread.is_alive(), thread.exited, thread.join(10), end.generation))
        thread.restart()

    thread.monitor(again)
    thread.start()
    assert both_ran.wait(10) and seen == [(False, True, True, 0)]


def test_a_monitor_takes_no_error_and_its_own_is_unhandled():
    def fail():
        raise ValueError("of the thread")

    def bad(end):
        raise KeyError("of the monitor")

    thread, reports = raddle.Thread(target=fail), raddle.queue.Queue()
    with raddle.add_exception_hook(reports.put):
        thread.monitor(bad)
        thread.start()
        report = reports.get(timeout=10)
        assert report.error == "KeyError: 'of the monitor'" and report.thread == f"monitor of {thread.name!r}"
        assert raddle.undelivered_errors(), "it is still for whoever joins the thread"
        with pytest.raises(ValueError):
            thread.join()


def test_the_process_does_not_end_before_its_monitors():
    program = """
import raddle, time
thread = raddle.Thread(target=raddle.sleep, args=(0.05,))
thread.monitor(lambda end: (time.sleep(0.1), print(end.state)))
thread.start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "ThreadState.FINISHED\n", done.stderr
