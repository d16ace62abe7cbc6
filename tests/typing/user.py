"""How a user writes code with wan_nb, as a type checker sees it; checked strictly, never run."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import assert_type

import wan_nb as wan
from wan_nb.errors import RunError


def ask() -> wan.Run:
    """Values: a request, what is wrong with it, what it costs."""
    session = wan.simulated("runs", speed=120, scenario="throttled")
    assert_type(session, wan.Session)
    request = wan.VideoRequest("wan2.6-i2v-flash", first_frame="cat.png", prompt="The cat looks up.", duration=5)
    assert_type(request.replace(seed=2), wan.VideoRequest)
    problems: tuple[wan.Problem, ...] = tuple(request.problems())
    print(*(problem.fix for problem in problems))
    preview = session.preview(request)
    assert_type(preview, wan.Preview)
    assert_type(preview.size, wan.Size | None)
    money = wan.Money.of("2.00 USD")
    assert_type(money.amount, Decimal)
    assert_type(wan.predict("750x1000", "720P"), wan.Size)
    return session.submit(request, allow=("prompt",))


def block(run: wan.Run) -> Path:
    """A plain script waits."""
    video = run.wait(timeout_s=60)
    assert_type(video, wan.Video)
    assert_type(video.duration_s, float)
    return video.path


async def follow(runs: list[wan.Run]) -> None:
    """A cell awaits; one run or several."""
    assert_type(await runs[0], wan.Video)
    for each in await wan.gather(runs):
        if isinstance(each, wan.Video):
            assert_type(each, wan.Video)
        else:
            assert_type(each, RunError)


def come_back(session: wan.Session) -> None:
    """History is a list of runs that can be narrowed."""
    runs = session.runs(limit=20)
    assert_type(runs, wan.Runs)
    assert_type(runs.where(model="wan2.7-i2v"), wan.Runs)
    assert_type(runs[0], wan.Run)
    assert_type(runs[0].again(seed=3), wan.Run)


def compare(session: wan.Session, request: wan.VideoRequest) -> Path:
    """A study: declare, submit, judge, count, take away."""
    study = session.compare(request, prompt=["It jumps.", "It sleeps."], seed=[1, 2, 3], votes=12)
    assert_type(study, wan.Experiment)
    assert_type(study.submit(confirm=True).wait(timeout_s=60), wan.Experiment)
    ballot = study.ballot("ann")
    if ballot:
        study.vote(ballot.left, ballot.right, "left", judge=ballot.judge, is_blind=True)
    verdict = study.tally()["AB"]
    assert_type(verdict.winner, str)
    assert_type(study.videos[("A", 1)], wan.Video)
    return study.to_json("card.json")
