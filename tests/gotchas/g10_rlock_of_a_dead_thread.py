"""An RLock is left behind by a thread that died, and a new thread takes it

id: 10
claim: A lock that is not released is a deadlock.
today: worse: the new thread enters as if it were the dead one, whose ident it has
stdlib: a stranger entered ... of 50 times
raddle: a stranger entered 0 of 50 times
"""

import time


def scene(threading):
    entered = sum(_stranger_enters(threading) for _ in range(50))
    return f"a stranger entered {entered} of 50 times"


def _stranger_enters(threading):
    lock = threading.RLock()
    leaver = threading.Thread(target=lock.acquire)
    leaver.start()
    leaver.join()
    time.sleep(0.002)
    said = []
    stranger = threading.Thread(target=lambda: said.append(lock.acquire(blocking=False)))
    stranger.start()
    stranger.join()
    return said[0]
