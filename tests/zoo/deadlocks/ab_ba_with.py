"""Two threads take two locks by `with`, in opposite order."""

import threading
import time

accounts = threading.Lock()
audit = threading.Lock()
both_hold_one = threading.Barrier(2)


def transfer():
    with accounts:  # held: transfer
        both_hold_one.wait()
        print(f"step {time.monotonic()}", flush=True)
        with audit:  # waits: transfer
            pass


def report():
    with audit:  # held: report
        both_hold_one.wait()
        print(f"step {time.monotonic()}", flush=True)
        with accounts:  # waits: report
            pass


threads = [threading.Thread(target=f, name=f"{f.__name__}-thread") for f in (transfer, report)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
