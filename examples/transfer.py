"""Two accounts and two transfers, one in each direction: a deadlock.

Each transfer takes the lock of the account that it takes money from, and then, holding it, that of the other one. Here
both get their first lock, and then each waits for the lock that the other has. `python transfer.py` hangs for ever;
`raddle run transfer.py` says who waits for whom, and where.
"""

import threading
import time


class Account:
    """Money, and the lock that whoever moves some of it has to hold."""

    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.lock = threading.Lock()


def transfer(source: Account, target: Account, amount: int) -> None:
    """Move an amount from one account to another."""
    with source.lock:
        time.sleep(0.02)  # a look into the books: time enough for the other transfer to begin
        with target.lock:
            source.balance -= amount
            target.balance += amount


def main() -> None:
    """Run both transfers at the same time."""
    checking = Account(100)
    savings = Account(100)
    to_savings = threading.Thread(target=transfer, args=(checking, savings, 30), name="to-savings")
    to_checking = threading.Thread(target=transfer, args=(savings, checking, 20), name="to-checking")
    to_savings.start()
    to_checking.start()
    to_savings.join()
    to_checking.join()
    print(f"checking {checking.balance}, savings {savings.balance}")


if __name__ == "__main__":
    main()
