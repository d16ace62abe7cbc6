from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wan_nb.boxes import fit_between, inner_box, outer_canvas, read_ratio
from wan_nb.errors import GeometryError
from wan_nb.geometry import Size

sides = st.integers(1, 9000)
terms = st.integers(1, 40)


@pytest.mark.parametrize(
    ("value", "ratio"),
    [
        ("3:4", (3, 4)), ("9/16", (9, 16)), (" 750 x 1000 ", (3, 4)), ("2.39:1", (239, 100)), ("1.85", (37, 20)),
        (1.85, (37, 20)), (4 / 3, (4, 3)), (1.7777, (17777, 10000)), (2, (2, 1)), ((1080, 1350), (4, 5)),
        (Size(816, 1104), (17, 23)), (Fraction(6, 8), (3, 4)),
    ],
)  # fmt: skip
def test_ratios_are_read_exactly(value: object, ratio: tuple[int, int]) -> None:
    assert read_ratio(value) == Fraction(*ratio)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", ["", "a:b", "3:0", "-3:4", 0, -1.5, float("nan"), float("inf"), "1e400", (3,), (1, 2, 3), None]
)
def test_what_is_no_ratio(value: object) -> None:
    with pytest.raises(GeometryError, match="'3:4'"):
        read_ratio(value)  # type: ignore[arg-type]


@given(sides, sides, terms, terms, st.sampled_from([1, 2]))
def test_the_inner_box_is_exact_inside_and_cannot_grow(
    width: int, height: int, wide: int, high: int, step: int
) -> None:
    shape = Fraction(wide, high)
    if step * shape.numerator > width or step * shape.denominator > height:
        with pytest.raises(GeometryError, match="not exact"):
            inner_box(Size(width, height), ratio=shape, step=step)
        return
    left, top, right, bottom = inner_box(Size(width, height), ratio=shape, step=step)
    assert not any(edge % step for edge in (left, top, right, bottom))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert Fraction(right - left, bottom - top) == shape
    assert right - left + step * shape.numerator > width or bottom - top + step * shape.denominator > height
    assert abs(left - (width - right)) <= 2 * step - 1
    assert abs(top - (height - bottom)) <= 2 * step - 1


@given(st.integers(80, 9000), st.integers(80, 9000), terms, terms, st.sampled_from([1, 2]))
def test_the_outer_canvas_is_exact_around_and_cannot_shrink(
    width: int, height: int, wide: int, high: int, step: int
) -> None:
    shape = Fraction(wide, high)
    canvas, (left, top, right, bottom) = outer_canvas(Size(width, height), ratio=shape, step=step)
    assert canvas.ratio == shape
    assert (right - left, bottom - top) == (width, height)
    assert canvas.width - step * shape.numerator < width or canvas.height - step * shape.denominator < height
    assert not any(each % step for each in (*canvas, left, top))
    assert left >= 0
    assert right <= canvas.width
    assert top >= 0
    assert bottom <= canvas.height


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_focus_is_inside_the_box(x: float, y: float) -> None:
    left, top, right, bottom = inner_box(Size(640, 360), ratio="3:4", focus=(x, y))
    assert left <= x * 640 <= right
    assert top <= y * 360 <= bottom


def test_a_box_of_a_size() -> None:
    assert inner_box(Size(640, 360), size="100x90", focus=(0, 1)) == (0, 270, 100, 360)
    assert inner_box(Size(640, 360), size=(100, 90), focus=(0.5, 0.25)) == (270, 45, 370, 135)
    assert outer_canvas(Size(640, 360), size="641x400") == (Size(641, 400), (0, 20, 640, 380))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": "641x10"}, "does not fit"), ({}, "either ratio"), ({"ratio": 1, "size": "3x4"}, "not both"),
        ({"ratio": "3:4", "focus": (0.5, 1.01)}, "focus"), ({"ratio": "3:4", "focus": (float("nan"), 0)}, "focus"),
        ({"ratio": 1.7777}, "nearest simple one is 16:9"), ({"ratio": "1000:1"}, "nearer to the picture's own"),
    ],
)  # fmt: skip
def test_boxes_that_cannot_be(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        inner_box(Size(640, 360), **arguments)  # type: ignore[arg-type]


def test_canvases_that_cannot_be() -> None:
    with pytest.raises(GeometryError, match="smaller than the picture"):
        outer_canvas(Size(640, 360), size="640x359")
    with pytest.raises(GeometryError, match="nearest simple one is 16:9"):
        outer_canvas(Size(640, 360), ratio=1.7777)


@settings(max_examples=200)
@given(sides, sides, st.integers(1, 500), st.integers(500, 9000))
def test_a_fit_is_within_bounds_near_in_shape_and_least(width: int, height: int, low: int, high: int) -> None:
    whole = Size(width, height)
    short, long = min(whole), max(whole)
    if long * low > short * high:
        with pytest.raises(GeometryError, match="crop or pad"):
            fit_between(whole, low, high)
        return
    new = fit_between(whole, low, high)
    assert low <= min(new) <= max(new) <= high
    assert (new.width < new.height) == (width < height) or new.width == new.height
    if low <= short and long <= high:
        assert new == whole
    elif short < low:
        assert 100 * min(new) <= 103 * low
    else:
        assert 100 * max(new) >= 97 * high
    if new.ratio != whole.ratio:  # then one side is rounded, by half a pixel or to a bound
        scale = Fraction(min(new), short) if short < low else Fraction(max(new), long)
        assert abs(new.width - width * scale) <= Fraction(1, 2)
        assert abs(new.height - height * scale) <= Fraction(1, 2)


def test_bounds_that_hold_nothing() -> None:
    with pytest.raises(GeometryError, match="low ≤ high"):
        fit_between(Size(640, 360), 400, 300)
