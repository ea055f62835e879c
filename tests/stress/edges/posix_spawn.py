"""A worker uses posix_spawn; the child has an empty signal mask and ends as it should."""

import os
import sys
import threading

CHILD = "import signal, sys; sys.exit(7 if not signal.pthread_sigmask(signal.SIG_BLOCK, []) else 8)"


def work():
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", CHILD], os.environ)
    print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


worker = threading.Thread(target=work)
worker.start()
worker.join()
