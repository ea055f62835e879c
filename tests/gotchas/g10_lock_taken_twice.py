"""A thread takes a lock that it has already

id: 10
claim: A lock that is not released is a deadlock.
today: true, and nothing says so
stdlib: hangs
raddle: DeadlockError: deadlock: ..., exit status 70 [RD001]
"""


def scene(threading):
    lock = threading.Lock()
    try:
        with lock, lock:
            return "taken twice"
    except RuntimeError as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
