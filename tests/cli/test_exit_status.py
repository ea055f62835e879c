"""The exit status of `raddle run`: python's own, but for a verdict of --fail-on and for Ctrl-C at the end."""

import sys

import pytest
from ending import RADDLE, run

DEADLOCK = """
import threading
lock = threading.RLock()
other = threading.RLock()
gate = threading.Barrier(2)
def take(first, second):
    try:
        with first:
            gate.wait()
            with second:
                pass
    except RuntimeError:
        pass
threads = [threading.Thread(target=take, args=pair) for pair in ((lock, other), (other, lock))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
DIED = """
import threading
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
"""
HEALTHY = """
import threading
thread = threading.Thread(target=print, args=("healthy",))
thread.start()
thread.join()
"""
# (options, program, status)
TABLE = {
    "healthy": ([], HEALTHY, 0),
    "healthy-any": (["--fail-on", "any"], HEALTHY, 0),
    "healthy-own-status": (["--fail-on", "any"], HEALTHY + "raise SystemExit(3)", 3),
    "deadlock": ([], DEADLOCK, 70),
    "deadlock-any": (["--fail-on", "any"], DEADLOCK, 70),
    "deadlock-none": (["--fail-on", "none"], DEADLOCK, 0),
    "deadlock-other": (["--fail-on=RD003"], DEADLOCK, 0),
    "deadlock-lower-case": (["--fail-on", "rd003, rd001"], DEADLOCK, 70),
    "deadlock-own-status": ([], DEADLOCK + "raise SystemExit(3)", 70),
    "deadlock-text": ([], DEADLOCK + "raise SystemExit('bye')", 70),
    "deadlock-error": ([], DEADLOCK + "1/0", 70),
    "deadlock-ctrl-c": ([], DEADLOCK + "raise KeyboardInterrupt", 70),
    "deadlock-at-once": ([], DEADLOCK + "import os; os._exit(4)", 4),
    "died": ([], DIED, 0),
    "died-any": (["--fail-on", "any"], DIED, 70),
    "died-named": (["--fail-on", "RD003"], DIED, 70),
    "died-deadlocks-off": (["--deadlocks", "off", "--fail-on", "any"], DIED, 70),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_status_is_pythons_unless_a_verdict_says_otherwise(tmp_path, name):
    options, program, status = TABLE[name]
    ended = run([*RADDLE, *options, "-c", program], tmp_path)
    assert ended.status == status, ended.err


def test_a_verdict_at_the_exit_counts(tmp_path):
    """Threads that are joined after main, and `atexit` callbacks, run before the status is decided."""
    late = DIED.replace("thread.join()", "")
    at_exit = "import atexit\n@atexit.register\ndef last():\n    " + DIED.replace("\n", "\n    ")
    # From 3.12 on no thread can be started by then.
    for program in (late, at_exit) if sys.version_info < (3, 12) else (late,):
        assert run([*RADDLE, "--fail-on", "any", "-c", program], tmp_path).status == 70


def test_nothing_is_lost_when_the_status_changes(tmp_path):
    program = """
import atexit, os, sys
file = open("file", "w")
file.write("x" * 100)
class Last:
    def __del__(self, write=os.write):
        write(1, b"finalizer\\n")
last = Last()
atexit.register(print, "atexit")
print("stdout", end=" ")
"""
    ended = run([*RADDLE, "-c", program + DEADLOCK], tmp_path)
    assert (ended.status, ended.out) == (70, "stdout atexit\nfinalizer\n")
    assert (tmp_path / "file").stat().st_size == 100


def test_a_forked_child_has_its_own_status(tmp_path):
    program = DEADLOCK + "import os, sys\npid = os.fork()\nif not pid:\n    sys.exit(4)\n"
    program += "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    ended = run([*RADDLE, "-c", program], tmp_path)
    assert (ended.status, ended.out) == (70, "4\n")


CTRL_C = """
import os, signal, threading, time
def interrupt():
    threading.main_thread().join()
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
threading.Thread(target=interrupt).start()
"""


def test_ctrl_c_while_threads_are_waited_for_is_130(tmp_path):
    assert run([*RADDLE, "-c", CTRL_C], tmp_path).status == 130


def test_ctrl_c_at_the_exit_gives_way_to_a_verdict(tmp_path):
    assert run([*RADDLE, "-c", DEADLOCK + CTRL_C], tmp_path).status == 70


@pytest.mark.parametrize("program", [HEALTHY, "pass", "import threading; threading.Event().wait(0.1)"])
def test_a_healthy_program_is_not_commented(tmp_path, program):
    ended = run([*RADDLE, "--fail-on", "any", "-c", program], tmp_path)
    assert (ended.status, ended.err) == (0, "")
