"""Sizes: which output a picture and a tier give, and every size that a tier can give, in integers only.

The service takes the shape of the first frame and the pixel count of the tier. How it rounds is a *rule*; which rule
a model documents and which was measured stands in the catalogue. A prediction is an estimate: the size that counts is
read from the MP4.

This module knows nothing of models, requests or files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from wan_nb import tables
from wan_nb.errors import GeometryError

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width × height in pixels, always in that order.

    Raises:
        GeometryError: If a side is not a whole number of at least 1.

    Example:
        >>> Size(816, 1104).wire
        '816*1104'
        >>> print(Size.of("750x1000"), Size(750, 1000).ratio)
        750×1000 3/4
    """

    width: int
    """Pixels, at least 1."""
    height: int
    """Pixels, at least 1."""

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not isinstance(side, int) or isinstance(side, bool) or side < 1:
                raise GeometryError(
                    f"{self.width!r}×{self.height!r} is not a size; both sides are whole numbers from 1."
                )

    @classmethod
    def of(cls, value: AnySize) -> Size:
        """Read a size.

        Args:
            value: A `Size`, a (width, height) pair, or text such as ``"750x1000"`` or ``"1280*720"``.

        Raises:
            GeometryError: If it is none of these.
        """
        if isinstance(value, Size):
            return value
        if isinstance(value, str):
            match = re.fullmatch(r"\s*(\d+)\s*[x×*:]\s*(\d+)\s*", value, re.IGNORECASE)
            if not match:
                raise GeometryError(
                    f"{value!r} is not a size; write it as '750x1000' (width, then height). A picture's size is "
                    "wan.load('cat.png').size."
                )
            return cls(int(match[1]), int(match[2]))
        try:
            width, height = value
        except (TypeError, ValueError):
            raise GeometryError(f"{value!r} is not a size; give (width, height) or '750x1000'.") from None
        return cls(width, height)

    @property
    def area(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def ratio(self) -> Fraction:
        """Width over height, exact."""
        return Fraction(self.width, self.height)

    @property
    def wire(self) -> str:
        """The vendor's spelling, ``width*height``."""
        return f"{self.width}*{self.height}"

    @property
    def typed(self) -> str:
        """As one types it, ``widthxheight``."""
        return f"{self.width}x{self.height}"

    def turned(self) -> Size:
        """The same size lying on its other side."""
        return Size(self.height, self.width)

    def __iter__(self) -> Iterator[int]:
        return iter((self.width, self.height))

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"


AnySize = Size | tuple[int, int] | str
"""A size in pixels: a `Size`, (width, height), or ``"750x1000"``."""


class _Named(dict[str, _Value]):
    """Values by name; a name that is not there is answered with those that are."""

    def __init__(self, wrong: str, values: Mapping[str, _Value]) -> None:
        super().__init__(values)
        self._wrong = wrong

    def __missing__(self, name: str) -> _Value:
        raise GeometryError(self._wrong.format(name, ", ".join(self)))


TIER_AREA: Mapping[str, int] = _Named(
    "resolution {!r} is not a tier; the tiers are {}.",
    {"480P": 832 * 480, "720P": 1280 * 720, "1080P": 1920 * 1080},
)
"""Pixel count of each tier. 720P and 1080P: seeds 000–004 and FACTS §8. 480P is unverified: the open code and the
text-to-video tables say 832×480, older vendor text 640×480, and nobody published a measured file."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A way of rounding that somebody uses, with where it comes from.

    The ideal sides are the square roots of area × ratio and area ÷ ratio. A side becomes the largest multiple of
    `step` that the ideal reaches, `early` half pixels before it is there.
    """

    name: str
    """Short name, as the catalogue spells it."""
    step: int
    """Both sides come out as multiples of this many pixels."""
    early: int
    """Half pixels: 0 rounds down, `step` rounds to the nearest multiple, 1 rounds to whole pixels and then down."""
    source: str
    """Who uses or measured it."""
    fills: bool = False
    """Whether one side is rounded, the other fills the area, both ways, and the one closer in shape is taken."""

    def size(self, shape: Fraction, area: int) -> Size:
        """Return what comes out of a picture of a shape at a pixel count."""
        if self.fills:
            return min(self.filled(shape, area), key=lambda each: stretch(shape, each.ratio))
        return self.floored(shape, area)

    def floored(self, shape: Fraction, area: int) -> Size:
        """Return the size whose sides are each rounded alone."""
        width, height = shape.as_integer_ratio()
        return Size(self._side(area * width, height), self._side(area * height, width))

    def filled(self, shape: Fraction, area: int) -> tuple[Size, Size]:
        """Return the two sizes that keep one of the rounded sides and fill the area with the other."""
        step, (width, height) = self.step, self.floored(shape, area)
        by_height = Size(max(step, area // height // step * step), height)
        return by_height, Size(width, max(step, area // width // step * step))

    def _side(self, over: int, under: int) -> int:
        # the largest k with (k·step - early/2)² <= over/under, that is 2k·step - early <= isqrt(4·over/under)
        return self.step * max(1, (math.isqrt(4 * over // under) + self.early) // (2 * self.step))


_RULES = (
    Rule("floor16", 16, 0, "open Wan2.1/2.2 code; fits the documents' example 750×1000 → 816×1104"),
    Rule("nearest16", 16, 16, "the FAQ's word 'closest', taken literally; ruled out by the FAQ's example"),
    Rule("best16", 16, 0, "best_output_size of the open Wan2.2 code; ruled out by the FAQ's example", fills=True),
    Rule("round16", 16, 1, "whole pixels first, then down to 16; fits the documents' example"),
    Rule("even", 2, 1, "measured on live wan2.7 files at 1080P: 2400×1600 → 1764×1176"),
)
RULES: Mapping[str, Rule] = _Named("rule {!r} is not known; the rules are {}.", {rule.name: rule for rule in _RULES})
"""The rules of FACTS §8 by name: (a) floor16, (b) nearest16, (c) best16, (d) round16, and (d) with a step of 2."""

DOCUMENTED_RULE = "floor16"
"""The simplest rule that fits the one worked example on every vendor page (seeds 000, 001, 003, 004)."""


def predict(source: AnySize, tier: str, rule: str = DOCUMENTED_RULE) -> Size:
    """Estimate the size of the video that a first frame gives at a tier.

    Args:
        source: Size of the first frame (or clip) in pixels, as it is shown (after EXIF rotation): a `Size`,
            ``(width, height)`` or ``"750x1000"``.
        tier: ``"480P"``, ``"720P"`` or ``"1080P"``.
        rule: A name in `RULES`.

    Returns:
        The predicted size; both sides are multiples of the rule's step.

    Raises:
        GeometryError: If the size, tier or rule does not exist.

    Example:
        >>> print(predict("750x1000", "720P"))
        816×1104
        >>> print(predict((2400, 1600), "1080P", rule="even"))
        1764×1176
    """
    return RULES[rule].size(Size.of(source).ratio, TIER_AREA[tier])


def stretch(one: Fraction, other: Fraction) -> Fraction:
    """How far apart two shapes are: the larger ratio over the smaller; 1 means equal."""
    return max(one / other, other / one)


def colon(shape: Fraction) -> str:
    """Return a shape as people write it, ``3:4``."""
    return f"{shape.numerator}:{shape.denominator}"


@dataclass(frozen=True, slots=True)
class Drift:
    """How far an output's shape is from the shape that was asked for."""

    wanted: Fraction
    """Width over height that was asked for."""
    output: Size
    """The size that comes out."""

    @property
    def percent(self) -> float:
        """Signed: positive means wider than asked.

        Example:
            >>> round(Drift(Fraction(3, 4), Size(816, 1104)).percent, 2)
            -1.45
        """
        return float((self.output.ratio / self.wanted - 1) * 100)

    @property
    def pixels(self) -> int:
        """Columns (or rows) to crop for the exact ratio, rounded up: the smaller of the two ways is the only one.

        Example:
            >>> Drift(Fraction(3, 4), Size(816, 1104)).pixels
            16
        """
        width, height = self.output
        exact_width, exact_height = height * self.wanted, width / self.wanted
        return math.ceil(width - exact_width) if width > exact_width else math.ceil(height - exact_height)

    def __str__(self) -> str:
        if not self.pixels:
            return "no drift"
        return f"{self.percent:+.2f} % in ratio, {self.pixels} px"


def drift(wanted: AnySize | Fraction, output: AnySize) -> Drift:
    """Return how far `output` is from a wanted shape (a size, a fraction, or text such as ``"3:4"``).

    Args:
        wanted: Width over height.
        output: The size that came or will come out, in pixels: a `Size`, (816, 1104) or ``"816x1104"``.

    Raises:
        GeometryError: If one of them is not a size.

    Example:
        >>> print(drift("3:4", "816x1104"))
        -1.45 % in ratio, 16 px
    """
    if not isinstance(wanted, Fraction):
        wanted = Size.of(wanted).ratio
    return Drift(wanted, Size.of(output))


class Predictions(dict[str, Size]):
    """What each rule predicts, by its name; shown as a table with area, ratio and drift."""

    def __init__(self, source: Size, tier: str) -> None:
        super().__init__((name, predict(source, tier, name)) for name in RULES)
        self.source, self.tier = source, tier

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the names of the columns, and the rows."""
        whole = TIER_AREA[self.tier]
        rows: list[tuple[str, ...]] = [
            (name, str(size), f"{size.area:,}", f"{100 * size.area / whole - 100:+.2f} %",
             f"{colon(size.ratio)} = {float(size.ratio):.4f}", str(drift(self.source, size)), RULES[name].source)
            for name, size in self.items()
        ]  # fmt: skip
        return ("rule", "size", "pixels", "of the tier", "ratio", "drift", "who uses it"), rows

    def __repr__(self) -> str:
        head, rows = self.table()
        return tables.as_text(head[:-1], [row[:-1] for row in rows])

    def _repr_html_(self) -> str:
        said = f"{self.source} ({float(self.source.ratio):.4f}) at {self.tier}, {TIER_AREA[self.tier]:,} pixels"
        return tables.as_html(*self.table(), above=said)


def compare_rules(source: AnySize, tier: str) -> Predictions:
    """Return what each rule of `RULES` predicts.

    Args:
        source: The picture's size in pixels: a `Size`, ``(width, height)`` or ``"750x1000"``.
        tier: ``"480P"``, ``"720P"`` or ``"1080P"``.

    Raises:
        GeometryError: If there is no such tier, or the size is none.

    Example:
        >>> print(compare_rules("750x1000", "720P")["nearest16"])
        832×1104
    """
    return Predictions(Size.of(source), tier)


WIDEST = 8
"""Longer over shorter side up to which sizes are listed: the widest input that a document names (S001)."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """A size that comes out of some picture, and out of which."""

    size: Size
    """The output."""
    low: Fraction
    """Narrowest shape of an input that gives it (whether just this one does, says `predict`)."""
    high: Fraction
    """Widest shape of an input that gives it (likewise)."""

    @property
    def keeps_shape(self) -> bool:
        """Whether an input of the output's own shape gives it: then nothing is stretched, however often it is made."""
        return self.low <= self.size.ratio <= self.high


@lru_cache(maxsize=32)
def lattice(tier: str, rule: str = DOCUMENTED_RULE) -> tuple[Reachable, ...]:
    """Return every size that a rule gives at a tier, for inputs from 1:8 to 8:1, narrow to wide.

    Args:
        tier: ``"480P"``, ``"720P"`` or ``"1080P"``.
        rule: A name in `RULES`.

    Raises:
        GeometryError: If the tier or rule does not exist.

    Example:
        >>> sizes = lattice("720P")
        >>> len(sizes), str(sizes[0].size), Size(816, 1088) in {each.size for each in sizes}
        (297, '336×2704', False)
    """
    area, chosen = TIER_AREA[tier], RULES[rule]
    found: list[Reachable] = []
    for low, high in pairwise(_marks(area, chosen)):
        for shape, end in ((low, low), ((low + high) / 2, high)):
            size = chosen.size(shape, area)
            start = found.pop().low if found and found[-1].size == size else low
            found.append(Reachable(size, start, end))
    return tuple(found)


def _marks(area: int, rule: Rule) -> list[Fraction]:
    """Return the shapes at which the output may change, in order: between two of them it is the same."""
    narrow, wide = Fraction(1, WIDEST), Fraction(WIDEST)
    marks = {narrow, wide}
    for times in range(1, math.isqrt(area * WIDEST) // rule.step + 2):
        at = Fraction((2 * rule.step * times - rule.early) ** 2, 4 * area)  # the square of a side's threshold
        marks |= {each for each in (at, 1 / at) if narrow < each < wide}
    if rule.fills:
        for low, high in pairwise(sorted(marks)):
            one, other = rule.filled((low + high) / 2, area)
            square = one.ratio * other.ratio  # equally far from both: a root, here to twelve digits
            turn = Fraction(math.isqrt(square.numerator * 10**24 // square.denominator), 10**12)
            marks |= {turn} if low < turn < high else set()
    return sorted(marks)
