"""One line takes the locks of two objects: each thread begins with its own."""

import threading


class Account:
    def __init__(self):
        self.lock = threading.Lock()

    def transfer(self, other):
        with self.lock:  # first: both
            other.receive()

    def receive(self):
        with self.lock:  # second: both
            pass


checking, savings = Account(), Account()
for name, function, other in (("to-savings", checking.transfer, savings), ("to-checking", savings.transfer, checking)):
    thread = threading.Thread(target=function, args=(other,), name=name)
    thread.start()
    thread.join()
