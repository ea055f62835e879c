"""A thread dies of an error that nobody handles

id: 7a
claim: Errors of a thread are silent.
today: half: a traceback is printed, but the exit status is 0
stdlib: joined, and nothing was raised
raddle: joined, and nothing was raised, exit status 70 [RD003]
report: ZeroDivisionError
options: --fail-on any
"""


def scene(threading):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    return "joined, and nothing was raised"
