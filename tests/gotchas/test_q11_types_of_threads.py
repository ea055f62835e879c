"""Question 11: types of threads. `raddle.threads()` says what each one is."""

import _thread
import threading

import raddle
from raddle import futures
from raddle import threading as mine


def test_one_of_each():
    go, seen = mine.Event(), []
    arrived = mine.Semaphore(0)

    def wait(*_):
        arrived.release()
        go.wait()

    def foreign():
        wait()
        seen.append("foreign is done")

    pool = futures.ThreadPoolExecutor(1)
    pool.submit(wait)
    timer = mine.Timer(3600, wait)
    timer.start()
    regular, daemon = raddle.spawn(wait, name="regular"), raddle.spawn(wait, name="daemon", daemon=True)
    supervised = raddle.spawn(wait, name="supervised", restart="transient")
    _thread.start_new_thread(foreign, ())
    with raddle.Scope() as scope:
        scoped = scope.spawn(wait, name="scoped")
        for _ in range(6):
            assert arrived.acquire(timeout=20)
        kinds = {info.serial: info.kind for info in raddle.threads()}
        by_name = {info.name: info.kind for info in raddle.threads()}
        go.set()
    timer.cancel()
    raddle.join_all([regular, daemon, supervised])
    pool.shutdown()
    assert [kinds[thread.serial] for thread in (regular, daemon, supervised, scoped)] == [
        "regular",
        "daemon",
        "supervised",
        "scoped",
    ]
    assert by_name["MainThread"] == "main"
    assert {"pool", "timer", "foreign"} <= set(kinds.values())
    assert raddle.info(regular).state == "finished" and raddle.info(threading.main_thread()).kind == "main"
    assert raddle.info(raddle.Thread(target=int)) is None
