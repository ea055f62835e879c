"""Ctrl-C while the program waits for a thread at its end

id: 5a
claim: Threads that go on freeze the program at its end.
today: true, and Ctrl-C then ends it with exit status 0
stdlib: main has ended
raddle: main has ended, exit status 130 [RD005]
"""

import os
import signal
import time


def scene(threading):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
    go_on = threading.Event()

    def interrupt():
        threading.main_thread().join()
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        go_on.wait(5)

    threading.Thread(target=interrupt).start()
    return "main has ended"
