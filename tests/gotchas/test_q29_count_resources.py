"""Question 29: how do I count resources?"""

import subprocess
import sys
import threading as std
import time

import pytest
import raddle
import raddle.threading as threading


def test_what_the_standard_library_lets_pass():
    """`release()` above the initial value: silence from one class, an error that names nothing from the other."""
    loose = std.Semaphore(1)
    loose.release()
    assert loose._value == 2
    with pytest.raises(ValueError) as caught:
        std.BoundedSemaphore(1).release()
    assert str(caught.value) == "Semaphore released too many times"


def test_over_release_is_an_error_that_names_the_semaphore():
    connections = raddle.Semaphore(2, name="connections")
    with pytest.raises(ValueError) as caught:
        connections.release()
    text = str(caught.value)
    assert (
        text.startswith("Semaphore released too many times")
        and "'connections'" in text
        and "all of its 2 permits" in text
    )
    assert connections.available == 2


@pytest.mark.parametrize("rounds", range(3))
def test_fair_is_first_in_first_out(rounds):
    """Twenty threads come one after the other, three permits; they are served in the order in which they came."""
    permits, served, threads = raddle.Semaphore(3, fair=True), [], []
    permits.acquire(3)

    def take(at):
        permits.acquire()
        served.append(at)

    for at in range(20):
        threads.append(threading.Thread(target=take, args=(at,)))
        threads[-1].start()
        while len(permits.waiters) <= at:
            time.sleep(0.0005)
    for at in range(20):
        permits.release()
        while len(served) <= at:
            time.sleep(0.0005)
    for thread in threads:
        thread.join()
    assert served == list(range(20))


def test_resize_below_what_is_in_use_never_goes_negative():
    permits = raddle.Semaphore(10)
    permits.acquire(8)
    for size in (5, 1, 3):
        permits.resize(size)
        assert permits.available == 0 and permits.permits == size
        assert not permits.acquire(blocking=False)
    permits.release(7)
    assert permits.available == 2
    permits.release()
    assert permits.available == 3


@pytest.mark.parametrize("bad", [0, -1, -10])
def test_no_permits_make_no_semaphore(bad):
    with pytest.raises(ValueError, match="needs one permit or more"):
        raddle.Semaphore(bad)


def test_weights():
    memory = raddle.Semaphore(100, name="MiB")
    with memory.permit(60), memory.permit(40):
        assert memory.available == 0 and len(memory.holders) == 2
        with pytest.raises(TimeoutError, match="Semaphore 'MiB' .* held by 'MainThread'"):
            with memory.permit(1, timeout=0.01):
                pass
    assert memory.available == 100


LEAK = """
import raddle, sys, threading, time
slots = raddle.Semaphore(1, name="slots")
def leak():
    slots.permit().__enter__()  # line 5
thread = threading.Thread(target=leak, name="leaker")
thread.start()
thread.join()
def wait():
    slots.acquire()
waiter = threading.Thread(target=wait, name="waiter")
waiter.start()
waiter.join(2)
print(slots.holders[0].name, slots.holders[0].taken_at.rsplit(":")[-1], slots.holders[0].death is not None)
print(slots.recover())
waiter.join()
"""


def test_a_leaked_permit_is_reported_with_the_thread_and_the_line(tmp_path):
    path = tmp_path / "leak.py"
    path.write_text(LEAK)
    ended = subprocess.run([sys.executable, "-m", "raddle", "run", path], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "leaker 5 True\n1\n", ended.stderr
    assert "RD004" in ended.stderr and "'waiter' waits for Semaphore 'slots'" in ended.stderr
    assert "'leaker'" in ended.stderr and "leak.py:5" in ended.stderr
