"""From votes to verdicts: win rates, intervals, a test that was fixed beforehand, in numbers and in words.

Nothing here decides more than the numbers do. Before the planned number of votes there is no verdict; afterwards the
test stays on those first votes, whoever looks again; votes on the same seed are not taken for independent ones; and
with several pairs each has to carry more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wan_nb.chance import LEAST_SEEDS, LEVEL, even_split_p, holm, interval, sign_flip_p
from wan_nb.votes import Judgement, Split, Stars, Tally, Verdict


def tally(
    judgements: Iterable[Judgement],
    cells: Mapping[str, tuple[str, int]],
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
    counted = [_count(said, cells, pair, planned, wider) for pair in pairs]
    adjusted = holm([v.p_adjusted for v in counted])
    verdicts = [_pronounce(replace(v, p_adjusted=p)) for v, p in zip(counted, adjusted, strict=True)]
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
    undone = {each.undoes for each in said if each.kind == "undo"}
    newest: dict[tuple[str, frozenset[str]], Judgement] = {}
    for each in said:
        if each.kind != "undo" and each.id not in undone:
            key = (each.judge, frozenset((each.left, each.right)))
            newest.pop(key, None)
            newest[key] = each
    return list(newest.values())


@dataclass(slots=True)
class _Box:
    """The votes on one pair, as they came in."""

    cells: Mapping[str, tuple[str, int]]
    pair: tuple[str, str]
    planned: int
    wider: Collection[str]
    votes: list[Judgement]
    tested: list[Judgement] | None = None
    eligible: int = 0
    late: int = 0
    replaced: int = 0
    earlier: int = 0
    elsewhere: int = 0
    tests: int = 1

    @classmethod
    def fill(
        cls,
        said: Iterable[Judgement],
        cells: Mapping[str, tuple[str, int]],
        pair: tuple[str, str],
        planned: int,
        wider: Collection[str] = (),
    ) -> _Box:
        """Take in the votes on a pair, and close the test when its number is reached."""
        box = cls(cells, pair, planned, wider, [])
        cast: list[Judgement] = []
        undone: set[str] = set()
        for each in said:
            if each.kind == "vote" and {cells.get(each.left, ("",))[0], cells.get(each.right, ("",))[0]} == {*pair}:
                cast.append(each)
            elif each.kind == "undo" and each.undoes in {vote.id for vote in cast}:
                undone.add(each.undoes)
            else:
                continue
            if box.tested is not None:
                box.late += 1
                continue
            box._stand(cast, undone)
        if box.late:
            box._stand(cast, undone)
        numbers = Counter(vote.planned for vote in cast if vote.choice != "tie" and vote.planned != planned)
        box.tests += sum(1 for number, count in numbers.items() if count >= number > 0)
        return box

    def _stand(self, cast: Sequence[Judgement], undone: set[str]) -> None:
        """Let the newest vote of each judge on each two videos stand, in the place of that judge's first one."""
        first: dict[tuple[str, frozenset[str]], Judgement] = {}
        newest: dict[tuple[str, frozenset[str]], Judgement] = {}
        valid = [vote for vote in cast if vote.id not in undone]
        for vote in valid:
            key = (vote.judge, frozenset((vote.left, vote.right)))
            first.setdefault(key, vote)
            newest[key] = vote
        self.votes = list(newest.values())
        self.replaced = len(valid) - len(self.votes)
        self.elsewhere = sum(1 for vote in first.values() if vote.study in self.wider)
        fit = {key for key, vote in first.items() if vote.planned == self.planned and vote.study not in self.wider}
        self.earlier = len(first) - len(fit) - self.elsewhere
        counted = [vote for key, vote in newest.items() if key in fit and vote.choice in ("left", "right")]
        self.eligible = len(counted)
        if self.tested is None and len(counted) >= self.planned:
            self.tested = counted[: self.planned]

    def sign(self, vote: Judgement) -> int:
        """1 for the pair's first variant, -1 for its second, 0 for neither."""
        if vote.choice not in ("left", "right"):
            return 0
        chosen = vote.left if vote.choice == "left" else vote.right
        return 1 if self.cells[chosen][0] == self.pair[0] else -1

    def split(self, votes: Sequence[Judgement], by: Literal["judge", "seed"]) -> tuple[Split, ...]:
        """Count votes by judge or seed, in order of appearance."""
        groups: dict[str, list[int]] = {}
        for vote in votes:
            name = vote.judge if by == "judge" else str(self.cells[vote.left][1])
            groups.setdefault(name, []).append(self.sign(vote))
        return tuple(Split(name, of.count(1), of.count(-1), of.count(0)) for name, of in groups.items())


def _count(
    said: Sequence[Judgement],
    cells: Mapping[str, tuple[str, int]],
    pair: tuple[str, str],
    planned: int,
    wider: Collection[str],
) -> Verdict:
    """Count one pair; the verdict is pronounced when all pairs are counted."""
    box = _Box.fill(said, cells, pair, planned, wider)
    signs = [box.sign(vote) for vote in box.votes]
    wins, losses = signs.count(1), signs.count(-1)
    low, high = interval(wins, wins + losses)
    by_seed = box.split(box.votes, "seed")
    verdict = Verdict(
        left=pair[0],
        right=pair[1],
        wins=wins,
        losses=losses,
        ties=signs.count(0),
        rate=wins / (wins + losses) if wins + losses else None,
        low=low,
        high=high,
        p_value=None,
        p_seeds=None,
        p_adjusted=None,
        tested_wins=None,
        planned=planned,
        decided=wins + losses,
        winner="",
        words=f"too few votes to tell: {box.eligible} of {planned}",
        by_judge=box.split(box.votes, "judge"),
        by_seed=by_seed,
    )
    if box.tested is not None:
        ahead = [box.sign(vote) for vote in box.tested].count(1)
        sums = [each.wins - each.losses for each in box.split(box.tested, "seed")]
        p_value, p_seeds = even_split_p(ahead, planned), sign_flip_p(sums)
        larger = min(1.0, box.tests * max(p_value, p_seeds))
        verdict = replace(verdict, tested_wins=ahead, p_value=p_value, p_seeds=p_seeds, p_adjusted=larger)
    return replace(verdict, notes=tuple(_remarks(box, verdict)))


# --- words ------------------------------------------------------------------------------------------------------------


def _pronounce(v: Verdict) -> Verdict:
    """Put the verdict into words, and name a winner where the numbers carry one."""
    if v.tested_wins is None or v.p_value is None or v.p_adjusted is None or v.p_seeds is None:
        return v
    most = max(v.tested_wins, v.planned - v.tested_wins)
    ahead, behind = (v.left, v.right) if v.tested_wins == most else (v.right, v.left)
    score = f"{most} of {v.planned} votes"
    if v.p_adjusted < LEVEL:
        words = f"{ahead} is preferred to {behind}: {score} ({most / v.planned:.0%}), {_p(v.p_adjusted)}."
        return replace(v, winner=ahead, words=words)
    if v.p_value < LEVEL <= v.p_seeds:
        seeds = len(v.by_seed)
        least = f"; {LEAST_SEEDS} seeds are the least that can carry one" if seeds < LEAST_SEEDS else ""
        words = (
            f"{ahead} is ahead on these videos ({score}), but they are of {_some(seeds, 'seed')}, and counted by seed "
            f"that happens by chance ({_p(v.p_seeds)}): no verdict for other seeds{least}."
        )
    elif 2 * most == v.planned:
        words = f"no difference shown: {score} for each; there may be one all the same."
    else:
        words = f"no difference shown: {score} for {ahead}, {_p(v.p_adjusted)}; there may be one all the same."
    return replace(v, words=words)


def _remarks(box: _Box, v: Verdict) -> list[str]:
    """Say what must be known beside a verdict."""
    blind = sum(1 for vote in box.votes if vote.is_blind)
    changes = f"{_some(box.late, 'vote')} or change{'' if box.late == 1 else 's'}"
    late = f"Looked again: {changes} after the {v.planned} that were fixed"
    told = [
        (v.ties, f"{_some(v.ties, 'tie')} apart, in no rate and no test."),
        (box.earlier, f"{_some(box.earlier, 'vote')} from before {v.planned} was fixed: in the rate, not in the test."),
        (box.elsewhere, f"{_some(box.elsewhere, 'vote')} from a study with more in it: in the rate, not in the test."),
        (box.tests > 1, f"{box.tests} numbers of votes were tried: p is multiplied by that."),
        (box.late, f"{late}; the test keeps to those as they stood."),
        (box.replaced, f"{_some(box.replaced, 'vote')} replaced by the same judge's newer one."),
        (len(box.votes) - blind, f"{_some(len(box.votes) - blind, 'vote')} not blind."),
    ]
    return [text for count, text in told if count] + _clusters(v)


def _clusters(v: Verdict) -> list[str]:
    """Say how far the votes are from independent ones."""
    cast = v.decided + v.ties
    if len(v.by_judge) == 1 and cast > 1:
        return ["All votes are of one judge: the verdict is about that one's taste."]
    if cast > len(v.by_seed) and cast > 1:
        judges = ", ".join(map(str, v.by_judge[:6])) + (" …" if len(v.by_judge) > 6 else "")
        ahead = sum(1 for each in v.by_seed if each.wins > each.losses)
        behind = sum(1 for each in v.by_seed if each.wins < each.losses)
        return [
            f"{cast} votes of {_some(len(v.by_judge), 'judge')} on {_some(len(v.by_seed), 'seed')} are not {cast} "
            f"independent ones, and the interval is too narrow as far as they agree: {v.left} leads on {ahead} and "
            f"trails on {behind} of the seeds; by judge {judges}."
        ]
    return []


def _stars(said: Iterable[Judgement], cells: Mapping[str, tuple[str, int]]) -> tuple[Stars, ...]:
    """Average the ratings that stand: the newest of each judge for each video."""
    newest = [each for each in standing(said) if each.kind == "rating" and each.left in cells]
    by_label: dict[str, list[int]] = {}
    for each in newest:
        by_label.setdefault(cells[each.left][0], []).append(each.stars)
    return tuple(Stars(label, sum(of) / len(of), len(of)) for label, of in sorted(by_label.items()))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
