"""Threads that go on at the end of the program: Ctrl-C, SIGTERM, a notice, a time limit, an error that ends it all."""

import signal

import pytest
from exits import RADDLE_RUN, many, run

WAITING = """
def worker():
    try:
        raddle.threading.Event().wait()
    finally:
        print("finally", flush=True)

raddle.spawn(worker, name="worker")
done()
"""


@pytest.mark.limit(900)
def test_a_worker_that_waits_for_an_event_of_on_shutdown_ends():
    program = """
bye = raddle.threading.Event()
raddle.on_shutdown(bye.set)
raddle.spawn(bye.wait)
"""
    for ended in many(program):
        assert (ended.code, ended.out, ended.err) == (0, "", "")


# atexit runs after the threads were joined, so the worker would wait for ever.
AT_EXIT = """
import atexit
raddle.install(exit_notice=0.05)
bye = threading.Event()
atexit.register(bye.set)
threading.Thread(target=bye.wait, name="worker").start()
at_end(signal.SIGINT, 0.3)
done()
"""


@pytest.mark.limit(900)
def test_a_worker_that_waits_for_an_event_of_atexit_is_told_of_and_ends_by_ctrl_c():
    for ended in many(AT_EXIT):
        assert ended.code == 130, ended
        assert "RD005]: after 0.1 s: 1 thread keeps the program alive" in ended.err
        assert "RD005]: Ctrl-C: 1 thread keeps the program alive" in ended.err
        assert "'worker' waits here for Event 'bye'" in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.limit(900)
@pytest.mark.parametrize("under", [(), RADDLE_RUN], ids=["import", "run"])
def test_ctrl_c_at_the_end_stops_all_and_is_130(under):
    for ended in many("at_end(signal.SIGINT, 0.3)\n" + WAITING, under=under):
        assert (ended.code, ended.out) == (130, "finally\n"), ended
        assert "Traceback" not in ended.err and "RD008" not in ended.err


@pytest.mark.limit(900)
def test_a_second_ctrl_c_ends_it_at_once():
    program = """
import atexit
atexit.register(print, "atexit")
at_end(signal.SIGINT, 0.3, 0.2)
raddle.spawn(time.sleep, 3600, name="deaf")
for _ in range(3):  # which the interpreter joins in its own way
    threading.Thread(target=time.sleep, args=(3600,)).start()
done()
"""
    for ended in many(program):
        assert (ended.code, ended.out) == (130, "atexit\n"), ended
        assert ended.seconds < 2
        assert "asked to stop; Ctrl-C once more ends the program at once" in ended.err
        assert ended.err.count("RD008]: 1 thread did not stop") == 1, ended.err


def test_ctrl_c_in_a_grace_ends_it():
    program = """
at_end(signal.SIGINT, 0.3)
raddle.spawn(time.sleep, 3600, name="deaf", daemon=True, grace=3600)
done()
"""
    ended = run(program)
    assert (ended.code, ended.out) == (130, "")
    assert "RD008]: 1 thread did not stop" in ended.err


PLAIN = """
soon(signal.SIGINT, 0.3)
import {module} as threading
threading.Thread(target=threading.Event().wait).start()
"""


def test_ctrl_c_at_the_end_of_a_plain_program_is_as_on_the_standard_library():
    ours, theirs = run(PLAIN.format(module="raddle.threading")), run(PLAIN.format(module="threading"))
    assert (ours.code, ours.out) == (theirs.code, theirs.out)
    assert "KeyboardInterrupt" in ours.err and "KeyboardInterrupt" in theirs.err and "RD0" not in ours.err


def test_before_the_end_ctrl_c_is_pythons_own():
    program = """
raddle.spawn(raddle.sleep, 0.6)
try:
    soon(signal.SIGINT, 0.1)
    time.sleep(3600)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
"""
    ended = run(program)
    assert (ended.code, ended.out, ended.err) == (0, "KeyboardInterrupt\n", "")


TERMINATED = """
import atexit
raddle.install(sigterm="stop")
atexit.register(print, "atexit")
raddle.on_shutdown(lambda: print("on_shutdown"))

def worker():
    try:
        threading.Event().wait()
    finally:
        print("worker's finally", flush=True)

def main():
    {main}

thread = threading.Thread(target=worker)
thread.start()
try:
    soon(signal.SIGTERM, 0.3)
    main()
finally:
    thread.join()
    print("main's finally", flush=True)
"""


@pytest.mark.limit(900)
@pytest.mark.parametrize("main", ["time.sleep(3600)", "threading.Event().wait()", "while True: pass", "thread.join()"])
def test_sigterm_ends_the_program_in_order(main):
    for ended in many(TERMINATED.format(main=main)):
        assert (ended.code, ended.err) == (143, ""), ended
        assert ended.out == "worker's finally\nmain's finally\non_shutdown\natexit\n"


def test_sigterm_while_main_waits_for_threads():
    program = 'raddle.install(sigterm="stop")\nat_end(signal.SIGTERM, 0.3)\n' + WAITING
    ended = run(program)
    assert (ended.code, ended.out, ended.err) == (143, "finally\n", "")


def test_sigterm_stops_pools_and_timers():
    program = """
raddle.install(sigterm="stop")
from concurrent.futures import ThreadPoolExecutor
busy, idle = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
idle.submit(abs, 1).result()
job = busy.submit(threading.Event().wait)
threading.Timer(3600, print).start()
try:
    soon(signal.SIGTERM, 0.3)
    time.sleep(3600)
finally:
    print(type(job.exception()).__name__, idle.submit(abs, -2).result())
"""
    ended = run(program)
    assert (ended.code, ended.out, ended.err) == (143, "Stopped 2\n", "")


def test_undo_gives_sigterm_back():
    program = """
handler = lambda *args: None
signal.signal(signal.SIGTERM, handler)
with raddle.install(sigterm="stop"):
    assert signal.getsignal(signal.SIGTERM) is not handler
assert signal.getsignal(signal.SIGTERM) is handler
try:
    raddle.install(sigterm="end")
except ValueError as error:
    print(error)
"""
    assert run(program).out == "sigterm must be 'stop' or None, got 'end'\n"


@pytest.mark.limit(900)
def test_a_time_limit_for_the_end():
    program = """
raddle.install(exit_timeout=0.2, daemon_grace=0.2)
from concurrent.futures import ThreadPoolExecutor

def worker():
    try:
        threading.Event().wait()
    finally:
        print("finally", flush=True)

threading.Thread(target=worker).start()
threading.Thread(target=time.sleep, args=(3600,), name="deaf").start()
ThreadPoolExecutor(1, "pool").submit(time.sleep, 3600)
time.sleep(0.02)
done()
"""
    for ended in many(program, within=0.4 + 0.5):
        assert (ended.code, ended.out) == (0, "finally\n"), ended
        assert 0.4 <= ended.seconds < 0.4 + 0.5
        assert "RD008]: 2 threads did not stop" in ended.err and "'deaf'" in ended.err and "'pool_0'" in ended.err


@pytest.mark.limit(900)
@pytest.mark.parametrize("main", ["time.sleep(3600)", "threading.Event().wait()", "while True: pass", "pass"])
def test_an_error_that_ends_the_program(main):
    program = f"""
raddle.install()
def fail():
    time.sleep(0.1)
    raise ValueError("enough")
raddle.on_shutdown(lambda: print("on_shutdown"))
raddle.spawn(threading.Event().wait)
raddle.Thread(target=fail, on_error="exit", name="failing").start()
{main}
"""
    for ended in many(program):
        assert (ended.code, ended.out) == (1, "on_shutdown\n"), ended
        assert ended.err.count("ValueError: enough") == 1 and "RD00" not in ended.err


def test_a_second_error_hurries_nobody():
    """Not like a second Ctrl-C: who is on the way out is waited for."""
    program = """
raddle.install()
def fail(seconds):
    time.sleep(seconds)
    raise ValueError("enough")

def slow():
    try:
        threading.Event().wait()
    finally:
        time.sleep(0.4)
        print("finally", flush=True)

for number in range(4):
    raddle.Thread(target=fail, args=(0.1 + number / 10,), on_error="exit").start()
raddle.spawn(slow)
try:
    time.sleep(3600)
finally:
    time.sleep(0.15)
    print("main's finally", flush=True)
"""
    ended = run(program)
    assert (ended.code, ended.out) == (1, "main's finally\nfinally\n")
    assert ended.err.count("ValueError: enough") == 4


def test_options_of_the_end_are_undone():
    program = """
from raddle import _raddle
with raddle.install(daemon_grace=3, exit_timeout=4):
    with raddle.install(exit_notice=float("inf")):
        pass
    print(_raddle.configure_exit(0, None, None))
for options in ({"daemon_grace": -1}, {"exit_timeout": float("nan")}, {"exit_notice": "1"}):
    try:
        raddle.install(**options)
    except (TypeError, ValueError) as error:
        print(error)
"""
    assert run(program).out.splitlines()[0] == "(3.0, None, 4.0)"


def test_an_error_that_ends_the_program_from_a_thread_of_a_thread():
    program = """
def outer():
    raddle.Thread(target=lambda: 1 / 0, on_error="exit").start()
raddle.spawn(outer)
for _ in range(3600):
    time.sleep(1)
"""
    ended = run(program)
    assert ended.code == 1 and ended.err.count("ZeroDivisionError") == 1


def test_the_signal_for_that_is_the_programs_if_it_wants_it():
    program = """
signal.signal(signal.SIGURG, lambda *args: None)
try:
    raddle.Thread(target=print, on_error="exit")
except ValueError as error:
    print(error)
"""
    assert run(program).out.startswith('on_error="exit" needs the signal SIGURG, which the program handles itself')


def test_a_signal_of_the_system_still_kills_a_program_that_did_not_ask():
    ended = run("at_end(signal.SIGTERM, 0.3)\n" + WAITING)
    assert ended.code == -signal.SIGTERM
