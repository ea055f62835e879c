"""threading.Thread, Timer and the module's functions, one body on both runtimes."""

import copy
import os
import pickle
import sys
import threading
import time
import warnings
import weakref
from unittest import mock

import harness
import pytest
from compare import FREE_TIMEOUTS, ODD_TIMEOUTS, extra_names, in_thread, same, same_shape, without_address


def finished(t, **kwargs):
    """A thread that has run and ended."""
    thread = t.Thread(**kwargs)
    thread.start()
    thread.join(20)
    return thread


def running(t, **kwargs):
    """A live thread, and the event that ends it."""
    end = t.Event()
    thread = t.Thread(target=end.wait, args=(30,), **kwargs)
    thread.start()
    return thread, end


def with_running(t, body):
    """`body(thread)` with a live thread."""
    thread, end = running(t)
    try:
        return body(thread)
    finally:
        end.set()
        thread.join(20)


def test_life(api):
    """New, started, ended: what is_alive, ident and native_id say."""
    thread, end = api.Thread(), None
    assert (thread.is_alive(), thread.ident, thread.native_id) == (False, None, None)
    thread, end = running(api)
    assert thread.is_alive()
    assert isinstance(thread.ident, int)
    assert isinstance(thread.native_id, int)
    assert thread in api.enumerate()
    assert api.active_count() == len(api.enumerate())
    end.set()
    assert thread.join() is None
    assert not thread.is_alive()
    assert isinstance(thread.ident, int)
    assert thread not in api.enumerate()


def test_idents_are_those_of_the_thread_itself(api):
    """Seen from inside and from outside."""
    seen = []
    thread = finished(api, target=lambda: seen.extend([api.get_ident(), api.get_native_id(), api.current_thread()]))
    assert seen == [thread.ident, thread.native_id, thread]


def test_arguments(api):
    """Positional and by name; they are dropped afterwards."""
    seen = []
    thread = api.Thread(target=lambda *a, **k: seen.append((a, k)), args=(1, 2), kwargs={"three": 3})
    assert (thread._args, thread._kwargs) == ((1, 2), {"three": 3})
    assert callable(thread._target)
    thread.start()
    thread.join()
    assert seen == [((1, 2), {"three": 3})]
    assert not hasattr(thread, "_target")
    assert not hasattr(thread, "_args")
    assert not hasattr(thread, "_kwargs")


def test_private_arguments_may_be_changed_before_start(api):
    """Programs set `_target` and `_args` on a new thread."""
    seen = []
    thread = api.Thread(target=print)
    thread._target, thread._args = seen.append, ("changed",)
    thread.start()
    thread.join()
    assert seen == ["changed"]


@pytest.mark.parametrize("when", ["alive", "ended"])
def test_started_twice(api, when):
    """The class and the text."""
    if when == "alive":
        same(api, lambda t: with_running(t, lambda thread: thread.start()))
    else:
        same(api, lambda t: finished(t).start())


def test_join_before_start(api):
    """The class and the text."""
    same(api, lambda t: t.Thread().join())


def test_join_of_itself(api):
    """The class and the text, with a timeout too; from a worker and from main."""

    def body(t):
        return in_thread(t, lambda: t.current_thread().join())

    same(api, body)
    same(api, lambda t: t.current_thread().join(0.01))


def test_join_of_a_dummy_thread(api):
    """The class and the text: they are another class on other versions."""
    import _thread

    def body(t):
        dummies, ready, end = [], _thread.allocate_lock(), _thread.allocate_lock()
        ready.acquire()
        end.acquire()

        def foreign():
            dummies.append(t.current_thread())
            ready.release()
            end.acquire()

        _thread.start_new_thread(foreign, ())
        ready.acquire()
        try:
            dummies[0].join(0.01)
        except AssertionError as error:
            raise AssertionError(str(error).split("\n")[0]) from None
        finally:
            end.release()

    same(api, body)


def test_join_many_times(api):
    """Three joins of an ended thread, and three joiners of a live one."""
    thread = finished(api)
    assert [thread.join(), thread.join(1), thread.join(timeout=0)] == [None] * 3
    thread, end = running(api)
    joiners = [api.Thread(target=thread.join) for _ in range(3)]
    for joiner in joiners:
        joiner.start()
    end.set()
    for joiner in joiners:
        joiner.join(20)
        assert not joiner.is_alive()


@pytest.mark.parametrize("timeout", [t for t in ODD_TIMEOUTS if t is not None and t is not True], ids=repr)
def test_odd_timeouts_of_a_live_thread(api, timeout):
    """None, or class and text of the error."""
    same(api, lambda t: with_running(t, lambda thread: thread.join(timeout)))


@pytest.mark.parametrize("timeout", FREE_TIMEOUTS, ids=repr)
def test_odd_timeouts_of_an_ended_thread(api, timeout):
    """None, or class and text of the error."""
    same(api, lambda t: finished(t).join(timeout))


def test_joined_thread_is_through_its_run(api):
    """Whatever `run` did is visible after join."""
    for _ in range(50):
        box = []
        thread = api.Thread(target=box.append, args=(1,))
        thread.start()
        thread.join()
        assert box == [1]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"group": 1},
        {"target": 5},
        {"args": 6},
        {"name": 7},
        {"daemon": "yes"},
        {"kwargs": {"a": 1}},
        {"nonsense": 1},
        {"name": ""},
        {"args": [1, 2]},
        {"args": "abc"},
    ],
    ids=str,
)
def test_constructor(api, kwargs):
    """What it refuses, and what it keeps."""

    def body(t):
        thread = t.Thread(**kwargs)
        named = "name" in kwargs and kwargs["name"]
        return thread._args, thread._kwargs, thread.daemon, thread.name if named else None

    same(api, body)


def test_names(api):
    """Given, changed, made up with the target's name, made a str."""

    def body(t):
        def work():
            pass

        made_up, given = t.Thread(target=work).name, t.Thread(name="mine")
        given.name = 8
        return made_up.split("-")[0], made_up.endswith("(work)"), given.name, t.Thread(name=9).name

    same(api, body)


def test_name_seen_by_the_thread(api):
    """Set before the start, changed from outside while it runs."""
    names, changed, seen = [], api.Event(), api.Event()

    def look():
        names.append(api.current_thread().name)
        seen.set()
        changed.wait(20)
        names.append(api.current_thread().name)

    thread = api.Thread(target=look, name="first")
    thread.start()
    seen.wait(20)
    thread.name = "second"
    changed.set()
    thread.join()
    assert names == ["first", "second"]


def test_daemon(api):
    """Inherited, given, changed before the start, refused while alive."""

    def grandchild():
        return api.Thread().daemon

    results = []
    daemon = api.Thread(target=lambda: results.append(grandchild()), daemon=True)
    daemon.start()
    daemon.join()
    assert results == [True]
    thread = api.Thread()
    assert thread.daemon is False
    thread.daemon = 1
    assert thread.daemon == 1
    same(api, lambda t: with_running(t, lambda thread: setattr(thread, "daemon", True)))


def test_old_names_warn(api):
    """getName and its like are deprecated and work."""
    thread = api.Thread()
    with pytest.warns(DeprecationWarning):
        thread.setName("old")
    with pytest.warns(DeprecationWarning):
        assert thread.getName() == "old"
    with pytest.warns(DeprecationWarning):
        thread.setDaemon(True)
    with pytest.warns(DeprecationWarning):
        assert thread.isDaemon() is True
    with pytest.warns(DeprecationWarning):
        assert api.currentThread() is api.current_thread()
    with pytest.warns(DeprecationWarning):
        assert api.activeCount() == api.active_count()


def test_repr(api):
    """Initial, started, stopped, daemon."""

    def body(t):
        new = t.Thread(name="n")
        daemon, end = running(t, name="d", daemon=True)
        texts = [repr(new), repr(daemon).replace(str(daemon.ident), "IDENT")]
        end.set()
        daemon.join()
        texts.append(repr(daemon).replace(str(daemon.ident), "IDENT"))
        return [without_address(text) for text in texts]

    same(api, body)


def test_constructor_not_called(api):
    """A subclass that forgets it: CPython's texts for start, name, daemon, repr, join, is_alive."""

    def after(action):
        def body(t):
            class Forgetful(t.Thread):
                def __init__(self):
                    pass

            return action(Forgetful())

        return body

    for action in (
        lambda thread: thread.start(),
        lambda thread: thread.join(),
        lambda thread: thread.is_alive(),
        lambda thread: thread.name,
        lambda thread: thread.ident,
        lambda thread: thread.daemon,
        repr,
    ):
        same(api, after(action))


def test_constructor_called_late(api):
    """Attributes first, then Thread.__init__: fine."""

    class Late(api.Thread):
        def __init__(self):
            self.box = []
            super().__init__(name="late")

        def run(self):
            self.box.append(self.name)

    thread = Late()
    thread.start()
    thread.join()
    assert thread.box == ["late"]


def test_subclass_with_names_that_people_use(api):
    """result, state, parent, stop, serial: a user's own."""

    class Mine(api.Thread):
        def __init__(self):
            super().__init__()
            self.result, self.state, self.parent, self.serial = None, "new", "me", "x"

        def stop(self):
            return "stopped"

        def run(self):
            self.result = "done"

    thread = Mine()
    thread.start()
    thread.join()
    assert (thread.result, thread.state, thread.parent, thread.serial, thread.stop()) == (
        "done",
        "new",
        "me",
        "x",
        "stopped",
    )


def test_another_c_base(api):
    """A subclass of Thread and dict."""

    class Both(api.Thread, dict):
        __hash__ = api.Thread.__hash__

        def run(self):
            self["ran"] = True

    thread = Both()
    thread.start()
    thread.join()
    assert thread == {"ran": True}


def test_run_by_hand(api):
    """run() without start() runs here; a second time there is no target left."""

    def body(t):
        box = []
        thread = t.Thread(target=box.append, args=(1,))
        thread.run()
        try:
            thread.run()
        finally:
            assert box == [1]
            assert not thread.is_alive()

    same(api, body)


def test_patched_on_instance_and_class(api):
    """`run` replaced on the instance; `run` wrapped on the class."""
    seen = []
    thread = api.Thread(target=seen.append, args=("target",))
    thread.run = lambda: seen.append("instance")
    thread.start()
    thread.join()
    real = api.Thread.run

    def wrapped(self):
        seen.append("class")
        real(self)

    with mock.patch.object(api.Thread, "run", wrapped):
        finished(api, target=seen.append, args=("target",))
    assert seen == ["instance", "class", "target"]
    with mock.patch.object(thread, "join", return_value="mocked"):
        assert thread.join() == "mocked"


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_pickle_and_deep_copy(api, how):
    """Neither: there is a lock inside."""
    with pytest.raises((TypeError, pickle.PicklingError), match="(?i)(cannot|can.t) pickle"):
        how(api.Thread())


def test_copy(api):
    """copy.copy gives an object with the same attributes."""
    thread = api.Thread(name="original")
    thread.note = "mine"
    twin = copy.copy(thread)
    assert (twin.name, twin.note) == ("original", "mine")


def test_signatures(api):
    """As CPython's; `context` of 3.14 may be there on every version."""
    import inspect

    paths = ["Thread.start", "Thread.run", "Thread.join", "Thread.is_alive", "Timer", "Timer.cancel", "active_count"]
    for path in [*paths, "current_thread", "enumerate", "main_thread", "settrace", "setprofile", "stack_size"]:
        same_shape(api, path)
    names = list(inspect.signature(api.Thread).parameters)
    assert [name for name in names if name != "context"] == [
        name for name in inspect.signature(threading.Thread).parameters if name != "context"
    ]


@pytest.mark.parametrize(("name", "args"), [("Thread", ()), ("Timer", (1, print))])
def test_no_name_beyond(api, name, args):
    """No name that a user's subclass might want for itself."""
    assert not extra_names(api, name, *args)


def test_every_public_name(api):
    """What `threading` has, is here."""
    assert set(threading.__all__) <= set(dir(api))
    assert set(threading.__all__) <= set(api.__all__)


def test_main_thread(api):
    """It is a Thread, alive, called MainThread, and not a daemon."""
    main = api.main_thread()
    assert main is api.current_thread()
    assert isinstance(main, api.Thread) or api.Thread.__module__ != "threading"
    assert (main.name, main.daemon, main.is_alive()) == ("MainThread", False, True)


def test_excepthook_gets_the_error(api, monkeypatch):
    """A thread dies: the hook gets class, value, traceback and thread; join says nothing."""
    seen = []
    monkeypatch.setattr(
        threading, "excepthook", lambda args: seen.append((args.exc_type, str(args.exc_value), args.thread))
    )
    thread = finished(api, target=lambda: 1 / 0)
    assert seen == [(ZeroDivisionError, "division by zero", thread)]
    assert not thread.is_alive()


def test_system_exit_is_silent(api, capfd, monkeypatch):
    """A thread that calls sys.exit ends, nothing is printed."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    thread = finished(api, target=sys.exit, args=(3,))
    assert not thread.is_alive()
    assert capfd.readouterr().err == ""


def test_error_is_printed(api, capfd, monkeypatch):
    """The default hook's text names the thread."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    finished(api, target=lambda: 1 / 0, name="doomed")
    err = capfd.readouterr().err
    assert err.startswith("Exception in thread doomed:\nTraceback (most recent call last):\n")
    assert "ZeroDivisionError: division by zero" in err


def test_ended_threads_are_let_go(api):
    """A thread object, its target and its arguments die with the last reference."""

    class Argument:
        pass

    argument = Argument()
    thread = finished(api, target=lambda it: None, args=(argument,))
    gone = weakref.ref(argument), weakref.ref(thread)
    del argument, thread
    limit = time.monotonic() + 5
    while any(reference() is not None for reference in gone):
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_locals_die_with_their_thread(api):
    """A thread-local's value is dropped when the thread ends, while current_thread() is still that thread."""
    local, names = api.local(), []

    class Value:
        def __del__(self):
            names.append("gone")

    def work():
        local.value = Value()

    finished(api, target=work)
    limit = time.monotonic() + 5
    while not names:
        assert time.monotonic() < limit
        time.sleep(0.001)


@pytest.mark.parametrize("size", [-1, 1, 1000, "big", 2**70, 32768 * 2], ids=repr)
def test_odd_stack_sizes(api, size):
    """What stack_size() refuses."""

    def body(t):
        try:
            return t.stack_size(size)
        finally:
            t.stack_size(0)

    same(api, body)


def test_trace_and_profile_functions(api):
    """settrace and setprofile reach threads that start later."""
    for setter, getter in (("settrace", "gettrace"), ("setprofile", "getprofile")):
        events = []

        def hook(frame, event, _arg, events=events):
            if frame.f_code.co_name == "traced":
                events.append(event)
            return None

        def traced():
            pass

        before = getattr(api, getter)()
        getattr(api, setter)(hook)
        try:
            assert getattr(api, getter)() is hook
            finished(api, target=traced)
        finally:
            getattr(api, setter)(before)
        assert "call" in events


def test_timer(api):
    """Fires once, after its time; cancelled, never."""
    fired = api.Event()
    timer = api.Timer(0.001, fired.set)
    timer.start()
    assert fired.wait(20)
    timer.join(20)
    assert timer.finished.is_set()
    other = api.Timer(3600, fired.clear)
    other.start()
    other.cancel()
    other.join(20)
    assert not other.is_alive()
    assert fired.is_set()


ODD_INTERVALS = [
    float("nan"),
    float("inf"),
    float("-inf"),
    1e11,
    -1,
    -1e300,
    2**70,
    -(2**70),
    10**400,
    "x",
    "1",
    b"1",
    [],
    1j,
]


@pytest.mark.parametrize("interval", ODD_INTERVALS, ids=lambda interval: f"{interval!r:.12}")
def test_an_odd_interval_is_the_business_of_the_timers_thread(api, monkeypatch, interval):
    """`start()` returns; the function is called, or the excepthook for what waiting so long raises."""

    def fate(t):
        seen = []
        monkeypatch.setattr(threading, "excepthook", lambda args: seen.append((args.exc_type, str(args.exc_value))))
        timer = t.Timer(interval, seen.append, ["called"])
        timer.start()
        timer.join(20)
        return seen, timer.finished.is_set()

    seen, _ = same(api, fate)
    assert len(seen) == 1


ENDS_LOCKS = pytest.mark.skipif(not hasattr(threading, "_shutdown_locks"), reason="3.13 keeps them elsewhere")


@ENDS_LOCKS
@pytest.mark.parametrize("daemon", [False, True])
def test_who_is_waited_for_at_the_end_is_listed(api, daemon):
    """Before 3.13, while it runs, by what stands for its end."""
    thread, end = running(api, daemon=daemon)
    lock = thread._tstate_lock
    assert (lock in threading._shutdown_locks) is not daemon
    end.set()
    thread.join(20)
    assert lock not in threading._shutdown_locks


@ENDS_LOCKS
def test_who_is_waited_for_at_the_end_is_listed_in_the_child_of_a_fork(api):
    """Of the parent's threads none."""

    def child(parents):
        thread, end = running(api)
        lock = thread._tstate_lock
        listed = lock in threading._shutdown_locks, parents in threading._shutdown_locks
        end.set()
        thread.join(20)
        return (*listed, lock in threading._shutdown_locks) == (True, False, False)

    def body(thread):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if child(thread._tstate_lock) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert with_running(api, body) == 0


def test_context_on_every_version(runtime, api):
    """Thread(context=) is 3.14's; raddle has it everywhere."""
    import contextvars

    if runtime == "std" and sys.version_info < (3, 14):
        pytest.skip("Thread(context=) is new in 3.14")
    variable = contextvars.ContextVar("variable", default="empty")
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    seen = []
    finished(api, target=lambda: seen.append(variable.get()), context=context)
    finished(api, target=lambda: seen.append(variable.get()))
    assert seen[0] == "given"


def test_nested_patches_of_a_module_global(api):
    """The inner patch is undone before the outer one, and both are."""
    before = api.excepthook
    with mock.patch.object(api, "excepthook", 1):
        with mock.patch.object(api, "excepthook", 2):
            assert api.excepthook == 2
        assert api.excepthook == 1
    assert api.excepthook is before


def test_subclasses_and_threads_from_before_install_are_raddles_until_it_is_undone():
    program = """
import threading
class Own(threading.Thread):
    pass
plain, go_on = threading.Thread(target=lambda: go_on.wait()), threading.Event()
plain.start()
import raddle, raddle._threads
before = Own.__mro__, raddle.Thread.__mro__
with raddle.install():
    assert issubclass(Own, raddle.threading.Thread) and isinstance(plain, raddle.threading.Thread)
    assert raddle.Thread.__mro__ == before[1]
assert (Own.__mro__, raddle.Thread.__mro__) == before and type(plain) is threading.Thread
go_on.set()
plain.join()
assert raddle.spawn(int).result() == 0
"""
    done = harness.run([sys.executable, "-c", program])
    assert done.code == 0, str(done)
