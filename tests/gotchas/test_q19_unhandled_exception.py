"""Q19: an error ends its thread and nothing else; nobody can overlook it, and nobody is told of it twice.

Each policy meets each moment at which somebody may ask: whoever is told, is told once.
"""

import gc
import threading

import pytest
import raddle
from failing import run, run_python, wait_for_end, wait_until
from raddle import _errors


class Injected(Exception):
    """The error of these tests."""


def fail(gate=None):
    if gate is not None:
        gate.wait(10)
    raise Injected


def joins(thread):
    """Joins it; whether that raised its error."""
    try:
        thread.join(10)
    except Injected:
        return True
    return False


def before_join(make):
    """It has failed when somebody joins it."""
    thread = make()
    wait_for_end(thread)
    return joins(thread), thread


def while_joined(make):
    """Somebody waits for it when it fails."""
    gate = threading.Event()
    thread = make(gate)
    raised = []
    joiner = threading.Thread(target=lambda: raised.append(joins(thread)))
    joiner.start()
    wait_until(lambda: any("Thread.join" in info.activity for info in raddle.threads()))
    gate.set()
    joiner.join(10)
    return raised[0], thread


def never_joined(make):
    """Nobody joins it, and the interpreter ends."""
    thread = make()
    wait_for_end(thread)
    _errors.deliver_held()
    return False, thread


def dropped(make):
    """Nobody joins it, and nobody has it any more."""
    thread = make()
    wait_for_end(thread)
    del thread
    gc.collect()
    return False, None


MOMENTS = (before_join, while_joined, never_joined, dropped)
# Who is told, in the order of MOMENTS: whoever joins, the thread's own function, or the hook.
TABLE = {
    "join": ("joiner", "joiner", "hook", "hook"),
    "hook": ("hook", "hook", "hook", "hook"),
    "function": ("own", "own", "own", "own"),
    "on_exception": ("joiner", "joiner", "own", "own"),
}


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("policy", TABLE)
def test_each_error_is_delivered_exactly_once(policy, moment, reports, slot, monkeypatch):
    monkeypatch.setattr(_errors, "_ending", False)
    own = []
    options = {"function": {"on_error": own.append}, "on_exception": {"on_exception": own.append}}
    options = options.get(policy, {"on_error": policy})
    raised, thread = moment(lambda *args: raddle.spawn(fail, *args, name="failing", **options))
    wait_until(lambda: thread is None or not thread._raddle_outcome.is_held)

    taken = raised and not thread._raddle_outcome.is_unhandled
    told = {"joiner": int(taken), "own": len(own), "hook": len(reports)}
    expected = TABLE[policy][MOMENTS.index(moment)]
    assert told == {"joiner": 0, "own": 0, "hook": 0} | {expected: 1}
    assert len(slot.seen) == len(reports), "threading.excepthook hears what the hooks hear"
    assert raised == (moment in (before_join, while_joined)), "who joins gets the error, whoever else was told"
    assert raddle.undelivered_errors() == []


def test_an_error_of_an_ended_interpreter_is_delivered_at_once(reports, monkeypatch):
    """As a daemon's, after all others were delivered."""
    monkeypatch.setattr(_errors, "_ending", False)
    _errors.deliver_held()
    thread = raddle.spawn(fail)
    wait_until(lambda: thread.exited and reports)
    assert [report.error for report in reports] == ["Injected"]


def test_restarting_delivers_what_nobody_took(reports):
    """As soon as it is done: its last steps are waited for."""
    thread = raddle.Thread(target=fail, name="again", restartable=True).start()
    for number in range(1, 50):
        raddle.wait([thread])
        thread.restart()
        assert len(reports) == number
    assert joins(thread) and len(reports) == 49


def test_an_error_that_is_held_can_be_seen(reports):
    thread = raddle.spawn(fail, name="failing")
    wait_for_end(thread)
    [held] = raddle.undelivered_errors()
    assert (held.kind, held.thread, held.serial, held.error) == ("thread", "failing", thread.serial, "Injected")
    assert not reports and thread._raddle_outcome.is_held, "looking is not taking"
    assert joins(thread)
    assert raddle.undelivered_errors() == []


def test_sys_exit_is_no_error(reports, slot):
    thread = raddle.spawn(lambda: raise_(SystemExit(3)))
    assert thread.join(10) and thread.result() is None
    assert not reports and not slot.seen


def raise_(error):
    raise error


def test_main_goes_on_and_the_status_is_0_as_in_cpython():
    program = "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()\nprint('main')"
    for ended in (run_python(program), run(program, "--fail-on", "none")):
        assert (ended.code, ended.out) == (0, "main\n"), ended
        assert "ZeroDivisionError" in ended.err


BEGIN = """
import raddle, sys, threading, time, _thread
from concurrent.futures import ThreadPoolExecutor
def fail():
    raise ValueError("injected")
def start():
    return raddle.spawn(fail, name="failing")
def wait(thread):
    while not thread.exited:
        time.sleep(0.005)
"""
# program: whether somebody handles the error.
ENDINGS = {
    "joined": ("try: start().join()\nexcept ValueError: pass", True),
    "asked": ("start().exception()", True),
    "own": ("raddle.spawn(fail, on_exception=lambda report: None)", True),
    "never joined": ("thread = start()", False),
    "dropped": ("thread = start()\nwait(thread)\ndel thread", False),
    "at once": ("raddle.spawn(fail, name='failing', on_error='hook').exception()", False),
    "hooked": ("raddle.add_exception_hook(lambda report: None)\nthread = start()", False),
    "daemon": ("thread = raddle.spawn(fail, name='failing', daemon=True)\nwait(thread)", False),
    "drop-in": ("threading.Thread(target=fail, name='failing').start()", False),
    "timer": ("threading.Timer(0.01, fail).start()", False),
    "_thread": ("_thread.start_new_thread(fail, ())\ntime.sleep(0.2)", False),
    "future": ("with ThreadPoolExecutor(1) as pool: pool.submit(fail)", False),
    "future kept": ("with ThreadPoolExecutor(1) as pool: future = pool.submit(fail)", False),
    "future asked": ("with ThreadPoolExecutor(1) as pool: pool.submit(fail).exception()", True),
    "future in map": (
        "with ThreadPoolExecutor(1) as pool:\n try: list(pool.map(lambda _: fail(), range(9)))\n except ValueError: pass",
        True,
    ),
    "exits": ("threading.Thread(target=sys.exit, args=(3,)).start()\nraddle.spawn(sys.exit, 3)", True),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_raddle_run_fails_on_an_error_that_nobody_handled(ending):
    text, handled = ENDINGS[ending]
    ended = run(BEGIN + text, "--fail-on", "any")
    assert (ended.code, ended.err.count("error[RD003]")) == ((0, 0) if handled else (70, 1)), ended
    assert run(BEGIN + text).code == 0


@pytest.mark.parametrize("ending", ["never joined", "dropped", "at once", "daemon", "drop-in"])
def test_the_report_names_the_thread_that_failed_and_who_started_it(ending):
    """The error of a raddle.Thread is delivered on another thread, when the one that failed is gone."""
    ended = run(BEGIN + ENDINGS[ending][0], "--fail-on", "any")
    assert "error[RD003]: 'failing' died: ValueError: injected" in ended.err, ended
    assert "'failing' was started by 'MainThread' here" in ended.err, ended


def test_the_report_names_who_submitted_the_job():
    ended = run(BEGIN + ENDINGS["future"][0], "--fail-on", "any")
    title = "error[RD003]: a job of 'ThreadPoolExecutor-0_0' failed, and nobody asked its future: ValueError: injected"
    assert title in ended.err and "it was submitted by 'MainThread' here" in ended.err, ended


def test_an_error_is_the_parents_after_a_fork():
    """The child has a copy of it, and does not deliver it."""
    program = BEGIN + "import os\nthread = start()\nwait(thread)\npid = os.fork()\nif pid: os.waitpid(pid, 0)\n"
    ended = run_python("import warnings; warnings.simplefilter('ignore')\n" + program)
    assert ended.err.count("Exception in thread failing") == 1, ended
