"""The code in the README and in the teachers' page runs as it stands, against the simulator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import make_picture
from tests.notebooks import FENCE, FOLDER

ROOT = FOLDER.parent
FENCES = [
    pytest.param(text, id=f"{path.stem}-{number}")
    for path in (ROOT / "README.md", *sorted(FOLDER.glob("*.md")))
    for number, text in enumerate(FENCE.findall(path.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("text", FENCES)
def test_python_in_prose_runs(text: str, tmp_path: Path) -> None:
    """As a script of its own, in a folder that has the picture which the README speaks of."""
    make_picture(tmp_path / "cat.png", 750, 1000)
    script = tmp_path / "lines.py"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.name], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_there_is_prose_to_run() -> None:
    assert len(FENCES) >= 2
