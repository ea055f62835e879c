"""The five misuses that guides warn of: what a beginner reads. Gotchas 4a, 4c, 4d, questions 8 and 9."""

import re
import threading

import pytest
import raddle
from raddle import threading as drop_in

FILE = r"[^ ]*test_misuses\.py"


def greet(name):
    return f"hello {name}"


def text_of(error):
    """The text, with every time and place made the same."""
    text = re.sub(rf"{FILE}:\d+", "app.py:9", str(error.value))
    return re.sub(r"\d+(\.\d+)? m?s ago|just now", "just now", text)


@pytest.mark.parametrize("Thread", [raddle.Thread, drop_in.Thread], ids=["raddle", "drop-in"])
def test_started_twice(Thread):
    thread = Thread(target=greet, args=("Ada",), name="greeter")
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError) as error:
        thread.start()
    assert text_of(error) == (
        "threads can only be started once (thread 'greeter' was started by 'MainThread' at app.py:9, just now, and ended"
        " just now; make a new Thread for another run)"
    )


@pytest.mark.parametrize("Thread", [raddle.Thread, drop_in.Thread], ids=["raddle", "drop-in"])
def test_joined_before_its_start(Thread):
    thread = Thread(target=greet, args=("Ada",), name="greeter")
    with pytest.raises(RuntimeError) as error:
        thread.join()
    assert text_of(error) == (
        "cannot join thread before it is started (thread 'greeter' has not been started; call its start() first)"
    )


@pytest.mark.parametrize("Thread", [raddle.Thread, drop_in.Thread], ids=["raddle", "drop-in"])
def test_joined_by_itself(Thread):
    caught = []

    def join_itself():
        with pytest.raises(RuntimeError) as error:
            threading.current_thread().join()
        caught.append(error)

    thread = Thread(target=join_itself, name="narcissus")
    thread.start()
    thread.join()
    assert text_of(caught[0]) == (
        "cannot join current thread (thread 'narcissus' was started by 'MainThread' at app.py:9, just now, and would wait"
        " for its own end; let another thread join it)"
    )


def test_called_instead_of_given():
    with pytest.raises(TypeError) as error:
        raddle.Thread(target=greet("Ada"))
    assert text_of(error) == (
        "target must be callable, got str 'hello Ada' (at app.py:9; did you write target=f() instead of target=f?)"
    )
    with pytest.raises(TypeError) as error:
        raddle.Thread(target=print())
    assert text_of(error) == (
        "this thread would do nothing (target is None; did you write target=f() instead of target=f?), at app.py:9"
    )


def test_an_argument_in_the_place_of_arguments():
    with pytest.raises(TypeError) as error:
        raddle.Thread(target=greet, args=(6))
    assert text_of(error) == "args must be a sequence of arguments, got int 6 (write args=(6,)), at app.py:9"
