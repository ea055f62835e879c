"""No thread can be had: start() fails at once, and may be tried again

id: 6a
claim: start() waits for a free thread.
today: false: it fails at once; on 3.13 it cannot be tried again
stdlib: RuntimeError: can't start new thread, at once; a second try when there is room: ...
raddle: RuntimeError: can't start new thread..., at once; a second try when there is room: started
"""

import resource
import time
from pathlib import Path

MIB = 1 << 20


def scene(threading):
    threading.Thread(target=int).start()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    threading.stack_size(256 * MIB)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 64 * MIB, hard))
    thread = threading.Thread(target=int)
    before = time.monotonic()
    try:
        thread.start()
        first = "started"
    except RuntimeError as error:
        first = f"RuntimeError: {error}"
    first += ", at once" if time.monotonic() - before < 1 else ", late"
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    try:
        thread.start()
        second = "started"
    except RuntimeError as error:
        second = f"RuntimeError: {error}"
    return f"{first}; a second try when there is room: {second}"
