"""A hook looks for the variables of the function that failed

id: 8b
claim: The hook has no access to the thread's objects.
today: false: the traceback leads to the frames, and those to their variables
stdlib: the hook saw account = 7
raddle: the hook saw account = 7, and so does a report: account = 7
"""

import sys
import time


def fail():
    account = 7
    raise ValueError(account)


def scene(threading):
    seen, reports = [], []

    def hook(args):
        traceback = args.exc_traceback
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        seen.append(traceback.tb_frame.f_locals["account"])

    threading.excepthook = hook
    raddle = sys.modules.get("raddle")
    if raddle:
        raddle.add_exception_hook(reports.append)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    while raddle and not reports:
        time.sleep(0.01)
    text = f"the hook saw account = {seen[0]}"
    for report in reports:
        [(name, value)] = report.frames[-1].locals
        text += f", and so does a report: {name} = {value}"
    return text
