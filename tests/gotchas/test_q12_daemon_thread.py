"""What is a daemon thread? One that the process does not wait for: here, one that is asked to stop first."""

import os
import subprocess
import sys

import pytest
from exits import PRELUDE, RADDLE_RUN, many, run

PRINTERS = """
def printer(number):
    while True:
        print(number, "x" * 50)

for number in range(4):
    threading.Thread(target=printer, args=(number,), daemon=True).start()
time.sleep(0.02)
"""
SLACK = 0.5  # seconds beyond its grace after which the process has ended


@pytest.mark.limit(900)
@pytest.mark.parametrize(("first", "under"), [("raddle.install()", ()), ("", RADDLE_RUN)], ids=["install", "run"])
def test_printing_daemons_of_an_unmodified_program_do_not_disturb_its_end(first, under):
    """On the standard library every second run ends with "Fatal Python error: could not acquire lock for <stdout>"."""
    for ended in many(first + PRINTERS, under=under):
        assert (ended.code, ended.err) == (0, "")


@pytest.mark.limit(900)
@pytest.mark.parametrize(
    "older", ["", "import atexit; atexit.register(print, 'the last of all', file=sys.stderr)"], ids=["last", "older"]
)
def test_daemons_that_write_in_any_way_do_not_disturb_the_end(older):
    """Text, errors, a log with its lock; with an `atexit` callback that is older than raddle, and so comes after it."""
    program = f"""
import sys
{older}
import raddle
import logging, threading, time
logging.basicConfig(stream=sys.stderr)

def text():
    print("a line")
def more():
    sys.stdout.writelines(["a line\\n"] * 3)
def log():
    logging.warning("a line")
def again(write):
    while True:
        write()

raddle.install()
for write in (text, text, more, log, log):
    threading.Thread(target=again, args=(write,), daemon=True).start()
time.sleep(0.02)
"""
    for ended in many(program, prelude=""):
        said = set(ended.err.splitlines())
        assert (ended.code, said - {"WARNING:root:a line", "the last of all", ""}) == (0, set())
        assert ("the last of all" in said) == bool(older)


CUT_OFF = "raddle: a daemon thread was cut off by the end of the program while it wrote to <stdout>: the end of its output may be"


@pytest.mark.limit(900)
def test_a_daemon_that_writes_bytes_past_the_text_is_cut_off_and_told_of():
    program = """
raddle.install()
def write():
    while True:
        sys.stdout.buffer.write(b"a line\\n")
threading.Thread(target=write, daemon=True).start()
time.sleep(0.02)
"""
    for ended in many(program):
        assert ended.code == 0 and (ended.err == "" or ended.err.startswith(CUT_OFF)), ended.err


def test_a_daemon_that_is_stuck_in_a_pipe_that_nobody_reads_is_cut_off_and_told_of():
    """On the standard library that is a fatal error."""
    program = """
raddle.install()
def write():
    sys.stdout.buffer.write(b"x" * 1_000_000)
threading.Thread(target=write, daemon=True).start()
time.sleep(0.2)
"""
    reader, pipe = os.pipe()
    with open(reader, "rb"), open(pipe, "wb") as stdout:
        command = [sys.executable, "-c", PRELUDE + program]
        ended = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert ended.returncode == 0 and ended.stderr.startswith(CUT_OFF), ended.stderr


@pytest.mark.limit(900)
def test_the_end_keeps_nothing_alive(tmp_path):
    """A file that main has not closed is written when the interpreter takes down its globals, threads or not."""
    program = """
raddle.install()
path = sys.argv[1] + "/" + str(os.getpid())
file = open(path, "w")
threading.Thread(target=threading.Event().wait, daemon=True).start()
file.write("result")
class Last:
    def __del__(self, write=os.write):
        write(1, b"deleted")
last = Last()
print(path, flush=True)
"""
    for ended in many(program, tmp_path, runs=5):
        path, deleted = ended.out.split()
        assert (ended.code, ended.err, deleted) == (0, "", "deleted")
        with open(path) as file:
            assert file.read() == "result"


@pytest.mark.limit(900)
def test_printing_daemons_with_a_grace_stop_at_a_checkpoint():
    program = PRINTERS.replace("print(", "raddle.checkpoint(); print(")
    for ended in many("raddle.install(daemon_grace=5)\n" + program):
        assert (ended.code, ended.err) == (0, "")


@pytest.mark.limit(900)
def test_a_daemon_that_writes_a_file_leaves_it_complete(tmp_path):
    """On the standard library what is in its buffer is lost."""
    program = """
path = sys.argv[1] + "/" + str(os.getpid())

def writer():
    try:
        with open(path, "w") as file:
            file.write("begin\\n" + "x" * 100)
            begun.set()
            try:
                while True:
                    raddle.sleep(0.001)
                    file.write(".")
            finally:
                file.write("\\nend\\n")
    finally:
        print("finally", flush=True)

begun = raddle.threading.Event()
raddle.spawn(writer, daemon=True)
begun.wait()
print(path)
"""
    for ended in many(program, tmp_path):
        path, last = ended.out.split()
        assert (ended.code, ended.err, last) == (0, "", "finally")
        with open(path) as file:
            text = file.read()
        assert text.startswith("begin\n") and text.endswith("\nend\n"), text


DEAF = """
def deaf():
    while True:
        try:
            raddle.sleep(0.01)
        except raddle.Stopped:
            pass

def in_c():
    time.sleep(3600)

def held_up():
    with raddle.shield():
        raddle.threading.Event().wait()

def begin():
    up = raddle.threading.Barrier(4)
    for target in (deaf, in_c, held_up):
        def run(target=target):
            up.wait()
            target()
        raddle.Thread(target=run, name=target.__name__, daemon=True, grace=0.2).start()
    up.wait()

begin()
time.sleep(0.02)
done()
"""


@pytest.mark.limit(900)
def test_a_deaf_daemon_is_listed_and_left_behind():
    for ended in many(DEAF, within=0.2 + SLACK):
        assert ended.code == 0
        assert ended.seconds < 0.2 + SLACK
        assert ended.err.count("warning[RD008]: 3 threads did not stop when the program ended") == 1, ended.err
        assert "'in_c' (started by 'MainThread' at <string>:" in ended.err
        assert "'in_c' is here, in in_c" in ended.err and "time.sleep(3600)" not in ended.out
        assert "'held_up' waits here for Event" in ended.err
        assert "Fatal" not in ended.err


def test_a_program_without_any_grace_asks_nobody():
    """Steps 4 to 6 are silent, and no token is set: nothing of an unmodified program changes."""
    program = """
def watcher():
    while True:
        if raddle.stop_requested():
            print("was asked", flush=True)

raddle.install()
import threading
threading.Thread(target=watcher, daemon=True).start()
threading.Thread(target=threading.Event().wait, daemon=True).start()
raddle.Thread(target=threading.Event().wait, daemon=True, grace=0).start()
import atexit
atexit.register(time.sleep, 0.05)
"""
    ended = run(program)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_daemons_of_the_drop_in_are_asked_if_install_says_so():
    program = """
raddle.install(daemon_grace=5)

def worker():
    try:
        threading.Event().wait()
    except raddle.Stopped as error:
        print(error)
        raise
    finally:
        print("finally", flush=True)

threading.Thread(target=worker, daemon=True).start()
threading.Timer(3600, print).daemon = True
timer = threading.Timer(3600, print)
timer.daemon = True
timer.start()
time.sleep(0.05)
done()
"""
    ended = run(program)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "stopped by 'MainThread': interpreter shutdown\nfinally\n"
    assert ended.seconds < 2, "the daemon timer, which has no thread yet, was taken back"


def test_the_order_of_the_end():
    program = """
import atexit
raddle.install(daemon_grace=5)
atexit.register(print, "6 atexit")

def regular():
    enough.wait()
    print("3 regular thread")

def daemon():
    try:
        raddle.sleep(3600)
    finally:
        print("4 daemon", "stop" if not threading.main_thread().is_alive() else "early")

enough = threading.Event()
threading.Thread(target=regular).start()
threading.Thread(target=daemon, daemon=True).start()

def added():
    print("2 added by a callback")
    enough.set()

@raddle.on_shutdown
def first():
    print("2 the first callback")
    raddle.on_shutdown(added)

@raddle.on_shutdown
def last():
    print("2 the last callback", threading.main_thread().is_alive())

taken_back = raddle.on_shutdown(lambda: print("taken back"))
assert taken_back.remove() and not taken_back.remove()
raddle.on_shutdown(lambda: 1 / 0)
raddle.spawn(lambda: {}["lost"], name="lost")
time.sleep(0.05)
print("1 main")
"""
    ended = run(program)
    assert ended.code == 0
    lines = [
        "1 main",
        "2 the last callback True",
        "2 the first callback",
        "2 added by a callback",
        "3 regular thread",
        "4 daemon stop",
        "6 atexit",
    ]
    assert ended.out.splitlines() == lines
    assert ended.err.count("ZeroDivisionError") == 1
    assert ended.err.count("KeyError: 'lost'") == 1, "errors that nobody took are delivered once"


def test_whose_grace_it_is():
    """One without a grace of its own gets what install says, or a second."""
    program = """
raddle.install(**eval(sys.argv[1]))
raddle.Thread(target=time.sleep, args=(3600,), daemon=True, **eval(sys.argv[2])).start()
time.sleep(0.05)
done()
"""
    for grace, options in (
        (1.0, ({}, {})),
        (0.3, ({"daemon_grace": 0.3}, {})),
        (0.2, ({"daemon_grace": 3600}, {"grace": 0.2})),
    ):
        assert grace < run(program, *options, within=grace + SLACK).seconds < grace + SLACK
    silent = run(program, {"daemon_grace": 3600}, {"grace": 0}, within=SLACK)
    assert silent.seconds < SLACK and silent.err == ""


def test_who_is_left_is_abandoned():
    program = """
import atexit
thread = raddle.Thread(target=time.sleep, args=(3600,), daemon=True, grace=0.05).start()
atexit.register(lambda: print(thread.state, raddle.info(thread).state, thread.done))
"""
    ended = run(program)
    assert (ended.code, ended.out) == (0, "ThreadState.ABANDONED abandoned True\n")


def test_the_child_of_a_fork_begins_with_nothing():
    program = """
def worker():
    pid = os.fork()
    if pid:
        os._exit(0 if os.waitpid(pid, 0)[1] == 0 else 1)

raddle.on_shutdown(lambda: print("parent's", flush=True))
if os.fork() == 0:
    raddle.on_shutdown(lambda: print("child's", flush=True))
    sys.exit()
os.wait()
"""
    ended = run(program)
    assert (ended.code, ended.out, ended.err) == (0, "child's\nparent's\n", "")


def test_a_callback_that_comes_too_late_is_refused():
    program = """
import atexit
def late():
    try:
        raddle.on_shutdown(print)
    except RuntimeError as error:
        print(error)
atexit.register(late)
try:
    raddle.on_shutdown(5)
except TypeError as error:
    print(error)
"""
    too_late = "on_shutdown() came too late: main is done and the callbacks have run (call it earlier, or use atexit)"
    no_function = "on_shutdown needs a function, got int (write on_shutdown(queue.close), without calling it)"
    assert run(program).out.splitlines() == [no_function, too_late]
