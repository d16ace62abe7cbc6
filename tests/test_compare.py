"""Studies: declared, paid for as a whole, found again, judged, taken away; against the simulator."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.fault_child import endpoint
from tests.test_faults import PROCESSES, SPEED
from wan_nb.clock import Clock
from wan_nb.compare import Experiment
from wan_nb.errors import BudgetError, ConfigError, LedgerError, MediaError, RequestError, RunError, StillRunningError
from wan_nb.ledger import Ledger
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.session import Session
from wan_nb.simulator import Fault, Scenario, Simulator

PROMPTS = ["The cat jumps.", "The cat sleeps."]


@pytest.fixture
def baseline(picture: Path) -> wan.VideoRequest:
    return wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt="A cat", resolution="480P")


@pytest.fixture
def paid(tmp_path: Path) -> Iterator[tuple[Simulator, Path]]:
    """A service that takes money, as far as a session can tell."""
    with Simulator(tmp_path / "service", clock=Clock(speed=600), scenario=SMALL) as service:
        yield service, tmp_path / "runs"


def live(paid: tuple[Simulator, Path], **limits: str) -> Session:
    where = replace(endpoint(paid[0].base_url), is_simulated=False, region="singapore")
    return Session(where, paid[1], clock=Clock(speed=600), **limits)  # type: ignore[arg-type]


def pretend(session: Session, study: Experiment) -> None:
    """Give every cell a video without making one: what is tested is not the footage."""
    for cell in study.cells:
        plan = session.planner.plan(cell.request, 1, ("price",))
        state, _ = session.ledger.plan(plan)
        saved = {"path": f"videos/{state.run_id}.mp4", "sha256": f"sha-{state.run_id}", "nbytes": 9, "size": "64*48",
                 "fps": 30.0, "duration_s": 5.0, "has_audio": False}  # fmt: skip
        done = {"status": "SUCCEEDED", "actual_prompt": f"{cell.request.prompt} Slowly, at dusk."}
        session.ledger.append(
            state.run_id, Record("submitted", 1.0, {"task_id": f"t-{state.run_id}"}), Record("observed", 2.0, done),
            Record("saved", 3.0, saved),
        )  # fmt: skip
        session._runs.pop(state.run_id, None)


def votes(study: Experiment, text: str, judge: str = "ann") -> None:
    """Vote once a seed: ``"A"`` or ``"B"`` is better, ``"="`` neither."""
    for seed, better in zip(study.seeds, text, strict=False):
        choice = {"A": "left", "B": "right", "=": "tie"}[better]
        study.vote(("A", seed), ("B", seed), choice, judge=judge)  # type: ignore[arg-type]


# --- declare and spend ------------------------------------------------------------------------------------------------


def test_from_question_to_verdict(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Declared at no cost, submitted once, judged, counted."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2, 3], name="jump or sleep")
    assert [cell.key for cell in study.cells] == [(label, seed) for label in "AB" for seed in (1, 2, 3)]
    assert {cell.state for cell in study.cells} == {"not submitted"}
    assert [variant.name for variant in study.variants] == ['prompt: "The cat jumps."', 'prompt: "The cat sleeps."']
    assert study.estimate.missing == 6
    assert study.rows()[0] == study.rows()[0] | {"model": "wan2.2-i2v-flash", "tier": "480P", "seed": 1, "cost": None}
    assert "free (simulated); live about" in str(study.estimate)
    assert not session.runs()
    with pytest.raises(ConfigError, match=r"study\.submit\(\)"):
        study.wait()
    study.submit().wait(timeout_s=60)
    assert set(study.videos) == {cell.key for cell in study.cells}
    assert study.cell("B", 2).request == baseline.replace(prompt=PROMPTS[1], seed=2)
    assert "nothing: all 6 cells" in str(study.estimate)
    votes(study, "AAB")
    verdict = study.tally()["AB"]
    assert (verdict.wins, verdict.losses, verdict.words) == (2, 1, "too few votes to tell: 3 of 20")
    study.submit()
    assert len(session.runs()) == 6
    assert "jump or sleep: 2 variants × 3 seeds" in repr(study)


def test_awaited_and_grown(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Another prompt and another seed run only what is missing; votes stay with the runs."""
    small = session.compare(baseline, prompt=PROMPTS, seed=[1]).submit()
    assert asyncio.run(_await(small)) is small
    votes(small, "B")
    before = {run.id for run in session.runs()}
    grown = session.compare(baseline, prompt=[*PROMPTS, "The cat eats."], seed=[1, 2])
    assert grown.id != small.id
    assert grown.estimate.missing == 4
    grown.submit().wait(timeout_s=60)
    assert len(session.runs()) == 6
    assert before < {run.id for run in session.runs()}
    assert grown.tally()["AB"].losses == 1
    assert grown.pairs == (("A", "B"), ("A", "C"), ("B", "C"))


async def _await(study: Experiment) -> Experiment:
    return await study


def test_the_journal_is_read_again_only_when_it_has_changed(
    session: wan.Session, baseline: wan.VideoRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for cells, price, warnings and tally of one moment reads it once."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
    pretend(session, study)
    read: list[str] = []
    samples = session.ledger.samples
    monkeypatch.setattr(session.ledger, "samples", lambda *of: read.append(of[0]) or samples(*of))
    for _ in range(2):
        assert (len(study.cells), study.estimate.missing, len(study.warnings) > 0, len(study.tally().verdicts)) == (
            4,
            0,
            True,
            1,
        )
    assert len(read) == 4
    votes(study, "A")
    assert study.tally()["AB"].wins == 1 and len(read) == 8


def test_found_again_after_a_restart(tmp_path: Path, baseline: wan.VideoRequest, picture: Path) -> None:
    """By definition, by id, by name; also when the picture is gone and when the database is."""
    with wan.simulated(tmp_path / "runs", speed=600, scenario=SMALL) as first:
        study = first.compare(baseline, prompt=PROMPTS, seed=[1, 2], name="cats", votes=12)
        pretend(first, study)
        votes(study, "AB")
        study.rate(("A", 1), 4, judge="ben", note="the tail")
        study.undo("ann")
        said, table = study.judgements, repr(first.studies())
    picture.unlink()
    for _ in range(2):
        with wan.simulated(tmp_path / "runs", speed=600, scenario=SMALL) as again:
            for found in (again.study("cats"), again.study(study.id)):
                assert (found.id, found.name, found.votes_planned) == (study.id, "cats", 12)
                assert [variant.request for variant in found.variants] == [each.request for each in study.variants]
                assert found.judgements == said
                assert (found.tally()["AB"].wins, found.tally()["AB"].losses) == (1, 0)
                assert found.tally().ratings == (("A", 4.0, 1),)
            assert repr(again.studies()) == table
            assert again.ledger.verify()[0].endswith("is missing")  # nobody made the videos; nothing else is wrong
        (tmp_path / "runs" / "ledger.sqlite").unlink()
    assert "cats" in table
    with (
        wan.simulated(tmp_path / "runs", speed=600, scenario=SMALL) as last,
        pytest.raises(LedgerError, match=r"session\.studies\(\)"),
    ):
        last.study("dogs")


def test_the_definition_is_what_is_asked(session: wan.Session, baseline: wan.VideoRequest, picture: Path) -> None:
    """Names, files and votes do not make another study; the order and a default that is spelled out do."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
    same = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture.read_bytes(), resolution="480P", prompt="other")
    again = session.compare(same, prompt=tuple(PROMPTS), seed=range(1, 3), name="now with a name", votes=8)
    assert again.id == study.id
    assert session.compare(baseline, prompt=PROMPTS, seed=[1, 2]).name == "now with a name"
    assert session.compare(baseline, prompt=PROMPTS, seed=[1, 2]).votes_planned == 8
    assert [row.id for row in session.studies()] == [study.id]
    assert session.compare(baseline, prompt=PROMPTS[::-1], seed=[1, 2]).id != study.id
    one = session.compare(baseline, prompt="The cat jumps.")
    assert [variant.request.prompt for variant in one.variants] == ["A cat", "The cat jumps."]
    assert one.seeds == (1,)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"prompts": ["a"]}, "'prompts' is not a field .* did you mean 'prompt'"),
        ({"prompt": []}, "names nothing to compare"),
        ({"prompt": ["a", "b", "a"]}, r"A \(prompt: a\) and C \(prompt: a\) ask for the same"),
        ({"prompt": "A cat"}, "nothing to compare"),
        ({"first_frame": ["frame.png", "same.png"]}, "ask for the same"),
        ({"seed": [1, 1]}, "different whole numbers"),
        ({"seed": ["1"]}, "different whole numbers"),
        ({"seed": []}, "names no seed"),
        ({"prompt": (text for text in PROMPTS)}, "cannot be written down .*give a list"),
        ({"prompt": ["half of \ud83d", "a"]}, "cannot be written down"),
        ({"prompt": [b"a", b"b"]}, "cannot be written down"),
        ({"extra": [{"a": {1}}, {}]}, "cannot be written down"),
        ({"model": [None, "wan2.6-i2v-flash"]}, "model None is not in the catalogue"),
        ({"prompt": [str(n) for n in range(27)]}, "27 variants are too many"),
        ({"model": ["wan9.9-i2v"]}, "not in the catalogue"),
    ],
)
def test_what_cannot_be_compared(
    session: wan.Session, baseline: wan.VideoRequest, axes: dict[str, object], words: str
) -> None:
    """One line each, and nothing is declared."""
    Path("same.png").write_bytes(Path("frame.png").read_bytes())
    with pytest.raises(ConfigError, match=words):
        session.compare(baseline, **axes)
    assert repr(session.studies()) == "no studies yet"


def test_a_damaged_row_hides_no_other(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """What can be read is shown."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
    pretend(session, study)
    votes(study, "AA")
    session.ledger._db.execute("UPDATE judgements SET data = '{' WHERE seq = 1")
    assert len(study.judgements) == 1
    session.ledger._db.execute("UPDATE studies SET definition = '{'")
    assert len(session.studies()) == 1
    with pytest.raises(LedgerError, match="declare it anew"):
        session.study(study.id)


def test_a_picture_that_cannot_be_read_is_no_definition(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """It could not be found again."""
    with pytest.raises(MediaError, match=r"first_frame: 'none\.png'"):
        session.compare(baseline, first_frame=["none.png"])


def test_all_problems_at_once_and_nothing_sent(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Each named with its cells; allow= is for all of them."""
    study = session.compare(baseline.replace(duration=5), duration=[5, 7], prompt=["ok", "x" * 900], seed=[1, 2])
    with pytest.raises(RequestError) as caught:
        study.submit()
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing was sent, 6 of 8 cells cannot be:"
    assert sorted(line[:30] for line in lines[1:]) == [
        "B, seed 1, B, seed 2, D, seed ", "C, seed 1, C, seed 2, D, seed ",
    ]  # fmt: skip
    assert not session.runs()


# --- money ------------------------------------------------------------------------------------------------------------


def test_the_budget_covers_all_or_nothing(paid: tuple[Simulator, Path], baseline: wan.VideoRequest) -> None:
    """Four runs of 0.075 USD do not fit into 0.25: one error with all amounts, nothing planned."""
    with live(paid, budget="0.25 USD") as session:
        study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
        assert str(study.estimate) == (
            "4 of 4 cells to submit, 20 s of video: about 0.30 USD; "
            "0.00 USD of the budget of 0.25 USD is spent or reserved"
        )
        with pytest.raises(
            BudgetError, match=r"these 4 runs cost about 0\.30 USD and 0\.00 USD of the budget of 0\.25 USD"
        ):
            study.submit()
        assert not session.runs()
        smaller = session.compare(baseline, prompt=PROMPTS, seed=[1]).submit().wait(timeout_s=60)
        assert len(smaller.videos) == 2
        with pytest.raises(BudgetError, match=r"these 2 runs cost about 0\.15 USD and 0\.15 USD .*budget='0\.30 USD'"):
            study.submit()
    with live(paid, budget="0.30 USD") as session:
        study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2]).submit().wait(timeout_s=60)
        assert len(study.videos) == 4
        assert len(session.runs()) == 4


def test_confirmation_is_of_the_whole(paid: tuple[Simulator, Path], baseline: wan.VideoRequest) -> None:
    """Each run is cheap, and together they are not; a rest that is cheap needs no word."""
    with live(paid, confirm_above="0.20 USD") as session:
        study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
        with pytest.raises(BudgetError, match=r"these 4 runs cost about 0\.30 USD together, .* confirm=True"):
            study.submit()
        assert not session.runs()
        session.compare(baseline, prompt=PROMPTS, seed=[1]).submit().wait(timeout_s=60)
        study.submit().wait(timeout_s=60)
        assert len(study.videos) == 4


def test_an_unknown_price_is_said(paid: tuple[Simulator, Path], baseline: wan.VideoRequest) -> None:
    """And refused under a budget, unless it is allowed."""
    with live(paid, budget="1.00 USD") as session:
        study = session.compare(baseline, resolution=["480P", "1080P"])
        assert study.estimate.unknown == 1
        assert "and 1 without a published price" in str(study.estimate)
        with pytest.raises(BudgetError, match="price not published"):
            study.submit()
        assert not session.runs()


def test_two_threads_submit_once(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Two presses, two cells: one run for each cell of the study."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
    faults: list[BaseException] = []

    def press() -> None:
        try:
            session.compare(baseline, prompt=PROMPTS, seed=[1, 2]).submit()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    study.wait(timeout_s=60)
    assert len(session.runs()) == 4
    kinds = Counter(record.kind for run in session.runs() for record in session.ledger.records(run.id))
    assert kinds["sending"] - kinds["unsent"] == 4  # a submission that was throttled is sent later
    assert len(session.tasks()) == 4


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failed_cell_alone(tmp_path: Path, baseline: wan.VideoRequest) -> None:
    """submit() leaves it, again() makes it anew, the cell shows the first take with a video, whatever comes after."""
    fault = Fault("create", "fail_task", code="DataInspectionFailed", message="may be inappropriate", seconds=20)
    with wan.simulated(tmp_path / "runs", speed=600, scenario=replace(SMALL, faults=(fault,))) as session:
        study = session.compare(baseline, prompt=PROMPTS, seed=[1]).submit().wait(timeout_s=60)
        failed = next(cell for cell in study.cells if cell.has_failed)
        assert "DataInspectionFailed" in failed.state
        with pytest.raises(ConfigError, match="has no video to judge"):
            study.vote(("A", 1), ("B", 1), "left")
        study.submit()
        assert len(session.runs()) == 2
        study.again(*failed.key).wait(timeout_s=60)
        assert study.cell(*failed.key).run.state.take == 2  # type: ignore[union-attr]
        assert len(study.videos) == 2
        assert not any("take 2 is" in text for text in study.warnings)
        with pytest.raises(ConfigError, match="has not failed"):
            study.again(*failed.key)
        session.submit(failed.request, take=3).wait(timeout_s=60)
        assert study.cell(*failed.key).run.state.take == 2  # type: ignore[union-attr]
        assert any("2 takes have a video; the first, take 2, is shown" in text for text in study.warnings)


def test_waiting_can_end_before_the_runs(tmp_path: Path, baseline: wan.VideoRequest) -> None:
    """The runs go on."""
    with wan.simulated(tmp_path / "runs", speed=60, scenario=Scenario(job_s=600, tier_area=SMALL.tier_area)) as session:
        study = session.compare(baseline, prompt=PROMPTS, seed=[1]).submit()
        with pytest.raises(StillRunningError, match=r"study\.wait\(\) waits again"):
            study.wait(timeout_s=0.01)


def _submit_and_die(base_url: str, folder: Path, picture: Path, records: int) -> None:
    """Submit a study in a process that is killed when that many records were written; 0 kills it after planning."""
    append, left = Ledger.append, [records]

    def counted(self: Ledger, run_id: str, *what: Record) -> RunState:
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return append(self, run_id, *what)

    Ledger.append = counted  # type: ignore[method-assign]
    session = Session(endpoint(base_url), folder, clock=Clock(speed=SPEED))
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt="A cat", resolution="480P")
    session.compare(request, prompt=PROMPTS, seed=[1, 2], name="killed").submit().wait(timeout_s=20)


@pytest.mark.parametrize("records", [0, 2, 6])
def test_killed_in_the_middle(tmp_path: Path, picture: Path, records: int) -> None:
    """The same definition goes on where the dead process stopped: each cell taken once, or ambiguous and left alone."""
    with Simulator(tmp_path / "service", clock=Clock(speed=SPEED), scenario=SMALL) as service:
        child = PROCESSES.Process(target=_submit_and_die, args=(service.base_url, tmp_path / "runs", picture, records))
        child.start()
        child.join(timeout=60)
        assert child.exitcode == -signal.SIGKILL
        with Session(endpoint(service.base_url), tmp_path / "runs", clock=Clock(speed=SPEED)) as session:
            session.resume()
            study = session.study("killed").submit().wait(timeout_s=60)
            phases = Counter(cell.run.state.phase for cell in study.cells if cell.run)
            assert phases[RunPhase.SAVED] + phases[RunPhase.AMBIGUOUS] == 4
            assert len(session.runs()) == 4
            assert len(session.tasks()) <= 4


# --- judging ----------------------------------------------------------------------------------------------------------


def test_a_ballot_is_blind_and_fair(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Seed-matched, each two videos once a judge, both sides; nothing more when the number is reached."""
    study = session.compare(baseline, prompt=[*PROMPTS, "It eats."], seed=[1, 2, 3, 4], votes=6)
    assert study.ballot("ann") is None
    pretend(session, study)
    shown, sides = Counter[tuple[str, str]](), Counter[str]()
    for number in range(12):
        ballot = study.ballot(" ann ")
        assert ballot
        assert (ballot.done, ballot.remaining, ballot.left[1]) == (number, 12 - number, ballot.right[1])
        pair = (min(ballot.left[0], ballot.right[0]), max(ballot.left[0], ballot.right[0]))
        shown[pair] += 1
        assert max(shown.values()) - min(shown[each] for each in study.pairs) <= 1
        sides["in order" if ballot.left[0] < ballot.right[0] else "turned"] += 1
        study.vote(ballot.left, ballot.right, "left", judge="ann", is_blind=True)
    assert study.ballot("ann") is None
    assert len(sides) == 2  # one in 2048 that twelve coins fall alike
    assert study.ballot("ben")
    for seed in (1, 2):
        study.vote(("A", seed), ("B", seed), "tie", judge="ben")
        study.vote(("A", seed), ("B", seed), "left", judge="cleo")
    ballot = study.ballot("ben")
    assert ballot
    assert {ballot.left[0], ballot.right[0]} != {"A", "B"}


@pytest.mark.parametrize(
    ("left", "right", "choice", "words"),
    [
        (("A", 1), ("B", 2), "left", "same seed"),
        (("A", 1), ("A", 1), "left", "two variants"),
        (("A", 1), ("B", 1), "both", "'left', 'tie' or 'right'"),
        (("A", 1), ("X", 1), "tie", "no cell of this study"),
    ],
)
def test_what_is_no_vote(
    session: wan.Session, baseline: wan.VideoRequest, left: tuple[str, int], right: tuple[str, int], choice: str,
    words: str,
) -> None:  # fmt: skip
    """One line, and nothing is written down."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
    pretend(session, study)
    with pytest.raises(ConfigError, match=words):
        study.vote(left, right, choice)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="1 to 5"):
        study.rate(("A", 1), 6)
    assert study.judgements == ()
    assert study.undo() is None


def test_what_was_fixed_is_kept_with_each_vote(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Another number afterwards begins a new test."""
    study = session.compare(baseline, prompt=PROMPTS, seed=range(1, 9), votes=6)
    pretend(session, study)
    votes(study, "AAAAAA")
    assert study.tally()["AB"].winner == "A"
    other = session.compare(baseline, prompt=PROMPTS, seed=range(1, 9), votes=8)
    assert other.tally()["AB"].winner == ""
    assert study.votes_planned == 8  # also where it was open already


# --- warnings ---------------------------------------------------------------------------------------------------------


def test_warnings_name_what_a_study_cannot_show(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Before it runs: two things at once, rewriting, sizes, seeds, votes."""
    text = " ".join(session.compare(baseline, prompt=PROMPTS, resolution=["480P", "720P"], seed=[1, 2]).warnings)
    assert "A and D, B and C differ in more than one thing (prompt, resolution)" in text
    assert "prompt_extend is on (the default) for A, B, C, D" in text
    assert "differs in size, length or sound (A 544×720, 5 s, silent;" in text
    assert "the same seed does not guarantee the same output (the first-and-last-frame API reference" in text
    assert "2 seeds: votes can show which of these videos people prefer" in text
    assert "20 votes a pair on 2 seeds take 10 judges" in text
    plain = session.compare(baseline.replace(prompt_extend=False), prompt=PROMPTS, seed=range(1, 21)).warnings
    assert len(plain) == 1
    assert "alike, not identical" in plain[0]
    assert any(text.startswith("One seed") for text in session.compare(baseline, prompt=PROMPTS).warnings)
    assert any(text.startswith("One variant") for text in session.compare(baseline, seed=[1, 2]).warnings)
    assert any("never carry a verdict" in text for text in session.compare(baseline, prompt=PROMPTS, votes=5).warnings)


def test_rewritten_prompts_come_to_light(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """After the runs: whose prompt was rewritten."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1])
    pretend(session, study)
    assert any(text.startswith("The service rewrote the prompt of A, B") for text in study.warnings)


# --- taking it away ---------------------------------------------------------------------------------------------------


def test_csv_files_are_harmless(session: wan.Session, baseline: wan.VideoRequest, tmp_path: Path) -> None:
    """A row each cell, a row for everything that was said; no formula runs."""
    study = session.compare(baseline, prompt=["=1+1", "B"], seed=[1, 2])
    pretend(session, study)
    votes(study, "AB", judge="@ann")
    study.undo("@ann")
    cells, judgements = study.to_csv(tmp_path / "study.csv")
    assert judgements.name == "study.votes.csv"
    with cells.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["seed"], row["prompt"]) for row in rows][:2] == [
        ("A", "1", "'=1+1"),
        ("A", "2", "'=1+1"),
    ]
    assert rows[0]["sha256"].startswith("sha-")
    with judgements.open(encoding="utf-8-sig") as file:
        said = list(csv.DictReader(file))
    assert [(row["judge"], row["better"], row["stands"]) for row in said] == [
        ("'@ann", "A", "True"), ("'@ann", "B", "False"), ("'@ann", "", "False"),
    ]  # fmt: skip


def test_a_card_declares_it_again(session: wan.Session, tmp_path: Path, picture: Path) -> None:
    """Elsewhere, with the same bytes under another name; nothing of this machine and nothing secret is on it."""
    other = make_picture(tmp_path / "other.png", 400, 380)
    signed = "https://x.example/a.png?Signature=s3cr3t&Expires=1"
    request = wan.VideoRequest("wan2.2-kf2v-flash", prompt="A cat", last_frame=signed)
    study = session.compare(
        request, first_frame=[picture, other], prompt_extend=[False, None], seed=[1, 2], name="cats"
    )
    path = study.to_json(tmp_path / "card.json")
    text = path.read_text(encoding="utf-8")
    card = json.loads(text)
    assert "s3cr3t" not in text
    assert str(tmp_path) not in text
    assert (card["study"]["id"], card["package"]["name"]) == (study.id, "wan_nb")
    assert "API reference" in card["models"]["wan2.2-kf2v-flash"]["facts"]
    assert session.compare_from(card).id == study.id
    moved = picture.rename(tmp_path / "moved.png")
    with wan.simulated(tmp_path / "elsewhere", speed=600, scenario=SMALL) as there:
        with pytest.raises(ConfigError, match=r"the card needs 'frame\.png' \(sha256:.*files=\['frame\.png'\]"):
            there.compare_from(path)
        with pytest.raises(ConfigError, match=r"; other\.png hold other bytes"):
            there.compare_from(path, files=[other])
        again = there.compare_from(path, files=[other, moved])
        assert (again.id, again.name, again.votes_planned) == (study.id, "cats", 20)
        assert [variant.name for variant in again.variants] == [variant.name for variant in study.variants]
        for wrong in ({}, {"kind": "recipe"}, card | {"format": 2}, card | {"definition": {}}, "no-such.json"):
            with pytest.raises(ConfigError):
                there.compare_from(wrong)


# --- no winner by choosing afterwards ---------------------------------------------------------------------------------


def test_seeds_or_variants_left_out_afterwards_carry_no_verdict(
    session: wan.Session, baseline: wan.VideoRequest
) -> None:
    """Votes of a study that had more in it are in the rate, not in the test; a study that grew keeps its own."""
    wide = session.compare(baseline, prompt=PROMPTS, seed=range(1, 13), votes=6)
    pretend(session, wide)
    votes(wide, "ABABABABAAAA")
    assert wide.tally()["AB"].winner == ""
    picked = session.compare(baseline, prompt=PROMPTS, seed=[1, 3, 5, 7, 9, 10], votes=6)
    found = picked.tally()["AB"]
    assert (found.wins, found.losses, found.winner, found.p_value) == (6, 0, "", None)
    assert "6 votes from a study with more in it: in the rate, not in the test." in found.notes
    three = session.compare(baseline, prompt=[*PROMPTS, "It eats."], seed=range(1, 13), votes=6)
    assert three.tally()["AB"].p_value == wide.tally()["AB"].p_value
    votes(three, "A", "ben")
    assert "1 vote from a study with more" in str(wide.tally()["AB"])


def test_another_take_takes_no_vote_away(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Else whoever is behind could make the videos anew that lost."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2], votes=2)
    pretend(session, study)
    votes(study, "AB")
    session.submit(study.cell("B", 1).request, take=2).wait(timeout_s=60)
    assert study.cell("B", 1).run.state.take == 1  # type: ignore[union-attr]
    assert (study.tally()["AB"].wins, study.tally()["AB"].losses, study.tally().notes) == (1, 1, ())


def test_a_judge_is_one_however_the_name_is_typed(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """Spaces, capitals and signs that nobody sees make no second judge."""
    study = session.compare(baseline, prompt=PROMPTS, seed=[1, 2])
    pretend(session, study)
    for name in ("Ann Lee", " ann  lee", "ANN\u200b LEE\n"):
        votes(study, "BA", name)
    assert {each.judge for each in study.judgements} == {"Ann Lee"}
    assert study.tally()["AB"].decided == 2
    assert study.ballot("ann LEE") is None
    assert study.undo("ann lee")


def test_again_of_what_has_no_published_price(paid: tuple[Simulator, Path], baseline: wan.VideoRequest) -> None:
    """Under a budget it takes the same word as the first time."""
    with live(paid, budget="5.00 USD") as session:
        unknown = baseline.replace(model="wan9.9-i2v", family="i2v")
        run = session.submit(unknown, allow=("all", "price"))
        with pytest.raises(RunError):
            run.wait(timeout_s=60)
        with pytest.raises(BudgetError, match="allow='price'"):
            run.again()
        assert run.again(allow="price").state.take == 2


def test_a_card_names_no_file_of_this_machine(session: wan.Session, baseline: wan.VideoRequest, picture: Path) -> None:
    """It may come from anybody: what it names is found by its hash, never by a path, and never by a pattern."""
    card = session.compare(baseline, prompt=PROMPTS).to_card()
    for reference in (str(picture), "sha256:*", "sha256:../../frame", "file:///frame.png"):
        card["definition"]["baseline"]["first_frame"]["reference"] = reference
        with pytest.raises(ConfigError, match="a hash or an https address is allowed"):
            session.compare_from(card)


@pytest.mark.parametrize("part", ["inputs", "definition", "study"])
def test_a_card_with_a_hole_is_said_to_be_damaged(session: wan.Session, baseline: wan.VideoRequest, part: str) -> None:
    card = session.compare(baseline, prompt=PROMPTS).to_card()
    for hole in (1, [1], [{}], {"axes": [1], "baseline": card["definition"]["baseline"], "seeds": [1]}):
        with pytest.raises(ConfigError, match="damaged"):
            session.compare_from({**card, part: hole})


def test_where_nothing_can_be_written_is_a_line(session: wan.Session, baseline: wan.VideoRequest) -> None:
    study = session.compare(baseline, prompt=PROMPTS)
    for write in (study.to_csv, study.to_json, study.to_html):
        with pytest.raises(ConfigError, match=r"x\.html cannot be written: No such file or directory; choose another"):
            write("nowhere/x.html")


def test_what_people_say_is_kept_as_text(session: wan.Session, baseline: wan.VideoRequest) -> None:
    """A number for a note must not stop every page that shows it, nor half a character the vote."""
    study = session.compare(baseline, prompt=PROMPTS, name=None)  # type: ignore[arg-type]
    pretend(session, study)
    study.vote(("A", 1), ("B", 1), "left", judge=None, note=5)  # type: ignore[arg-type]
    study.vote(["A", 1], ("B", 1), "left", judge="half \ud83d", note="\ud83d")  # type: ignore[arg-type]
    assert [(each.judge, each.note) for each in study.judgements] == [("", "5"), ("half ?", "?")]
    for wrong in ("A1", ("A",), "A", None):
        with pytest.raises(ConfigError, match="a label and a seed do"):
            study.rate(wrong, 3)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="a label and a seed do"):
            study.vote(("A", 1), wrong, "tie")  # type: ignore[arg-type]
    assert len(study.judgements) == 2


def test_orders_that_are_none(session: wan.Session, baseline: wan.VideoRequest) -> None:
    with pytest.raises(ConfigError, match=r"pairs of a request and its take"):
        session.submit_all([baseline])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="is not a take"):
        session.submit_all([(baseline, 2**70)])
    assert not session.runs()


def test_what_another_kernel_did_is_seen(tmp_path: Path, baseline: wan.VideoRequest) -> None:
    """A run that was looked at while it was only planned does not stay so when somebody else sent it."""
    with Simulator(tmp_path / "service", clock=Clock(speed=SPEED), scenario=SMALL) as service:
        first, second = (Session(endpoint(service.base_url), tmp_path / "runs", clock=Clock(speed=SPEED)) for _ in "ab")
        with first, second:
            mine, other = (each.compare(baseline, prompt=PROMPTS) for each in (first, second))
            for cell in mine.cells:
                first.ledger.plan(first.planner.plan(cell.request, 1, ()))
            assert {cell.state for cell in other.cells} == {"not sent"} and other.estimate.missing == 2
            seen: list[RunState] = []
            end = second.runs()[0].observe(seen.append)
            pretend(first, mine)
            assert {run.state.phase for run in second.runs()} == {RunPhase.SAVED}
            assert len(other.videos) == 2 and other.estimate.missing == 0 and len(seen) == 1
            end()
