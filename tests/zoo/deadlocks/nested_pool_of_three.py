"""Every worker of a pool of three waits for a job that stands behind theirs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

pool = ThreadPoolExecutor(3, "crunch")
all_there = threading.Barrier(3)


def outer():
    all_there.wait()
    inner = pool.submit(int)
    print(f"step {time.monotonic()}", flush=True)
    return inner.result()  # waits: crunch_0, crunch_1, crunch_2


wait([pool.submit(outer) for _ in range(3)])
