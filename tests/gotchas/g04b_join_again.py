"""A finished thread is joined three times

id: 4b
claim: join() may be called any number of times, but fails if the thread is stopped.
today: half: it may, and it never fails for that
stdlib: three joins returned None, None, None
raddle: three joins returned None, None, None
"""


def scene(threading):
    thread = threading.Thread(target=int)
    thread.start()
    return f"three joins returned {thread.join()}, {thread.join()}, {thread.join()}"
