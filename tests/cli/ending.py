"""Running a program to its end, and what is to be known about that."""

import os
import signal
import subprocess
import sys
from typing import NamedTuple

LIMIT = 30  # seconds that any program may take
RADDLE = [sys.executable, "-m", "raddle", "run"]


class Ended(NamedTuple):
    """How a program ended: its exit status (negative: the signal) and what it wrote."""

    status: int
    out: str
    err: str


def _heed_ctrl_c():
    """Undoes what a shell does to commands in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(command, cwd, merge=False, stdin=os.devnull, **env):
    """Run a command to its end.

    merge: send stderr to where stdout goes, so that the order of the two can be seen. stdin: the file it reads.
    """
    with open(stdin, "rb") as file:
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=os.environ | env,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            text=True,
            preexec_fn=_heed_ctrl_c,
            timeout=LIMIT,
        )
    return Ended(done.returncode, done.stdout, done.stderr or "")
