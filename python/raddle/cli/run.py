"""`raddle run`: puts raddle under a program and runs it in this process, as `python` would.

What happens, in order: the options are read; the program is found (`program.py`; what cannot start is handed to
`python`, whose message and exit status those are then); raddle is installed; the program runs; the interpreter ends by
itself, with its own exit status unless one of the two cases below calls for another one.

The exit status is decided in an `atexit` callback that is registered before the program can register its own, and so
runs after them and after the threads were joined. To change the status there, `_raddle.exit_with(status)` registers a
C function with `Py_AtExit`, which the interpreter calls when it has finalized completely and which calls C's
`exit(status)`. `os._exit` in the callback would be simpler, and would lose what open files have in their buffers, every
`__del__` and every C exit handler; here nothing is lost.
"""

import _thread
import atexit
import os
import sys

import raddle
from raddle import _raddle
from raddle._imports import Watch
from raddle._unraisable import ended_a_thread
from raddle.cli import USAGE_ERROR, complain, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

USAGE = """\
usage: raddle run [options] PROGRAM [arguments of the program ...]

Runs a Python program on raddle's threads and locks and reports on stderr what would have hung, or got lost.

PROGRAM is what python takes, or a command:
  FILE          a Python file, a directory or zip file with a __main__.py
  -m MODULE     a module
  -c CODE       a piece of Python
  -             a file that comes from stdin
  NAME          a command on PATH that is written in Python (pytest, gunicorn, ...)

  --fail-on CODES   exit with status 70 if one of these was reported (default: RD001):
                    codes with commas between them; any (RD001, RD002, RD003, RD004, RD006); or none
  --deadlocks MODE  raise (default): an error in the thread that closes a deadlock which nothing can dissolve, and a
                    report of the others; report: a report of all; off
  --deadlock-grace SECONDS  for how long what may pass by itself must stand before it is reported (default: 0.2)
  --lock-order MODE report (default): a report of locks that threads take in opposite orders, before they deadlock; off
  --record FILE     record what every thread does, for raddle report FILE and raddle postmortem FILE; the recording is good
                    also if the program is killed
  --record-size MB  how much room that takes (default: 64); where it is too little, the latest events are kept
  --hold-warn SECONDS  a report (RD013) of who has held a lock for so long while others wait for it (default: none)

  What `raddle.install` knows about the end of a program, by the same names:
  --daemon-grace SECONDS  ask daemon threads to stop, give them so long, and list who is left (default: 0, they are not asked)
  --exit-notice SECONDS   after so much waiting for threads at the end, report who keeps the program alive (default: none)
  --exit-timeout SECONDS  after so much waiting, ask them to stop and end without those that do not (default: none)
  --sigterm MODE    stop: SIGTERM asks all threads to stop and ends the program in order; default: what it does in python

Options for the interpreter go to python: python -X dev -m raddle run PROGRAM
"""
FAILED = 70  # the exit status if a verdict of --fail-on was told: EX_SOFTWARE
INTERRUPTED = 130  # what a shell gives for a program that Ctrl-C ended
MODES = {"--deadlocks": ("raise", "report", "off"), "--lock-order": ("report", "off"), "--sigterm": ("stop", "default")}
DEFAULTS = {"--fail-on": "RD001", "--deadlocks": "raise", "--lock-order": "report", "--sigterm": "default"}
# Times, which `install` knows by the same names. Each with an example; none is set by default.
RECORD = {"--record": "FILE", "--record-size": "64"}  # with an example of each value
SECONDS = {
    "--deadlock-grace": "0.2",
    "--hold-warn": "0.5",
    "--daemon-grace": "1.0",
    "--exit-notice": "5.0",
    "--exit-timeout": "30.0",
}


EXAMPLES = DEFAULTS | SECONDS | RECORD


class Refused(Exception):
    """A command line that makes no sense; the text says which option, which value, and the way out."""


def main(arguments: "Sequence[str]") -> int:
    """Run a program on raddle.

    arguments: what stands after `raddle run`.

    Returns the exit status if the program returns. What it raises passes through, `SystemExit` too.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    try:
        options, rest = read_options(arguments)
        codes = read_codes(options["--fail-on"])
        for name, modes in MODES.items():
            if options[name] not in modes:
                raise Refused(f"{name}: unknown mode {options[name]!r} (it is one of {', '.join(modes)})")
        limits = {name[2:].replace("-", "_"): read_seconds(name, options[name]) for name in SECONDS if name in options}
        size = read_size(options.get("--record-size", RECORD["--record-size"]))
        found = program.find(rest)
    except (Refused, program.NotPython, program.Terminal) as problem:
        return complain(f"run: {problem}")
    if "--record" in options and not _record(options["--record"], size, rest):
        return USAGE_ERROR
    _settle_at_exit(codes)
    if "RD011" in codes:
        _raddle.exit_with_if_cut_off(FAILED)
    raddle.install(
        deadlocks=options["--deadlocks"],
        lock_order=options["--lock-order"] == "report",
        sigterm="stop" if options["--sigterm"] == "stop" else None,
        **limits,
    )
    _raddle.observe_program(excepthook, unraisablehook)
    if "RD003" in codes:
        Watch(("concurrent.futures.thread",), _count_jobs).start()
    found.run()
    return 0


def _count_jobs(_imported: object) -> None:
    """Have RD003 told also of the errors of jobs that nobody asks for; who does not fail on them does not pay for that."""
    from raddle import _errors

    _errors.count_jobs()


def excepthook(args: "Any") -> None:
    """Show an error that left a thread's function as CPython does; then say who started the thread."""
    _thread._excepthook(args)
    _raddle.died(args)


def unraisablehook(unraisable: "Any", /, _show: "Any" = sys.unraisablehook) -> None:
    """Show an error that nobody could raise as CPython does; one that ended a thread of `_thread` is reported."""
    _show(unraisable)
    if ended_a_thread(unraisable):
        _raddle.died(unraisable)


excepthook.__module__ = "_thread"
excepthook.__name__ = excepthook.__qualname__ = "_excepthook"
unraisablehook.__module__ = "sys"


def read_options(arguments: "Sequence[str]") -> "tuple[dict[str, str], list[str]]":
    """Split a command line into raddle's options and the rest, which starts with the program.

    Raises `Refused` for an unknown option, one without its value, and for a command line without a program.
    """
    options, rest = dict(DEFAULTS), list(arguments)
    while rest and rest[0].startswith("-") and rest[0][:2] not in ("-", "-m", "-c"):
        name, has_value, value = rest.pop(0).partition("=")
        if name not in EXAMPLES:
            raise Refused(
                f"unknown option {name!r} (raddle run has {', '.join(EXAMPLES)}; the program's options go after the"
                f" program, those of the interpreter to python: python {name} -m raddle run ...)"
            )
        if not has_value and not rest:
            raise Refused(f"{name} needs a value, as in {name} {EXAMPLES[name]}")
        options[name] = value if has_value else rest.pop(0)
    if not rest:
        raise Refused(
            "which program? (raddle run app.py, -m module, -c code, - for stdin, or a command; raddle run --help)"
        )
    if rest[0] in ("-m", "-c") and len(rest) == 1:
        raise Refused(f"{rest[0]} needs a value, as in {'-m http.server' if rest[0] == '-m' else '-c pass'}")
    return options, rest


def read_codes(text: str) -> "frozenset[str]":
    """The codes that the value of `--fail-on` stands for. Raises `Refused` for one that does not exist."""
    try:
        return frozenset(_raddle.codes_to_fail_on(text))
    except ValueError as problem:
        raise Refused(str(problem)) from None


def read_seconds(name: str, text: str) -> float:
    """The value of an option that is a time. Raises `Refused` for what is none."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf") or (seconds == 0 and name == "--hold-warn"):
        raise Refused(f"{name}: a number of seconds is needed, got {text!r}, as in {name} {SECONDS[name]}")
    return seconds


def read_size(text: str) -> int:
    """The value of `--record-size`, in bytes. Raises `Refused` for what is none."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1 << 20:
        raise Refused(
            f"--record-size: a whole number of megabytes from 1 is needed, got {text!r}, as in --record-size 64"
        )
    return int(text) << 20


def _record(path: str, size: int, command: "Sequence[str]") -> bool:
    """Begin the recording; says why if that cannot be done."""
    try:
        _raddle.record(path, size, " ".join(command).encode(errors="replace").decode())
    except OSError as error:
        complain(f"run: --record: {path}: {error.strerror}")
        return False
    return True


def _settle_at_exit(codes: "frozenset[str]") -> None:
    """Have the exit status changed at the very end if one of the codes was told or Ctrl-C ended the wait for threads."""
    process = os.getpid()

    def settle() -> None:
        if os.getpid() != process:  # a child that was forked ends as it likes
            return
        if not codes.isdisjoint(_raddle.found()):
            _raddle.exit_with(FAILED)
        elif _raddle.interrupted_at_exit():
            _raddle.exit_with(INTERRUPTED)

    atexit.register(settle)
