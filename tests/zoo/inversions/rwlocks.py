"""Two `raddle.RWLock`s: each thread reads one while it wants to write the other."""

import threading

import raddle

index = raddle.RWLock(name="the index")
pages = raddle.RWLock("write", name="the pages")


def rebuild():
    with index.read(), index.read():  # first: rebuild
        pages.write().acquire()  # second: rebuild
        pages.write().release()


def tidy():
    with pages.read(timeout=10):  # first: tidy
        with index.write():  # second: tidy
            pass


for function in (rebuild, tidy):
    thread = threading.Thread(target=function, name=f"{function.__name__}-thread")
    thread.start()
    thread.join()
