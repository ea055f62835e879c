"""Question 10, gotchas 4a and 6a: starting a thread, once, and what happens if the system refuses.

That `start()` of the drop-in neither waits nor hangs is tested in `tests/contract/test_thread_refused.py` and
`test_thread.py`.
"""

import statistics
import subprocess
import sys
import textwrap
import threading
import time

import harness
import pytest
import raddle
from raddle import ThreadState

REFUSED = """
import resource
from pathlib import Path
import raddle
raddle.spawn(int).join()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
raddle.threading.stack_size(1 << 28)
resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 26), hard))
thread = raddle.Thread(target=lambda: "ran")
for _ in range(2):
    try:
        thread.start()
    except raddle.ThreadStartError as error:
        print(str(error).startswith("can't start new thread ("), thread.state.value)
try:
    thread.join()
except RuntimeError as error:
    print(str(error).partition(" (")[0])
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
print(thread.start().result())
"""


def test_a_second_start_says_what_has_become_of_the_first():
    thread = raddle.spawn(int, name="ingest-3")
    thread.join()
    with pytest.raises(RuntimeError) as told:
        thread.start()
    text = str(told.value)
    assert text.startswith("threads can only be started once (thread 'ingest-3' was started by 'MainThread' at ")
    assert "test_q10_start_a_thread.py" in text and "and ended" in text


def test_a_refused_thread_can_be_started_later():
    done = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, timeout=50)
    assert done.stdout.splitlines() == [
        "True new",
        "True new",
        "cannot join thread before it is started",
        "ran",
    ], done.stderr


def test_a_thread_that_was_stopped_before_it_was_started():
    thread = raddle.Thread(target=int, name="early")
    assert thread.stop() is True
    assert (thread.state, thread.done, thread.started) == (ThreadState.STOPPED, True, False)
    with pytest.raises(raddle.ThreadStateError) as told:
        thread.start()
    assert str(told.value).startswith("thread 'early' was stopped before it was started")
    assert (told.value.thread, told.value.state) == (thread, ThreadState.STOPPED)
    assert thread.join() is True


def test_a_limiter_has_threads_wait_for_their_turn():
    limiter, running, most = raddle.ThreadLimiter(2), [], []

    def work():
        running.append(1)
        most.append(len(running))
        raddle.sleep(0.01)
        running.pop()

    raddle.join_all([raddle.spawn(work, limiter=limiter) for _ in range(10)])
    assert max(most) <= 2 and limiter.free == 2


def test_the_wait_for_a_turn_has_a_limit():
    limiter = raddle.ThreadLimiter(1)
    holder = raddle.spawn(raddle.sleep, 60, limiter=limiter)
    with pytest.raises(TimeoutError, match=r"no slot of ThreadLimiter\(1\) became free within 0.02 s"):
        raddle.spawn(int, limiter=limiter, timeout=0.02)
    assert holder.stop(wait=5) and limiter.free == 1
    with pytest.raises(ValueError, match="at least one slot, got 0"):
        raddle.ThreadLimiter(0)


def test_start_does_not_wait_for_the_new_thread():
    over = threading.Event()

    def spin():
        while not over.is_set():
            pass

    spinners = [raddle.spawn(spin) for _ in range(4)]
    times = []
    for _ in range(20):
        thread = raddle.Thread(target=int)
        before = time.perf_counter()
        thread.start()
        times.append(time.perf_counter() - before)
        assert thread.is_alive() or thread.done
        thread.join()
    over.set()
    raddle.join_all(spinners)
    assert statistics.median(times) < 0.02, "2 ms on an idle machine"


def test_a_thread_that_cannot_begin_is_no_hang():
    program = textwrap.dedent("""
        import raddle, time
        before = time.monotonic()
        thread = raddle.Thread(target=int).start()
        try:
            print(thread.join(5))
        except BaseException as error:
            print(type(error).__name__)
        print(thread.state.value, time.monotonic() - before < 1)
    """)
    environment = harness.environment(RADDLE_FAIL_BOOTSTRAP="1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, env=environment)
    assert done.stdout.splitlines()[-1] == "failed True", done.stdout + done.stderr
