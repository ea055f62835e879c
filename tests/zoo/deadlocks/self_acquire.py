"""A thread takes by acquire() a plain Lock that it holds by acquire()."""

import threading
import time

ledger = threading.Lock()


def again():
    ledger.acquire()  # held: again
    print(f"step {time.monotonic()}", flush=True)
    ledger.acquire()  # waits: again


thread = threading.Thread(target=again, name="again-thread")
thread.start()
thread.join()
