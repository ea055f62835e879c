"""pthread_kill interrupts the system call of the worker that it names."""

import ctypes
import errno
import signal
import threading

libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGUSR1, lambda *_: None)
woken = threading.Event()


def work():
    libc.pause()
    print("woken", errno.errorcode[ctypes.get_errno()])
    woken.set()


worker = threading.Thread(target=work)
worker.start()
while not woken.wait(0.01):
    signal.pthread_kill(worker.ident, signal.SIGUSR1)
worker.join()
