"""Each scene shows on both sides what its docstring says. `-k g10` runs those of one point."""

from pathlib import Path

import pytest
from raddle.cli import gotchas

SCENES = sorted(Path(__file__).parent.glob("g*.py"))


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_a_scene_shows_what_it_says(path):
    scene = gotchas.read(path)
    for side, seen in gotchas.play(scene).items():
        assert seen.is_as_said, f"{side} should have shown {scene.fields[side]!r} {scene.report}, seen: {seen.text!r}"


def test_there_are_scenes():
    assert len(SCENES) > 10
