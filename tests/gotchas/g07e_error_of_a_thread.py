"""Who started the thread wants its error

id: 7e
claim: start, run and join do not pass the thread's error on.
today: true
stdlib: join() raised nothing
raddle: join() raised ValueError
"""

import sys


def scene(threading):
    raddle = sys.modules.get("raddle")
    thread = (raddle or threading).Thread(target=int, args=("no such account",))
    thread.start()
    try:
        thread.join()
    except ValueError:
        return "join() raised ValueError"
    return "join() raised nothing"
