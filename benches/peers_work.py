"""The work that peers.py times: `work(make)` gives a function that does it so many times with what `make` makes.

What is made and warmed up once lies outside that function. It may return the seconds that count; otherwise the whole
call does.
"""

import asyncio
import threading
import time
from _thread import start_new_thread

SHARE_SECONDS = 0.5


def method(thing, name):
    """A bound method; those that block a thread are called green_... by aiologic."""
    return getattr(thing, f"green_{name}", None) or getattr(thing, name)


def in_turn(first, second=None):
    """The work that calls a method, or one after another."""

    def work(make):
        thing = make()
        call = method(thing, first)

        def once(count):
            for _ in range(count):
                call()

        if second is None:
            return once
        other = method(thing, second)

        def twice(count):
            for _ in range(count):
                call()
                other()

        return twice

    return work


def enter(make):
    thing = make()

    def run(count):
        for _ in range(count):
            with thing:
                pass

    return run


def make_and_take(make):
    """New ones, all of which are kept: what is kept about each must not cost more when there are many."""

    def run(count):
        kept = []
        for _ in range(count):
            thing = make()
            thing.acquire()
            kept.append(thing)

    return run


def enter_and_notify(make):
    condition = make()

    def run(count):
        for _ in range(count):
            with condition:
                condition.notify()

    return run


def wait_when_set(make):
    event = make()
    event.set()
    return in_turn("wait")(lambda: event)


def put_and_get(make, waiting=0):
    things = make()
    put, get = method(things, "put"), method(things, "get")
    for number in range(waiting):
        put(number)

    def run(count):
        for number in range(count):
            put(number)
            get()

    return run


def put_and_get_among_1000(make):
    return put_and_get(make, 1000)


def run_threads(jobs):
    threads = [threading.Thread(target=job, args=arguments) for job, *arguments in jobs]
    for thread in threads:
        thread.start()
    return threads


def hand_over(pairs):
    """The work of as many producers and as many consumers at one queue."""

    def work(make):
        def run(count):
            things = make()
            put, get = method(things, "put"), method(things, "get")

            def produce():
                for number in range(count // pairs):
                    put(number)

            def consume():
                for _ in range(count // pairs):
                    get()

            for thread in run_threads([(produce,)] * pairs + [(consume,)] * pairs):
                thread.join()

        return run

    return work


def share(holders):
    """The work of threads that live long and hold by turns; one hold in a hundred lets the others run inside it."""

    def work(make):
        def run(_):
            thing, gate, stop = make(), threading.Barrier(holders + 1), threading.Event()
            acquire, release, holds = method(thing, "acquire"), method(thing, "release"), [0] * holders

            def hold(place):
                gate.wait()
                while not stop.is_set():
                    for turn in range(100):
                        acquire()
                        if turn == 50:
                            time.sleep(0)
                        release()
                    holds[place] += 100

            threads = run_threads([(hold, place) for place in range(holders)])
            gate.wait()
            start = time.perf_counter()
            time.sleep(SHARE_SECONDS)
            stop.set()
            for thread in threads:
                thread.join()
            return (time.perf_counter() - start) / sum(holds)

        return run

    return work


def start_callers_time(make):
    def run(count):
        spent = 0.0
        for _ in range(count):
            thread = make(target=int)
            start = time.perf_counter()
            thread.start()
            spent += time.perf_counter() - start
            thread.join()
        return spent

    return run


def start_beside_4_that_spin(make):
    def run(count):
        stop = threading.Event()

        def spin():
            while not stop.is_set():
                sum(range(100))

        spinners = run_threads([(spin,)] * 4)
        spent = start_callers_time(make)(count)
        stop.set()
        for spinner in spinners:
            spinner.join()
        return spent

    return run


def start_and_join(make):
    def run(count):
        for _ in range(count):
            thread = make(target=int)
            thread.start()
            thread.join()

    return run


def start_all_and_join(make):
    def run(count):
        threads = [make(target=int) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


class BareThread:
    """A thread as `_thread` gives it, with a lock to see its end by."""

    def __init__(self, target):
        self.target, self.running = target, threading.Lock()
        self.join = self.running.acquire

    def start(self):
        self.running.acquire()
        start_new_thread(self.run, ())

    def run(self):
        self.target()
        self.running.release()


def warm(pool):
    list(pool.map(int, range(8)))
    return pool


def submit_and_result(make):
    pool = warm(make())

    def run(count):
        for _ in range(count):
            pool.submit(int).result()

    return run


def submit_all_then_results(make):
    pool = warm(make())

    def run(count):
        for future in [pool.submit(int) for _ in range(count)]:
            future.result()

    return run


def map_all(make):
    pool = warm(make())

    def run(count):
        for _ in pool.map(int, range(count)):
            pass

    return run


def done_futures(function):
    """The work of a module's function over futures of its own pool that are all done."""

    def work(make):
        module = make()
        call = getattr(module, function)
        done = []

        def run(count):
            if len(done) != count:
                with module.ThreadPoolExecutor(4) as pool:
                    done[:] = [pool.submit(int) for _ in range(count)]
            start = time.thread_time()
            for _ in call(done):
                pass
            return time.thread_time() - start

        return run

    return work


def to_thread(make):
    loop = asyncio.new_event_loop()
    loop.set_default_executor(make())

    async def run_all(count):
        for _ in range(count):
            await asyncio.to_thread(int)

    return lambda count: loop.run_until_complete(run_all(count))


def arm_and_fire(make):
    def run(count):
        fired = threading.Semaphore(0)
        for _ in range(count):
            make(0.2, fired.release).start()
        for _ in range(count):
            fired.acquire()

    return run
