"""Threads one after the other, with SIGUSR1 blocked, open and blocked again in main: each inherits what main has."""

import signal
import threading


def look():
    seen.append([int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])])


seen = []
for change in (signal.SIG_BLOCK, signal.SIG_UNBLOCK, signal.SIG_BLOCK):
    signal.pthread_sigmask(change, [signal.SIGUSR1])
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
print(seen)
