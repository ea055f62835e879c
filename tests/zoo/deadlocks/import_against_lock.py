"""A module takes a lock in its body that main holds; main, which comes a second later, imports the module."""

import pathlib
import sys
import tempfile
import threading
import time

PLUGIN = """
import time
from __main__ import begun, settings

begun.set()
print(f"step {time.monotonic()}", flush=True)
with settings:
    pass
"""

settings = threading.Lock()
begun = threading.Event()


def load():
    import locking_plugin  # noqa: F401


with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "locking_plugin.py").write_text(PLUGIN)
    sys.path.insert(0, folder)
    loader = threading.Thread(target=load, name="loader-thread")
    with settings:  # held: MainThread
        loader.start()
        begun.wait()
        time.sleep(1)
        print(f"step {time.monotonic()}", flush=True)
        import locking_plugin  # noqa: F401  # waits: MainThread
