"""The main thread and a consumer: a condition's lock and another one, in opposite order, before and after a wait."""

import threading

ready = threading.Condition()
store = threading.Lock()


def consume():
    with ready:
        ready.wait(30)  # first: consume
        with store:  # second: consume
            pass


consumer = threading.Thread(target=consume, name="consumer-thread")
consumer.start()
while not ready._waiters:
    pass
with store:  # first: main
    with ready:  # second: main
        ready.notify()
consumer.join()
