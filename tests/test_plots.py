"""Figures of a study, from plain values."""

from __future__ import annotations

import io

from PIL import Image

from wan_nb.measures import Measured, Measures, MeasureTable
from wan_nb.plots import Figure, plot_measures, plot_study_cost, plot_tally
from wan_nb.tally import tally
from wan_nb.votes import Judgement

ROWS = MeasureTable(
    Measured(label, seed, Measures(0.9 - 0.1 * seed, None, 20.0 * seed, 0.1))
    for label in "AB" for seed in (1, 2)
)  # fmt: skip


def words(figure: Figure) -> str:
    """Draw a figure, look that nothing lies outside of it, and return its words."""
    picture = Image.open(io.BytesIO(figure._repr_png_())).convert("L")
    assert min(picture.crop((0, 0, picture.width, 1)).tobytes()) > 200, "something is cut at the top"
    renderer_box = figure.bbox
    found = []
    for axes in figure.axes:
        for text in [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, *axes.get_yticklabels()]:  # type: ignore[attr-defined]
            if text.get_text() and text.get_visible():
                box = text.get_window_extent()
                assert box.x0 >= -1 and box.x1 <= renderer_box.x1 + 1, text.get_text()
                found.append(text.get_text())
    return "\n".join(found)


def votes(wins: int, losses: int) -> list[Judgement]:
    """Return blind votes of one judge, each on a seed of its own."""
    return [
        Judgement(str(n), float(n), "ann", "vote", f"a{n}", f"b{n}", "left" if n < wins else "right", planned=20)
        for n in range(wins + losses)
    ]


def test_tally_shows_intervals_and_how_many() -> None:
    """A pair that was judged, one with too few votes, one with none: each says so."""
    cells = {f"{label.lower()}{n}": (label, n) for label in "ABC" for n in range(30)}
    counted = tally(votes(15, 5), cells, [("A", "B"), ("B", "C")], 20)
    shown = words(plot_tally(counted.verdicts))
    assert "A against B" in shown and "n = 20 (15 : 5)" in shown
    assert "no votes yet" in shown and "20 planned" in shown
    few = plot_tally(tally(votes(3, 2), cells, [("A", "B")], 20).verdicts)
    assert "no verdict yet: 20 planned" in words(few)
    dots = [line for line in few.axes[0].lines if line.get_marker() == "o"]
    assert [str(line.get_markerfacecolor()) for line in dots] == ["white"]


def test_measures_join_the_seeds() -> None:
    """A panel for each measure that is there, from 0; a line for each seed."""
    figure = plot_measures(ROWS)
    assert "first frame alike" in words(figure) and "last frame" not in words(figure)
    assert len(figure.axes) == 3
    first = figure.axes[0]
    assert first.get_ylim()[0] == 0 and first.get_ylim()[1] > 1
    assert [line.get_label() for line in first.lines][:2] == ["seed 1", "seed 2"]
    assert all(len(line.get_xdata()) == 2 for line in first.lines)  # type: ignore[arg-type]


def test_price_and_time_leave_out_what_is_unknown() -> None:
    """No price, no panel of prices; nothing at all is still a figure."""
    known = {"variant": "A", "seed": 1, "cost": 0.5, "currency": "USD", "took_s": 60.0}
    both = plot_study_cost([known, {"variant": "B", "seed": 1}])
    assert len(both.axes) == 2 and "list price of a video, USD" in words(both)
    assert len(plot_study_cost([known | {"cost": None, "currency": ""}]).axes) == 1
    for empty in (plot_study_cost([]), plot_measures([])):
        assert empty.axes == [] and "nothing is known yet" in empty.texts[0].get_text()
    words(plot_tally([]))


def test_measures_as_a_table() -> None:
    """What was not asked has no column."""
    assert "last frame" not in repr(ROWS) and "first frame alike" in ROWS._repr_html_()
    assert "variant" in repr(MeasureTable())
