"""Five philosophers, each with the left fork in hand."""

import threading
import time

COUNT = 5
forks = [threading.Lock() for _ in range(COUNT)]
all_seated = threading.Barrier(COUNT)


def dine(seat):
    with forks[seat]:  # held: philosopher
        all_seated.wait()
        print(f"step {time.monotonic()}", flush=True)
        with forks[(seat + 1) % COUNT]:  # waits: philosopher
            pass


threads = [threading.Thread(target=dine, args=(seat,), name=f"philosopher-{seat}") for seat in range(COUNT)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
