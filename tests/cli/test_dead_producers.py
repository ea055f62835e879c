"""RD003, likely: who waits for an item of a queue whose known producers are all dead."""

import re

import pytest
from ending import RADDLE, run

APP = """\
import queue, threading, time

def produce(jobs):
    jobs.put("an item")
    raise ValueError("no such account")

def rescue(jobs):
    time.sleep(1.6)
    jobs.put(None)

def main():
    jobs = queue.Queue()
    threading.Thread(target=produce, args=(jobs,), name="producer").start()
    threading.Thread(target=rescue, args=(jobs,)).start()
    while jobs.get():
        pass

main()
"""
REPORT = """\
warning[RD003]: 'MainThread' likely waits for ever: Queue 'main.jobs#1' was fed only by 'producer', which died
  --> app.py:15:11
   |
15 |     while jobs.get():
   |           ^^^^^^^^^^ 'MainThread' waits here for Queue 'main.jobs#1', ... s so far
   |
note: 'producer' put into it and ended (it died: ValueError: no such account)
note: 'producer' was started by 'MainThread' here
  --> app.py:13:5
   |
13 |     threading.Thread(target=produce, args=(jobs,), name="producer").start()
   |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: a guess: a thread that has not put anything so far may still do so
   = note: gotcha 7a: a thread's error does not reach the thread that waits for its results; see `raddle explain RD003`
   = help: put a last item, such as None, in the `finally` of each producer, so that its end is heard of
"""


def test_a_consumer_learns_that_its_only_producer_died(folder):
    ended = run([*RADDLE, "app.py"], folder({"app.py": APP}))
    before, _, report = ended.err.partition("warning")
    assert "error[RD003]: 'producer' died: ValueError: no such account\n" in before
    assert re.sub(r"\d\.\d s so far", "... s so far", "warning" + report) == REPORT
    assert ended.status == 0


QUIET = """
import _thread, concurrent.futures, queue, sys, threading, time
threading.excepthook = lambda args: None
done, queues = threading.Event(), []

def new(kind=queue.Queue):
    queues.append(kind())
    return queues[-1]

def feed(jobs):
    jobs.put(1)
    raise ValueError

def take(jobs):
    while jobs.get() is not None:
        pass

def start(function, jobs, **more):
    thread = threading.Thread(target=function, args=(jobs,), **more)
    thread.start()
    return thread
"""
END = """
time.sleep(1.7)
done.set()
for jobs in queues:
    jobs.put(None)
"""
FEEDS = '    threading.Thread(target=feed, args=(jobs,), name=f"feeds {kind.__name__}").start()\n'
TAKES = '    threading.Thread(target=take, args=(jobs,), name=f"takes {kind.__name__}").start()\n'
KINDS = """
for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue):
    jobs = new(kind)
"""


@pytest.mark.parametrize(
    "parts", [(FEEDS, TAKES), (TAKES, FEEDS)], ids=["dead-before-the-wait", "dead-during-the-wait"]
)
def test_each_queue_knows_its_producers_and_no_status_changes_for_that(tmp_path, parts):
    starts = "    time.sleep(0.05)\n".join(parts)
    ended = run([*RADDLE, "--fail-on", "any", "-c", QUIET + KINDS + starts + END], tmp_path)
    told = re.findall(
        r"^warning\[RD003\]: '(.*)' likely waits for ever: .* was fed only by '(.*)', which died$", ended.err, re.M
    )
    names = ["Queue", "LifoQueue", "PriorityQueue"]
    assert sorted(told) == sorted((f"takes {name}", f"feeds {name}") for name in names)
    assert ended.status == 0


def test_a_death_among_producers_that_returned_is_enough(tmp_path):
    two = "jobs = new()\nstart(jobs.put, 1).join()\nstart(feed, jobs).join()\nstart(take, jobs)\n"
    ended = run([*RADDLE, "-c", QUIET + two + END], tmp_path)
    assert "was fed only by 'Thread-1 (put)', which has ended, and 'Thread-2 (feed)', which died\n" in ended.err


INNOCENTS = {
    "a second producer lives": """
        jobs = new()
        threading.Thread(target=lambda: (jobs.put(1), done.wait())).start()
        start(feed, jobs)
        start(take, jobs)
    """,
    "a second producer has not put yet": """
        jobs = new()
        for function in (feed, lambda jobs: done.wait()):
            threading.Thread(target=function, args=(jobs,)).start()
        threading.Thread(target=take, args=(jobs,)).start()
    """,
    "main has put": """
        jobs = new()
        jobs.put(1)
        start(feed, jobs).join()
        threading.Thread(target=take, args=(jobs,)).start()
    """,
    "the consumer has a time limit": """
        jobs = new()
        start(feed, jobs).join()
        threading.Thread(target=lambda: (jobs.get(), jobs.get(timeout=20))).start()
    """,
    "who joins the dead puts the last item": """
        jobs = new()
        threading.Thread(target=lambda: (start(feed, jobs).join(), time.sleep(0.3), jobs.put(None))).start()
        threading.Thread(target=take, args=(jobs,)).start()
    """,
    "the consumer is a daemon": """
        jobs = new()
        start(feed, jobs)
        threading.Thread(target=take, args=(jobs,), daemon=True).start()
    """,
    "there were more producers than are remembered": """
        jobs = new()
        for _ in range(5):
            start(feed, jobs).join()
        threading.Thread(target=take, args=(jobs,)).start()
    """,
    "every producer returned": """
        jobs = new()
        start(jobs.put, 1).join()
        threading.Thread(target=lambda: (jobs.put(1), sys.exit())).start()
        threading.Thread(target=take, args=(jobs,)).start()
    """,
    "a producer is no thread of threading's": """
        jobs = new()
        _thread.start_new_thread(jobs.put, (1,))
        start(feed, jobs)
        threading.Thread(target=take, args=(jobs,)).start()
    """,
    "a worker of a pool has put": """
        jobs = new()
        global pool
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(jobs.put, 1).result()
        start(feed, jobs).join()
        threading.Thread(target=take, args=(jobs,)).start()
    """,
}


@pytest.mark.parametrize("name", INNOCENTS)
def test_nothing_is_said_where_an_item_may_still_come(tmp_path, name):
    body = "def scene():" + INNOCENTS[name].replace("\n    ", "\n") + "\nscene()\n"
    ended = run([*RADDLE, "--fail-on", "any", "-c", QUIET + body + END], tmp_path)
    assert ended == (0, "", "")
