"""The cadence against a clock that is given: few looks, small delay, within the limits."""

from __future__ import annotations

import random
from dataclasses import dataclass

from wan_nb.clock import Clock
from wan_nb.schedule import PUBLISHED, Pacer, Schedule, Usual
from wan_nb.task import TaskStatus


@dataclass
class Hands:
    """A clock's hands, moved by the test."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


def follow(ends: dict[str, float], *, usual: Usual = PUBLISHED) -> tuple[dict[str, int], dict[str, float], list[float]]:
    """Run the schedule over tasks that all start together; return looks, delays, and the dates of all queries."""
    now = Hands()
    schedule = Schedule(Clock(now=now), running=10_000)
    start = now.at
    for run_id in ends:
        schedule.add(run_id, "m", start, usual)
    looks = dict.fromkeys(ends, 0)
    delays: dict[str, float] = {}
    queries: list[float] = []
    while schedule.watches:
        due = schedule.next_due()
        now.at = max(due, now.at + 1e-6)
        for run_id in schedule.due(now.at):
            looks[run_id] += 1
            queries.append(now.at)
            if now.at - start >= ends[run_id]:
                delays[run_id] = now.at - start - ends[run_id]
                schedule.drop(run_id)
            else:
                schedule.asked(run_id, now.at, TaskStatus.RUNNING)
    return looks, delays, queries


def test_fewer_looks_and_less_delay_than_the_vendors_sdk() -> None:
    """The SDK: 17 polls and 2.2 s on 60 s, 35 polls and 2.3 s on 150 s (measured; times not known beforehand)."""
    rng = random.Random(1)
    for took, polls, delay in ((60, 17, 2.2), (150, 35, 2.3)):
        trials = [follow({"r": took + rng.random() * 4}) for _ in range(40)]
        assert max(looks["r"] for looks, _, _ in trials) < polls
        assert sum(delays["r"] for _, delays, _ in trials) / len(trials) <= delay


def test_what_was_learned_saves_looks() -> None:
    """After a few runs of a kind, the first half of the wait is quiet."""
    learned = Usual.learn([140, 150, 160, 155])
    assert follow({"r": 150})[0]["r"] > follow({"r": 150}, usual=learned)[0]["r"]
    assert Usual.learn([100, 110]) is PUBLISHED


def test_many_tasks_stay_within_twenty_queries_a_second() -> None:
    """300 tasks together: never more than 20 in any second, and every one is found."""
    rng = random.Random(2)
    _, delays, queries = follow({f"r{n}": 60 + 90 * rng.random() for n in range(300)})
    assert len(delays) == 300
    assert max(sum(1 for other in queries[i : i + 40] if other < at + 1) for i, at in enumerate(queries)) <= 20


def test_silence_backs_off_and_an_answer_brings_it_back() -> None:
    """4, 8, 16 … at most 60 s after failures in a row."""
    now = Hands()
    schedule = Schedule(Clock(now=now))
    schedule.add("r", "m", now.at - 60, PUBLISHED)
    gaps = []
    for _ in range(6):
        schedule.due(now.at)
        schedule.asked("r", now.at, None)
        gaps.append(schedule.watches["r"].due - now.at)
        now.at = schedule.watches["r"].due
    assert gaps == [4, 8, 16, 32, 60, 60]


def test_fast_clocks_do_not_flood() -> None:
    """A simulation at 600× still looks at one task at most five times a real second."""
    now = Hands()
    schedule = Schedule(Clock(speed=600, now=now))
    schedule.add("r", "m", now.at, PUBLISHED)
    schedule.asked("r", now.at, TaskStatus.RUNNING)
    assert schedule.watches["r"].due - now.at >= 0.2


def test_submissions_are_paced_by_model() -> None:
    """Each model has its own line; a 429 holds the whole line."""
    pacer = Pacer(Clock())
    assert [pacer.reserve("a", 5, 0.0) for _ in range(3)] == [0.0, 0.2, 0.4]
    assert pacer.reserve("b", 2, 0.0) == 0.0
    pacer.hold("a", 30.0)
    assert pacer.reserve("a", 5, 1.0) == 30.0


def test_a_clock_that_is_set_back_holds_nobody_up() -> None:
    """An hour back: what was due is due now, and the next submission does not wait for that hour."""
    now = Hands()
    schedule = Schedule(Clock(now=now))
    schedule.add("r", "m", now.at, PUBLISHED)
    now.at += 10
    assert schedule.due(now.at) == ["r"]
    schedule.asked("r", now.at, TaskStatus.RUNNING)
    pacer = Pacer(Clock())
    pacer.reserve("m", 5, now.at + 7200)
    now.at -= 3600
    assert schedule.due(now.at + 1) == ["r"]
    assert pacer.reserve("m", 5, now.at) == now.at
