"""The simulator as a client meets it: through the app without a socket mostly, over one where that matters."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.simulator import Fault, Limits, Scenario, Simulator, Timing

VIDEO = "/services/aigc/video-generation/video-synthesis"
FRAMES = "/services/aigc/image2video/video-synthesis"
KEY = {"Authorization": "Bearer sk-1"}
ASYNC = {"X-DashScope-Async": "enable"}
SMALL = Scenario(tier_area={"480P": 208 * 120, "720P": 420 * 300, "1080P": 480 * 320})


def png(width: int = 300, height: int = 400, mode: str = "RGB", kind: str = "PNG", **extra: Any) -> bytes:
    target = io.BytesIO()
    Image.new(mode, (width, height), tuple(range(60, 60 + 30 * len(mode), 30))).save(target, kind, **extra)
    return target.getvalue()


def data_uri(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def wav(seconds: int = 3) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 8000 * seconds))
    return target.getvalue()


def fake_render(shot: Any, target: Path) -> None:
    target.write_bytes(b"video " * 5000)


class Bench:
    """A simulator without a socket, with a clock that only the test moves and a renderer that takes no time."""

    def __init__(self, folder: Path, scenario: Scenario | None = None, render: Any = fake_render) -> None:
        self.now = 1_795_147_200.0
        self.shots: list[Any] = []
        self.clock = Clock(speed=60, now=lambda: self.now, sleeper=self._sleep)
        self.simulator = Simulator(folder, clock=self.clock, scenario=scenario, render=self._watch(render))

    def _watch(self, render: Callable[[Any, Path], None]) -> Callable[[Any, Path], None]:
        def watched(shot: Any, target: Path) -> None:
            self.shots.append(shot)
            render(shot, target)

        return watched

    async def _sleep(self, real_s: float) -> None:
        self.now += real_s

    def pass_s(self, service_s: float) -> None:
        self.now += service_s / 60

    def call(self, method: str, path: str, *, base: str = "/api/v1", key: Any = KEY, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.simulator.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
                return await client.request(
                    method, f"{base}{path}", headers={**key, **options.pop("headers", {})}, **options
                )

        return asyncio.run(send())

    def create(self, given: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        path, model = options.pop("path", VIDEO), options.pop("model", "wan2.6-i2v-flash")
        extra = {name: options.pop(name) for name in ("base", "key") if name in options}
        headers = options.pop("headers", ASYNC)
        given = {"prompt": "a cat", "img_url": data_uri(png())} if given is None else given
        return self.call(
            "POST", path, json={"model": model, "input": given, "parameters": options}, headers=headers, **extra
        )

    def submit(self, given: dict[str, Any] | None = None, **options: Any) -> str:
        answer = self.create(given, **options)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["output"]["task_id"])

    def poll(self, task_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def finish(self, task_id: str) -> dict[str, Any]:
        for _ in range(2000):  # the clock moves at once, the rendering thread a moment later
            self.pass_s(200)
            found = self.poll(task_id)
            if found["output"]["task_status"] not in ("PENDING", "RUNNING"):
                return found
        raise AssertionError(f"{task_id} never ended: {found}")

    def failure(self, given: dict[str, Any] | None = None, **options: Any) -> str:
        output = self.poll(self.submit(given, **options))["output"]
        assert output["task_status"] == "FAILED"
        return f"{output['code']}: {output['message']}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --- a task's life ----------------------------------------------------------------------------------------------------


def test_a_task_from_create_to_video(bench: Bench) -> None:
    created = bench.create(resolution="720P", duration=2)
    assert created.json()["output"]["task_status"] == "PENDING" and created.json()["request_id"]
    task_id = created.json()["output"]["task_id"]
    assert bench.poll(task_id)["output"]["task_status"] == "PENDING"
    bench.pass_s(7)
    assert bench.poll(task_id)["output"]["task_status"] == "RUNNING"
    done = bench.finish(task_id)
    assert done["output"]["orig_prompt"] == "a cat"
    assert done["usage"] == {
        "duration": 2,
        "input_video_duration": 0,
        "output_video_duration": 2,
        "video_count": 1,
        "SR": 720,
        "audio": True,
    }
    shot = bench.shots[0]
    assert shot.size == (816, 1104) and shot.seconds == 2 and shot.caption == f"SIMULATED {task_id[:8]}"
    assert shot.first.size == (300, 400)
    video = bench.call("GET", done["output"]["video_url"].removeprefix("http://simulator"), base="", key={})
    assert video.content == b"video " * 5000 and video.headers["content-type"] == "video/mp4"


def test_every_family_is_served(bench: Bench) -> None:
    picture, other = data_uri(png()), data_uri(png(400, 300))
    last = {"first_frame_url": picture, "last_frame_url": other}
    kf2v = bench.finish(bench.submit(last, model="wan2.2-kf2v-flash", path=FRAMES))
    assert kf2v["usage"] == {"video_duration": 5, "video_count": 1, "SR": 720}
    media = [{"type": "first_frame", "url": picture}, {"type": "last_frame", "url": other}]
    bench.finish(bench.submit({"media": media, "function": "x", "extend_prompt": True}, model="wan2.7-i2v"))
    assert [shot.last.size for shot in bench.shots] == [(400, 300)] * 2


def test_the_documents_example_comes_out_as_documented(bench: Bench) -> None:
    bench.finish(bench.submit({"img_url": data_uri(png(750, 1000))}, resolution="720P"))
    assert bench.shots[0].size == (816, 1104)


def test_the_gateway_serves_the_same_with_any_key(bench: Bench) -> None:
    key = {"Authorization": "Bearer of-the-gateway"}
    assert bench.create(key=key).status_code == 401
    task_id = bench.submit(key=key, base="/qwen/api/v1")
    answer = bench.call("GET", f"/tasks/{task_id}/", base="/qwen/api/v1", key=key)
    assert answer.json()["output"]["task_id"] == task_id


@pytest.mark.parametrize("path", ["/tasks", "/tasks/"])
def test_the_list_names_tasks(bench: Bench, path: str) -> None:
    task_id = bench.submit()
    answer = bench.call("GET", path, params={"model_name": "wan2.6-i2v-flash", "status": "PENDING", "unknown": "1"})
    assert [row["task_id"] for row in answer.json()["data"]] == [task_id]


def test_only_what_is_pending_can_be_cancelled(bench: Bench) -> None:
    first, second = bench.submit(), bench.submit()
    assert list(bench.call("POST", f"/tasks/{first}/cancel").json()) == ["request_id"]
    bench.pass_s(7)
    refused = bench.call("POST", f"/tasks/{second}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (400, "UnsupportedOperation")
    assert bench.poll(first)["output"]["task_status"] == "CANCELED"
    assert bench.poll(second)["output"]["task_status"] == "RUNNING"


def test_ids_that_are_unknown_foreign_or_old(bench: Bench) -> None:
    task_id = bench.submit()
    bench.now += 24 * 3600
    for name in (task_id, "0385dc79-5ff8-4d82-bcb6-000000000000", "..%5Ctasks"):
        assert bench.poll(name)["output"]["task_status"] == "UNKNOWN"


def test_a_task_waits_for_its_video(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow(shot: Any, target: Path) -> None:
        assert go_on.wait(10)
        fake_render(shot, target)

    bench = Bench(tmp_path, render=slow)
    task_id = bench.submit()
    bench.pass_s(1000)
    assert bench.poll(task_id)["output"]["task_status"] == "RUNNING"
    go_on.set()
    assert bench.finish(task_id)["output"]["task_status"] == "SUCCEEDED"


def test_a_video_that_cannot_be_made_fails_its_task(tmp_path: Path) -> None:
    def dead(shot: Any, target: Path) -> None:
        raise OSError("no ink")

    output = (bench := Bench(tmp_path, render=dead)).finish(bench.submit())["output"]
    assert (output["code"], "no ink" in output["message"]) == ("InternalError.Algo", True)


def test_the_next_simulator_on_the_folder_goes_on(tmp_path: Path) -> None:
    go_on = threading.Event()
    first = Bench(tmp_path, render=lambda shot, target: go_on.wait(10))  # its video never gets written
    task_id = first.submit(duration=3)
    second = Bench(tmp_path)
    second.now = first.now
    assert second.finish(task_id)["usage"]["duration"] == 3
    assert first.poll(task_id)["output"]["task_status"] == "PENDING"  # by its own date
    first.now = second.now
    assert first.poll(task_id)["output"]["end_time"] == second.poll(task_id)["output"]["end_time"]
    go_on.set()


def test_old_tasks_leave_the_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario(life_s=100))
    bench.finish(bench.submit())
    assert list((tmp_path / "results").iterdir())
    bench.now += 500
    with bench.simulator:
        assert not list((tmp_path / "tasks").iterdir()) and not list((tmp_path / "results").iterdir())


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_headers_and_keys(bench: Bench) -> None:
    refused = bench.create(headers={})
    assert refused.json()["message"] == "current user api does not support synchronous calls"
    assert refused.status_code == 403
    missing = bench.create(key={})
    assert (missing.status_code, missing.json()["code"]) == (401, "InvalidApiKey")
    assert missing.json()["message"] == "No API-key provided."
    text = bench.call("POST", VIDEO, content=b"{}", headers={**ASYNC, "Content-Type": "text/plain"})
    assert text.status_code == 400
    broken = bench.call("POST", VIDEO, content=b"{", headers={**ASYNC, "Content-Type": "application/json"})
    assert (broken.status_code, set(broken.json())) == (400, {"code", "message", "request_id"})


def test_paths_and_methods_that_are_not_there(bench: Bench) -> None:
    assert bench.call("GET", "/models").json()["code"] == "NotFound"
    assert bench.call("GET", VIDEO).status_code == 405
    assert bench.create(model="wan2.2-kf2v-flash").json()["message"] == "url error, please check url!"


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        (data_uri(png(230, 400)), "Image height or width is too small than 240"),
        (data_uri(png(300, 400, "RGBA")), "Image format error"),
        (data_uri(png()[:300]), "Invalid image format or corrupted file"),
        ("data:image/png;base64,####", "Invalid image format or corrupted file"),
        ("data:base64,AAAA", "Invalid image format or corrupted file"),
        ("file:///etc/hostname", "InvalidURL"),
        ("cat.png", "InvalidURL"),
        ("oss://dashscope-instant/x/cat.png", "Failed to find the requested media resource"),
        ("http://127.0.0.1:9/cat.png", "Failed to download multimodal content"),
    ],
)
def test_pictures_are_looked_at_after_the_answer(bench: Bench, picture: str, text: str) -> None:
    assert text in bench.failure({"img_url": picture})


def test_an_empty_body_fails_in_the_words_of_the_service(bench: Bench) -> None:
    assert bench.failure({}) == "InvalidParameter: prompt must contain words"
    assert "img_url must be set" in bench.failure({"prompt": "a cat"})
    assert "Field required: input.media" in bench.failure({}, model="wan2.7-i2v")
    assert "video frames must be set" in bench.failure({}, model="wan2.1-kf2v-plus", path=FRAMES)


def test_a_turned_photo_is_used_upright(bench: Bench) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = data_uri(png(600, 400, kind="JPEG", exif=exif), "image/jpeg")
    bench.finish(bench.submit({"img_url": photo}))
    assert bench.shots[0].first.size == (400, 600) and bench.shots[0].size[0] < bench.shots[0].size[1]


def test_what_lies_beyond_loopback_is_stood_in_for(bench: Bench) -> None:
    bench.finish(bench.submit({"img_url": "https://example.com/a/cat.png", "audio_url": "https://example.com/a.mp3"}))
    assert bench.shots[0].first.size == (1280, 960) and bench.shots[0].audio is None and bench.shots[0].sound
    clip = {"media": [{"type": "first_clip", "url": "https://example.com/a.mp4"}]}
    assert bench.finish(bench.submit(clip, model="wan2.7-i2v", duration=15))["usage"]["input_video_duration"] == 3


# --- limits -----------------------------------------------------------------------------------------------------------


def test_submissions_and_queries_are_limited_per_service_second(bench: Bench) -> None:
    task_ids = [bench.submit() for _ in range(5)]
    refused = bench.create()
    assert (refused.status_code, refused.json()["code"]) == (429, "Throttling.RateQuota")
    bench.submit(model="wan2.6-i2v")  # each model has its own limit
    bench.pass_s(1.01)
    bench.submit()
    codes = [bench.call("GET", f"/tasks/{task_ids[0]}").status_code for _ in range(21)]
    assert codes == [200] * 20 + [429]
    assert bench.call("GET", "/tasks").status_code == 200  # counted apart


def test_limits_can_be_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario(limits=Limits(enforced=False)))
    assert {bench.create().status_code for _ in range(8)} == {200}


def test_a_model_runs_as_many_as_its_row_says(bench: Bench) -> None:
    task_ids = [bench.submit(model="wan2.2-i2v-plus") for _ in range(2)]
    bench.pass_s(2)
    task_ids.append(bench.submit(model="wan2.2-i2v-plus"))
    bench.pass_s(30)
    assert [bench.poll(name)["output"]["task_status"] for name in task_ids] == ["RUNNING", "RUNNING", "PENDING"]


# --- uploads ----------------------------------------------------------------------------------------------------------


def upload(bench: Bench, model: str = "wan2.6-i2v-flash", data: bytes | None = None) -> str:
    policy = bench.call("GET", "/uploads", params={"action": "getPolicy", "model": model}).json()["data"]
    key = f"{policy['upload_dir']}/cat.png"
    form = {
        "OSSAccessKeyId": policy["oss_access_key_id"],
        "Signature": policy["signature"],
        "policy": policy["policy"],
        "x-oss-object-acl": policy["x_oss_object_acl"],
        "x-oss-forbid-overwrite": policy["x_oss_forbid_overwrite"],
        "key": key,
        "success_action_status": "200",
    }
    path = policy["upload_host"].removeprefix("http://simulator")
    answer = bench.call("POST", path, base="", key={}, data=form, files={"file": ("cat.png", data or png())})
    assert answer.status_code == 200, answer.text
    again = bench.call("POST", path, base="", key={}, data=form, files={"file": ("cat.png", png())})
    assert again.status_code == 409
    return f"oss://{key}"


RESOLVE = {**ASYNC, "X-DashScope-OssResourceResolve": "enable"}


def test_an_upload_is_used_with_its_header_for_its_model_in_its_time(bench: Bench) -> None:
    address = upload(bench)
    bench.finish(bench.submit({"img_url": address}, headers=RESOLVE))
    assert bench.shots[0].first.size == (300, 400)
    assert "Failed to find" in bench.failure({"img_url": address})
    assert "Don't have authorization" in bench.failure({"img_url": address}, headers=RESOLVE, model="wan2.6-i2v")
    bench.now += 48 * 3600
    assert "Failed to find" in bench.failure({"img_url": address}, headers=RESOLVE)


def test_an_upload_without_a_good_policy_is_refused_in_xml(bench: Bench) -> None:
    answer = bench.call("POST", "/temporary-uploads", base="", key={}, data={"key": "x"}, files={"file": ("a", b"a")})
    assert answer.status_code == 403 and "<Code>InvalidAccessKeyId</Code>" in answer.text
    assert bench.call("GET", "/uploads", params={"action": "getPolicy", "model": "x"}).status_code == 404


# --- results ----------------------------------------------------------------------------------------------------------


def result(bench: Bench) -> Callable[..., httpx.Response]:
    url = bench.finish(bench.submit())["output"]["video_url"].removeprefix("http://simulator")
    return partial(bench.call, path=url, base="", key={})


def test_results_are_served_like_storage_does(bench: Bench) -> None:
    get = result(bench)
    part = get("GET", headers={"Range": "bytes=6-11", "Origin": "http://localhost:8888"})
    assert (part.status_code, part.content) == (206, b"video ")
    assert part.headers["access-control-allow-origin"] == "*"
    head = get("HEAD")
    assert (head.headers["content-length"], head.headers["accept-ranges"]) == ("30000", "bytes")
    assert get("GET", headers={"Range": "bytes=30000-"}).status_code == 416
    assert get("GET", headers=KEY).status_code == 400
    bench.now += 24 * 3600 + 300
    gone = get("GET")
    assert gone.status_code == 403 and "Request has expired." in gone.text


# --- faults without a socket ------------------------------------------------------------------------------------------


def test_faults_of_status_meet_their_calls(tmp_path: Path) -> None:
    faults = (
        Fault("create", "status", count=2, status=429, code="Throttling.RateQuota", message="slow down"),
        Fault("poll", "expire", after=1),
        Fault("list", "status", status=503, code="ServiceUnavailable", message="later"),
        Fault("download", "status", status=404, code="NoSuchKey", message="gone"),
        Fault("upload", "status", status=500, code="InternalError", message="no"),
    )
    bench = Bench(tmp_path, Scenario(faults=faults))
    assert [bench.create().status_code for _ in range(3)] == [429, 429, 200]
    task_id = bench.submit()
    answers = [bench.poll(task_id)["output"]["task_status"] for _ in range(3)]
    assert answers == ["PENDING", "UNKNOWN", "PENDING"]
    assert [bench.call("GET", "/tasks").status_code for _ in range(2)] == [503, 200]
    get = result(bench)
    assert [get("HEAD").status_code, get("GET").status_code, get("GET").status_code] == [200, 404, 200]
    assert bench.call("POST", "/temporary-uploads", base="", key={}, files={"file": ("a", b"a")}).status_code == 500


def test_a_lost_answer_leaves_a_task(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario.named("lost_answer"))
    with pytest.raises(httpx.RemoteProtocolError):
        bench.create()
    assert bench.call("GET", "/tasks").json()["total"] == 1


def test_a_reset_leaves_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario(faults=(Fault("create", "reset"),)))
    with pytest.raises(httpx.ReadError):
        bench.create()
    assert bench.call("GET", "/tasks").json()["total"] == 0


def test_moderation_fails_a_running_task(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario.named("moderated"))
    task_id = bench.submit()
    bench.pass_s(9)
    assert bench.poll(task_id)["output"]["task_status"] == "RUNNING"
    assert bench.finish(task_id)["output"]["code"] == "DataInspectionFailed"
    assert bench.shots == []


def test_a_slow_answer_takes_service_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario(faults=(Fault("poll", "slow", seconds=30),)))
    task_id = bench.submit()
    before = bench.now
    assert bench.poll(task_id)["output"]["task_status"] == "RUNNING"
    assert bench.now == before + 0.5


def test_dead_storage_is_in_the_address(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scenario.named("storage_refused"))
    assert bench.finish(bench.submit())["output"]["video_url"].startswith("http://127.0.0.1:9/results/")


# --- over a real socket -----------------------------------------------------------------------------------------------

QUICK = Timing(pending_s=0.5, shortest_s=1, longest_s=2)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Simulator]]:
    running: list[Simulator] = []

    def start(*faults: Fault, render: Any = fake_render, **changes: Any) -> Simulator:
        scenario = Scenario(**{"timing": QUICK, "faults": faults, **changes})
        running.append(Simulator(tmp_path / "service", scenario=scenario, render=render).start())
        return running[-1]

    yield start
    for simulator in running:
        simulator.stop()


def client(simulator: Simulator) -> httpx.Client:
    return httpx.Client(base_url=simulator.base_url, headers={**KEY, **ASYNC}, trust_env=False, timeout=10)


def submit(http: httpx.Client, given: dict[str, Any] | None = None, **options: Any) -> str:
    model = options.pop("model", "wan2.6-i2v-flash")
    sent = {"model": model, "input": given or {"img_url": data_uri(png())}, "parameters": options}
    answer = http.post(VIDEO, json=sent)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["output"]["task_id"])


def video_url(http: httpx.Client, task_id: str, tries: int = 600) -> str:
    for _ in range(tries):
        output = http.get(f"/tasks/{task_id}").json().get("output", {})
        if output.get("task_status") == "SUCCEEDED":
            return str(output["video_url"])
        assert output.get("task_status") != "FAILED", output
        threading.Event().wait(0.02)
    raise AssertionError("no video")


def test_a_socket_serves_and_stops(serve: Callable[..., Simulator]) -> None:
    simulator = serve()
    assert simulator.start() is simulator
    with client(simulator) as http:
        data = httpx.get(video_url(http, submit(http)), trust_env=False).content
    assert data == b"video " * 5000
    address = simulator.base_url
    simulator.stop()
    simulator.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/tasks", trust_env=False)


def test_a_record_that_cannot_be_read_is_a_task_that_nobody_knows(tmp_path: Path) -> None:
    """A torn record, or one of another version, stops nothing."""
    bench = Bench(tmp_path)
    torn, other, good = (bench.submit() for _ in range(3))
    record = tmp_path / "tasks" / f"{other}.json"
    record.write_text(record.read_text().replace('"shots"', '"scenes"'))
    (tmp_path / "tasks" / f"{torn}.json").write_text("{")
    again = Bench(tmp_path)
    assert [again.poll(each)["output"]["task_status"] for each in (torn, other)] == ["UNKNOWN", "UNKNOWN"]
    assert again.finish(good)["output"]["task_status"] == "SUCCEEDED"


def test_a_taken_port_is_said_at_once(serve: Callable[..., Simulator], tmp_path: Path) -> None:
    port = int(serve().base_url.split(":")[2].split("/")[0])
    with pytest.raises(ConfigError, match=f"port {port} is not free"):
        Simulator(tmp_path, port=port).start()
    with pytest.raises(ConfigError, match="call start"):
        _ = Simulator(tmp_path).base_url


def test_answers_are_lost_and_connections_reset(serve: Callable[..., Simulator]) -> None:
    with client(serve(Fault("create", "lost_answer"), Fault("poll", "reset"))) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            submit(http)
        (row,) = http.get("/tasks").json()["data"]
        with pytest.raises(httpx.ReadError):
            http.get(f"/tasks/{row['task_id']}")
        assert video_url(http, row["task_id"])


def test_a_truncated_download_can_be_continued(serve: Callable[..., Simulator]) -> None:
    with client(
        serve(Fault("download", "truncate", share=0.3), Fault("download", "stall", after=1, seconds=3))
    ) as http:
        url = video_url(http, submit(http))
        got = b""
        while len(got) < 30_000:
            span = {"Range": f"bytes={len(got)}-"}
            try:
                with httpx.stream("GET", url, headers=span, trust_env=False) as answer:
                    for piece in answer.iter_raw():
                        got += piece
            except httpx.RemoteProtocolError:
                assert len(got) in (9_000, 19_500)
    assert got == b"video " * 5000


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = {"/cat.png": png(), "/rap.wav": wav(), "/secret.png": None}.get(self.path, b"")
        self.send_response(403 if data is None else 200 if data else 404)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def test_inputs_on_loopback_are_fetched(serve: Callable[..., Simulator]) -> None:
    shots: list[Any] = []

    def watch(shot: Any, target: Path) -> None:
        shots.append(shot)
        fake_render(shot, target)

    files = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{files.server_address[1]}"
    with client(serve(render=watch)) as http:
        video_url(http, submit(http, {"img_url": f"{origin}/cat.png", "audio_url": f"{origin}/rap.wav"}))
        assert shots[0].first.size == (300, 400) and shots[0].audio.read_bytes() == wav()
        for name, text in {"dog": "Failed to find", "secret": "Don't have authorization"}.items():
            output = http.get(f"/tasks/{submit(http, {'img_url': f'{origin}/{name}.png'})}").json()["output"]
            assert text in output["message"]
    files.shutdown()
    files.server_close()


def test_a_body_of_thirty_megabytes(serve: Callable[..., Simulator]) -> None:
    with client(serve()) as http:
        heavy = data_uri(png() + os.urandom(22 * 1024 * 1024))  # a PNG may be followed by anything
        output = http.get(f"/tasks/{submit(http, {'img_url': heavy})}").json()["output"]
    assert output["message"] == "Image size is too large than 20.0 mb"


# --- real footage and a process of its own ----------------------------------------------------------------------------


def test_real_footage_at_the_predicted_size(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.simulator = Simulator(tmp_path, clock=bench.clock, scenario=SMALL)
    done = bench.finish(bench.submit({"img_url": data_uri(png(400, 300))}, resolution="720P", duration=2))
    url = done["output"]["video_url"].removeprefix("http://simulator")
    with av.open(io.BytesIO(bench.call("GET", url, base="", key={}).content)) as video:
        picture = video.streams.video[0]
        assert (picture.width, picture.height, picture.frames) == (400, 304, 60)
        assert video.streams.audio
    clip = tmp_path / "results" / f"{done['output']['task_id']}.mp4"
    media = {"media": [{"type": "first_clip", "url": upload(bench, "wan2.7-i2v", clip.read_bytes())}]}
    longer = bench.submit(media, model="wan2.7-i2v-2026-04-25", headers=RESOLVE, resolution="720P", duration=3)
    assert bench.finish(longer)["usage"]["input_video_duration"] == 2
    with av.open(str(tmp_path / "results" / f"{longer}.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].frames) == (400, 90)


def run(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wan_nb.simulator", "--folder", str(folder), *options]
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, "--speed", "1000")
    assert first.stdout is not None
    base = first.stdout.readline().strip()
    with httpx.Client(base_url=base, headers={**KEY, **ASYNC}, trust_env=False) as http:
        task_id = submit(http, {"img_url": data_uri(png())}, model="wan2.2-i2v-flash", resolution="480P")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    port = base.split(":")[2].split("/")[0]
    second = run(tmp_path, "--speed", "1000", "--port", port)
    assert second.stdout is not None
    assert second.stdout.readline().strip() == base
    taken = run(tmp_path, "--port", port)
    told = taken.communicate()
    assert taken.returncode == 2 and told[0] == "" and told[1].count("\n") == 1 and f"port {port}" in told[1]
    with httpx.Client(base_url=base, headers=KEY, trust_env=False) as http:
        assert httpx.head(video_url(http, task_id), trust_env=False).status_code == 200
    second.send_signal(signal.SIGINT)
    assert second.communicate() == ("", "") and second.returncode == 0
