"""The form against a simulated session, with no front end: what is painted, and what a click does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.waiting import until
from wan_nb.errors import BudgetError, RequestError
from wan_nb.record import RunPhase
from wan_nb.simulator import Fault
from wan_nb.widgets.form import Form
from wan_nb.widgets.picker import MEGABYTE, FilePicker


@pytest.fixture
def form(session: wan.Session) -> Form:
    made: Form = session.form(prompt="A cat looks up.", resolution="720P")
    return made


def fill(form: Form, picture: Path) -> None:
    form._controls["first_frame"].value = str(picture)
    until(lambda: form.state.is_settled and form.state.is_ready)


def note(form: Form, field: str) -> str:
    return str(form._notes[field].value)


def is_shown(widget: ipywidgets.DOMWidget) -> bool:
    return widget.layout.display != "none"


def test_filled_submitted_saved_at_the_predicted_size(form: Form, picture: Path) -> None:
    assert form._submit.disabled
    fill(form, picture)
    assert "PNG 750×1000" in note(form, "first_frame") and "data:image/jpeg" in form._thumbs["first_frame"].value
    until(lambda: "816×1104 px expected" in form._line.value)
    assert "simulated: free; would cost about 0.25 USD in Singapore" in form._line.value
    assert form._submit.description == "Submit — simulated, free" and not form._submit.disabled
    form._submit.click()
    view = until(lambda: form.runs)[0]
    until(lambda: view.run.state.phase is RunPhase.SAVED and view._player.clips[0]["ready"])
    assert view._status.row["word"] == "saved" and view.run.video is not None
    assert view.run.state.file is not None and Path(view.run.video).stat().st_size == view.run.video.nbytes


def test_a_wrong_path_is_said_beside_its_field(form: Form, picture: Path) -> None:
    form._controls["first_frame"].value = str(picture.with_name("frme.png"))
    until(lambda: "no such file" in note(form, "first_frame"))
    assert "did you mean" in note(form, "first_frame") and "refused" in note(form, "first_frame")
    assert form._submit.disabled


@pytest.mark.parametrize(
    ("size", "mode", "said"),
    [((100, 100), "RGB", "each side must be 240 to 8000 px"), ((500, 400), "RGBA", "has an alpha channel")],
)
def test_a_picture_that_cannot_be_used_says_why(
    form: Form, tmp_path: Path, size: tuple[int, int], mode: str, said: str
) -> None:
    form._controls["first_frame"].value = str(make_picture(tmp_path / "p.png", *size, mode))
    until(lambda: said in note(form, "first_frame"))
    assert form._submit.disabled


def test_defaults_are_checked(session: wan.Session) -> None:
    with pytest.raises(RequestError, match="'reolution' is not a field of the form; did you mean resolution"):
        session.form(reolution="720P")
    with pytest.raises(RequestError, match=r"resolution='480P' is not offered by wan2\.6-i2v-flash"):
        session.form(resolution="480P")


def test_another_model_brings_its_own_choices_and_keeps_the_users(form: Form) -> None:
    form._slider.value = 10
    form._controls["model"].value = "wan2.5-i2v-preview"
    assert tuple(form._controls["resolution"].options) == ("480P", "720P", "1080P")
    assert form._controls["resolution"].value == "720P" and form.state.resolution == "720P"
    assert is_shown(form._buttons) and not is_shown(form._slider) and form._buttons.value == 10
    form._controls["model"].value = "wan2.2-i2v-plus"
    assert form.state.resolution == "1080P" and form.state.duration == 5 and form._buttons.value == 5
    form._controls["model"].value = "wan2.6-i2v-flash"
    assert form.state.duration == 10 and form._slider.value == 10 and form._controls["resolution"].value == "720P"


def test_only_inputs_that_the_model_takes_are_shown(form: Form) -> None:
    def shown() -> set[str]:
        return {name for name in form._thumbs if is_shown(form._rows[name])}

    assert shown() == {"first_frame", "driving_audio"}
    form._controls["model"].value = "wan2.2-kf2v-flash"
    assert shown() == {"first_frame", "last_frame"} and is_shown(form._rows["template"])
    form._controls["model"].value = "wan2.7-i2v-2026-04-25"
    assert shown() == {"first_frame", "last_frame", "first_clip", "driving_audio"}
    assert not is_shown(form._rows["shot_type"])


def test_switches_are_left_to_the_service_unless_set(form: Form, picture: Path) -> None:
    fill(form, picture)
    assert form.state.request is not None and "audio" not in form.state.request.payload()["parameters"]
    form._controls["audio"].value = "off"
    assert form.state.request.payload()["parameters"]["audio"] is False
    form._controls["audio"].value = ""
    assert "audio" not in form.state.request.payload()["parameters"]


def test_wasteful_needs_a_tick(form: Form, picture: Path) -> None:
    fill(form, picture)
    form._controls["prompt"].value = "x" * 1501
    assert form._submit.disabled and is_shown(form._allow) and "1501 of 1500 characters" in note(form, "prompt")
    form._allow.value = True
    until(lambda: form.state.is_settled)
    assert not form._submit.disabled
    form._submit.click()
    assert until(lambda: form.runs)[0].run.request.prompt == "x" * 1501


def test_submit_right_after_typing_a_path_goes_on_when_it_is_read(form: Form, picture: Path) -> None:
    form._controls["first_frame"].value = str(picture)
    form._submit.click()
    assert until(lambda: form.runs)[0].run.request.first_frame.name == "frame.png"


def test_the_same_request_shows_its_run_and_new_sample_makes_another(form: Form, picture: Path) -> None:
    fill(form, picture)
    assert not is_shown(form._sample)
    form._submit.click()
    first = until(lambda: form.runs)[0]
    until(lambda: is_shown(form._sample) and not form._submit.disabled)
    assert "Submit shows that run" in form._existing.value
    form._submit.click()
    until(lambda: not form._sending and form.state.is_settled)
    assert [view.run.id for view in form.runs] == [first.run.id]
    for take in (2, 3):
        form._sample.value = True
        assert "makes another" in form._existing.value
        form._submit.click()
        until(lambda take=take: len(form.runs) == take and not form._sending and form.state.is_settled)  # type: ignore[misc]
        assert form.runs[0].run.state.take == take and not form._sample.value
    assert form.runs[-1] is first and tuple(form._below.children) == tuple(form.runs)


def test_a_failed_run_can_be_tried_again(tmp_path: Path, picture: Path) -> None:
    fault = Fault("create", "fail_task", code="DataInspectionFailed", message="Output data may …")
    with wan.simulated(tmp_path / "bad", speed=600, scenario=replace(SMALL, faults=(fault,))) as session:
        form = session.form(first_frame=str(picture), resolution="720P", duration=2)
        until(lambda: form.state.is_settled)
        form._submit.click()
        until(lambda: form.runs and "tick new sample to try again" in form._existing.value)
        assert form._existing.value.startswith('<span class="wan-note">failed at')
        form._sample.value = True
        form._submit.click()
        until(lambda: len(form.runs) == 2 and form.runs[0].run.state.phase is RunPhase.SAVED)


def test_what_goes_wrong_is_painted(form: Form, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(form, picture)

    def refuse(*_: Any, **__: Any) -> None:
        raise BudgetError("0.25 USD <b>more</b> than the budget leaves.")

    monkeypatch.setattr(form.session, "submit", refuse)
    form._submit.click()
    until(lambda: "BudgetError" in form._fault_line.value)
    assert "&lt;b&gt;more&lt;/b&gt;" in form._fault_line.value
    until(lambda: not form._submit.disabled)  # and the next click works
    monkeypatch.undo()
    form._submit.click()
    assert until(lambda: form.runs) and not form._fault_line.value


def test_a_medium_can_be_taken_out_again(form: Form, picture: Path) -> None:
    assert not is_shown(form._clears["first_frame"])
    fill(form, picture)
    assert is_shown(form._clears["first_frame"])
    form._clears["first_frame"].click()
    assert form.state.first_frame is None and form._controls["first_frame"].value == "" and form._submit.disabled
    fill(form, picture)  # the same path again


def test_a_path_given_as_default_stands_in_its_box(session: wan.Session, picture: Path) -> None:
    form = session.form(first_frame=str(picture), last_frame="https://x.example/a.png")
    assert form._controls["first_frame"].value == str(picture)
    assert form._controls["last_frame"].value == "https://x.example/a.png"


def test_text_from_outside_is_escaped(form: Form) -> None:
    form._controls["first_frame"].value = "<img src=x onerror=alert(1)>.png"
    until(lambda: "no such file" in note(form, "first_frame"))
    assert "<img" not in note(form, "first_frame") and "&lt;img" in note(form, "first_frame")


def test_nothing_large_and_no_key_in_widget_state(form: Form, picture: Path) -> None:
    fill(form, picture)
    form._submit.click()
    view = until(lambda: form.runs)[0]
    until(lambda: view._player.clips[0]["ready"] and view._player.clips[0]["poster"])
    everything = _all(form)
    assert view._player in everything and len(everything) > 50
    for widget in everything:
        for name, value in widget.get_state().items():
            text = json.dumps(value, default=str)
            assert len(text) < 64 * 1024, (type(widget), name)
            assert "sk-simulated" not in text


# --- the picker -------------------------------------------------------------------------------------------------


class Hand:
    """Stands for the browser's side of a picker."""

    def __init__(self, limit_mb: int = 2) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.faults: list[BaseException] = []
        self.picker = FilePicker("image/*", limit_mb, self.taken.append, self.refused.append, self.faults.append)
        self.answers: list[dict[str, Any]] = []
        self.picker.send = lambda content, buffers=None: self.answers.append(content)

    def give(self, name: str, data: bytes, *, job: int = 1, claimed: int | None = None) -> None:
        at = 0
        while at < len(data):
            piece = memoryview(data)[at : at + MEGABYTE]
            content = {"name": name, "size": claimed or len(data), "at": at, "job": job}
            self.picker._handle_custom_msg(content, [piece])
            at += len(piece)


def test_a_file_arrives_in_pieces_and_nothing_stays() -> None:
    hand = Hand()
    data = bytes(range(256)) * 6000
    hand.give("cat.png", data)
    assert hand.taken == [{"name": "cat.png", "content": data}] and not hand.faults
    assert [answer["got"] for answer in hand.answers] == [MEGABYTE, len(data)]
    assert not hand.picker._held


def test_pieces_of_a_file_that_was_given_up_are_dropped() -> None:
    hand = Hand()
    hand.give("old.png", b"x" * 100, job=1, claimed=200)
    hand.give("new.png", b"y" * 50, job=2)
    hand.picker._handle_custom_msg({"name": "old.png", "size": 200, "at": 100, "job": 1}, [b"x" * 100])
    assert [each["name"] for each in hand.taken] == ["new.png"]


def test_a_browser_that_sends_more_than_agreed_is_stopped() -> None:
    hand = Hand(limit_mb=1)
    hand.give("big.png", b"x" * (MEGABYTE + 1))
    assert "'big.png' is larger than 1 MB" in hand.refused[0] and not hand.taken


def test_refusals_of_the_browser_stand_at_the_field(form: Form, picture: Path) -> None:
    picker: Any = next(each for each in _all(form) if isinstance(each, FilePicker) and each.accept == "image/*")
    picker._handle_custom_msg({"problem": "'a.png' is empty (0 bytes); choose another file."}, [])
    assert "is empty (0 bytes)" in note(form, "first_frame")
    data = picture.read_bytes()
    picker._handle_custom_msg({"name": "up.png", "size": len(data), "at": 0, "job": 1}, [data])
    until(lambda: "up.png: PNG 750×1000" in note(form, "first_frame"))
    assert "0 bytes" not in note(form, "first_frame")


def _all(widget: Any) -> list[Any]:
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += _all(child)
    return found
