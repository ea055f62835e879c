"""One worker waits for a job, another for an event from a simple queue, main for the tasks to be done: nobody puts."""

import queue
import threading
import time

jobs = queue.PriorityQueue()
events = queue.SimpleQueue()
jobs.put(1)
taken = threading.Event()


def work():
    jobs.get()
    taken.set()
    print(f"step {time.monotonic()}", flush=True)
    jobs.get()  # waits: work


def listen():
    print(f"step {time.monotonic()}", flush=True)
    events.get()  # waits: listen


for function in (work, listen):
    threading.Thread(target=function, name=f"{function.__name__}-thread").start()
taken.wait()
print(f"step {time.monotonic()}", flush=True)
jobs.join()  # waits: main
