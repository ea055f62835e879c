"""Two threads take two RLocks by acquire(), in opposite order, the first one twice."""

import threading
import time

index = threading.RLock()
pages = threading.RLock()
both_hold_one = threading.Barrier(2)


def reader():
    index.acquire()
    index.acquire()  # held: reader
    both_hold_one.wait()
    print(f"step {time.monotonic()}", flush=True)
    pages.acquire()  # waits: reader
    pages.release()
    index.release()
    index.release()


def writer():
    pages.acquire()  # held: writer
    both_hold_one.wait()
    print(f"step {time.monotonic()}", flush=True)
    index.acquire()  # waits: writer
    index.release()
    pages.release()


threads = [threading.Thread(target=f, name=f"{f.__name__}-thread") for f in (reader, writer)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
