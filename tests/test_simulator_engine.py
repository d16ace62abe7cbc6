"""The simulator's protocol without files or sockets: sizes, rules, order of the queue, what each poll says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_nb.advice import explain
from wan_nb.catalog import MODELS
from wan_nb.simulator import SCENARIOS, Fault, Limits, Scenario, engine, intake, storage
from wan_nb.simulator.engine import Medium, RefusedError, Task, View
from wan_nb.simulator.scenario import DOCUMENTED, MEASURED, find_fault

NOON = 1_795_147_200.25
FRAME = Medium("first_frame", "data", file="f", bytes=90_000, format="PNG", width=750, height=1000)
LAST = replace(FRAME, role="last_frame", width=640, height=480)
SOUND = Medium("driving_audio", "http", file="a", bytes=50_000, format="mp3", seconds=4.0)
CLIP = Medium("first_clip", "oss", file="c", bytes=500_000, format="mp4", width=640, height=360, seconds=3.2)


def body(model: str, given: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    family = MODELS[model].family
    usual: dict[str, dict[str, Any]] = {
        "i2v": {"img_url": "data:x"},
        "kf2v": {"first_frame_url": "data:x", "last_frame_url": "data:y"},
        "media": {"media": [{"type": "first_frame", "url": "data:x"}]},
    }
    return {"model": model, "input": {"prompt": "a cat", **usual[family], **(given or {})}, "parameters": parameters}


def planned(model: str, *media: Medium, given: dict[str, Any] | None = None, **parameters: Any) -> Task:
    scenario = Scenario(job_s=100)
    return intake.plan(MODELS[model], body(model, given, **parameters), media or (FRAME,), NOON, 1 / 60, scenario)


def broken(model: str, *media: Medium, given: dict[str, Any] | None = None, **parameters: Any) -> str:
    task = intake.plan(MODELS[model], body(model, given, **parameters), media or (FRAME,), NOON, 1 / 60, Scenario())
    return f"{task.code}: {task.message}" if task.code else ""


def refusal(call: Callable[..., object], *given: Any, **named: Any) -> tuple[int, str, str] | None:
    """Status, code and message, where a call is refused."""
    try:
        call(*given, **named)
    except RefusedError as refused:
        return refused.status, refused.code, refused.message
    return None


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "tier", "rule", "expected"),
    [
        ((750, 1000), "720P", DOCUMENTED, (816, 1104)),
        ((1920, 1080), "720P", DOCUMENTED, (1280, 720)),
        ((1920, 1080), "1080P", DOCUMENTED, (1920, 1072)),
        ((832, 480), "480P", DOCUMENTED, (832, 480)),
        ((2400, 1600), "1080P", MEASURED, (1764, 1176)),
        ((1000, 450), "1080P", MEASURED, (2146, 966)),
    ],
)
def test_sizes_that_documents_and_measurements_name(
    source: tuple[int, int], tier: str, rule: Any, expected: tuple[int, int]
) -> None:
    assert intake.output_size(source, tier, "wan2.6-i2v", Scenario(rule=rule)) == expected


def test_a_model_can_have_a_rule_of_its_own() -> None:
    scenario = Scenario(rules={"wan2.7-i2v-2026-04-25": MEASURED})
    assert intake.output_size((2400, 1600), "1080P", "wan2.7-i2v-2026-04-25", scenario) == (1764, 1176)
    assert intake.output_size((2400, 1600), "1080P", "wan2.6-i2v", scenario) == (1760, 1168)


@given(st.integers(240, 8000), st.integers(240, 8000), st.sampled_from(["480P", "720P", "1080P"]))
def test_an_output_lies_on_the_grid_within_the_tier(width: int, height: int, tier: str) -> None:
    got = intake.output_size((width, height), tier, "", Scenario())
    assert all(side % 16 == 0 and side >= 16 for side in got)
    assert got[0] * got[1] <= Scenario().tier_area[tier]
    assert intake.output_size((height, width), tier, "", Scenario()) == got[::-1]


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "given", "parameters", "text"),
    [
        ("wan2.6-i2v-flash", {"img_url": ""}, {}, "img_url must be set for image to video method"),
        ("wan2.7-i2v-2026-04-25", {"media": None}, {}, "Field required: input.media"),
        ("wan2.2-kf2v-flash", {"first_frame_url": None}, {}, "video frames must be set"),
        ("wan2.7-i2v-2026-04-25", {}, {"resolution": "480P"}, "Input should be '1080P' or '720P'"),
        ("wan2.1-i2v-plus", {}, {"resolution": "480P"}, "Input should be '720P'"),
        ("wan2.6-i2v-flash", {}, {"resolution": 720}, "Input should be '1080P' or '720P'"),
        ("wan2.6-i2v-flash", {}, {"duration": 16}, "Duration should be between 2 and 15"),
        ("wan2.2-i2v-flash", {}, {"duration": 4}, "duration customization is not supported"),
        ("wan2.5-i2v-preview", {}, {"duration": 7}, "duration must be one of [5, 10]"),
        ("wan2.6-i2v-flash", {}, {"duration": "5"}, "Input should be a valid integer: parameters.duration"),
        ("wan2.6-i2v-flash", {}, {"seed": -1}, "seed must be in the range [0, 2147483647]"),
        ("wan2.6-i2v-flash", {}, {"watermark": "yes"}, "Input should be a valid boolean: parameters.watermark"),
        ("wan2.6-i2v-flash", {}, {"shot_type": "triple"}, "Input should be 'single' or 'multi'"),
        ("wan2.6-i2v-flash", {"prompt": 7}, {}, "Input should be a valid string: input.prompt"),
    ],
)
def test_a_broken_rule_has_the_words_of_the_service(
    model: str, given: dict[str, Any], parameters: dict[str, Any], text: str
) -> None:
    assert broken(model, given=given, **parameters).endswith(text)


@pytest.mark.parametrize(
    ("media", "text"),
    [
        ([{"type": "first_picture", "url": "x"}], "'first_frame', 'last_frame', 'driving_audio' or 'first_clip'"),
        ([{"type": "first_frame"}], "Field required: input.media.0.url"),
        ([{"type": "first_frame", "url": "x"}] * 2, "each media type may appear at most once"),
        ([{"type": "last_frame", "url": "x"}], "combination last_frame is not supported"),
        ([{"type": "first_frame", "url": "x"}, {"type": "first_clip", "url": "y"}], "is not supported"),
    ],
)
def test_media_are_refused_by_type_number_and_combination(media: list[dict[str, str]], text: str) -> None:
    assert text in broken("wan2.7-i2v-2026-04-25", given={"media": media})


@pytest.mark.parametrize(
    ("model", "change", "text"),
    [
        ("wan2.2-i2v-flash", {"width": 239}, "Image height or width is too small than 240"),
        ("wan2.6-i2v", {"height": 8001}, "Image height or width is too large than 8000"),
        ("wan2.2-i2v-flash", {"bytes": 10 * 1024**2 + 1}, "Image size is too large than 10.0 mb"),
        ("wan2.6-i2v", {"bytes": 20 * 1024**2 + 1}, "Image size is too large than 20.0 mb"),
        ("wan2.6-i2v", {"alpha": True}, "Image format error"),
        ("wan2.6-i2v", {"format": "TIFF"}, "Image format error"),
        ("wan2.7-i2v-2026-04-25", {"width": 7900, "height": 900}, "between 1:8 and 8:1"),
        ("wan2.6-i2v", {"format": ""}, "InvalidParameter: Invalid image format or corrupted file"),
    ],
)
def test_pictures_out_of_bounds(model: str, change: dict[str, Any], text: str) -> None:
    assert text in broken(model, replace(FRAME, **change))


@pytest.mark.parametrize(
    ("medium", "text"),
    [
        (replace(SOUND, form="data"), "InvalidURL: The audio must be given as"),
        (replace(SOUND, format=""), "File type is not supported. Allowed types are: .wav, .mp3."),
        (replace(SOUND, bytes=16 * 1024**2), "File size is larger than 15MB"),
        (replace(SOUND, seconds=31.0), "input audio is longer than 30s"),
        (replace(SOUND, seconds=1.0), "input audio is shorter than 2s"),
        (replace(CLIP, seconds=11.0), "InvalidFile.Duration"),
        (replace(CLIP, width=200), "InvalidFile.Resolution"),
        (replace(CLIP, width=3900, height=400), "InvalidFile.AspectRatio"),
        (replace(CLIP, format=""), "InvalidFile.Format"),
        (replace(CLIP, bytes=101 * 1024**2), "InvalidFile.Size"),
    ],
)
def test_audio_and_clips_out_of_bounds(medium: Medium, text: str) -> None:
    assert text in broken("wan2.7-i2v-2026-04-25", medium)


@pytest.mark.parametrize("text", ["Download the media resource timed out", "Failed to find the media"])
def test_an_input_that_cannot_be_had_fails_its_task(text: str) -> None:
    def unreachable() -> Any:
        raise RefusedError("InvalidParameter", text)
        yield

    task = intake.plan(MODELS["wan2.6-i2v"], body("wan2.6-i2v"), unreachable(), NOON, 1 / 60, Scenario())
    assert (task.code, task.message, task.media) == ("InvalidParameter", text, ())


def test_what_only_some_sources_allow_is_taken() -> None:
    assert broken("wan2.2-i2v-flash", resolution="1080P") == ""
    assert broken("wan2.6-i2v", duration=7) == ""
    assert broken("wan2.6-i2v", replace(FRAME, width=250, bytes=15 * 1024**2)) == ""
    assert broken("wan2.2-kf2v-flash", FRAME, given={"last_frame_url": None}) == ""


def test_what_a_model_does_not_have_is_ignored() -> None:
    extra = {"audio_url": "http://x/a.mp3", "template": 3}
    assert broken("wan2.2-i2v-flash", given=extra, shot_type="x", audio="x", size=1) == ""
    assert list(intake.addresses(MODELS["wan2.2-i2v-flash"], body("wan2.2-i2v-flash", extra))) == [
        ("first_frame", "data:x")
    ]


# --- what the video will be -------------------------------------------------------------------------------------------


def test_usage_has_the_shape_of_its_generation() -> None:
    assert planned("wan2.1-i2v-turbo", duration=3).usage == {
        "video_duration": 3,
        "video_ratio": "standard",
        "video_count": 1,
    }
    assert planned("wan2.5-i2v-preview", duration=10, resolution="480P").usage == {
        "duration": 10,
        "SR": 480,
        "video_count": 1,
    }
    wan26 = {"duration": 5, "input_video_duration": 0, "output_video_duration": 5, "video_count": 1, "SR": 1080}
    assert planned("wan2.6-i2v").usage == wan26
    assert planned("wan2.6-i2v-flash", audio=False).usage == {**wan26, "audio": False}
    assert planned("wan2.2-kf2v-flash", FRAME, LAST).usage == {"video_duration": 5, "video_count": 1, "SR": 720}
    assert planned("wan2.1-kf2v-plus", FRAME, LAST).usage == {
        "video_duration": 5,
        "video_count": 1,
        "video_ratio": "standard",
    }
    wan30 = planned("wan3.0-video").usage
    assert wan30 is not None and wan30["fps"] == 30 and isinstance(wan30["duration"], float)


def test_a_continuation_is_billed_in_total_and_shaped_by_its_clip() -> None:
    task = planned(
        "wan2.7-i2v-2026-04-25",
        CLIP,
        given={"media": [{"type": "first_clip", "url": "oss://c"}]},
        duration=15,
        resolution="720P",
    )
    assert task.usage == {
        "duration": 15,
        "input_video_duration": 3,
        "output_video_duration": 12,
        "video_count": 1,
        "SR": 720,
    }
    assert (task.seconds, task.size) == (15, (1280, 720))


def test_the_last_frame_does_not_shape_the_video() -> None:
    assert planned("wan2.2-kf2v-flash", FRAME, LAST).size == (816, 1104)


def test_sound_follows_the_model_and_its_switch() -> None:
    assert not planned("wan2.2-i2v-plus", audio=True).sound
    assert planned("wan2.6-i2v", audio=False).sound  # not a field of this model
    assert planned("wan2.6-i2v-flash").sound
    assert not planned("wan2.6-i2v-flash", FRAME, SOUND, given={"audio_url": "http://x/a.mp3"}, audio=False).sound


def test_a_rewritten_prompt_comes_back_where_the_documents_say() -> None:
    rewritten = planned("wan2.5-i2v-preview").actual_prompt
    assert rewritten is not None and rewritten.startswith("a cat. ")
    assert planned("wan2.5-i2v-preview", prompt_extend=False).actual_prompt is None
    assert planned("wan2.6-i2v").actual_prompt is None
    assert planned("wan2.1-i2v-turbo", given={"template": "squish"}).actual_prompt is None
    long = planned("wan2.2-i2v-plus", given={"prompt": "猫" * 900})
    assert long.prompt == "猫" * 900  # given back as it came
    assert long.actual_prompt is not None and long.actual_prompt.count("猫") == 800


def test_a_look_depends_on_prompt_and_seed() -> None:
    looks = [planned("wan2.6-i2v", seed=seed).look for seed in (1, 1, 2)]
    assert looks[0] == looks[1] != looks[2]
    assert planned("wan2.6-i2v", given={"prompt": "a dog"}, seed=1).look != looks[0]
    assert planned("wan2.6-i2v").look != planned("wan2.6-i2v").look  # no seed: another each time


def test_several_shots_need_the_rewriting() -> None:
    assert planned("wan2.6-i2v", shot_type="multi").shots == 3
    assert planned("wan2.6-i2v", shot_type="multi", prompt_extend=False).shots == 1
    assert planned("wan2.2-i2v-flash", shot_type="multi").shots == 1


def test_nulls_are_what_is_not_given() -> None:
    task = planned("wan2.6-i2v", given={"negative_prompt": None}, resolution=None, duration=None, seed=None)
    assert (task.code, task.seconds) == ("", 5)


def test_lengths_of_time_lie_in_the_range_and_are_the_machines() -> None:
    for seed in range(20):
        task = intake.plan(MODELS["wan2.6-i2v"], body("wan2.6-i2v", seed=seed), (FRAME,), NOON, 1 / 60, Scenario())
        assert 1.0 <= task.pending_for + task.running_for <= 2.5
        assert task.pending_for == pytest.approx(0.1)


def test_a_record_survives_its_file() -> None:
    task = planned("wan2.6-i2v", FRAME, SOUND)
    assert Task.from_json(asdict(task)) == task


# --- admission --------------------------------------------------------------------------------------------------------

VIDEO = "/services/aigc/video-generation/video-synthesis"
FRAMES = "/services/aigc/image2video/video-synthesis"


@pytest.mark.parametrize(
    ("path", "header", "sent", "status", "code", "message"),
    [
        (VIDEO, None, {}, 403, "AccessDenied", "current user api does not support synchronous calls"),
        (VIDEO, "disable", {}, 403, "AccessDenied", "current user api does not support synchronous calls"),
        (VIDEO, "enable", None, 400, "BadRequest.IllegalInput", "The request body is not a JSON object."),
        (VIDEO, "enable", {}, 400, "BadRequest.EmptyModel", "Required parameter(model) missing or invalid."),
        (VIDEO, "enable", {"model": "wan9"}, 404, "ModelNotFound", "Model not exist."),
        (VIDEO, "enable", {"model": "wan2.2-kf2v-flash"}, 400, "InvalidParameter", "url error, please check url!"),
        (FRAMES, "enable", {"model": "wan2.6-i2v"}, 400, "InvalidParameter", "url error, please check url!"),
    ],
)
def test_what_a_create_call_is_refused_for(
    path: str, header: str | None, sent: object, status: int, code: str, message: str
) -> None:
    assert refusal(engine.admit, path, header, sent) == (status, code, message)


def test_aliases_are_admitted() -> None:
    assert engine.admit(FRAMES, "enable", {"model": "wanx2.1-kf2v-plus"}) is MODELS["wan2.1-kf2v-plus"]


@pytest.mark.parametrize(
    ("header", "gateway", "status"),
    [
        (None, False, 401),
        ("Bearer ", False, 401),
        ("Basic sk-1", False, 401),
        ("Bearer key", False, 401),
        ("Bearer sk-invalid-1", False, 401),
        ("Bearer sk-throttled-1", False, 429),
        ("Bearer sk-broken-1", False, 500),
        (None, True, 401),
        ("Bearer sk-1", False, None),
        ("bearer st-1", False, None),
        ("Bearer anything", True, None),
    ],
)
def test_keys(header: str | None, gateway: bool, status: int | None) -> None:
    refused = refusal(engine.authorise, header, gateway=gateway)
    assert (refused[0] if refused else None) == status


# --- status -----------------------------------------------------------------------------------------------------------


def task(number: int, **changes: Any) -> Task:
    plain = Task(f"t{number}", f"r{number}", "wan2.2-i2v-plus", "wan2.2-i2v-plus", NOON + number, 10.0, 100.0)
    return replace(plain, **changes)


def status(tasks: list[Task], number: int, age: float, rendered: float | None = NOON) -> str:
    spans = engine.schedule(tasks, Scenario())
    return engine.observe(tasks[number], spans, rendered, tasks[number].created + age, Scenario()).status


def test_a_task_waits_runs_and_succeeds() -> None:
    only = [task(0)]
    assert [status(only, 0, age) for age in (0, 9.9, 10, 109.9, 110)] == [
        "PENDING",
        "PENDING",
        "RUNNING",
        "RUNNING",
        "SUCCEEDED",
    ]
    assert status(only, 0, 24 * 3600 - 1) == "SUCCEEDED"
    assert status(only, 0, 24 * 3600) == "UNKNOWN"


def test_no_task_succeeds_without_its_video() -> None:
    assert status([task(0)], 0, 500, rendered=None) == "RUNNING"
    late = engine.observe(task(0), {"t0": (NOON + 10, NOON + 110)}, NOON + 130, NOON + 500, Scenario())
    assert late == View("SUCCEEDED", NOON + 10, NOON + 130)


def test_a_broken_rule_shows_at_the_first_poll() -> None:
    assert status([task(0, code="InvalidParameter", message="x")], 0, 0.0) == "FAILED"


def test_a_late_failure_runs_first() -> None:
    moderated = [task(0, code="DataInspectionFailed", fails_after=60.0)]
    assert [status(moderated, 0, age) for age in (5, 30, 59, 60)] == ["PENDING", "RUNNING", "RUNNING", "FAILED"]


def test_a_model_runs_two_at_once_and_the_rest_in_order() -> None:
    tasks = [task(number) for number in (0, 1, 2, 3)]

    def starts(scenario: Scenario) -> list[float]:
        return [start - NOON for start, _ in engine.schedule(reversed(tasks), scenario).values()]

    assert starts(Scenario()) == [10, 11, 110, 111]
    assert starts(Scenario(limits=Limits(running=1))) == [10, 110, 210, 310]


def test_models_do_not_wait_for_each_other() -> None:
    tasks = [*(task(number) for number in (0, 1)), task(2, row="wan2.6-i2v")]
    assert engine.schedule(tasks, Scenario())["t2"][0] == NOON + 12


def test_the_cancelled_and_the_refused_take_no_place() -> None:
    tasks = [task(0, cancelled=NOON + 1), task(1, code="InvalidParameter"), task(2), task(3), task(4)]
    spans = engine.schedule(tasks, Scenario())
    assert [task_id for task_id, (start, _) in spans.items() if start < NOON + 20] == ["t2", "t3"]
    assert status(tasks, 0, 50) == "CANCELED"


def test_polls_say_what_the_seeds_show() -> None:
    done = task(0, prompt="a cat", actual_prompt="a cat. More", usage={"duration": 5})
    reply = engine.polled("t0", done, View("SUCCEEDED", NOON + 10, NOON + 110), "http://x/v.mp4")
    assert reply["output"] == {
        "task_id": "t0",
        "task_status": "SUCCEEDED",
        "submit_time": "2026-11-20 12:00:00.250",
        "scheduled_time": "2026-11-20 12:00:10.250",
        "end_time": "2026-11-20 12:01:50.250",
        "orig_prompt": "a cat",
        "actual_prompt": "a cat. More",
        "video_url": "http://x/v.mp4",
    }
    assert reply["usage"] == {"duration": 5}
    failed = engine.polled("t0", task(0, code="InvalidParameter", message="bad"), View("FAILED"), "")
    assert failed["output"] == {
        "task_id": "t0",
        "task_status": "FAILED",
        "code": "InvalidParameter",
        "message": "bad",
    }
    unknown = engine.polled("t9", None, View("UNKNOWN"), "")
    assert unknown["output"] == {"task_id": "t9", "task_status": "UNKNOWN"}


# --- list -------------------------------------------------------------------------------------------------------------


def listing(**query: str) -> dict[str, Any]:
    pairs = [(task(number), View("RUNNING" if number % 2 else "PENDING", NOON + 20)) for number in range(12)]
    pairs.append((task(99), View("UNKNOWN")))
    return engine.listed(query, pairs, NOON + 100)


def test_a_list_is_paged_newest_first_without_urls() -> None:
    first = listing()
    assert [row["task_id"] for row in first["data"]] == [f"t{number}" for number in range(11, 1, -1)]
    assert (first["total"], first["total_page"], first["page_no"], first["page_size"]) == (12, 2, 1, 10)
    assert [row["task_id"] for row in listing(page_no="2")["data"]] == ["t1", "t0"]
    row = listing(task_id="t1")["data"][0]
    assert row["gmt_create"] == round((NOON + 1) * 1000) and row["request_id"] == "r1"
    assert row["user_api_unique_key"] == "apikey:v1:aigc:video-generation:video-synthesis:wan2.2-i2v-plus"
    assert not any("url" in name for name in row)


def test_a_list_is_filtered_by_service_dates_model_and_status() -> None:
    dated = listing(start_time="20261120120003", end_time="20261120120005")
    assert [row["task_id"] for row in dated["data"]] == ["t5", "t4", "t3"]
    assert listing(status="RUNNING")["total"] == 6
    assert listing(model_name="wan2.6-i2v")["total"] == 0
    assert listing(region="anywhere", api_key_id="7")["total"] == 12


@pytest.mark.parametrize(
    "query",
    [
        {"start_time": "2026-11-20"},
        {"start_time": "20261118000000", "end_time": "20261120000000"},
        {"page_no": "0"},
        {"page_size": "x"},
    ],
)
def test_a_list_refuses_what_it_cannot_read(query: dict[str, str]) -> None:
    refused = refusal(engine.listed, query, [], NOON)
    assert refused is not None and refused[0] == 400


# --- storage and faults -----------------------------------------------------------------------------------------------


def test_a_result_address_is_good_as_it_is_and_until_it_expires() -> None:
    url = urlsplit(storage.result_url("http://127.0.0.1:1", "t0", int(NOON) + 60))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert refusal(storage.check_download, "t0", query, None, NOON) is None
    expired = refusal(storage.check_download, "t0", query, None, NOON + 61)
    assert expired == (403, "AccessDenied", "Request has expired.")
    for wrong in ({}, {**query, "Expires": "9999999999"}, {**query, "Signature": query["Signature"].lower()}):
        refused = refusal(storage.check_download, "t0", wrong, None, NOON)
        assert refused is not None and refused[:2] == (403, "SignatureDoesNotMatch")
    refused = refusal(storage.check_download, "t0", query, "Bearer sk-1", NOON)
    assert refused is not None and refused[0] == 400


def test_an_upload_follows_its_policy() -> None:
    policy = storage.policy("wan2.6-i2v", "http://127.0.0.1:1", NOON)
    form = {
        "OSSAccessKeyId": policy["oss_access_key_id"],
        "policy": policy["policy"],
        "Signature": policy["signature"],
        "key": f"{policy['upload_dir']}/a.png",
    }
    assert policy["upload_dir"].startswith(storage.upload_folder("wan2.6-i2v"))
    assert refusal(storage.check_upload, form, 1024, False, NOON) is None
    late = refusal(storage.check_upload, form, 1024, False, NOON + 301)
    assert late == (403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    attempts = [
        ({**form, "key": "elsewhere/a.png"}, 1024, False),
        ({**form, "Signature": "x"}, 1024, False),
        ({**form, "OSSAccessKeyId": "x"}, 1024, False),
        (form, policy["max_file_size_mb"] * 1024**2 + 1, False),
        (form, 1024, True),
    ]
    codes = [refused[1] for each in attempts if (refused := refusal(storage.check_upload, *each, NOON))]
    assert codes == [
        "AccessDenied",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "EntityTooLarge",
        "FileAlreadyExists",
    ]


def test_the_first_fault_that_meets_a_call_wins() -> None:
    faults = (Fault("poll", "reset", after=1), Fault("poll", "slow", count=None, after=1), Fault("create", "status"))
    kinds = [fault.kind if (fault := find_fault(faults, "poll", number)) else None for number in range(4)]
    assert kinds == [None, "reset", "slow", "slow"]


def test_named_scenarios() -> None:
    assert all(Scenario.named(name) is scenario for name, scenario in SCENARIOS.items())

    with pytest.raises(ValueError, match="there are plain, throttled"):
        Scenario.named("perfect")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_its_advice(name: str) -> None:
    """A code that users meet in class is one that they are told what to do about (storage's answers are not shown)."""
    for fault in SCENARIOS[name].faults:
        told = explain(fault.code, fault.message).what_happened
        assert fault.at == "download" or told != explain("NoSourceNamesThis").what_happened, fault.code
