"""Both workers of a pool wait for a job behind theirs, and for one of another pool, which ends."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

pool, others = ThreadPoolExecutor(2, "crunch"), ThreadPoolExecutor(2)
both_there = threading.Barrier(2)


def outer():
    both_there.wait()
    jobs = [others.submit(time.sleep, 0.05) for _ in range(5)]
    jobs.append(pool.submit(int))
    print(f"step {time.monotonic()}", flush=True)
    wait(jobs)  # waits: crunch_0, crunch_1


wait([pool.submit(outer) for _ in range(2)])
