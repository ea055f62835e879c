"""A hook stores what it gets, to look at it later

id: 7d
claim: Delete the trace and the error objects, or memory leaks.
today: true, if the hook stores them
stdlib: the stored error keeps the locals alive
raddle: the stored report keeps nothing alive
"""

import sys
import time
import weakref

stored = []


class Big:
    """A local variable of the function that fails."""


def scene(threading):
    variables = []

    def fail():
        local = Big()
        variables.append(weakref.ref(local))
        raise ValueError("no such account")

    threading.excepthook = lambda args: raddle or stored.append(args.exc_value)
    raddle = sys.modules.get("raddle")
    if raddle:
        raddle.add_exception_hook(stored.append)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    while not stored:
        time.sleep(0.01)
    time.sleep(0.05)
    what = "report" if raddle else "error"
    return f"the stored {what} keeps " + ("nothing alive" if variables[0]() is None else "the locals alive")
