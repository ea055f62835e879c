"""A producer notifies and joins the consumer inside the same `with`: the consumer cannot take the lock back."""

import threading
import time

ready = threading.Condition()
consumer_waits = threading.Event()


def consume():
    with ready:
        consumer_waits.set()
        ready.wait()  # waits: consumer


def produce():
    consumer_waits.wait()
    with ready:  # held: producer
        ready.notify()
        print(f"step {time.monotonic()}", flush=True)
        consumer.join()  # waits: producer


consumer = threading.Thread(target=consume, name="consumer-thread")
producer = threading.Thread(target=produce, name="producer-thread")
for thread in (consumer, producer):
    thread.start()
for thread in (consumer, producer):
    thread.join()
