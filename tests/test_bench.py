"""The benchmarks: their table always, their machinery by name (``-m campaign``). No figure is asserted on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import growth, table
from tests.bench.gauge import REPOSITORY
from tests.bench.rows import BENCHMARKS
from tests.bench.table import Row


def test_the_table_goes_between_its_markers(tmp_path: Path) -> None:
    """Twice gives it once; what stands around it stays."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for _ in range(2):
        table.write(table.as_markdown([Row("a picture", "1 ms", "2 ms")], "2.0.2"), readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{table.BEGIN}\n\n| | wan_nb | dashscope 2.0.2 |\n| --- | --- | --- |\n| a picture")
    assert text.endswith(f"{table.END}\nafter\n")
    assert text.count("a picture") == 1
    assert "old" not in text
    readme.write_text("nothing")
    with pytest.raises(ValueError, match="README"):
        table.write("", readme)


def test_the_readme_has_the_table() -> None:
    """Written by the benchmark itself, with as many columns in every row."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    lines = text.partition(table.BEGIN)[2].partition(table.END)[0].strip().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) > 10
    assert {row.count(" |") for row in rows} == {3}


def test_the_figure_is_small(tmp_path: Path) -> None:
    """Four panels under 100 kB."""
    points = [
        growth.Point(ours, n, 20 + n / 10, 90 + n / 50, 20, 100) for ours in (True, False) for n in (1, 10, 100, 1000)
    ]
    growth.draw(points, tmp_path / "growth.png")
    assert 5_000 < (tmp_path / "growth.png").stat().st_size < 100_000


@pytest.mark.campaign
@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark(name: str) -> None:
    """Each with little work; prints its rows."""
    pytest.importorskip("dashscope")
    for row in BENCHMARKS[name](True):
        assert row.ours
        print(row)
