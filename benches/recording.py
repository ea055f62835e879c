"""What recording costs: the same program under `raddle run` with and without `--record`, in interleaved pairs.

usage: python benches/recording.py [PAIRS]

For each program: the median of the ratios of the pairs, and the upper bound of its 95 % interval (from the order of the
ratios), of the time on the wall and of the processors' time, from the start of the process to its end. The five programs of
tests/cli/golden that end by themselves, a ping-pong between two threads through queues, and SQLAlchemy's pool with 8 threads.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "cli" / "golden"

PING_PONG = """\
import queue, threading
there, back = queue.Queue(), queue.Queue()
def pong():
    while (item := there.get()) is not None:
        back.put(item)
thread = threading.Thread(target=pong)
thread.start()
for number in range(20_000):
    there.put(number)
    back.get()
there.put(None)
thread.join()
"""

DEATH = """\
import queue, threading, time
results = queue.Queue()
def work():
    time.sleep(0.3)
    raise ValueError("no such account")
threading.Thread(target=work, name="worker").start()
try:
    results.get(timeout=0.6)
except queue.Empty:
    pass
"""


def programs():
    """Name and source of what is measured."""
    golden = ["deadlock", "hot_lock", "gil_bound", "cut_off"]
    sources = {name: (GOLDEN / f"{name}.py").read_text() for name in golden}
    sources["silent_death"] = DEATH  # as golden's, with an end
    sources["ping_pong"] = PING_PONG
    try:
        import sqlalchemy  # noqa: F401
    except ImportError:
        print("SQLAlchemy's pool is left out: pip install sqlalchemy")
    else:
        sources["sqlalchemy_pool"] = (ROOT / "benches" / "programs" / "sqlalchemy_pool.py").read_text()
    return sources


def run(program, place, record):
    """How long a run takes, on the wall and of the processors."""
    options = ["--record", "app.rec"] if record else []
    raddle = pathlib.Path(sys.executable).parent / "raddle"
    before, began = os.times(), time.monotonic()
    subprocess.run([raddle, "run", *options, program], cwd=place, capture_output=True, check=False)
    wall, after = time.monotonic() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def upper(ratios):
    """The upper bound of the 95 % interval of the median."""
    count = len(ratios)
    return sorted(ratios)[min(count - 1, int(count / 2 + 0.98 * count**0.5))]


def main():
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(f"{'program':<18}{'wall':>8}{'upper':>8}{'cpu':>8}{'upper':>8}   of {pairs} pairs; unrecorded takes")
    with tempfile.TemporaryDirectory() as place:
        for name, source in programs().items():
            pathlib.Path(place, f"{name}.py").write_text(source)
            run(f"{name}.py", place, record=True)
            recorded, plain = [], []
            for number in range(pairs):
                for record in (number % 2 == 0, number % 2 != 0):
                    (recorded if record else plain).append(run(f"{name}.py", place, record))
            line = f"{name:<18}"
            for kind in (0, 1):
                ratios = [with_[kind] / without[kind] for with_, without in zip(recorded, plain, strict=True)]
                line += f"{statistics.median(ratios):>8.3f}{upper(ratios):>8.3f}"
            wall, used = (statistics.median(of[kind] for of in plain) for kind in (0, 1))
            print(f"{line}   {wall:.3f} s, {used:.3f} s of processors", flush=True)


if __name__ == "__main__":
    main()
