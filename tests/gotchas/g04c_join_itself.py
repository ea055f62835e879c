"""A thread joins itself

id: 4c
claim: A thread that joins itself gets an error.
today: true
stdlib: RuntimeError: cannot join current thread
raddle: RuntimeError: cannot join current thread...
"""


def scene(threading):
    said = []

    def join_itself():
        try:
            threading.current_thread().join()
        except RuntimeError as error:
            said.append(f"RuntimeError: {error}")

    thread = threading.Thread(target=join_itself)
    thread.start()
    thread.join()
    return said[0]
