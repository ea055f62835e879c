"""Two stages feed each other through bounded queues and both are full: each waits for room, and so would get nothing."""

import queue
import threading
import time

requests = queue.Queue(1)
replies = queue.Queue(1)
assert replies.mutex  # this one is made of its parts, the other is native
both_full = threading.Barrier(2)


def ask():
    requests.put("first")
    both_full.wait()
    print(f"step {time.monotonic()}", flush=True)
    requests.put("second")  # waits: ask


def answer():
    replies.put("first")
    both_full.wait()
    print(f"step {time.monotonic()}", flush=True)
    replies.put("second")  # waits: answer


threads = [threading.Thread(target=f, name=f"{f.__name__}-thread") for f in (ask, answer)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
