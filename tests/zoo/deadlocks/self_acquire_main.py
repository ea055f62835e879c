"""The only thread takes by acquire() a plain Lock that it holds by acquire()."""

import threading
import time

ledger = threading.Lock()
ledger.acquire()  # held: MainThread
print(f"step {time.monotonic()}", flush=True)
ledger.acquire()  # waits: MainThread
