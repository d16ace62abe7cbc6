"""Studies: declared, paid for as a whole, found again, judged; against the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

import wan_nb as wan
from wan_nb.compare import Experiment

PROMPTS = ["The cat jumps.", "The cat sleeps."]


@pytest.fixture
def request_(picture: Path) -> wan.VideoRequest:
    return wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt="A cat", resolution="480P")


def votes(study: Experiment, text: str, judge: str = "ann") -> None:
    """Vote once a seed: ``"A"`` or ``"B"`` is better, ``"="`` neither."""
    for seed, better in zip(study.seeds, text, strict=False):
        study.vote(("A", seed), ("B", seed), {"A": "left", "B": "right", "=": "tie"}[better], judge=judge)  # type: ignore[arg-type]


def test_from_question_to_verdict(session: wan.Session, request_: wan.VideoRequest) -> None:
    """Declared at no cost, submitted once, judged, counted."""
    study = session.compare(request_, prompt=PROMPTS, seed=[1, 2, 3], name="jump or sleep")
    assert [(cell.variant.label, cell.seed, cell.state) for cell in study.cells][::3] == [
        ("A", 1, "not submitted"),
        ("B", 1, "not submitted"),
    ]
    assert [variant.name for variant in study.variants] == ['prompt: "The cat jumps."', 'prompt: "The cat sleeps."']
    assert study.estimate.missing == 6
    assert "free (simulated); live about" in str(study.estimate)
    assert not session.runs()
    study.submit().wait(timeout_s=60)
    assert set(study.videos) == {(label, seed) for label in "AB" for seed in (1, 2, 3)}
    assert study.cell("B", 2).request == request_.replace(prompt=PROMPTS[1], seed=2)
    assert "nothing: all 6 cells" in str(study.estimate)
    votes(study, "AAB")
    verdict = study.tally()["AB"]
    assert (verdict.wins, verdict.losses, verdict.words) == (2, 1, "too few votes to tell: 3 of 20")
    study.submit()
    assert len(session.runs()) == 6
