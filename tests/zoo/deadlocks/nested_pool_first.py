"""Both workers of a pool wait for the first of two jobs behind theirs, one of which was cancelled."""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

pool = ThreadPoolExecutor(2, "crunch")
both_there = threading.Barrier(2)


def outer():
    both_there.wait()
    jobs = [pool.submit(int), pool.submit(int)]
    jobs[0].cancel()
    print(f"step {time.monotonic()}", flush=True)
    wait(jobs, return_when=FIRST_COMPLETED)  # waits: crunch_0, crunch_1


wait([pool.submit(outer) for _ in range(2)])
