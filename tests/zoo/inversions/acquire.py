"""The same by acquire() and release(): who takes them gives them back."""

import threading

accounts = threading.Lock()
audit = threading.Lock()


def transfer():
    accounts.acquire()  # first: transfer
    audit.acquire(True)  # second: transfer
    accounts.release()
    audit.release()


def report():
    with audit:  # first: report
        accounts.acquire(blocking=True)  # second: report
        accounts.release()


for function in (transfer, report):
    thread = threading.Thread(target=function, name=f"{function.__name__}-thread")
    thread.start()
    thread.join()
