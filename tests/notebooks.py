"""Execute the notebooks in a fresh folder, and keep what reads well on a code host.

``python -m tests.notebooks`` executes every notebook top to bottom against the simulator and writes it back with
counts 1…n and small static outputs: no widget state, no embedded video (its poster and facts stay), no path of this
machine. With names it executes those alone. The line that leads from each notebook to all others is written from their
titles into every one, whatever was named.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Python in Markdown."""
_NAVIGATION = re.compile(r"(\*\*|\[)\d\d [^\n]* · [^\n]*(\n\n|$)")
_VIDEO_BYTES = re.compile(r'\s*src="data:video/mp4;base64,[^"]*"')


def execute(path: Path, folder: Path, *, prose: bool = False) -> Any:
    """Return the notebook, executed top to bottom in a folder of its own; with `prose`, its text's code as well."""
    notebook = nbformat.read(path, as_version=4)
    if prose:
        notebook.cells = [each for cell in notebook.cells for each in (cell, *_fences(cell))]
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute()


def _fences(cell: Any) -> list[Any]:
    """Return the Python that stands in a text cell as cells of their own, tagged ``prose``."""
    found = FENCE.findall(cell.source) if cell.cell_type == "markdown" else []
    return [nbformat.v4.new_code_cell(text, metadata={"tags": ["prose"]}) for text in found]


def clean(notebook: Any, folder: Path) -> Any:
    """Take out what must not be committed."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {name: value for name, value in cell.metadata.items() if name == "tags"}
        if cell.cell_type != "code":
            continue
        kept: list[Any] = []
        for output in cell.outputs:
            output.get("metadata", {}).clear()
            output.pop("transient", None)
            data = output.get("data", {})
            if data.pop("application/vnd.jupyter.widget-view+json", None) and set(data) == {"text/plain"}:
                continue  # a widget without a static twin of its own: its name alone tells nothing
            if "image/jpeg" in data:
                data.pop("image/png", None)  # Pillow offers both; the smaller one will do
            for kind, value in data.items():
                if isinstance(value, str):
                    alone = value.replace("<details data-wan-twin>", "<details data-wan-twin open>")
                    data[kind] = _VIDEO_BYTES.sub("", alone).replace(str(folder), "…")
            if "text" in output:
                output.text = output.text.replace(str(folder), "…")
            before = kept[-1] if kept else {}
            if output.output_type == "stream" and output.name == before.get("name"):
                before.text += output.text  # printed in pieces, as the kernel happened to send them
            elif data or output.output_type not in ("display_data", "execute_result"):
                kept.append(output)
        cell.outputs = kept
    return notebook


def places() -> dict[str, str]:
    """Return what each notebook is called in the line that leads to it, by file: number, and title up to a colon."""
    found = {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        found[path.name] = f"{path.name[:2]} {title.removeprefix('# ').split(':')[0]}"
    return found


def navigation(here: str, names: dict[str, str]) -> str:
    """Return the line that leads from one notebook to all others.

    Example:
        >>> navigation("00_start_here.ipynb", {"00_start_here.ipynb": "00 Start here", "04_more.ipynb": "04 More"})
        '**00 Start here** · [04 More](04_more.ipynb)'
    """
    return " · ".join(f"**{name}**" if file == here else f"[{name}]({file})" for file, name in names.items())


def lead(notebook: Any, line: str) -> Any:
    """Put the line under the title and at the bottom, in place of an older one."""
    title, _, rest = notebook.cells[0].source.partition("\n\n")
    if _NAVIGATION.match(rest):
        rest = rest.partition("\n\n")[2]
    notebook.cells[0].source = f"{title}\n\n{line}\n\n{rest}".rstrip()
    if _NAVIGATION.match(notebook.cells[-1].source):
        notebook.cells.pop()
    notebook.cells.append(nbformat.v4.new_markdown_cell(line, id="navigation"))
    return notebook


def write_navigation() -> None:
    """Bring the line up to date in every notebook."""
    names = places()
    for file in names:
        notebook = nbformat.read(FOLDER / file, as_version=4)
        nbformat.write(lead(notebook, navigation(file, names)), FOLDER / file)


def main() -> None:
    """Execute and clean every notebook, or those that are named."""
    names = sys.argv[1:] or [path.name for path in sorted(FOLDER.glob("*.ipynb"))]
    for name in names:
        folder = Path(tempfile.mkdtemp())
        try:
            nbformat.write(clean(execute(FOLDER / name, folder), folder), FOLDER / name)
            print(f"{name}: {(FOLDER / name).stat().st_size / 1024:.0f} KiB")
        finally:
            shutil.rmtree(folder)
    write_navigation()


if __name__ == "__main__":
    main()
