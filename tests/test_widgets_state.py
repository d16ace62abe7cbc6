"""The form's state, with no front end: choices, options, problems, readiness."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from wan_nb.errors import RequestError
from wan_nb.problems import Place
from wan_nb.request import VideoRequest
from wan_nb.widgets.state import FormState


@pytest.fixture
def picture() -> Image.Image:
    return Image.new("RGB", (750, 1000), "teal")


def preview_of(request: VideoRequest, **more: Any) -> Any:
    facts = {
        "problems": request.problems(),
        "existing": None,
        "estimate": SimpleNamespace(money=None),
        "is_simulated": True,
        "over_budget": "",
        "limit": None,
    }
    return SimpleNamespace(**(facts | {"request": request} | more))


def test_a_new_form_misses_only_its_picture() -> None:
    state = FormState()
    assert [problem.field for problem in state.problems] == ["first_frame"]
    assert state.is_missing("first_frame") and not state.is_ready


def test_defaults_that_do_not_exist_are_named() -> None:
    with pytest.raises(RequestError, match=r"'pormpt' is not a field of the form; did you mean prompt\?"):
        FormState(pormpt="a cat")
    with pytest.raises(RequestError, match=r"did you mean wan2\.6-i2v-flash"):
        FormState(model="wan2.6-i2v-flsh")
    with pytest.raises(RequestError, match=r"duration=7 s is not offered by wan2\.5-i2v-preview; it offers 5 or 10 s"):
        FormState(model="wan2.5-i2v-preview", duration=7)
    with pytest.raises(RequestError, match="duration='soon' is not a value of the form"):
        FormState(duration="soon")


def test_a_model_that_lacks_the_choice_gets_its_own_default(picture: Image.Image) -> None:
    state = FormState(model="wan2.6-i2v", first_frame=picture)
    assert (state.resolution, state.duration) == ("720P", 5)  # the cheapest, not the service's dear default
    state.resolution, state.duration = "1080P", 10
    state.model = "wan2.1-i2v-plus"  # 720P and 5 s alone
    assert (state.resolution, state.duration) == ("720P", 5)
    assert state.request is not None and state.request.resolution == "720P"
    state.model = "wan2.5-i2v-preview"  # has both choices of the user
    assert (state.resolution, state.duration) == ("1080P", 10)


def test_what_a_model_does_not_take_is_hidden_kept_and_not_sent(picture: Image.Image) -> None:
    state = FormState(model="wan2.2-kf2v-flash", first_frame=picture, last_frame=picture, template="hanfu-1")
    assert state.request is not None and state.request.last_frame is not None
    state.model = "wan2.6-i2v-flash"
    assert "last_frame" not in state.shown
    assert state.request.last_frame is None and state.request.template is None and state.is_ready
    state.model = "wan2.1-kf2v-plus"
    assert state.request.last_frame is not None


def test_problems_stand_at_their_field(picture: Image.Image) -> None:
    state = FormState(first_frame=picture, prompt="x" * 1501, seed="minus one")
    assert "1501 characters" in str(state.problems_of("prompt")[0])
    assert "'minus one' is not a seed" in str(state.problems_of("seed")[0])
    state.load("first_frame", "/no/such/folder/cat.png")
    assert "no such folder" in str(state.problems_of("first_frame")[0])
    assert not state.is_missing("first_frame")


def test_wasteful_is_held_back_until_it_is_allowed(picture: Image.Image) -> None:
    state = FormState(first_frame=picture, prompt="x" * 1501)
    assert state.wasteful == ("prompt",) and not state.is_ready
    state.allow_wasteful = True
    assert state.is_ready
    state.prompt = "short"
    assert state.is_ready and not state.allow_wasteful  # the next long prompt asks again


def test_empty_and_quoted_paths(picture: Image.Image, tmp_path: Any) -> None:
    picture.save(tmp_path / "a cat.png")
    state = FormState()
    state.load("first_frame", f' "{tmp_path}/a cat.png" ')
    assert str(state.first_frame.size) == "750×1000" and state.is_ready
    state.load("first_frame", "  ")
    assert state.first_frame is None and state.is_missing("first_frame")


def test_an_empty_upload_says_so() -> None:
    state = FormState()
    state.load("first_frame", {"name": "cat.png", "content": b""})
    assert "'cat.png': is empty" in str(state.problems_of("first_frame")[0])


def test_the_latest_of_two_readings_wins(picture: Image.Image, tmp_path: Any) -> None:
    waiting: list[Callable[[], None]] = []
    state = FormState(later=lambda function, *given: waiting.append(lambda: function(*given)))
    for name, size in (("slow", (400, 500)), ("fast", (640, 360))):
        picture.resize(size).save(tmp_path / f"{name}.png")
        state.load("first_frame", str(tmp_path / f"{name}.png"))
    assert state.loading == {"first_frame"} and not state.is_ready
    for each in reversed(waiting):
        each()
    assert str(state.first_frame.size) == "640×360" and not state.loading


def test_previews_are_asked_one_at_a_time_and_the_last_one_counts(picture: Image.Image) -> None:
    waiting: list[Callable[[], None]] = []
    asked: list[str | None] = []

    def preview(request: VideoRequest) -> Any:
        asked.append(request.prompt)
        return preview_of(request)

    state = FormState(
        preview, later=lambda function, *given: waiting.append(lambda: function(*given)), first_frame=picture
    )
    for prompt in ("c", "ca", "cat"):
        state.prompt = prompt
    assert len(waiting) == 1 and not state.is_settled
    while waiting:
        waiting.pop(0)()
    assert asked[-1] == "cat" and len(asked) == 2 and state.is_settled
    assert state.preview is not None and state.preview.request == state.request


def test_a_preview_that_fails_is_a_line_not_a_dead_form(picture: Image.Image) -> None:
    def preview(request: VideoRequest) -> Any:
        raise OSError("disk is gone")

    state = FormState(preview, first_frame=picture)
    assert "OSError: disk is gone" in str(state.problems_of("")[0]) and state.is_ready
    state.prompt = "x"  # and it goes on
    assert state.request is not None and state.request.prompt == "x"


def test_each_change_settles_once_and_then_says_so(picture: Image.Image) -> None:
    state = FormState(first_frame=picture)
    seen: list[tuple[str, str, bool]] = []
    state.observe(lambda _: seen.append((state.model, state.resolution, state.is_ready)), "revision")
    with state.changing():
        state.model, state.prompt = "wan2.2-i2v-plus", "a cat"
    assert seen == [("wan2.2-i2v-plus", "480P", True)]


def test_a_change_takes_new_sample_back(picture: Image.Image) -> None:
    state = FormState(first_frame=picture)
    state.new_sample = True
    state.prompt = "another"
    assert not state.new_sample


def test_a_region_narrows_what_is_offered() -> None:
    state = FormState(place=Place(region="virginia"), model="wan2.6-i2v")
    assert state.duration_options == (5, 10, 15)
    assert any("wan2.7" in label and "(not in Virginia)" in label for label, _ in state.model_options)


def test_an_alias_stays_as_it_was_written() -> None:
    state = FormState(model="wan2.7-i2v")
    assert "wan2.7-i2v" in dict(state.model_options).values()
    assert state.request is not None and state.request.payload()["model"] == "wan2.7-i2v"


def test_models_of_one_kind_stand_together() -> None:
    kinds = [label.split(" · ")[0] for label, _ in FormState().model_options]
    runs = [kind for number, kind in enumerate(kinds) if number == 0 or kinds[number - 1] != kind]
    assert len(runs) == len(set(runs)) == 4


def test_a_repair_is_offered_taken_and_taken_back() -> None:
    state = FormState(first_frame=Image.new("RGBA", (500, 400)), prompt="a cat")
    (white, _) = state.offers.of("first_frame")
    assert not state.is_ready and white.result is not None
    given = state.first_frame
    state.mend(white)
    assert state.is_ready and not state.first_frame.has_alpha and state.offers.of("first_frame") == ()
    state.prompt = "a dog"
    repaired, change = state.mended("first_frame") or (None, None)
    assert "alpha laid over white" in str(repaired) and state.changes == [change]
    state.take_back(change)
    assert state.first_frame is given and state.prompt == "a dog" and state.changes == []
    assert state.mended("first_frame") is None and len(state.offers.of("first_frame")) == 2


def test_a_repair_of_a_picture_that_was_replaced_is_not_taken(picture: Image.Image) -> None:
    state = FormState(first_frame=Image.new("RGBA", (500, 400)))
    offer = state.offers.of("first_frame")[0]
    state.first_frame = state.request and VideoRequest("wan2.7-i2v", first_frame=picture).first_frame
    state.mend(offer)
    assert str(state.first_frame.size) == "750×1000" and state.changes == []


def test_offers_of_the_last_picture_win() -> None:
    waiting: list[Callable[[], None]] = []
    state = FormState(later=lambda function, *given: waiting.append(lambda: function(*given)))
    for size in ((500, 400), (640, 360)):
        state.first_frame = VideoRequest("wan2.7-i2v", first_frame=Image.new("RGBA", size)).first_frame
    for each in reversed(waiting):
        each()
    assert [str(each.result and each.result.medium.size) for each in state.offers.of("first_frame")] == ["640×360"] * 2


def test_filled_from_a_request_and_as_it_was_before(picture: Image.Image, tmp_path: Any) -> None:
    picture.save(tmp_path / "cat.png")
    state = FormState(first_frame=str(tmp_path / "cat.png"), prompt="mine", audio=False, duration=10)
    state.fill(VideoRequest("wan2.6-i2v", first_frame=picture, prompt="theirs", seed=3), "filled from the run of 14:02")
    assert (state.model, state.prompt, state.seed, state.audio) == ("wan2.6-i2v", "theirs", "3", None)
    assert (state.resolution, state.duration) == ("1080P", 5)  # as that request used them, by the service's default
    assert not state.sources.get("first_frame")
    state.take_back()
    assert (state.model, state.prompt, state.seed, state.audio) == ("wan2.6-i2v-flash", "mine", "", False)
    assert (state.resolution, state.duration) == ("720P", 10)
    assert state.sources["first_frame"] == str(tmp_path / "cat.png") and not state.changes
    with pytest.raises(RequestError, match="'wan9' is not in the catalogue"):
        state.fill(VideoRequest("wan9", family="i2v"), "filled")
    assert state.prompt == "mine" and not state.changes


def test_a_picture_that_was_taken_out_comes_back(picture: Image.Image) -> None:
    state = FormState(first_frame=picture)
    given = state.first_frame
    state.load("first_frame", None)
    assert state.is_missing("first_frame") and state.changes[-1].said == "no first frame"
    state.take_back()
    assert state.first_frame is given


def test_what_the_budget_does_not_cover_is_held_back(picture: Image.Image) -> None:
    told = "it costs about 0.50 USD and 0.20 USD of today's budget is left"
    state = FormState(lambda request: preview_of(request, over_budget=told), first_frame=picture)
    assert state.obstacles and state.over_budget == told
    state = FormState(lambda request: preview_of(request, over_budget=told, existing=object()), first_frame=picture)
    assert not state.obstacles  # the run exists: showing it costs nothing
    state.new_sample = True
    assert state.obstacles


def test_what_is_dear_waits_for_a_word(picture: Image.Image) -> None:
    state = FormState(lambda request: preview_of(request, limit="0.50 USD"), first_frame=picture)
    assert state.needs_word and state.obstacles
    state.confirmed = True
    assert not state.obstacles
    state.prompt = "another"  # another price, perhaps
    assert state.obstacles and not state.confirmed
