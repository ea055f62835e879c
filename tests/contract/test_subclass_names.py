"""A subclass of the drop-in's Thread may use any name that raddle's own Thread has: the drop-in has only CPython's."""

import threading
from collections import defaultdict

import harness
import pytest
import raddle
from raddle import threading as mine

NAMES = [name for name in vars(raddle.Thread) if not name.startswith("_") and not hasattr(threading.Thread, name)]
# Of newer CPythons, or attributes of the instance there.
NEWER = defaultdict(set, {"Condition": {"acquire", "release"}})
for _name in ("RLock", "_RLock", "_CRLock", "_PyRLock"):
    NEWER[_name] = {"locked"}


def test_there_are_such_names():
    assert {"result", "state", "parent", "stop", "restart", "activity"} <= set(NAMES)


def test_a_subclass_that_sets_them_all_works(api, runtime):
    class Worker(api.Thread):
        def __init__(self):
            super().__init__()
            for name in NAMES:
                if name != "stop":
                    setattr(self, name, name)
            self.halt = api.Event()

        def run(self):
            self.result = self.halt.wait(20)

        def stop(self):
            self.halt.set()

    worker = Worker()
    worker.start()
    worker.stop()
    worker.join()
    assert worker.result is True and not worker.is_alive()
    assert all(getattr(worker, name) == name for name in NAMES if name not in ("stop", "result"))


@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="about raddle")
@pytest.mark.parametrize("name", [name for name in dir(mine) if isinstance(getattr(mine, name), type)])
def test_the_drop_in_has_no_names_of_its_own(name):
    theirs = getattr(threading, name, None)
    if not isinstance(theirs, type):
        pytest.skip("not CPython's")
    added = {
        attribute for attribute in set(dir(getattr(mine, name))) - set(dir(theirs)) if not attribute.startswith("_")
    }
    assert added <= NEWER[name], added
