"""RD013: a lock that is held for long while others wait for it."""

import re

import pytest
from ending import RADDLE, run

PROGRAM = """\
import threading, time

accounts = threading.Lock()
taken = threading.Event()


def report():
    with accounts:
        taken.set()
        count()


def count():
    time.sleep(1)


threading.Thread(target=report, name="report").start()
taken.wait()
with accounts:
    print("done")
"""
TOLD = """\
warning[RD013]: 'report' has held Lock 'accounts' for 0.3 s or longer, and 'MainThread' waits for it
  --> app.py:8:10
   |
 8 |     with accounts:
   |          ^^^^^^^^ 'report' took Lock 'accounts' here
   |
note: 'report' (started by 'MainThread' at app.py:17) runs on
  --> app.py:14:5
   |
10 |         count()
   |         ------- called from here, in report
...
14 |     time.sleep(1)
   |     ^^^^^^^^^^^^^ 'report' is here, in count
note: 'MainThread' waits for Lock 'accounts'
  --> app.py:19:6
   |
19 | with accounts:
   |      ^^^^^^^^ 'MainThread' waits here for Lock 'accounts' (held by 'report'), 0.3 s so far
   |
   = note: gotcha 10a: mirror every acquire with a release; see `raddle explain RD013`
   = help: do what takes long before the lock is taken or after it was given back; take it by `with`
"""


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--hold-warn", "0.3"], 0, TOLD),
        (["--hold-warn=0.3", "--fail-on", "any"], 0, TOLD),
        (["--hold-warn", "0.3", "--fail-on", "rd013"], 70, TOLD),
        (["--hold-warn", "0.3", "--deadlocks", "off"], 0, TOLD),
        (["--hold-warn", "30"], 0, ""),
        ([], 0, ""),
    ],
)
def test_who_holds_a_lock_for_long_is_told_if_it_is_asked_for(folder, options, status, told):
    ended = run([*RADDLE, *options, "app.py"], folder({"app.py": PROGRAM}))
    assert (ended.status, ended.out, ended.err) == (status, "done\n", told)


LOCKS = {
    "Lock": "threading.Lock()",
    "RLock": "threading.RLock()",
    "Condition": "threading.Condition()",
    "raddle.Lock": "raddle.Lock(name='lock')",
    "raddle.RLock": "raddle.RLock(name='lock')",
    "RWLock.write": "raddle.RWLock(name='lock').write()",
}
HOLD = """
import raddle, threading, time
taken = threading.Event()
def hold(lock, seconds=0.5):
    def take():
        with lock:
            taken.set()
            time.sleep(seconds)
    thread = threading.Thread(target=take, name="holder")
    thread.start()
    taken.wait()
    taken.clear()
    return thread
"""


def told(ended):
    return re.findall(r"^\w+\[(RD\d+)\]: (.*)", ended.err, re.MULTILINE)


def python(tmp_path, code, *options):
    (tmp_path / "app.py").write_text(HOLD + code)
    ended = run([*RADDLE, "--hold-warn", "0.2", *options, "app.py"], tmp_path)
    assert "Traceback" not in ended.err, ended.err
    return ended


@pytest.mark.parametrize("kind", LOCKS)
def test_all_locks_are_watched(tmp_path, kind):
    found = told(python(tmp_path, f"lock = {LOCKS[kind]}\nhold(lock)\nwith lock: pass"))
    assert [code for code, _ in found] == ["RD013"]
    assert re.match(
        r"'holder' has held R?\w*Lock 'lock(\.lock)?' for 0\.2 s or longer, and 'MainThread' waits", found[0][1]
    )


@pytest.mark.parametrize(("holds", "wants"), [("read", "write"), ("write", "read"), ("write", "write")])
def test_both_sides_of_a_lock_for_readers_and_writers(tmp_path, holds, wants):
    code = f"lock = raddle.RWLock(name='table')\nhold(lock.{holds}())\nwith lock.{wants}(): pass"
    found = told(python(tmp_path, code))
    assert [code for code, _ in found] == ["RD013"] and "RWLock 'table'" in found[0][1]


def test_it_is_told_once_for_each_hold(tmp_path):
    """Whoever waits, in whatever way, and however often."""
    code = """
lock = threading.Lock()
def want():
    while not lock.acquire(timeout=0.25):
        pass
    lock.release()
for _ in range(2):
    holder = hold(lock, 1.0)
    threads = [threading.Thread(target=want) for _ in range(3)]
    for thread in threads:
        thread.start()
    with lock:
        pass
    for thread in threads:
        thread.join()
"""
    found = told(python(tmp_path, code))
    assert [code for code, _ in found] == ["RD013"] * 2
    assert all("4 threads wait" in text for _, text in found)


def test_the_holder_that_waits_itself_says_for_what(tmp_path):
    code = """
audit = raddle.Lock(name="audit")
lock = threading.Lock()
hold(audit, 0.8)
def second():
    with lock:
        taken.set()
        with audit:
            pass
threading.Thread(target=second, name="second").start()
taken.wait()
with lock:
    pass
"""
    ended = python(tmp_path, code)
    assert sorted(text for _, text in told(ended)) == [
        "'holder' has held Lock 'audit' for 0.2 s or longer, and 'second' waits for it",
        "'second' has held Lock 'lock' for 0.2 s or longer, and 'MainThread' waits for it",
    ]
    assert "note: 'second' (started by 'MainThread' at app.py:" in ended.err
    assert "waits for Lock 'audit'" in ended.err


def test_short_holds_of_one_thread_are_no_long_one(tmp_path):
    """It gives the lock back and has it again before the woken waiter is there, so it is always seen with it."""
    code = """
lock, over = threading.RLock(), time.monotonic() + 1.5
def want():
    while time.monotonic() < over:
        with lock:
            pass
        time.sleep(0.01)
threads = [threading.Thread(target=want) for _ in range(4)]
for thread in threads:
    thread.start()
while time.monotonic() < over:
    with lock:
        time.sleep(0.05)  # a waiter that was woken loses four races, so these last longer than the limit together
for thread in threads:
    thread.join()
print("done")
"""
    ended = python(tmp_path, code)
    assert (ended.out, told(ended)) == ("done\n", [])


QUIET = {
    "nobody waits": "holder = hold(threading.Lock())\nholder.join()",
    "a reader beside a reader": "lock = raddle.RWLock()\nhold(lock.read())\nwith lock.read(): pass",
    "a short hold": "lock = threading.Lock()\nhold(lock, 0.05)\nwith lock: time.sleep(0.5)",
    "no lock": "thread = threading.Thread(target=time.sleep, args=(0.5,))\nthread.start()\nthread.join()",
    "a permit": "one = threading.Semaphore()\nhold(one)\none.acquire()",
}


@pytest.mark.parametrize("name", QUIET)
def test_what_is_not_told(tmp_path, name):
    ended = python(tmp_path, QUIET[name])
    assert (ended.status, told(ended)) == (0, []), ended.err


def test_a_deadlock_or_a_dead_holder_is_not_told_twice(tmp_path):
    code = """
lock = threading.Lock()
dead = threading.Thread(target=lock.acquire, name="dead")
dead.start()
dead.join()
threading.Timer(1.8, lock.release).start()
lock.acquire()
"""
    assert [code for code, _ in told(python(tmp_path, code))] == ["RD004"]
    code = """
lock = threading.Lock()
lock.acquire()
threading.Timer(1.0, lock.release).start()
lock.acquire()
"""
    assert [code for code, _ in told(python(tmp_path, code))] == ["RD001"]


def test_install_watches_if_it_is_asked_to(tmp_path):
    code = """
import raddle
for bad in (0, -1, float("nan"), float("inf")):
    try:
        raddle.install(hold_warn=bad)
    except ValueError as error:
        print(error)
raddle.install(hold_warn=0.2)
from app import hold
import threading
lock = threading.Lock()
hold(lock)
with lock:
    pass
with raddle.install():
    hold(lock)
    with lock:
        pass
"""
    (tmp_path / "app.py").write_text(HOLD)
    ended = run([RADDLE[0], "-c", code], tmp_path)
    text = "hold_warn must be a number of seconds above 0, or None, got "
    assert ended.out.splitlines() == [text + bad for bad in ("0", "-1", "NaN", "inf")], ended.err
    assert [code for code, _ in told(ended)] == ["RD013"]
