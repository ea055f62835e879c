"""A thread is joined that was never started

id: 4d
claim: join() before start() is an error.
today: true
stdlib: RuntimeError: cannot join thread before it is started
raddle: RuntimeError: cannot join thread before it is started...
"""


def scene(threading):
    try:
        threading.Thread(target=int).join()
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "joined"
