"""A consumer waits on a condition with another lock held; the producer needs that lock to notify."""
import threading
import time

store = threading.Lock()
ready = threading.Condition()
consumer_holds = threading.Event()


def consume():
    with store:  # held: consumer
        with ready:
            consumer_holds.set()
            print(f"step {time.monotonic()}", flush=True)
            ready.wait()  # waits: consumer


def produce():
    consumer_holds.wait()
    print(f"step {time.monotonic()}", flush=True)
    with store:  # waits: producer
        with ready:
            ready.notify()


threads = [
    threading.Thread(target=consume, name="consumer-thread"),
    threading.Thread(target=produce, name="producer-thread"),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
