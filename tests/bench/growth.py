"""How it grows with the number of runs: one figure, from the same measurements as the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.gauge import REPOSITORY

FIGURE = REPOSITORY / "notebooks" / "pictures" / "growth.png"


@dataclass(frozen=True, slots=True)
class Point:
    """What so many runs together took."""

    is_ours: bool
    """Whether this toolkit was measured; else the SDK."""
    runs: int
    """How many."""
    cpu_ms: float
    """CPU of the client, in milliseconds a result."""
    memory_mb: float
    """Memory of the whole process at its peak."""
    polls: float
    """Queries a run."""
    found: float
    """Per cent of the runs whose result arrived."""


_PANELS = {
    "cpu_ms": "CPU a result (ms)",
    "memory_mb": "memory of the process (MB)",
    "polls": "queries a run",
    "found": "runs with a result (%)",
}


def draw(points: Sequence[Point], path: Path = FIGURE) -> None:
    """Write the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.6), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(_PANELS)), _PANELS.items(), strict=True):
        for is_ours, label, style in ((True, "wan_nb", "o-"), (False, "dashscope", "s--")):
            line = sorted((each.runs, getattr(each, name)) for each in points if each.is_ours is is_ours)
            axes.plot([x for x, _ in line], [y for _, y in line], style, label=label)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("runs at once", fontsize=9)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8, frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=80)
