"""Threads end: is_alive() is False, and their OS threads?

id: 6b
claim: is_alive() is False even if the thread is not freed yet.
today: true for a moment
stdlib: is_alive() was False for all 300; OS threads a second later: 1
raddle: is_alive() was False for all 300; OS threads a second later: 1
"""

import os
import time


def scene(threading):
    threads = [threading.Thread(target=int) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = sum(not thread.is_alive() for thread in threads)
    time.sleep(1)
    return f"is_alive() was False for all {ended}; OS threads a second later: {len(os.listdir('/proc/self/task'))}"
