"""raddle.install() puts the queue classes into the real module, and takes them out again."""

import subprocess
import sys
import textwrap


def run(program):
    """Runs a program; its output, which must come without an error."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_in_the_module_and_in_those_that_imported_from_it():
    """Names under which the classes were imported before; the exceptions and the interpreter's own module stay."""
    assert run("""
        import sys, types, queue, _queue
        early = types.ModuleType("early")
        sys.modules["early"] = early
        from queue import Queue, SimpleQueue as Simple, Empty, Full
        early.Jobs, early.Empty, early.Simple = Queue, Empty, Simple
        before = {name: getattr(queue, name) for name in queue.__all__}
        had_shutdown = hasattr(queue, "ShutDown")
        import raddle, raddle.queue
        installed = raddle.install()
        for name in ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "ShutDown"):
            assert getattr(queue, name) is getattr(raddle.queue, name), name
        assert queue.Empty is Empty is raddle.queue.Empty and queue.Full is Full
        assert early.Jobs is Queue is queue.Queue and early.Simple is Simple is queue.SimpleQueue
        assert _queue.SimpleQueue is before["SimpleQueue"]
        installed.undo()
        assert {name: getattr(queue, name) for name in queue.__all__} == before
        assert early.Jobs is Queue is before["Queue"]
        assert hasattr(queue, "ShutDown") == had_shutdown
        print("done")
    """) == ["done"]


def test_what_stands_on_queues_goes_on():
    """The pool, logging's queue handlers, multiprocessing's thread pool, on raddle's queues."""
    assert run("""
        import raddle
        raddle.install()
        import logging, logging.handlers, queue
        from concurrent.futures import ThreadPoolExecutor
        from multiprocessing.pool import ThreadPool
        import raddle.futures

        with ThreadPoolExecutor(4) as pool:
            assert type(pool) is raddle.futures.ThreadPoolExecutor
            print(sum(pool.map(abs, range(-100, 0))))
        with ThreadPool(3) as pool:
            print(sum(pool.map(abs, range(-100, 0))))
        jobs, seen = queue.Queue(), []
        class Keep(logging.Handler):
            def emit(self, record):
                seen.append(record.getMessage())
        listener = logging.handlers.QueueListener(jobs, Keep())
        listener.start()
        log = logging.getLogger("x")
        log.addHandler(logging.handlers.QueueHandler(jobs))
        log.error("heard")
        listener.stop()
        print(*seen)
    """) == ["5050", "5050", "heard"]


def test_queues_of_before_live_on():
    """Made by the standard library's classes, used after the change and after its end."""
    assert run("""
        import queue, raddle
        class Mine(queue.Queue):
            pass
        early, mine = queue.Queue(), Mine()
        early.put(1)
        with raddle.install():
            late = queue.Queue()
            mine.put(3)
            late.put(2)
            print(early.get())
        print(late.get(), mine.get())
    """) == ["1", "2", "3"]
