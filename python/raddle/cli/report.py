"""`raddle report` and `raddle postmortem`: what a recording of `raddle run --record` shows."""

import sys

from raddle import _raddle
from raddle.cli import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: raddle report [--json] FILE
       raddle postmortem FILE

Read a recording, which `raddle run --record FILE app.py` makes. It may be one of a program that still runs, or was killed.

  report      what was found out, what each thread did with its time, and what threads waited for
  postmortem  where every thread was at the end: what it waited for, since when, and who held it
  --json      everything that is in the recording, for other programs
"""


def main(command: str, arguments: "Sequence[str]") -> int:
    """Print what a recording shows.

    command: "report" or "postmortem".
    arguments: what stands after it.

    Returns the exit status: 2 if the file is no recording or cannot be read.
    """
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE, end="")
        return 0
    form, files = command, []
    for argument in arguments:
        if argument == "--json" and command == "report":
            form = "json"
        elif argument.startswith("-"):
            has = "--json" if command == "report" else "no options"
            return complain(f"{command}: unknown option {argument!r} (it has {has})")
        else:
            files.append(argument)
    if len(files) != 1:
        return complain(f"{command}: one recording is needed, got {len(files)} (raddle {command} FILE)")
    try:
        text = _raddle.read_recording(files[0], form)
    except OSError as error:
        return complain(f"{command}: {files[0]}: {error.strerror or error}")
    except ValueError as error:
        return complain(f"{command}: {files[0]}: {error}")
    sys.stdout.write(text)
    return 0
