"""Main forks with live threads and held locks; child and parent both go on and end in order."""

import os
import sys
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
mine, theirs, shared = threading.RLock(), threading.Lock(), threading.Condition()
stop, held = threading.Event(), threading.Event()


def holder():
    with theirs:
        held.set()
        stop.wait()


def sleeper():
    with shared:
        shared.wait_for(stop.is_set)


def busy():
    while not stop.is_set():
        with shared:
            pass


def check_child():
    """What the standard library promises to a child: one thread, its own locks its own, the others' as they were."""
    assert threading.active_count() == 1, threading.enumerate()
    assert mine._is_owned()
    mine.release()
    assert theirs.acquire(False) is False
    assert not any(thread.is_alive() for thread in workers)
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    done.set()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    with mine:
        sys.exit(5)


workers = [threading.Thread(target=f, name=f.__name__) for f in (holder, sleeper, busy, busy)]
for worker in workers:
    worker.start()
held.wait()
mine.acquire()
pid = os.fork()
if not pid:
    check_child()
mine.release()
print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop.set()
with shared:
    shared.notify_all()
for worker in workers:
    worker.join(20)
print("alive", [worker.name for worker in workers if worker.is_alive()])
