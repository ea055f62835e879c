"""An exact model of small programs: every interleaving is searched, so it is known what a program may do.

A program is a list of threads, a thread a flat list of steps `(operation, object, extra)`. A state is

    (where each thread is, what each object holds, what each thread has written down)

and a thread is `(next step, mode, detail)`. Modes: RUN, in an event's wait, in a condition's wait, waiting to take the
condition's lock back, at a barrier, and those of model_jobs.py, which also says how a program begins and what is
left when it is over. A state without successors is the end if every thread is through, else it is stuck.
A timed attempt on something that is not free may fail at any moment; which waiters a notify wakes is left open; a timed
waiter may be woken and still say that its time was over (the standard library wastes such a wake-up, too).
"""

from itertools import combinations

RUN, IN_EVENT, IN_CONDITION, BACK, AT_BARRIER = range(5)
FREE = (-1, 0)


class TooBig(Exception):
    """The program has more states than the caller wants to search."""


def explore(search, objects, at_most=4000):
    """Searches all interleavings; gives the set of possible outputs and whether the program can get stuck."""
    start = (search.first(), tuple(objects), tuple(() for _ in search.threads))
    seen, todo, outputs, stuck = {start}, [start], set(), False
    while todo:
        state = todo.pop()
        following = search.successors(state)
        if not following:
            finished = search.finished(state)
            outputs.update([state[2]] if finished else [])
            stuck = stuck or not finished
        fresh = set(following) - seen
        seen |= fresh
        if len(seen) > at_most:
            raise TooBig
        todo.extend(fresh)
    return outputs, stuck


def classify(outputs, stuck):
    """`finishes`, `may hang` or `hangs`."""
    if not stuck:
        return "finishes"
    return "may hang" if outputs else "hangs"


def put(items, index, item):
    """A tuple with one item replaced."""
    return items[:index] + (item,) + items[index + 1 :]


class Search:
    """The successors of a state. Methods named `do_<operation>` give those of one thread's next step."""

    def __init__(self, threads):
        self.threads = threads

    def successors(self, state):
        """All states that one step of one thread can lead to."""
        found = []
        for me, (at, mode, detail) in enumerate(state[0]):
            steps = self.threads[me]
            if at == len(steps):
                continue
            operation, thing, extra = steps[at]
            if mode > AT_BARRIER:
                found += self.waiting(state, me, at, mode, detail)
            elif mode == RUN:
                found += getattr(self, f"do_{operation}")(state, me, at, thing, extra)
            elif mode == IN_EVENT and operation == "wait_timed":
                found.append(self.go(state, me, at + 1, token="False"))
            elif mode == IN_CONDITION and operation == "cwait_timed":
                found.append(self.move(state, me, (at, BACK, (detail[0], "False"))))
            elif mode == BACK:
                found += self.take_back(state, me, at, operation, thing, detail)
        return found

    # ---- making a state from another one

    def move(self, state, me, where, objects=None, token=None):
        """One thread moves; maybe objects change, maybe it writes something down."""
        traces = state[2] if token is None else put(state[2], me, state[2][me] + (token,))
        return put(state[0], me, where), state[1] if objects is None else objects, traces

    def go(self, state, me, at, objects=None, token=None):
        """One thread runs on at another step."""
        return self.move(state, me, (at, RUN, None), objects, token)

    def holding(self, state, thing, value):
        """The objects with one changed."""
        return put(state[1], thing, value)

    # ---- locks and semaphores: an int is what is left to take (1 = a free Lock), a pair is an RLock's owner and depth

    def taken(self, state, me, thing):
        """The objects after a successful take, or None where it is not free."""
        value = state[1][thing]
        if isinstance(value, int):
            return self.holding(state, thing, value - 1) if value else None
        owner, depth = value[:2]
        if owner not in (-1, me):
            return None
        return self.holding(state, thing, (me, depth + 1, *value[2:]))

    def do_acquire(self, state, me, at, thing, _extra):
        """Blocks until it is free."""
        objects = self.taken(state, me, thing)
        return [] if objects is None else [self.go(state, me, at + 1, objects)]

    def do_attempt(self, state, me, at, thing, skip):
        """A timed or non-blocking take: `got`, or `not` and on behind its block."""
        objects = self.taken(state, me, thing)
        if objects is None:
            return [self.go(state, me, at + skip, token="not")]
        return [self.go(state, me, at + 1, objects, token="got")]

    def do_release(self, state, me, at, thing, most):
        """Releases; `most` is what a Lock or BoundedSemaphore may hold (None: no limit)."""
        value = state[1][thing]
        if isinstance(value, int):
            if most is not None and value >= most[0]:
                return [self.go(state, me, at + 1, token=most[1])]
            return [self.go(state, me, at + 1, self.holding(state, thing, value + 1))]
        _owner, depth = value[:2]
        left = (me, depth - 1) if depth > 1 else FREE
        return [self.go(state, me, at + 1, self.holding(state, thing, (*left, *value[2:])))]

    # ---- events

    def do_set(self, state, me, at, thing, _extra):
        """Sets the flag and frees all who are in wait; a timed one may say False all the same."""
        state = self.go(state, me, at + 1, self.holding(state, thing, 1))
        states = [state]
        for other, (there, mode, _) in enumerate(state[0]):
            if mode == IN_EVENT and self.threads[other][there][1] == thing:
                timed = self.threads[other][there][0] == "wait_timed"
                says = ("True", "False") if timed else (None,)
                states = [self.go(one, other, there + 1, token=word) for one in states for word in says]
        return states

    def do_clear(self, state, me, at, thing, _extra):
        """Clears the flag."""
        return [self.go(state, me, at + 1, self.holding(state, thing, 0))]

    def do_is_set(self, state, me, at, thing, _extra):
        """Writes the flag down."""
        return [self.go(state, me, at + 1, token=str(bool(state[1][thing])))]

    def do_wait(self, state, me, at, thing, _extra):
        """Passes, or goes to sleep."""
        if state[1][thing]:
            return [self.go(state, me, at + 1)]
        return [self.move(state, me, (at, IN_EVENT, None))]

    def do_wait_timed(self, state, me, at, thing, _extra):
        """Passes with True, or goes to sleep."""
        if state[1][thing]:
            return [self.go(state, me, at + 1, token="True")]
        return [self.move(state, me, (at, IN_EVENT, None))]

    # ---- conditions: owner, depth, flag

    def sleep(self, state, me, at, thing):
        """Gives the lock up wholly and sleeps; remembers the depth."""
        _owner, depth, flag = state[1][thing]
        return [self.move(state, me, (at, IN_CONDITION, (depth, "True")), self.holding(state, thing, (*FREE, flag)))]

    def do_cwait(self, state, me, at, thing, _extra):
        """Sleeps until notified."""
        return self.sleep(state, me, at, thing)

    do_cwait_timed = do_cwait

    def do_until(self, state, me, at, thing, _extra):
        """`while not flag: wait()`."""
        return [self.go(state, me, at + 1)] if state[1][thing][2] else self.sleep(state, me, at, thing)

    def do_raise_flag(self, state, me, at, thing, _extra):
        """`flag = True`; the notify_all that follows is a step of its own."""
        owner, depth, _ = state[1][thing]
        return [self.go(state, me, at + 1, self.holding(state, thing, (owner, depth, 1)))]

    def do_notify(self, state, me, at, thing, count):
        """Wakes any `count` of the sleepers (None: all)."""
        state = self.go(state, me, at + 1)
        asleep = [
            who
            for who, (there, mode, _) in enumerate(state[0])
            if mode == IN_CONDITION and self.threads[who][there][1] == thing
        ]
        if count is None or count >= len(asleep):
            return self.wake(state, asleep)
        return [woken for chosen in combinations(asleep, count) for woken in self.wake(state, chosen)]

    def wake(self, state, chosen):
        """Moves sleepers on to taking the lock back."""
        states = [state]
        for who in chosen:
            there, _, (depth, _) = state[0][who]
            timed = self.threads[who][there][0] == "cwait_timed"
            says = ("True", "False") if timed else ("True",)
            states = [self.move(one, who, (there, BACK, (depth, word))) for one in states for word in says]
        return states

    def take_back(self, state, me, at, operation, thing, detail):
        """Takes the lock back to its old depth, once it is free."""
        owner, _, flag = state[1][thing]
        if owner != -1:
            return []
        objects = self.holding(state, thing, (me, detail[0], flag))
        following = at if operation == "until" else at + 1
        return [self.go(state, me, following, objects, detail[1] if operation == "cwait_timed" else None)]

    # ---- barriers and joins

    def do_barrier(self, state, me, at, thing, parties):
        """Waits at the barrier; the last one frees all."""
        there = [
            who
            for who, (step, mode, _) in enumerate(state[0])
            if mode == AT_BARRIER and self.threads[who][step][1] == thing
        ]
        if len(there) + 1 < parties:
            return [self.move(state, me, (at, AT_BARRIER, None))]
        state = self.go(state, me, at + 1)
        for who in there:
            state = self.go(state, who, state[0][who][0] + 1)
        return [state]

    def do_join(self, state, me, at, other, _extra):
        """Passes when the other thread is through."""
        ended = state[0][other][0] == len(self.threads[other])
        return [self.go(state, me, at + 1)] if ended else []
