"""Of a full pool, one worker waits for two jobs behind its own, the other for a thread that waits for such a job."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

pool = ThreadPoolExecutor(2, "crunch")
both_are_taken = threading.Event()


def waits():
    both_are_taken.wait()
    wait([pool.submit(int), pool.submit(int)])


def joins():
    both_are_taken.set()
    helper = threading.Thread(target=help_out, name="helper-thread")
    helper.start()
    helper.join()  # waits: crunch_1


def help_out():
    job = pool.submit(int)
    time.sleep(0.1)
    print(f"step {time.monotonic()}", flush=True)
    job.result()  # waits: helper-thread


wait([pool.submit(waits), pool.submit(joins)])
