"""A worker forks; the child, whose only thread is that worker's, uses locks and threads and ends."""

import os
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)


def in_child():
    lock, done = threading.Lock(), threading.Event()
    with lock:
        threading.Thread(target=done.set).start()
        done.wait(10)
    alone = threading.active_count() <= 2 and threading.main_thread() is threading.current_thread()
    os._exit(0 if done.is_set() and alone else 1)


def work():
    pid = os.fork()
    if not pid:
        in_child()
    print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


worker = threading.Thread(target=work)
worker.start()
worker.join()
print("threads", threading.active_count())
