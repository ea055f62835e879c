"""Which of the errors that nobody could raise ended a thread.

`_thread` and C libraries have no hook for the errors of their threads: the interpreter gives them to `sys.unraisablehook`,
as it does those of a destructor. They are told apart by the interpreter's own words. `_thread` itself is left alone.
"""

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def ended_a_thread(unraisable: "Any") -> bool:
    """Whether what `sys.unraisablehook` got left the function of a thread of `_thread`, or a callback on a foreign thread."""
    said = unraisable.err_msg or ""
    if unraisable.exc_value is None:
        return False
    return "in thread started by" in said or "callback" in said and _is_foreign()


def _is_foreign() -> bool:
    thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
    return thread is None or isinstance(thread, threading._DummyThread)
