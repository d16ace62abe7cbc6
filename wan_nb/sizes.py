"""Every size that can come out of a tier, the lattice, with the shapes of the pictures that give each of its points.

Integers and fractions only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from wan_nb.geometry import DOCUMENTED_RULE, Size, get_rule, tier_area

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
        rule: A name in `wan_nb.geometry.RULES`.

    Raises:
        GeometryError: If the tier or rule does not exist.

    Example:
        >>> sizes = lattice("720P")
        >>> len(sizes), str(sizes[0].size), Size(816, 1088) in {each.size for each in sizes}
        (297, '336×2704', False)
    """
    area, chosen = tier_area(tier), get_rule(rule)
    found: list[Reachable] = []
    for low, high in pairwise(_marks(area, rule)):
        middle = (low + high) / 2
        for at, start, end in ((low, low, low), (middle, low, high)):
            size = chosen.size(Size(at.numerator, at.denominator), area)
            if found and found[-1].size == size:
                found[-1] = Reachable(size, found[-1].low, end)
            else:
                found.append(Reachable(size, start, end))
    return tuple(found)


def _marks(area: int, rule: str) -> list[Fraction]:
    """Return the shapes at which the output may change, in order: between two of them it is the same."""
    chosen = get_rule(rule)
    marks = {Fraction(1, WIDEST), Fraction(WIDEST)}
    for times in range(1, math.isqrt(area * WIDEST) // chosen.step + 2):
        at = Fraction((2 * chosen.step * times - chosen.early) ** 2, 4 * area)  # the square of a side's threshold
        marks |= {each for each in (at, 1 / at) if Fraction(1, WIDEST) < each < WIDEST}
    if chosen.fills:
        for low, high in pairwise(sorted(marks)):
            one, other = chosen.filled(_as_size((low + high) / 2), area)
            square = one.ratio * other.ratio  # equally far from both: a root, here to twelve digits
            turn = Fraction(math.isqrt(square.numerator * 10**24 // square.denominator), 10**12)
            marks |= {turn} if low < turn < high else set()
    return sorted(marks)


def _as_size(shape: Fraction) -> Size:
    return Size(shape.numerator, shape.denominator)
