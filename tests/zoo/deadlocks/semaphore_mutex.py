"""Two semaphores used as mutexes, taken in opposite order: a permit has no owner, so the program has stalled."""

import threading
import time

disk = threading.Semaphore(1)
network = threading.BoundedSemaphore(1)
both_hold_one = threading.Barrier(2)


def upload():
    with disk:
        both_hold_one.wait()
        print(f"step {time.monotonic()}", flush=True)
        with network:  # waits: upload
            pass


def download():
    with network:
        both_hold_one.wait()
        print(f"step {time.monotonic()}", flush=True)
        with disk:  # waits: download
            pass


threads = [threading.Thread(target=f, name=f"{f.__name__}-thread") for f in (upload, download)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
