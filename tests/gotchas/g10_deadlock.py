"""Two threads take two locks in opposite orders

id: 10
claim: A lock that is not released is a deadlock.
today: true, and nothing says so
stdlib: hangs
raddle: DeadlockError in one of them, the other one ended, exit status 70 [RD001]
report: 2 threads wait for each other
    'left'
    'right'
"""


def scene(threading):
    both_hold = threading.Barrier(2)
    locks = [threading.Lock(), threading.Lock()]
    said = []

    def take(first, second):
        try:
            with locks[first]:
                both_hold.wait()
                with locks[second]:
                    pass
        except RuntimeError as error:
            said.append(type(error).__name__)

    threads = [
        threading.Thread(target=take, args=(0, 1), name="left"),
        threading.Thread(target=take, args=(1, 0), name="right"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{said[0]} in one of them, the other one ended"
