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
    cpu_s: float
    """CPU seconds of the client."""
    memory_mb: float
    """Memory beyond what was loaded, at its peak."""
    polls: float
    """Queries a run."""
    found: float
    """Share of the runs that were not lost, 0 to 1."""


_PANELS = {"cpu_s": "CPU seconds", "memory_mb": "memory (MB)", "polls": "queries a run", "found": "share not lost"}


def draw(points: Sequence[Point], path: Path = FIGURE) -> None:
    """Write the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.6), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(_PANELS)), _PANELS.items(), strict=True):
        for is_ours, label, style in ((True, "wan_nb", "o-"), (False, "dashscope", "s--")):
            line = sorted((each.runs, getattr(each, name)) for each in points if each.is_ours is is_ours)
            axes.plot([x for x, _ in line], [y for _, y in line], style, label=label)
        axes.set_xscale("log")
        if name in ("cpu_s", "memory_mb"):
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("runs at once", fontsize=9)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8, frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=80)
