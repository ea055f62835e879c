"""A thread is started again after its end

id: 4a
claim: start() may be called only once.
today: true
stdlib: RuntimeError: threads can only be started once
raddle: RuntimeError: threads can only be started once...
"""


def scene(threading):
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    try:
        thread.start()
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "started again"
