"""A thread ends without giving its RLock back, and main waits for it

id: 10a
claim: Every acquire needs its release.
today: true: who comes later hangs, or is let in by chance
stdlib: hangs
raddle: LockAbandonedError: ...forgetful... [RD004]
"""


def scene(threading):
    lock = threading.RLock()
    forgetful = threading.Thread(target=lock.acquire, name="forgetful")
    forgetful.start()
    forgetful.join()
    try:
        lock.acquire()
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    return "taken"
