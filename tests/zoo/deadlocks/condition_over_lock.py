"""A consumer waits on a condition with another lock held; the producer needs that lock to notify."""

import threading
import time

store = threading.Lock()
ready = threading.Condition()
consumer_holds = threading.Event()


def consume():
    with store:  # held: consumer
        consumer_holds.set()
        wait()


def wait():
    with ready:
        print(f"step {time.monotonic()}", flush=True)
        ready.wait()  # waits: consumer


def notify():
    with ready:
        ready.notify()


def produce():
    consumer_holds.wait()
    print(f"step {time.monotonic()}", flush=True)
    with store:  # waits: producer
        notify()


threads = [
    threading.Thread(target=consume, name="consumer-thread"),
    threading.Thread(target=produce, name="producer-thread"),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
