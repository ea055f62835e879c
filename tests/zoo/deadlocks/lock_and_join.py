"""Main joins a worker while it holds the lock that the worker needs to end."""

import threading
import time

results = threading.Lock()
main_holds = threading.Event()


def work():
    main_holds.wait()
    print(f"step {time.monotonic()}", flush=True)
    with results:  # waits: worker
        pass


worker = threading.Thread(target=work, name="worker-thread")
worker.start()
with results:  # held: MainThread
    main_holds.set()
    print(f"step {time.monotonic()}", flush=True)
    worker.join()  # waits: MainThread
