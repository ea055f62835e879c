"""Main returns while daemons print, take locks and start threads."""

import sys
import threading

lock = threading.Lock()
up = threading.Barrier(7)


def printer(number):
    up.wait()
    while True:
        with lock:
            sys.stderr.write("")
        print(number)


def starter():
    up.wait()
    while True:
        thread = threading.Thread(target=lambda: None, daemon=True)
        thread.start()
        thread.join()


for number in range(4):
    threading.Thread(target=printer, args=(number,), daemon=True).start()
for _ in range(2):
    threading.Thread(target=starter, daemon=True).start()
up.wait()
