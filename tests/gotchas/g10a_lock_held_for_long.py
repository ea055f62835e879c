"""A lock is given back, but late

id: 10a
claim: Every acquire needs its release.
today: true: who waits for a late one does not learn of whom
stdlib: taken
raddle: taken [RD013]
report: 'MainThread' waits for Lock
    'slow'
    g10a_lock_held_for_long.py:...time.sleep(1)
options: --hold-warn 0.3
"""

import time


def scene(threading):
    lock, taken = threading.Lock(), threading.Event()

    def hold():
        with lock:
            taken.set()
            time.sleep(1)

    threading.Thread(target=hold, name="slow").start()
    taken.wait()
    with lock:
        return "taken"
