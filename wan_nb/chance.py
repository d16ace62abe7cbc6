"""What chance alone would do: an interval for a win rate, and exact two-sided tests of an even split.

Numbers in, numbers out. SciPy is loaded when something is counted.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence

LEVEL = 0.05
"""A winner is named below this p-value; the intervals hold 1 - LEVEL."""
LEAST_SEEDS = 6
"""With fewer seeds (or votes) even agreement on all of them happens by chance more often than `LEVEL`: 2 / 2**5."""


@functools.cache
def interval(wins: int, decided: int) -> tuple[float, float]:
    """Return the 95 % interval of a win rate, by Wilson's score: (0, 1) without votes.

    Over preferences drawn evenly from 0 to 1 it holds the truth in about 95 of 100 studies
    (``tests/test_votes.py`` simulates it); for one that is near 0 or 1 and few votes it may do so less often.

    Example:
        >>> [round(end, 3) for end in interval(15, 20)]
        [0.531, 0.888]
    """
    if not decided:
        return 0.0, 1.0
    from scipy.stats import binomtest

    found = binomtest(wins, decided).proportion_ci(1 - LEVEL, method="wilson")
    return float(found.low), float(found.high)


@functools.cache
def even_split_p(wins: int, decided: int) -> float:
    """Return how often an even split gives votes at least as uneven as these (exact, two-sided); 1 without votes.

    Example:
        >>> round(even_split_p(15, 20), 4)
        0.0414
    """
    if not decided:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(wins, decided).pvalue)


def sign_flip_p(sums: Iterable[int]) -> float:
    """Return how often groups whose signs are drawn by coin give a total at least as far from 0 (exact, two-sided).

    Args:
        sums: Of each group (the votes on one seed), votes for the first less votes for the second.

    Example:
        >>> sign_flip_p([4, 4, 4, -4, 4])  # 16 of 20 votes, yet only 5 seeds
        0.375
    """
    groups = [each for each in sums if each]
    ways = Counter({0: 1})
    for size in groups:
        flipped: Counter[int] = Counter()
        for at, count in ways.items():
            flipped[at + size] += count
            flipped[at - size] += count
        ways = flipped
    return float(sum(count for at, count in ways.items() if abs(at) >= abs(sum(groups))) / 2 ** len(groups))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number (Holm 1979); those that are not known yet count as 1, and stay None.

    Example:
        >>> holm([0.01, None, 0.02])
        [0.03, None, 0.04]
    """
    order = sorted(range(len(p_values)), key=lambda n: 1.0 if (p := p_values[n]) is None else p)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, number in enumerate(order):
        if (p := p_values[number]) is not None:
            highest = adjusted[number] = min(1.0, max(highest, p * (len(p_values) - rank)))
    return adjusted
