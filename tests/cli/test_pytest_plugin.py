"""The pytest plugin, on tests that hang, leak and lose errors; and that it does nothing unless asked."""

import subprocess
import sys

import harness

TESTS = """
import queue, threading, time
import pytest

def test_innocent():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

def test_deadlock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

def test_deadlock_that_is_expected():
    import raddle
    lock = threading.Lock()
    with lock, pytest.raises(raddle.DeadlockError):
        with lock:
            pass

@pytest.mark.raddle_ignore("deadlocks")
def test_stall_on_purpose():
    jobs = queue.Queue()
    threading.Timer(0.6, jobs.put, (1,)).start()
    assert jobs.get() == 1

def test_stall():
    jobs, never = queue.Queue(), threading.Event()
    thread = threading.Thread(target=never.wait)
    thread.start()
    try:
        jobs.get()
    finally:
        never.set()
        thread.join()

def test_wait_after_that():
    threading.Event().wait(0.01)

over = threading.Event()

def test_leak():
    threading.Thread(target=over.wait, name="leaky").start()

def test_daemon():
    threading.Thread(target=over.wait, name="daemon", daemon=True).start()

@pytest.mark.raddle_ignore("leaks")
def test_leak_on_purpose():
    threading.Thread(target=over.wait).start()

def test_that_ends_late():
    threading.Timer(0.05, int).start()

@pytest.fixture(scope="module")
def pool():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool:
        yield pool

def test_pool_of_the_module(pool):
    assert pool.submit(int).result() == 0

def fail():
    raise ValueError("x")

lost = []

def test_lost_error():
    import raddle
    lost.append(raddle.spawn(fail, name="lost"))
    while not lost[0].done:
        time.sleep(0.001)

def test_dropped_error():
    import raddle
    raddle.spawn(fail, name="dropped")
    while any(info.name == "dropped" for info in raddle.threads()):
        time.sleep(0.001)

def test_error_of_a_plain_thread():
    thread = threading.Thread(target=fail, name="plain")
    thread.start()
    thread.join()

def test_error_taken():
    import raddle
    with pytest.raises(ValueError):
        raddle.spawn(fail).join()

def test_end():
    over.set()
"""


def run(tmp_path, *options, tests=TESTS, **environment):
    (tmp_path / "test_some.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        env=harness.environment(COLUMNS="200", **environment),
    )


def test_what_it_finds(tmp_path):
    done = run(tmp_path, "--raddle")
    found = {line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))}
    assert found == {
        "FAILED test_some.py::test_deadlock - Failed: raddle found this while the test ran:",
        "FAILED test_some.py::test_stall - Failed: raddle found this while the test ran:",
        "ERROR test_some.py::test_leak - Failed: the test left 1 thread running:",
        "ERROR test_some.py::test_lost_error - Failed: thread 'lost' failed, and nobody took its error:",
        "ERROR test_some.py::test_dropped_error - Failed: thread 'dropped' failed, and nobody took its error:",
        "ERROR test_some.py::test_error_of_a_plain_thread - Failed: thread 'plain' failed, and nobody took its error:",
    }, done.stdout + done.stderr
    for text in (
        "error[RD001]: deadlock: 'MainThread' waits for a lock that it holds itself",
        "warning[RD002]: stalled: all 2 threads sleep and nothing can wake one",
        "  'leaky' (started by 'MainThread' at ",
        "in Event.wait 'over'",
        "Thread 'lost' was started by 'MainThread' at:",
    ):
        assert text in done.stdout, done.stdout


LOCKS = """
import threading, time
import pytest

def run(target, *args):
    thread = threading.Thread(target=target, args=args, name="clerk")
    thread.start()
    thread.join()

ledger, table, drawer, safe = [threading.Lock() for _ in range(4)]
again = threading.RLock()

def test_of_a_dead_thread():
    run(ledger.acquire)

def test_that_is_not_to_blame():
    with table:
        run(int)

def test_forgotten_release():
    def work():
        again.acquire()
        again.acquire()
        again.release()
    table.acquire()
    work()

def test_that_puts_it_in_order():
    table.release()
    again.release()

@pytest.mark.raddle_ignore("locks")
def test_on_purpose():
    drawer.acquire()

def test_local():
    lock = threading.Lock()
    lock.acquire()
    run(threading.Lock().acquire)

def test_in_a_circle():
    circle = [threading.Lock()]
    circle.append(circle)
    circle[0].acquire()

def test_that_fails():
    safe.acquire()
    assert False

@pytest.fixture(scope="module")
def opened():
    vault = threading.Lock()
    vault.acquire()
    yield vault
    vault.release()

def test_with_a_fixture_of_the_module(opened):
    pass

@pytest.fixture(scope="module")
def late():
    cellar = threading.Lock()
    cellar.acquire()
    yield cellar

def test_that_asks_for_one_later(request):
    assert request.getfixturevalue("late").locked()

attic, over = threading.Lock(), threading.Event()

@pytest.fixture(scope="module")
def keeper():
    def keep():
        with attic:
            over.wait()
    thread = threading.Thread(target=keep)
    thread.start()
    yield
    over.set()
    thread.join()

def test_with_a_keeper(keeper):
    while not attic.locked():
        time.sleep(0.001)

@pytest.fixture
def forgetful():
    roof = threading.Lock()
    yield roof
    roof.acquire()
    kept.append(roof)

kept = []

def test_with_a_forgetful_fixture(forgetful):
    pass
"""


def test_locks_that_are_left_behind(tmp_path):
    done = run(tmp_path, "--raddle", tests=LOCKS)
    found = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert sorted(found) == [
        "ERROR test_some.py::test_forgotten_release - Failed: the test left 2 locks behind:",
        "ERROR test_some.py::test_of_a_dead_thread - Failed: the test left 1 lock behind:",
        "ERROR test_some.py::test_with_a_forgetful_fixture - Failed: the test left 1 lock behind:",
        "FAILED test_some.py::test_that_fails - assert False",
    ], done.stdout + done.stderr
    for text in (
        "is held by 'clerk', which has ended",
        "  RLock 'again' is held by 'MainThread', the test's own; it was taken at ",
        "test_some.py:23\n",
        "  (write `with lock:` instead of acquire() and release(): it lets go however the block is left)",
    ):
        assert text in done.stdout, done.stdout


def test_daemon_threads_are_leaks_if_asked(tmp_path):
    done = run(tmp_path, "--raddle", "-o", "raddle_leaks=all", "-k", "daemon or end")
    assert "ERROR test_some.py::test_daemon" in done.stdout
    none = run(tmp_path, "--raddle", "-o", "raddle_leaks=none", "-k", "leak or end")
    assert none.returncode == 0, none.stdout
    bad = run(tmp_path, "--raddle", "-o", "raddle_leaks=some")
    assert "raddle_leaks must be regular, all or none, got 'some'" in bad.stderr


def test_it_does_nothing_unless_asked(tmp_path):
    tests = """
import sys, threading
def test_it():
    assert "raddle._raddle" not in sys.modules and type(threading.Lock()).__module__ == "_thread"
"""
    assert run(tmp_path, tests=tests).returncode == 0
    asked = run(tmp_path, "-o", "raddle=true", tests=tests)
    assert asked.returncode == 1


ORDERS = """
import threading
import pytest

def take(*locks):
    def nested():
        with locks[0], locks[1]:
            pass
    thread = threading.Thread(target=nested)
    thread.start()
    thread.join()

first = threading.Lock()
second = threading.Lock()

def test_one_order():
    take(first, second)

def test_the_other_order():
    take(second, first)

@pytest.mark.parametrize("number", [1, 2])
def test_both_orders_of_locks_of_its_own(number):
    a, b = threading.Lock(), threading.Lock()
    take(a, b)
    take(b, a)

@pytest.fixture
def locks():
    return threading.Lock(), threading.Lock()

def test_one_order_of_new_locks(locks):
    take(*locks)

def test_the_other_order_of_new_locks(locks):
    take(*reversed(locks))

def test_that_fails_by_itself(locks):
    take(*locks)
    take(*reversed(locks))
    assert not "its own error"

@pytest.fixture
def afterwards(locks):
    yield
    take(*locks)
    take(*reversed(locks))

def test_fixture(afterwards):
    pass

@pytest.mark.raddle_ignore("lock_order")
def test_on_purpose(locks):
    take(*locks)
    take(*reversed(locks))

def test_end():
    pass
"""


def test_opposite_lock_orders_fail_the_test_that_closed_the_circle(tmp_path):
    done = run(tmp_path, "--raddle", tests=ORDERS)
    found = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    text = "- Failed: raddle found this while the test ran:"
    assert sorted(found) == [
        f"ERROR test_some.py::test_fixture {text}",
        f"ERROR test_some.py::test_that_fails_by_itself {text}",
        f"FAILED test_some.py::test_both_orders_of_locks_of_its_own[1] {text}",
        f"FAILED test_some.py::test_both_orders_of_locks_of_its_own[2] {text}",
        "FAILED test_some.py::test_that_fails_by_itself - AssertionError: assert not 'its own error'",
        f"FAILED test_some.py::test_the_other_order {text}",
    ], done.stdout + done.stderr
    for text in (
        "warning[RD006]: lock order: 2 threads take the same locks in opposite orders",
        "note: 'Thread-2 (nested)' took Lock 'second', then Lock 'first'",
    ):
        assert text in done.stdout, done.stdout


def test_a_deadlock_at_the_same_place_fails_each_test(tmp_path):
    tests = """
import threading
import pytest
@pytest.mark.parametrize("number", [1, 2])
def test_deadlock(number):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
"""
    done = run(tmp_path, "--raddle", tests=tests)
    assert done.stdout.count("FAILED test_some.py::test_deadlock") == 2, done.stdout + done.stderr


def test_raddle_run_pytest_marks_the_source_for_github(tmp_path):
    tests = """
import threading
def test_it():
    def fail():
        raise ValueError("x")
    thread = threading.Thread(target=fail, name="w")
    thread.start()
    thread.join()
"""
    (tmp_path / "test_some.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "raddle",
        "run",
        "--fail-on",
        "any",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:threadexception",
    ]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        env=harness.environment(GITHUB_ACTIONS="true"),
    )
    assert done.returncode == 70, done.stdout + done.stderr
    marks = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("::")]
    assert marks == ["::error file=test_some.py,line=5,title=RD003::'w' died: ValueError: x"]
