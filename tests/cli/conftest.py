"""Files for the programs that these tests run."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path):
    """Returns a function that writes files, given as path=text, and returns the folder they are in."""

    def write(files):
        for name, text in files.items():
            path = Path(tmp_path, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text)
        return tmp_path

    return write
