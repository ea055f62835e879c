"""Two threads join each other

id: 4c
claim: A thread that joins itself gets an error.
today: true, but two that join each other hang
stdlib: hangs
raddle: DeadlockError in one of them, the other one ended, exit status 70 [RD001]
"""


def scene(threading):
    both_run = threading.Barrier(2)
    said = []

    def join_the_other(number):
        both_run.wait()
        try:
            threads[1 - number].join()
        except RuntimeError as error:
            said.append(type(error).__name__)

    threads = [threading.Thread(target=join_the_other, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{said[0]} in one of them, the other one ended"
