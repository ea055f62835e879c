"""The command `raddle`: picks the subcommand and imports nothing else, since `raddle run` starts other people's programs.

A subcommand lives in the module of its name, which has `main(arguments) -> exit status`; those that read recordings share one.
"""

import sys

TYPE_CHECKING = False  # what `typing` has, without its import
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: raddle COMMAND ...

  run      run a Python program on raddle:  raddle run app.py --its-own options
  report   what a recording of it shows:    raddle run --record FILE app.py, then raddle report FILE
  postmortem  where every thread was at the end of a recording, also of a program that was killed
  explain  what a code of a report means:   raddle explain RD001
  gotchas  what raddle does about the well-known gotchas of threads, shown on both runtimes

raddle COMMAND --help says more; raddle --version says which raddle this is.
"""
USAGE_ERROR = 2  # the exit status of a command line that makes no sense, as python's


def main(argv: "Sequence[str] | None" = None) -> int:
    """Do what a command line asks for.

    argv: the arguments after `raddle`; those of the process if None.

    Returns the exit status. `raddle run` does not catch what the program raises: it leaves through here, so that the
    interpreter ends as it would have without raddle.
    """
    command, *rest = (sys.argv[1:] if argv is None else argv) or [""]
    if command == "run":
        from raddle.cli import run

        return run.main(rest)
    if command in ("report", "postmortem", "explain"):
        from raddle.cli import report

        return report.main(command, rest)
    if command == "gotchas":
        from raddle.cli import gotchas

        return gotchas.main(rest)
    return _about(command)


def complain(text: str) -> int:
    """Print on stderr why a command line is refused; returns the exit status for it."""
    print(f"raddle {text}", file=sys.stderr)
    return USAGE_ERROR


def _about(option: str) -> int:
    if option in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if option in ("-V", "--version"):
        import raddle

        print("raddle", raddle.__version__)
        return 0
    if not option:
        print(USAGE, end="", file=sys.stderr)
        return USAGE_ERROR
    return complain(
        f"has no command {option!r} (it has run, report, postmortem, explain, gotchas; to run a program: raddle run {option})"
    )
