"""Every family, place and error from end to end: a session, a socket, the simulator, a file that is looked at."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.films import look_at, loudness, write_clip, write_sound
from tests.waiting import until
from wan_nb import connect
from wan_nb.advice import explain
from wan_nb.client import Body, Client
from wan_nb.clock import Clock
from wan_nb.endpoint import Endpoint, Secret, region_endpoint
from wan_nb.errors import (
    AmbiguousError,
    AuthenticationError,
    ConfigError,
    ExpiredError,
    RequestError,
    RunError,
    ServiceError,
    TaskFailedError,
)
from wan_nb.record import RunPhase
from wan_nb.session import Session
from wan_nb.simulator import Fault, Scenario, Simulator, Timing
from wan_nb.task import TaskSnapshot, TaskStatus, Usage
from wan_nb.video import first_frame

QUICK = Clock(speed=600)
MEDIA = ("first_frame", "first_clip", "last_frame", "driving_audio")
SIX = (
    {"first_frame"},
    {"first_frame", "driving_audio"},
    {"first_frame", "last_frame"},
    {"first_frame", "last_frame", "driving_audio"},
    {"first_clip"},
    {"first_clip", "last_frame"},
)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A local file for each kind of input."""
    return {
        "first_frame": make_picture(tmp_path / "first.png", 300, 400),
        "last_frame": make_picture(tmp_path / "last.png", 400, 300),
        "driving_audio": write_sound(tmp_path / "song.wav", 3.0),
        "first_clip": write_clip(tmp_path / "clip.mp4", (320, 240), 2.0),
    }


@contextmanager
def simulated(folder: Path, key: str = "sk-1", prefix: str = "", **options: Any) -> Iterator[Session]:
    """Open a session against a simulator, with a key and a prefix of one's own."""
    scenario = replace(SMALL, **options)
    with Simulator(folder / "service", clock=QUICK, scenario=scenario) as service:
        base = service.base_url.replace("/api/v1", f"{prefix}/api/v1")
        endpoint = Endpoint("simulator", base, Secret(key), is_simulated=True)
        with Session(endpoint, folder / "runs", clock=QUICK) as session:
            yield session


# --- 2.7 ------------------------------------------------------------------------------------------------------------


def test_all_six_sets_of_media(session: wan.Session, files: dict[str, Path]) -> None:
    """From local files: pictures as base64, sound and clip by upload; `duration` is the total length of a clip."""
    assert len(SIX) == 6
    request = wan.VideoRequest("wan2.7-i2v", prompt="x", resolution="720P", duration=5)
    runs = [session.submit(request.replace(**{name: files[name] for name in names})) for names in SIX]
    for names, run in zip(SIX, runs, strict=True):
        film = look_at(run.wait(timeout_s=60).path)
        shape = (96, 64) if "first_clip" in names else (64, 80)
        assert (film.codec, film.fps, film.seconds, film.sound is not None) == ("h264", 30.0, 5.0, True), names
        assert (film.size[0] > film.size[1]) is (shape[0] > shape[1])
        assert run.state.billed_s == 5
        if "driving_audio" in names:
            assert loudness(run.wait().path, 0.5, 2.5) > 20 * loudness(run.wait().path, 3.5, 4.8)


def test_every_other_set_is_refused(session: wan.Session, files: dict[str, Path]) -> None:
    """Ten others, in one line each, and nothing is written down."""
    refused = 0
    for count in range(5):
        for names in itertools.combinations(MEDIA, count):
            if set(names) not in SIX:
                with pytest.raises(RequestError, match=r"is not a set that wan2\.7-i2v takes"):
                    session.submit(wan.VideoRequest("wan2.7-i2v", **{name: files[name] for name in names}))
                refused += 1
    assert refused == 10
    assert not session.runs()


def test_a_continuation_begins_with_the_clip_and_costs_its_whole_length(
    session: wan.Session, files: dict[str, Path], tmp_path: Path
) -> None:
    """A clip of 2 s and duration 15 make 13 s, and 15 s are billed (seed 001)."""
    request = wan.VideoRequest("wan2.7-i2v", first_clip=files["first_clip"], resolution="720P", duration=15)
    with wan.live("singapore", api_key="sk-0", folder=tmp_path / "live") as live:
        assert live.preview(request).estimate.money == wan.Money.of("1.50 USD")
    run = session.submit(request)
    video = run.wait(timeout_s=60)
    assert (look_at(video.path).seconds, run.state.billed_s) == (15.0, 15)
    assert first_frame(video.path).resize((1, 1)).getpixel((0, 0))[0] < 60  # the clip begins dark
    usage = snapshot_of(session, run).usage
    assert usage == Usage(billed_s=15, input_s=2, output_s=13, tier="720P", video_count=1)


def snapshot_of(session: Session, run: wan.Run) -> TaskSnapshot:
    async def ask() -> TaskSnapshot:
        client = Client(session.endpoint)
        try:
            return await client.get(run.state.task_id)
        finally:
            await client.close()

    return asyncio.run(ask())


def test_a_song_is_uploaded_once(session: wan.Session, files: dict[str, Path]) -> None:
    """Two runs with the same song: one policy, one upload."""
    request = wan.VideoRequest(
        "wan2.7-i2v", first_frame=files["first_frame"], driving_audio=files["driving_audio"], duration=3
    )
    runs = [session.submit(request), session.submit(request.replace(duration=4), allow="all")]
    assert [look_at(run.wait(timeout_s=60).path).seconds for run in runs] == [3, 4]
    again = runs[0].again()
    again.wait(timeout_s=60)
    assert len(list((session.folder / "simulator" / "uploads").iterdir())) == 1


# --- fields of the older families -----------------------------------------------------------------------------------


def test_the_switch_beats_the_song(session: wan.Session, files: dict[str, Path]) -> None:
    """2.6-flash with audio=False is silent although a song is given, and is held back first (seed 004)."""
    request = wan.VideoRequest(
        "wan2.6-i2v-flash", first_frame=files["first_frame"], driving_audio=files["driving_audio"], audio=False
    )
    with pytest.raises(RequestError, match="silent video"):
        session.submit(request)
    run = session.submit(request, allow="driving_audio")
    assert look_at(run.wait(timeout_s=60).path).sound is None
    assert snapshot_of(session, run).usage == Usage(5, 0, 5, "1080P", 1, audio=False)


def test_the_rewritten_prompt_is_given_back_where_the_model_does_so(
    session: wan.Session, files: dict[str, Path]
) -> None:
    """2.2 does, and not without rewriting; 2.6 never (seed 003)."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"], prompt="A cat looks up")
    older = session.submit(request).wait(timeout_s=60)
    assert older.actual_prompt.startswith("A cat looks up. ")
    assert session.submit(request.replace(prompt_extend=False)).wait(timeout_s=60).actual_prompt == ""
    assert session.submit(request.replace(model="wan2.6-i2v-flash")).wait(timeout_s=60).actual_prompt == ""


def test_raw_mode(session: wan.Session, files: dict[str, Path]) -> None:
    """An unlisted parameter is sent with a warning, an unlisted model too; a known one must be a field."""
    plain = wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"])
    extra = plain.replace(extra={"new_switch": True})
    assert extra.payload()["parameters"] == {"new_switch": True}
    assert [problem.severity for problem in extra.problems() if problem.field == "extra"] == ["warning"]
    session.submit(extra).wait(timeout_s=60)
    with pytest.raises(RequestError, match="Give duration= as a field"):
        session.submit(plain.replace(extra={"duration": 99}))
    unlisted = session.submit(plain.replace(model="wan9.9-i2v", family="i2v"), allow="all")
    with pytest.raises(TaskFailedError, match="ModelNotFound") as caught:
        unlisted.wait(timeout_s=30)
    assert caught.value.advice
    assert "region" in caught.value.advice.what_to_do


def test_a_model_on_the_wrong_path(session: wan.Session) -> None:
    """The text that the documents' FAQ explains, with the service's ids on the error."""

    async def call() -> None:
        client = Client(session.endpoint)
        request = wan.VideoRequest("wan2.6-i2v", first_frame="https://x.example/a.png")
        try:
            await client.create("/services/aigc/image2video/video-synthesis", Body(request.payload))
        finally:
            await client.close()

    with pytest.raises(ServiceError, match="url error, please check url!") as caught:
        asyncio.run(call())
    assert caught.value.request_id
    assert explain(caught.value.code, str(caught.value)).what_happened == "Model and path do not belong together."


# --- gateways -------------------------------------------------------------------------------------------------------


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """`wan.gateway` on the simulator's prefix, with any key, and quick."""
    monkeypatch.setattr(connect, "Session", partial(Session, clock=QUICK))
    with Simulator(tmp_path / "service", clock=QUICK, scenario=SMALL) as service:
        base = service.base_url.replace("/api/v1", "/qwen/api/v1")
        with wan.gateway(base, api_key="any-words", folder=tmp_path / "gateway") as session:
            yield session


def test_a_gateway_makes_a_video(gateway: Session, tmp_path: Path) -> None:
    """Own prefix and poll path, last frame optional, template, pictures as base64 (seed 002)."""
    picture = make_picture(tmp_path / "a.png", 400, 360)
    assert "/qwen/api/v1" in gateway.endpoint.base_url
    request = wan.VideoRequest("wan2.2-kf2v-flash", first_frame=picture, resolution="480P", prompt="x")
    assert not gateway.preview(request).request.problems(gateway.place, severity="refused")
    assert look_at(gateway.submit(request).wait(timeout_s=60).path).seconds == 5
    effect = request.replace(template="hanfu-1", prompt=None)
    assert effect.payload()["input"]["template"] == "hanfu-1"
    assert gateway.submit(effect).wait(timeout_s=60).path.exists()


def test_a_gateway_has_the_older_bounds(gateway: Session, tmp_path: Path) -> None:
    """360 to 2000 px there, where the service itself takes 240 to 8000."""
    for width, height in ((359, 400), (400, 2001)):
        small = wan.VideoRequest("wan2.2-kf2v-flash", first_frame=make_picture(tmp_path / "s.png", width, height))
        assert not small.problems(severity="refused")
        with pytest.raises(RequestError, match="360 to 2000 px"):
            gateway.submit(small)


def test_a_gateway_says_what_it_lacks(gateway: Session, files: dict[str, Path], tmp_path: Path) -> None:
    """No list, no cancel, no uploads: one clear line each, before anything is sent."""
    large = make_picture(tmp_path / "large.png", 400, 500)
    with pytest.raises(ConfigError, match="no task list"):
        gateway.tasks()
    with pytest.raises(RequestError, match="no uploads"):
        gateway.submit(wan.VideoRequest("wan2.7-i2v", first_frame=large, driving_audio=files["driving_audio"]))
    run = gateway.submit(wan.VideoRequest("wan2.2-kf2v-flash", first_frame=large))
    until(lambda: run.state.task_id)
    with pytest.raises(ConfigError, match="cannot call a task back"):
        run.cancel()


def relay(folder: Path, answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> Session:
    """A session whose other side is a function."""
    endpoint = Endpoint("relay", "https://relay.example/wan/api/v1", Secret("k"), is_simulated=True, **options)
    return Session(endpoint, folder / "relay", clock=QUICK, transport=httpx.MockTransport(answer))


def test_a_gateways_own_words(tmp_path: Path, files: dict[str, Path]) -> None:
    """Status map and poll path are data; its ``result_url`` is found, and the host of the file is kept."""
    words = iter(["queued", "in_progress"])
    mp4 = files["first_clip"].read_bytes()
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if request.url.host == "store.example":
            assert "authorization" not in request.headers
            return httpx.Response(200, content=mp4)
        output = {"task_id": "t1", "task_status": "submitted" if request.method == "POST" else next(words, "completed")}
        if output["task_status"] == "completed":
            output["result_url"] = "https://store.example/v.mp4?Signature=s"
        return httpx.Response(200, json={"output": output})

    status_map = {"submitted": "PENDING", "queued": "PENDING", "in_progress": "RUNNING", "completed": "SUCCEEDED"}
    with relay(tmp_path, answer, status_map=status_map, poll_path="/tasks/video/{task_id}") as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
        assert run.wait(timeout_s=60).path.read_bytes() == mp4
    assert run.state.result_host == "store.example"
    assert "/wan/api/v1/tasks/video/t1" in seen
    kinds = [record.data.get("status") for record in records(run) if record.kind == "observed"]
    assert kinds == ["RUNNING", "SUCCEEDED"]


def records(run: wan.Run) -> list[Any]:
    from wan_nb.ledger import Ledger

    ledger = Ledger(run.session.folder / "ledger.sqlite")
    try:
        return list(ledger.records(run.id))
    finally:
        ledger.close()


def test_a_good_answer_without_a_task_is_ambiguous(tmp_path: Path, files: dict[str, Path]) -> None:
    """Seed 002 documents an empty object: it may run and be billed, so it is not sent again."""
    posts: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        posts.append(request)
        return httpx.Response(200, json={})

    with relay(tmp_path, answer) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
        with pytest.raises(AmbiguousError, match="without a usable task_id"):
            run.wait(timeout_s=30)
    assert len(posts) == 1


# --- keys, ends, and what the storage does --------------------------------------------------------------------------


def test_a_wrong_key_names_the_region(tmp_path: Path, files: dict[str, Path]) -> None:
    """Rejected at once, not billed, and the usual cause is said."""
    with simulated(tmp_path, key="sk-invalid") as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
        with pytest.raises(TaskFailedError, match="region") as caught:
            run.wait(timeout_s=30)
        assert run.state.phase is RunPhase.REJECTED
        assert caught.value.request_id
        assert caught.value.advice
        assert "another region" in caught.value.advice.likely_cause
        with pytest.raises(AuthenticationError):
            session.tasks()


def test_unknown_is_asked_about_again_and_a_day_later_means_expired(tmp_path: Path, files: dict[str, Path]) -> None:
    """Within 24 hours UNKNOWN may pass; after that it is the end."""
    ahead = [0.0]
    clock = Clock(speed=600, now=lambda: QUICK.now() + ahead[0])
    scenario = replace(SMALL, faults=(Fault("poll", "expire", count=None),))
    with Simulator(tmp_path / "service", clock=QUICK, scenario=scenario) as service:
        endpoint = Endpoint("simulator", service.base_url, Secret("sk-1"), is_simulated=True)
        with Session(endpoint, tmp_path / "runs", clock=clock) as session:
            run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
            until(lambda: run.state.task_status is TaskStatus.UNKNOWN)
            assert run.state.phase is RunPhase.SUBMITTED
            assert "not known there yet" in repr(run)
            ahead[0] = 25 * 3600.0
            with pytest.raises(ExpiredError, match="24 hours"):
                run.wait(timeout_s=30)
    advice = explain("UNKNOWN")
    assert all(word in advice.likely_cause for word in ("24 hours", "another account or region", "so new"))


def test_cancel_while_queued_and_not_later(tmp_path: Path, files: dict[str, Path]) -> None:
    """Only PENDING tasks can be called back; the refusal is the service's own, with its advice."""
    with simulated(tmp_path, timing=Timing(pending_s=3000), job_s=4000) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
        until(lambda: run.state.task_id)
        assert run.cancel().phase is RunPhase.CANCELED
        with pytest.raises(RunError):
            run.wait(timeout_s=10)
        rows = session.tasks(status="CANCELED")
        assert [row.task_id for row in rows] == [run.state.task_id]
    with simulated(tmp_path / "later", timing=Timing(pending_s=0), job_s=6000) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
        until(lambda: run.state.task_status is TaskStatus.RUNNING)
        with pytest.raises(ServiceError, match="UnsupportedOperation") as caught:
            run.cancel()
        assert explain(caught.value.code).again == "no"
        assert run.state.phase is RunPhase.SUBMITTED


def test_a_lost_result_names_its_host(tmp_path: Path, files: dict[str, Path]) -> None:
    """Firewalls block result hosts (FAQ of seeds 000, 001, 003): the message says which one to allow."""
    blocked = tuple(replace(each, status=403) for each in Scenario.named("storage_missing").faults)
    with simulated(tmp_path, faults=blocked) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"]))
        with pytest.raises(RunError, match=r"allow 127\.0\.0\.1.*session\.resume"):
            run.wait(timeout_s=30)
        assert run.state.result_host == "127.0.0.1"


def test_a_result_that_is_not_there_is_not_blamed_on_a_firewall(tmp_path: Path, files: dict[str, Path]) -> None:
    """And the reason stands in one place: not in each cell of a study, not with two full stops."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"])
    with simulated(tmp_path, faults=Scenario.named("storage_missing").faults) as session:
        study = session.compare(request, prompt=["a", "b"]).submit().wait(timeout_s=60)
        assert "not fetched" in repr(study) and "127.0.0.1" not in repr(study)
        run = study.cells[0].run
        assert run
        for act in (run.wait, run.candidates, lambda: study.again("A", study.seeds[0])):
            with pytest.raises(wan.WanError) as caught:
                act()
            assert "irewall" not in str(caught.value) and ".. " not in str(caught.value)
        with pytest.raises(ConfigError, match="not ambiguous: it is not fetched"):
            run.candidates()
        with pytest.raises(RunError, match=r"answered 404 to the download\. The file is not there"):
            run.wait()


def test_a_result_that_cannot_be_reached_names_its_host(tmp_path: Path) -> None:
    """Where nothing answers at all, as behind a firewall that drops."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out", request=request)

    client = Client(region_endpoint("singapore", Secret("k")), transport=httpx.MockTransport(answer))
    with pytest.raises(ConnectionError, match=r"allow dashscope-result-sh\.example"):
        asyncio.run(client.download("https://dashscope-result-sh.example/v.mp4?Signature=s", tmp_path / "v.part"))


def test_dead_storage_is_told_and_resumed(tmp_path: Path, files: dict[str, Path]) -> None:
    """The run says which host to allow; once it answers, resume() fetches the video."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"], resolution="480P")
    with simulated(tmp_path, result_origin="http://127.0.0.1:9") as session:
        run = session.submit(request)
        with pytest.raises(RunError, match=r"allow 127\.0\.0\.1.*resume"):
            run.wait(timeout_s=60)
    with simulated(tmp_path) as session:
        again = session.submit(request)
        assert again.id == run.id
        assert not again.state.unwatched
        assert look_at(again.wait(timeout_s=60).path).seconds == 5


def test_the_task_list(session: wan.Session, files: dict[str, Path]) -> None:
    """All pages, or one; shown as a table; a filter that does not exist is named."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=files["first_frame"], resolution="480P")
    runs = [session.submit(request.replace(seed=seed)) for seed in range(3)]
    assert all(run.wait(timeout_s=60) for run in runs)
    tasks = session.tasks(page_size=2)
    assert (len(tasks), tasks.pages) == (3, 2)
    assert {row.task_id for row in tasks} == {run.state.task_id for run in runs}
    assert len(session.tasks(page_no=2, page_size=2)) == 1
    assert "SUCCEEDED" in repr(tasks)
    assert "<table" in tasks._repr_html_()
    assert session.tasks(model_name="wan2.7-i2v") == []
    with pytest.raises(ConfigError, match="model_name, status"):
        session.tasks(model="wan2.7-i2v")


def test_uploads_exist_where_the_documents_say_so(files: dict[str, Path]) -> None:
    """Singapore and Beijing have them; elsewhere a local song is refused before it is paid for."""
    request = wan.VideoRequest(
        "wan2.6-i2v", first_frame="https://x.example/a.png", driving_audio=files["driving_audio"]
    )
    for region, refused in {"singapore": False, "beijing": False, "virginia": True}.items():
        place = region_endpoint(region, Secret("k")).place
        assert any("no uploads" in str(problem) for problem in request.problems(place)) is refused


# --- what the service says ------------------------------------------------------------------------------------------

INVALID = "InvalidParameter"
ERRORS: tuple[tuple[str, str, str], ...] = (
    # code, text, and the retry column of the table of errors: no, yes, later, changed
    *((code, "Invalid API-key provided.", "no") for code in ("InvalidApiKey", "invalid_api_key")),
    *((code, "", "no") for code in ("NOT AUTHORIZED", "invalid access token")),
    ("AccessDenied", "current user api does not support synchronous calls", "no"),
    ("AccessDenied", "current user api does not support asynchronous calls", "no"),
    ("AccessDenied", "Invalid according to Policy: Policy expired.", "yes"),
    *((code, "", "no") for code in ("AccessDenied.Unpurchased", "Model.AccessDenied", "Workspace.AccessDenied")),
    *((code, "", "no") for code in ("App.AccessDenied", "Endpoint.AccessDenied", "AllocationQuota.FreeTierOnly")),
    *((code, "", "no") for code in ("Arrearage", "isv.OUT_OF_SERVICE")),
    *((code, "Model not exist.", "no") for code in ("ModelNotFound", "model_not_found", "model_not_supported")),
    *((code, "", "no") for code in ("WorkSpaceNotFound", "NotFound")),
    (INVALID, "url error, please check url!", "no"),
    (INVALID, "Model not exist.", "no"),
    *(
        (INVALID, text, "changed")
        for text in (
            "Field required: input.media",
            "Required parameter(model) missing or invalid",
            "img_url must be set for image to video method",
            "video frames must be set",
            "prompt must contain words",
            "Duration should be between 2 and 15",
            "Input should be '1080P' or '720P'",
            "duration customization is not supported",
            "the parameters must conform to the specification: seed",
            "The size is not match xxxxxx",
            "Image height or width is too small than 240",
            "Image size is too large than 20.0 mb",
            "Image format error",
            "Invalid image format or corrupted file",
            "the size of input image is too small or too large",
            "Don't have authorization to access the media resource",
            "Failed to find the requested media resource",
            "Failed to decode the image during the data inspection",
            "The image size is not supported for the data inspection",
        )
    ),
    *(
        (code, text, "yes")
        for code in (INVALID, f"{INVALID}.DataInspection")
        for text in (
            "Failed to download multimodal content",
            "Download the media resource timed out",
            "Unable to download the media resource during the data inspection process",
        )
    ),
    *((f"InvalidURL.{kind}", "", "yes") for kind in ("ConnectionRefused", "Timeout")),
    *(
        ("InvalidURL", text, "changed")
        for text in (
            "The URL is invalid.",
            "input audio is longer than 30s",
            "File size is larger than 15MB",
            "File type is not supported. Allowed types are: .wav, .mp3.",
        )
    ),
    *(
        (f"InvalidFile.{kind}", "", "changed")
        for kind in ("Resolution", "FPS", "Size", "Duration", "ImageSize", "AspectRatio", "Format", "Openerror")
    ),
    *((f"InvalidImage.{kind}", "", "changed") for kind in ("FileFormat", "ImageSize", "NoHumanFace")),
    *((code, "", "changed") for code in ("InvalidImageResolution", "InvalidImageFormat")),
    ("DataInspectionFailed", "Output data may contain inappropriate content.", "changed"),
    ("DataInspectionFailed", "Input data may contain inappropriate content.", "changed"),
    *((code, "", "changed") for code in ("data_inspection_failed", "IPInfringementSuspect")),
    *((code, "", "changed") for code in ("CustomRoleBlocked", "FaqRuleBlocked")),
    *(
        (f"BadRequest.{kind}", "", "changed")
        for kind in ("EmptyInput", "EmptyParameters", "EmptyModel", "IllegalInput", "UnsupportedFileFormat", "TooLarge")
    ),
    ("BadRequest.ResourceNotExist", "", "changed"),
    ("BadRequest.InputDownloadFailed", "", "yes"),
    ("BadRequest.EmptyWorkspace", "", "no"),
    ("UnsupportedOperation", "Failed to cancel the task.", "no"),
    ("Conflict", "", "no"),
    ("HTTP 413", "", "changed"),
    *((code, "", "yes") for code in ("Throttling", "Throttling.RateQuota", "limit_requests")),
    *((code, "", "yes") for code in ("Throttling.BurstRate", "limit_burst_rate", "Throttling.Concurrency")),
    *((code, "", "later") for code in ("Throttling.AllocationQuota", "insufficient_quota")),
    *((code, "", "no") for code in ("CommodityNotPurchased", "PrepaidBillOverdue", "PostpaidBillOverdue")),
    *((code, "", "yes") for code in ("InternalError", "internal_error", "InternalError.Algo", "SystemError")),
    *((code, "", "yes") for code in ("ModelServiceFailed", "InternalError.Timeout", "InternalError.FileUpload")),
    *((code, "", "yes") for code in ("InternalError.Upload", "RequestTimeOut", "ResponseTimeout", "RewriteFailed")),
    *((code, "", "yes") for code in ("ServiceUnavailable", "ModelUnavailable")),
    *((code, "", "yes") for code in ("APIConnectionError", "WaitTaskTimeout")),
)


@pytest.mark.parametrize(("code", "text", "again"), ERRORS, ids=[f"{code}: {text}"[:60] for code, text, _ in ERRORS])
def test_every_error_has_its_advice(code: str, text: str, again: str) -> None:
    """What happened, what to do, and whether trying again helps, for every row of the table."""
    advice = explain(code, text)
    assert advice.what_happened != explain("NoSourceNamesThis").what_happened
    assert advice.what_to_do
    assert advice.again == again


def test_a_missing_field_is_not_called_a_bad_picture() -> None:
    """Both texts hold the word image."""
    missing = explain(INVALID, "img_url must be set for image to video method")
    small = explain(INVALID, "Image height or width is too small than 240")
    assert missing.what_happened == "The body is not what the model takes."
    assert small.what_happened == "The picture does not fit."


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"video_count": 1, "video_duration": 5, "video_ratio": "standard"}, Usage(5, video_count=1)),
        ({"video_duration": 5, "video_count": 1, "SR": 480}, Usage(5, tier="480P", video_count=1)),
        ({"video_count": 1, "video_duration": 0, "video_ratio": "", "duration": 10, "SR": 480},
         Usage(10, tier="480P", video_count=1)),
        ({"duration": 15, "input_video_duration": 0, "output_video_duration": 15, "video_count": 1, "SR": 720},
         Usage(15, 0, 15, "720P", 1)),
        ({"duration": 5.0, "input_video_duration": 0.0, "output_video_duration": 5.0, "video_count": 1.0, "SR": "720"},
         Usage(5, 0, 5, "720P", 1)),
        ({"duration": "5.0", "SR": "1080.0", "video_count": "1"}, Usage(5, tier="1080P", video_count=1)),
        ({"duration": 5, "SR": "720P", "audio": False}, Usage(5, tier="720P", audio=False)),
        ({"duration": float("nan"), "SR": float("inf"), "video_count": None}, Usage()),
        ({"duration": [], "SR": {}, "video_count": "one"}, Usage()),
        ({"video_count": 1}, Usage(video_count=1)),
    ],
)  # fmt: skip
def test_usage_of_all_generations(usage: dict[str, Any], expected: Usage) -> None:
    """As the documents show it, as the Java samples do, and what a gateway may make of it."""
    assert Usage.read(json.loads(json.dumps(usage))) == expected


def test_storage_refuses_in_xml_and_is_understood(files: dict[str, Path]) -> None:
    """Code and text of an upload that is refused; a policy without its fields is named as such."""
    policy = {
        "policy": "p", "signature": "s", "upload_dir": "d", "upload_host": "https://up.example",
        "oss_access_key_id": "k", "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true",
        "expire_in_seconds": 300,
    }  # fmt: skip
    refusal = "<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message></Error>"

    def call(data: dict[str, Any]) -> ServiceError:
        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(403, text=refusal) if request.method == "POST" else httpx.Response(200, json=data)

        async def upload() -> None:
            client = Client(
                Endpoint("x", "https://x.example/api/v1", Secret("k")), transport=httpx.MockTransport(answer)
            )
            await client.upload(wan.load(files["driving_audio"], "audio"), "wan2.7-i2v")

        with pytest.raises(ServiceError) as caught:
            asyncio.run(upload())
        return caught.value

    expired = call({"data": policy})
    assert (expired.code, explain(expired.code, str(expired)).again) == ("AccessDenied", "yes")
    assert "signature, upload_dir" in str(call({"data": {**policy, "signature": "", "upload_dir": None}}))


def test_an_expired_policy_is_asked_for_anew(tmp_path: Path, files: dict[str, Path]) -> None:
    """By the storage's clock it may run out before ours says so, as after a laptop's sleep."""
    ahead = [0.0]
    clock = Clock(speed=600, now=lambda: QUICK.now() + ahead[0])
    simulator = Simulator(tmp_path / "service", clock=clock)

    async def upload() -> list[str]:
        endpoint = Endpoint("x", "http://simulator/api/v1", Secret("sk-1"))
        client = Client(endpoint, transport=httpx.ASGITransport(simulator.app))
        sounds = [wan.load(write_sound(tmp_path / f"{seconds}.wav", seconds), "audio") for seconds in (3, 4, 5)]
        found = [await client.upload(sounds[0], "wan2.7-i2v"), await client.upload(sounds[1], "wan2.7-i2v")]
        ahead[0] = 400
        found.append(await client.upload(sounds[2], "wan2.7-i2v"))
        return found

    first, second, third = (address.rsplit("/", 1)[0] for address in asyncio.run(upload()))
    assert first == second != third
