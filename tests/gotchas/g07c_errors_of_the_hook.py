"""The hook fails, and so does the one that shows its errors

id: 7c
claim: Errors inside the hook go to the system's error handler.
today: true (sys.excepthook); if that fails too, the thread's own error is lost
stdlib: the thread's own error is lost
raddle: the thread's own error is shown first
"""

import io
import sys


def bad_hook(args):
    raise KeyError("the hook's own error")


def bad_handler(*args):
    raise TypeError("the error of the system's handler")


def scene(threading):
    thread = threading.Thread(target=lambda: 1 / 0)
    threading.excepthook, sys.excepthook, sys.stderr = bad_hook, bad_handler, io.StringIO()
    thread.start()
    thread.join()
    shown = sys.stderr.getvalue()
    sys.stderr, sys.excepthook = sys.__stderr__, sys.__excepthook__
    own, last = shown.find("ZeroDivisionError"), shown.find("TypeError")
    return "the thread's own error is " + ("shown first" if 0 <= own < last else "lost")
