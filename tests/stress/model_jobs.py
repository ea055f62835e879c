"""The model's part about queues, pools with their futures, and timers (locks and the search: model.py).

A job of a pool and the function of a timer are threads from the start, but not yet RUN: a job is IDLE until it is
submitted, then QUEUED until it is the first of its pool's queue and a worker is free, which has TAKEN it a moment before
it begins, when it can still be cancelled (DOOMED) but not thrown out of the queue; a timer is IDLE, then WAITING,
and may fire at any moment. The last step of both is `end`, which is when a future is done and a timer no longer alive.
CANCELLED is a future that said True to cancel(); a worker that meets it in the queue makes it NOTIFIED, and only then
do wait() and as_completed() know of it, as on the standard library.

    a queue     (items, unfinished tasks)
    a pool      (workers at work, queue of jobs, whether it is shut down, jobs whose future others can look up)
    a timer     whether it is cancelled
"""

import model
from model import RUN, put

IDLE, QUEUED, CANCELLED, NOTIFIED, WAITING, ASKING, TAKEN, DOOMED = range(10, 18)
EMPTY_QUEUE = ((), 0)
NEW_POOL = (0, (), False, frozenset())
THROUGH = (IDLE, CANCELLED, NOTIFIED)


class Search(model.Search):
    """The successors of a state, for programs with all kinds of objects; the first `width` threads run from the start."""

    def __init__(self, threads, width):
        super().__init__(threads)
        self.width = width

    def first(self):
        """Where each thread is in the beginning."""
        return tuple((0, RUN if me < self.width else IDLE, None) for me in range(len(self.threads)))

    def finished(self, state):
        """Whether nothing is left to be done, in a state without successors."""
        return all(mode in THROUGH or self.ended(state, me) for me, (_, mode, _) in enumerate(state[0]))

    def ended(self, state, me):
        """Whether a thread is through with all its steps."""
        return state[0][me][0] == len(self.threads[me])

    def waiting(self, state, me, at, mode, detail):
        """The moves of a thread that is in one of the modes of this file."""
        if mode == WAITING:
            return self.fire(state, me)
        if mode in (QUEUED, CANCELLED):
            return self.take_job(state, me, mode)
        if mode in (TAKEN, DOOMED):
            return self.begin_job(state, me, mode)
        if mode == ASKING:
            operation, _thing, extra = self.threads[me][at]
            return getattr(self, f"ask_{operation}")(state, me, at, detail, extra)
        return []

    # ---- queues

    def do_put(self, state, me, at, thing, extra):
        """Puts, or waits for room; an attempt may say Full instead."""
        (item, size, attempt), (items, tasks) = extra, state[1][thing]
        if size and len(items) >= size:
            return [self.go(state, me, at + 1, token="Full")] if attempt else []
        return [self.go(state, me, at + 1, self.holding(state, thing, (items + (item,), tasks + 1)))]

    def do_get(self, state, me, at, thing, extra):
        """Gets the item that is due and writes it down; an attempt may say Empty instead."""
        (order, attempt), (items, tasks) = extra, state[1][thing]
        if not items:
            return [self.go(state, me, at + 1, token="Empty")] if attempt else []
        item = {"first": items[0], "last": items[-1], "least": min(items)}[order]
        where = len(items) - 1 if order == "last" else items.index(item)
        left = (items[:where] + items[where + 1 :], tasks)
        return [self.go(state, me, at + 1, self.holding(state, thing, left), token=str(item))]

    def do_task_done(self, state, me, at, thing, _extra):
        """One task fewer, or one too many."""
        items, tasks = state[1][thing]
        if not tasks:
            return [self.go(state, me, at + 1, token="ValueError")]
        return [self.go(state, me, at + 1, self.holding(state, thing, (items, tasks - 1)))]

    def do_join_tasks(self, state, me, at, thing, _extra):
        """Passes when no task is unfinished."""
        return [] if state[1][thing][1] else [self.go(state, me, at + 1)]

    # ---- pools

    def do_submit(self, state, me, at, thing, extra):
        """Queues a job; a pool that is shut down refuses, and the thread goes on `skip` steps later."""
        job, skip = extra
        busy, queue, shut, known = state[1][thing]
        if shut:
            return [self.go(state, me, at + skip, token="RuntimeError")]
        state = self.go(state, me, at + 1, self.holding(state, thing, (busy, queue + (job,), shut, known)))
        return [self.move(state, job, (0, QUEUED, thing))]

    def do_publish(self, state, me, at, thing, job):
        """From now on others can look the future up."""
        busy, queue, shut, known = state[1][thing]
        return [self.go(state, me, at + 1, self.holding(state, thing, (busy, queue, shut, known | {job})))]

    def take_job(self, state, me, mode):
        """A free worker takes the first of the queue; the size of the pool is in the job's last step."""
        thing, size = self.threads[me][-1][1:]
        busy, queue, shut, known = state[1][thing]
        if not queue or queue[0] != me or busy >= size:
            return []
        if mode == CANCELLED:
            return [
                self.move(state, me, (0, NOTIFIED, None), self.holding(state, thing, (busy, queue[1:], shut, known)))
            ]
        return [self.move(state, me, (0, TAKEN, thing), self.holding(state, thing, (busy + 1, queue[1:], shut, known)))]

    def begin_job(self, state, me, mode):
        """The worker begins what it took, or notices that it was cancelled and is free again."""
        if mode == TAKEN:
            return [self.move(state, me, (0, RUN, None))]
        thing = self.threads[me][-1][1]
        busy, *others = state[1][thing]
        return [self.move(state, me, (0, NOTIFIED, None), self.holding(state, thing, (busy - 1, *others)))]

    def do_end(self, state, me, at, thing, size):
        """The end of a job, which frees its worker, or of a timer."""
        if size is None:
            return [self.go(state, me, at + 1)]
        busy, *others = state[1][thing]
        return [self.go(state, me, at + 1, self.holding(state, thing, (busy - 1, *others)))]

    def do_shut(self, state, me, at, thing, cancel):
        """No more submits; perhaps all that is queued is thrown out, which no worker will ever notify."""
        busy, queue, _shut, known = state[1][thing]
        for job in queue if cancel else ():
            state = self.move(state, job, (0, CANCELLED, None))
        return [self.go(state, me, at + 1, self.holding(state, thing, (busy, () if cancel else queue, True, known)))]

    def do_drain(self, state, me, at, thing, _extra):
        """Passes when the pool has nothing to do any more."""
        busy, queue = state[1][thing][:2]
        return [] if busy or queue else [self.go(state, me, at + 1)]

    # ---- futures: asking begins with looking up those that are there

    def look_up(self, state, me, at, thing, extra):
        """Finds the futures; one alone that is not there is written down as such."""
        numbers = extra[0]
        there = tuple(job for job in numbers if job in state[1][thing][3])
        return [self.move(state, me, (at, ASKING, there))]

    do_result = do_cancel = do_done = do_wait_all = do_wait_first = do_completed = look_up

    def do_mapped(self, state, me, at, _thing, extra):
        """Like result(), of a future that map() keeps for itself."""
        return [self.move(state, me, (at, ASKING, extra[0]))]

    def settled(self, state, job):
        """Whether result() returns."""
        return state[0][job][1] in (CANCELLED, NOTIFIED, DOOMED) or self.ended(state, job)

    def notified(self, state, job):
        """Whether wait() counts it."""
        return state[0][job][1] == NOTIFIED or self.ended(state, job)

    def ask_result(self, state, me, at, there, extra):
        """What the job gave, that it was cancelled, or that the time is over."""
        if not there:
            return [self.go(state, me, at + 1, token="none")]
        _, timed, gives = extra
        if self.settled(state, there[0]):
            word = gives if self.ended(state, there[0]) else "CancelledError"
            return [self.go(state, me, at + 1, token=word)]
        return [self.go(state, me, at + 1, token="TimeoutError")] if timed else []

    ask_mapped = ask_result

    def ask_cancel(self, state, me, at, there, _extra):
        """True where it has not begun."""
        if not there:
            return [self.go(state, me, at + 1, token="none")]
        where = state[0][there[0]]
        if where[1] in (QUEUED, TAKEN):
            state = self.move(state, there[0], put(where, 1, CANCELLED if where[1] == QUEUED else DOOMED))
        can = where[1] in (QUEUED, CANCELLED, NOTIFIED, TAKEN, DOOMED)
        return [self.go(state, me, at + 1, token=str(can))]

    def ask_done(self, state, me, at, there, _extra):
        """Whether it is over."""
        word = str(self.settled(state, there[0])) if there else "none"
        return [self.go(state, me, at + 1, token=word)]

    def ask_wait_all(self, state, me, at, there, extra, enough=all):
        """How many are done, once that is enough or the time is over."""
        done = [self.notified(state, job) for job in there]
        if not there or enough(done) or extra[1]:
            return [self.go(state, me, at + 1, token=str(sum(done)))]
        return []

    def ask_wait_first(self, state, me, at, there, extra):
        """The same, and one is enough."""
        return self.ask_wait_all(state, me, at, there, extra, any)

    def ask_completed(self, state, me, at, there, extra):
        """All of them in the end, or that the time is over."""
        if all(self.notified(state, job) for job in there):
            return [self.go(state, me, at + 1, token=str(len(there)))]
        return [self.go(state, me, at + 1, token="TimeoutError")] if extra[1] else []

    # ---- timers

    def do_launch(self, state, me, at, _thing, timer):
        """Starts it, once."""
        if state[0][timer][1] != IDLE:
            return [self.go(state, me, at + 1, token="RuntimeError")]
        return [self.move(self.go(state, me, at + 1), timer, (0, WAITING, None))]

    def fire(self, state, me):
        """Its function runs, or it ends without."""
        last = len(self.threads[me]) - 1
        return [self.move(state, me, (last if state[1][self.threads[me][-1][1]] else 0, RUN, None))]

    def do_stop(self, state, me, at, thing, _extra):
        """Cancels it; nothing happens where it has fired."""
        return [self.go(state, me, at + 1, self.holding(state, thing, 1))]

    def do_join_timer(self, state, me, at, _thing, timer):
        """Passes at its end; refused where it was not started, and to its own function."""
        if timer == me or state[0][timer][1] == IDLE:
            return [self.go(state, me, at + 1, token="RuntimeError")]
        return [self.go(state, me, at + 1)] if self.ended(state, timer) else []

    def do_is_alive(self, state, me, at, _thing, timer):
        """Writes down whether it was started and has not ended."""
        alive = state[0][timer][1] != IDLE and not self.ended(state, timer)
        return [self.go(state, me, at + 1, token=str(alive))]
