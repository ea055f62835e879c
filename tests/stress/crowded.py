"""Short jobs one by one, on a processor that somebody else wants as well: seconds with the standard library, with raddle."""

import concurrent.futures
import os
import subprocess
import sys
import time

import raddle.futures

ROUNDS, JOBS = 10, 300


def spent(pool):
    start = time.perf_counter()
    for _ in range(JOBS):
        pool.submit(int).result()
    return time.perf_counter() - start


os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
try:
    with concurrent.futures.ThreadPoolExecutor(4) as theirs, raddle.futures.ThreadPoolExecutor(4) as ours:
        rounds = [(spent(theirs), spent(ours)) for _ in range(ROUNDS)]
finally:
    spinner.kill()
    spinner.wait()
print(*map(sum, zip(*rounds, strict=True)))
