"""Two threads take two locks by acquire(), in opposite order: anybody might still release one of them."""

import threading
import time

accounts = threading.Lock()
audit = threading.Lock()
both_hold_one = threading.Barrier(2)


def transfer():
    accounts.acquire()  # held: transfer
    both_hold_one.wait()
    print(f"step {time.monotonic()}", flush=True)
    audit.acquire()  # waits: transfer


def report():
    audit.acquire()  # held: report
    both_hold_one.wait()
    print(f"step {time.monotonic()}", flush=True)
    accounts.acquire()  # waits: report


threads = [threading.Thread(target=f, name=f"{f.__name__}-thread") for f in (transfer, report)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
