"""The form against a simulated session, with no front end: what is painted, and what a click does."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
from PIL import Image

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.waiting import until
from wan_nb.errors import BudgetError, RequestError
from wan_nb.record import RunPhase
from wan_nb.simulator import Fault
from wan_nb.widgets.form import Form
from wan_nb.widgets.slot import MEGABYTE, FilePicker


@pytest.fixture
def form(session: wan.Session) -> Form:
    made: Form = session.form(prompt="A cat looks up.", resolution="720P")
    return made


def fill(form: Form, picture: Path) -> None:
    form.slots["first_frame"].path.value = str(picture)
    until(lambda: form.state.is_settled and form.state.is_ready)


def note(form: Form, field: str) -> str:
    slot = form.slots.get(field)
    parts = (slot.hint, slot.note) if slot else (form._rows[field].hint, form._rows[field].said)
    return "".join(str(part.value) for part in parts)


def is_shown(widget: ipywidgets.DOMWidget) -> bool:
    return widget.layout.display != "none"


def test_filled_submitted_saved_at_the_predicted_size(form: Form, picture: Path) -> None:
    assert form._submit.disabled
    fill(form, picture)
    assert "PNG 750×1000" in note(form, "first_frame") and "data:image/jpeg" in form.slots["first_frame"].thumb.value
    until(lambda: "816×1104 px expected" in form._line.value)
    assert "simulated: free; would cost about 0.25 USD in Singapore" in form._line.value
    assert form._submit.description == "Submit — simulated, free" and not form._submit.disabled
    form._submit.click()
    view = until(lambda: form.runs)[0]
    until(lambda: view.run.state.phase is RunPhase.SAVED and view._player.clips[0]["ready"])
    assert view._status.row["word"] == "saved" and view.run.video is not None
    assert view.run.state.file is not None and Path(view.run.video).stat().st_size == view.run.video.nbytes


def test_a_wrong_path_is_said_beside_its_field(form: Form, picture: Path) -> None:
    form.slots["first_frame"].path.value = str(picture.with_name("frme.png"))
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
    form.slots["first_frame"].path.value = str(make_picture(tmp_path / "p.png", *size, mode))
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
    assert form.state.resolution == "480P" and form.state.duration == 5 and form._buttons.value == 5
    form._controls["model"].value = "wan2.6-i2v-flash"
    assert form.state.duration == 10 and form._slider.value == 10 and form._controls["resolution"].value == "720P"


def test_only_inputs_that_the_model_takes_are_shown(form: Form) -> None:
    def shown() -> set[str]:
        return {name for name, slot in form.slots.items() if is_shown(slot)}

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
    assert (
        form._submit.disabled
        and is_shown(form._controls["allow_wasteful"])
        and "1501 of 1500 characters" in note(form, "prompt")
    )
    form._controls["allow_wasteful"].value = True
    until(lambda: form.state.is_settled)
    assert not form._submit.disabled
    form._submit.click()
    assert until(lambda: form.runs)[0].run.request.prompt == "x" * 1501


def test_submit_right_after_typing_a_path_goes_on_when_it_is_read(form: Form, picture: Path) -> None:
    form.slots["first_frame"].path.value = str(picture)
    form._submit.click()
    assert until(lambda: form.runs)[0].run.request.first_frame.name == "frame.png"


def test_the_same_request_shows_its_run_and_new_sample_makes_another(form: Form, picture: Path) -> None:
    fill(form, picture)
    assert not is_shown(form._controls["new_sample"])
    form._submit.click()
    first = until(lambda: form.runs)[0]
    until(lambda: is_shown(form._controls["new_sample"]) and "Submit shows that run" in form._existing.value)
    until(lambda: not form._submit.disabled)
    form._submit.click()
    until(lambda: not form._sending and form.state.is_settled)
    assert [view.run.id for view in form.runs] == [first.run.id]
    for take in (2, 3):
        form._controls["new_sample"].value = True
        assert "makes another" in form._existing.value
        form._submit.click()
        until(lambda take=take: len(form.runs) == take and not form._sending and form.state.is_settled)  # type: ignore[misc]
        until(lambda: not form._controls["new_sample"].value)
        assert form.runs[0].run.state.take == take
    assert form.runs[-1] is first and tuple(form._below.children) == tuple(form.runs)


def test_a_failed_run_can_be_tried_again(tmp_path: Path, picture: Path) -> None:
    fault = Fault("create", "fail_task", code="DataInspectionFailed", message="Output data may …")
    with wan.simulated(tmp_path / "bad", speed=600, scenario=replace(SMALL, faults=(fault,))) as session:
        form = session.form(first_frame=str(picture), resolution="720P", duration=2)
        until(lambda: form.state.is_settled)
        form._submit.click()
        until(lambda: form.runs and "tick new sample to try again" in form._existing.value)
        assert ">failed at" in form._existing.value
        form._controls["new_sample"].value = True
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
    assert not is_shown(form.slots["first_frame"].clear)
    fill(form, picture)
    assert is_shown(form.slots["first_frame"].clear)
    form.slots["first_frame"].clear.click()
    assert form.state.first_frame is None and form.slots["first_frame"].path.value == "" and form._submit.disabled
    fill(form, picture)  # the same path again


def test_a_path_given_as_default_stands_in_its_box(session: wan.Session, picture: Path) -> None:
    form = session.form(first_frame=str(picture), last_frame="https://x.example/a.png")
    assert form.slots["first_frame"].path.value == str(picture)
    assert form.slots["last_frame"].path.value == "https://x.example/a.png"


def test_text_from_outside_is_escaped(form: Form) -> None:
    form.slots["first_frame"].path.value = "<img src=x onerror=alert(1)>.png"
    until(lambda: "no such file" in note(form, "first_frame"))
    assert "<img" not in note(form, "first_frame") and "&lt;img" in note(form, "first_frame")


def test_nothing_large_and_no_key_in_widget_state(form: Form, picture: Path) -> None:
    form._controls["model"].value = "wan2.2-kf2v-flash"
    noise = np.random.default_rng(1).integers(0, 256, (900, 900, 4), dtype=np.uint8)  # the hardest to make small
    Image.fromarray(noise).save(picture.with_name("noise.png"))
    form.slots["last_frame"].path.value = str(picture.with_name("noise.png"))
    form.slots["first_frame"].path.value = str(picture)
    until(lambda: len(form.slots["last_frame"].repairs.children) == 2 and form._frame.value.count("<svg") == 2)
    _check_traits(form)
    form.slots["last_frame"].repairs.children[0].children[1].click()
    until(lambda: form.state.is_settled and form.state.is_ready)
    form._submit.click()
    view = until(lambda: form.runs)[0]
    until(lambda: view._player.clips[0]["ready"] and view._player.clips[0]["poster"])
    assert view._player in _all(form)
    _check_traits(form)


def _check_traits(form: Form) -> None:
    everything = _all(form)
    assert len(everything) > 50
    for widget in everything:
        for name, value in widget.get_state().items():
            text = json.dumps(value, default=str)
            assert len(text) < 64 * 1024, (type(widget), name)
            assert "sk-simulated" not in text


def test_the_model_says_what_it_is_good_at_costs_and_takes(form: Form) -> None:
    form._controls["model"].value = "wan2.2-i2v-plus"
    until(lambda: "usually" in note(form, "model"))
    told = note(form, "model")
    assert "Good at: silent clips, steadier than 2.1 (the image-to-video user guide (undated))" in told
    assert "list price a second in Singapore: 0.02 USD at 480P, 0.10 USD at 1080P" in told


def test_the_frame_is_drawn_to_scale_with_what_lies_outside(form: Form, picture: Path) -> None:
    assert "is drawn here" in form._frame.value
    fill(form, picture)
    assert "<svg" in form._frame.value and "816×1104" in form._frame.value and "<script" not in form._frame.value
    assert "-1.45 % in ratio, 16 px: of the first frame, 750×1000, 1.4 % lies outside" in form._frame.value
    form._controls["model"].value = "wan2.2-kf2v-flash"
    form.slots["last_frame"].path.value = str(make_picture(picture.with_name("wide.png"), 1000, 500))
    until(lambda: "of the last frame, 1000×500" in form._frame.value)


def test_submit_says_in_words_why_it_is_off(form: Form, picture: Path) -> None:
    assert "Off: wan2.6-i2v-flash needs a first_frame" in form._existing.value
    fill(form, picture)
    assert "Off:" not in form._existing.value


def test_a_repair_is_one_press_and_so_is_taking_it_back(form: Form, tmp_path: Path) -> None:
    slot = form.slots["first_frame"]
    slot.path.value = str(make_picture(tmp_path / "p.png", 500, 400, "RGBA"))
    until(lambda: len(slot.repairs.children) == 2)
    shown, button = slot.repairs.children[0].children
    assert button.description == "Lay it on white" and shown.value.count("data:image/jpeg") == 2
    assert "alpha laid over white" in shown.value and "before" in shown.value and "after" in shown.value
    button.click()
    until(lambda: not form._submit.disabled and form.state.is_settled)
    told, back = slot.repairs.children[0].children
    assert "Mended: alpha laid over white" in told.value and slot.path.value == ""
    back.click()
    until(lambda: form._submit.disabled and len(slot.repairs.children) == 2)
    assert slot.path.value.endswith("p.png")


def test_filled_from_an_earlier_run_and_back(form: Form, picture: Path) -> None:
    assert not is_shown(form._earlier)
    fill(form, picture)
    form._submit.click()
    until(lambda: form.runs and is_shown(form._earlier))
    label, run_id = form._earlier.options[1]
    assert "wan2.6-i2v-flash · 720P, 5 s · A cat looks up." in label and run_id == form.runs[0].run.id
    again = form.session.form(model="wan2.7-i2v", prompt="mine")
    again._earlier.value = run_id
    until(lambda: again.state.prompt == "A cat looks up." and not again._earlier.value)
    assert again.state.model == "wan2.6-i2v-flash" and again.state.first_frame.name == "frame.png"
    assert again._back.description.startswith("Undo: filled from the run of ")
    again._back.click()
    assert (again.state.model, again.state.prompt) == ("wan2.7-i2v", "mine") and again.state.first_frame is None
    until(lambda: form.runs[0].run.state.phase is RunPhase.SAVED)
    assert form.session.form(form.runs[0].run, seed=7).state.request == form.runs[0].run.request.replace(seed=7)
    odd = form.runs[0].run.request.replace(extra={"fps": 24})
    assert "no field for fps: left out, and not sent" in form.session.form(odd)._fault_line.value


def test_the_code_goes_out_when_its_fold_is_open_and_has_no_key(form: Form, picture: Path) -> None:
    sent: list[dict[str, Any]] = []
    form._code.send = lambda content, buffers=None: sent.append(content)
    fill(form, picture)
    assert not sent
    for number in (0, 1):
        form._code._handle_custom_msg({"open": True, "number": number}, [])
    assert "request = wan.VideoRequest(" in sent[0]["text"] and str(picture) in sent[0]["text"]
    assert "$DASHSCOPE_API_KEY" in sent[1]["text"] and form.session.endpoint.base_url in sent[1]["text"]
    assert "sk-simulated" not in json.dumps(sent)
    form._controls["prompt"].value = "another"
    assert "another" in sent[-1]["text"]


def test_a_folder_of_pictures_to_choose_from(session: wan.Session, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(26):
        make_picture(folder / f"{number:02}.png", 400 + number, 300)
    (folder / "01.png").write_bytes(b"broken")
    form = session.form(pictures=folder)
    gallery = form.slots["first_frame"].gallery
    assert len(gallery.names) == 24 and form.slots["driving_audio"].gallery is None
    got: list[int] = []
    gallery.send = lambda content, buffers=None: got.append(content["number"])
    gallery._handle_custom_msg({"hello": True}, [])
    until(lambda: got == [0, *range(2, 24)])
    gallery._handle_custom_msg({"choose": 3}, [])
    until(lambda: form.state.first_frame is not None and form.state.is_settled)
    assert form.state.first_frame.name == "03.png" and gallery.chosen == 3
    with pytest.raises(wan.WanError, match="is no folder"):
        session.form(pictures=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(wan.WanError, match="has no JPEG"):
        session.form(pictures=tmp_path / "empty")


# --- the picker -------------------------------------------------------------------------------------------------


class Hand:
    """Stands for the browser's side of a picker."""

    def __init__(self, limit_mb: int = 2) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.faults: list[BaseException] = []
        self.picker = FilePicker(
            "First frame", "image/*", limit_mb, self.taken.append, self.refused.append, self.faults.append
        )
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


# --- money ------------------------------------------------------------------------------------------------------


def test_the_days_budget_stands_beside_the_price_and_holds_back_what_it_does_not_cover(
    tmp_path: Path, picture: Path
) -> None:
    with wan.live(region="singapore", api_key="sk-0", budget="0.40 USD", folder=tmp_path / "live") as session:
        form = session.form(first_frame=str(picture), resolution="720P", duration=5)
        until(lambda: form.state.is_settled and form.state.preview is not None)
        told = html.unescape(form._line.value)
        assert "about 0.25 USD in Singapore" in told and "0.40 USD of today's budget left" in told
        assert not form._submit.disabled and form._submit.description == "Submit — about 0.25 USD"
        form._slider.value = 10
        off = "Off: it costs about 0.50 USD and 0.40 USD of today's budget is left"
        until(lambda: off in html.unescape(form._existing.value))
        assert form._submit.disabled


def test_what_costs_more_than_goes_without_a_word_is_a_tick(
    tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wan.live(region="singapore", api_key="sk-0", confirm_above="0.20 USD", folder=tmp_path / "live") as session:
        form = session.form(first_frame=str(picture), resolution="720P", duration=5)
        until(lambda: is_shown(form._controls["confirmed"]))
        assert "it costs about 0.25 USD, and 0.20 USD is the most without a word" in form._existing.value
        assert form._submit.disabled
        form._controls["confirmed"].value = True
        assert not form._submit.disabled
        said: list[dict[str, Any]] = []

        def submit(*_: Any, **given: Any) -> None:
            said.append(given)
            raise BudgetError("nothing is sent from here.")

        monkeypatch.setattr(session, "submit", submit)
        form._submit.click()
        until(lambda: said)
        assert said[0]["confirm"] is True
        form._slider.value = 2
        until(lambda: not is_shown(form._controls["confirmed"]) and not form._submit.disabled)
