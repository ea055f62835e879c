"""A worker waits at exit for what atexit would do

id: 5a
claim: Threads that go on freeze the program at its end.
today: true: threads are joined before atexit runs
stdlib: main has ended, hangs
raddle: main has ended, hangs [RD005]
report: worker
limit: 4
"""

import atexit


def scene(threading):
    bye = threading.Event()
    atexit.register(bye.set)
    threading.Thread(target=bye.wait, name="worker").start()
    return "main has ended"
