"""From votes to verdicts: win rates, intervals, a test that was fixed beforehand, in numbers and in words.

Nothing here decides more than the numbers do. Before the planned number of votes there is no verdict; afterwards the
test stays on those first votes, whoever looks again; votes on the same seed are not taken for independent ones; and
with several pairs each has to carry more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean

from wan_nb.chance import LEAST_SEEDS, LEVEL, even_split_p, holm, interval, sign_flip_p
from wan_nb.votes import Judgement, Key, Split, Stars, Tally, Verdict


def tally(
    judgements: Iterable[Judgement],
    cells: Mapping[str, Key],
    pairs: Sequence[tuple[str, str]],
    planned: int,
    wider: Collection[str] = (),
) -> Tally:
    """Count what was said.

    Args:
        judgements: Everything that was said, in the order in which it was said.
        cells: The variant's label and the seed of each run that counts.
        pairs: Labels of the variants that are compared.
        planned: Decided votes a pair that were fixed beforehand.
        wider: Studies with variants or seeds that are left out here: what is said there is in the rate, not in the
            test, for whoever leaves some out afterwards picks the votes.

    Example:
        >>> said = [Judgement("1", 0.0, "ann", "vote", "r1", "r2", "left", planned=20)]
        >>> tally(said, {"r1": ("A", 1), "r2": ("B", 1)}, [("A", "B")], 20)["A", "B"].words
        'too few votes to tell: 1 of 20'
    """
    said = list(judgements)
    counts = [_Count(said, cells, pair, planned, wider) for pair in pairs]
    adjusted = holm([count.p_larger for count in counts])
    verdicts = [_verdict(count, p) for count, p in zip(counts, adjusted, strict=True)]
    elsewhere = sum(
        1 for each in said if each.kind != "undo" and not {each.left, each.right or each.left} <= cells.keys()
    )
    notes = []
    if len(pairs) > 1:
        notes.append(
            f"{len(pairs)} pairs: were none of them different, one in 20 would seem so by chance; "
            "each p is adjusted for that (Holm)."
        )
    if elsewhere:
        notes.append(f"Not counted: {_some(elsewhere, 'judgement')} of takes that are no longer shown.")
    return Tally(tuple(verdicts), _stars(said, cells), tuple(notes))


def standing(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Return what still holds: not undone, and the newest of each judge on each video or two; in the order said."""
    said = list(judgements)
    newest = {last.id for _, last in _first_and_newest(said)}
    return [each for each in said if each.id in newest]


def _first_and_newest(said: Sequence[Judgement]) -> list[tuple[Judgement, Judgement]]:
    """Return what each judge said first and last of each video or two, but for what is undone; the first in order."""
    undone = {each.undoes for each in said if each.kind == "undo"}
    found: dict[tuple[str, frozenset[str]], tuple[Judgement, Judgement]] = {}
    for each in said:
        if each.kind != "undo" and each.id not in undone:
            key = (each.judge, frozenset((each.left, each.right)))
            found[key] = (found[key][0] if key in found else each, each)
    return list(found.values())


class _Count:
    """The votes on one pair: which stand, and which are in the test that closes when its number is reached."""

    def __init__(
        self,
        said: Sequence[Judgement],
        cells: Mapping[str, Key],
        pair: tuple[str, str],
        planned: int,
        wider: Collection[str],
    ) -> None:
        self.cells, self.pair, self.planned, self.wider = cells, pair, planned, wider
        cast = [
            each
            for each in said
            if each.kind == "vote" and {cells.get(run, ("", 0))[0] for run in (each.left, each.right)} == {*pair}
        ]
        ids = {vote.id for vote in cast}
        events = [each for each in said if each.id in ids or (each.kind == "undo" and each.undoes in ids)]
        both = _first_and_newest(events)
        self.votes = [newest for _, newest in both]
        self.eligible = len(self._eligible(events))
        self.tested: list[Judgement] = []
        self.late = 0
        for end in range(planned, len(events) + 1):
            if len(eligible := self._eligible(events[:end])) >= planned:
                self.tested, self.late = eligible[:planned], len(events) - end
                break
        undone = {each.undoes for each in events}
        self.replaced = len(ids - undone) - len(both)
        self.elsewhere = sum(1 for first, _ in both if first.study in wider)
        self.earlier = sum(1 for first, _ in both if first.study not in wider and first.planned != planned)
        numbers = Counter(vote.planned for vote in cast if vote.choice != "tie" and vote.planned != planned)
        self.tests = 1 + sum(1 for number, count in numbers.items() if count >= number > 0)
        self.wins_tested = [self.sign(vote) for vote in self.tested].count(1)
        sums = [each.wins - each.losses for each in self.split(self.tested, by_judge=False)]
        self.p_value = even_split_p(self.wins_tested, planned) if self.tested else None
        self.p_seeds = sign_flip_p(sums) if self.tested else None

    def _eligible(self, events: Sequence[Judgement]) -> list[Judgement]:
        """Return the decided votes that may be in the test, each in the place of that judge's first one."""
        return [
            newest
            for first, newest in _first_and_newest(events)
            if first.planned == self.planned and first.study not in self.wider and newest.choice in ("left", "right")
        ]

    @property
    def p_larger(self) -> float | None:
        """The larger p, for as many tests as there were numbers of votes."""
        if self.p_value is None or self.p_seeds is None:
            return None
        return min(1.0, self.tests * max(self.p_value, self.p_seeds))

    def sign(self, vote: Judgement) -> int:
        """1 for the pair's first variant, -1 for its second, 0 for neither."""
        if vote.choice not in ("left", "right"):
            return 0
        chosen = vote.left if vote.choice == "left" else vote.right
        return 1 if self.cells[chosen][0] == self.pair[0] else -1

    def split(self, votes: Sequence[Judgement], *, by_judge: bool) -> tuple[Split, ...]:
        """Count votes by judge or by seed, in order of appearance."""
        groups: dict[str, list[int]] = {}
        for vote in votes:
            name = vote.judge if by_judge else str(self.cells[vote.left][1])
            groups.setdefault(name, []).append(self.sign(vote))
        return tuple(Split(name, of.count(1), of.count(-1), of.count(0)) for name, of in groups.items())


# --- words ------------------------------------------------------------------------------------------------------------


def _verdict(count: _Count, p_adjusted: float | None) -> Verdict:
    """Put the votes on a pair into words, and name a winner where the numbers carry one."""
    signs = [count.sign(vote) for vote in count.votes]
    wins, losses, ties = signs.count(1), signs.count(-1), signs.count(0)
    low, high = interval(wins, wins + losses)
    by_judge, by_seed = (count.split(count.votes, by_judge=by_judge) for by_judge in (True, False))
    winner, words = _said_of(count, p_adjusted, len(by_seed))
    left, right = count.pair
    return Verdict(
        left=left,
        right=right,
        wins=wins,
        losses=losses,
        ties=ties,
        rate=wins / (wins + losses) if wins + losses else None,
        low=low,
        high=high,
        p_value=count.p_value,
        p_seeds=count.p_seeds,
        p_adjusted=p_adjusted,
        tested_wins=count.wins_tested if count.tested else None,
        planned=count.planned,
        decided=wins + losses,
        winner=winner,
        words=words,
        notes=(*_remarks(count, ties), *_clusters(left, by_judge, by_seed, len(signs))),
        by_judge=by_judge,
        by_seed=by_seed,
    )


def _said_of(count: _Count, p_adjusted: float | None, seeds: int) -> tuple[str, str]:
    """Return the winner, if there is one, and the sentence."""
    if count.p_value is None or count.p_seeds is None or p_adjusted is None:
        return "", f"too few votes to tell: {count.eligible} of {count.planned}"
    most = max(count.wins_tested, count.planned - count.wins_tested)
    ahead, behind = count.pair if count.wins_tested == most else count.pair[::-1]
    score = f"{most} of {count.planned} votes"
    if p_adjusted < LEVEL:
        return ahead, f"{ahead} is preferred to {behind}: {score} ({most / count.planned:.0%}), {_p(p_adjusted)}."
    if count.p_value < LEVEL <= count.p_seeds:
        least = f"; {LEAST_SEEDS} seeds are the least that can carry one" if seeds < LEAST_SEEDS else ""
        return "", (
            f"{ahead} is ahead on these videos ({score}), but they are of {_some(seeds, 'seed')}, and counted by seed "
            f"that happens by chance ({_p(count.p_seeds)}): no verdict for other seeds{least}."
        )
    how = "for each" if 2 * most == count.planned else f"for {ahead}, {_p(p_adjusted)}"
    return "", f"no difference shown: {score} {how}; there may be one all the same."


def _remarks(count: _Count, ties: int) -> list[str]:
    """Say what must be known beside a verdict."""
    planned = count.planned
    unblind = sum(1 for vote in count.votes if not vote.is_blind)
    changes = f"{_some(count.late, 'vote')} or change{'' if count.late == 1 else 's'}"
    told = [
        (ties, f"{_some(ties, 'tie')} apart, in no rate and no test."),
        (
            count.earlier,
            f"{_some(count.earlier, 'vote')} from before {planned} was fixed: in the rate, not in the test.",
        ),
        (
            count.elsewhere,
            f"{_some(count.elsewhere, 'vote')} from a study with more in it: in the rate, not in the test.",
        ),
        (count.tests > 1, f"{count.tests} numbers of votes were tried: p is multiplied by that."),
        (
            count.late,
            f"Looked again: {changes} after the {planned} that were fixed; the test keeps to those as they stood.",
        ),
        (count.replaced, f"{_some(count.replaced, 'vote')} replaced by the same judge's newer one."),
        (unblind, f"{_some(unblind, 'vote')} not blind."),
    ]
    return [text for is_so, text in told if is_so]


def _clusters(left: str, by_judge: Sequence[Split], by_seed: Sequence[Split], cast: int) -> list[str]:
    """Say how far the votes are from independent ones."""
    if len(by_judge) == 1 and cast > 1:
        return ["All votes are of one judge: the verdict is about that one's taste."]
    if cast <= len(by_seed) or cast <= 1:
        return []
    judges = ", ".join(map(str, by_judge[:6])) + (" …" if len(by_judge) > 6 else "")
    ahead, behind = (sum(1 for each in by_seed if sign * (each.wins - each.losses) > 0) for sign in (1, -1))
    return [
        f"{cast} votes of {_some(len(by_judge), 'judge')} on {_some(len(by_seed), 'seed')} are not {cast} independent "
        f"ones, and the interval is too narrow as far as they agree: {left} leads on {ahead} and trails on {behind} of "
        f"the seeds; by judge {judges}."
    ]


def _stars(said: Iterable[Judgement], cells: Mapping[str, Key]) -> tuple[Stars, ...]:
    """Average the ratings that stand: the newest of each judge for each video."""
    by_label: dict[str, list[int]] = {}
    for each in standing(said):
        if each.kind == "rating" and each.left in cells:
            by_label.setdefault(cells[each.left][0], []).append(each.stars)
    return tuple(Stars(label, fmean(of), len(of)) for label, of in sorted(by_label.items()))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
