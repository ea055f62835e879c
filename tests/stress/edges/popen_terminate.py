"""A worker starts a program and terminates it: the child must not have inherited blocked signals."""

import signal
import subprocess
import sys
import threading


def work():
    print("mask", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"], stdout=-1)
    child.stdout.readline()
    with open(f"/proc/{child.pid}/status") as status:
        print([line.split()[1] for line in status if line.startswith("SigBlk")])
    child.terminate()
    print("exit", child.wait(20))


worker = threading.Thread(target=work)
worker.start()
worker.join()
