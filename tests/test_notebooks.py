"""The teaching notebooks run anew from top to bottom, and lead to one another."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

import wan_nb as wan
from tests.notebooks import FOLDER, clean, execute, navigation, places
from tests.pictures import HEIGHT, PICTURES, WIDTH, images
from wan_nb.sharing import check_notebook

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MODULES = sorted(Path(wan.__file__).parent.rglob("*.py"))
PAGES = [FOLDER.parent / "README.md", *sorted(FOLDER.glob("*.md"))]
LINK = re.compile(r"\[([^][]*)\]\(([^()\s]+)\)")


@pytest.fixture(autouse=True)
def not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the person who runs the tests has set, nothing is paid for."""
    monkeypatch.delenv("WAN_NB_LIVE", raising=False)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


VARIES = (
    (r"\d{8}-\d{6}|\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?|\b\d\d:\d\d\b", "DATE"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9A-Za-z])[0-9a-f]{8}(?![0-9A-Za-z])", "ID"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"PENDING|RUNNING|queued (here|at the service)|running|sending|not sent", "GOING"),
    (r"(?m)^ *\d+ s  |(?<=made )\d+ s", "TIME"),
    (r"\d+(\.\d+)? (KiB|MB)", "BYTES"),
)
"""What differs from one execution to the next."""


@pytest.fixture
def executed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Any]:
    """Gives a notebook as executed anew, with the code in its prose; once for all tests of a process."""

    def anew(path: Path) -> Any:
        if path not in _EXECUTED:
            folder = tmp_path_factory.mktemp(path.stem)
            _EXECUTED[path] = clean(execute(path, folder, prose=True), folder)
        return _EXECUTED[path]

    return anew


_EXECUTED: dict[Path, Any] = {}


def told(cell: Any) -> list[tuple[str, ...]]:
    """Return what a cell's outputs are, and their text without what varies; of cells tagged ``varies``, no text."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        text = data.get("text/markdown") or data.get("text/plain") or output.get("text") or output.get("traceback", "")
        text = "" if "varies" in cell.metadata.get("tags", []) else functools.reduce(_settle, VARIES, "".join(text))
        if output.get("name") != "stderr":
            found.append((output.output_type, *sorted(data), text))
    return found


def _settle(text: str, what: tuple[str, str]) -> str:
    return re.sub(*what, text)


def grouped() -> list[Any]:
    """All tests of a notebook go to one process, which executes it once."""
    return [pytest.param(path, marks=pytest.mark.xdist_group(path.stem), id=path.stem) for path in NOTEBOOKS]


@pytest.mark.parametrize("path", grouped())
def test_runs_anew(path: Path, executed: Callable[[Path], Any]) -> None:
    """Every cell runs; those that are wrong on purpose, and no others, show an error."""
    for cell in code_cells(executed(path)):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert len(errors) == ("raises-exception" in cell.metadata.get("tags", [])), cell.source
        for error in errors:
            assert len(error.traceback) == 1, "an expected error is one line"


@pytest.mark.parametrize("path", grouped())
def test_shows_what_it_showed(path: Path, executed: Callable[[Path], Any]) -> None:
    """The outputs that are committed are those of today's code, up to ids and dates (python -m tests.notebooks)."""
    committed = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in committed] == list(range(1, len(committed) + 1))
    anew = [cell for cell in code_cells(executed(path)) if "prose" not in cell.metadata.get("tags", [])]
    for before, now in zip(committed, anew, strict=True):
        assert told(before) == told(now), before.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_fit_to_share(path: Path) -> None:
    """No key, no signed address, no widget state, no path of a machine; small."""
    assert check_notebook(path) == []
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    assert "widget-view" not in path.read_text(encoding="utf-8")
    told_text = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert not re.search(r"/(tmp|home|root|work|Users)/", told_text)


def test_every_public_function_is_shown() -> None:
    """What users can call stands in a notebook, or in an example of a docstring."""
    texts = [cell.source for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    examples = [line for module in MODULES for line in module.read_text("utf-8").splitlines() if ">>> " in line]
    shown = "\n".join([*texts, *examples])
    functions = [name for name in wan.__all__ if inspect.isfunction(getattr(wan, name))]
    assert [name for name in functions if not re.search(rf"\b{name}\b", shown)] == []


def test_run_all_once_more_sends_nothing(tmp_path: Path) -> None:
    """Also a chain, whose pictures are taken from videos, is found again by another kernel."""
    path = FOLDER / "04_wan27_three_tasks.ipynb"
    ids = []
    for _ in range(2):
        execute(path, tmp_path)
        with wan.simulated(tmp_path / "wan_runs" / "simulated") as session:
            ids.append([run.id for run in session.runs(limit=None)])
    assert ids[0] == ids[1]
    assert len(ids[0]) >= 5


@pytest.mark.campaign
def test_all_notebooks_twice_in_one_folder(tmp_path: Path) -> None:
    """One folder for all, as a class has it: none disturbs another, and Restart and Run All sends nothing new."""
    counts = []
    for _ in range(2):
        for path in NOTEBOOKS:
            execute(path, tmp_path)
        with wan.simulated(tmp_path / "wan_runs" / "simulated") as session:
            counts.append(len(session.runs(limit=None).where(lambda state: not state.fingerprint.startswith("task:"))))
    print(f"{len(NOTEBOOKS)} notebooks twice in one folder: {counts[0]} runs, then {counts[1]}")
    assert counts[0] == counts[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_leads_to_all_others(path: Path) -> None:
    """Under the title and at the bottom stands the same line, as `python -m tests.notebooks` writes it."""
    notebook = nbformat.read(path, as_version=4)
    line = navigation(path.name, places())
    assert notebook.cells[0].source.splitlines()[2] == line
    assert notebook.cells[-1].source == line
    assert sum(cell.source.count(line) for cell in notebook.cells) == 2


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    """What is linked exists, and a notebook is called the same wherever it is linked."""
    is_notebook = path.suffix == ".ipynb"
    cells = nbformat.read(path, as_version=4).cells if is_notebook else []
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"] or [path.read_text(encoding="utf-8")]
    for name, target in LINK.findall("\n".join(texts)):
        if not target.startswith(("https://", "#")):
            found = path.parent / target.partition("#")[0]
            assert found.is_file(), target
            if found.suffix == ".ipynb" and name:
                assert name == places()[found.name]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_reads_well(path: Path) -> None:
    """Small cells, a way to the real service that is guarded, a summary and exercises."""
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    guarded = [cell.source for cell in code_cells(notebook) if "wan.live(" in cell.source]
    assert len(guarded) == 1
    assert 'if os.environ.get("WAN_NB_LIVE") == "1":' in guarded[0]
    assert guarded[0].index("WAN_NB_LIVE") < guarded[0].index("wan.live(")
    assert "## Summary" in text
    assert "## Exercises" in text
    assert "<details><summary>Solutions</summary>" in text
    assert path.stat().st_size < 400 * 1024
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12, cell.source


def test_readme_names_every_notebook() -> None:
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\(notebooks/([^)]+\.ipynb)\)", readme) == [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_readme_shows_a_picture_of_it(path: Path) -> None:
    """Made by `python -m tests.pictures` from the cells tagged ``picture``; small."""
    assert images(path)
    picture = PICTURES / f"{path.name[:2]}.png"
    assert picture.stat().st_size < 60 * 1024
    with Image.open(picture) as opened:
        assert opened.size == (WIDTH, HEIGHT)
    assert f'src="notebooks/pictures/{picture.name}"' in (FOLDER.parent / "README.md").read_text(encoding="utf-8")
