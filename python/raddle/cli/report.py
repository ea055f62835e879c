"""`raddle report`, `raddle postmortem` and `raddle explain`, which are the crate's: what a recording shows, what a code means."""

from raddle import _raddle
from raddle.cli import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(command: str, arguments: "Sequence[str]") -> int:
    """Print what a command line asks for.

    command: "report", "postmortem" or "explain".
    arguments: what stands after it.

    Returns the exit status: 2 if the command line makes no sense or a file cannot be read.
    """
    try:
        return _raddle.command([command, *arguments])
    except ValueError as problem:
        return complain(str(problem))
