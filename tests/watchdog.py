"""Watches a run of the tests from a process of its own: a hang is told whatever state the interpreter is in.

The run writes a line of JSON before each test, after one that failed, and at its end. When a test takes longer than it
may, the run gets SIGABRT, which pytest's faulthandler answers with every stack, and what is said last is which test it
was and which had failed before: of a long log, the end is what one sees. The way out of the interpreter has a limit too,
because a failed test may leave threads behind that it waits for.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time

AFTER_THE_DUMP = 10


class Watchdog:
    """The run's side."""

    def __init__(self, stderr):
        self._owner = os.getpid()
        argv = [sys.executable, "-S", __file__, str(self._owner)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=stderr, text=True)

    def begins(self, what, seconds):
        """From now on, the run is at `what`, for at most `seconds`."""
        self._send(what=what, seconds=seconds)

    def failed(self, what):
        """To be named should the run hang later, when pytest cannot tell any more."""
        self._send(failed=what)

    def _send(self, **line):
        if os.getpid() == self._owner:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()


def watch(pid):
    """Reads lines until the run has ended, or is at something for too long."""
    run = os.pidfd_open(pid)
    what, seconds, failed, rest = "the start", 60, [], b""
    end = time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([0, run], [], [], max(0, end - time.monotonic()))
        if run in ready:
            return
        if not ready:
            return bite(pid, run, what, seconds, failed)
        *lines, rest = (rest + os.read(0, 65536)).split(b"\n")
        for line in map(json.loads, lines):
            if "failed" in line:
                failed.append(line["failed"])
            else:
                what, seconds = line["what"], line["seconds"]
                end = time.monotonic() + seconds


def bite(pid, run, what, seconds, failed):
    """Ends the run with all its stacks and says why."""
    os.kill(pid, signal.SIGABRT)
    if not select.select([run], [], [], AFTER_THE_DUMP)[0]:
        os.kill(pid, signal.SIGKILL)
    for before in failed:
        print(f"failed before: {before}", file=sys.stderr)
    print(f"the tests hang: {what} did not end within {seconds} s (stacks above)", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides what Ctrl-C means, and ends; so does this
    watch(int(sys.argv[1]))
