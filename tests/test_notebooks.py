"""The teaching notebooks run anew from top to bottom, and lead to one another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import wan_nb as wan
from tests.notebooks import FOLDER, execute, navigation, places

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PAGES = [FOLDER.parent / "README.md", *sorted(FOLDER.glob("*.md"))]
LINK = re.compile(r"\[([^][]*)\]\(([^()\s]+)\)")


@pytest.fixture(autouse=True)
def not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the person who runs the tests has set, nothing is paid for."""
    monkeypatch.delenv("WAN_NB_LIVE", raising=False)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_anew(path: Path, tmp_path: Path) -> None:
    """Every cell runs; those that are wrong on purpose, and no others, show an error."""
    for number, cell in enumerate(code_cells(execute(path, tmp_path)), start=1):
        assert cell.execution_count == number
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert len(errors) == ("raises-exception" in cell.metadata.get("tags", [])), cell.source
        for error in errors:
            assert len(error.traceback) == 1, "an expected error is one line"


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
            counts.append(len(session.runs(limit=None)))
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
    assert path.stat().st_size < 400 * 1024
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12, cell.source


def test_readme_names_every_notebook() -> None:
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\(notebooks/([^)]+\.ipynb)\)", readme) == [path.name for path in NOTEBOOKS]
