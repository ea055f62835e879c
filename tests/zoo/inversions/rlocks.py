"""Two RLocks, taken again and again by their holders, in opposite order; both threads are there at the same time.

The place of a lock that is taken again is that of its latest take.
"""

import threading

index = threading.RLock()
pages = threading.RLock()
reader_is_done = threading.Event()


def read():
    with index:
        with index:  # first: read
            pages.acquire()  # second: read
            with index, pages:
                pass
            pages.release()
    reader_is_done.set()


def write():
    reader_is_done.wait()
    pages.acquire()  # first: write
    index.acquire()  # second: write
    index.release()
    pages.release()


threads = [threading.Thread(target=read, name="reader-thread"), threading.Thread(target=write, name="writer-thread")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
