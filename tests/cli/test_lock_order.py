"""RD006: what a reader sees of opposite orders, and the exit status."""

import pytest
from ending import RADDLE, run

PROGRAM = """\
import threading

accounts = threading.Lock()
audit = threading.Lock()


def transfer():
    with accounts:
        with audit:
            pass


def report():
    audit.acquire()
    count()
    audit.release()


def count():
    with accounts:
        pass


for function in (transfer, report):
    thread = threading.Thread(target=function, name=function.__name__)
    thread.start()
    thread.join()
print("done")
"""
TOLD = """\
warning[RD006]: lock order: 2 threads take the same locks in opposite orders
  --> app.py:9:14
   |
 8 |     with accounts:
   |          -------- 'transfer' took Lock 'accounts' here
 9 |         with audit:
   |              ^^^^^ ... and, with that in hand, Lock 'audit' here
   |
note: 'transfer' was started by 'MainThread' here
  --> app.py:26:5
   |
26 |     thread.start()
   |     ^^^^^^^^^^^^^^
note: 'report' took Lock 'audit', then Lock 'accounts'
  --> app.py:20:10
   |
14 |     audit.acquire()
   |     --------------- 'report' took Lock 'audit' here
...
20 |     with accounts:
   |          ^^^^^^^^ ... and, with that in hand, Lock 'accounts' here
note: 'report' was started by 'MainThread' here
  --> app.py:26:5
   |
26 |     thread.start()
   |     ^^^^^^^^^^^^^^
   |
   = note: nothing hangs yet: it will when both do so at the same moment
   = note: gotcha 10: a lock that is never released; see `raddle explain RD006`
   = help: take the locks in the same order in every thread, or give the first back before taking the second
"""


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--fail-on", "RD006"], 70),
        (["--fail-on", "any"], 70),
        ([], 0),
        (["--lock-order", "report", "--fail-on", "RD001,RD002"], 0),
    ],
)
def test_an_inversion_is_told_and_counts_if_it_is_asked_for(folder, options, status):
    ended = run([*RADDLE, *options, "app.py"], folder({"app.py": PROGRAM}))
    assert (ended.status, ended.out, ended.err) == (status, "done\n", TOLD)


def test_it_can_be_switched_off(folder):
    ended = run([*RADDLE, "--lock-order", "off", "--fail-on", "any", "app.py"], folder({"app.py": PROGRAM}))
    assert (ended.status, ended.out, ended.err) == (0, "done\n", "")


def test_a_thousand_pairs_that_one_line_takes_are_printed_once(folder):
    """They are other locks, but the same mistake."""
    loop = PROGRAM.replace(
        "for function",
        "for accounts, audit in ((threading.Lock(), threading.Lock()) for _ in range(9)):\n  for function",
    )
    ended = run(
        [*RADDLE, "--fail-on", "any", "app.py"], folder({"app.py": loop.replace("\n    thread", "\n      thread")})
    )
    assert (ended.status, ended.err.count("RD006]")) == (70, 1), ended.err


def test_places_are_told_of_code_that_is_gone(folder):
    """The functions that took the locks are freed before the inversion is complete."""
    program = """
import gc, threading
a, b = threading.Lock(), threading.Lock()
for first, second in ("ab", "ba"):
    space = {"a": a, "b": b}
    exec(f"def take():\\n    with {first}:\\n        with {second}: pass", space)
    thread = threading.Thread(target=space.pop("take"))
    thread.start()
    thread.join()
    del thread, space
    gc.collect()
"""
    ended = run([*RADDLE, "--fail-on", "RD006", "app.py"], folder({"app.py": program}))
    assert ended.status == 70
    assert ended.err.count("<string>:3") == 2, ended.err
