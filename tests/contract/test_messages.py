"""What errors say beyond CPython's words: who, where, since when, what to do. The words themselves come first."""

import re
import threading
import time

import pytest
import raddle.threading as raddle_threading
from compare import same

HERE = re.escape(__file__.rsplit("/", 1)[1])


def ended(t, target=int, name="worker"):
    """A thread that has ended; its error is not printed."""
    thread = t.Thread(target=target, name=name)
    thread.start()
    thread.join(20)
    return thread


def joins_itself(t):
    """The error of a thread that joins itself is raised here."""
    errors = []

    def body():
        try:
            t.current_thread().join()
        except RuntimeError as error:
            errors.append(error)

    ended(t, body)
    raise errors[0]


def becomes_a_daemon(t):
    """A running thread becomes a daemon."""
    go_on = t.Event()
    thread = t.Thread(target=go_on.wait, name="worker")
    thread.start()
    try:
        thread.daemon = True
    finally:
        go_on.set()
        thread.join(20)


def twice_after(target):
    """Starts a thread again that has ended."""

    def body(t):
        hook, t.excepthook = t.excepthook, lambda args: None
        try:
            thread = ended(t, target)
        finally:
            t.excepthook = hook
        thread.start()

    return body


def boom():
    """A target that dies."""
    raise ValueError("no such account")


def released_after_use(t):
    """A lock that was taken, released, and is released once more."""
    ledger = t.Lock()
    with ledger:
        pass
    ledger.release()


def held_by_another(t, use):
    """`use(lock)` while a thread holds the lock."""
    index, taken, go_on = t.RLock(), t.Event(), t.Event()

    def hold():
        with index:
            taken.set()
            go_on.wait(20)

    holder = t.Thread(target=hold, name="holder")
    holder.start()
    taken.wait(20)
    try:
        use(index)
    finally:
        go_on.set()
        holder.join(20)


def made_and_used(kind, use):
    """`use(object)` on a new object that has a name."""

    def body(t):
        thing = getattr(t, kind)(*((2,) if kind in ("BoundedSemaphore", "Barrier") else ()))
        use(thing)

    return body


def breaks(barrier):
    """Waits at a broken barrier."""
    barrier.abort()
    barrier.wait()


MADE = rf"'body.thing#\d+', made at \S*{HERE}:\d+, "
CASES = {
    "start twice": (
        twice_after(int),
        rf"thread 'worker' was started by 'MainThread' at \S*{HERE}:\d+, .*, and ended .*; make a new Thread",
    ),
    "start a dead one": (twice_after(boom), r"and died .* of ValueError: no such account; make a new Thread"),
    "start main": (lambda t: t.main_thread().start(), "thread 'MainThread' is the one that the program began with"),
    "join before start": (
        lambda t: t.Thread(name="late").join(),
        r"thread 'late' has not been started; call its start",
    ),
    "join itself": (
        joins_itself,
        rf"'worker' was started by 'MainThread' at \S*{HERE}:\d+, .*; let another thread join",
    ),
    "daemon too late": (
        becomes_a_daemon,
        r"'worker' was started by .*; give daemon= to the constructor, or set it before",
    ),
    "release a new lock": (
        made_and_used("Lock", lambda lock: lock.release()),
        rf"Lock {MADE}is free: nobody has taken",
    ),
    "release twice": (released_after_use, rf"is free: it was last taken at \S*{HERE}:\d+ and given back since"),
    "leave a free lock": (made_and_used("Lock", lambda lock: lock.__exit__()), "is free: nobody has taken it; release"),
    "release a new RLock": (made_and_used("RLock", lambda lock: lock.release()), rf"RLock {MADE}is free"),
    "release another's": (
        lambda t: held_by_another(t, lambda lock: lock.release()),
        rf"is held by 'holder', which took it at \S*{HERE}:\d+; only its holder can release it",
    ),
    "_release_save": (made_and_used("RLock", lambda lock: lock._release_save()), rf"RLock {MADE}is free"),
    "wait without the lock": (
        made_and_used("Condition", lambda c: c.wait()),
        rf"Condition {MADE}is not held by anybody",
    ),
    "notify without the lock": (made_and_used("Condition", lambda c: c.notify()), r"enter it first: `with condition: "),
    "notify_all without the lock": (made_and_used("Condition", lambda c: c.notify_all()), "enter it first"),
    "notify under another's": (
        lambda t: held_by_another(t, lambda lock: t.Condition(lock).notify()),
        "is held by 'holder'",
    ),
    "release too many permits": (
        made_and_used("BoundedSemaphore", lambda s: s.release()),
        rf"BoundedSemaphore {MADE}has all of its 2 permits back already",
    ),
    "release too many at once": (
        made_and_used("BoundedSemaphore", lambda s: s.release(3)),
        "all of its 2 permits back",
    ),
    "leave a full semaphore": (made_and_used("BoundedSemaphore", lambda s: s.__exit__(None, None, None)), "2 permits"),
    "broken": (made_and_used("Barrier", breaks), rf"Barrier {MADE}is broken: .*reset\(\) makes it as new"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_standard_librarys_words_come_first_then_who_and_where(case):
    """Same class, same beginning, and in parentheses what is known; all on one line."""
    body, known = CASES[case]
    text = str(same(raddle_threading, body))
    theirs = str(same(threading, body)).split(" (thread 'MainThread' ")[0]  # the one main thread is raddle's in both
    assert re.search(known, text), text
    assert "\n" not in text
    assert not theirs or re.fullmatch(re.escape(theirs) + r" \(.*\)", text), text


def test_a_condition_over_a_lock_that_nobody_knows_has_only_the_words(api):
    """Whose a user's own lock is cannot be said."""

    class Own:
        acquire = release = _is_owned = staticmethod(lambda *args: False)

    error = same(api, lambda t: t.Condition(Own()).wait())
    assert str(error) == "cannot wait on un-acquired lock"


def test_an_error_that_is_handled_costs_little(api):
    """Releasing a free lock a thousand times, with the error caught each time."""
    lock = api.Lock()
    began = time.process_time()
    for _ in range(1000):
        with pytest.raises(RuntimeError):
            lock.release()
    assert time.process_time() - began < 2
