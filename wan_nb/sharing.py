"""What must not be in a notebook that is shared: keys, signed addresses, widget state, large outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_nb.errors import ConfigError

LARGE = 1_000_000
"""Characters of one cell's outputs from which a code host no longer shows a notebook well."""

_KEY = re.compile(r"\b(?:sk|st)-(?:ws-|sp-)?[A-Za-z0-9_]{12,}")
_SIGNED = re.compile(
    r"https?://[^\s\"'<>\\]+[?&](?:Expires|Signature|OSSAccessKeyId|X-Amz-[A-Za-z]+|security-token)=", re.I
)
_BEARER = re.compile(r"Bearer\s+[A-Za-z0-9._-]{12,}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to take out before sharing."""

    cell: int | None
    """Number of the cell from 1; None for the notebook itself."""
    what: str
    """What was found, without the secret itself."""
    to_do: str
    """How to get rid of it."""

    def __str__(self) -> str:
        where = "notebook" if self.cell is None else f"cell {self.cell}"
        return f"{where}: {self.what}; {self.to_do}"


def check_notebook(path: str | Path) -> list[Finding]:
    """Look through a notebook for what must not be shared; an empty list means that nothing was found.

    Args:
        path: An ``.ipynb`` file; it is only read.

    Raises:
        ConfigError: If the file is not a notebook.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.ipynb"
        >>> cell = {"cell_type": "code", "source": ["key = 'sk-", "0123456789abcdef'"], "outputs": []}
        >>> _ = path.write_text(json.dumps({"cells": [cell], "metadata": {}}))
        >>> print(check_notebook(path)[0])
        cell 1: what looks like an API key (in the code); take it out and make a new key, since the old one is known
    """
    path = Path(path).expanduser()
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = list(notebook["cells"])
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path.name} is not a notebook (.ipynb, format 4).") from None
    found: list[Finding] = []
    if "widgets" in notebook.get("metadata", {}):
        size = len(json.dumps(notebook["metadata"]["widgets"]))
        found.append(
            Finding(
                None, f"saved widget state ({size // 1024} KiB)", "clear it: Settings → Save Widget State off, save"
            )
        )
    for number, cell in enumerate(cells, start=1):
        found.extend(_cell(number, cell))
    return found


def _cell(number: int, cell: dict[str, Any]) -> Iterator[Finding]:
    outputs = cell.get("outputs", [])
    parts = {"the code" if cell.get("cell_type") == "code" else "the text": _join(cell.get("source", ""))}
    parts["its output"] = json.dumps(outputs, ensure_ascii=False)
    for where, text in parts.items():
        if _KEY.search(text) or _BEARER.search(text):
            yield Finding(
                number,
                f"what looks like an API key (in {where})",
                "take it out and make a new key, since the old one is known",
            )
        if _SIGNED.search(text):
            yield Finding(number, f"a signed address (in {where})", "take it out: who has it has the file")
    if len(parts["its output"]) > LARGE:
        size = len(parts["its output"]) / 1_000_000
        yield Finding(number, f"{size:.1f} MB of output", "clear it, or show a poster or a strip instead of the video")


def _join(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
