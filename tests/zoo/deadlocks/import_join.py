"""A module starts a thread while it is imported and joins it; the thread imports from that module."""

import pathlib
import sys
import tempfile

PLUGIN = """
import threading
import time

def load():
    print(f"step {time.monotonic()}", flush=True)
    from half_imported_plugin import setting

loader = threading.Thread(target=load, name="loader-thread")
loader.start()
print(f"step {time.monotonic()}", flush=True)
loader.join()
setting = 1
"""

with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "half_imported_plugin.py").write_text(PLUGIN)
    sys.path.insert(0, folder)
    import half_imported_plugin  # noqa: F401
