"""Both orders under a common lock; but one function is called without it, too."""

import threading

gate = threading.Lock()
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


def behind_the_gate(function):
    with gate:
        function()


for name, function, args in (
    ("transfer-thread", behind_the_gate, (transfer,)),
    ("report-thread", behind_the_gate, (report,)),
    ("hasty-thread", transfer, ()),
):
    thread = threading.Thread(target=function, args=args, name=name)
    thread.start()
    thread.join()
