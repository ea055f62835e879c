"""The standard library's side of contended.rs: CALL interpreter | CALL Lock THREADS SECONDS | CALL Semaphore THREADS SECONDS.

The program of a contended row: long-lived threads take and give back one object; one hold in a hundred lets the others
run inside it. Prints nanoseconds per hold, how many of the holds had to wait, and the smallest share of a thread by
the largest. `interpreter` prints what
the loop of the row costs on its own, with calls of C functions that do nothing in place of the object's.
"""

import gc
import operator
import sys
import threading
import time


def interpreter(holds=1_000_000):
    """Nanoseconds per hold, the best of some tries."""
    acquire, release, best = operator.truth, gc.isenabled, float("inf")
    for _ in range(7):
        begin = time.thread_time()
        for i in range(holds):
            if not acquire(True):
                raise AssertionError
            if i == -1:
                time.sleep(0)
            release()
        best = min(best, time.thread_time() - begin)
    return best / holds * 1e9


def contended(what, threads, seconds):
    """What is printed of a row."""
    gate, stop, counts, blocked = threading.Barrier(threads + 1), threading.Event(), [0] * threads, [0] * threads

    def work(k):
        acquire, release, n, b = what.acquire, what.release, 0, 0
        gate.wait()
        while not stop.is_set():
            for i in range(100):
                if not acquire(False):
                    b += 1
                    acquire()
                if i == 50:
                    time.sleep(0)
                release()
            n += 100
        counts[k], blocked[k] = n, b

    workers = [threading.Thread(target=work, args=(k,)) for k in range(threads)]
    for worker in workers:
        worker.start()
    gate.wait()
    begin = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for worker in workers:
        worker.join()
    cost = (time.perf_counter() - begin) / sum(counts) * 1e9
    return cost, sum(blocked) / sum(counts), min(counts) / max(counts)


if sys.argv[1] == "interpreter":
    print(interpreter())
else:
    print(
        *contended(
            {"Lock": threading.Lock, "Semaphore": lambda: threading.Semaphore(4)}[sys.argv[1]](),
            int(sys.argv[2]),
            float(sys.argv[3]),
        )
    )
