"""The repository guards itself: who imports whom, public names, dependencies, what must never be committed."""

from __future__ import annotations

import ast
import importlib
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

import wan_nb

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wan_nb"
MODULES = sorted(PACKAGE.rglob("*.py"))

FREE = {"errors", "clock", "hints"}
"""Everyone may import these."""

ALLOWED: dict[str, set[str]] = {
    "tables": set(),
    "hints": set(),
    "geometry": {"tables"},
    "drawing": {"boxes", "geometry"},
    "ratio": {"boxes", "catalog", "drawing", "geometry", "media", "tables"},
    "plots": {"boxes", "geometry"},
    "facts": {"geometry"},
    "models": {"facts"},
    "catalog": {"facts", "models", "tables"},
    "calibration": {"catalog", "geometry", "record", "tables"},
    "pricing": set(),
    "boxes": {"geometry"},
    "pixels": {"boxes", "geometry"},
    "content": {"geometry", "pixels"},
    "media": {"geometry", "content", "pixels"},
    "mend": {"geometry", "media", "content", "pixels", "boxes"},
    "repair": {"boxes", "facts", "content", "geometry", "media", "mend", "pixels", "problems", "request"},
    "video": {"geometry", "pixels"},
    "video_edit": {"geometry", "video", "boxes"},
    "measures": {"pixels", "tables", "video"},
    "sheets": {"video"},
    "problems": {"catalog"},
    "request": {"catalog", "geometry", "media", "problems", "widgets"},
    "task": set(),
    "record": {"geometry", "pricing", "task"},
    "endpoint": {"catalog", "problems"},
    "exercises": {"advice", "catalog", "endpoint", "geometry", "pricing", "tables"},
    "client": {"endpoint", "media", "task"},
    "schedule": {"task"},
    "journal": set(),
    "chance": set(),
    "votes": {"tables"},
    "tally": {"chance", "votes"},
    "studies": {"engine", "journal", "tables", "votes"},
    "variants": {"catalog", "chance", "media", "request"},
    "cells": {"pricing", "record", "request", "result", "run", "variants", "votes"},
    "export": {"catalog", "history", "media", "tables", "tally", "variants"},
    "compare": {"cells", "export", "measures", "sheets", "studies", "tables", "tally", "variants", "votes", "widgets"},
    "ledger": {"journal", "pricing", "record"},
    "engine": set(),
    "advice": set(),
    "tasks": {"client", "record", "schedule", "tables", "task"},
    "kept": {"media", "request"},
    "preview": {
        "endpoint", "geometry", "ledger", "pricing", "problems", "record", "request", "schedule", "widgets",
    },
    "history": {"pricing", "record", "tables", "widgets"},
    "send": {"client", "ledger", "record", "request", "schedule"},
    "follow": {"client", "engine", "record", "schedule", "send", "task", "tasks", "video"},
    "telling": {"advice", "record", "task"},
    "result": {"geometry", "pixels", "pricing", "video", "video_edit", "widgets"},
    "run": {"engine", "record", "request", "result", "schedule", "telling", "widgets"},
    "desk": {
        "calibration", "compare", "endpoint", "engine", "export", "history", "kept", "ledger", "preview",
        "pricing", "problems", "record", "request", "run", "schedule", "studies", "variants", "widgets",
    },
    "session": {
        "client", "desk", "endpoint", "engine", "follow", "history", "kept", "ledger",
        "preview", "pricing", "record", "request", "run", "schedule", "studies", "tasks",
    },
    "connect": {"catalog", "endpoint", "pricing", "session", "simulator"},
    "sharing": set(),
    "checkup": {"client", "connect", "endpoint", "engine", "request", "simulator", "tables"},
    "cli": {"checkup", "connect", "ledger", "record", "sharing", "telling"},
    "simulator": {"catalog", "video"},
    "widgets": {
        "advice", "catalog", "content", "drawing", "export", "geometry", "history", "media", "pixels", "pricing",
        "problems", "record", "request", "preview", "ratio", "repair", "run", "schedule", "session", "tables", "task",
        "telling", "video",
    },
}  # fmt: skip
"""Who may import whom, beyond `FREE`: effects at the rim, values in the middle (arrows of the design)."""

INSIDE_FUNCTIONS = {
    ("history", "widgets"),
    ("request", "widgets"),
    ("preview", "widgets"),
    ("run", "widgets"),
    ("compare", "widgets"),
    ("result", "widgets"),
    ("desk", "widgets"),
    ("desk", "compare"),
    ("desk", "export"),
    ("desk", "variants"),
}
"""Edges that may only be taken inside a function: where a value shows itself."""


def room(path: Path) -> str:
    """Return the module, or the package for what lies in one."""
    inner = path.relative_to(PACKAGE)
    return inner.parts[0] if len(inner.parts) > 1 else inner.stem


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return the rooms that a module imports at run time, and whether it does so inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.ImportFrom) and child.module and child.module.split(".")[0] == "wan_nb":
                parts = child.module.split(".")[1:]
                names = [parts[0]] if parts else [alias.name for alias in child.names]
                found.extend((name, inside) for name in names)
            elif isinstance(child, ast.Import):
                found.extend(
                    (alias.name.split(".")[1], inside) for alias in child.names if alias.name.startswith("wan_nb.")
                )
            visit(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    visit(tree, False)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_import_direction(path: Path) -> None:
    """Arrows point from importer to imported, and nowhere else."""
    name = room(path)
    if name in FREE | {"__init__"}:
        return
    assert name in ALLOWED, f"{name} is new: give it a row in ALLOWED, with the rooms it may import"
    for target, inside in imports(path):
        assert target in ALLOWED[name] | FREE | {name}, f"{name} imports {target}"
        if (name, target) in INSIDE_FUNCTIONS:
            assert inside, f"{name} imports {target} outside a function"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_front_end_libraries_stay_in_widgets(path: Path) -> None:
    """ipywidgets, traitlets and anywidget only under widgets/; HTTP never there."""
    text = path.read_text(encoding="utf-8")
    used = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    if room(path) == "widgets":
        assert not used & {"httpx", "sqlite3"}
    else:
        assert not used & {"ipywidgets", "traitlets", "anywidget", "IPython"}


MODULE_LINES = 400
FUNCTION_LINES = 40
PACKAGE_LINES = 12_000
"""Lines of code in the whole package; who adds a feature looks first for what it makes unnecessary."""
SCRIPT_LINES = 950
"""Lines of JavaScript."""


def lines_of_code(path: Path) -> int:
    """Return how many lines hold code: no blank one, no comment, no docstring."""
    text = path.read_text(encoding="utf-8")
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in silent]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):  # a docstring, also one below a field
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(lines)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_stay_small(path: Path) -> None:
    """A module is read in one go; a function that does not fit on a screen is two."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert (node.end_lineno or 0) - first.lineno < FUNCTION_LINES, node.name


def test_the_house_stays_small() -> None:
    """Small enough to be read: what grows here must give way elsewhere, or the limit is changed with a reason."""
    assert sum(map(lines_of_code, MODULES)) <= PACKAGE_LINES
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.js")) <= SCRIPT_LINES


def test_public_names_are_sorted_and_exist() -> None:
    """`__all__` is what is there."""
    assert wan_nb.__all__ == sorted(wan_nb.__all__)
    assert all(getattr(wan_nb, name) is not None for name in wan_nb.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = wan_nb.nothing
    for path in MODULES:
        if path.name not in ("__init__.py", "__main__.py"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


HEAVY = {
    "ipywidgets", "anywidget", "IPython", "matplotlib", "scipy", "numpy", "av", "PIL", "httpx", "sqlite3", "asyncio",
    "starlette", "uvicorn",
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "may"),
    [
        ("import wan_nb", set()),
        ("import wan_nb as wan; wan.VideoRequest, wan.MODELS, wan.predict", set()),
        ("import wan_nb as wan; wan.Session", {"httpx", "sqlite3", "asyncio"}),
        ("import wan_nb as wan; wan.live, wan.simulated", {"httpx", "sqlite3", "asyncio"}),
        ("import wan_nb.simulator", {"starlette", "uvicorn", "asyncio"}),
    ],
)
def test_heavy_parts_load_when_first_used(code: str, may: set[str]) -> None:
    """A notebook's first cell must not wait for what a later one may never use."""
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*{{name.partition('.')[0] for name in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(told.stdout.split()) & HEAVY <= may


def test_dependencies_are_those_we_chose() -> None:
    """Another one is welcome, here and in pyproject.toml, with a reason."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]}
    assert names == {
        "ipywidgets", "httpx", "nest-asyncio", "pillow", "matplotlib", "numpy", "scipy", "av", "anywidget",
        "starlette", "uvicorn", "python-multipart", "sniffio",
    }  # fmt: skip


def tracked() -> list[Path]:
    """Return the files under version control, or all that would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],  # noqa: S607 - wherever git is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_nothing_that_must_not_be_committed() -> None:
    """No key, no registry's host, no lock file, nothing large."""
    hosts = "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "deb" + r"\.debian"))
    for path in tracked():
        assert path.stat().st_size < 1_000_000, path
        assert not path.name.endswith(".lock"), path
        if path.suffix in (".png", ".jpg", ".mp4"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"sk-[A-Za-z0-9]{16,}", text), path
        assert not re.search(hosts, text), path


def test_the_readme_is_a_map_of_the_house() -> None:
    """Every room has its place in the table, and none that is gone; every file it points to is there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = [line.split("|")[1] for line in text.split("| rooms of")[1].split("\n\n")[0].splitlines()[2:]]
    named = re.findall(r"`(\w+)/?`", " ".join(table))
    assert sorted(named) == sorted({room(path) for path in MODULES} - {"__init__"})
    for target in re.findall(r'\]\(([^)#:]+)\)|src="([^"]+)"', text):
        assert (ROOT / "".join(target)).is_file(), target


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_whole(path: Path) -> None:
    """Executed top to bottom or not at all; no widget state, no key, nothing large, no path of a machine."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert "widgets" not in notebook["metadata"]
    text = path.read_text(encoding="utf-8")
    assert "widget-view+json" not in text
    assert len(text) < 900_000
    assert not re.search(r'"(/root|/home|/tmp|/work)/', text)
    assert not any(output["output_type"] == "error" for cell in code for output in cell["outputs"]
                   if "raises-exception" not in cell["metadata"].get("tags", []))  # fmt: skip
