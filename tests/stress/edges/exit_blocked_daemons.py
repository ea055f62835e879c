"""Main returns while daemons are blocked in every kind of wait."""

import threading

lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
event, semaphore, barrier = threading.Event(), threading.Semaphore(0), threading.Barrier(5)
lock.acquire()
rlock.acquire()


def in_condition():
    with condition:
        condition.wait()


def in_with(it):
    with it:
        pass


def about_to(wait, *args):
    up.wait()
    wait(*args)


waits = [(lock.acquire,), (rlock.acquire,), (in_condition,), (event.wait,), (semaphore.acquire,), (barrier.wait,)]
waits += [(in_with, lock), (in_with, semaphore), (event.wait, 3600), (lock.acquire, True, 3600)]
up = threading.Barrier(len(waits) + 2)
daemons = [threading.Thread(target=about_to, args=wait, daemon=True) for wait in waits]
daemons.append(threading.Thread(target=about_to, args=(daemons[0].join,), daemon=True))
for daemon in daemons:
    daemon.start()
up.wait()
print("bye", flush=True)
