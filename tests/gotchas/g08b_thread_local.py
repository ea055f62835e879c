"""A thread-local's value is finalized when its thread ends: in which thread?

id: 8b
claim: The thread's objects are gone, and so is who it was.
today: true of thread-locals: they are finalized when the thread is in no table any more
stdlib: finalized in Dummy-1
raddle: finalized in worker
"""


def scene(threading):
    own, seen = threading.local(), []
    finalized = threading.Event()

    class Held:
        def __del__(self):
            seen.append(threading.current_thread().name)
            finalized.set()

    def work():
        own.held = Held()

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    finalized.wait(10)
    return f"finalized in {seen[0]}"
