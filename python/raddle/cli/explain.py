"""`raddle explain`: what a code of a report means, and what to do."""

import sys

from raddle import _raddle
from raddle.cli import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: raddle explain [CODE ...]

Says what a code of a report means, why it happens and what to do. Without a code: lists all codes.
"""


def main(arguments: "Sequence[str]") -> int:
    """Print the text of each code, or the list of codes.

    Returns the exit status: 2 if there is no such code, and then nothing is explained.
    """
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE, end="")
        return 0
    titles = _raddle.codes()
    if not arguments:
        sys.stdout.writelines(f"{code}  {title}\n" for code, title in titles)
        return 0
    texts = []
    for code in arguments:
        text = _raddle.explain(code)
        if text is None:
            return complain(f"explain: unknown code {code!r} (known: {', '.join(code for code, _ in titles)})")
        texts.append(text)
    print("\n".join(text.rstrip("\n") + "\n" for text in texts), end="")
    return 0
