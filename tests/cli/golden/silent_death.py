import queue
import threading
import time

results = queue.Queue()


def work():
    results.put("the first")
    time.sleep(0.3)
    raise ValueError("no such account")


threading.Thread(target=work, name="worker").start()
for _ in range(2):
    print(results.get(), flush=True)
