"""Imports raddle in a sub-interpreter of each kind there is, and prints what came of it."""

import sys

CODE = """
try:
    import raddle.threading
except ImportError as error:
    text = str(error)
else:
    text = "imported"
import os
os.write(1, ("%s: " + text + "\\n").encode())
"""


def run(kind):
    """Runs the code in a new sub-interpreter, and ends that."""
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters

        new = interpreters.create(kind)
        failure = interpreters.run_string(new, CODE % kind)
    else:
        import _xxsubinterpreters as interpreters

        new = interpreters.create(isolated=kind == "isolated")
        failure = interpreters.run_string(new, CODE % kind)
    assert failure is None, failure
    interpreters.destroy(new)


import raddle  # noqa: E402

run("legacy")
run("isolated")
with raddle.threading.Lock():
    print("main goes on")
