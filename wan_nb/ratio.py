"""An exact shape out of a service that gives none: which sizes can come out at all, and the least lossy way to yours.

The service rounds both sides, so an exact 3:4 rarely comes out. Two things help: crop or pad the *input*, so that a
better size comes out, and crop or pad the *output* by its last few pixels. `reach` tries every size there is and ranks
the ways by one aim, the **least loss**: the share of your picture that is no longer seen, and of the final video that
is not your picture. Each step's share is counted in full: kept = product of the steps' smaller areas over their larger
ones; loss = 1 - kept. Equal losses: the less stretched one, then the larger one.

Integers and fractions only. This module computes; `wan_nb.mend` and `wan_nb.video_edit` do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from wan_nb import tables
from wan_nb.boxes import Box, Ratio, inner_box, outer_canvas, read_ratio
from wan_nb.catalog import ModelSpec, get_model
from wan_nb.errors import GeometryError, MediaError
from wan_nb.geometry import DOCUMENTED_RULE, RULES, Drift, Size, get_rule, predict, stretch, tier_area
from wan_nb.media import load

Action = Literal["none", "crop", "pad"]

WIDEST = 8
"""Longer over shorter side up to which sizes are listed: the widest input that a document names (S001)."""

EVEN = 2
"""Videos in 4:2:0 are cut and padded at even pixels."""


# --- what can come out ------------------------------------------------------------------------------------------------


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

    Raises:
        GeometryError: If the tier or rule does not exist.

    Example:
        >>> sizes = lattice("720P")
        >>> len(sizes), str(sizes[0].size), Size(816, 1088) in {each.size for each in sizes}
        (270, '336×2704', False)
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
            middle = (low + high) / 2
            floored = chosen.size(Size(middle.numerator, middle.denominator), area)
            sizes = chosen.filled(floored, area) if False else _pair(chosen, middle, area)
            turn = _root(sizes[0].ratio * sizes[1].ratio)
            marks |= {turn} if low < turn < high else set()
    return sorted(marks)
