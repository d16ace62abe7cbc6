"""Figures: of sizes (how far outputs drift, which there are, how rules differ) and of studies (votes, measures, price).

Plain values in, a `Figure` out; nothing here touches pyplot or its state, so a figure can be made on any thread and
shows itself on a cell's last line. Matplotlib is loaded when this module is.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from wan_nb.boxes import Ratio, read_ratio
from wan_nb.geometry import DOCUMENTED_RULE, RULES, TIER_AREA, AnySize, Size, colon, drift, lattice, predict

if TYPE_CHECKING:
    from wan_nb.measures import Measured
    from wan_nb.votes import Tally, Verdict

_COLOURS = ("#0b6bcb", "#c2410c", "#2e7d32", "#7b3fb5", "#8a6d00")
_NAMED = ("1:3", "9:21", "1:2", "9:16", "2:3", "3:4", "4:5", "1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "21:9", "3:1")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_SOFT = "#767676"
_WIDEST = 2.4  # longer over shorter side, up to which the sizes of a lattice are drawn


class Figure(matplotlib.figure.Figure):
    """A figure that shows itself in a notebook, with no backend switched on."""

    def _repr_png_(self) -> bytes:
        """Return it as a PNG of 64 colours, which is a third of its size in a saved notebook."""
        full, small = io.BytesIO(), io.BytesIO()
        self.savefig(full, format="png", dpi=100)
        Image.open(full).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        return small.getvalue()


def plot_drift(tiers: str | Sequence[str] = tuple(TIER_AREA), rule: str = DOCUMENTED_RULE) -> Figure:
    """Draw how far outputs are from the shape of their picture, from 1:2 to 2:1: a saw-tooth for each tier.

    Args:
        tiers: Tiers, one panel each; or one alone.
        rule: A name in `wan_nb.geometry.RULES`.

    Raises:
        GeometryError: If a tier or the rule does not exist.

    Example:
        >>> plot_drift(["720P"]).savefig("drift.png")  # doctest: +SKIP
    """
    tiers = [tiers] if isinstance(tiers, str) else tiers
    figure = _start(f"Drift of the output from the picture's shape, rule {rule}", 9.0, 1.75 * len(tiers) + 0.7,
                    rows=len(tiers))  # fmt: skip
    for axes, tier in zip(figure.axes, tiers, strict=True):
        _draw_teeth(axes, tier, rule, (Fraction(1, 2), Fraction(2)), _COLOURS[0])
        axes.set_title(f"{tier}, {TIER_AREA[tier]:,} pixels", loc="left", fontsize=10)
    return figure


def plot_rules(tier: str = "720P", *, around: Ratio = "3:4") -> Figure:
    """Draw the drift by each rule, near one shape.

    Args:
        tier: Resolution tier.
        around: The shape in the middle, marked with what each rule gives for it.

    Raises:
        GeometryError: If the tier or the ratio does not exist.

    Example:
        >>> plot_rules("1080P", around="9:16")  # doctest: +SKIP
    """
    shape = read_ratio(around)
    figure = _start(f"Drift by each rule at {tier}", 9.0, 1.35 * len(RULES) + 0.7, rows=len(RULES))
    for axes, rule, colour in zip(figure.axes, RULES.values(), itertools.cycle(_COLOURS), strict=False):
        _draw_teeth(axes, tier, rule.name, (shape * 4 / 5, shape * 5 / 4), colour)
        off = drift(shape, rule.size(shape, TIER_AREA[tier]))
        axes.axvline(float(shape), color=_SOFT, linewidth=0.8, linestyle=":")
        axes.plot([float(shape)], [off.percent], "o", color=colour, markersize=7, markeredgecolor="white", zorder=4)
        axes.set_title(f"{rule.name}: {colon(shape)} gives {off.output}, {off.percent:+.2f} %", loc="left", fontsize=10)
    return figure


def plot_lattice(tier: str = "720P", rule: str = DOCUMENTED_RULE, *, source: AnySize | None = None) -> Figure:
    """Draw every size that can come out, with the curve of the tier's pixel count.

    Args:
        tier: Resolution tier.
        rule: A name in `wan_nb.geometry.RULES`.
        source: A picture's size to mark, as a `Size`, ``(width, height)`` or ``"750x1000"``: the line of its shape, and
            the size that comes out.

    Raises:
        GeometryError: If the tier, rule or a size does not exist.

    Example:
        >>> plot_lattice("720P", source="750x1000")  # doctest: +SKIP
    """
    area = TIER_AREA[tier]
    points = [each for each in lattice(tier, rule) if 1 / _WIDEST <= each.size.ratio <= _WIDEST]
    figure = _start(f"Sizes that can come out at {tier}, rule {rule}", 7.2, 6.6, grid="both")
    (axes,) = figure.axes
    widths = np.linspace(points[0].size.width, points[-1].size.width, 400)
    axes.plot(widths, area / widths, color=_SOFT, linewidth=1.2, label=f"{area:,} pixels, the tier's area")
    for steady, colour, words in ((True, _COLOURS[0], "come again"), (False, _COLOURS[1], "drift on when made again")):
        kind = [each.size for each in points if each.keeps_shape is steady]
        axes.scatter([s.width for s in kind], [s.height for s in kind], s=14, color=colour, zorder=3,
                     label=f"{len(kind)} sizes that {words}")  # fmt: skip
    axes.set(xlabel="width, pixels", ylabel="height, pixels", aspect="equal", xlim=axes.get_xlim(),
             ylim=axes.get_ylim())  # fmt: skip
    if source is not None:
        picture, output = Size.of(source), predict(source, tier, rule)
        axes.axline((0, 0), slope=float(1 / picture.ratio), color=_COLOURS[3], linewidth=1, linestyle="--",
                    label=f"shape of {picture}")  # fmt: skip
        axes.plot([output.width], [output.height], "o", markersize=11, markerfacecolor="none", markeredgewidth=1.8,
                  color=_COLOURS[3], label=f"{output} comes out", zorder=4)  # fmt: skip
    axes.legend(loc="upper right", facecolor="white", framealpha=1, edgecolor="none", fontsize=9)
    return figure


def plot_tally(verdicts: Iterable[Verdict] | Tally) -> Figure:
    """Draw the share of votes for the first variant of each pair: a dot with its 95 % interval, and the even split.

    A full dot has the number of votes that was fixed beforehand, a hollow one has fewer and tells nothing yet.

    Args:
        verdicts: One a pair: ``study.tally()``, or some of its ``.verdicts``.

    Example:
        >>> plot_tally(study.tally().verdicts)  # doctest: +SKIP
    """
    rows = list(verdicts if isinstance(verdicts, Iterable) else verdicts.verdicts)
    figure = _start("Preferred, with 95 % intervals", 8.6, 0.55 * len(rows) + 1.2, grid="x")
    (axes,) = figure.axes
    axes.axvline(50, color=_SOFT, linewidth=1, linestyle="--", zorder=1)
    for at, each in enumerate(rows):
        score = f"n = {each.decided} ({each.wins} : {each.losses})" + (f", {each.ties} tied" if each.ties else "")
        if each.rate is None:
            axes.text(50, at, " no votes yet ", ha="center", va="center", color=_SOFT, backgroundcolor="white")
        else:
            axes.plot([100 * each.low, 100 * each.high], [at, at], color=_COLOURS[0], linewidth=2.5)
            face = "white" if each.p_value is None else _COLOURS[0]
            axes.plot([100 * each.rate], [at], "o", color=_COLOURS[0], markersize=9, markerfacecolor=face, zorder=3)
        few = f"\nno verdict yet: {each.planned} planned" if each.p_value is None else ""
        axes.text(102, at, score + few, va="center", fontsize=9)
    axes.set(
        xlim=(0, 100),
        ylim=(max(1, len(rows)) - 0.5, -0.5),
        xlabel="← the second preferred · votes for the first of the pair, % of those decided · the first preferred →",
    )
    axes.set_yticks(range(len(rows)), [f"{each.left} against {each.right}" for each in rows])
    return figure


def plot_measures(rows: Iterable[Measured]) -> Figure:
    """Draw what was measured: a dot for each video, a line for each seed, a bar at each variant's median.

    Args:
        rows: ``study.measures()``.

    Example:
        >>> plot_measures(study.measures())  # doctest: +SKIP
    """
    rows = list(rows)
    named = (("first_likeness", "first frame alike, 0–1", 1.0), ("last_likeness", "last frame alike, 0–1", 1.0),
             ("motion", "motion, % a second", 10.0), ("flicker", "flicker, %", 1.0))  # fmt: skip
    panels = [(title, least, [getattr(each.measures, name) for each in rows]) for name, title, least in named]
    return _by_variant("Measured from the frames", [(each.label, each.seed) for each in rows], panels)


def plot_study_cost(rows: Iterable[Mapping[str, Any]]) -> Figure:
    """Draw what each variant costs by list price and how long it took: a dot for each video, a bar at the median.

    Args:
        rows: ``study.rows()``: of each, ``variant``, ``seed``, ``cost`` with ``currency``, and ``took_s``, which are
            seconds of the service's clock; what is not known is left out.

    Example:
        >>> plot_study_cost(study.rows())  # doctest: +SKIP
    """
    rows = list(rows)
    currency = " and ".join(sorted({row["currency"] for row in rows if row.get("currency")}))
    named = (("cost", f"list price of a video, {currency}"), ("took_s", "from submitted to done, s"))
    panels = [(title, 0.0, [row.get(name) for row in rows]) for name, title in named]
    return _by_variant("Price and time", [(row["variant"], row["seed"]) for row in rows], panels)


# --- how it is drawn --------------------------------------------------------------------------------------------------


def _start(
    title: str, width: float, height: float, *, rows: int = 1, columns: int = 1, grid: Literal["x", "y", "both"] = "y"
) -> Figure:
    """Begin a figure, sides in inches: panels of which those below each other share their axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    below = rows > 1
    for axes in figure.subplots(rows, columns, sharex=below, sharey=below, squeeze=False).flat:
        axes.grid(axis=grid, color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_teeth(axes: Axes, tier: str, rule: str, span: tuple[Fraction, Fraction], colour: str) -> None:
    """Draw drift against shape: along each size's range it falls, and jumps where the next size begins.

    Shapes that people know are named, on an axis on which 3:4 is as far from 1:1 as 4:3.
    """
    low, high = span
    ends = [(at, each.size) for each in lattice(tier, rule) if each.high > low and each.low < high
            for at in (max(each.low, low), min(each.high, high))]  # fmt: skip
    axes.plot(
        [float(at) for at, _ in ends], [drift(at, size).percent for at, size in ends], color=colour, linewidth=1.1
    )
    axes.axhline(0, color=_SOFT, linewidth=0.8)
    axes.set_ylabel("drift, %")
    known = {float(read_ratio(name)): name for name in _NAMED if low <= read_ratio(name) <= high}
    axes.set_xscale("log")
    axes.set_xlim(float(low), float(high))
    axes.xaxis.set_major_locator(FixedLocator(list(known)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: known.get(at, "")))
    axes.set_xlabel("shape of the picture, width : height")
    axes.label_outer()


def _by_variant(
    title: str, cells: Sequence[tuple[str, int]], panels: Sequence[tuple[str, float, Sequence[float | None]]]
) -> Figure:
    """Draw a value for each (variant, seed), a panel for each kind of value that is there: equal seeds are joined.

    A panel has its name and the least top of its axis: what hardly differs should look so.
    """
    panels = [panel for panel in panels if any(value is not None for value in panel[2])]
    if not panels:
        figure = Figure(figsize=(5.0, 0.6))
        figure.text(0.02, 0.4, f"{title}: nothing is known yet", color=_SOFT)
        return figure
    labels, seeds = sorted({label for label, _ in cells}), sorted({seed for _, seed in cells})
    figure = _start(title, 2.9 * len(panels) + 1.3 * (len(seeds) > 1), 3.2, columns=len(panels))
    for axes, (name, least, values) in zip(figure.axes, panels, strict=True):
        table = np.full((len(labels), len(seeds)), np.nan)
        for (label, seed), value in zip(cells, values, strict=True):
            table[labels.index(label), seeds.index(seed)] = np.nan if value is None else value
        axes.set_prop_cycle(marker=_MARKERS)
        axes.plot(table, color="#9a9a9a", linewidth=0.9, markerfacecolor=_COLOURS[0], markeredgecolor="white",
                  markersize=6.5, zorder=3, label=[f"seed {seed}" for seed in seeds])  # fmt: skip
        for at, row in enumerate(table):
            if np.isfinite(row).any():
                axes.hlines(np.nanmedian(row), at - 0.32, at + 0.32, color="#1a1a1a", linewidth=2.2, zorder=2)
        axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(0, max(least, np.nanmax(table)) * 1.06))
        axes.set_xticks(range(len(labels)), labels)
        axes.set_title(name, loc="left", fontsize=10)
    if len(seeds) > 1:
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles[:8], names[:8], loc="outside right upper", frameon=False, fontsize=9)
    return figure
