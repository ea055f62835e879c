"""A thread's local data goes away: in which thread?

id: 8b
claim: The hook cannot reach the thread's objects.
today: false: it can, by the traceback; but local data go away when nobody knows the thread any more
stdlib: the destructor ran in Dummy-...
raddle: the destructor ran in worker
"""


def scene(threading):
    local = threading.local()
    said = []

    class Data:
        def __del__(self):
            said.append(threading.current_thread().name)

    def work():
        local.data = Data()

    worker = threading.Thread(target=work, name="worker")
    worker.start()
    worker.join()
    return f"the destructor ran in {said[0]}"
