"""Main holds a lock and waits for a job that wants it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2, "crunch")
results = threading.Lock()


def job():
    print(f"step {time.monotonic()}", flush=True)
    with results:  # waits: crunch_0
        pass


with results:  # held: MainThread
    pool.submit(job).result()  # waits: MainThread
