"""Main waits; a signal handler forks; in the child another thread ends the wait: parent and child go on."""

import os
import queue
import signal
import threading
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)


def waits():
    lock = threading.Lock()
    lock.acquire()
    yield "lock", lock.acquire, lock.release
    yield "lock in time", lambda: lock.acquire(timeout=20), lock.release
    event = threading.Event()
    yield "event", event.wait, event.set
    semaphore = threading.Semaphore(0)
    yield "semaphore", semaphore.acquire, semaphore.release
    condition = threading.Condition()

    def wait():
        with condition:
            condition.wait()

    def notify():
        with condition:
            condition.notify()

    yield "condition", wait, notify
    barrier = threading.Barrier(2)
    yield "barrier", barrier.wait, barrier.wait
    items, others = queue.Queue(), 20  # who are not in the child
    for _ in range(others):
        threading.Thread(target=items.get, daemon=True).start()
    time.sleep(0.1)  # they come before main

    def feed():
        for number in range(others + 1):
            items.put(number)
        time.sleep(15)  # the end of a thread makes waiters look again, which is not what is tested

    yield "queue", items.get, feed


def forks_in(wait, end):
    """Returns how the child ended that main made while it was in `wait`, which `end` ends in both."""
    child = None

    def fork(number, frame):
        nonlocal child
        child = os.fork()
        later = threading.Timer(0.02, end)
        later.daemon = True
        later.start()
        if not child:
            signal.alarm(10)  # a child that hangs is killed

    signal.signal(signal.SIGUSR1, fork)
    sender = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    wait()
    if not child:
        os._exit(0)
    sender.join()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


for name, wait, end in waits():
    print(name, forks_in(wait, end))

broken, waiting = threading.Barrier(2), threading.Barrier(3)
broken.abort()
threading.Thread(target=waiting.wait, daemon=True).start()
while not waiting.n_waiting:
    time.sleep(0.001)
child = os.fork()
if not child:
    os._exit(0 if broken.broken and waiting.n_waiting == 1 else 1)
print("state of a barrier", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
