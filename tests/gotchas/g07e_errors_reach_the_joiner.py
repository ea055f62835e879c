"""A thread dies of an error: who joins it hears of that

id: 7e
claim: start, run and join do not propagate the errors of the thread.
today: true: join() returns None; raddle.Thread's raises the error
stdlib: join() returned None
raddle: join() raised ValueError: no such account
"""

import sys


def fail():
    raise ValueError("no such account")


def scene(threading):
    raddle = sys.modules.get("raddle")
    thread = (raddle or threading).Thread(target=fail)
    if raddle is None:
        threading.excepthook = lambda args: None
    thread.start()
    try:
        return f"join() returned {thread.join()}"
    except ValueError as error:
        return f"join() raised ValueError: {error}"
