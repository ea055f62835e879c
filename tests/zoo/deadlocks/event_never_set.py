"""A worker waits for an event that nobody sets, and main for the worker."""

import threading
import time

configured = threading.Event()


def work():
    print(f"step {time.monotonic()}", flush=True)
    configured.wait()  # waits: worker


worker = threading.Thread(target=work, name="worker-thread")
worker.start()
print(f"step {time.monotonic()}", flush=True)
worker.join()  # waits: MainThread
