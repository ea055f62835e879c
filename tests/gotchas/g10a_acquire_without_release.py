"""A thread ends without giving its lock back

id: 10a
claim: Every acquire needs its release.
today: true: who comes later hangs, and nothing says why
stdlib: hangs
raddle: hangs [RD004]
report: 'forgetful'
    g10a_acquire_without_release.py:...lock.acquire()
limit: 4
"""


def scene(threading):
    lock = threading.Lock()

    def forget():
        lock.acquire()

    forgetful = threading.Thread(target=forget, name="forgetful")
    forgetful.start()
    forgetful.join()
    lock.acquire()
    return "taken"
