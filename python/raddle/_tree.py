"""The threads of the program as a tree: who has started whom."""

from . import _raddle


def thread_tree() -> str:
    """The threads that have not ended as text, one a line: each below the one that started it, with what it is doing.

        MainThread #1 (main): running
        └── server #2 (regular, app.py:40): blocked 9.0 s in Queue.get 'requests' at app.py:12
            ├── worker 1 #3 (regular, app.py:15): running
            └── worker 2 #4 (regular, app.py:15): running

    >>> import raddle
    >>> go = raddle.Event(name="go")
    >>> waiter = raddle.spawn(go.wait, name="waiter")
    >>> while not waiter.activity.startswith("blocked"):
    ...     raddle.sleep(0.001)
    >>> [line] = [line for line in raddle.thread_tree().splitlines() if "waiter" in line]
    >>> line.endswith("blocked 0.0 s in Event.wait 'go'")
    True
    >>> go.set()
    """
    threads = _raddle.threads()
    known = {thread.serial for thread in threads}
    below: dict[int | None, list[_raddle.ThreadInfo]] = {}
    for thread in threads:
        below.setdefault(thread.parent if thread.parent in known else None, []).append(thread)
    lines: list[str] = []
    # By hand, not by recursion: each thread may have started the next. A thread lies on the stack with what stands before it.
    waiting = [(thread, "", "") for thread in reversed(below.get(None, []))]
    while waiting:
        thread, first, rest = waiting.pop()
        lines.append(first + _line(thread, thread.parent in known))
        children = below.get(thread.serial, [])
        last = len(children) - 1
        ways = [("├── ", "│   ") if at < last else ("└── ", "    ") for at in range(len(children))]
        waiting += [
            (child, rest + way, rest + further)
            for child, (way, further) in reversed(list(zip(children, ways, strict=True)))
        ]
    return "\n".join(lines)


def _line(thread: "_raddle.ThreadInfo", is_below: bool) -> str:
    """`worker #7 (regular, app.py:9): blocked 1.9 s in Queue.get 'jobs' at app.py:30`."""
    about = [thread.kind]
    if not is_below and thread.started_by is not None:
        about.append(f"started by {thread.started_by!r}, which has ended")
    if thread.spawn_site is not None:
        about.append(thread.spawn_site)
    return f"{thread.name} #{thread.serial} ({', '.join(about)}): {thread.activity}"
