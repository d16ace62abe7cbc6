"""A study on a page: what the view says and spends, and that a judge stays blind and votes once a press."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wan_nb as wan
from tests.conftest import SMALL
from tests.waiting import until
from wan_nb.compare import Experiment
from wan_nb.errors import BudgetError
from wan_nb.widgets import page
from wan_nb.widgets import study as view_module
from wan_nb.widgets.parts import TONES
from wan_nb.widgets.study import JudgeView, StudyView

PROMPTS = ["The cat <b>jumps</b>.", "The cat sleeps."]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wan.Session]:
    folder = tmp_path_factory.mktemp("study")
    with wan.simulated(folder / "runs", speed=2000, scenario=SMALL) as session:
        yield session


@pytest.fixture
def declared(opened: wan.Session, picture: Path, request: pytest.FixtureRequest) -> Experiment:
    """A study of two prompts and two seeds that nobody has submitted; another one in each test."""
    base = wan.VideoRequest(
        "wan2.2-i2v-flash", first_frame=picture, resolution="480P", negative_prompt=request.node.name
    )
    return opened.compare(base, prompt=PROMPTS, seed=[1, 2], votes=2, name="jump <i>or</i> sleep")


@pytest.fixture
def done(declared: Experiment) -> Experiment:
    return declared.submit().wait(timeout_s=60)


def test_the_view_says_the_price_and_spends_on_a_press_only(declared: Experiment) -> None:
    view = StudyView(declared)
    assert view._submit.description == "Submit 4 runs — simulated, free"
    assert "4 of 4 cells to submit" in view._price.value
    assert view._table.value.count("not sent") == 4
    assert [clip["word"] for clip in view._player.clips] == ["not sent", "not sent"]
    assert not any(cell.run for cell in declared.cells)
    view._submit.click()
    until(lambda: view._table.value.count("saved") == 4)
    assert view._submit.disabled and view._submit.description == "All submitted"
    assert [clip["label"][:1] for clip in view._player.clips] == ["A", "B"]
    assert all(clip["ready"] and len(clip["key"]) == 8 for clip in view._player.clips)
    view.close()


def test_each_state_has_its_colour_and_the_first_frame_stands_where_a_video_will_be(
    declared: Experiment, tmp_path: Path, picture: Path
) -> None:
    view = StudyView(declared)
    assert view._table.value.count(f'<span style="color:{TONES["off"]};white-space:nowrap">not sent</span>') == 4
    assert "<b>A</b> prompt: &quot;The cat &lt;b&gt;jumps" in view._table.value
    posters = [clip["poster"] for clip in view._player.clips]
    assert all(each.startswith("data:image/jpeg") for each in posters)
    assert len(json.dumps(view._player.clips)) < 64_000
    view._submit.click()
    until(
        lambda: view._table.value.count(f'<span style="color:{TONES["good"]};white-space:nowrap">● saved</span>') == 4
    )
    assert [clip["poster"] for clip in view._player.clips] == ["", ""]  # the videos have come
    view.close()
    with wan.simulated(tmp_path / "runs", speed=2000, scenario="moderated") as session:
        base = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        study = session.compare(base, prompt=PROMPTS, seed=1).submit().wait(timeout_s=60)
        failed = StudyView(study)
        assert failed._table.value.count(f'<span style="color:{TONES["bad"]};white-space:nowrap">● failed: ') == 2
        assert all(clip["poster"] and clip["word"].startswith("failed") for clip in failed._player.clips)
        failed.close()


def test_what_costs_is_asked_for_twice(declared: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    view = StudyView(declared)
    monkeypatch.setattr(declared.session, "is_simulated", False)
    sent: list[Any] = []
    monkeypatch.setattr(Experiment, "submit", lambda self, **how: sent.append(how))
    assert view._yes.layout.display == "none"
    view._submit.click()
    until(lambda: view._yes.layout.display is None)
    assert view._yes.description.startswith("Yes, spend about ") and view._submit.disabled
    view._no.click()
    until(lambda: view._yes.layout.display == "none")
    assert view._submit.description.startswith("Submit 4 runs — about ") and not sent
    view._submit.click()
    until(lambda: view._yes.layout.display is None)
    view._asked = "about 0.01 USD"  # another price than now
    view._yes.click()
    until(lambda: view._asked != "about 0.01 USD")
    assert not sent
    view._yes.click()
    view._yes.click()
    until(lambda: sent == [{"confirm": True}] and view._yes.layout.display == "none")
    view.close()


def test_another_seed_shows_other_videos_and_gives_their_bytes(done: Experiment) -> None:
    view = StudyView(done)
    first = [clip["key"] for clip in view._player.clips]
    view._seed.value = 2
    until(lambda: [clip["key"] for clip in view._player.clips] != first)
    assert [clip["key"] for clip in view._player.clips] == [
        cell.run.id for cell in done.cells if cell.run and cell.seed == 2
    ]
    video = done.videos["B", 2]
    assert view._bytes(1) == video.path.read_bytes()
    assert len(json.dumps(view._player.clips)) < 64_000
    view.close()


def test_a_refusal_is_shown(declared: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Experiment, **how: object) -> None:
        raise BudgetError("2.00 USD are <left>")

    monkeypatch.setattr(Experiment, "submit", refuse)
    view = StudyView(declared)
    view._submit.click()
    until(lambda: view._trouble.value)
    assert "BudgetError: 2.00 USD are &lt;left&gt;" in view._trouble.value
    until(lambda: not view._submit.disabled)
    view.close()


def test_a_judge_sees_no_names_and_votes_go_to_the_journal(done: Experiment) -> None:
    view = done.judge("Ann")
    assert isinstance(view, JudgeView) and "A judge sat here" in view._repr_mimebundle_()["text/html"]
    told = json.dumps(view._player.get_state()["clips"])
    assert [clip["label"] for clip in view._player.clips] == ["Left", "Right"]
    assert not any(secret in told for secret in ("prompt", "jumps", *(cell.run.id for cell in done.cells if cell.run)))
    assert "0 of 2 judged" in view._progress.value
    ballot = view._ballot
    assert ballot is not None
    view._note.value = "calmer"
    view._buttons["left"].click()
    view._buttons["left"].click()  # the second press finds another pair, or none to be pressed for
    until(lambda: "1 of 2 judged" in view._progress.value)
    (vote,) = done.judgements
    assert (vote.judge, vote.choice, vote.note, vote.is_blind) == ("Ann", "left", "calmer", True)
    runs = [done.cell(*key).run for key in (ballot.left, ballot.right)]
    assert [vote.left, vote.right] == [run.id for run in runs if run]
    view._buttons["undo"].click()
    until(lambda: "0 of 2 judged" in view._progress.value)


def test_keys_stars_and_the_end(done: Experiment) -> None:
    view = JudgeView(done, "Bob")
    shown = view._ballot
    assert shown is not None
    view._stars["right"].value = 4
    until(lambda: [each.stars for each in done.judgements] == [4])
    rated = done.cell(*shown.right).run
    assert rated is not None and done.judgements[0].left == rated.id
    view._player._handle_custom_msg({"press": "tie"}, [])
    until(lambda: "1 of 2 judged" in view._progress.value)
    assert view._stars["right"].value is None
    view._player._handle_custom_msg({"press": "right"}, [])
    until(lambda: "You have judged every two videos" in view._end.value)
    assert view._player.clips == [] and view._buttons["left"].disabled
    view._judge.value = "Cy"
    until(lambda: "0 of 2 judged" in view._progress.value)


def test_what_is_put_aside_comes_last(done: Experiment) -> None:
    view = JudgeView(done, "Di")
    first = view._ballot
    assert first is not None
    view._buttons["skip"].click()
    until(lambda: view._ballot not in (first, None))
    assert view._ballot is not None and view._ballot.left[1] != first.left[1]
    assert not done.judgements


def test_the_twin_is_static_and_small(done: Experiment) -> None:
    done.vote(("A", 1), ("B", 1), "left", judge="Ann")
    text = page.html(done)
    assert "<script" not in text and "http://" not in text and "https://" not in text
    assert "jump &lt;i&gt;or&lt;/i&gt; sleep" in text and "<b>jumps" not in text
    assert text.count("data:image/jpeg") == 4
    assert "too few votes" in text and "<ins" in text
    assert len(text) < 300_000


def test_shown_in_a_notebook_as_view_and_twin(done: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    class Shell:
        kernel = object()

    monkeypatch.setattr(view_module, "get_ipython", Shell)
    monkeypatch.setattr(view_module.screen, "display", lambda *what, **how: shown.append(what[0]))
    done._ipython_display_()
    assert isinstance(shown[0], StudyView)
    assert shown[1]["text/html"].startswith("<details data-wan-twin>")


def test_a_press_after_the_session_was_closed_says_so(tmp_path: Path, picture: Path) -> None:
    """A front end hides what a callback raises, and the worker that paints it is gone."""
    with wan.simulated(tmp_path / "runs", speed=2000, scenario=SMALL) as session:
        base = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        study = session.compare(base, prompt=PROMPTS).submit().wait(timeout_s=60)
        view, judge = StudyView(study), study.judge("Ann")
        told: list[Any] = []
        view._player.send = lambda message, *_: told.append(message)  # type: ignore[method-assign]
    view._submit.click()
    judge._buttons["left"].click()
    view._player.deliver(0)
    for trouble in (view._trouble.value, judge._trouble.value, told[0]["why"]):
        assert "this session is closed" in trouble


def test_a_tally_of_many_pairs_stays_out_of_the_state(opened: wan.Session, picture: Path) -> None:
    base = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P", negative_prompt="many")
    study = opened.compare(base, prompt=[f"Cat {number}" for number in range(25)])
    assert len(study.tally()._repr_html_()) > 64_000
    assert "300 pairs" in view_module.tally_html(study)


def test_views_hear_of_runs_and_votes_that_others_cause(declared: Experiment) -> None:
    view, judge = StudyView(declared), JudgeView(declared, "Ann")
    assert "There is no video to judge yet." in judge._end.value
    declared.submit()  # by code: neither view was pressed
    until(lambda: view._table.value.count("saved") == 4)
    until(lambda: judge._ballot is not None)
    shown = judge._ballot
    assert "No votes yet" in view._votes.value
    declared.vote(("A", 1), ("B", 1), "left", judge="Ben")
    until(lambda: "Judgements so far: 1." in view._votes.value)  # not of whom: a judge may be on the same page
    assert judge._ballot is shown  # what is being judged stays
    view.close()
    judge.close()
    declared.vote(("A", 2), ("B", 2), "left", judge="Ben")
    assert "Judgements so far: 1." in view._votes.value
    assert "2 : 0" in StudyView(declared)._votes.value


def test_a_study_of_a_closed_session_says_so_in_one_line(
    tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wan.simulated(tmp_path / "runs", speed=2000, scenario=SMALL) as session:
        base = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        study = session.compare(base, prompt=PROMPTS, seed=1)
    seen: list[Any] = []
    monkeypatch.setattr(view_module, "get_ipython", object)
    monkeypatch.setattr(view_module.screen, "display", lambda shown, **_: seen.append(shown))
    study._ipython_display_()
    assert [list(each) for each in seen] == [["text/plain"]] and "session is closed" in seen[0]["text/plain"]
