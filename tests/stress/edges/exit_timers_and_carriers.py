"""Main returns with timers pending, jobs waiting in pools, carriers idle and threads on carriers still printing.

What is not a daemon is waited for: the pending timer fires, jobs and threads are done. The daemons do not hold the exit up.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

began = time.monotonic()
lines = []


def say(line):
    lines.append(line)
    if len(lines) == 14:
        assert sorted(lines) == sorted(expected), lines
        print("all", time.monotonic() - began < 20, flush=True)


def job(number):
    time.sleep(0.002)
    say(f"job {number}")


def printer(number):
    for part in range(2):
        time.sleep(0.001)
        say(f"printer {number} {part}")


def chain():
    """A timer that starts a thread and another timer while the interpreter waits for the rest."""
    threading.Thread(target=say, args=("thread of a timer",)).start()
    threading.Timer(0.005, say, ("timer of a timer",)).start()


expected = ["timer", "thread of a timer", "timer of a timer", "idle", *(f"job {number}" for number in range(6))]
expected += [f"printer {number} {part}" for number in range(2) for part in range(2)]
for _ in range(3):  # leave carriers behind
    burst = [threading.Thread(target=time.sleep, args=(0.001,)) for _ in range(4)]
    for thread in burst:
        thread.start()
    for thread in burst:
        thread.join()
idle, busy = ThreadPoolExecutor(2), ThreadPoolExecutor(2)
idle.submit(say, "idle").result()
forgotten = threading.Timer(3600, say, ("daemon",))
forgotten.daemon = True
forgotten.start()
called_off = threading.Timer(3600, say, ("called off",))
called_off.start()
called_off.cancel()
blocked = threading.Thread(target=threading.Event().wait, daemon=True)
blocked.start()
threading.Timer(0.03, say, ("timer",)).start()
threading.Timer(0.01, chain).start()
for number in range(6):
    busy.submit(job, number)
for number in range(2):
    threading.Thread(target=printer, args=(number,)).start()
print("bye", flush=True)
sys.exit(0)
