"""A worker recurses through C (max over map) to depth 3,000: its stack is as deep as the standard library's."""

import sys
import threading

sys.setrecursionlimit(20_000)


def down(depth):
    return max(map(down, [depth - 1])) if depth else 0


def work():
    try:
        print("bottom", down(3000))
    except RecursionError:
        print("RecursionError")


worker = threading.Thread(target=work)
worker.start()
worker.join()
