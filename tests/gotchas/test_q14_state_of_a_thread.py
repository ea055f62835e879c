"""Question 14, gotchas 4 and 6b: has it started, does it run, has it ended."""

import os
import subprocess
import sys
import textwrap
import time

import raddle
from raddle import ThreadState as State
from raddle import threading

# The graph of the states, but for ABANDONED.
AFTER = {
    State.NEW: {State.STARTING, State.RUNNING, State.FINISHED, State.FAILED, State.STOPPED},
    State.STARTING: {State.RUNNING, State.FINISHED, State.FAILED, State.STOPPED},
    State.RUNNING: {State.FINISHED, State.FAILED, State.STOPPED},
    State.FINISHED: set(),
    State.FAILED: set(),
    State.STOPPED: set(),
}


def fail():
    raise ValueError("x")


def test_what_another_thread_sees_is_a_path_of_the_graph():
    for target, args, last in (
        (int, (), State.FINISHED),
        (fail, (), State.FAILED),
        (raddle.sleep, (9,), State.STOPPED),
    ):
        for _ in range(50):
            thread = raddle.Thread(target=target, args=args)
            seen, over = [thread.state], threading.Event()

            def watch(thread=thread, seen=seen, over=over):
                while not over.is_set():
                    if (state := thread.state) is not seen[-1]:
                        seen.append(state)

            watcher = raddle.spawn(watch)
            thread.start()
            if last is State.STOPPED:
                thread.stop()
            thread.exception()
            over.set()
            watcher.join()
            seen.append(thread.state)
            path = [state for index, state in enumerate(seen) if not index or state is not seen[index - 1]]
            assert path[-1] is last
            assert all(after in AFTER[before] for before, after in zip(path, path[1:], strict=False)), path


def test_what_is_known_before_during_and_after():
    go = threading.Event()
    thread = raddle.Thread(target=go.wait)
    assert (thread.state, thread.started, thread.done, thread.exited, thread.is_alive()) == (State.NEW, *[False] * 4)
    assert thread.serial is thread.spawn_site is thread.cpu_time is None and thread.generation == 0
    thread.start()
    assert thread.wait_started(0) and thread.is_alive() and thread.started and not thread.done
    deadline = time.monotonic() + 20
    while not thread.activity.startswith("blocked") and time.monotonic() < deadline:
        time.sleep(0.001)
    assert (
        thread.activity.startswith("blocked 0.")
        and "in Event.wait '" in thread.activity
        and ".go#1'" in thread.activity
    )
    assert thread.spawn_site.rpartition(":")[0] == __file__ and thread.parent is threading.main_thread()
    assert thread.cpu_time >= 0
    go.set()
    thread.join()
    assert (thread.state, thread.done, thread.exited, thread.is_alive()) == (State.FINISHED, True, True, False)
    assert thread.activity == "ended" and thread.cpu_time > 0 and thread.ident is not None


def test_when_it_was_started_and_when_it_had_ended():
    thread, unborn = raddle.Thread(target=time.sleep, args=(0.02,)), raddle.Thread(target=int)
    assert thread.started_at is thread.finished_at is None
    before = time.monotonic()
    thread.start()
    assert before <= thread.started_at <= time.monotonic() and thread.finished_at is None
    thread.join()
    assert thread.started_at + 0.02 <= thread.finished_at <= time.monotonic()
    unborn.stop()
    assert unborn.started_at is unborn.finished_at is None


def test_the_tree_shows_who_has_started_whom():
    go, leaves = threading.Event(), []

    def branch(leaf, stays):
        leaves.append(raddle.spawn(go.wait, name=leaf))
        stays and go.wait()

    left = raddle.spawn(branch, "left leaf", True, name="left")
    right = raddle.spawn(branch, "right leaf", False, name="right")
    right.join()
    while len(leaves) < 2 or not all(thread.activity.startswith("blocked") for thread in [left, *leaves]):
        time.sleep(0.001)
    lines = [line.partition(".go#1")[0] for line in raddle.thread_tree().splitlines()]
    go.set()
    names = [line.partition(" #")[0] for line in lines]
    at = names.index("    └── left leaf") if "    └── left leaf" in names else names.index("│   └── left leaf")
    assert names[0] == "MainThread" and names[at - 1].endswith("── left")
    assert "right leaf" in names, "whose starter has ended stands at the root"
    line = lines[names.index("right leaf")]
    assert (
        "(regular, started by 'right', which has ended, " in line and "blocked 0." in line and "in Event.wait" in line
    )


def test_the_time_that_others_used_on_the_same_thread_of_the_system_is_not_its_own():
    def burn():
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    busy = raddle.spawn(burn)
    busy.join()
    idle = raddle.spawn(int)
    idle.join()
    assert busy.cpu_time >= 0.1 and idle.cpu_time < 0.05


def test_nothing_of_a_thread_runs_once_it_is_not_alive():
    program = textwrap.dedent("""
        import os, threading, time, warnings
        import raddle
        warnings.simplefilter("error")
        for _ in range(20):
            raddle.join_all([raddle.spawn(int) for _ in range(100)])
        deadline = time.monotonic() + 1
        while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        print(len(os.listdir("/proc/self/task")))
        raddle.spawn(int).join()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.stdout.split() == ["1", "0"], done.stdout + done.stderr


def test_a_fork_leaves_only_the_thread_that_forked():
    thread = raddle.spawn(raddle.sleep, 60)
    pid = os.fork()
    if pid == 0:
        names = [info.name for info in raddle.threads()]
        os._exit(0 if names == ["MainThread"] and thread.exited and raddle.spawn(int).result() == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert thread.stop(wait=5)
