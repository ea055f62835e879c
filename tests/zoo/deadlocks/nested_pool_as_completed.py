"""Both workers of a pool wait for the jobs behind theirs as they are completed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

pool = ThreadPoolExecutor(2, "crunch")
both_there = threading.Barrier(2)


def outer():
    both_there.wait()
    jobs = [pool.submit(int), pool.submit(int)]
    print(f"step {time.monotonic()}", flush=True)
    return sum(job.result() for job in as_completed(jobs))  # waits: crunch_0, crunch_1


for done in as_completed([pool.submit(outer) for _ in range(2)]):
    done.result()
