"""The options of `raddle run` for the end of a program: those of `raddle.install`, for a program that nobody changed."""

import signal
import time

import pytest
from ending import RADDLE, run

DAEMONS = """\
import threading, time

def tidy():
    try:
        threading.Event().wait()
    finally:
        print("tidied up", flush=True)

threading.Thread(target=tidy, name="tidy", daemon=True).start()
threading.Thread(target=time.sleep, args=(3600,), name="deaf", daemon=True).start()
time.sleep(0.05)
"""
REGULAR = DAEMONS.replace(", daemon=True", "")


@pytest.mark.parametrize(
    ("options", "status", "out"),
    [
        ([], 0, ""),
        (["--daemon-grace", "0"], 0, ""),
        (["--daemon-grace", "0.2"], 0, "tidied up\n"),
        (["--daemon-grace", "0.2", "--fail-on", "RD008"], 70, "tidied up\n"),
    ],
)
def test_daemon_grace(folder, options, status, out):
    began = time.monotonic()
    ended = run([*RADDLE, *options, "app.py"], folder({"app.py": DAEMONS}))
    assert (ended.status, ended.out) == (status, out), ended.err
    assert ("RD008]: 1 thread did not stop" in ended.err and "'deaf'" in ended.err) == bool(out), ended.err
    assert time.monotonic() - began < 5


def test_exit_notice_and_exit_timeout(folder):
    began = time.monotonic()
    options = ["--exit-notice=0.1", "--exit-timeout", "0.3", "--daemon-grace", "0.2"]
    ended = run([*RADDLE, *options, "app.py"], folder({"app.py": REGULAR}))
    assert (ended.status, ended.out) == (0, "tidied up\n"), ended.err
    assert "RD005]: after 0.1 s: 2 threads keep the program alive" in ended.err
    assert "RD008]: 1 thread did not stop" in ended.err and "'deaf'" in ended.err
    assert 0.5 <= time.monotonic() - began < 5


SIGTERM = """\
import os, signal, threading

def work():
    try:
        threading.Event().wait()
    finally:
        print("finally", flush=True)

threading.Thread(target=work).start()
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("options", "status", "out"),
    [
        (["--sigterm", "stop"], 143, "finally\n"),
        (["--sigterm=default"], -signal.SIGTERM, ""),
        ([], -signal.SIGTERM, ""),
    ],
)
def test_sigterm(folder, options, status, out):
    ended = run([*RADDLE, *options, "app.py"], folder({"app.py": SIGTERM}))
    assert (ended.status, ended.out, ended.err) == (status, out, "")
