"""The only worker of a pool waits for a job that stands behind its own."""

import time
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(1, "crunch")


def outer():
    inner = pool.submit(int)
    print(f"step {time.monotonic()}", flush=True)
    return inner.result()  # waits: crunch_0


pool.submit(outer).result()
