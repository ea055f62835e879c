"""The hook for errors of threads fails itself, and so does the one after it

id: 7c
claim: Errors of the hook go to sys.excepthook.
today: true; if that fails too, the first error is lost
stdlib: the first error was lost
raddle: the first error was shown
"""

import io
import sys


def scene(threading):
    def fail(*arguments):
        raise ValueError("in the hook")

    real, sys.stderr = sys.stderr, io.StringIO()
    threading.excepthook = sys.excepthook = fail
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    shown, sys.stderr, sys.excepthook = sys.stderr.getvalue(), real, sys.__excepthook__
    return f"the first error was {'shown' if 'ZeroDivisionError' in shown else 'lost'}"
