"""RD011: daemon threads that the end of a program cuts off while their file is not written."""

import json
import re

import pytest
from ending import RADDLE, run

COMMAND = RADDLE[:-1]  # without `run`

JOURNAL = """\
import sys, threading, time


class Journal:
    def __init__(self, path):
        self.file = open(path, "w")
        self.begun = threading.Event()

    def keep(self, lines):
        for number in range(lines):
            self.file.write(f"line {number}\\n")
        self.begun.set()
        time.sleep(60)


journal = Journal("out.txt")
writer = threading.Thread(target=journal.keep, args=(3,), name="writer", daemon=True)
writer.start()
journal.begun.wait()
"""
TOLD = """\
warning[RD011]: 'writer' was cut off by the end of the program, and 21 bytes for out.txt were never written
  --> app.py:13:9
   |
13 |         time.sleep(60)
   |         ^^^^^^^^^^^^^^ 'writer' was here, in Journal.keep
   |
note: 'writer' was started by 'MainThread' here
  --> app.py:18:1
   |
18 | writer.start()
   | ^^^^^^^^^^^^^^
   |
   = note: gotcha 5b: a thread that is cut off; what it had not written yet is lost; see `raddle explain RD011`
   = help: have it stop before the end, and join it; or let a thread that is no daemon write, in a `with` block
"""


def test_who_was_cut_off_where_and_what_was_lost(folder):
    place = folder({"app.py": JOURNAL})
    ended = run([*RADDLE, "--record", "app.rec", "app.py"], place)
    assert (ended.status, ended.out, ended.err) == (0, "", TOLD)
    assert (place / "out.txt").read_bytes() == b""
    assert TOLD in run([*COMMAND, "report", "app.rec"], place).out
    recording = json.loads(run([*COMMAND, "report", "--json", "app.rec"], place).out)
    [verdict] = recording["verdicts"]
    assert verdict["code"] == "RD011" and recording["ended"]


@pytest.mark.parametrize(
    ("options", "status"),
    [([], 0), (["--fail-on", "any"], 0), (["--fail-on", "RD011"], 70), (["--fail-on", "rd001,rd011"], 70)],
)
def test_it_changes_the_status_only_if_asked(folder, options, status):
    ended = run([*RADDLE, *options, "app.py"], folder({"app.py": JOURNAL}))
    assert (ended.status, ended.err) == (status, TOLD)
    healthy = run([*RADDLE, *options, "-c", "import threading; threading.Event().wait(0.01)"], folder({}))
    assert (healthy.status, healthy.err) == (0, "")


def test_a_program_that_only_imports_raddle_is_not_told(folder):
    ended = run([RADDLE[0], "-c", "import raddle\nraddle.install()\n" + JOURNAL], folder({}))
    assert (ended.status, ended.out, ended.err) == (0, "", "")


BUSY = """\
import mmap, struct, sys, threading, time

counter = open("count", "r+b")
written = mmap.mmap(counter.fileno(), 8)


def work():
    number = 0
    with open("out.txt", "wb" if sys.argv[1] == "bytes" else "w") as file:
        line = b"a line\\n" if sys.argv[1] == "bytes" else "a line\\n"
        while True:
            file.write(line)
            number += 1
            written[:] = struct.pack("=q", number)


threading.Thread(target=work, name="writer", daemon=True).start()
time.sleep(0.1)
"""


@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_a_thread_that_writes_all_the_time_is_told_with_every_byte(folder, kind):
    place = folder({"app.py": BUSY, "count": bytes(8)})
    for _ in range(8):
        ended = run([*RADDLE, "app.py", kind], place)
        [lost] = re.findall(r"RD011\]: 'writer' was cut off .* (\d+) bytes for out.txt were never", ended.err)
        count = int.from_bytes((place / "count").read_bytes(), "little") * len("a line\n")
        missing = count - (place / "out.txt").stat().st_size
        assert int(lost) - missing in (0, len("a line\n")), "the last line may not have been counted yet"
        assert ended.status == 0


# What each of these has is written, or nobody would miss it.
INNOCENT = {
    "waits": """
def work():
    file.write("a line\\n")
    file.flush()
    begun.set()
    queue.Queue().get()
file = open("out.txt", "w")
""",
    "sleeps": """
def work():
    begun.set()
    time.sleep(60)
""",
    "prints": """
def work(out=sys.stdout):
    while True:
        print("a line")
        print("another", file=out)
        begun.set()
""",
    "in a file": """
def work():
    mine = sys.stdout
    print("a line")
    begun.set()
    time.sleep(60)
sys.stdout = open("stdout.txt", "w")
""",
    "twice": """
class Both:
    def __init__(self):
        self.outs = [sys.stdout, open("stdout.txt", "w")]
    def write(self, text):
        for out in self.outs:
            out.write(text)
    def flush(self):
        for out in self.outs:
            out.flush()
def work():
    own = sys.stdout.outs[1]
    print("a line")
    begun.set()
    time.sleep(60)
sys.stdout = Both()
""",
    "logs": """
logging.basicConfig(filename="log.txt", level=logging.INFO)
def work():
    while True:
        logging.info("a line")
        begun.set()
""",
    "reads": """
def work():
    file = open(__file__)
    file.read(10)
    begun.set()
    time.sleep(60)
""",
    "closed": """
def work():
    with open("out.txt", "w") as file:
        file.write("a line\\n")
    begun.set()
    time.sleep(60)
""",
    "unbuffered": """
def work():
    file = open("out.txt", "wb", buffering=0)
    file.write(b"a line\\n")
    begun.set()
    time.sleep(60)
""",
    "line by line": """
def work():
    file = open("out.txt", "w", buffering=1)
    while True:
        file.write("a line\\n")
        begun.set()
        time.sleep(0.01)
""",
    "null": """
def work():
    file = open("/dev/null", "w")
    while True:
        file.write("a line\\n")
        begun.set()
""",
    "temporary": """
def work():
    file = tempfile.TemporaryFile("w")
    file.write("a line\\n")
    begun.set()
    time.sleep(60)
""",
    "of main": """
queue.file = open("out.txt", "w")
def work():
    begun.set()
    time.sleep(60)
queue.file.write("a line\\n")
""",
    "of a finalizer": """
class Owner:
    def __init__(self):
        self.file = open("out.txt", "w")
    def __del__(self):
        self.file.close()
queue.owner = Owner()  # __main__ lives on in the thread's function
def work(file=queue.owner.file):
    file.write("a line\\n")
    begun.set()
    time.sleep(60)
""",
    "of a generator": """
def lines():
    with open("out.txt", "w") as file:
        while True:
            yield file
queue.one = lines()
def work(file=next(queue.one)):
    file.write("a line\\n")
    begun.set()
    time.sleep(60)
""",
    "of a class": """
class Odd:
    def __getattr__(self, name):
        raise SystemExit("no code of the program's is run")
    __dict__ = property(lambda self: 1 / 0)
def work(odd=Odd(), none=None):
    begun.set()
    time.sleep(60)
""",
}


@pytest.mark.parametrize("name", INNOCENT)
def test_a_thread_that_loses_nothing_is_not_told_of(folder, name):
    program = "import logging, queue, sys, tempfile, threading, time\nbegun = threading.Event()\n" + INNOCENT[name]
    program += "threading.Thread(target=work, name='worker', daemon=True).start()\nbegun.wait()\ntime.sleep(0.05)\n"
    place = folder({"app.py": program})
    for _ in range(2):
        ended = run([*RADDLE, "--fail-on", "RD011", "app.py"], place)
        assert (ended.status, ended.err) == (0, "")
    for written in place.glob("*.txt"):
        assert written.read_bytes(), f"{written} is not written"


LOST = {
    "of a method": """
class Worker:
    def __init__(self):
        self.file = open("out.txt", "w")
    def __call__(self):
        self.file.write("12345")
        begun.set()
        time.sleep(60)
work = Worker()
""",
    "around": """
file = None
def make():
    file = open("out.txt", "w")
    def work():
        file.write("12345")
        begun.set()
        time.sleep(60)
    return work
work = make()
""",
    "both ways": """
def work():
    file = open("out.txt", "w+")
    file.write("12345")
    begun.set()
    time.sleep(60)
""",
    "encoded": """
def work():
    file = open("out.txt", "w", encoding="utf-8")
    file.write("äö1")
    begun.set()
    time.sleep(60)
""",
    "deep": """
def work():
    file = open("out.txt", "w")
    file.write("12345")
    begun.set()
    queue.Queue().get()
""",
}


@pytest.mark.parametrize("name", LOST)
def test_wherever_it_has_its_file(folder, name):
    program = "import queue, threading, time\nbegun = threading.Event()\n" + LOST[name]
    program += "threading.Thread(target=work, name='worker', daemon=True).start()\nbegun.wait()\n"
    place = folder({"app.py": program})
    ended = run([*RADDLE, "app.py"], place)
    assert "RD011]: 'worker' was cut off by the end of the program, and 5 bytes for out.txt were never" in ended.err
    assert ended.status == 0 and (place / "out.txt").read_bytes() == b""


def test_it_is_not_certain_beside_callbacks_that_come_later(folder):
    program = (
        "import atexit, runpy, sys, time\natexit.register(time.sleep, 0.01)\nsys.argv = ['raddle', 'run', 'app.py']\n"
    )
    program += "runpy.run_module('raddle', run_name='__main__', alter_sys=False)\n"
    ended = run([RADDLE[0], "-c", program], folder({"app.py": JOURNAL}))
    assert (ended.status, ended.err) == (0, "")


def test_children_of_a_fork_have_their_own_status(folder):
    program = "import os, sys\npid = os.fork()\nif pid:\n    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n    sys.exit()\n"
    place = folder({"app.py": program + JOURNAL})
    ended = run([*RADDLE, "--fail-on", "RD011", "app.py"], place)
    assert (ended.status, ended.out) == (0, "0\n") and "RD011" in ended.err
