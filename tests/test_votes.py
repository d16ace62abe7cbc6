"""What votes carry: counting, the test fixed beforehand, and simulated studies whose truth is known."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterable

import pytest

from wan_nb.chance import LEVEL, even_split_p, holm, interval, sign_flip_p
from wan_nb.tally import standing, tally
from wan_nb.votes import Judgement, Verdict

CELLS = {f"{label}{seed}": (label, seed) for label in "ABC" for seed in range(1, 101)}
AB = [("A", "B")]


def vote(number: int, seed: int, better: str, judge: str = "ann", planned: int = 20, pair: str = "AB") -> Judgement:
    """One blind vote; sides change from seed to seed."""
    sides = pair if seed % 2 else pair[::-1]
    choice = "tie" if better == "=" else "left" if sides[0] == better else "right"
    return Judgement(
        str(number), float(number), judge, "vote", f"{sides[0]}{seed}", f"{sides[1]}{seed}", choice,  # type: ignore[arg-type]
        is_blind=True, planned=planned,
    )  # fmt: skip


def study(text: str, planned: int = 20, judge: str = "ann") -> list[Judgement]:
    """One vote a seed."""
    return [vote(number, number, better, judge, planned) for number, better in enumerate(text, start=1)]


def verdict(said: Iterable[Judgement], planned: int = 20) -> Verdict:
    return tally(said, CELLS, AB, planned)["AB"]


def test_no_verdict_before_its_number() -> None:
    """However clear it looks."""
    found = verdict(study("A" * 19))
    assert (found.wins, found.losses, found.p_value, found.winner) == (19, 0, None, "")
    assert found.words == "too few votes to tell: 19 of 20"
    assert verdict([]).words == "too few votes to tell: 0 of 20"
    assert (verdict([]).rate, verdict([]).low, verdict([]).high) == (None, 0.0, 1.0)


def test_at_its_number_the_votes_speak() -> None:
    """15 of 20 is the least that 20 votes can carry."""
    carried, short = verdict(study("A" * 15 + "B" * 5)), verdict(study("A" * 14 + "B" * 6))
    assert (carried.winner, round(carried.p_value or 0, 4), carried.rate) == ("A", 0.0414, 0.75)
    assert carried.words == "A is preferred to B: 15 of 20 votes (75%), p = 0.041."
    assert short.winner == ""
    assert short.words == "no difference shown: 14 of 20 votes for A, p = 0.12; there may be one all the same."
    assert verdict(study("B" * 15 + "A" * 5)).winner == "B"
    assert "10 of 20 votes for each" in verdict(study("AB" * 10)).words


def test_ties_stay_apart() -> None:
    """In no rate, and not among the planned ones."""
    found = verdict(study("=" * 5 + "A" * 15))
    assert (found.ties, found.decided, found.rate, found.p_value) == (5, 15, 1.0, None)
    assert "5 ties apart" in str(found)


def test_looking_again_changes_no_test() -> None:
    """More votes, changed ones and undone ones after the number was reached: the rate moves, the test does not."""
    said = study("A" * 15 + "B" * 5)
    before = verdict(said)
    said += [vote(100 + n, 20 + n, "B") for n in range(1, 6)]
    said.append(vote(200, 1, "B"))
    said.append(Judgement("201", 201.0, "ann", "undo", undoes="2"))
    after = verdict(said)
    assert (after.p_value, after.winner, after.tested_wins) == (before.p_value, "A", 15)
    assert (after.wins, after.losses) == (13, 11)
    assert "Looked again: 7 votes or changes after the 20 that were fixed" in str(after)


def test_each_number_that_is_tried_counts() -> None:
    """Nobody reaches a winner by fixing one number after the other."""
    said = study("AB" * 4, planned=8) + [vote(100 + n, 20 + n, "A", planned=6) for n in range(6)]
    found = verdict(said, planned=6)
    assert (found.p_value, found.p_adjusted, found.winner) == (0.03125, 0.0625, "")
    assert "2 numbers of votes were tried: p is multiplied by that." in found.notes
    assert verdict(said[1:], planned=6).winner == "A"  # seven of eight: that test was never made


def test_votes_from_before_the_number_was_fixed() -> None:
    """Whoever raises the number after a look tests on new votes only."""
    said = study("A" * 6, planned=6)
    assert verdict(said, 6).winner == "A"
    raised = verdict(said, 10)
    assert raised.words == "too few votes to tell: 0 of 10"
    assert "6 votes from before 10 was fixed: in the rate, not in the test." in raised.notes
    said += [vote(50 + n, 10 + n, "B", planned=10) for n in range(1, 11)]
    said.append(vote(90, 1, "B", planned=10))  # once more on a video that was judged before: still an old one
    assert (verdict(said, 10).tested_wins, verdict(said, 10).winner) == (0, "B")


def test_a_judges_newer_vote_counts() -> None:
    """Also with the sides changed; an undo brings the older one back."""
    said = [vote(1, 1, "A"), vote(2, 1, "B"), vote(3, 1, "A", judge="ben")]
    assert (verdict(said).wins, verdict(said).losses) == (1, 1)
    assert "1 vote replaced" in str(verdict(said))
    said.append(Judgement("4", 4.0, "ann", "undo", undoes="2"))
    assert (verdict(said).wins, verdict(said).losses) == (2, 0)
    assert [each.id for each in standing(said)] == ["1", "3"]


def test_votes_on_one_seed_are_not_independent() -> None:
    """4 judges × 5 seeds that agree by seed: 16 of 20 votes, and no verdict for other seeds."""
    said = [
        vote(10 * seed + number, seed, "B" if seed == 5 else "A", judge)
        for seed in range(1, 6)
        for number, judge in enumerate(("ann", "ben", "cleo", "dan"))
    ]
    found = verdict(said)
    assert found.p_value is not None
    assert found.p_value < LEVEL
    assert (found.p_seeds, found.winner) == (0.375, "")
    assert "they are of 5 seeds, and counted by seed that happens by chance (p = 0.38)" in found.words
    assert "6 seeds are the least" in found.words
    assert "20 votes of 4 judges on 5 seeds are not 20 independent ones" in str(found)
    assert "A leads on 4 and trails on 1 of the seeds; by judge ann 4–1, ben 4–1" in str(found)
    assert "All votes are of one judge" in str(verdict(study("A" * 3)))


def test_many_pairs_must_carry_more() -> None:
    """15 of 20 carries one pair, and not one of three; the tally says why."""
    said = study("A" * 15 + "B" * 5)
    found = tally(said, CELLS, [("A", "B"), ("A", "C"), ("B", "C")], 20)
    assert found["AB"].winner == ""
    assert round(found["AB"].p_adjusted or 0, 3) == 0.124
    assert "one in 20 would seem so by chance" in found.notes[0]
    assert holm([0.04, 0.01, 0.03]) == [0.06, 0.03, 0.06]


def test_stars_notes_and_takes_that_are_gone() -> None:
    """Ratings are averaged by variant, newest first; what is about other takes is named."""
    said = [
        Judgement("1", 1.0, "ann", "rating", "A1", stars=2),
        Judgement("2", 2.0, "ann", "rating", "A1", stars=4),
        Judgement("3", 3.0, "ben", "rating", "A2", stars=5),
        Judgement("4", 4.0, "ben", "vote", "old", "B1", "left"),
    ]
    found = tally(said, CELLS, AB, 20)
    assert found.ratings == (("A", 4.5, 2),)
    assert found.notes == ("Not counted: 1 judgement of takes that are no longer shown.",)
    assert "Stars: A 4.5 (2)." in repr(found)
    ahead = verdict(study("BBBA"))
    assert ahead.share == ("B 75%", "30% to 95%")
    assert verdict(study("BA")).share[0] == "neither, 50%"
    with pytest.raises(KeyError, match="the pairs are AB"):
        found["AC"]
    assert found.rows()[0]["words"] == "too few votes to tell: 0 of 20"
    assert Judgement.from_record(said[2].to_record() | {"mood": "good"}) == said[2]


def test_the_word_on_html_is_escaped() -> None:
    """A judge's name is text from outside."""
    html = tally([vote(1, 1, "A", "<b>"), vote(2, 1, "A", "ben")], CELLS, AB, 20)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt; 1–0" in html


def test_exact_tests_against_counting_by_hand() -> None:
    """Without clusters the sign-flip test is the binomial test; with them, all ways of flipping are counted."""
    for wins, decided in ((15, 20), (3, 7), (0, 6), (10, 20)):
        by_hand = sum(
            math.comb(decided, k) for k in range(decided + 1) if abs(2 * k - decided) >= abs(2 * wins - decided)
        )
        assert even_split_p(wins, decided) == pytest.approx(by_hand / 2**decided)
        assert sign_flip_p([1] * wins + [-1] * (decided - wins)) == pytest.approx(by_hand / 2**decided)
    assert sign_flip_p([]) == 1.0
    assert sign_flip_p([2, 0, -2]) == 1.0


# --- simulated studies ------------------------------------------------------------------------------------------------


@functools.cache
def _coverage(count: int, studies: int, seed: int) -> float:
    """How often the interval holds the truth, over preferences drawn evenly from 0 to 1."""
    rng = random.Random(seed)
    held = 0
    for _ in range(studies):
        truth = rng.random()
        low, high = interval(sum(rng.random() < truth for _ in range(count)), count)
        held += low <= truth <= high
    return held / studies


def _blind_study(rng: random.Random, count: int, preference: float, planned: int) -> Verdict:
    """A study through the whole of the counting, with ties, sides drawn at random, and one vote a seed."""
    said = []
    for number in range(1, count + 1):
        sides = rng.sample("AB", 2)
        better = "=" if rng.random() < 0.1 else "A" if rng.random() < preference else "B"
        choice = "tie" if better == "=" else "left" if sides[0] == better else "right"
        said.append(Judgement(str(number), 0.0, "ann", "vote", f"{sides[0]}{number}", f"{sides[1]}{number}", choice,  # type: ignore[arg-type]
                              is_blind=True, planned=planned))  # fmt: skip
    return verdict(said, planned)


def _called(studies: int, seed: int, count: int = 30, planned: int = 20, by_seed: bool = False) -> float:
    """How often a study without any difference names a winner."""
    rng = random.Random(seed)
    called = 0
    for _ in range(studies):
        if by_seed:  # 4 judges, who agree on every video: each of 8 seeds is one toss of a coin
            better = {s: rng.choice("AB") for s in range(1, 9)}
            said = [vote(10 * s + n, s, better[s], judge, planned=32) for s in better for n, judge in enumerate("abcd")]
            called += bool(verdict(said, 32).winner)
        else:
            called += bool(_blind_study(rng, count, 0.5, planned).winner)
    return called / studies


@pytest.mark.parametrize("count", [10, 20, 50])
def test_the_interval_holds_the_truth(count: int) -> None:
    """In 93 to 97 of 100 studies."""
    assert 0.93 <= _coverage(count, 4000, seed=count) <= 0.97


def test_no_winner_where_there_is_none() -> None:
    """A/A: at most 5 of 100, also when judges agree by seed, where votes taken one by one would say so in 3 of 10."""
    assert _called(600, seed=1) <= LEVEL
    assert _called(300, seed=2, by_seed=True) <= LEVEL


def _called_among_three(studies: int, seed: int) -> float:
    """How often three variants without any difference name a winner in any of the three pairs."""
    rng = random.Random(seed)
    pairs = [("A", "B"), ("A", "C"), ("B", "C")]
    called = 0
    for _ in range(studies):
        said = [
            vote(100 * number + s, s, rng.choice(pair), pair="".join(pair))
            for number, pair in enumerate(pairs)
            for s in range(1, 21)
        ]
        called += any(each.winner for each in tally(said, CELLS, pairs, 20).verdicts)
    return called / studies


@pytest.mark.campaign
def test_simulated_studies_at_length() -> None:
    """The same with many more studies; prints the figures."""
    for count in (10, 20, 50):
        held = _coverage(count, 200_000, seed=count)
        print(f"{count} votes: the 95 % interval holds the truth in {held:.2%}")
        assert 0.93 <= held <= 0.97
    for name, rate in (
        ("A/A, one vote a seed", _called(20_000, seed=1)),
        ("A/A, 50 planned", _called(5_000, seed=3, count=70, planned=50)),
        ("A/A/A, any of three pairs", _called_among_three(5_000, seed=4)),
        ("A/A, 4 judges who agree on each of 8 seeds", _called(20_000, seed=2, by_seed=True)),
    ):
        print(f"{name}: a winner is called in {rate:.2%}")
        assert rate <= LEVEL
