"""A thread that the system refuses, one that fails before its first instruction, and carriers that carry once."""

import subprocess
import sys

import harness

REFUSED = """
import errno, resource
from pathlib import Path
import raddle, raddle.threading as threading

threading.Thread(target=int).start()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
threading.stack_size(1 << 28)
resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 26), hard))
thread = threading.Thread(target=print, args=("ran",))
try:
    thread.start()
except raddle.ThreadStartError as error:
    assert isinstance(error, RuntimeError)
    print(str(error).startswith("can't start new thread ("), errno.errorcode[error.errno], "RLIMIT_NPROC" in str(error))
print(thread, thread.ident, thread in threading.enumerate())
try:
    thread.join()
except RuntimeError as error:
    print(str(error).partition(" (")[0])
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
thread.start()
thread.join()
"""

FAILING = """
import time, raddle.threading as threading

thread = threading.Thread(target=print, args=("ran",))
before = time.monotonic()
thread.start()
thread.join()
print(thread.is_alive(), time.monotonic() - before < 1)
"""

ONCE = """
import time, raddle.threading as threading

numbers = []
for _ in range(5):
    thread = threading.Thread(target=lambda: numbers.append(threading.get_native_id()))
    thread.start()
    thread.join()
    time.sleep(0.02)
print(len(set(numbers)))
"""


def run(program, **environment):
    """A program that must not fail."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=harness.environment(**environment))
    assert done.returncode == 0, done.stderr
    return done


def output_of(program, **environment):
    """What a program prints, which must not fail."""
    return run(program, **environment).stdout.splitlines()


def test_a_refused_thread_may_be_started_later():
    """Refused with all limits named; as new afterwards; then started."""
    first, thread, join, last = output_of(REFUSED)
    assert first == "True EAGAIN True"
    assert thread.startswith("<Thread(Thread-") and thread.endswith(", initial)> None False")
    assert (join, last) == ("cannot join thread before it is started", "ran")


def test_a_thread_that_fails_before_its_first_instruction_ends():
    """No memory for its state: that is said, it has ended, and who joins it goes on."""
    done = run(FAILING, RADDLE_FAIL_BOOTSTRAP="1")
    assert done.stdout == "False True\n"
    assert "ended before its first instruction: MemoryError: no memory for its thread state" in done.stderr


def test_carriers_carry_once_if_the_user_says_so():
    """As many threads of the system as threads; otherwise one or two."""
    assert output_of(ONCE, RADDLE_CARRIERS="0") == ["5"]
    assert int(output_of(ONCE)[0]) < 5
