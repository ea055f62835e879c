"""Main returns while pools have idle workers, running jobs, waiting jobs, and one that nobody has a name for any more.

As ever, jobs that were submitted are done before the process ends.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

done = []
said_bye = threading.Event()


def job(seconds):
    time.sleep(seconds)
    done.append(seconds)
    if len(done) == 12:
        said_bye.wait()
        print("all done", flush=True)


idle, running = ThreadPoolExecutor(4), ThreadPoolExecutor(2)
idle.submit(job, 0).result()
for _ in range(10):
    running.submit(job, 0.002)
ThreadPoolExecutor(1).submit(job, 0.01)
print("bye", flush=True)
said_bye.set()
sys.exit(3)
