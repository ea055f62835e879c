"""Two jobs wait for each other's results."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2, "crunch")
known = threading.Event()
futures = []


def job(other):
    known.wait()
    print(f"step {time.monotonic()}", flush=True)
    return futures[other].result()  # waits: crunch_0, crunch_1


futures += [pool.submit(job, 1), pool.submit(job, 0)]
known.set()
futures[0].result()
