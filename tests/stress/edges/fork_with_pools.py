"""Main forks while a pool has idle workers and another one runs jobs; both processes go on with both pools."""

import os
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed, wait

warnings.simplefilter("ignore", DeprecationWarning)
idle, busy = ThreadPoolExecutor(2), ThreadPoolExecutor(2)
go_on = threading.Event()


def check(pool):
    """The pool works."""
    assert pool.submit(pow, 2, 5).result(20) == 32
    assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
    futures = [pool.submit(time.sleep, 0.001) for _ in range(4)]
    assert len(wait(futures[:2], 20).done) == 2
    assert len(list(as_completed(futures, 20))) == 4


check(idle)
running = [busy.submit(go_on.wait) for _ in range(3)]
pid = os.fork()
if not pid:
    assert threading.active_count() == 1
    if sys.argv[1:] != ["std"]:  # where the pools of a forked child hang
        check(idle)
        check(busy)
        assert len(busy._threads) <= 2
        assert all(thread.is_alive() for thread in busy._threads)
    check(ThreadPoolExecutor(2))
    sys.exit(5)
print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
go_on.set()
assert all(future.result(20) for future in running)
check(idle)
check(busy)
