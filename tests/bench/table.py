"""The table that comes out, and its place in the README."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- benchmarks: python -m tests.bench -->", "<!-- end of benchmarks -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of figures."""

    what: str
    """What was done, with its unit."""
    ours: str
    """What this toolkit took."""
    sdk: str = ""
    """What the vendor's SDK took; empty where it has no such thing."""

    def __str__(self) -> str:
        return f"| {self.what} | {self.ours} | {self.sdk} |"


def as_markdown(rows: Sequence[Row], sdk: str) -> str:
    """Return the table, with where and when it was made."""
    made = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores"
    load = f"load {os.getloadavg()[2]:.1f} over its last quarter of an hour"  # other work makes times longer
    head = ["", f"| | wan_nb | dashscope {sdk} |", "| --- | --- | --- |"]
    return "\n".join(
        [BEGIN, *head, *map(str, rows), "", f"*Measured by `python -m tests.bench`, {made}, {load}.*", END]
    )


def write(table: str, path: Path) -> None:
    """Put a table in place of the one between the markers.

    Raises:
        ValueError: If the file has no place for it.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path.name} has no {BEGIN} … {END}.")
    path.write_text(before + table + after, encoding="utf-8")


def number(value: float) -> str:
    """Return a figure as one would say it: two significant digits below ten, none after the point above.

    Example:
        >>> number(0.0123), number(3.14), number(46.84), number(1234.5)
        ('0.012', '3.1', '47', '1,234')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
