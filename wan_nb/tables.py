"""Small tables for people: the same rows as aligned text, as static HTML (everything escaped) and as CSV.

This module knows nothing of what stands in the rows.
"""

from __future__ import annotations

import contextlib
import csv
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wan_nb.errors import ConfigError

_SHORT = ";white-space:nowrap"


def as_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a head, columns aligned to the left.

    Example:
        >>> print(as_text(("rule", "size"), [("floor16", "816×1104"), ("even", "830×1108")]))
        rule     size
        floor16  816×1104
        even     830×1108
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)


def as_html(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    above: str = "",
    below: str | Sequence[str] = "",
    strong: int | None = None,
    is_html: bool = False,
) -> str:
    """Return rows under a head as a static table; no script, no outside resource.

    Args:
        head: Names of the columns.
        rows: Cells as plain text.
        above: A line before the table.
        below: A line after it, or several.
        strong: Number of the row that stands out.
        is_html: Whether the cells are HTML already, with everything in them escaped.
    """
    cell = "text-align:left;vertical-align:top;padding:2px 14px 2px 0;border-bottom:1px solid rgba(128,128,128,.25)"
    names = "".join(f'<th style="{cell};font-weight:600;white-space:nowrap">{html.escape(name)}</th>' for name in head)
    said = str if is_html else html.escape
    body = "".join(
        f"<tr{' style=font-weight:600' if number == strong else ''}>"
        + "".join(f'<td style="{cell}{_SHORT if len(text) < 22 else ""}">{said(text)}</td>' for text in row)
        + "</tr>"
        for number, row in enumerate(rows)
    )
    table = (
        '<div style="overflow-x:auto">'  # on a narrow page the table moves, and nothing beside it
        f'<table style="border-collapse:collapse;font-size:13px;margin:0;color:inherit"><tr>{names}</tr>{body}</table>'
        "</div>"
    )
    after = "".join(map(_line, [below] if isinstance(below, str) else below))
    return f'<div style="line-height:1.4">{_line(above)}{table}{after}</div>'


def _line(text: str) -> str:
    return f'<div style="font-size:13px;margin:4px 0;max-width:62em">{html.escape(text)}</div>' if text else ""


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write a CSV file (UTF-8 with the mark that spreadsheets look for) and return its path.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    target = Path(path).expanduser()
    with writing(target), target.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: _harmless(cell) for name, cell in each.items()} for each in rows)
    return target


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Say in a line why a file that somebody takes away cannot be written.

    Raises:
        ConfigError: If it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{target.name} cannot be written: {error.strerror or error}; choose another place."
        ) from error


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
