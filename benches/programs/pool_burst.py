"""A burst of small tasks for a pool of eight threads, and their results in the order in which they are done."""

import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed

TASKS = 50_000


def task(number):
    return zlib.crc32(b"%d" % number)


def main():
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(task, number) for number in range(TASKS)]
        print(sum(future.result() for future in as_completed(futures)))


main()
