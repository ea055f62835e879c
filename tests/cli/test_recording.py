"""`raddle run --record`, `raddle report` and `raddle postmortem`."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from ending import RADDLE, run

COMMAND = RADDLE[:-1]  # without `run`

BANK = """\
import os, queue, sys, threading, time


class Account:
    def __init__(self):
        self.lock = threading.Lock()

    def save(self):
        with self.lock:
            time.sleep(0.1)


account = Account()
jobs = queue.Queue()


def clerk():
    account.save()


def teller():
    time.sleep(0.05)
    raise ValueError("no such account")


def courier():
    while jobs.get() is not None:
        pass


threads = [threading.Thread(target=target, name=name) for name, target in
           [("first", clerk), ("second", clerk), ("teller", teller), ("courier", courier)]]
for thread in threads:
    thread.start()
for thread in threads[:3]:
    thread.join()
jobs.put(None)
"""


@pytest.fixture
def recorded(folder):
    """Returns a function that records a program and returns what the report has as JSON."""

    def record(program, *options):
        place = folder({"app.py": program})
        ended = run([*RADDLE, "--record", "app.rec", *options, "app.py"], place)
        assert (ended.status, ended.err) == (0, "")
        return json.loads(run([*COMMAND, "report", "--json", "app.rec"], place).out)

    return record


def test_what_each_thread_did_with_its_time(folder):
    place = folder({"app.py": BANK})
    plain = run([*RADDLE, "app.py"], place)
    ended = run([*RADDLE, "--record", "app.rec", "app.py"], place)
    assert (ended.status, ended.out, ended.err) == (plain.status, plain.out, plain.err), "a recording changes nothing"
    recording = json.loads(run([*COMMAND, "report", "--json", "app.rec"], place).out)
    threads = {thread["name"]: thread for thread in recording["threads"]}
    assert list(threads) == ["MainThread", "first", "second", "teller", "courier"]
    assert recording["ended"] and recording["lost"] == {"events": 0, "notes": 0}

    second, first = sorted((threads["first"], threads["second"]), key=lambda thread: -len(thread["waits"]))
    [wait] = second["waits"]
    assert (wait["for"], wait["kind"], wait["object"]) == ("lock", "Lock", "Account.lock#1")
    assert (wait["holder"], wait["at"]["line"], wait["at"]["function"]) == (first["serial"], 9, "Account.save")
    assert 0.08 < wait["to"] - wait["from"] < 2 and first["waits"] == []
    assert 0.19 < second["life"] < 4 and second["started_by"] == "MainThread" and second["started_at"]["line"] == 34

    assert (threads["teller"]["how"], threads["teller"]["error"]) == ("died", "ValueError: no such account")
    [wait] = threads["courier"]["waits"]
    assert (wait["for"], wait["kind"], wait["object"]) == ("queue", "Queue", "jobs")
    [verdict] = recording["verdicts"]
    assert verdict["code"] == "RD003" and 0.05 < verdict["at"] - threads["teller"]["began"] < 2


def test_the_report_is_for_people(folder):
    place = folder({"app.py": BANK})
    run([*RADDLE, "--record", "app.rec", "app.py"], place)
    text = run([*COMMAND, "report", "app.rec"], place).out
    assert re.match(r"app\.py \(process \d+\): ended in order after \d+\.\d+ s\n", text), text
    assert "error[RD003]: 'teller' died: ValueError: no such account" in text
    assert re.search(r"^  'courier' +started by 'MainThread' at app\.py:34 ", text, re.MULTILINE), text
    assert re.search(
        r"^  Lock 'Account\.lock#1' +app\.py:9 +1 +\d+\.\d+ s +\d+\.\d+ s +'(first|second)' \d+\.", text, re.MULTILINE
    )


STUCK = """\
import signal, sys, threading, time
import random

locks = [threading.Lock() for _ in range(3)]
own = threading.Lock()


def works():
    while True:
        with random.choice(locks):
            time.sleep(0.001)


def waits():
    threading.Event().wait()


def owns():
    with own:
        works()


for number in range(4):
    threading.Thread(target=works if number else owns, name=f"works-{number}").start()
threading.Thread(target=waits, name="waits").start()
print("up", flush=True)
threading.Event().wait()
"""
KILLS = int(os.environ.get("RADDLE_RUNS", "5"))


@pytest.mark.limit(600)
def test_a_program_that_was_killed_leaves_a_whole_recording(folder):
    place, asleep_in_it = folder({"app.py": STUCK}), 0
    for number in range(KILLS):
        program = subprocess.Popen([*RADDLE, "--record", "app.rec", "app.py"], cwd=place, stdout=subprocess.PIPE)
        assert program.stdout.readline() == b"up\n"
        time.sleep(random.Random(number).uniform(0, 0.1))
        program.kill()
        assert program.wait() == -signal.SIGKILL
        program.stdout.close()
        told = run([*COMMAND, "postmortem", "app.rec"], place)
        assert (told.status, told.err) == (0, "")
        assert f"(process {program.pid}): no end was recorded" in told.out
        threads = re.findall(r"^'([\w-]+)'.*\n    (.*)\n(?:    holds (.*)\n)?", told.out, re.MULTILINE)
        states = {name: (state, held) for name, state, held in threads}
        assert sorted(states) == ["MainThread", "waits", *(f"works-{number}" for number in range(4))], told.out
        busy = r"running|runs |sleeps in a call|is in a call|waits for the GIL|waits for a lock that|has not begun"
        main = rf"waits for Event 'Event#\d' at app\.py:27 since \d\.\d{{3}} s|{busy}"  # not there yet
        assert re.match(main, states["MainThread"][0]), told.out
        assert re.match(rf"waits for Event 'Event#|{busy}", states["waits"][0]), told.out
        held = [lock for _, held in states.values() if held for lock in held.split(", ")]
        assert len(set(held)) == len(held) <= 4, told.out
        for number in range(4):
            state, holds = states[f"works-{number}"]
            assert re.match(
                rf"waits for Lock 'Lock#\d'( \(held by '[\w-]+' when that began\))? at app\.py:10 since|{busy}",
                state,
            ), told.out
            assert re.fullmatch(r"(Lock 'own'(, Lock 'Lock#\d')?)?" if number == 0 else r"(Lock 'Lock#\d')?", holds), (
                told.out
            )
            asleep_in_it += bool(holds)
    assert asleep_in_it, "a thread holds a lock for nearly all of its time"


def held(place):
    """What each thread held when the program said "up", after which it was killed."""
    program = subprocess.Popen([*RADDLE, "--record", "app.rec", "app.py"], cwd=place, stdout=subprocess.PIPE)
    assert program.stdout.readline() == b"up\n"
    program.kill()
    program.wait()
    program.stdout.close()
    threads = json.loads(run([*COMMAND, "report", "--json", "app.rec"], place).out)["threads"]
    return {
        thread["name"]: [f"{lock['kind']} {lock['name']}".strip() for lock in thread["holds"]] for thread in threads
    }


def test_a_lock_that_others_release_is_no_lock_that_its_taker_holds(folder):
    program = (
        "import threading, time\n"
        "signal, mine = threading.Lock(), threading.RLock()\n"
        "a_lock = threading.Lock()\n"
        "mine.acquire(); mine.acquire(); a_lock.acquire(); signal.acquire()\n"
        "thread = threading.Thread(target=signal.release); thread.start(); thread.join()\n"
        "print('up', flush=True); time.sleep(60)\n"
    )
    assert held(folder({"app.py": program})) == {
        "MainThread": ["RLock RLock#1", "Lock a_lock"],
        "Thread-1 (release)": [],
    }


def test_only_so_many_locks_get_a_name(folder):
    program = (
        "import threading, time\n"
        "locks = [threading.Lock() for _ in range(5_000)]\n"
        "for lock in locks:\n"
        "    with lock: pass\n"
        "with locks[0], locks[-1]:\n"
        "    print('up', flush=True); time.sleep(60)\n"
    )
    assert held(folder({"app.py": program})) == {"MainThread": ["Lock Lock#1", "a lock"]}


def test_a_child_of_a_fork_does_not_write_into_it(folder):
    program = (
        "import os, threading, time\n"
        "mine, theirs = threading.Lock(), threading.Lock()\n"
        "with mine:\n"
        "    if os.fork() == 0:\n"
        "        thread = threading.Thread(target=theirs.acquire, name='of the child')\n"
        "        thread.start(); thread.join()\n"
        "        mine.release()\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    own = threading.Lock(); own.acquire()\n"
        "    print('up', flush=True); time.sleep(60)\n"
    )
    assert held(folder({"app.py": program})) == {"MainThread": ["Lock Lock#1", "Lock own"]}


def test_a_timer_that_was_cancelled_did_not_run(recorded):
    program = "import threading, time\nt = threading.Timer(60, print); t.start(); time.sleep(0.1); t.cancel()\n"
    timer = recorded(program)["threads"][1]
    assert (timer["began"], timer["how"], timer["life"]) == (None, "taken back", 0)


def test_an_argument_that_is_no_text(folder):
    place = folder({"app.py": "import sys; print(len(sys.argv))"})
    ended = run([*RADDLE, "--record", "app.rec", "app.py", b"caf\xe9"], place)
    assert (ended.status, ended.out, ended.err) == (0, "2\n", "")
    assert "app.py caf?" in run([*COMMAND, "report", "app.rec"], place).out


def test_a_thread_that_takes_another_name(recorded):
    recording = recorded(
        "import threading\n"
        "def run(): threading.current_thread().name = 'later'\n"
        "threading.Thread(target=run, name='before').start()\n"
    )
    assert [thread["name"] for thread in recording["threads"]] == ["MainThread", "later"]


def test_what_a_thread_is_at_goes_on_after_a_wait_that_no_look_fell_into(recorded):
    recording = recorded(
        "import threading, time\n"
        "lock = threading.Lock()\n"
        "def holds():\n"
        "    while not over.is_set():\n"
        "        with lock: time.sleep(0.0001)\n"
        "def sleeps():\n"
        "    for _ in range(8):\n"
        "        time.sleep(0.05)\n"
        "        with lock: pass\n"
        "over = threading.Event()\n"
        "threading.Thread(target=holds, name='holds').start()\n"
        "sleeper = threading.Thread(target=sleeps, name='sleeps'); sleeper.start()\n"
        "sleeper.join(); over.set()\n"
    )
    [thread] = [thread for thread in recording["threads"] if thread["name"] == "sleeps"]
    asleep = sum(seen["to"] - seen["from"] for seen in thread["seen"] if seen["doing"] == "sleep")
    assert thread["waits"] and asleep > 0.8 * thread["times"]["sleep"] > 0.3, thread


def test_a_fork_changes_nothing_about_a_recording(recorded):
    recording = recorded(
        "import os, time, warnings\n"
        "warnings.simplefilter('error')\n"
        "for _ in range(3):\n"
        "    time.sleep(0.1)\n"
        "    if os.fork() == 0:\n"
        "        os._exit(0 if len(os.listdir('/proc/self/task')) == 1 else 1)\n"
        "    assert os.wait()[1] == 0, 'one thread in the child'\n"
        "    deadline = time.monotonic() + 0.05\n"
        "    while time.monotonic() < deadline: pass\n"
    )
    [main] = recording["threads"]
    assert 0.27 < main["looks"]["sleep"] < 1 and main["looks"]["python"] > 0.05, main


def test_sigquit_tells_what_the_recording_of_a_running_program_shows(folder):
    place = folder(
        {
            "app.py": "import threading, time\n"
            "lock = threading.Lock()\n"
            "def work():\n"
            "    while True:\n"
            "        with lock: time.sleep(0.01)\n"
            "for number in range(6): threading.Thread(target=work, name=f'works-{number}', daemon=True).start()\n"
            "time.sleep(1.5)\n"
            "print('up', flush=True)\n"
            "time.sleep(2)\n"
        }
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    program = subprocess.Popen([*RADDLE, "--record", "app.rec", "app.py"], cwd=place, **pipes)
    assert program.stdout.readline() == "up\n"
    program.send_signal(signal.SIGQUIT)
    _, told = program.communicate(timeout=50)
    codes = re.findall(r"^\w+\[(RD\d+)\]: ", told, re.MULTILINE)
    assert codes == ["RD007", "RD014", "RD009"] and "hot lock: 6 threads waited " in told, told


def test_little_room_keeps_the_latest(recorded):
    program = (
        "import queue, threading\n"
        "a, b = queue.Queue(), queue.Queue()\n"
        "def pong():\n"
        "    while (item := a.get()) is not None: b.put(item)\n"
        "thread = threading.Thread(target=pong); thread.start()\n"
        "for number in range(20_000): a.put(number); b.get()\n"
        "a.put(None); thread.join()\n"
    )
    recording = recorded(program, "--record-size", "1")
    [pong] = [thread for thread in recording["threads"] if thread["name"].endswith("(pong)")]
    assert recording["lost"]["events"] > 10_000 and pong["how"] == "finished"
    assert pong["waits"][-1]["to"] > recording["ended"] - 0.5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--record", "none/app.rec"], "run: --record: none/app.rec: No such file or directory"),
        (["--record", "."], "run: --record: .: "),
        (["--record-size", "0"], "run: --record-size: a whole number of megabytes from 1 is needed, got '0'"),
        (["--record-size", "64MB"], "run: --record-size: a whole number of megabytes from 1 is needed, got '64MB'"),
        (["--record"], "run: --record needs a value, as in --record FILE"),
    ],
)
def test_what_cannot_be_recorded_is_not_run(folder, options, told):
    ended = run([*RADDLE, *options, *(["app.py"] if len(options) > 1 else [])], folder({"app.py": "print('ran')"}))
    assert (ended.status, ended.out) == (2, ""), ended.err
    assert ended.err.startswith(f"raddle {told}"), ended.err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["report", "app.py"], "report: app.py: it is no recording of raddle's"),
        (["postmortem", "none"], "postmortem: none: No such file or directory"),
        (["report"], "report: one recording is needed, got 0"),
        (["postmortem", "a", "b"], "postmortem: one recording is needed, got 2"),
        (["report", "--pdf", "a"], "report: unknown option '--pdf' (it has --html, --json, --perfetto, --fail-on)"),
        (["postmortem", "--json", "a"], "postmortem: unknown option '--json' (it has --fail-on)"),
        (["report", "--fail-on", "RD001,RD999", "a"], "report: --fail-on: unknown code 'RD999' (known: RD001, "),
        (["postmortem", "--fail-on=", "a"], "postmortem: --fail-on: unknown code '' (known: RD001, "),
        (["report", "app.py", "--fail-on"], "report: --fail-on needs a value, as in --fail-on RD001"),
    ],
)
def test_what_cannot_be_read(folder, command, told):
    ended = run([*COMMAND, *command], folder({"app.py": "print('ran')"}))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"raddle {told}"), ended.err


@pytest.mark.parametrize("command", [["report"], ["report", "--json"], ["postmortem"]])
def test_a_report_fails_on_what_it_is_told_to(folder, command):
    place = folder({"app.py": BANK})
    assert run([*RADDLE, "--record", "app.rec", "app.py"], place).status == 0
    plain = run([*COMMAND, *command, "app.rec"], place)
    statuses = {}
    for codes in ("none", "RD001,rd006", "rd003", "RD001, RD003", "any"):
        ended = run([*COMMAND, *command, "--fail-on", codes, "app.rec"], place)
        assert (ended.out, ended.err) == (plain.out, "")
        statuses[codes] = ended.status
    assert plain.status == 0
    assert statuses == {"none": 0, "RD001,rd006": 0, "rd003": 70, "RD001, RD003": 70, "any": 70}


def test_who_reads_a_report_may_have_had_enough(folder):
    place = folder({"app.py": BANK})
    run([*RADDLE, "--record", "app.rec", "app.py"], place)
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*COMMAND, "report", "--fail-on=any", "app.rec"], cwd=place, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (70, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no disk that is always full")
def test_a_report_that_cannot_be_written_is_an_error(folder):
    place = folder({"app.py": BANK})
    run([*RADDLE, "--record", "app.rec", "app.py"], place)
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [*COMMAND, "report", "app.rec"], cwd=place, stdout=full, stderr=subprocess.PIPE, check=False
        )
    told = b"raddle report: what it says cannot be written: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (2, told)


def test_a_device_without_end_is_no_recording(tmp_path):
    ended = run([*COMMAND, "report", "/dev/zero"], tmp_path)
    assert ended.status == 2 and ended.err.startswith("raddle report: /dev/zero: it is no recording of raddle's")


def test_a_file_that_is_there_is_replaced(folder):
    place = folder({"app.py": "pass", "app.rec": "something else"})
    assert run([*RADDLE, "--record", "app.rec", "app.py"], place).status == 0
    assert run([*COMMAND, "report", "app.rec"], place).out.startswith("app.py (process ")
    assert sys.platform != "linux" or (place / "app.rec").stat().st_blocks * 512 >= 64 << 20, "room was reserved"
