"""Two accounts, two transfers in opposite directions: each takes its own account's lock first."""

import threading
import time


class Account:
    def __init__(self, balance):
        self.balance = balance
        self.lock = threading.Lock()


def transfer(source, target, amount):
    with source.lock:
        time.sleep(0.01)  # look up the exchange rate
        with target.lock:
            source.balance -= amount
            target.balance += amount


checking, savings = Account(100), Account(100)
threads = [
    threading.Thread(target=transfer, args=(checking, savings, 30), name="to-savings"),
    threading.Thread(target=transfer, args=(savings, checking, 20), name="to-checking"),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("balances:", checking.balance, savings.balance)
