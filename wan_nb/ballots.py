"""Which two videos a judge sees next: of one seed, evenly over the pairs, sides drawn at random."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wan_nb.votes import Judgement

_BY_CHANCE = random.SystemRandom()

Key = tuple[str, int]
"""A variant's label and a seed."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """The next two videos for a judge; sides drawn at random. ``study.vote(b.left, b.right, …, is_blind=True)``."""

    left: Key
    """What to show on the left."""
    right: Key
    """What to show on the right."""
    judge: str
    """Who is asked."""
    done: int
    """Pairs that this judge has judged."""
    remaining: int
    """Pairs that this judge may still be asked about, this one among them."""


def draw(
    pairs: Iterable[tuple[str, str]],
    seeds: Sequence[int],
    runs: Mapping[Key, str],
    votes: Iterable[Judgement],
    judge: str,
) -> Ballot | None:
    """Draw the next ballot: from where this judge voted least, then from where anybody did.

    Args:
        pairs: Labels of the variants that need more votes.
        seeds: Seeds of the study.
        runs: Id of the run of each video that is there.
        votes: The votes that stand.
        judge: Who is asked.

    Returns:
        None when this judge has voted on every two videos.

    Example:
        >>> ballot = draw([("A", "B")], [1, 2], {("A", 1): "r1", ("B", 1): "r2", ("A", 2): "r3"}, [], "ann")
        >>> sorted((ballot.left, ballot.right)), ballot.remaining
        ([('A', 1), ('B', 1)], 1)
    """
    labels = {run_id: label for (label, _), run_id in runs.items()}
    cast = [
        (each.judge, frozenset((each.left, each.right))) for each in votes if {each.left, each.right} <= labels.keys()
    ]
    mine = Counter(frozenset(labels[run_id] for run_id in both) for who, both in cast if who == judge)
    of_all = Counter(both for _, both in cast)
    found: list[tuple[tuple[int, int], list[Key]]] = []
    for pair, seed in itertools.product(pairs, seeds):
        keys = [(label, seed) for label in pair]
        both = frozenset(runs.get(key, "") for key in keys)
        if "" not in both and (judge, both) not in cast:
            found.append(((mine[frozenset(pair)], of_all[both]), keys))
    if not found:
        return None
    fewest = min(count for count, _ in found)
    left, right = _BY_CHANCE.sample(_BY_CHANCE.choice([keys for count, keys in found if count == fewest]), 2)
    return Ballot(left, right, judge, mine.total(), len(found))
