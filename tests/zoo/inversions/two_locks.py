"""Two functions take two locks by `with`, in opposite order, one after the other."""

import threading

accounts = threading.Lock()
audit = threading.Lock()


def transfer():
    with accounts:  # first: transfer
        with audit:  # second: transfer
            pass


def report():
    with audit:  # first: report
        with accounts:  # second: report
            pass


for function in (transfer, report) * 3:
    thread = threading.Thread(target=function, name=f"{function.__name__}-thread")
    thread.start()
    thread.join()
