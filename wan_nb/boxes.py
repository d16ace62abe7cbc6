"""Where to cut, where to put and how far to scale: boxes in whole pixels, ratios exact wherever whole pixels can be.

Integers and fractions only. This module knows neither pictures nor videos: both are cut and padded by the same sums.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from wan_nb.errors import GeometryError
from wan_nb.geometry import AnySize, Size, colon

Ratio = Fraction | float | str | tuple[int, int] | Size
"""Width over height: ``"3:4"``, ``"2.39:1"``, ``"1.85"``, ``Fraction(3, 4)``, 1.85, (3, 4) or a `Size`."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are the first column and row outside."""

Action = Literal["none", "crop", "pad"]

EVEN = 2
"""Videos in 4:2:0 are cut and padded at even pixels."""

_STEEPEST = 100_000  # longer over shorter side of a ratio: no picture has more pixels a side


def read_ratio(value: Ratio) -> Fraction:
    """Return a ratio as an exact fraction; a float within 1e-9 of a fraction of small terms means that fraction.

    Raises:
        GeometryError: If it is not a positive ratio, or no picture could have it.

    Example:
        >>> print(read_ratio("3:4"), read_ratio("2.39:1"), read_ratio(1.85), read_ratio(4 / 3))
        3/4 239/100 37/20 4/3
    """
    try:
        over, under = value if isinstance(value, Size | tuple) else (*re.split(r"[:/x×*]", str(value)), "1")[:2]
        ratio = Fraction(over) / Fraction(under)
    except (ValueError, TypeError, ZeroDivisionError):
        ratio = Fraction(0)
    if not 1 <= ratio * _STEEPEST <= _STEEPEST**2:
        raise GeometryError(f"ratio {value!r} is not a ratio; write width to height, '3:4', or a number such as 1.85.")
    near = ratio.limit_denominator(1000)
    return near if abs(near - ratio) < Fraction(1, 10**9) else ratio


def inner_box(
    whole: Size,
    *,
    ratio: Ratio | None = None,
    size: AnySize | None = None,
    focus: tuple[float, float] = (0.5, 0.5),
    step: int = 1,
) -> Box:
    """Return the largest box of a ratio inside a picture, or the box of a size.

    Args:
        whole: Size of the picture.
        ratio: Width over height of the box, exact.
        size: Pixels of the box, instead of a ratio.
        focus: What the box is centred on as far as the edges let it, from (0, 0) top left to (1, 1) bottom right.
        step: All edges are multiples of this many pixels: 1 for pictures, 2 for videos in 4:2:0.

    Raises:
        GeometryError: If there is no such box, or not exactly one of `ratio` and `size` is given.

    Example:
        >>> inner_box(Size(1000, 700), ratio="3:4")
        (237, 0, 762, 700)
        >>> inner_box(Size(816, 1104), ratio="3:4", step=2)
        (0, 8, 816, 1096)
    """
    box = _asked(whole, ratio, size, step, around=False)
    if box.width > whole.width or box.height > whole.height:
        raise GeometryError(f"a crop to {box} does not fit in {whole}; give a smaller size, or pad.")
    if not all(0 <= share <= 1 for share in focus):
        raise GeometryError(f"focus {focus} is outside the picture; give two numbers from 0 to 1.")
    left, top = (
        min(max(math.floor((share * side - inner / 2) / step), 0), (side - inner) // step) * step
        for share, side, inner in zip(focus, whole, box, strict=True)
    )
    return left, top, left + box.width, top + box.height


def outer_canvas(
    whole: Size, *, ratio: Ratio | None = None, size: AnySize | None = None, step: int = 1
) -> tuple[Size, Box]:
    """Return the smallest canvas of a ratio (or that of a size) around a picture, and the picture's box in its middle.

    Args:
        whole: Size of the picture.
        ratio: Width over height of the canvas, exact.
        size: Pixels of the canvas, instead of a ratio.
        step: The canvas's sides and the picture's place are multiples of this many pixels.

    Raises:
        GeometryError: If there is no such canvas, or not exactly one of `ratio` and `size` is given.

    Example:
        >>> canvas, box = outer_canvas(Size(1000, 700), ratio="3:4")
        >>> print(canvas, box)
        1002×1336 (1, 318, 1001, 1018)
    """
    canvas = _asked(whole, ratio, size, step, around=True)
    if canvas.width < whole.width or canvas.height < whole.height:
        raise GeometryError(f"a canvas of {canvas} is smaller than the picture, {whole}; give a larger one, or crop.")
    left, top = ((outer - side) // (2 * step) * step for outer, side in zip(canvas, whole, strict=True))
    return canvas, (left, top, left + whole.width, top + whole.height)


def fit_between(whole: Size, low: int, high: int) -> Size:
    """Return the nearest size with both sides from `low` to `high`, of the exact ratio where that costs 3 % at most.

    Raises:
        GeometryError: If there is none.

    Example:
        >>> print(fit_between(Size(320, 180), 240, 8000), fit_between(Size(9001, 4003), 240, 8000))
        432×243 8000×3558
    """
    short, long = min(whole), max(whole)
    if not 1 <= low <= high:
        raise GeometryError(f"bounds {low} … {high} px hold no size; give low ≤ high, both at least 1.")
    if long * low > short * high:
        limit = f"{high // low}:1"
        raise GeometryError(
            f"{whole} has no scale with both sides from {low} to {high} px; crop or pad it to {limit} or less first."
        )
    if low <= short and long <= high:
        return whole
    scale = Fraction(low, short) if short < low else Fraction(high, long)
    unit = math.gcd(short, long)  # times / unit scales to whole pixels and keeps the ratio
    times = math.ceil(scale * unit) if short < low else math.floor(scale * unit)
    fits = low * unit <= short * times and long * times <= high * unit
    if fits and abs(times / (scale * unit) - 1) <= Fraction(3, 100):
        return Size(whole.width // unit * times, whole.height // unit * times)
    return Size(*(min(high, max(low, round(side * scale))) for side in whole))


@dataclass(frozen=True, slots=True)
class Step:
    """One crop or pad, or none."""

    action: Action
    """What is done."""
    before: Size
    """Pixels that go in."""
    after: Size
    """Pixels that come out."""
    box: Box
    """Crop: what is kept, in the old picture. Pad: where the old picture lies in the new one."""

    @classmethod
    def of(
        cls, action: Action, whole: Size, *, ratio: Ratio | None = None, size: Size | None = None, step: int = 1
    ) -> Step:
        """Return the step that gives a ratio or a size, in the middle.

        Raises:
            GeometryError: If whole pixels (or even ones) cannot give it.
        """
        if action == "pad":
            after, box = outer_canvas(whole, ratio=ratio, size=size, step=step)
        else:
            box = inner_box(whole, ratio=ratio, size=size, step=step)
            after = Size(box[2] - box[0], box[3] - box[1])
        return cls("none" if after == whole else action, whole, after, box)

    @property
    def seen(self) -> Fraction:
        """Share of the old area that is still there."""
        return min(Fraction(self.after.area, self.before.area), Fraction(1))

    @property
    def filled(self) -> Fraction:
        """Share of the new area that is not padding."""
        return min(Fraction(self.before.area, self.after.area), Fraction(1))

    @property
    def loss(self) -> str:
        """Share of the area that is lost or padding, in words."""
        return f"{float(100 * (1 - self.seen * self.filled)):.2f} % {'lost' if self.action == 'crop' else 'padding'}"

    def __str__(self) -> str:
        if self.action == "none":
            return "as it is"
        return f"{self.action} to {self.after} at {self.box[:2]}, {self.loss}"


def even(size: Size) -> Size:
    """Return a size that a video can have.

    Raises:
        GeometryError: If a side is odd.
    """
    if size.width % EVEN or size.height % EVEN:
        raise GeometryError(f"{size} has an odd side, which H.264 in 4:2:0 cannot have; make both even.")
    return size


def _asked(whole: Size, ratio: Ratio | None, size: AnySize | None, step: int, *, around: bool) -> Size:
    """Return the size that was asked for, or the largest of the ratio inside the picture, or the smallest around it."""
    if size is not None and ratio is None:
        return even(Size.of(size)) if step == EVEN else Size.of(size)
    if ratio is None or size is not None:
        raise GeometryError("give either ratio='3:4' or size='750x1000', not both and not neither.")
    shape = read_ratio(ratio)
    # one of a fraction's terms is prime to the step wherever the step is prime, so both sides are multiples together
    wide, high = step * shape.numerator, step * shape.denominator
    across, down = Fraction(whole.width, wide), Fraction(whole.height, high)
    times = math.ceil(max(across, down)) if around else math.floor(min(across, down))
    if not 0 < times <= 2 * max(across, down):  # there is none, or it is absurdly large
        raise _not_exact(shape, whole, step)
    return Size(wide * times, high * times)


def _not_exact(shape: Fraction, whole: Size, step: int) -> GeometryError:
    """Say that whole pixels cannot have a ratio here, and name the nearest of small terms that they can."""
    wide, high = whole.width // step, whole.height // step
    pairs = ((round(shape * under), under) for under in range(1, min(50, high) + 1))
    near = [Fraction(over, under) for over, under in pairs if 1 <= over <= wide]
    advice = "give a ratio nearer to the picture's own, or a larger picture"
    if near:
        best = min(near, key=lambda ratio: abs(ratio - shape))
        advice = f"the nearest simple one is {colon(best)}"
    pixels = "whole pixels" if step == 1 else f"multiples of {step} pixels"
    return GeometryError(f"ratio {colon(shape)} is not exact in {pixels} at {whole}; {advice}.")
