"""The wheel, installed alone into an empty environment: what is in it, and the first run. By name only.

WAN_NB_PYTHONS="/path/to/python3.12 /path/to/python3.13" pytest -s -m campaign tests/test_wheel.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHONS = os.environ.get("WAN_NB_PYTHONS", sys.executable).split()

FIRST_RUN = """
import sys
import wan_nb as wan
from PIL import Image

Image.linear_gradient("L").resize((400, 304)).save("ramp.png")
with wan.simulated("runs", speed=600) as session:
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame="ramp.png", prompt="It moves.", resolution="480P")
    video = session.submit(request).wait(timeout_s=120)
    assert video.size == session.preview(request).size, video.size
    print(sys.version.split()[0], wan.__version__, video)
"""


def run(*command: str, folder: Path) -> str:
    """Run a command away from the checkout, with nothing of this environment."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT), folder=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.campaign
def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    rooms = {name.split("/")[0] for name in names}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"wan_nb"}
    for needed in ("wan_nb/py.typed", "wan_nb/widgets/player.js", "wan_nb/widgets/style.css"):
        assert needed in names
    print(f"{wheel.name}: {wheel.stat().st_size / 1024:.0f} KiB, {len(names)} files")


@pytest.mark.campaign
@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).parent.parent.name)
def test_the_first_run_in_an_empty_environment(python: str, wheel: Path, tmp_path: Path) -> None:
    run(python, "-m", "venv", "env", folder=tmp_path)
    inside = str(next(tmp_path.glob("env/[bS]*/python*")))
    run(inside, "-m", "pip", "install", "-q", str(wheel), folder=tmp_path)
    print(run(inside, "-c", FIRST_RUN, folder=tmp_path), end="")
