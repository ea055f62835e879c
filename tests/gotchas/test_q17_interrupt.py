"""Question 17: stopping a thread in the middle of running Python code.

The standard library's way (`PyThreadState_SetAsyncExc`) leaves locks behind; `RADDLE_RUNS=1000` kills each loop below a
thousand times, at any moment.
"""

import os
import random
import sys
import threading as real
import time

import pytest
import raddle
from raddle import ThreadState, threading

RUNS = int(os.environ.get("RADDLE_RUNS", "30"))


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.0005)


def with_block(lock):
    while True:
        with lock:
            pass


def acquire_and_try(lock):
    while True:
        lock.acquire()
        try:
            pass
        finally:
            lock.release()


def acquire_late(lock):
    """What asynchronous errors break: between the take and the `try` is other code."""
    while True:
        lock.acquire()
        total = 0
        for number in range(3):
            total += number
        try:
            total += 1
        finally:
            lock.release()


def nested(lock):
    while True:
        with lock:
            with lock:
                for _ in range(3):
                    pass


def waiting(condition):
    while True:
        with condition:
            condition.wait(0.0001)


def permits(semaphore):
    while True:
        with semaphore.permit(2):
            for _ in range(3):
                pass


def bare_permits(semaphore):
    while True:
        semaphore.acquire()
        try:
            for _ in range(3):
                pass
        finally:
            semaphore.release()


def readers(lock):
    while True:
        with lock.read():
            pass
        with lock.write():
            pass


def recursive(lock, depth=0):
    with lock:
        depth += 1
    if depth < 50:
        recursive(lock, depth)
    while depth == 1:
        recursive(lock, 1)


LOOPS = {
    "Lock, with": (threading.Lock, with_block),
    "Lock, try": (threading.Lock, acquire_and_try),
    "Lock, late": (threading.Lock, acquire_late),
    "RLock, with": (threading.RLock, nested),
    "RLock, try": (threading.RLock, acquire_and_try),
    "raddle.Lock, late": (raddle.Lock, acquire_late),
    "raddle.RLock, nested": (raddle.RLock, nested),
    "Condition, with": (threading.Condition, nested),
    "Condition, try": (threading.Condition, acquire_and_try),
    "Condition, wait": (threading.Condition, waiting),
    "Condition over a lock": (lambda: threading.Condition(threading.Lock()), waiting),
    "Semaphore, with": (lambda: threading.Semaphore(1), with_block),
    "Semaphore, try": (lambda: threading.Semaphore(1), bare_permits),
    "BoundedSemaphore, try": (lambda: threading.BoundedSemaphore(1), bare_permits),
    "raddle.Semaphore, permit": (lambda: raddle.Semaphore(2), permits),
    "raddle.Semaphore, try": (lambda: raddle.Semaphore(1), bare_permits),
    "RWLock": (raddle.RWLock, readers),
    "Lock, functions": (threading.Lock, recursive),
}


def is_free(lock):
    if isinstance(lock, raddle.RWLock):
        return not lock.locked()
    if isinstance(lock, raddle.Semaphore):
        return lock.available == lock.permits
    free = lock.acquire(timeout=5)
    if free:
        lock.release()
    return free


@pytest.mark.parametrize("what", LOOPS)
@pytest.mark.limit(600)
def test_no_lock_is_left_behind(what):
    make, loop = LOOPS[what]
    lock, chance = make(), random.Random(what)
    times = []
    for _ in range(RUNS):
        threads = [raddle.spawn(loop, lock, daemon=True) for _ in range(2)]
        time.sleep(chance.random() * 0.002)
        before = time.perf_counter()
        for thread in threads:
            thread.stop("enough", interrupt=True)
        for thread in threads:
            assert thread.stop(wait=20), (thread.activity, thread.held_locks)
        times.append(time.perf_counter() - before)
        assert {thread.state for thread in threads} == {ThreadState.STOPPED}
        assert [thread.held_locks for thread in threads] == [(), ()]
        assert is_free(lock), f"{lock} was left behind"
    times.sort()
    print(f"{what}: median {times[len(times) // 2] * 1e3:.2f} ms, longest {times[-1] * 1e3:.2f} ms")


def spin(said):
    try:
        while True:
            pass
    finally:
        said.append("finally")


def count(said):
    try:
        number = 0
        while True:
            number += 1
    finally:
        said.append("finally")


def poll(said):
    try:
        while not said:
            time.sleep(0.002)
    finally:
        said.append("finally")


def iterate(said):
    try:
        for item in iter(int, 1):
            if item:
                break
    finally:
        said.append("finally")


def generate(said):
    try:
        sum(number for number in iter(int, 1))
    finally:
        said.append("finally")


def comprehend(said):
    try:
        [number for number in iter(int, 1) if number]
    finally:
        said.append("finally")


def recurse(said):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    try:
        fib(90)
    finally:
        said.append("finally")


def swallow(said):
    try:
        while True:
            try:
                int("four")
            except Exception:
                pass
    finally:
        said.append("finally")


def start_in_try(said):
    try:
        while True:
            time.sleep(0)
            len(said)
    finally:
        said.append("finally")


@pytest.mark.parametrize(
    "loop",
    [spin, count, poll, iterate, generate, comprehend, recurse, swallow, start_in_try],
    ids=lambda it: it.__name__,
)
def test_a_loop_is_left_through_its_finally(loop):
    for _ in range(10):
        said = []
        thread = raddle.spawn(loop, said, daemon=True)
        until(lambda thread=thread: thread.activity.startswith("running at"))
        assert thread.stop("enough", wait=20, interrupt=True), thread.activity
        assert (said, thread.state) == (["finally"], ThreadState.STOPPED)


def test_what_the_error_says():
    caught = []

    def work():
        try:
            while True:
                pass
        except raddle.Stopped as stopped:
            caught.append(stopped)
            raise

    thread = raddle.spawn(work)
    before = time.monotonic()
    assert thread.stop("the shop is closed", wait=20, interrupt=True)
    (error,) = caught
    assert (type(error), error.reason, error.requested_by) == (raddle.Stopped, "the shop is closed", "MainThread")
    assert before <= error.requested_at <= time.monotonic() and thread.exception() is None
    assert str(error) == "stopped by 'MainThread': the shop is closed"
    with pytest.raises(TypeError, match="interrupt must be True or False, got float 0.5"):
        thread.stop(interrupt=0.5)


def test_a_thread_that_holds_a_lock_is_not_interrupted():
    lock, over = raddle.Lock(name="ledger"), []

    def work():
        lock.acquire()
        while not over:
            pass
        lock.release()
        while True:
            pass

    thread = raddle.spawn(work)
    until(lambda: lock.holder is not None)
    assert thread.stop("enough", wait=0.2, interrupt=True) is False and thread.state is ThreadState.RUNNING
    (held,) = thread.held_locks
    assert (held.kind, held.name) == ("Lock", "ledger") and held.taken_at.startswith(__file__)
    over.append(1)
    assert thread.join(20) and thread.state is ThreadState.STOPPED
    assert not lock.locked() and thread.held_locks == ()


def test_a_shield_keeps_it_out():
    over, said = [], []

    def work():
        with raddle.shield():
            while not over:
                pass
            said.append("goodbye")
        while True:
            pass

    thread = raddle.spawn(work)
    until(lambda: thread.activity.startswith("running at"))
    assert thread.stop(wait=0.1, interrupt=True) is False
    over.append(1)
    assert thread.join(20) and said == ["goodbye"] and thread.state is ThreadState.STOPPED


def test_it_comes_once():
    rounds = []

    def work():
        try:
            while True:
                pass
        finally:
            for number in range(20_000):
                rounds.append(number)

    thread = raddle.spawn(work)
    assert thread.stop(wait=20, interrupt=True) and len(rounds) == 20_000

    def stubborn():
        caught = 0
        while caught < 3:
            try:
                while True:
                    pass
            except raddle.Stopped:
                caught += 1
                rounds.append("caught")
        return caught

    rounds.clear()
    thread = raddle.spawn(stubborn)
    for times in (1, 2, 3):
        assert thread.stop(wait=0.05 if times < 3 else 20, interrupt=True) is (times == 3)
        until(lambda times=times: len(rounds) == times)
    assert thread.result() == 3


def test_a_stop_that_was_heard_elsewhere_does_not_come_again():
    rounds = []

    def work():
        try:
            raddle.sleep(60)
        finally:
            for number in range(200_000):
                rounds.append(number)

    thread = raddle.spawn(work)
    until(lambda: thread.activity.startswith("blocked"))
    assert thread.stop(wait=20, interrupt=True) and len(rounds) == 200_000


def test_it_comes_to_a_thread_that_has_just_been_started():
    for _ in range(50):
        thread = raddle.spawn(spin, [])
        assert thread.stop(wait=20, interrupt=True) and thread.state is ThreadState.STOPPED


def test_the_next_thread_of_the_same_carrier_is_not_hit():
    def work():
        total = 0
        for number in range(2_000):
            total += number
        return total

    for _ in range(100):
        spinning = raddle.spawn(spin, [])
        spinning.stop(interrupt=True)
        others = [raddle.spawn(work) for _ in range(3)]
        assert [other.result() for other in others] == [1_999_000] * 3
        assert spinning.join(20)


def test_native_code_that_does_not_return_is_named():
    go = real._allocate_lock()  # the interpreter's own, where nothing can be stopped
    go.acquire()

    def work():
        while True:
            go.acquire()

    thread = raddle.spawn(work)
    time.sleep(0.05)
    assert thread.stop(wait=0.2, interrupt=True) is False
    assert thread.activity.startswith("in native call go.acquire() for 0."), thread.activity
    go.release()
    assert thread.join(20) and thread.state is ThreadState.STOPPED


def test_functions_that_are_entered_later_are_found():
    go = []

    def late():
        while True:
            pass

    def work():
        with raddle.shield():
            while not go:
                time.sleep(0.001)
        late()

    thread = raddle.spawn(work)
    until(lambda: thread.activity.startswith("running at"))
    thread.stop(interrupt=True)
    time.sleep(0.05)
    go.append(1)
    assert thread.join(20) and thread.state is ThreadState.STOPPED


def test_nothing_stays_behind():
    from raddle import _interrupt

    threads = [raddle.spawn(loop, []) for loop in (spin, count, poll)]
    for thread in threads:
        thread.stop(interrupt=True)
    assert raddle.join_all(threads, 20)
    until(lambda: not _interrupt._pending and _interrupt._job is None)
    assert (_interrupt._points, _interrupt._watched, _interrupt._tool) == ({}, [], None)
    if sys.version_info >= (3, 12):
        assert sys.monitoring.use_tool_id(4, "test") is None
        sys.monitoring.free_tool_id(4)


def test_all_that_a_thread_holds_is_told():
    class Account:
        def __init__(self):
            self.lock = threading.Lock()

    accounts = [Account() for _ in range(3)]
    plain = threading.Lock()
    again, table = raddle.RLock(name="again"), raddle.RWLock(name="table")
    pool, strict = raddle.Semaphore(3, name="pool"), raddle.Lock(name="strict")
    inside, over = threading.Event(), threading.Event()

    def work():
        plain.acquire()
        with accounts[1].lock, again, again, table.read(), table.read(), pool.permit(2), pool, strict:
            inside.set()
            over.wait()
        plain.release()

    assert raddle.Thread(target=work).held_locks == ()
    thread = raddle.spawn(work, daemon=True)
    inside.wait()
    held = [(lock.kind, lock.name.partition("#")[0]) for lock in thread.held_locks]
    assert held == [
        ("Lock", "Account.lock"),
        ("RLock", "again"),
        ("Semaphore", "pool"),
        ("Lock", "strict"),
        ("RWLock", "table"),
        ("Lock", "test_all_that_a_thread_holds_is_told.plain"),
    ]
    (seen,) = [info for info in raddle.threads() if info.serial == thread.serial]
    assert [repr(lock) for lock in seen.held_locks] == [repr(lock) for lock in thread.held_locks]
    assert [lock.name for lock in raddle.info(thread).held_locks] == [lock.name for lock in thread.held_locks]
    over.set()
    thread.join()
    assert thread.held_locks == ()


def test_a_lock_that_another_thread_has_released_is_not_held():
    lock = threading.Lock()
    thread = raddle.spawn(lock.acquire)
    thread.join()
    assert [held.kind for held in thread.held_locks] == ["Lock"]
    lock.release()
    assert thread.held_locks == ()


def test_a_lock_that_was_taken_by_no_python_code_is_known():
    import _thread

    lock = threading.Lock()
    _thread.start_new_thread(lock.acquire, ())
    until(lock.locked)
    (held,) = [held for held in raddle._raddle.held_locks() if held.name.endswith("is_known.lock#1")]
    identity = held.identity
    assert held.taken_at is None and held.holder_name.startswith("foreign thread")
    until(lambda: [held.abandoned for held in raddle._raddle.held_locks() if held.identity == identity] == [True])
    lock.release()


def test_locks_come_and_go():
    """The list of locks has no place for one that is gone."""
    serial = raddle._raddle.current_handle().serial
    before = {held.identity for held in raddle._raddle.held_locks() if held.holder == serial}
    locks = [make() for make in (threading.Lock, threading.RLock, raddle.Lock, raddle.RLock) for _ in range(500)]
    for lock in locks:
        lock.acquire()
    assert len(raddle._raddle.held_locks()) >= 2000
    del lock, locks[::2]
    assert sum(held.holder == serial for held in raddle._raddle.held_locks()) == 1000 + len(before)
    locks.clear()
    assert {held.identity for held in raddle._raddle.held_locks() if held.holder == serial} == before


def test_the_child_of_a_fork_begins_anew():
    from raddle import _interrupt

    lock, over = raddle.Lock(), []

    def work():
        with lock:
            while not over:
                pass

    thread = raddle.spawn(work)
    until(lambda: lock.holder is not None)
    thread.stop(interrupt=True)
    child = os.fork()
    if child == 0:
        clean = not _interrupt._pending and _interrupt._job is None and not _interrupt._points
        stopped = raddle.spawn(spin, []).stop(wait=20, interrupt=True)
        os._exit(0 if clean and stopped else 1)
    _, status = os.waitpid(child, 0)
    over.append(1)
    assert thread.join(20) and os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="no trace function is needed from 3.12 on")
def test_a_trace_function_of_somebody_else_is_left_alone():
    over, lines = [], []

    def work():
        while not over:
            pass
        return sys.gettrace() is trace

    def trace(_frame, event, _argument):
        lines.append(event)
        return trace

    real.settrace(trace)
    try:
        thread = raddle.spawn(work)
        until(lambda: len(lines) > 100)
        assert thread.stop(wait=0.1, interrupt=True) is False
    finally:
        real.settrace(None)  # those that run already keep theirs
        over.append(1)
    assert thread.result(20) is True


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there is no trace function from 3.12 on")
def test_the_trace_function_goes_when_it_is_not_needed():
    seen = []

    def work():
        try:
            while True:
                pass
        except raddle.Stopped:
            seen.append(sys.gettrace())
            total = 0
            for number in range(10):
                total += number
            seen.append(sys.gettrace())

    assert raddle.spawn(work).stop(wait=20, interrupt=True)
    assert seen[-1] is None
