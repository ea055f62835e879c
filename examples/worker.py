"""A worker dies while the main thread waits for its result."""

import threading

orders = {"4711": "12.50", "4712": "n/a"}
totals = {}
done = threading.Event()


def add_up():
    for order, price in orders.items():
        totals[order] = float(price)
    done.set()


threading.Thread(target=add_up, name="add-up").start()
done.wait()
print("total:", sum(totals.values()))
