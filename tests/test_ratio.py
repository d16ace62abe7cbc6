"""Ways to an exact shape, against a search that is written another way: every box, every size, in plain loops."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import gcd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import wan_nb as wan
from wan_nb.errors import ConfigError, GeometryError, MediaError
from wan_nb.geometry import RULES, TIER_AREA, Size, lattice, predict
from wan_nb.ratio import Choice, reach

SHAPES = [Fraction(a, b) for a in range(1, 9) for b in range(1, 9) if gcd(a, b) == 1]
"""Every ratio of small integers from 1:8 to 8:1."""


# --- what can come out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIER_AREA)
@pytest.mark.parametrize("rule", RULES)
def test_the_lattice_is_every_size_that_a_fine_sweep_of_shapes_gives(tier: str, rule: str) -> None:
    sizes = {each.size for each in lattice(tier, rule)}
    swept = {predict((1000 + n, 1000), tier, rule) for n in range(7000)}
    swept |= {predict((1000, 1000 + n), tier, rule) for n in range(7000)}
    assert swept <= sizes
    if RULES[rule].step == 16:  # a step of 2 has ranges too narrow for this sweep
        assert len(sizes - swept) < 12


@pytest.mark.parametrize("tier", TIER_AREA)
@pytest.mark.parametrize("rule", RULES)
def test_the_lattice_covers_every_shape_once_and_says_which_gives_what(tier: str, rule: str) -> None:
    points = lattice(tier, rule)
    assert (points[0].low, points[-1].high) == (Fraction(1, 8), Fraction(8))
    for one, other in pairwise(points):
        assert one.high == other.low
        assert one.size != other.size
    for point in points:
        middle = (point.low + point.high) / 2
        assert predict((middle.numerator, middle.denominator), tier, rule) == point.size
        assert point.keeps_shape == (predict(point.size, tier, rule) == point.size) or point.size.ratio in (
            point.low,
            point.high,
        )


# --- the best way -----------------------------------------------------------------------------------------------------


def boxes(source: Size) -> Iterator[tuple[str, Size]]:
    """Every crop and pad of a picture along one side, and the picture itself."""
    width, height = source
    for w in range(1, width + 1):
        yield "crop", Size(w, height)
    for h in range(1, height):
        yield "crop", Size(width, h)
    for w in range(width, 9 * height):
        yield "pad", Size(w, height)
    for h in range(height, 9 * width):
        yield "pad", Size(width, h)


def every_box(source: Size) -> Iterator[tuple[str, Size]]:
    """Every crop and pad there is, both sides at once."""
    width, height = source
    for w in range(1, 2 * width + 1):
        for h in range(1, 2 * height + 1):
            if w <= width and h <= height:
                yield "crop", Size(w, h)
            if w >= width and h >= height and (w == width or h == height or (w - width) * (h - height) < 40):
                yield "pad", Size(w, h)


@lru_cache
def outputs(source: Size, tier: str, rule: str, tiny: bool) -> list[tuple[str, Size, Size]]:
    """What comes out of each box."""
    return [(action, box, predict(box, tier, rule)) for action, box in (every_box if tiny else boxes)(source)]


def finishes(output: Size, shape: Fraction) -> dict[str, Size]:
    """The largest even crop and the smallest even canvas of a shape, by walking."""
    found = {}
    n, d = 2 * shape.numerator, 2 * shape.denominator
    k = 1
    while n * k <= output.width and d * k <= output.height:
        found["crop"] = Size(n * k, d * k)
        k += 1
    while n * k < output.width or d * k < output.height:
        k += 1
    if k == 1 or (n * (k - 1) < output.width or d * (k - 1) < output.height):
        found["pad"] = Size(n * k, d * k)
    return found


def least_losses(source: Size, shape: Fraction, tier: str, rule: str, tiny: bool) -> dict[tuple[str, str], float]:
    """The least loss of each kind, in floats."""
    least: dict[tuple[str, str], float] = {}
    ends: dict[Size, dict[str, Size]] = {}
    for action, box, output in outputs(source, tier, rule, tiny):
        if output not in ends:
            ends[output] = finishes(output, shape)
        for finish, last in ends[output].items():
            seen = box.area / source.area if action == "crop" else 1.0
            filled = source.area / box.area if action == "pad" else 1.0
            used = min(1.0, output.area / TIER_AREA[tier]) * filled
            if finish == "crop":
                seen, used = seen * last.area / output.area, used * last.area / output.area
            else:
                filled *= output.area / last.area
            a, b = box.width / box.height, output.width / output.height
            loss = 1 - seen * used * filled * min(a / b, b / a)
            key = (action, finish)
            least[key] = min(loss, least.get(key, 9.0))
    return least


@pytest.mark.parametrize(
    ("source", "tier"),
    [(Size(120, 90), "480P"), (Size(68, 121), "480P"), (Size(120, 90), "720P"), (Size(121, 68), "1080P")],
    ids=str,
)
def test_no_other_way_loses_less_for_any_ratio_of_small_integers(source: Size, tier: str) -> None:
    for shape in SHAPES:
        _check_least(source, shape, tier, "floor16")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("source", [Size(375, 500), Size(320, 180)], ids=str)
def test_no_other_way_loses_less_by_any_rule(source: Size, rule: str) -> None:
    for shape in (Fraction(3, 4), Fraction(9, 16), Fraction(37, 20), Fraction(16, 9)):
        _check_least(source, shape, "720P", rule)


@pytest.mark.parametrize("shape", [Fraction(3, 4), Fraction(1), Fraction(16, 9), Fraction(5, 2)])
def test_cutting_both_sides_of_a_tiny_picture_is_not_better(shape: Fraction) -> None:
    for rule in ("floor16", "best16"):
        _check_least(Size(45, 32), shape, "720P", rule, tiny=True)


def _check_least(source: Size, shape: Fraction, tier: str, rule: str, tiny: bool = False) -> None:
    answer = reach(shape, source=source, tier=tier, rule=rule)
    least = least_losses(source, shape, tier, rule, tiny)
    losses = [choice.loss_percent for choice in answer.choices]
    assert losses == sorted(losses)
    if tiny:
        assert losses[0] == pytest.approx(100 * min(least.values()), abs=1e-6)
    found: dict[tuple[str, str], float] = {}
    for choice in answer.choices:
        assert choice.finish.after.ratio == shape
        assert not (choice.finish.after.width % 2 or choice.finish.after.height % 2)
        assert predict(choice.input.after, tier, rule) == choice.output
        actions = (choice.input.action, choice.finish.action)
        assert choice.loss_percent == pytest.approx(100 * loss_of(source, choice), abs=1e-6)
        for kind in least:
            if all(action in ("none", wanted) for action, wanted in zip(actions, kind, strict=True)):
                found[kind] = min(found.get(kind, 999.0), choice.loss_percent)
    assert all(found[kind] <= 100 * loss + 1e-6 for kind, loss in least.items()), (shape, answer, least)


def loss_of(source: Size, choice: Choice) -> float:
    """The aim of a choice, from its sizes alone."""
    box, output, last = choice.input.after, choice.output, choice.finish.after
    seen = min(1.0, box.area / source.area) * min(1.0, last.area / output.area)
    used = min(1.0, output.area / TIER_AREA[choice.tier]) * min(1.0, source.area / box.area) * min(
        1.0, last.area / output.area
    )  # fmt: skip
    filled = min(1.0, source.area / box.area) * min(1.0, output.area / last.area)
    a, b = box.width / box.height, output.width / output.height
    return 1 - seen * used * filled * min(a / b, b / a)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_the_documents_example_and_its_better_way() -> None:
    answer = wan.reach("3:4", source="750x1000", tier="720P", padding=False)
    assert answer.plain == Size(816, 1104)
    assert answer.text == (
        "3:4 from 750×1000 (720P, rule floor16): 816×1104 comes out, that is -1.45 % in ratio, 16 px off 3:4."
    )
    best, plain = answer.choices
    assert (best.input.after, best.output, best.finish.after) == (Size(750, 996), Size(832, 1104), Size(828, 1104))
    assert (plain.input.action, plain.finish.after, plain.finish.box) == ("none", Size(816, 1088), (0, 8, 816, 1096))
    assert best.loss_percent < plain.loss_percent / 3
    assert answer.code() == "picture = wan.crop(picture, size='750x996')\nvideo = video.crop(size='828x1104')"
    assert answer.code(plain) == "video = video.crop(size='816x1088')"
    assert best.rules == ("floor16", "nearest16", "best16", "round16")


def test_what_is_exact_already() -> None:
    answer = reach("16:9", source="1920x1080", model="wan2.6-i2v-flash", tier="720P")
    assert (answer.best.loss_percent, answer.code()) == (0, "# nothing to do")
    assert "exactly 16:9" in answer.text


def test_a_rule_that_others_measured_is_named() -> None:
    answer = reach("3:4", source="750x1000", model="wan2.7-i2v", tier="1080P")
    assert answer.text.endswith("Others measured rule='even' on this model, by which it is 1246×1662.")
    again = reach("3:4", source="750x1000", model="wan2.7-i2v", tier="1080P", rule="even")
    assert "measured" not in again.text
    assert again.best.loss_percent < answer.best.loss_percent


def test_a_size_is_a_shape_and_a_last_scaling() -> None:
    answer = reach("1080x1350", source=(1080, 1350), model="wan2.7-i2v", tier="720P", padding=False)
    assert (answer.wanted, answer.exact, answer.model) == (Fraction(4, 5), Size(1080, 1350), "wan2.7-i2v-2026-04-25")
    assert answer.code().endswith("scale_to='1080x1350')")
    assert "scaled × " in str(answer)
    assert reach("4:5", source=(1080, 1350)).exact is None
    assert reach("540:1000", source=(1080, 1350)).exact is None
    with pytest.raises(GeometryError, match="odd side"):
        reach("1081x1350", source=(1080, 1350))
    assert reach(1.85, source="1000x541").wanted == Fraction(37, 20)


def test_pictures_are_measured_and_bounds_kept() -> None:
    out = io.BytesIO()
    Image.new("RGB", (300, 400)).save(out, "PNG")
    assert reach("3:4", source=out.getvalue()).source == Size(300, 400)
    narrow = reach("1:1", source=(250, 400), model="wan2.6-i2v-flash")
    assert all(min(choice.input.after) >= 240 for choice in narrow.choices)
    wide = reach("8:1", source=(8000, 240), model="wan2.7-i2v")
    assert all(max(choice.input.after) <= 8000 for choice in wide.choices)


@settings(max_examples=40)
@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from(SHAPES))
def test_every_picture_gets_an_answer(width: int, height: int, shape: Fraction) -> None:
    answer = reach(shape, source=(width, height), tier="720P")
    assert 0 <= answer.best.loss_percent <= 100
    assert answer.best.finish.after.ratio == shape


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(GeometryError, match="not exact in multiples of 2 pixels"):
        reach("1919:1079", source="750x1000", tier="720P", padding=False)
    with pytest.raises(GeometryError, match="is not a ratio"):
        reach("wide", source="750x1000")
    with pytest.raises(GeometryError, match="480P, 720P, 1080P"):
        reach("3:4", source="750x1000", tier="4K")
    with pytest.raises(ConfigError, match="did you mean"):
        reach("3:4", source="750x1000", model="wan2.7-i2w")
    with pytest.raises(MediaError, match="give its size instead"):
        reach("3:4", source="https://x.example/cat.png")
    with pytest.raises(MediaError, match="no such file"):
        reach("3:4", source="cat-that-is-not-there.png")


def test_tables_are_static_and_escaped() -> None:
    shown = reach("3:4", source="750x1000")._repr_html_()
    assert "<script" not in shown
    assert "832×1104" in shown
    assert "font-weight:600>" in shown
