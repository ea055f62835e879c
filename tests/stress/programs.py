"""Random small programs over threads, locks, events, conditions, barriers, joins, and (in programs_jobs.py) queues,
pools, futures and timers; the same seed, the same program.

One tree of statements gives both the Python source that is run and the flat steps that the model searches. What a
program prints is what each thread wrote down: how each timed or non-blocking attempt went, and each error.
A lock whose name begins with `l` is taken by `with` and balanced acquire/release only; one that begins with `f` is free
to be released by anybody. A counter belongs to each lock that excludes; each thread also counts its own additions.
"""

import random

import model
import model_jobs
import programs_jobs
from programs_jobs import TIMED

KINDS = {
    "l": ("threading.Lock()", 1),
    "f": ("threading.Lock()", 1),
    "r": ("threading.RLock()", model.FREE),
    "s": ("threading.Semaphore({n})", None),  # starts with its size
    "q": ("threading.BoundedSemaphore({n})", None),
    "e": ("threading.Event()", 0),
    "c": ("threading.Condition()", (*model.FREE, 0)),
    "b": ("threading.Barrier({n})", 0),
    "k": ("", model_jobs.EMPTY_QUEUE),
    "p": ("", model_jobs.NEW_POOL),
    "a": ("", 0),
}
CHOOSE = {"k": "choose_queue", "p": "choose_pool", "a": "choose_timer"}
TOLD = ("DeadlockError", "LockAbandonedError")
PRELUDE = '''\
import json
import queue
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait

TOLD = ("DeadlockError", "LockAbandonedError")


def failed(error):
    """What a thread writes down about an error."""
    name = type(error).__name__
    bases = [base.__name__ for base in (RuntimeError, ValueError) if isinstance(error, base)]
    return name if name in TOLD or not bases else bases[0]


def guard(function, *args):
    """Calls a release that may be wrong; gives None or the error's name."""
    try:
        function(*args)
    except (RuntimeError, ValueError) as error:
        return failed(error)


def run(number, function):
    """A thread's life: wait until all have been started, do the work, note what went wrong."""
    begin.wait()
    try:
        function(traces[number], added)
    except BaseException as error:
        traces[number].append(failed(error))


begin = threading.Event()
count = {}
added = []
flags = {}
'''
EPILOGUE = """
traces = [[] for _ in functions]
threads = [
    threading.Thread(target=run, args=(number, functions[number]), name=f"t{number}", daemon=True)
    for number in range(width)
]
for thread in threads:
    thread.start()
begin.set()
for thread in threads:
    thread.join()
settle()
output = [[word for word in trace if word] for trace in traces]
lost = len(added) - sum(count.values())
"""
SHOW = "print(json.dumps(output), lost)\n"


class Program(programs_jobs.Statements):
    """A random program: `source`, and what the model says about it: `outputs`, `kind`."""

    def __init__(self, seed, index):
        self.name = f"program {index} of seed {seed}"
        for attempt in range(100):
            self.random = random.Random(f"{seed}:{index}:{attempt}")
            self.build()
            try:
                self.outputs, stuck = model.explore(
                    model_jobs.Search(self.steps, self.width), [self.start[name] for name in self.objects]
                )
            except model.TooBig:
                continue
            self.kind = model.classify(self.outputs, stuck)
            return
        raise AssertionError(f"{self.name}: no attempt is small enough to be searched")

    def build(self):
        """Chooses threads and objects, then the statements."""
        pick = self.random
        self.width = pick.choice((2, 2, 3, 3, 4))
        self.choose_objects(pick)
        self.blocks = [[] for _ in range(self.width)]  # of the threads, then of the jobs and timers
        self.make_timers()
        for me in range(self.width):
            self.blocks[me] = self.block(me, 0, pick.randint(1, 3))
        flat = Flat(self)
        self.steps = [
            flat.block(block) + (flat.end(me) if me in self.jobs else []) for me, block in enumerate(self.blocks)
        ]
        self.source = self.render(self.blocks)

    def choose_objects(self, pick):
        """A few objects of a few kinds, so that the threads meet."""
        self.start, self.creation, self.size = {}, {}, {}  # a kind drawn twice counts once
        self.order, self.starter, self.timer, self.jobs = {}, {}, {}, {}
        self.item, self.cancels = 0, pick.random() < 0.4
        for kind in pick.sample("lllrrffssqqeeccbkkkkkppppppppppaaa", pick.randint(1, 3)):
            for number in range(pick.choice((1, 2, 2)) if kind in "lfr" else 1):
                name, size = f"{kind}{number}", 2 if kind == "b" else pick.randint(0, 3)
                text, first = KINDS[kind]
                self.creation[name], self.size[name] = text.format(n=size), size
                self.start[name] = size if first is None else first
                if kind in CHOOSE:
                    self.size.pop(name)
                    getattr(self, CHOOSE[kind])(name, pick)
        self.objects = list(self.start)

    # ---- statements

    def block(self, me, depth, length):
        """A list of statements."""
        return [self.statement(me, depth) for _ in range(length)]

    def statement(self, me, depth):
        """One random statement about one random object (or a join)."""
        pick = self.random
        if self.width > 1 and pick.random() < 0.04:
            return ("join", pick.choice([other for other in range(self.width) if other != me]))
        name = pick.choice(self.objects)
        return getattr(self, f"about_{name[0]}")(name, me, depth)

    def inside(self, name, me, depth):
        """What a holder does: adds to the counter of an excluding lock, and perhaps more."""
        body = [("add", name)] if name[0] in "lrc" else [("pause",)]
        if depth < 2 and self.random.random() < 0.45:
            body += self.block(me, depth + 1, self.random.choice((1, 1, 2)))
        return body

    def about_l(self, name, me, depth):
        """Held for the length of a block, in one of three ways."""
        way = self.random.choice(("with", "with", "pair", "attempt"))
        if name[0] == "q" and way == "with":  # a release too many elsewhere would make __exit__ fail
            way = "pair"
        return (way, name, self.inside(name, me, depth), self.random.choice(("False", f"timeout={TIMED}")))

    about_r = about_l

    def about_s(self, name, me, depth):
        """As a lock, or a bare acquire or release."""
        way = self.random.choice(("lock", "lock", "acquire", "release", "release", "release"))
        return self.about_l(name, me, depth) if way == "lock" else (way, name)

    about_q = about_s

    def about_f(self, name, me, depth):
        """A bare acquire or release: by whom, does not matter. Or an attempt."""
        way = self.random.choice(("acquire", "acquire", "release", "release", "release", "attempt", "attempt"))
        if way == "attempt":
            return (way, name, self.inside(name, me, depth), self.random.choice(("False", f"timeout={TIMED}")))
        return (way, name)

    def about_e(self, name, _me, _depth):
        """Any of an event's methods."""
        return (self.random.choice(("set", "set", "set", "wait", "wait_timed", "clear", "is_set")), name)

    def about_c(self, name, me, depth):
        """Inside its `with`: a wait, a notify, or the usual pair around a flag."""
        way = self.random.choice(
            ("until", "raise_flag", "raise_flag", "raise_flag", "cwait", "cwait_timed", "notify", "notify")
        )
        return ("with", name, [(way, name), *self.inside(name, me, depth + 1)], None)

    def about_b(self, name, _me, _depth):
        """Waits there."""
        return ("barrier", name)

    # ---- source

    def render(self, blocks):
        """The whole program."""
        lines = [f"{name} = {text}" for name, text in self.creation.items()]
        lines += [f'count["{name}"] = 0\nflags["{name}"] = False' for name in self.objects]
        for me, block in enumerate(blocks):
            lines += ["", "", f"def t{me}(trace, added):", *Text(self).block(block or [("pause",)], 1)]
        lines += ["", "", f"functions = [{', '.join(f't{me}' for me in range(len(blocks)))}]"]
        lines += [f"width = {self.width}", f"pools = [{', '.join(name for name in self.objects if name[0] == 'p')}]"]
        return PRELUDE + programs_jobs.PRELUDE + "\n" + "\n".join(lines) + "\n" + EPILOGUE


class Text(programs_jobs.Text):
    """Statements as lines of Python."""

    def __init__(self, program):
        self.program = program

    def block(self, block, depth):
        """The lines of a block, indented."""
        lines = [line for statement in block for line in getattr(self, f"say_{statement[0]}")(*statement[1:])]
        return ["    " + line for line in lines] if depth else lines

    def say_with(self, name, body, _how):
        return [f"with {name}:", *self.block(body, 1)]

    def say_pair(self, name, body, _how):
        return [f"{name}.acquire()", *self.block(body, 0), f"trace.append(guard({name}.release))"]

    def say_attempt(self, name, body, how):
        inner = ['    trace.append("got")', *self.block(body, 1), f"    trace.append(guard({name}.release))"]
        return [f"if {name}.acquire({how}):", *inner, "else:", '    trace.append("not")']

    def say_acquire(self, name):
        return [f"{name}.acquire()"]

    def say_release(self, name):
        return [f"trace.append(guard({name}.release))"]

    def say_add(self, name):
        return [f'so_far = count["{name}"]', "time.sleep(0)", f'count["{name}"] = so_far + 1', "added.append(1)"]

    def say_pause(self):
        return ["time.sleep(0)"]

    def say_set(self, name):
        return [f"{name}.set()"]

    def say_clear(self, name):
        return [f"{name}.clear()"]

    def say_is_set(self, name):
        return [f"trace.append(str({name}.is_set()))"]

    def say_wait(self, name):
        return [f"{name}.wait()"]

    def say_wait_timed(self, name):
        return [f"trace.append(str({name}.wait({TIMED})))"]

    def say_cwait(self, name):
        return [f"{name}.wait()"]

    def say_cwait_timed(self, name):
        return self.say_wait_timed(name)

    def say_notify(self, name):
        return [f"{name}.notify()"]

    def say_until(self, name):
        return [f'while not flags["{name}"]:', f"    {name}.wait()"]

    def say_raise_flag(self, name):
        return [f'flags["{name}"] = True', f"{name}.notify_all()"]

    def say_barrier(self, name):
        return [f"{name}.wait()"]

    def say_join(self, other):
        return [f"threads[{other}].join()"]


class Flat(programs_jobs.Flat):
    """Statements as steps of the model."""

    def __init__(self, program):
        self.program = program
        self.number = {name: index for index, name in enumerate(program.objects)}

    def block(self, block):
        """The steps of a block."""
        return [step for statement in block for step in self.statement(*statement)]

    def statement(self, way, name=None, *rest):
        """The steps of one statement."""
        if way in ("with", "pair", "attempt"):
            return self.hold(way, name, rest[0])
        if way in ("add", "pause"):
            return []
        if way == "join":
            return [("join", name, None)]
        if way == "release":
            return [self.release(name)]
        if hasattr(self, f"flat_{way}"):
            return getattr(self, f"flat_{way}")(name, *rest)
        if name[0] == "p":
            return self.asking(way, name, *rest)
        if name[0] == "a":
            return self.timed(way, name)
        thing = self.number[name]
        if way == "raise_flag":
            return [("raise_flag", thing, None), ("notify", thing, None)]
        extra = {"notify": 1, "barrier": self.program.size[name]}.get(way)
        return [(way, thing, extra)]

    def hold(self, way, name, body):
        """Take, body, release; a failed attempt goes on behind them."""
        inner = self.block(body)
        take = (
            ("attempt", self.number[name], len(inner) + 2) if way == "attempt" else ("acquire", self.number[name], None)
        )
        return [take, *inner, self.release(name)]

    def release(self, name):
        """A release, with what would be one too many."""
        most = {"l": (1, "RuntimeError"), "f": (1, "RuntimeError"), "q": (self.program.size[name], "ValueError")}
        return ("release", self.number[name], most.get(name[0]))
