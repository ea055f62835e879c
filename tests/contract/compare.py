"""Runs one body on the standard library and on another runtime and compares what came of it.

What the standard library of the running version does is the contract: same value, or an error whose class is the same
or derived from it and whose text begins with its text.
"""

import inspect
import math
import re
import threading

ADDRESS = re.compile(r"0x[0-9a-f]+")


def outcome(body, api):
    """(value, None) or (None, error)."""
    try:
        return body(api), None
    except Exception as error:
        return None, error


def same(api, body, standard=threading):
    """Asserts that `body(api)` ends as `body(standard)` does; gives that outcome."""
    expected, expected_error = outcome(body, standard)
    value, error = outcome(body, api)
    if expected_error is None:
        assert error is None, f"raised {error!r}, the standard library gives {expected!r}"
        assert value == expected, f"gave {value!r}, the standard library gives {expected!r}"
        return value
    assert error is not None, f"gave {value!r}, the standard library raises {expected_error!r}"
    assert isinstance(error, type(expected_error)), f"{error!r} is no {expected_error!r}"
    text, expected_text = without_address(str(error)), without_address(str(expected_error))
    assert text.startswith(expected_text), f"{text!r} does not begin with {expected_text!r}"
    return error


def without_address(text):
    """A text with its addresses made equal."""
    return ADDRESS.sub("0x", text)


def shape(function):
    """A signature as text, without annotations; None where CPython's own function has none."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    return text.replace("(self, /", "(self")  # of a method written in C, self is given by place


def same_shape(api, path, standard=threading):
    """Asserts that a class or method has CPython's signature, wherever CPython's can be read."""
    expected = shape(reach(standard, path))
    if expected is not None:
        found = shape(reach(api, path))
        assert found == expected, f"{path}{found}, CPython: {expected}"


def reach(api, path):
    """`Event.wait` of a module."""
    for name in path.split("."):
        api = getattr(api, name)
    return api


def public(cls):
    """The public names of a class."""
    return {name for name in dir(cls) if not name.startswith("_")}


def extra_names(api, name, *args, standard=threading):
    """The names that an instance has beyond CPython's, without special ones and raddle's private ones."""
    mine, theirs = (set(dir(getattr(module, name)(*args))) for module in (api, standard))
    return {found for found in mine - theirs if "raddle" not in found and not found.startswith("__")}


def in_thread(api, function, *args):
    """What a function gives in a thread of its own; its error is raised here."""
    results = []

    def body():
        results.append(outcome(lambda _: function(*args), api))

    thread = api.Thread(target=body)
    thread.start()
    thread.join(20)
    assert results, "the thread has not ended"
    value, error = results[0]
    if error is not None:
        raise error
    return value


def blocked_by(api, function, *args):
    """A started daemon thread that is about to call a function, after it has said so."""
    about_to = api.Event()

    def body():
        about_to.set()
        function(*args)

    thread = api.Thread(target=body, daemon=True)
    thread.start()
    about_to.wait(20)
    return thread


def is_nan(value):
    """Whether it is the one value that differs from itself."""
    return isinstance(value, float) and math.isnan(value)


ODD_TIMEOUTS = [
    float("nan"),
    float("inf"),
    float("-inf"),
    -1,
    -0.5,
    -2,
    0,
    0.0,
    1e-9,
    threading.TIMEOUT_MAX + 1e6,
    1e300,
    10**30,
    "1",
    b"1",
    None,
    (),
    1j,
    True,
    False,
    [],
]
FREE_TIMEOUTS = ODD_TIMEOUTS + [threading.TIMEOUT_MAX, 1, 2**31, 1e9]
