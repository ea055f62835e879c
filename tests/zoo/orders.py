"""Programs that take locks in opposite orders and cannot deadlock. Each has an excuse; without that it is told.

    raddle run tests/zoo/orders.py gate_lock            # nothing is told
    raddle run tests/zoo/orders.py gate_lock --guilty   # the same without the gate: RD006

A program is a function of `excused`. The threads run one after the other, so nothing here ever hangs.
"""

import random
import sys
import threading

import raddle

PROGRAMS = {}


def program(function):
    """Adds a function to the zoo."""
    PROGRAMS[function.__name__] = function
    return function


def one_after_the_other(*functions):
    """Runs each function in a thread of its own."""
    for function in functions:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()


def nested(*locks):
    """A function that takes these locks, each inside the one before."""

    def take(rest=locks):
        if rest:
            with rest[0]:
                take(rest[1:])

    return take


class NoLock:
    """Stands where a lock would be."""

    def __enter__(self):
        pass

    def __exit__(self, *exc_info):
        pass


@program
def gate_lock(excused):
    """Both orders are always taken under one and the same outer lock."""
    gate = threading.Lock() if excused else NoLock()
    a, b = threading.Lock(), threading.Lock()
    one_after_the_other(nested(gate, a, b), nested(gate, b, a))


@program
def gate_further_out(excused):
    """A ring of three, of which two share a lock that is not the one around the pair."""
    gate = threading.RLock() if excused else NoLock()
    a, b, c, d = (threading.Lock() for _ in range(4))
    one_after_the_other(nested(gate, d, a, b), nested(b, c), nested(gate, c, a))


@program
def one_thread(excused):
    """One thread takes both orders, another one none that matters."""
    a, b = threading.Lock(), threading.Lock()

    def both():
        nested(a, b)()
        nested(b, a)()

    one_after_the_other(both, nested(a) if excused else nested(a, b))


@program
def before_there_were_threads(excused):
    """The main thread takes one order while it is alone, before and after the others."""
    a, b = threading.Lock(), threading.Lock()
    stop = threading.Event()
    idle = threading.Thread(target=stop.wait)
    if not excused:
        idle.start()
    nested(a, b)()
    one_after_the_other(nested(b, a))
    nested(a, b)()
    stop.set()


@program
def try_and_back_off(excused):
    """One order by a take that gives up at once if it must."""
    a, b = threading.Lock(), threading.Lock()

    def polite():
        with b:
            if a.acquire(not excused):
                a.release()

    one_after_the_other(nested(a, b), polite)


@program
def timed(excused):
    """One order by a take that gives up after a while."""
    a, b = threading.RLock(), threading.RLock()

    def patient():
        with b:
            if a.acquire(timeout=10) if excused else a.acquire():
                a.release()

    one_after_the_other(nested(a, b), patient)


@program
def tried_first(excused):
    """A lock that was tried for is held like any other; but nobody holds the second while he waits for it."""
    a, b = threading.Lock(), threading.Lock()

    def lucky():
        assert a.acquire(False)
        with b:
            pass
        a.release()

    one_after_the_other(lucky, nested(b) if excused else nested(b, a))


@program
def handed_over(excused):
    """A lock that one thread takes and another one releases is a signal."""
    signal, b = threading.Lock(), threading.Lock()

    def wait():
        signal.acquire()
        with b:
            pass
        if not excused:
            signal.release()

    def wait_inside():
        with b:
            signal.acquire()
            signal.release()

    one_after_the_other(wait)
    if excused:
        signal.release()
    one_after_the_other(wait_inside)
    one_after_the_other(nested(signal, b), nested(b, signal))


@program
def left_in_the_list(excused):
    """What another thread has released, its taker does not hold while it takes the next."""
    signal, b = threading.Lock(), threading.Lock()
    taken, released = threading.Event(), threading.Event()

    def release():
        taken.wait()
        if excused:
            signal.release()
        released.set()

    def take():
        signal.acquire()
        taken.set()
        released.wait()
        nested(b)()
        if not excused:
            signal.release()

    helper = threading.Thread(target=release)
    helper.start()
    one_after_the_other(take, nested(b, signal))
    helper.join()


@program
def released_by_a_method_of_before(excused):
    """What a method has released that was taken from the lock before orders were learned is not held."""
    from raddle import _raddle

    _raddle.learn_lock_order(False)
    a, b = threading.Lock(), threading.Lock()
    release = a.release
    installed = raddle.install(lock_order=True)

    def take():
        a.acquire()
        if excused:
            release()
        nested(b)()
        if not excused:
            a.release()

    one_after_the_other(take, nested(b, a))
    del installed


@program
def taken_again(excused):
    """A holder that takes its lock again waits for nobody."""
    a, b = threading.RLock(), threading.RLock()
    one_after_the_other(nested(a, b, a), nested(a, b, a, b) if excused else nested(b, a))


@program
def left_by_a_dead_thread(excused):
    """A thread dies with a lock in hand; the next one, on the same thread of the system, has nothing."""
    a, b = threading.Lock(), threading.Lock()

    def take_and_die():
        a.acquire()

    def take(also=()):
        nested(b, *also)()

    if excused:
        one_after_the_other(take_and_die, take)
        a._at_fork_reinit()  # free again, and nobody has released it
    else:
        one_after_the_other(nested(a, b), lambda: take((a,)))
    one_after_the_other(nested(b, a))


@program
def after_a_wait(excused):
    """A condition's lock is in hand again after its wait, and in the same order as everybody's."""
    condition, b = threading.Condition(threading.Lock()), threading.Lock()

    def wait():
        with condition:
            condition.wait(0.01)
            with b:
                pass

    one_after_the_other(wait, nested(condition, b) if excused else nested(b, condition))


@program
def saved_and_restored(excused):
    """The lock of somebody else's condition is not in hand while that waits."""
    a, b = threading.RLock(), threading.Lock()

    def wait():
        with a:
            state = a._release_save() if excused else None
            with b:
                pass
            if excused:
                a._acquire_restore(state)

    one_after_the_other(wait, nested(b, a))


@program
def locks_that_are_gone(excused):
    """New locks at the addresses of old ones have orders of their own."""
    for _ in range(300):
        a, b = threading.Lock(), threading.Lock()
        one_after_the_other(nested(a, b))
        if not excused:
            one_after_the_other(nested(b, a))
        del a, b


@program
def readers_meet(excused):
    """Readers of two tables, in both orders: a reader waits for nobody who reads."""
    a, b = raddle.RWLock(), raddle.RWLock()
    last = b.read() if excused else b.write()
    one_after_the_other(nested(a.read(), last), nested(b.read(), a.read() if excused else a.write()))


@program
def gate_that_is_written(excused):
    """Both orders under one lock for readers and writers, of which at least one thread keeps all others away."""
    gate, a, b = raddle.RWLock(), raddle.Lock(), raddle.RLock()
    one_after_the_other(nested(gate.read(), a, b), nested(gate.write() if excused else gate.read(), b, a))


@program
def read_again(excused):
    """A reader that reads again waits for nobody; what it holds ends with its last release, on whichever object."""
    a, b = raddle.RWLock(), raddle.Lock()
    first, second = a.read(timeout=10), a.read()

    def read():
        with first:
            second.acquire()
            nested(b, a.read())()
            second.release()
        if excused:
            nested(b)()

    one_after_the_other(read, nested(b) if excused else nested(b, a.write()))


@program
def within(excused):
    """One order by a take that gives up after a while, of a lock that answers."""
    a, b = raddle.Lock(), raddle.RLock()
    one_after_the_other(nested(a, b.within(None)), nested(b, a.within(10 if excused else None)))


@program
def strict_after_a_wait(excused):
    """A strict lock is not in hand while its condition waits, and is again afterwards."""
    lock, b, waits = raddle.Lock(), raddle.Lock(), threading.Event()
    condition = raddle.Condition(lock)

    def wait():
        with condition:
            condition.wait_for(waits.is_set, 0.01)
            with b:
                pass

    one_after_the_other(wait, nested(lock, b) if excused else nested(b, condition))


@program
def recovered(excused):
    """A lock that was taken over from a dead thread is in hand, and its release is its holder's."""
    a, b = raddle.Lock(), raddle.Lock()

    def recover():
        a.recover()
        nested(b)()
        a.release()

    one_after_the_other(a.acquire, recover, nested(a, b) if excused else nested(b, a))


def take_in_some_way(lock, choose, inside):
    """Takes a lock as `with` does, or by acquire() and release(), or twice; then calls `inside`."""
    way = choose.randrange(3)
    if way == 0:
        lock.acquire()
        inside()
        lock.release()
    elif way == 1 and hasattr(lock, "_is_owned") and not isinstance(lock, raddle.Lock):
        with lock, lock:
            inside()
    else:
        with lock:
            inside()


@program
def a_thousand_at_random(excused):
    """Each with three threads that take some of six locks of all kinds, in one order (unless guilty), and try for others."""
    kinds = (
        threading.Lock,
        threading.RLock,
        threading.Condition,
        raddle.Lock,
        raddle.RLock,
        lambda: raddle.RWLock().write(),
    )

    def take(locks, others, choose):
        if locks:
            take_in_some_way(locks[0], choose, lambda: take(locks[1:], others, choose))
        elif choose.random() < 0.5 and others and others[0].acquire(False):
            others[0].release()

    for seed in range(1000):
        choose = random.Random(seed)
        locks = [choose.choice(kinds)() for _ in range(6)]

        def work(locks=locks, choose=choose):
            for _ in range(3):
                some = choose.sample(range(6), choose.randint(1, 4))
                order = sorted(some) if excused else some
                take([locks[n] for n in order], [lock for n, lock in enumerate(locks) if n not in some], choose)

        one_after_the_other(work, work, work)


if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]("--guilty" not in sys.argv)
    print("done")
