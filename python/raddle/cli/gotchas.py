"""`raddle gotchas`: the well-known gotchas of threads, each shown on the standard library and on raddle.

A scene is a file `g*.py` in `tests/gotchas` of raddle's source. Its docstring is the row: a title, an empty line, then
fields `name: value`, whose lines that go on are indented. Its function `scene(threading)` returns a line that says what
happened; it runs in a process of its own, once by `python` and once by `raddle run`, and sees no difference. A scene that
needs what the standard library does not have asks for `sys.modules.get("raddle")`.

  id        the point it belongs to; one point may have several scenes
  claim     what is said about threads
  today     whether that is so on the standard library
  stdlib    what is seen there: the returned line, `hangs`, or `exit status N`; then the codes of raddle's reports, as in
            `hangs [RD004]`; `...` stands for anything
  raddle    the same on raddle
  report    lines that raddle's report has (`...` as above)
  options   options for `raddle run`
  limit     seconds after which a scene that is said to hang is taken to hang (default 2)
"""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from raddle.cli import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

POINTS = {
    "1": "Do not use threading.Thread",
    "1a": "asyncio can switch to processes",
    "1b": "ThreadPoolExecutor handles everything",
    "2": "Threads do not execute simultaneously",
    "3a": "Processes for CPU, threads for I/O",
    "3b": "Threads where much is communicated",
    "3c": "Threads where memory is shared",
    "4": "Keep track of the thread's state",
    "4a": "start() only once",
    "4b": "join() any number of times",
    "4c": "A thread cannot join itself",
    "4d": "No join() before start()",
    "5": "Stopping is tricky",
    "5a": "Threads freeze the program at its end",
    "5b": "Daemon threads are killed",
    "6": "Threads start and stop when they can",
    "6a": "start() waits for a free thread",
    "6b": "is_alive() is False before the thread is freed",
    "7": "Errors are not handled gracefully",
    "7a": "Errors of a thread are silent",
    "7b": "The hook is not called on a kill",
    "7c": "Errors of the hook go elsewhere",
    "7d": "Delete the trace and the error",
    "7e": "start, run and join do not propagate errors",
    "8a": "A trace does not show who started the thread",
    "8b": "The hook cannot reach the thread's objects",
    "8c": "Races are hard to find",
    "9": "Objects that others use are passed on",
    "9a": "... and changed while they do",
    "10": "A lock that is not released: deadlock",
    "10a": "Mirror every acquire with a release",
}
DRIVER = """\
import runpy, sys, threading
print("said:", runpy.run_path(sys.argv[1])["scene"](threading), flush=True)
"""
HANGS = "hangs"
PATIENCE = 20.0  # seconds that a scene may take which is not said to hang
CODE = re.compile(r"\w+\[(RD\d+)\]")
WIDTHS = (4, 30, 40, 44)


class Scene(NamedTuple):
    """A file with a demonstration, as its docstring describes it."""

    path: Path
    title: str
    fields: dict[str, str]

    @property
    def point(self) -> str:
        """The id of the point that it belongs to."""
        return self.fields["id"]

    @property
    def report(self) -> list[str]:
        """Lines that raddle's report is to have."""
        return self.fields.get("report", "").splitlines()

    def limit(self, side: str) -> float:
        """Seconds after which the scene is taken to hang."""
        return float(self.fields.get("limit", 2)) if HANGS in self.fields[side] else PATIENCE


class Seen(NamedTuple):
    """What one side did: in the words of the scenes, and whether that is what the scene says."""

    text: str
    is_as_said: bool


class BadScene(Exception):
    """A file that is no scene; the text says what it lacks."""


def main(arguments: "Sequence[str]") -> int:
    """Show the points of a command line.

    Returns the exit status: 0 if each scene that ran showed what it says, 1 if one did not, 2 if the command line makes
    no sense.
    """
    chosen = _parser().parse_args(arguments)
    unknown = [point for point in chosen.ids if point not in POINTS]
    if unknown:
        return complain(f"gotchas: unknown point {unknown[0]!r} (known: {', '.join(POINTS)})")
    folder, looked = _folder(chosen.folder)
    if folder is None:
        places = " or ".join(str(place) for place in looked)
        return complain(f"gotchas: no scenes in {places} (they are tests/gotchas of raddle's source: --from DIR)")
    try:
        scenes = [read(path) for path in sorted(folder.glob("g*.py"))]
    except BadScene as problem:
        return complain(f"gotchas: {problem}")
    points = [point for point in POINTS if not chosen.ids or chosen.all or point in chosen.ids]
    if chosen.ids and not (chosen.run or chosen.all or chosen.json):
        return _tell(points, scenes)
    return _show(points, scenes, as_json=chosen.json)


def read(path: Path) -> Scene:
    """The scene of a file. Raises `BadScene` if its docstring lacks a field or has an unknown one."""
    import ast

    lines = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if line.startswith(" ") and fields:
            last = next(reversed(fields))
            fields[last] = f"{fields[last]}\n{line.strip()}".lstrip("\n")
        elif colon and name in ("id", "claim", "today", "stdlib", "raddle", "report", "options", "limit"):
            fields[name] = value.strip()
        elif line.strip():
            raise BadScene(f"{path}: unknown field in the docstring: {line!r}")
    missing = [name for name in ("id", "claim", "today", "stdlib", "raddle") if name not in fields]
    if missing:
        raise BadScene(f"{path}: the docstring has no field {missing[0]!r}")
    if fields["id"] not in POINTS:
        raise BadScene(f"{path}: unknown point {fields['id']!r}")
    return Scene(path, lines[0], fields)


def play(scene: Scene) -> dict[str, Seen]:
    """Run a scene on both sides, at the same time. Returns what was seen, by side: "stdlib", "raddle"."""
    options = scene.fields.get("options", "").split()
    run = {"stdlib": [], "raddle": ["-m", "raddle", "run", *options]}
    started = {
        side: subprocess.Popen(
            [sys.executable, *words, "-c", DRIVER, str(scene.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for side, words in run.items()
    }
    now = time.monotonic()
    return {side: _watch(scene, side, process, now + scene.limit(side)) for side, process in started.items()}


def _watch(scene: Scene, side: str, process: "subprocess.Popen[str]", end: float) -> Seen:
    """Wait for one side of a scene until `end`, a time of the monotonic clock, and put what it did into words."""
    hung = False
    try:
        out, err = process.communicate(timeout=max(end - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        hung = True
        process.kill()
        out, err = process.communicate()
    said = [line.removeprefix("said: ") for line in out.splitlines() if line.startswith("said: ")]
    if hung:
        said.append(HANGS)
    elif process.returncode or not said:
        said.append(_end(process.returncode))
    codes = sorted(set(CODE.findall(err)))
    text = ", ".join(said) + (f" [{', '.join(codes)}]" if codes else "")
    is_as_said = _matches(scene.fields[side].replace("\n", " "), text)
    if side == "raddle":
        is_as_said = is_as_said and all(_matches(f"...{line}...", err) for line in scene.report)
    return Seen(text, is_as_said)


def _end(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), text, re.DOTALL) is not None


def _folder(given: "str | None") -> "tuple[Path | None, list[Path]]":
    """Where the scenes are, or None; and where they were looked for."""
    places = [Path(given)] if given else [Path("tests/gotchas"), Path(__file__).parents[3] / "tests" / "gotchas"]
    return next((place for place in places if any(place.glob("g*.py"))), None), places


def _tell(points: list[str], scenes: list[Scene]) -> int:
    """Print what is said about points, and their scenes."""
    for point in points:
        print(f"{point}  {POINTS[point]}")
        of_point = [scene for scene in scenes if scene.point == point]
        if not of_point:
            print("    not yet: raddle does nothing about this so far\n")
        for scene in of_point:
            print(f"\n    {scene.title}")
            for name in ("claim", "today", "stdlib", "raddle"):
                print(f"    {name:8}{scene.fields[name]}".replace("\n", "\n" + " " * 12))
            print(f"    {'scene':8}{scene.path}\n")
    return 0


def _show(points: list[str], scenes: list[Scene], *, as_json: bool) -> int:
    """Run the scenes of points and print a row for each; a point without one has a row too."""
    results: list[tuple[str, Scene | None, dict[str, Seen]]] = []
    if not as_json:
        _print_row(("", "gotcha", "standard library", "raddle"))
    for point in points:
        of_point: list[Scene | None] = [scene for scene in scenes if scene.point == point]
        for scene in of_point or [None]:
            seen = play(scene) if scene else {}
            results.append((point, scene, seen))
            if not as_json:
                _print_result(*results[-1])
    if as_json:
        import json

        print(json.dumps([_as_data(*result) for result in results], indent=2))
    wrong = sum(not side.is_as_said for _, _, seen in results for side in seen.values())
    if wrong:
        print(f"raddle gotchas: {wrong} of these are not what the scene says", file=sys.stderr)
    return 1 if wrong else 0


def _print_result(point: str, scene: "Scene | None", seen: dict[str, Seen]) -> None:
    if scene is None:
        _print_row((point, POINTS[point], "", "not yet"))
        return
    _print_row((point, scene.title, seen["stdlib"].text, seen["raddle"].text))
    for side, what in seen.items():
        if not what.is_as_said:
            report = f" and a report with {scene.report}" if side == "raddle" and scene.report else ""
            print(f"     ^ wrong: {side} should have shown: {scene.fields[side]}{report} ({scene.path})")


def _print_row(cells: tuple[str, ...]) -> None:
    from itertools import zip_longest
    from textwrap import wrap

    columns = [wrap(cell, width) for cell, width in zip(cells, WIDTHS, strict=True)]
    for line in zip_longest(*columns, fillvalue=""):
        print("  ".join(f"{part:{width}}" for part, width in zip(line, WIDTHS, strict=True)).rstrip(), flush=True)


def _as_data(point: str, scene: "Scene | None", seen: dict[str, Seen]) -> dict[str, object]:
    row: dict[str, object] = {"id": point, "gotcha": POINTS[point], "built": scene is not None}
    if scene is not None:
        row |= {"scene": str(scene.path), "title": scene.title, **scene.fields}
        row |= {
            side: {"said": scene.fields[side], "seen": what.text, "ok": what.is_as_said} for side, what in seen.items()
        }
    return row


def _parser() -> "argparse.ArgumentParser":
    import argparse

    parser = argparse.ArgumentParser(
        prog="raddle gotchas",
        description="Runs a scene for each gotcha on the standard library and on raddle, and shows what happened.",
    )
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="a point, such as 4a: without --run, what is said about it"
    )
    parser.add_argument("--run", action="store_true", help="run the scenes of these points")
    parser.add_argument("--all", action="store_true", help="run the scenes of all points (so does a call without ID)")
    parser.add_argument("--json", action="store_true", help="print what happened as JSON")
    parser.add_argument("--from", dest="folder", metavar="DIR", help="the folder with the scenes")
    return parser
