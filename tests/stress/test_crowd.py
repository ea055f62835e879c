"""Many threads woken at once: every one of them comes back, whatever the others do meanwhile.

raddle unparks a few and lets each wake one more; what holds up one of them must not hold up the others.
"""

import random
import signal
import threading as real
import time

import harness
import pytest

CROWD = 150
ROUNDS = 5


def gathered(threads, waiting):
    """Starts the threads; returns once all of them wait."""
    for thread in threads:
        thread.start()
    while waiting() < len(threads):
        time.sleep(0.01)
    time.sleep(0.05)


class Crowd:
    """Threads that wait in `wait` and are counted when they come and when they go."""

    def __init__(self, api, wait, size=CROWD):
        self.came = self.back = 0
        self.count = real.Lock()
        self.wait = wait
        self.threads = [api.Thread(target=self.body) for _ in range(size)]
        gathered(self.threads, lambda: self.came)

    def body(self):
        with self.count:
            self.came += 1
        self.wait()
        with self.count:
            self.back += 1

    def join(self):
        for thread in self.threads:
            thread.join()
        assert self.back == len(self.threads)


def of_event(api):
    event = api.Event()
    return event.wait, event.set


def of_condition(api):
    condition = api.Condition()

    def wait():
        with condition:
            condition.wait()

    def wake():
        with condition:
            condition.notify_all()

    return wait, wake


def of_barrier(api):
    barrier = api.Barrier(CROWD + 1)
    return barrier.wait, barrier.wait


def of_thread(api):
    """Those who wait for the end of one thread."""
    go = api.Event()
    thread = api.Thread(target=go.wait)
    thread.start()
    return thread.join, go.set


@pytest.mark.parametrize("of", [of_event, of_condition, of_barrier, of_thread])
def test_all_come_back(api, of):
    for _ in range(ROUNDS):
        wait, wake = of(api)
        crowd = Crowd(api, wait)
        wake()
        crowd.join()


def test_all_come_back_from_a_queue(api, queue_api):
    """Those who wait to put, and those who wait for the tasks to be done."""
    queue = queue_api.Queue(1)
    queue.put(0)
    joiners = Crowd(api, queue.join)
    putters = Crowd(api, lambda: queue.put(1))
    for _ in range(CROWD + 1):
        queue.get()
        queue.task_done()
    putters.join()
    joiners.join()


def test_those_whose_time_is_up_at_that_moment_hold_up_nobody(api):
    for round in range(ROUNDS):
        event, limits = api.Event(), random.Random(round)
        crowd = Crowd(api, lambda e=event, r=limits: e.wait(r.choice([None, 0.15, 0.2, 0.25])))
        time.sleep(0.15)
        event.set()
        crowd.join()


@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="about raddle's way to wake many")
def test_a_handler_that_waits_for_one_further_back_holds_up_nobody():
    """Main is woken with the others while its handler waits for what the last of them gives."""
    import raddle.queue
    import raddle.threading as api

    event, given = api.Event(), raddle.queue.SimpleQueue()
    got = []

    def handler(*_):
        event.set()
        got.append(given.get())

    def give():
        event.wait()
        given.put("gift")

    def send():
        crowd = Crowd(api, event.wait)
        last = api.Thread(target=give)
        gathered([last], last.is_alive)
        signal.pthread_kill(real.main_thread().ident, signal.SIGUSR1)
        crowd.join()
        last.join()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        sender = api.Thread(target=send)
        sender.start()  # and main is the first to wait
        assert event.wait()
        sender.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert got == ["gift"]
