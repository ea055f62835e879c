"""A `raddle.Lock` and a `raddle.RLock`, in opposite orders: with and without a time limit, by all their methods."""

import threading

import raddle

accounts = raddle.Lock(name="all accounts")
audit = raddle.RLock(name="the audit")


def transfer():
    with accounts.within(10):  # first: transfer
        audit.acquire()  # second: transfer
        audit.release()


def report():
    with audit.within(10):
        with audit, accounts:  # first: report; it is in hand once more
            pass


for function in (transfer, report):
    thread = threading.Thread(target=function, name=f"{function.__name__}-thread")
    thread.start()
    thread.join()
