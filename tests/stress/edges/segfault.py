"""A worker reads address 0: faulthandler's dump must name its function, and the process die of the signal."""

import ctypes
import faulthandler
import threading

faulthandler.enable()


def reads_address_zero():
    ctypes.string_at(0)


worker = threading.Thread(target=reads_address_zero)
worker.start()
worker.join()
print("still here")
