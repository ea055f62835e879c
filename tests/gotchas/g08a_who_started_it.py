"""A thread dies: who had started it, and where?

id: 8a
claim: A trace does not show who started the thread.
today: true
stdlib: joined
raddle: joined [RD003]
report: 'child' was started by 'parent' here
    g08a_who_started_it.py:...child.start()
"""


def scene(threading):
    child = threading.Thread(target=lambda: 1 / 0, name="child")

    def start_child():
        child.start()
        child.join()

    parent = threading.Thread(target=start_child, name="parent")
    parent.start()
    parent.join()
    return "joined"
