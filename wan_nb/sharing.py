"""What must not be in a notebook that is shared: keys, signed addresses, widget state, large outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wan_nb.errors import ConfigError

LARGE = 1_000_000
"""Characters of one cell's outputs from which a code host no longer shows a notebook well."""

_SECRETS = {
    "what looks like an API key": (
        re.compile(r"\b(?:sk|st)-(?:ws-|sp-)?[A-Za-z0-9_]{12,}|Bearer\s+[A-Za-z0-9._-]{12,}"),
        "take it out and make a new key, since the old one is known",
    ),
    "a signed address": (
        re.compile(
            r"https?://[^\s\"'<>\\]+[?&](?:Expires|Signature|OSSAccessKeyId|X-Amz-[A-Za-z]+|security-token)=", re.I
        ),
        "take it out: who has it has the file",
    ),
}
"""What to look for, and what to do about it."""


def check_notebook(path: str | Path) -> list[str]:
    """Look through a notebook for what must not be shared; an empty list means that nothing was found.

    Args:
        path: An ``.ipynb`` file; it is only read.

    Returns:
        A line for each finding: where, what (never the secret itself) and how to get rid of it.

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
    found: list[str] = []
    if widgets := notebook.get("metadata", {}).get("widgets"):
        size = len(json.dumps(widgets)) // 1024
        found.append(f"notebook: saved widget state ({size} KiB); clear it: Settings → Save Widget State off, save")
    for number, cell in enumerate(cells, start=1):
        found += [f"cell {number}: {finding}" for finding in _findings(cell)]
    return found


def _findings(cell: dict[str, Any]) -> Iterator[str]:
    output = json.dumps(cell.get("outputs", []), ensure_ascii=False)
    source = "".join(cell.get("source", ""))
    for where, text in (
        ("the code" if cell.get("cell_type") == "code" else "the text", source),
        ("its output", output),
    ):
        for what, (pattern, to_do) in _SECRETS.items():
            if pattern.search(text):
                yield f"{what} (in {where}); {to_do}"
    if len(output) > LARGE:
        yield f"{len(output) / 1e6:.1f} MB of output; clear it, or show a poster or a strip instead of the video"
