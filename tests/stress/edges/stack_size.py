"""threading.stack_size(512 MiB): the next thread has such a stack, the one after it the old size again."""

import ctypes
import threading

libc = ctypes.CDLL(None)


def size():
    attributes = ctypes.create_string_buffer(64)
    address, length = ctypes.c_void_p(), ctypes.c_size_t()
    libc.pthread_self.restype = ctypes.c_ulong
    libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes)
    libc.pthread_attr_getstack(attributes, ctypes.byref(address), ctypes.byref(length))
    libc.pthread_attr_destroy(attributes)
    return length.value


def measure():
    sizes.append(size())


def run():
    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()


sizes = []
run()
print("before", threading.stack_size(512 * 1024 * 1024))
run()
print("now", threading.stack_size())
print("then", threading.stack_size(0))
run()
print(sizes[1] >= 512 * 1024 * 1024, sizes[0] == sizes[2], sizes[0])
