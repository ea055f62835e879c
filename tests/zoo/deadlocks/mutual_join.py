"""Two threads join each other."""

import threading
import time

both_run = threading.Barrier(2)


def wait_for(name):
    both_run.wait()
    print(f"step {time.monotonic()}", flush=True)
    threads[name].join()  # waits: joiner


threads = {
    "chicken": threading.Thread(target=wait_for, args=("egg",), name="chicken-thread"),
    "egg": threading.Thread(target=wait_for, args=("chicken",), name="egg-thread"),
}
for thread in list(threads.values()):
    thread.start()
for thread in list(threads.values()):
    thread.join()
