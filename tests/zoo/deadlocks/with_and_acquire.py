"""Two locks in opposite order, one edge by `with` and one by acquire(): somebody might still release the latter."""

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
    audit.acquire()  # held: report
    both_hold_one.wait()
    print(f"step {time.monotonic()}", flush=True)
    with accounts:  # waits: report
        pass
    audit.release()


threads = [threading.Thread(target=f, name=f"{f.__name__}-thread") for f in (transfer, report)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
