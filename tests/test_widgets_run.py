"""Runs and videos on a page: what each phase says, the static twins, the player's messages, what replaces what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.waiting import until
from wan_nb.clock import Clock
from wan_nb.geometry import Size
from wan_nb.pricing import Money
from wan_nb.record import RunPhase, RunState
from wan_nb.simulator import Fault
from wan_nb.task import TaskStatus
from wan_nb.telling import phase_words
from wan_nb.widgets import board as board_view
from wan_nb.widgets import preview as preview_view
from wan_nb.widgets import run as run_view
from wan_nb.widgets import video as video_view
from wan_nb.widgets.run import RunView
from wan_nb.widgets.video import Player

NASTY = '</script><img src=x onerror="alert(1)">'
BASE = RunState(
    "r1", "v1:0", "simulator", 1, "wan2.6-i2v-flash", "720P", 5, 1000.0, {"prompt": NASTY}, predicted=Size(816, 1104)
)


def fake_run(*, is_simulated: bool = True, **changes: Any) -> Any:
    """A run in any phase, with no session behind it."""
    state = replace(BASE, **changes)
    session = SimpleNamespace(
        is_simulated=is_simulated,
        clock=Clock(60, now=lambda: 1002.0),
        is_sent_by_nobody=lambda _: False,
        endpoint=SimpleNamespace(can_cancel=True),
    )
    usual = SimpleNamespace(median_s=60.0, p90_s=150.0, source="12 runs here")
    words = phase_words(state, is_next=True)
    told = {"usual": usual, "words": words, "elapsed_s": 84.0, "notice": "", "arrived": (0, 0)}
    return SimpleNamespace(id="r1", state=state, session=session, video=None, **told)


@pytest.fixture
def saved(session: wan.Session, picture: Path) -> wan.Run:
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt=NASTY, resolution="480P")
    run = session.submit(request)
    run.wait(timeout_s=30)
    return run


# --- rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", list(RunPhase))
def test_every_phase_has_words_and_what_is_wrong_has_advice(phase: RunPhase) -> None:
    run = fake_run(phase=phase, task_status=TaskStatus.PENDING, submitted_at=1001.0)
    row = run_view.row(run)
    assert row["word"] and row["tone"] in ("wait", "good", "bad", "off")
    assert (row["tone"] != "bad") or row["advice"]
    assert not any(sign in run_view.html(run) for sign in ("None", "<script", "<img src=x"))


@pytest.mark.parametrize("status", list(TaskStatus))
def test_every_status_of_the_service_has_a_word(status: TaskStatus) -> None:
    run = fake_run(phase=RunPhase.SUBMITTED, task_status=status, submitted_at=1001.0)
    assert run_view.row(run)["word"]
    assert [each["do"] for each in run_view.presses(run, None)] == ["cancel"] * (status is TaskStatus.PENDING)


def test_a_running_row_counts_from_its_date_and_names_the_pace() -> None:
    row = run_view.row(fake_run(phase=RunPhase.SUBMITTED, task_status=TaskStatus.RUNNING, submitted_at=1001.0))
    assert (row["since"], row["took_s"], row["speed"]) == (1001.0, None, 60)
    assert row["usual"] == "usually 1–2½ min · simulated time, 60×"
    assert "%" not in run_view.html(fake_run(phase=RunPhase.SUBMITTED, submitted_at=1001.0)).replace("100%", "")


def test_a_failure_says_what_to_do() -> None:
    row = run_view.row(
        fake_run(phase=RunPhase.FAILED, code="DataInspectionFailed", message="input <b>", submitted_at=1.0)
    )
    assert row["fault"] == "DataInspectionFailed: input <b>" and "Change the prompt" in row["advice"]


def test_a_run_that_nobody_watches_says_how_to_go_on() -> None:
    row = run_view.row(fake_run(phase=RunPhase.SUBMITTED, task_status=TaskStatus.RUNNING, unwatched="disk full"))
    assert row["word"] == "not watched" and "session.resume()" in row["advice"]


# --- live -------------------------------------------------------------------------------------------------------


def test_the_box_has_the_predicted_shape_before_there_is_a_video(session: wan.Session, picture: Path) -> None:
    run = session.submit(wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P", duration=2))
    view = RunView(run)
    first = view._player.clips[0]
    assert (first["width"], first["height"]) == (816, 1104) or first["ready"]
    until(lambda: view._player.clips[0]["ready"] and view._player.clips[0]["poster"])
    assert view._status.row["word"] == "saved"
    view.close()


def test_bytes_come_by_message_only(saved: wan.Run) -> None:
    view = RunView(saved)
    sent: list[tuple[dict[str, Any], Any]] = []
    view._player.send = lambda content, buffers=None: sent.append((content, buffers))
    view._player._handle_custom_msg({"want": "bytes", "index": 0}, [])
    until(lambda: sent)
    assert saved.video is not None
    assert sent[0][0] == {"have": "bytes", "index": 0, "key": ""} and sent[0][1][0] == saved.video.path.read_bytes()


def test_a_video_that_is_gone_is_said_in_its_place(saved: wan.Run) -> None:
    view = RunView(saved)
    sent: list[dict[str, Any]] = []
    view._player.send = lambda content, buffers=None: sent.append(content)
    assert saved.video is not None
    saved.video.path.unlink()
    view._player._handle_custom_msg({"want": "bytes", "index": 0}, [])
    assert "FileNotFound" in until(lambda: sent)[0]["why"] or "No such file" in sent[0]["why"]
    assert "no longer at" in video_view.html(saved.video)


def test_cancel_goes_to_the_service_and_its_refusal_is_painted(session: wan.Session, picture: Path) -> None:
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
    run = session.submit(request)
    run.wait(timeout_s=30)
    view = RunView(run)
    view._status.row = view._status.row | {"presses": [run_view.press("cancel", "Cancel")]}  # as it was a moment ago
    view._status._handle_custom_msg({"press": "cancel", "what": ""}, [])
    until(lambda: "UnsupportedOperation" in view._status.row["fault"] or "Error" in view._status.row["fault"])


def test_the_browser_learns_the_kernels_clock(saved: wan.Run) -> None:
    view = RunView(saved)
    sent: list[dict[str, Any]] = []
    view._status.send = lambda content, buffers=None: sent.append(content)
    view._status._handle_custom_msg({"hello": True}, [])
    assert abs(sent[0]["now"] - Clock().now()) < 5


# --- what can be pressed -----------------------------------------------------------------------------------------


def failing(folder: Path, *faults: Fault) -> wan.Session:
    return wan.simulated(folder, speed=600, scenario=replace(SMALL, faults=faults))


def look_at(session: wan.Session, picture: Path, model: str = "wan2.6-i2v-flash") -> RunView:
    """A run that is over, or ambiguous, and its view."""
    run = session.submit(wan.VideoRequest(model, first_frame=picture, resolution="720P", duration=2))
    until(lambda: run.state.phase.is_terminal)
    view = RunView(run)
    until(lambda: offered(view))
    return view


def offered(view: RunView) -> list[str]:
    return [each["do"] for each in view._status.row["presses"]]


def click(view: RunView, do: str, what: str = "") -> None:
    view._status._handle_custom_msg({"press": do, "what": what}, [])


TIMED_OUT = Fault("create", "fail_task", code="InternalError.Timeout", message="no result")
MODERATED = Fault("create", "fail_task", code="DataInspectionFailed", message="no")


@pytest.mark.parametrize("phase", list(RunPhase))
def test_every_phase_offers_what_fits_and_names_the_price(phase: RunPhase) -> None:
    fits = {"submitted": "cancel", "planned": "cancel", "ambiguous": "look"}
    fits |= dict.fromkeys(("failed", "rejected", "canceled", "expired", "lost"), "again")
    run = fake_run(is_simulated=False, phase=phase, task_status=TaskStatus.PENDING, submitted_at=1001.0)
    found = run_view.presses(run, Money.of("0.5 USD"))
    assert [each["do"] for each in found] == ([fits[phase]] if phase in fits else [])
    assert all("about 0.50 USD" in each["text"] for each in found if each["do"] == "again")


@pytest.mark.parametrize(
    ("code", "do"),
    [
        ("Throttling.RateQuota", "again"),
        ("InternalError.Upload", "again"),
        ("DataInspectionFailed", "edit"),
        ("InvalidApiKey", "edit"),
    ],
)
def test_what_passes_by_itself_is_made_again_and_the_rest_edited(code: str, do: str) -> None:
    run = fake_run(phase=RunPhase.FAILED, code=code, message="no")
    assert [each["do"] for each in run_view.presses(run, None)] == [do]


def test_a_run_that_nobody_sent_can_be_sent_and_one_that_nobody_watches_taken_up() -> None:
    run = fake_run(unwatched="gave up sending after 6 tries; nothing was sent")
    assert run_view.row(run)["word"] == "not sent"
    assert [each["text"] for each in run_view.presses(run, None)] == ["Send — simulated, free"]
    run = fake_run(phase=RunPhase.SUCCEEDED, unwatched="the result host is blocked", submitted_at=1001.0)
    assert [each["do"] for each in run_view.presses(run, None)] == ["resume"]
    assert run_view.row(run)["life"].startswith("not fetched yet") and "real hours" in run_view.row(run)["life"]


def test_again_makes_one_linked_run_however_often_it_is_pressed(tmp_path: Path, picture: Path) -> None:
    with failing(tmp_path / "runs", TIMED_OUT) as session:
        view = look_at(session, picture)
        assert offered(view) == ["again"]
        for _ in range(3):
            click(view, "again")
        made = until(lambda: view._under)[0].run
        until(lambda: made.video)
        assert made.state.again_of == view.run.id and made.state.take == 2
        assert len(session.runs()) == 2 and offered(view) == []
        later = RunView(view.run)  # opened anew, it says that this was done before
        until(lambda: "Take 2 is there already" in later._status.row["presses"][0]["note"])
        click(view, "cancel")  # what is not offered does nothing
        assert view._status.row["fault"].startswith("InternalError.Timeout")


def test_two_views_of_one_run_do_not_pay_twice(tmp_path: Path, picture: Path) -> None:
    """The second one's button named a take that the first made meanwhile: it says so, and must be pressed again."""
    with failing(tmp_path / "runs", TIMED_OUT) as session:
        view = look_at(session, picture)
        other = RunView(view.run)
        until(lambda: other._status.row["presses"] and other._player.clips[0]["poster"])
        click(view, "again")
        until(lambda: view._under)
        click(other, "again")
        until(lambda: "Take 2 was made meanwhile" in other._status.row["fault"] and offered(other))
        assert len(session.runs()) == 2 and not other._under
        click(other, "again")
        until(lambda: other._under)
        assert [run.state.take for run in session.runs()] == [3, 2, 1]


def test_a_picture_is_mended_once_whoever_presses(tmp_path: Path) -> None:
    fault = replace(MODERATED, code="InvalidParameter.DataInspection", message="image size is not supported")
    with failing(tmp_path / "runs", fault) as session:
        view = look_at(session, make_picture(tmp_path / "wide.png", 2100, 700), "wan2.6-i2v")
        other = RunView(view.run)
        for each in (view, other):
            until(lambda each=each: offered(each) == ["mend", "edit"])
            click(each, "mend")
            until(lambda each=each: each._under)
        assert other._under[0].run is view._under[0].run and len(session.runs()) == 2


def test_a_picture_is_mended_and_the_request_made_again(tmp_path: Path) -> None:
    fault = replace(MODERATED, code="InvalidParameter.DataInspection", message="image size is not supported")
    with failing(tmp_path / "runs", fault) as session:
        view = look_at(session, make_picture(tmp_path / "wide.png", 2100, 700), "wan2.6-i2v")
        until(lambda: offered(view) == ["mend", "edit"])
        assert "Scale it" in view._status.row["presses"][0]["note"]
        click(view, "mend")
        made = until(lambda: view._under)[0].run
        assert made.state.again_of == view.run.id and made.request.first_frame.size.width < 2000
        assert view.run.request.first_frame.size == Size(2100, 700)


def test_edit_opens_the_form_with_what_was_asked(tmp_path: Path, picture: Path) -> None:
    with failing(tmp_path / "runs", MODERATED) as session:
        view = look_at(session, picture)
        click(view, "edit")
        form = until(lambda: view._under)[0]
        assert (form.state.model, form.state.resolution, form.state.duration) == ("wan2.6-i2v-flash", "720P", 2)
        assert form.state.first_frame.name == "frame.png" and len(session.runs()) == 1
        view.close()


def test_a_lost_answer_can_only_be_looked_for_and_settled(tmp_path: Path, picture: Path) -> None:
    with failing(tmp_path / "runs", Fault("create", "lost_answer")) as session:
        view = look_at(session, picture)
        assert offered(view) == ["look"]
        click(view, "again")
        click(view, "look")
        until(lambda: offered(view) == ["adopt", "disown"])
        adopt = view._status.row["presses"][0]
        assert "same prompt" not in adopt["text"] and "sends nothing" in adopt["note"]
        click(view, "adopt", adopt["what"])
        until(lambda: view.run.video)
        assert len(session.runs()) == 1 and len(session.tasks()) == 1


def test_nothing_found_is_settled_by_the_users_word_and_then_made_again(tmp_path: Path, picture: Path) -> None:
    with failing(tmp_path / "runs", Fault("create", "reset")) as session:
        view = look_at(session, picture)
        click(view, "look")
        until(lambda: offered(view) == ["disown"])
        click(view, "disown")
        until(lambda: offered(view) == ["again"])
        assert view.run.state.phase is RunPhase.REJECTED and not session.tasks()


def test_a_price_that_changed_is_said_before_it_is_paid(tmp_path: Path, picture: Path, monkeypatch: Any) -> None:
    """The button names the price of the first run; a list that changed since must be pressed for again."""
    with failing(tmp_path / "runs", TIMED_OUT) as session:
        view = look_at(session, picture)
        monkeypatch.setattr(session, "is_simulated", False)
        price = SimpleNamespace(estimate=SimpleNamespace(money=Money.of("0.75 USD")))
        monkeypatch.setattr(session, "preview", lambda _: price)
        click(view, "again")
        until(lambda: "has changed" in view._status.row["fault"] and offered(view))
        assert view._status.row["presses"][0]["text"] == "Again — about 0.75 USD" and len(session.runs()) == 1
        click(view, "again")
        until(lambda: len(session.runs()) == 2)


def test_a_slow_download_tells_its_bytes_about_once_a_second(saved: wan.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake_run(phase=RunPhase.SUCCEEDED, submitted_at=1001.0)
    run.arrived = (3_200_000, 8_000_000)
    assert run_view.row(run)["word"] == "downloading" and run_view.row(run)["bytes"] == "3.1 MB of 7.6 MB"
    now = [100.0]
    monkeypatch.setattr("wan_nb.follow.time", SimpleNamespace(monotonic=lambda: now[0]))
    told: list[tuple[int, int]] = []
    end = saved.observe(lambda _: told.append(saved.arrived))
    teller = saved.session.follower._teller(saved.id)
    for done in range(0, 1000, 10):  # a block every twentieth of a second
        teller(done, 1000)
        now[0] += 0.05
    end()
    assert 4 <= len(told) <= 5 and told[0][0] >= 190


def test_a_download_tells_how_far_it_is(session: wan.Session, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wan_nb.follow.TELL_S", 0.0)
    run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
    video = run.wait(timeout_s=30)
    assert run.arrived == (video.nbytes, video.nbytes)
    assert run_view.row(run)["bytes"] == "" and run_view.row(run)["life"].startswith("saved here")


def test_the_rewritten_prompt_is_shown_against_the_asked_one() -> None:
    row = run_view.row(fake_run(phase=RunPhase.SAVED, submitted_at=1001.0, actual_prompt="a <b>quiet</b> cat"))
    assert "<ins" in row["diff"] and "&lt;b&gt;" in row["diff"] and row["prompt"] == ""
    assert len(row["diff"]) < 60_000


# --- what a cell shows ------------------------------------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    """A kernel's display, as a list of what was shown and what it was replaced by."""
    shown: list[tuple[str, Any]] = []
    handle = SimpleNamespace(update=lambda bundle, raw: shown.append(("update", bundle)))

    def display(what: Any, **_: Any) -> Any:
        shown.append(("display", what))
        return handle

    monkeypatch.setattr(run_view, "get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr(run_view.screen, "display", display)
    yield shown


def test_a_live_run_is_replaced_by_its_twin_at_its_end(
    tmp_path: Path, picture: Path, screen: list[tuple[str, Any]]
) -> None:
    with wan.simulated(tmp_path / "slow", speed=60, scenario=replace(SMALL, job_s=60)) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
        run._ipython_display_()
        run.wait(timeout_s=30)
        until(lambda: len(screen) == 2)
    assert isinstance(screen[0][1], RunView)
    assert screen[1][0] == "update" and "<video" in screen[1][1]["text/html"]
    assert screen[1][1]["text/plain"].startswith("Run(")


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_run_that_failed_keeps_its_buttons_where_somebody_looks_on(
    tmp_path: Path, picture: Path, screen: list[tuple[str, Any]], *, is_seen: bool
) -> None:
    slow = replace(TIMED_OUT, seconds=60)
    with wan.simulated(tmp_path / "slow", speed=60, scenario=replace(SMALL, faults=(slow,))) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
        run._ipython_display_()
        view = screen[0][1]
        if is_seen:
            view._status._handle_custom_msg({"hello": True}, [])
            until(lambda: offered(view) == ["again"])
            assert len(screen) == 1 and "text/html" in view._repr_mimebundle_()
        else:
            assert until(lambda: len(screen) == 2)


def test_a_finished_run_is_shown_as_its_twin(saved: wan.Run, screen: list[tuple[str, Any]]) -> None:
    run_view.show(saved)
    assert set(screen[0][1]) == {"text/plain", "text/html"} and len(screen) == 1


def test_in_a_script_nothing_is_shown(saved: wan.Run, capsys: pytest.CaptureFixture[str]) -> None:
    run_view.show(saved)
    assert capsys.readouterr().out == ""


# --- twins ------------------------------------------------------------------------------------------------------


def assert_inert(html: str) -> None:
    """No script, no handler, no outside resource, and every tag closed by us."""
    assert not re.search(r"<script|<link|<iframe|<source|<img src=x", html, re.IGNORECASE)
    assert not re.search(r"<[^>]*\son\w+\s*=", html)
    assert not re.search(r'(src|href|poster)="(https?:)?//', html)


def test_twins_hold_the_video_and_nothing_from_outside(saved: wan.Run) -> None:
    video = saved.video
    assert video is not None
    preview = saved.session.preview(saved.request)
    twins = (
        video_view.html(video),
        run_view.html(saved),
        board_view.table_html([saved]),
        preview_view.html(preview),
        preview_view.request_html(saved.request),
    )
    for html in twins:
        assert_inert(html)
    assert 'src="data:video/mp4;base64,' in twins[0] and 'poster="data:image/jpeg' in twins[0]
    assert "&lt;img src=x" in twins[1] and "<source" not in twins[0]


def test_a_large_video_stays_beside_the_notebook(saved: wan.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved.video is not None
    monkeypatch.setattr(video_view, "EMBED_BYTES", 10)
    html = video_view.html(saved.video)
    assert f'src="runs/videos/{saved.video.path.name}"' in html and "not kept in this page" in html
    assert 'poster="data:image/jpeg' in html


def test_a_failed_run_is_a_twin_with_its_reason(tmp_path: Path, picture: Path) -> None:
    fault = Fault(
        "create", "fail_task", code="DataInspectionFailed", message="Output data may contain inappropriate content."
    )
    with wan.simulated(tmp_path / "bad", speed=600, scenario=replace(SMALL, faults=(fault,))) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
        until(lambda: run.state.phase.is_terminal)
        html = run_view.html(run)
        assert "DataInspectionFailed" in html and "Another seed" in html and "<video" not in html
        assert_inert(html)


def test_no_runs_is_a_sentence() -> None:
    assert board_view.table_html([]) == "<div>no runs yet</div>"


def test_posters_fit_into_widget_state() -> None:
    asked: list[int] = []

    def picture(longest: int) -> bytes:
        asked.append(longest)
        return b"x" * longest * 100

    address = video_view.jpeg_address(picture)
    assert len(address) <= 40_000 and asked == [480, 320, 240]


def test_a_player_holds_several_clips() -> None:
    player = Player([video_view.clip(Size(64, 48)), video_view.clip(Size(48, 64))], lambda _: b"", lambda f, *a: f(*a))
    assert [clip["width"] for clip in player.clips] == [64, 48]
