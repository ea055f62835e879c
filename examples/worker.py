"""A worker dies while main waits for its result: the program goes on with a wrong one.

The worker adds prices up, and one of them is not a number. Python prints a traceback that does not say who started the
worker; main, which waits in `join()`, is not told; the program prints a total that lacks two prices and ends with exit
status 0. `raddle run worker.py` says which thread died, where it was started and who waited for it, and with
`--fail-on any` the exit status is 70.
"""

import threading

PRICES = ["12.50", "8.20", "n/a", "3.10"]


class Total:
    """A sum that one thread works out and another one waits for."""

    def __init__(self) -> None:
        self.value = 0.0


def add_up(prices: list[str], total: Total) -> None:
    """Add prices up."""
    for price in prices:
        total.value += float(price)


def main() -> None:
    """Start a worker, wait for its result and print it."""
    total = Total()
    adder = threading.Thread(target=add_up, args=(PRICES, total), name="adder")
    adder.start()
    adder.join()
    print(f"total {total.value:.2f}")


if __name__ == "__main__":
    main()
