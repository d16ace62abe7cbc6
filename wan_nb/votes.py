"""What people are asked of pairs of videos, what they say, and the verdicts that come of it, as plain values.

A vote is about two *runs*, so it outlives the study in which it was cast. `draw` says which two a judge sees next: of
one seed, evenly over the pairs, sides drawn at random. `wan_nb.tally` counts.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple

from wan_nb import tables

_BY_CHANCE = random.SystemRandom()

Key = tuple[str, int]
"""A variant's label and a seed."""

Choice = Literal["left", "tie", "right"]
Kind = Literal["vote", "rating", "undo"]


def plain(text: object) -> str:
    """Return what somebody wrote as text that can be kept and shown; nothing at all is an empty one.

    Example:
        >>> plain(None), plain(5), plain("half \\ud83d")
        ('', '5', 'half ?')
    """
    return "" if text is None else str(text).encode(errors="replace").decode()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One thing that somebody said of one or two videos."""

    id: str
    """Short id."""
    at: float
    """Epoch seconds."""
    judge: str
    """Who said it; empty where nobody was named."""
    kind: Kind
    """``"vote"``, ``"rating"``, or ``"undo"`` of one of these."""
    left: str = ""
    """Run shown on the left, or the run that is rated."""
    right: str = ""
    """Run shown on the right."""
    choice: Choice | Literal[""] = ""
    """Which of the two is better."""
    stars: int = 0
    """1 to 5, of a rating."""
    note: str = ""
    """In the judge's own words."""
    is_blind: bool = False
    """Whether the judge did not know which variant was which, and the sides were drawn at random."""
    study: str = ""
    """Study in which it was said."""
    planned: int = 0
    """Number of votes that was fixed for a pair when it was said."""
    undoes: str = ""
    """Judgement that an undo takes back."""

    def to_record(self) -> dict[str, Any]:
        """Return what was given, for the journal."""
        return {name: value for name, value in asdict(self).items() if value not in ("", 0, False)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Judgement:
        """Rebuild one from the journal; what a newer version added is passed over."""
        known = {each.name for each in fields(cls)}
        return cls(**{"judge": ""} | {name: value for name, value in record.items() if name in known})


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
    skipped: Mapping[frozenset[Key], int],
) -> Ballot | None:
    """Draw the next ballot: what was put off last, from where this judge voted least, then from where anybody did.

    Args:
        pairs: Labels of the variants that need more votes.
        seeds: Seeds of the study.
        runs: Id of the run of each video that is there.
        votes: The votes that stand.
        judge: Who is asked.
        skipped: How often the judge put two videos off.

    Returns:
        None when this judge has voted on every two videos.

    Example:
        >>> ballot = draw([("A", "B")], [1, 2], {("A", 1): "r1", ("B", 1): "r2", ("A", 2): "r3"}, [], "ann", {})
        >>> sorted((ballot.left, ballot.right)), ballot.remaining
        ([('A', 1), ('B', 1)], 1)
    """
    labels = {run_id: label for (label, _), run_id in runs.items()}
    cast = [(each.judge, frozenset((each.left, each.right))) for each in votes]
    mine = Counter(frozenset(map(labels.get, both)) for who, both in cast if who == judge and both <= labels.keys())
    of_all = Counter(both for _, both in cast)
    found: list[tuple[tuple[int, int, int], list[Key]]] = []
    for pair, seed in itertools.product(pairs, seeds):
        keys = [(label, seed) for label in pair]
        both = frozenset(runs.get(key, "") for key in keys)
        if "" not in both and (judge, both) not in cast:
            found.append(((skipped.get(frozenset(keys), 0), mine[frozenset(pair)], of_all[both]), keys))
    if not found:
        return None
    fewest = min(count for count, _ in found)
    left, right = _BY_CHANCE.sample(_BY_CHANCE.choice([keys for count, keys in found if count == fewest]), 2)
    return Ballot(left, right, judge, mine.total(), len(found))


class Split(NamedTuple):
    """Votes of one judge, or on one seed."""

    name: str
    """Judge or seed."""
    wins: int
    """For the first variant of the pair."""
    losses: int
    """For the second."""
    ties: int
    """For neither."""

    def __str__(self) -> str:
        ties = f" and {self.ties} tied" if self.ties else ""
        return f"{self.name or 'unnamed'} {self.wins}–{self.losses}{ties}"


class Stars(NamedTuple):
    """Ratings of one variant."""

    label: str
    """Variant."""
    mean: float
    """1 to 5."""
    ratings: int
    """How many stand."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes say of one pair of variants."""

    left: str
    """Label of the first variant."""
    right: str
    """Label of the second."""
    wins: int
    """Votes for the first."""
    losses: int
    """Votes for the second."""
    ties: int
    """Votes for neither; they are in no rate and no test."""
    rate: float | None
    """Share of the first among the decided votes, 0 to 1; None without any."""
    low: float
    """Lower end of the 95 % interval of the rate (Wilson's, of all decided votes)."""
    high: float
    """Upper end of it."""
    p_value: float | None
    """Exact two-sided binomial test of an even split, on the first `planned` decided votes; None before them."""
    p_seeds: float | None
    """The same by seed: an exact sign-flip test of each seed's sum. Equal to `p_value` with one vote a seed."""
    p_adjusted: float | None
    """The larger of both, adjusted for the numbers of votes that were tried, and the number of pairs (Holm)."""
    tested_wins: int | None
    """Votes for the first among those of the test; None before the planned number is reached."""
    planned: int
    """Decided votes that were fixed beforehand."""
    decided: int
    """Decided votes that there are."""
    winner: str
    """Label of the variant that the votes carry; empty where they carry none."""
    words: str
    """The verdict in one sentence."""
    notes: tuple[str, ...] = ()
    """What must be known beside it."""
    by_judge: tuple[Split, ...] = ()
    """The votes by judge."""
    by_seed: tuple[Split, ...] = ()
    """The votes by seed."""

    @property
    def share(self) -> tuple[str, str]:
        """Whoever is ahead with its share of the decided votes, and the interval of that; empty without any."""
        if self.rate is None:
            return "", ""
        if self.wins >= self.losses:
            ahead = self.left if self.wins > self.losses else "neither,"
            return f"{ahead} {self.rate:.0%}", f"{self.low:.0%} to {self.high:.0%}"
        return f"{self.right} {1 - self.rate:.0%}", f"{1 - self.high:.0%} to {1 - self.low:.0%}"

    def __str__(self) -> str:
        return " ".join((f"{self.words.rstrip('.')}.", *self.notes))


@dataclass(frozen=True, slots=True, repr=False)
class Tally:
    """What all judgements of a study come to: a verdict for each pair of variants."""

    verdicts: tuple[Verdict, ...]
    """In the order of the pairs."""
    ratings: tuple[Stars, ...] = ()
    """By variant, where anybody rated."""
    notes: tuple[str, ...] = ()
    """What must be known of all of them."""

    def __getitem__(self, pair: str | tuple[str, str]) -> Verdict:
        """Return one pair's verdict: ``tally["A", "B"]`` or ``tally["AB"]``."""
        for each in self.verdicts:
            if (each.left, each.right) == tuple(pair):
                return each
        raise KeyError(f"{pair!r}; the pairs are {', '.join(f'{v.left}{v.right}' for v in self.verdicts)}")

    def rows(self) -> list[dict[str, Any]]:
        """Return plain values, a dict each pair."""
        left_out = {"by_judge", "by_seed", "notes"}
        return [
            {name: value for name, value in asdict(each).items() if name not in left_out}
            | {"notes": " ".join(each.notes)}
            for each in self.verdicts
        ]

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        return ("pair", "votes", "ties", "preferred", "95 % interval", "verdict"), [
            (f"{each.left} : {each.right}", f"{each.wins} : {each.losses}", str(each.ties), *each.share, each.words)
            for each in self.verdicts
        ]

    def _below(self) -> list[str]:
        """What must be known beside the table, a line each."""
        several = len(self.verdicts) > 1
        lines = [
            (f"{each.left} : {each.right}: " if several else "") + " ".join(each.notes)
            for each in self.verdicts
            if each.notes
        ]
        rated = [f"{each.label} {each.mean:.1f} ({each.ratings})" for each in self.ratings]
        return [*lines, *[f"Stars: {', '.join(rated)}."] * bool(rated), *self.notes]

    def __repr__(self) -> str:
        return "\n".join((tables.as_text(*self._table()), *self._below()))

    def _repr_html_(self) -> str:
        return tables.as_html(*self._table(), below=self._below())
