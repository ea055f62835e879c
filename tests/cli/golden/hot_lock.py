import threading
import time


class Store:
    def __init__(self):
        self.lock = threading.Lock()

    def save(self):
        with self.lock:
            time.sleep(0.02)


store = Store()


def clerk():
    for _ in range(5):
        store.save()


clerks = [threading.Thread(target=clerk, name=f"clerk-{number}") for number in range(8)]
for thread in clerks:
    thread.start()
for thread in clerks:
    thread.join()
