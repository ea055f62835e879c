"""Random statements about queues, pools with their futures, and timers: the part of programs.py that makes jobs.

A queue's name begins with `k`, a pool's with `p`, a timer's with `a`. A job of a pool is a function like a thread's and
has a number like one; so is what a timer calls. Whoever wants a future looks it up by the number of its job, and finds
`none` where it has not been submitted. Left out, since the standard library itself is not exact there: pools of more
than two workers (its count of idle ones can be too high), a timer that two threads start.
"""

TIMED = 0.002
JOBS = 4
QUEUES = {"Queue": "first", "LifoQueue": "last", "PriorityQueue": "least", "SimpleQueue": "first"}
PRELUDE = '''

def job(number, fails=False):
    """What a worker calls."""
    try:
        functions[number](traces[number], added)
    except BaseException as error:
        traces[number].append(failed(error))
    if fails:
        raise ValueError(number)
    return f"v{number}"


def attempt(function, *args):
    """Calls it; gives what it gives, or the error's name."""
    try:
        return function(*args)
    except Exception as error:
        return failed(error)


def submit(pool, *args):
    """Submits a job and makes its future known; the error's name if it is refused."""
    try:
        futures[args[0]] = pool.submit(job, *args)
    except RuntimeError as error:
        return failed(error)


def ask(number, method, *args):
    """Calls a method of a future that may not be there."""
    return str(attempt(getattr(futures[number], method), *args)) if number in futures else "none"


def several(function, numbers, *args):
    """Calls it with those futures that are there."""
    return str(attempt(function, [futures[number] for number in numbers if number in futures], *args))


def wait_all(those, timeout=None):
    return len(wait(those, timeout).done)


def wait_first(those, timeout=None):
    return len(wait(those, timeout, FIRST_COMPLETED).done)


def completed(those, timeout=None):
    return len(list(as_completed(those, timeout)))


def mapped(pool, numbers):
    """What map() gives, or the error's name."""
    results = attempt(lambda: list(pool.map(job, numbers)))
    return results if isinstance(results, list) else [results]


def launch(timer):
    """Starts a timer and remembers to wait for it."""
    word = guard(timer.start)
    started.add(timer)
    return word


def settle():
    """Waits for all that the threads have left behind, and what that leaves behind."""
    before = None
    while before != (before := (len(futures), len(started))):
        for number in list(futures):
            ask(number, "exception")
        for timer in list(started):
            timer.join()
    for pool in pools:
        pool.shutdown()


futures = {}
started = set()
'''


class Statements:
    """The statements of a `Program`."""

    def new_job(self, block):
        """A number for a function, whose statements `block(number)` makes."""
        number = len(self.blocks)
        self.blocks.append([])
        self.blocks[number] = block(number)
        return number

    def choose_queue(self, name, pick):
        """A class and a size."""
        kind = pick.choice(list(QUEUES))
        self.size[name] = 0 if kind == "SimpleQueue" else pick.choice((0, 1, 1, 2))
        self.order[name] = kind
        self.creation[name] = f"queue.{kind}({self.size[name] or ''})"

    def choose_pool(self, name, pick):
        """One worker or two."""
        self.size[name] = pick.choice((1, 1, 2))
        self.creation[name] = f"ThreadPoolExecutor({self.size[name]})"

    def choose_timer(self, name, pick):
        """Who may start it, and when it fires."""
        self.starter[name] = pick.randrange(self.width)
        self.creation[name] = (name, pick.choice((0, 0.001, 0.005)))  # the number of its function comes later

    def make_timers(self):
        """Gives the timers something to do."""
        for name in [name for name in self.objects if name[0] == "a"]:
            number = self.new_job(lambda me: self.block(me, 1, self.random.randint(0, 2)))
            self.jobs[number] = (name, None)
            self.timer[name] = number
            self.creation[name] = f"threading.Timer({self.creation[name][1]}, job, ({number},))"

    def about_k(self, name, _me, _depth):
        """Any method of a queue."""
        ways = ["put", "put", "put", "put_attempt", "get", "get", "get_attempt"]
        if self.order[name] != "SimpleQueue":
            ways += ["task_done", "task_done", "join_tasks"]
        way, self.item = self.random.choice(ways), self.item + 1
        if way[:3] == "put":
            how = self.random.choice(("False", f"True, {TIMED}")) if way == "put_attempt" else ""
            return ("put", name, self.random.choice((self.item, 50 - self.item)), how)
        if way[:3] == "get":
            return ("get", name, self.random.choice(("False", f"True, {TIMED}")) if way == "get_attempt" else "")
        return (way, name)

    def about_p(self, name, me, depth):
        """Submits while there may be more jobs, asks about futures, shuts down."""
        mine = [number for number, (pool, _) in self.jobs.items() if pool == name]
        ways = ["submit"] * 5 + ["map"] * (not self.cancels) + ["shutdown"]
        ways = ways if len(self.blocks) < self.width + JOBS else ["shutdown"]
        ways += ["result", "result", "result", "cancel", "cancel", "done"] * bool(mine)
        ways += ["wait_all", "wait_first", "completed"] * bool(mine)
        way = self.random.choice(ways)
        if way == "submit":
            return self.submit(name, depth)
        if way == "map":
            numbers = [self.new_job(lambda _: [("pause",)]) for _ in range(self.random.randint(1, 2))]
            self.jobs |= {number: (name, f"v{number}") for number in numbers}
            return ("map", name, numbers)
        if way == "shutdown":
            inside = self.jobs.get(me, (None,))[0] == name  # a worker cannot wait for itself
            return (
                "shutdown",
                name,
                not inside and self.random.random() < 0.6,
                self.cancels and self.random.random() < 0.5,
            )
        if way in ("wait_all", "wait_first", "completed"):
            numbers = self.random.sample(mine, min(len(mine), self.random.randint(1, 3)))
            return (way, name, numbers, self.random.choice((None, None, TIMED)))
        return (way, name, [self.random.choice(mine)], self.random.choice((None, None, TIMED)))

    def submit(self, name, depth):
        """A job with statements of its own; it may submit as well."""
        number = len(self.blocks)
        self.jobs[number] = (name, self.random.choice((f"v{number}", f"v{number}", "ValueError")))
        self.new_job(lambda me: self.block(me, depth + 1, self.random.choice((0, 1, 1, 2) if depth < 3 else (0,))))
        return ("submit", name, number)

    def about_a(self, name, me, _depth):
        """Any method of a timer; only one thread starts it."""
        ways = ["stop", "join_timer", "is_alive"] + ["launch"] * 5 * (self.starter[name] == me)
        return (self.random.choice(ways), name)


class Text:
    """The statements of this file as lines of Python."""

    def say_put(self, name, item, how):
        if not how:
            return [f"{name}.put({item})"]
        return [f"trace.append(attempt({name}.put, {item}, {how}))"]

    def say_get(self, name, how):
        return [f"trace.append(str(attempt({name}.get, {how})))" if how else f"trace.append(str({name}.get()))"]

    def say_task_done(self, name):
        return [f"trace.append(guard({name}.task_done))"]

    def say_join_tasks(self, name):
        return [f"{name}.join()"]

    def say_submit(self, name, number):
        fails = ", True" if self.program.jobs[number][1] == "ValueError" else ""
        return [f"trace.append(submit({name}, {number}{fails}))"]

    def say_map(self, name, numbers):
        return [f"trace.extend(mapped({name}, {numbers}))"]

    def say_shutdown(self, name, waits, cancels):
        return [f"{name}.shutdown({waits}, cancel_futures={cancels})"]

    def say_result(self, _name, numbers, timeout):
        return [f'trace.append(ask({numbers[0]}, "result"{f", {timeout}" if timeout else ""}))']

    def say_cancel(self, _name, numbers, _timeout):
        return [f'trace.append(ask({numbers[0]}, "cancel"))']

    def say_done(self, _name, numbers, _timeout):
        return [f'trace.append(ask({numbers[0]}, "done"))']

    def say_wait_all(self, _name, numbers, timeout):
        return [f"trace.append(several(wait_all, {numbers}, {timeout}))"]

    def say_wait_first(self, _name, numbers, timeout):
        return [f"trace.append(several(wait_first, {numbers}, {timeout}))"]

    def say_completed(self, _name, numbers, timeout):
        return [f"trace.append(several(completed, {numbers}, {timeout}))"]

    def say_launch(self, name):
        return [f"trace.append(launch({name}))"]

    def say_stop(self, name):
        return [f"{name}.cancel()"]

    def say_join_timer(self, name):
        return [f"trace.append(guard({name}.join))"]

    def say_is_alive(self, name):
        return [f"trace.append(str({name}.is_alive()))"]


class Flat:
    """The statements of this file as steps of the model. Methods named `flat_<way>`."""

    def flat_put(self, name, item, how):
        return [("put", self.number[name], (item, self.program.size[name], bool(how)))]

    def flat_get(self, name, how):
        return [("get", self.number[name], (QUEUES[self.program.order[name]], bool(how)))]

    def flat_submit(self, name, number):
        return [("submit", self.number[name], (number, 2)), ("publish", self.number[name], number)]

    def flat_map(self, name, numbers):
        thing, steps = self.number[name], 2 * len(numbers)
        jobs = [("submit", thing, (number, steps - index)) for index, number in enumerate(numbers)]
        return jobs + [("mapped", thing, ((number,), False, f"v{number}")) for number in numbers]

    def flat_shutdown(self, name, waits, cancels):
        thing = self.number[name]
        return [("shut", thing, cancels)] + [("drain", thing, None)] * waits

    def asking(self, way, name, numbers, timeout):
        """A question about futures: (which, whether with a time limit, what the first gives)."""
        return [(way, self.number[name], (tuple(numbers), timeout is not None, self.program.jobs[numbers[0]][1]))]

    def timed(self, way, name):
        """A step about a timer."""
        return [(way, self.number[name], self.program.timer[name])]

    def end(self, number):
        """The last step of a job or a timer's function: the size of the pool, if it is a job."""
        name, _ = self.program.jobs[number]
        return [("end", self.number[name], self.program.size.get(name))]
