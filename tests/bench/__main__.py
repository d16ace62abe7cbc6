"""``python -m tests.bench``: measure, print each row as it is known, and write the table into the README."""

from __future__ import annotations

import argparse

from tests.bench.gauge import REPOSITORY, measured
from tests.bench.rows import BENCHMARKS
from tests.bench.table import as_markdown, write


def main() -> None:
    """Measure what is named, or everything; only everything, measured in earnest, goes into the README."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure, side by side with the SDK.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="try the machinery; the figures mean nothing")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {min(unknown)!r}; there are {', '.join(BENCHMARKS)}")
    rows = []
    for name in given.names or BENCHMARKS:
        for row in BENCHMARKS[name](given.quick):
            rows.append(row)
            print(row, flush=True)
    if not given.names and not given.quick:
        write(as_markdown(rows, measured("sdk", "version")["version"]), REPOSITORY / "README.md")


main()
