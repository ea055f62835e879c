"""A deposit and a withdrawal without a lock: now and then the balance is wrong, and it can end below zero.

Each of them reads the balance, works, and writes the new one. If both read before either writes, one of the two is lost:
5 in the account, 10 paid in and 10 taken out end in 15 or in -5. Most runs end in 5, which is why such programs are
found out so late.
"""

import threading


class Account:
    """Money without a lock."""

    def __init__(self, balance: int) -> None:
        self.balance = balance

    def deposit(self, amount: int) -> None:
        """Pay an amount in."""
        balance = self.balance
        book("deposit", amount)
        self.balance = balance + amount

    def withdraw(self, amount: int) -> None:
        """Take an amount out."""
        balance = self.balance
        book("withdrawal", amount)
        self.balance = balance - amount


def book(what: str, amount: int) -> str:
    """Write an entry for the books: some work between the reading and the writing of a balance."""
    return "\n".join(f"{what:>10} {part + 1:>6} of {amount}" for part in range(amount))


def run(balance: int = 5, amount: int = 10) -> int:
    """Pay an amount in and take the same amount out, at the same time. Returns the balance after both."""
    account = Account(balance)
    threads = [
        threading.Thread(target=account.deposit, args=(amount,), name="deposit"),
        threading.Thread(target=account.withdraw, args=(amount,), name="withdrawal"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return account.balance


if __name__ == "__main__":
    print(f"balance {run()}")
