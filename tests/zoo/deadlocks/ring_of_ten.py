"""Ten stations in a ring; each holds its RLock and wants the next one's. The last one closes the ring."""

import threading
import time

COUNT = 10
tokens = [threading.RLock() for _ in range(COUNT)]
all_hold = threading.Barrier(COUNT)


def station(number):
    with tokens[number]:  # held: station
        all_hold.wait()
        print(f"step {time.monotonic()}", flush=True)
        with tokens[(number + 1) % COUNT]:  # waits: station
            pass


threads = [threading.Thread(target=station, args=(number,), name=f"station-{number}") for number in range(COUNT)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
