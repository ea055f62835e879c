"""Q22: what `threading.excepthook` cannot do, row by row. (Row 1, a process that is killed, is the exit's: Q12.)

2 errors inside a hook   3 what is stored   4 who started it   5 what it is not called for   6 one slot
"""

import _thread
import concurrent.futures
import ctypes
import doctest
import gc
import importlib
import logging
import pickle
import sys
import threading
import weakref

import pytest
import raddle
import raddle.futures
import raddle.threading
from failing import Slot, run_python, wait_for_end, wait_until


class Injected(Exception):
    """The error of these tests."""


def fail(text="injected"):
    raise Injected(text)


def fail_at_once(text="injected", **options):
    """A thread whose error is delivered; it has ended."""
    thread = raddle.spawn(fail, text, on_error="hook", **options)
    wait_for_end(thread)
    return thread


# ---- row 2: errors inside a hook ----


def bad_hook(report):
    raise KeyError("first hook")


def worse_hook(report):
    try:
        raise OSError("its reason")
    except OSError:
        raise TypeError("second hook") from None


def test_all_errors_are_shown_as_one_chain_the_original_first(slot, capsys):
    seen = []
    with (
        raddle.add_exception_hook(bad_hook),
        raddle.add_exception_hook(worse_hook),
        raddle.add_exception_hook(seen.append),
    ):
        fail_at_once(name="failing")
    shown = capsys.readouterr().err
    order = ["Exception in thread failing:", "Injected: injected", "the hook 'bad_hook'", "KeyError: 'first hook'"]
    order += ["the hook 'worse_hook'", "TypeError: second hook"]
    places = [shown.index(text) for text in order]
    assert places == sorted(places), shown
    assert shown.count("Injected: injected") == 1
    assert len(seen) == len(slot.seen) == 1, "the others are called as well"


def test_the_original_is_there_if_threading_excepthook_fails(monkeypatch, capsys):
    """Also that of a drop-in thread, for which CPython would show the hook's error only."""
    monkeypatch.setattr(threading, "excepthook", bad_hook)
    with raddle.add_exception_hook(lambda report: None):
        for thread in (raddle.spawn(fail, on_error="hook"), raddle.threading.Thread(target=fail)):
            thread._started.is_set() or thread.start()
            wait_until(lambda thread=thread: not thread.is_alive())
            shown = capsys.readouterr().err
            assert (
                0 <= shown.find("Injected: injected") < shown.find("threading.excepthook was") < shown.find("KeyError")
            )
            assert shown.count("Injected: injected") == 1, shown


BOTH_FAIL = """
import sys, threading
def bad(args): raise KeyError("hook")
def worse(*args): raise TypeError("sys.excepthook")
threading.excepthook, sys.excepthook = bad, worse
def fail(): raise ValueError("original")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""


def test_the_original_is_there_if_everything_fails():
    """Without any hook of raddle's: what CPython loses, the drop-in shows."""
    lost = run_python(BOTH_FAIL)
    assert "ValueError" not in lost.err, lost
    kept = run_python("import raddle; raddle.install()" + BOTH_FAIL)
    assert 0 <= kept.err.find("ValueError: original") < kept.err.find("TypeError: sys.excepthook"), kept


def test_a_hook_is_skipped_after_three_failures_for_the_same_thread(slot, capsys):
    calls = []

    def counting(report):
        calls.append(report.thread)
        raise KeyError

    thread = raddle.Thread(target=fail, name="again", restartable=True, on_error="hook")
    with raddle.add_exception_hook(counting):
        thread.start()
        for _ in range(4):
            wait_for_end(thread)
            thread.restart()
        wait_until(lambda: thread.exited and len(slot.seen) == 5)
        assert calls == ["again"] * 3
        assert capsys.readouterr().err.count("it is not called for this thread any more") == 1
        fail_at_once(name="other")
    assert calls == ["again"] * 3 + ["other"]


def test_a_threads_own_hook_fails(slot, capsys):
    fail_at_once(on_exception=bad_hook)
    shown = capsys.readouterr().err
    assert 0 <= shown.find("Injected: injected") < shown.find("KeyError: 'first hook'")


def test_a_hook_may_block_in_a_thread_that_was_asked_to_stop(slot):
    """The stop is for the thread's function, not for those who are told of its error."""
    got = []

    def stubborn():
        try:
            raddle.sleep(10)
        except raddle.Stopped:
            raise Injected from None

    def slow(report):
        raddle.sleep(0.01)
        got.append(report)

    with raddle.add_exception_hook(slow):
        thread = raddle.spawn(stubborn, on_error="hook")
        thread.stop(wait=10)
    assert [report.error for report in got] == ["Injected"]


# ---- row 3: what is stored ----


class Big:
    """A local variable of a function that fails."""

    def __repr__(self):
        return "a big thing"


def fail_with(seen):
    local = Big()
    seen.append(weakref.ref(local))
    fail()


@pytest.mark.parametrize("policy", ["hook", "join"])
def test_locals_die_although_the_report_is_kept(policy, reports):
    """Without a collection: nothing of the report's making holds them in a circle."""
    gc.collect()
    gc.disable()
    try:
        seen = []
        thread = raddle.spawn(fail_with, seen, on_error=policy)
        wait_for_end(thread)
        del thread
        [local] = seen
        wait_until(lambda: local() is None)
        assert [report.error for report in reports] == ["Injected: injected"]
    finally:
        gc.enable()


def test_the_same_for_a_drop_in_thread(reports, monkeypatch):
    seen = []
    thread = raddle.threading.Thread(target=fail_with, args=(seen,))
    thread.start()
    thread.join()
    [local] = seen
    wait_until(lambda: local() is None)
    assert len(reports) == 1


def test_a_report_is_plain_data(reports):
    local = {"numbers": list(range(1000)), "text": "x" * 10**6, "thing": Big()}

    def work(argument):
        fail(argument)

    raddle.spawn(work, local, on_error="hook", name="failing").exception()
    wait_until(lambda: reports)
    [report] = reports
    assert pickle.loads(pickle.dumps(report)) == report
    assert report.kind == "thread" and report.thread == "failing" and isinstance(report.serial, int)
    assert len(report.error) <= 1000 and len(report.traceback) < 200_000
    assert [frame.function.rpartition(".")[2] for frame in report.frames] == ["work", "fail"]
    [(name, shown)] = report.frames[0].locals
    assert name == "argument" and "a big thing" in shown and len(shown) <= 400
    with pytest.raises(AttributeError):
        report.thread = "other"
    assert all_plain(report)


def all_plain(value):
    if isinstance(value, tuple):
        return all(map(all_plain, value))
    return value is None or type(value) in (str, int)


def test_locals_whose_text_cannot_be_had(reports):
    class Bad:
        def __repr__(self):
            raise SystemExit

    class BadList(list):
        def __len__(self):
            raise KeyboardInterrupt

    def work():
        bad, bad_list, deep = Bad(), BadList([1]), []  # noqa: F841
        for _ in range(10000):
            deep = [deep]
        fail()

    raddle.spawn(work, on_error="hook").exception()
    wait_until(lambda: reports)
    shown = dict(reports[0].frames[0].locals)
    assert shown["bad"] == "<Bad object>" and shown["bad_list"] == "[1]" and len(shown["deep"]) < 100


def test_the_error_itself_is_there_during_the_hook(slot):
    seen = []

    def hook(report):
        seen.append((report, report.exception))

    with raddle.add_exception_hook(hook):
        thread = fail_at_once()
    [(report, error)] = seen
    assert error is thread.exception() and report.exception is None


# ---- row 5: what it is not called for ----


def test_a_thread_of_threading(reports, slot):
    thread = threading.Thread(target=fail, name="plain")
    thread.start()
    thread.join()
    wait_until(lambda: reports)
    assert [(report.kind, report.thread) for report in reports] == [("threading", "plain")]
    assert len(slot.seen) == 1


def test_a_thread_of_underscore_thread(reports, monkeypatch):
    _thread.start_new_thread(fail, ())
    wait_until(lambda: reports)
    assert [(report.kind, report.error) for report in reports] == [("_thread", "Injected: injected")]


def test_a_callback_on_a_thread_of_c(reports):
    libc = ctypes.CDLL(None)
    callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: fail())
    ident = ctypes.c_ulong()
    assert libc.pthread_create(ctypes.byref(ident), None, callback, None) == 0
    assert libc.pthread_join(ident, None) == 0
    assert [(report.kind, report.error) for report in reports] == [("_thread", "Injected: injected")]


def test_a_destructor_is_no_thread(slot, monkeypatch):
    """What else goes to `sys.unraisablehook` goes there and nowhere else."""
    shown, told = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: shown.append(unraisable.exc_type))

    class Bad:
        def __del__(self):
            fail()

    with raddle.add_exception_hook(told.append):
        Bad()
    assert shown == [Injected] and not told


def test_a_job_that_nobody_asks_for(reports):
    with raddle.futures.ThreadPoolExecutor(1, "pool") as pool:
        pool.submit(fail)
        wait_until(lambda: reports)
    assert [(report.kind, report.thread) for report in reports] == [("future", "pool_0")]


def test_a_job_that_is_kept_is_held(reports):
    with raddle.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(fail)
        concurrent.futures.wait([future])
        wait_until(lambda: raddle.undelivered_errors())
    assert [report.kind for report in raddle.undelivered_errors()] == ["future"] and not reports
    assert isinstance(future.exception(), Injected)
    assert raddle.undelivered_errors() == []
    del future
    assert not reports


def asked_by_result(pool):
    with pytest.raises(Injected):
        pool.submit(fail).result()


def asked_by_exception(pool):
    assert pool.submit(fail).exception()


def asked_by_as_completed(pool):
    for future in raddle.futures.as_completed([pool.submit(fail) for _ in range(3)]):
        assert future.exception()


def asked_by_a_callback(pool):
    done = threading.Event()
    pool.submit(fail).add_done_callback(lambda future: (future.exception(), done.set()))
    assert done.wait(10)


def asked_by_asyncio(pool):
    import asyncio

    async def main():
        with pytest.raises(Injected):
            await asyncio.get_running_loop().run_in_executor(pool, fail)

    asyncio.run(main())


def asked_by_map(pool):
    """All jobs of one call; what is raised is the first one's error."""
    with pytest.raises(Injected):
        list(pool.map(lambda _: fail(), range(20)))


def asked_the_long_way(pool):
    """The future works as CPython's when somebody has asked for its condition."""
    gate = threading.Event()
    future = pool.submit(lambda: (gate.wait(10), fail()))
    with future._condition:
        gate.set()
    with pytest.raises(Injected):
        future.result()


def set_twice(pool):
    """The second error is refused, and raised in who gives it."""
    future = raddle.futures._Future()
    future.set_result(1)
    with pytest.raises(concurrent.futures.InvalidStateError):
        future.set_exception(Injected())


@pytest.mark.parametrize(
    "ask",
    [
        asked_by_result,
        asked_by_exception,
        asked_by_as_completed,
        asked_by_a_callback,
        asked_by_asyncio,
        asked_by_map,
        asked_the_long_way,
        set_twice,
    ],
    ids=lambda ask: ask.__name__,
)
def test_no_false_alarm_for_a_job(ask, reports):
    with raddle.futures.ThreadPoolExecutor(2) as pool:
        ask(pool)
    gc.collect()
    assert not reports and raddle.undelivered_errors() == []


def test_a_job_whose_future_has_a_condition(reports):
    """The long way tells, too."""
    gate = threading.Event()
    with raddle.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: (gate.wait(10), fail()))
        future._condition  # noqa: B018
        gate.set()
        del future
    gc.collect()
    assert [report.kind for report in reports] == ["future"]


def test_a_map_that_nobody_looks_at(reports):
    with raddle.futures.ThreadPoolExecutor(1) as pool:
        pool.map(lambda _: fail(), [1])
    gc.collect()
    assert [report.kind for report in reports] == ["future"]


def test_without_a_hook_nothing_is_kept_of_a_job():
    with raddle.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(fail)
        concurrent.futures.wait([future])
        assert raddle.undelivered_errors() == []


@pytest.mark.parametrize("futures", [raddle.futures, concurrent.futures], ids=["raddle", "std"])
def test_a_done_callback_of_a_future(futures, reports, caplog):
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).add_done_callback(lambda future: fail("callback"))
    wait_until(lambda: reports)
    assert [(report.kind, report.error) for report in reports] == [("callback", "Injected: callback")]
    assert "exception calling callback" in caplog.text, "and it is logged, as by CPython"


def test_a_done_callback_of_a_thread(reports, monkeypatch):
    shown = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "unraisablehook", shown.append)
        thread = raddle.spawn(int)
        thread.join()
        thread.add_done_callback(lambda thread: fail("callback"))
    assert [(report.kind, report.error) for report in reports] == [("callback", "Injected: callback")]
    assert len(shown) == 1
    shown.clear()


@pytest.mark.parametrize("make", [raddle.Thread, raddle.threading.Thread])
def test_sys_exit_only_for_those_who_want_it(make, reports, slot):
    exits = []
    with raddle.add_exception_hook(exits.append, include_exit=True):
        thread = make(target=sys.exit, args=(3,))
        thread.start()
        thread.join()
        wait_until(lambda: exits)
    assert [report.error for report in exits] == ["SystemExit: 3"] and not reports


# ---- row 6: one slot ----


def test_hooks_are_a_list_and_the_slot_is_honoured(slot):
    one, two = [], []
    with raddle.add_exception_hook(one.append), raddle.add_exception_hook(two.append):
        fail_at_once(name="failing")
        thread = threading.Thread(target=fail, name="plain")
        thread.start()
        thread.join()
        wait_until(lambda: len(two) == 2)
    assert [report.kind for report in one] == ["thread", "threading"] and one == two
    assert [name for _, name, _ in slot.seen] == ["failing", "plain"], "each once"


def test_a_threads_own_hook_is_told_instead(slot, reports):
    own = []
    fail_at_once(on_exception=own.append)
    assert len(own) == 1 and not reports and not slot.seen


def test_a_hook_that_is_removed_is_not_called(slot):
    seen = []
    hook = raddle.add_exception_hook(seen.append)
    fail_at_once()
    hook.remove()
    hook.remove()
    fail_at_once()
    assert len(seen) == 1 and len(slot.seen) == 2


def test_everything_is_undone_when_the_last_hook_is_removed():
    """The interpreter's hooks, the log of the futures, and what futures keep."""
    logger = logging.getLogger("concurrent.futures")
    before = threading.excepthook, sys.unraisablehook, list(logger.filters), list(sys.meta_path)
    one, two = raddle.add_exception_hook(print), raddle.add_exception_hook(print)
    assert threading.excepthook is not before[0] and sys.unraisablehook is not before[1] and logger.filters
    one.remove()
    assert threading.excepthook is not before[0]
    two.remove()
    assert (threading.excepthook, sys.unraisablehook, list(logger.filters), list(sys.meta_path)) == before


def test_a_slot_that_was_set_over_ours_stays(monkeypatch):
    seen, slot = [], Slot()
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    hook = raddle.add_exception_hook(seen.append)
    ours = threading.excepthook

    def chained(args):
        slot(args)
        ours(args)

    monkeypatch.setattr(threading, "excepthook", chained)
    fail_at_once()
    assert len(seen) == len(slot.seen) == 1
    hook.remove()
    assert threading.excepthook is chained
    fail_at_once()
    assert len(seen) == 1 and len(slot.seen) == 2


def test_an_unmodified_program_sees_nothing():
    """Before the first hook the interpreter's own functions are there; under `raddle run` they look like them."""
    import harness

    look = "import sys, threading\nprint(threading.excepthook is threading.__excepthook__,"
    look += " sys.unraisablehook is sys.__unraisablehook__, sys.unraisablehook.__name__, threading.excepthook.__name__,"
    look += " sys.unraisablehook.__module__, threading.excepthook.__module__)"
    for program in ("import raddle; raddle.install(); raddle.Thread\n" + look, look):
        assert run_python(program).out == "True True unraisablehook _excepthook sys _thread\n"
    assert harness.run([sys.executable, "-m", "raddle", "run", "-c", look]).out == run_python(look).out


def test_a_wrong_hook_is_told_to_its_caller():
    with pytest.raises(
        TypeError, match=r"add_exception_hook needs a function, got NoneType \(write .*without calling f"
    ):
        raddle.add_exception_hook(None)


@pytest.mark.parametrize("module", ["_errors", "_hooks", "_reports"])
def test_the_examples_of_the_documentation(module, slot):
    results = doctest.testmod(importlib.import_module(f"raddle.{module}"))
    assert results.attempted and not results.failed


# ---- memory ----


@pytest.mark.limit(300)
def test_ten_thousand_failing_threads_with_reports_kept():
    """RSS stays flat within 5 % once the reports' own size is taken away, and no local of a failed frame is alive."""
    import harness

    result = harness.run([sys.executable, "-c", MEMORY], timeout=280, MALLOC_ARENA_MAX="1")
    assert result.code == 0, result
    print(result.out)


MEMORY = """
import ctypes, gc, pickle, sys, threading, weakref
import raddle
threading.excepthook = lambda args: None
class Local: pass
alive = weakref.WeakSet()
def fail(number):
    local = Local()
    payload = bytearray(100_000)
    alive.add(local)
    raise ValueError(number)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
kept = []
raddle.add_exception_hook(lambda report: kept.append(pickle.dumps(report)))
def rounds(count):
    for number in range(count):
        thread = raddle.spawn(fail, number, on_error="hook")
        thread.exception()
    del thread
    gc.collect()
def level(count):  # the RSS without the reports: the least of ten looks, for the allocator breathes
    looks = []
    for _ in range(10):
        rounds(count // 10)
        ctypes.CDLL(None).malloc_trim(0)
        looks.append(resident() - sum(map(sys.getsizeof, kept)) - sys.getsizeof(kept))
    return min(looks)
rounds(1000)
before = level(2000)
rounds(8000)
after = level(2000)
print(f"{len(kept)} reports; RSS without them {before >> 10} KiB, then {after >> 10} KiB")
assert len(kept) == 13_000 and len(alive) == 0, len(alive)
assert abs(after - before) <= 0.05 * before, (before, after)
"""
