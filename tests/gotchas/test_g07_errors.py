"""Gotcha 7: errors are not handled gracefully. What each point says is shown by its scene; here are its edges.

7a the exit status, and silent futures (Q19)   7c errors of the hook (Q22 row 2)   7d what is stored (Q22 row 3)
7e who gets the error (Q21). 7b, a kill, is the recording's.
"""

import subprocess
import sys
import threading

import pytest
import raddle
import raddle.threading
from failing import run, run_python, wait_for_end, wait_until

HOOK = """
import threading
def hook(args): print("hook", args.exc_type.__name__, args.thread.name)
threading.excepthook = hook
thread = threading.Thread(target=lambda: 1 / 0, name="failing")
thread.start()
thread.join()
"""


def fail():
    raise ValueError("no such account")


def test_a_programs_own_hook_is_called_as_ever_and_handles_the_error():
    """Nobody is told a second time, and --fail-on any sees no error that nobody handled."""
    ended = run(HOOK, "--fail-on", "any")
    assert (ended.code, ended.out, ended.err) == (0, run_python(HOOK).out, "")


def test_a_programs_own_hook_gets_the_thread_that_failed(slot):
    """Also that of a raddle.Thread, whose error is delivered on another thread when its object is gone."""
    thread = raddle.spawn(fail, name="kept", on_error="hook")
    wait_for_end(thread)
    gone = raddle.spawn(fail, name="gone")
    wait_for_end(gone)
    del gone
    wait_until(lambda: len(slot.seen) == 2)
    assert [(name, on) for _, name, on in slot.seen] == [("kept", "kept"), ("gone", "MainThread")]


def test_what_the_hook_gets_of_a_thread_that_is_gone(monkeypatch):
    """What programs ask an `args.thread` for."""
    threads = []
    monkeypatch.setattr(threading, "excepthook", lambda args: threads.append(args.thread))
    thread = raddle.spawn(fail, name="gone", daemon=True)
    wait_for_end(thread)
    del thread
    [gone] = threads
    assert (gone.name, gone.daemon, gone.ident, gone.native_id, gone.is_alive()) == ("gone", True, None, None, False)


def test_output_of_an_unmodified_program_is_cpythons():
    program = "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='failing')\nt.start()\nt.join()\n"
    program += "t = threading.Timer(0, lambda: 1 / 0)\nt.name = 'timer'\nt.start()\nt.join()\n"
    program += "import _thread, time\n_thread.start_new_thread(time, ())\ntime.sleep(0.1)\n"

    def shape(text):
        """Without what differs from run to run, and raddle's own frames."""
        return [line for line in text.splitlines() if not line.startswith(("  ", "Exception ignored in thread"))]

    under = "import raddle; raddle.install()\n" + program
    assert shape(run_python(under).err) == shape(run_python(program).err)


def test_a_future_is_not_silent():
    program = "from concurrent.futures import ThreadPoolExecutor\n"
    program += "with ThreadPoolExecutor() as pool:\n    pool.submit(lambda: 1 / 0)\n"
    assert run_python(program).err == ""
    assert run(program).err == "", "who does not ask is not told"
    assert "nobody asked its future: ZeroDivisionError" in run(program, "--fail-on", "RD003").err


def test_an_error_that_raddle_run_counts_is_not_changed():
    program = "from concurrent.futures import ThreadPoolExecutor\n"
    program += "with ThreadPoolExecutor() as pool:\n    print(vars(pool.submit(lambda: 1 / 0).exception()))\n"
    assert run(program, "--fail-on", "any").out == run_python(program).out == "{}\n"


def test_a_failing_hook_of_an_unmodified_program_is_shown_as_cpython_shows_it():
    program = HOOK.replace("print(", "raise KeyError(")
    lines = run_python(program).err.splitlines()
    assert lines[0] == "Exception in threading.excepthook:" and lines[-1].startswith("KeyError")
    ours = run_python("import raddle; raddle.install()\n" + program).err.splitlines()
    assert (ours[0], ours[-1]) == (lines[0], lines[-1])


def test_join_of_the_drop_in_raises_nothing(slot):
    """R10: it is CPython's."""
    thread = raddle.threading.Thread(target=fail)
    thread.start()
    assert thread.join() is None
    assert len(slot.seen) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs a shell's view of a killed process")
def test_a_kill_calls_no_hook():
    """7b as it is: nobody in the process hears of SIGKILL."""
    program = "import os, raddle\nraddle.add_exception_hook(print)\nos.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (-9, b"")
