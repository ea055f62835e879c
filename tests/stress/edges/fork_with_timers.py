"""Main forks with timers pending and carriers idle; then parent and child both start threads and timers, and finish.

A child has one thread: its parent's pending timers do not fire there, and it does not wait for them.
"""

import os
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
fired = []


def fire(name):
    fired.append(name)


def check():
    """New threads run, new timers fire, are cancelled and joined."""
    ran = []
    threads = [threading.Thread(target=ran.append, args=(number,)) for number in range(6)]
    timers = [threading.Timer(0.002 * number, ran.append, (6 + number,)) for number in range(4)]
    never = threading.Timer(3600, ran.append, ("never",))
    for thread in [*threads, *timers, never]:
        thread.start()
    never.cancel()
    for thread in [*threads, *timers, never]:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(ran) == list(range(10)), ran


check()
pending = [threading.Timer(0.2, fire, (name,)) for name in ("one", "two")]
far, daemon = threading.Timer(3600, fire, ("far",)), threading.Timer(3600, fire, ("daemon",))
daemon.daemon = True
for timer in [*pending, far, daemon]:
    timer.start()
pid = os.fork()
if not pid:
    assert threading.active_count() == 1, threading.enumerate()
    assert not any(timer.is_alive() for timer in [*pending, far, daemon])
    check()
    time.sleep(0.3)
    assert fired == [], fired
    threading.Timer(0.01, os.write, (1, b"child's last timer\n")).start()
    sys.exit(5)
check()
assert far.is_alive()
assert daemon.is_alive()
far.cancel()
for timer in pending:
    timer.join(20)
assert sorted(fired) == ["one", "two"], fired
print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
threading.Timer(0.01, print, ("parent's last timer",)).start()
