"""N items through a queue by eight threads, with random time limits, changes of mode and shutdowns: none lost, none twice.

    python tests/stress/queues.py raddle --items 1000000 --seed 7
    python tests/stress/queues.py raddle --items 1000000 --minutes 20

Four threads put, four get, each call with a time limit of its own, none or no wait at all; now and then somebody touches
the mutex (if `--touch`), and in the end the queue is shut down. With `--stops` the threads are stopped all the while, each
to be followed by another that goes on where it was. The line on stdout says how many items went through, how many calls
timed out or were stopped, and the seed. With `--minutes` this goes on, with other seeds, and whether somebody touches the
mutex, whether the shutdown comes in the middle and whether threads are stopped are thrown for each time.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter

import harness

KINDS = ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue")


def patience(dice):
    """Arguments for a put or a get: for ever, not at all, or for a moment."""
    return dice.choice([(), (), (False,), (True, 0), (True, dice.random() * 2e-3), (True, 0.2)])


class Run:
    """One queue and its eight threads."""

    def __init__(self, queue, name, items, maxsize, seed):
        self.queue, self.name, self.seed = queue, name, seed
        self.q = getattr(queue, name)(*[maxsize] * (name != "SimpleQueue"))
        self.items, self.timed_out = items, Counter()
        self.put, self.got = [[] for _ in range(4)], [[] for _ in range(4)]
        self.next = list(range(4))  # which item a producer is at
        self.dice = [random.Random(seed * 8 + number) for number in range(8)]

    def producer(self, number):
        """Puts its share; a call that gives up is made again, or the item left out."""
        dice = self.dice[number]
        for item in range(self.next[number], self.items, 4):
            self.next[number] = item
            while True:
                try:
                    self.q.put(item, *patience(dice))
                    self.put[number].append(item)
                    break
                except self.queue.Full:
                    self.timed_out["put"] += 1
                    if dice.random() < 0.1:
                        break
                except self.queue.ShutDown:
                    return

    def consumer(self, number):
        """Gets until the end: a shutdown, or a sentinel, which is larger than any item."""
        dice = self.dice[4 + number]
        while True:
            try:
                item = self.q.get(*patience(dice))
            except self.queue.Empty:
                self.timed_out["get"] += 1
                continue
            except self.queue.ShutDown:
                return
            if item >= self.items:
                return
            self.got[number].append(item)
            if self.name != "SimpleQueue":
                self.q.task_done()

    def run(self, touch, early, stops):
        """All of it; the items that were put, those that came out."""
        seat = Relay(self.seed, self.timed_out).seat if stops else threading.Thread
        producers = [seat(target=self.producer, args=(number,)) for number in range(4)]
        consumers = [seat(target=self.consumer, args=(number,)) for number in range(4)]
        for thread in producers + consumers:
            thread.start()
        if touch and self.name != "SimpleQueue":
            time.sleep(0.05)
            with self.q.mutex:
                assert self.q.queue is not None
        left = []
        if early:
            time.sleep(random.Random(self.seed).random() * 0.2)
            self.q.shutdown()
        for thread in producers:
            thread.join()
        if self.name == "SimpleQueue" or not hasattr(self.q, "shutdown"):
            for number in range(4):
                self.q.put(self.items + number)
        else:
            if not early:
                self.q.join()
            self.q.shutdown()
        for thread in consumers:
            thread.join()
        while not self.q.empty():
            left.append(self.q.get_nowait())
        return sorted(sum(self.put, [])), sorted(sum(self.got, []) + [item for item in left if item < self.items])


class Relay:
    """Threads that are stopped at any moment: who comes after one goes on where it was."""

    def __init__(self, seed, stopped):
        self.dice, self.stopped = random.Random(seed), stopped

    def seat(self, target, args):
        return threading.Thread(target=self.occupy, args=(target, args))

    def occupy(self, target, args):
        """One after the other, until one has come to its end."""
        import raddle

        dice = random.Random(self.dice.random())
        while True:
            runner = raddle.spawn(target, *args)
            if not runner.join(dice.random() * 0.01):
                assert runner.stop(wait=60), f"{runner.name} was asked to stop and is {runner.activity}"
            runner.join()
            if runner.state is not raddle.ThreadState.STOPPED:
                return
            self.stopped["stopped"] += 1


def main():
    """Runs queues of each kind, once or for a while."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runtime")
    parser.add_argument("--items", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--minutes", type=float, default=0, help="go on for so long")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--touch", action="store_true")
    parser.add_argument("--early", action="store_true", help="shut down in the middle")
    parser.add_argument("--stops", action="store_true", help="stop the threads all the while")
    arguments = parser.parse_args()
    harness.choose(arguments.runtime)
    import queue

    if not hasattr(queue, "ShutDown"):
        queue.ShutDown = type("ShutDown", (Exception,), {})
    sys.setswitchinterval(1e-4)
    end = time.monotonic() + arguments.minutes * 60
    all_kinds(queue, arguments)
    while time.monotonic() < end:
        arguments.seed += 1
        dice = random.Random(arguments.seed)
        arguments.touch, arguments.early, arguments.stops = (dice.random() < 0.5 for _ in range(3))
        all_kinds(queue, arguments)


def all_kinds(queue, arguments):
    """One run with a queue of each kind and size; ends the process if an item was lost or came twice."""
    for name in arguments.kinds.split(","):
        for maxsize in (0,) if name == "SimpleQueue" else (0, 1, 16):
            run = Run(queue, name, arguments.items, maxsize, arguments.seed)
            early = arguments.early and hasattr(run.q, "shutdown")
            put, got = run.run(arguments.touch, early, arguments.stops)
            if put != got:
                lost, twice = Counter(put) - Counter(got), Counter(got) - Counter(put)
                sys.exit(f"{name}({maxsize}): lost {list(lost)[:9]}, twice {list(twice)[:9]}, seed {arguments.seed}")
            print(f"{name}({maxsize}): {len(got)} items, timed out: {dict(run.timed_out)}, seed {arguments.seed}")


if __name__ == "__main__":
    main()
