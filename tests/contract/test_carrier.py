"""A thread cannot tell whether others ran on its thread of the system before: what a new one would have, it has.

One pair of tests for each thing that a thread inherits: what the starter has, the thread has, and what a thread changes, the
next one does not have.
"""

import ctypes
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import harness
import pytest

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39
PR_SET_SECCOMP, PR_GET_SECCOMP, SECCOMP_MODE_FILTER = 22, 21, 2
CLONE_NEWUTS = 0x04000000


def in_thread(api, function):
    """What the function returns in a thread of its own."""
    result = []
    thread = api.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def settled(api):
    """Starts one after the other until the threads that wait for another job have had time to lie down."""
    for _ in range(3):
        in_thread(api, int)
        time.sleep(0.01)


class Capabilities(ctypes.Structure):
    """A record of `capget`, twice."""

    _fields_ = [("words", ctypes.c_uint32 * 6)]


def capabilities(new=None):
    """The effective capabilities of the calling thread; sets them first if some are given."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = Capabilities()
    assert libc.capget(header, ctypes.byref(data)) == 0
    if new is not None:
        data.words[0] = new
        assert libc.capset(header, ctypes.byref(data)) == 0
    return data.words[0]


class Attribute:
    """Something that a thread inherits: how to read it, how to change it, how to change it back."""

    def __init__(self, name, read, change, undo=None):
        self.name, self.read, self.change, self.undo = name, read, change, undo

    def __repr__(self):
        return self.name


def one_cpu():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def allow_every_call():
    """Installs a seccomp filter that says yes to all."""
    allow = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF_0000)  # BPF_RET, SECCOMP_RET_ALLOW
    instructions = ctypes.create_string_buffer(allow, len(allow))
    program = struct.pack("HP", 1, ctypes.addressof(instructions))
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0


CPUS = os.sched_getaffinity(0)
REVERSIBLE = [
    Attribute(
        "mask",
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}),
        lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2}),
    ),
    Attribute("affinity", lambda: frozenset(os.sched_getaffinity(0)), one_cpu, lambda: os.sched_setaffinity(0, CPUS)),
    Attribute(
        "policy",
        lambda: os.sched_getscheduler(0),
        lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)),
        lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)),
    ),
]
IRREVERSIBLE = [
    Attribute("nice", lambda: os.getpriority(os.PRIO_PROCESS, 0), lambda: os.nice(1)),
    Attribute(
        "no_new_privs",
        lambda: libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        lambda: libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    ),
    Attribute("seccomp", lambda: libc.prctl(PR_GET_SECCOMP, 0, 0, 0, 0), allow_every_call),
    Attribute("capabilities", capabilities, lambda: capabilities(capabilities() & ~1)),
    Attribute("namespace", lambda: os.readlink("/proc/thread-self/ns/uts"), lambda: libc.unshare(CLONE_NEWUTS)),
]
NAMES = {attribute.name: attribute for attribute in [*REVERSIBLE, *IRREVERSIBLE]}


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU: its affinity cannot be narrowed")
@pytest.mark.parametrize("attribute", REVERSIBLE, ids=repr)
class TestReversible:
    """In this process."""

    def test_the_starter_changes_it_and_the_thread_has_it(self, api, attribute):
        """Warm threads lie ready; the starter changes itself; the next thread is as the starter is now."""
        settled(api)
        before = in_thread(api, attribute.read)
        attribute.change()
        try:
            assert attribute.read() != before
            assert in_thread(api, attribute.read) == attribute.read()
        finally:
            attribute.undo()
        assert in_thread(api, attribute.read) == before

    def test_a_thread_changes_it_and_the_next_does_not_have_it(self, api, attribute):
        """A thread changes itself; those after it are as the starter is."""
        settled(api)

        def change():
            attribute.change()
            return attribute.read()

        assert in_thread(api, change) != attribute.read()
        time.sleep(0.02)
        assert [in_thread(api, attribute.read) for _ in range(3)] == [attribute.read()] * 3


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities and namespaces are root's to change")
@pytest.mark.parametrize("who", ["starter", "thread"])
@pytest.mark.parametrize("attribute", IRREVERSIBLE, ids=repr)
def test_what_cannot_be_undone(runtime, attribute, who):
    """The same two sequences in a process of their own."""
    module = {"std": "threading", "raddle": "raddle.threading"}[runtime]
    command = [sys.executable, __file__, module, attribute.name, who]
    environment = harness.environment(PYTHONPATH=str(harness.TESTS / "stress"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
    assert (done.stdout, done.stderr) == ("as a new one\n", "")


def in_a_process(module, name, who):
    """The child's part of `test_what_cannot_be_undone`."""
    api, attribute = __import__(module, fromlist=["Thread"]), NAMES[name]
    settled(api)
    before = attribute.read()
    if who == "starter":
        attribute.change()
        assert attribute.read() != before, "it cannot be changed here"
        assert in_thread(api, attribute.read) == attribute.read()
    else:
        assert in_thread(api, lambda: (attribute.change(), attribute.read())[1]) != before, "it cannot be changed here"
        time.sleep(0.02)
        assert [in_thread(api, attribute.read) for _ in range(3)] == [before] * 3
    print("as a new one")


def stack_of_caller():
    """The size of the calling thread's stack, as the system knows it (a smaller one may be lent a larger one)."""
    attributes = (ctypes.c_char * 64)()
    libc.pthread_self.restype = ctypes.c_void_p
    libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attributes)
    size = ctypes.c_size_t()
    libc.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    libc.pthread_attr_destroy(attributes)
    return size.value


def test_stack_size(api):
    """Changed and changed back: each thread has the one that was in force when it was started."""
    settled(api)
    before = in_thread(api, stack_of_caller)
    threading.stack_size(1 << 25)
    try:
        assert in_thread(api, stack_of_caller) == 1 << 25
    finally:
        threading.stack_size(0)
    assert in_thread(api, stack_of_caller) >= before


def test_thread_locals_and_context_begin_empty(api):
    """What a thread leaves in a `local` or a context variable, the next one does not find."""
    import contextvars

    store, variable = api.local(), contextvars.ContextVar("variable", default=None)

    def leave():
        seen = getattr(store, "value", None), variable.get()
        store.value = "left"
        variable.set("left")
        return seen

    assert [in_thread(api, leave) for _ in range(3)] == [(None, None)] * 3


def test_trace_and_profile_functions_are_per_thread(api):
    """A thread that sets them leaves none to the next."""

    def leave():
        seen = sys.gettrace(), sys.getprofile()
        sys.settrace(lambda *_: None)
        sys.setprofile(lambda *_: None)
        return seen

    assert [in_thread(api, leave) for _ in range(3)] == [(None, None)] * 3


@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="RADDLE_TESTS leaves raddle out")
def test_no_more_threads_than_were_started():
    """Threads are joined, the process forks: at that moment the system counts one thread, and nothing is warned of."""
    program = """
import os, sys, warnings
warnings.simplefilter("error")
counts = set()
os.register_at_fork(before=lambda: counts.add(len(os.listdir("/proc/self/task"))))  # called last, being the first
import raddle.threading as api
for _ in range(20):
    threads = [api.Thread(target=int) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
print(counts)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=harness.environment())
    assert (done.stdout, done.stderr) == ("{1}\n", "")


def test_idle_threads_go_away(runtime):
    """A second after the last thread's end the system has the main thread only."""
    program = """
import os, sys, time
api = __import__(sys.argv[1], fromlist=["Thread"])
threads = [api.Thread(target=time.sleep, args=(0.05,)) for _ in range(5)]
[t.start() for t in threads]
[t.join() for t in threads]
until = time.monotonic() + 1
while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < until:
    time.sleep(0.01)
print(len(os.listdir("/proc/self/task")))
"""
    module = {"std": "threading", "raddle": "raddle.threading"}[runtime]
    command = [sys.executable, "-c", program, module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=harness.environment())
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_alive_and_listed_when_start_returns(api):
    """Started while other threads compute: alive, with an ident, listed, whether it has run or not."""
    thread = api.Thread(target=time.sleep, args=(0.05,))
    thread.start()
    assert thread.is_alive() and thread.ident and thread.native_id
    assert thread in api.enumerate()
    thread.join()
    assert not thread.is_alive() and thread not in api.enumerate()


if __name__ == "__main__":
    in_a_process(*sys.argv[1:])
