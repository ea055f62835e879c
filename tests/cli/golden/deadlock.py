import threading
import time


class Account:
    def __init__(self):
        self.lock = threading.Lock()


def transfer(source, target):
    with source.lock:
        time.sleep(0.3)
        with target.lock:
            pass


alice, bob = Account(), Account()
there = threading.Thread(target=transfer, args=(alice, bob), name="there")
back = threading.Thread(target=transfer, args=(bob, alice), name="back")
there.start()
time.sleep(0.1)
back.start()
there.join()
back.join()
