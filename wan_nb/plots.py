"""Figures: of sizes (how far outputs drift, which there are, how rules differ) and of studies (votes, measures, price).

Plain values in, a `Figure` out; nothing here touches pyplot or its state, so a figure can be made on any thread and
shows itself on a cell's last line. Matplotlib is loaded when this module is.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from wan_nb.boxes import Ratio, read_ratio
from wan_nb.geometry import (
    DOCUMENTED_RULE,
    RULES,
    TIER_AREA,
    AnySize,
    Size,
    colon,
    get_rule,
    lattice,
    predict,
    tier_area,
)

if TYPE_CHECKING:
    from wan_nb.measures import Measured
    from wan_nb.votes import Tally, Verdict

_COLOURS = ("#0b6bcb", "#c2410c", "#2e7d32", "#7b3fb5", "#8a6d00")
_NAMED = ("1:3", "9:21", "1:2", "9:16", "2:3", "3:4", "4:5", "1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "21:9", "3:1")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_SOFT = "#767676"


class Figure(matplotlib.figure.Figure):
    """A figure that shows itself in a notebook, with no backend switched on."""

    def _repr_png_(self) -> bytes:
        """Return it as a PNG of 64 colours, which is a third of its size in a saved notebook."""
        full, small = io.BytesIO(), io.BytesIO()
        self.savefig(full, format="png", dpi=100)
        Image.open(full).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        return small.getvalue()


def plot_drift(
    tiers: Sequence[str] = tuple(TIER_AREA),
    rule: str = DOCUMENTED_RULE,
    *,
    low: Ratio = "1:2",
    high: Ratio = "2:1",
) -> Figure:
    """Draw how far outputs are from the shape of their picture: a saw-tooth for each tier.

    Args:
        tiers: Tiers, one panel each.
        rule: A name in `wan_nb.geometry.RULES`.
        low: Narrowest shape shown.
        high: Widest shape shown.

    Raises:
        GeometryError: If a tier, rule or ratio does not exist.

    Example:
        >>> plot_drift(["720P"]).savefig("drift.png")  # doctest: +SKIP
    """
    figure, panels = _panels(len(tiers), width=9.0, height=1.75)
    for axes, tier in zip(panels, tiers, strict=True):
        _draw_teeth(axes, tier, rule, read_ratio(low), read_ratio(high), _COLOURS[0])
        axes.set_title(f"{tier}, {tier_area(tier):,} pixels", loc="left", fontsize=10)
    _name_shapes(panels[-1], read_ratio(low), read_ratio(high))
    figure.suptitle(f"Drift of the output from the picture's shape, rule {rule}", x=0.01, ha="left", fontsize=12)
    return figure


def plot_rules(
    tier: str = "720P", rules: Sequence[str] = tuple(RULES), *, around: Ratio = "3:4", span: float = 1.25
) -> Figure:
    """Draw the drift by each rule, near one shape.

    Args:
        tier: Resolution tier.
        rules: Names in `wan_nb.geometry.RULES`, one panel each.
        around: The shape in the middle, marked with what each rule gives for it.
        span: How far the axis goes to both sides, as a factor.

    Raises:
        GeometryError: If the tier, a rule or the ratio does not exist.

    Example:
        >>> plot_rules("1080P", around="9:16")  # doctest: +SKIP
    """
    shape = read_ratio(around)
    low, high = shape / Fraction(span), shape * Fraction(span)
    figure, panels = _panels(len(rules), width=9.0, height=1.35)
    for axes, rule, colour in zip(panels, rules, _COLOURS * len(rules), strict=False):
        _draw_teeth(axes, tier, rule, low, high, colour)
        size = get_rule(rule).size(shape, tier_area(tier))
        at, drift = float(shape), float(100 * (size.ratio / shape - 1))
        axes.plot([at], [drift], "o", color=colour, markersize=7, markeredgecolor="white", zorder=4)
        axes.set_title(f"{rule}: {colon(shape)} gives {size}, {drift:+.2f} %", loc="left",
                       fontsize=10)  # fmt: skip
        axes.axvline(at, color=_SOFT, linewidth=0.8, linestyle=":")
    _name_shapes(panels[-1], low, high)
    figure.suptitle(f"Drift by each rule at {tier}", x=0.01, ha="left", fontsize=12)
    return figure


def plot_lattice(
    tier: str = "720P",
    rule: str = DOCUMENTED_RULE,
    *,
    source: AnySize | None = None,
    widest: Ratio = "2.4:1",
) -> Figure:
    """Draw every size that can come out, with the curve of the tier's pixel count.

    Args:
        tier: Resolution tier.
        rule: A name in `wan_nb.geometry.RULES`.
        source: A picture to mark: the line of its shape, and the size that comes out.
        widest: Longer over shorter side, up to which sizes are shown.

    Raises:
        GeometryError: If the tier, rule or a size does not exist.

    Example:
        >>> plot_lattice("720P", source="750x1000")  # doctest: +SKIP
    """
    limit, area = read_ratio(widest), tier_area(tier)
    points = [each for each in lattice(tier, rule) if 1 / limit <= each.size.ratio <= limit]
    figure = Figure(figsize=(7.2, 6.6), layout="constrained")
    axes = figure.add_subplot()
    sides = [each.size.width for each in points]
    widths = np.linspace(min(sides), max(sides), 400)
    axes.plot(widths, area / widths, color=_SOFT, linewidth=1.2, label=f"{area:,} pixels, the tier's area")
    for steady, colour, words in ((True, _COLOURS[0], "come again"), (False, _COLOURS[1], "drift on when made again")):
        kind = [each.size for each in points if each.keeps_shape is steady]
        axes.scatter([s.width for s in kind], [s.height for s in kind], s=14, color=colour, zorder=3,
                     label=f"{len(kind)} sizes that {words}")  # fmt: skip
    if source is not None:
        _mark(axes, Size.of(source), predict(source, tier, rule))
    axes.set(xlabel="width, pixels", ylabel="height, pixels", aspect="equal")
    axes.set_title(f"Sizes that can come out at {tier}, rule {rule}", loc="left", fontsize=12)
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.legend(loc="upper right", facecolor="white", framealpha=1, edgecolor="none", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
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
    figure = Figure(figsize=(8.6, 0.55 * len(rows) + 1.2), layout="constrained")
    axes = figure.add_subplot()
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
    axes.set_title("Preferred, with 95 % intervals", loc="left", fontsize=12)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
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
    panels = [
        (title, least, [(each.label, each.seed, getattr(each.measures, name)) for each in rows])
        for name, title, least in named
    ]
    return _by_variant("Measured from the frames", panels)


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
    panels = [
        (title, 0.0, [(row["variant"], row["seed"], row.get(name)) for row in rows])
        for title, name in ((f"list price of a video, {currency}", "cost"), ("from submitted to done, s", "took_s"))
    ]
    return _by_variant("Price and time", panels)


# --- how it is drawn --------------------------------------------------------------------------------------------------


def _by_variant(title: str, panels: Sequence[tuple[str, float, Sequence[tuple[str, int, float | None]]]]) -> Figure:
    """Draw (variant, seed, value) points, a panel for each kind of value that is there: equal seeds are joined.

    A panel has its name and the least top of its axis: what hardly differs should look so.
    """
    panels = [panel for panel in panels if any(value is not None for _, _, value in panel[2])]
    labels = sorted({label for _, _, points in panels for label, _, _ in points})
    seeds = sorted({seed for _, _, points in panels for _, seed, _ in points})
    figure = Figure(figsize=(2.9 * max(1, len(panels)) + 1.3 * (len(seeds) > 1), 3.2), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    for number, (name, least, points) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        known = [(label, seed, value) for label, seed, value in points if value is not None]
        _join_seeds(axes, known, labels, seeds)
        axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(0, max(least, *(value for _, _, value in known)) * 1.06))
        axes.set_xticks(range(len(labels)), labels)
        axes.set_title(name, loc="left", fontsize=10)
        axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    if panels and len(seeds) > 1:
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles[:8], names[:8], loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _join_seeds(
    axes: Axes, points: Sequence[tuple[str, int, float]], labels: Sequence[str], seeds: Sequence[int]
) -> None:
    """Draw a line and a mark of its own for each seed, and each variant's median."""
    for number, seed in enumerate(seeds):
        mine = sorted((labels.index(label), value) for label, of, value in points if of == seed)
        axes.plot([at for at, _ in mine], [value for _, value in mine], color="#9a9a9a", linewidth=0.9,
                  marker=_MARKERS[number % len(_MARKERS)], markerfacecolor=_COLOURS[0], markeredgecolor="white",
                  markersize=6.5, zorder=3, label=f"seed {seed}")  # fmt: skip
    for at, label in enumerate(labels):
        if values := [value for each, _, value in points if each == label]:
            axes.plot([at - 0.32, at + 0.32], [np.median(values)] * 2, color="#1a1a1a", linewidth=2.2, zorder=2)


def _panels(count: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height * count + 0.7), layout="constrained")
    grid = figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)
    return figure, list(grid[:, 0])


def _draw_teeth(axes: Axes, tier: str, rule: str, low: Fraction, high: Fraction, colour: str) -> None:
    """Draw drift against shape: along each size's range it falls, and jumps where the next size begins."""
    shapes: list[float] = []
    drifts: list[float] = []
    for each in lattice(tier, rule):
        start, end = max(each.low, low), min(each.high, high)
        if start < end:
            shapes += [float(start), float(end)]
            drifts += [float(100 * (each.size.ratio / at - 1)) for at in (start, end)]
    axes.plot(shapes, drifts, color=colour, linewidth=1.1)
    axes.axhline(0, color=_SOFT, linewidth=0.8)
    axes.set_ylabel("drift, %")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _name_shapes(axes: Axes, low: Fraction, high: Fraction) -> None:
    """Name the shapes that people know, on an axis on which 3:4 is as far from 1:1 as 4:3."""
    known = {float(read_ratio(name)): name for name in _NAMED if low <= read_ratio(name) <= high}
    axes.set_xscale("log")
    axes.set_xlim(float(low), float(high))
    axes.xaxis.set_major_locator(FixedLocator(list(known)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: known.get(at, "")))
    axes.set_xlabel("shape of the picture, width : height")


def _mark(axes: Axes, source: Size, output: Size) -> None:
    """Draw the line of a shape through the origin, and the size that comes out of it."""
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    axes.axline((0, 0), slope=float(1 / source.ratio), color=_COLOURS[3], linewidth=1, linestyle="--",
                label=f"shape of {source}")  # fmt: skip
    axes.plot([output.width], [output.height], "o", markersize=11, markerfacecolor="none", markeredgewidth=1.8,
              color=_COLOURS[3], label=f"{output} comes out", zorder=4)  # fmt: skip
