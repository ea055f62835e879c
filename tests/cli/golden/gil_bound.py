import threading
import time


def count():
    end = time.monotonic() + 1.2
    total = 0
    while time.monotonic() < end:
        total += 1


threads = [threading.Thread(target=count, name=f"counter-{number}") for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
