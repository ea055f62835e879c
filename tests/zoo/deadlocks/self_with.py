"""A method that holds a plain Lock calls another one that takes it again."""

import threading
import time


class Account:
    def __init__(self):
        self.lock = threading.Lock()

    def deposit(self):
        with self.lock:  # held: MainThread
            print(f"step {time.monotonic()}", flush=True)
            self.balance()

    def balance(self):
        with self.lock:  # waits: MainThread
            return 0


Account().deposit()
