"""Question 8: creating a thread. Mistakes are told in the line that makes them."""

import inspect
import sys

import pytest
import raddle
from raddle import threading


def here():
    """`file:line` of the caller's next line."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + 2}"


def test_a_target_that_was_called_instead_of_given():
    line = here()
    with pytest.raises(TypeError) as told:
        raddle.Thread(target=print("called here and now"))
    assert str(told.value) == (
        f"this thread would do nothing (target is None; did you write target=f() instead of target=f?), at {line}"
    )


def test_a_target_that_is_no_function():
    line = here()
    with pytest.raises(TypeError) as told:
        raddle.Thread(target=5)
    assert str(told.value) == (
        f"target must be callable, got int 5 (at {line}; did you write target=f() instead of target=f?)"
    )


def test_a_subclass_with_a_run_of_its_own_needs_no_target():
    class Worker(raddle.Thread):
        def run(self):
            return 42

    assert Worker().start().result() == 42


def test_the_drop_in_accepts_what_the_standard_library_accepts():
    ran = threading.Thread(target=None)
    ran.start()
    ran.join()
    died = []
    threading.excepthook, before = died.append, threading.excepthook
    try:
        late = threading.Thread(target=5)
        late.start()
        late.join()
    finally:
        threading.excepthook = before
    assert [args.exc_type for args in died] == [TypeError]


@pytest.mark.parametrize("options", [{}, {"start_after": 0.01}])
def test_a_stack_of_its_own(options):
    def deep(depth):
        return 0 if depth == 0 else 1 + max(map(deep, [depth - 1]))

    def recurse():
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(100_000)
        try:
            return deep(20_000)
        finally:
            sys.setrecursionlimit(limit)

    if sys.version_info < (3, 12):  # which bounds recursion in C by itself
        assert raddle.Thread(target=recurse, stack_size=256 << 20, **options).start().result() == 20_000


def test_a_mistake_in_an_option():
    with pytest.raises(ValueError, match="on_error must be one of 'join', 'hook', 'exit' or a function, got 'x'"):
        raddle.Thread(target=print, on_error="x")
    with pytest.raises(TypeError, match="on_exception must be a function, got int 3"):
        raddle.Thread(target=print, on_exception=3)
    with pytest.raises(TypeError, match="give start_at or start_after, not both"):
        raddle.Thread(target=print, start_at=0.0, start_after=1)
    with pytest.raises(ValueError, match="stack_size must be 32768 bytes or more, got 5"):
        raddle.Thread(target=print, stack_size=5)
    with pytest.raises(TypeError, match="stack_size must be a number of bytes, got str '1'"):
        raddle.Thread(target=print, stack_size="1")
    with pytest.raises(ValueError, match="grace must be a number of seconds, got nan"):
        raddle.Thread(target=print, grace=float("nan"))
