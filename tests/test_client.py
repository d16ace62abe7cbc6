"""Each call over a transport that is given: what goes out, and what comes back as which error."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from wan_nb.client import Body, Client
from wan_nb.endpoint import Endpoint, Secret, find_key, region_endpoint
from wan_nb.errors import (
    AccessError,
    AuthenticationError,
    ConfigError,
    DownloadError,
    LostAnswerError,
    NotFoundError,
    ServerFaultError,
    ServiceError,
    ThrottledError,
    UnsentError,
)
from wan_nb.media import load
from wan_nb.request import VideoRequest
from wan_nb.task import TaskStatus

BASE = "https://relay.example/qwen/api/v1"
CREATED = {"output": {"task_status": "PENDING", "task_id": "t1"}, "request_id": "r1"}


def call(handler: Callable[[httpx.Request], httpx.Response], work: Callable[[Client], Any], **options: Any) -> Any:
    """Run one call of a client whose other side is `handler`."""

    async def run() -> Any:
        client = Client(Endpoint("x", BASE, Secret("sk-test"), **options), transport=httpx.MockTransport(handler))
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def test_create_streams_pictures_as_base64(picture: Path) -> None:
    """The body that arrives is the payload; its length was said beforehand; the headers are the documents'."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=CREATED)

    request = VideoRequest("wan2.7-i2v", first_frame=picture, last_frame=picture, prompt='say "hi" · 猫')
    snapshot = call(handler, lambda client: client.create(request.spec.path, Body(request.payload)))
    assert snapshot.task_id == "t1"
    assert json.loads(seen[0].content) == request.payload()
    assert int(seen[0].headers["content-length"]) == len(seen[0].content)
    assert str(seen[0].url) == BASE + "/services/aigc/video-generation/video-synthesis"
    assert seen[0].headers["x-dashscope-async"] == "enable"
    assert seen[0].headers["authorization"] == "Bearer sk-test"
    assert "x-dashscope-ossresourceresolve" not in seen[0].headers


def test_oss_addresses_ask_for_resolution() -> None:
    """FACTS §5: the header is needed for oss://."""
    request = VideoRequest("wan2.7-i2v", first_frame="oss://bucket/a.png")
    assert Body(request.payload).resolves_oss


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, AccessError), (404, NotFoundError), (429, ThrottledError),
     (500, ServerFaultError), (408, ServerFaultError), (400, ServiceError)],
)  # fmt: skip
def test_errors_are_typed(status: int, kind: type[ServiceError]) -> None:
    """With code, message and request id on each."""
    body = {"code": "SomeCode", "message": "some text", "request_id": "q"}
    with pytest.raises(kind, match="SomeCode: some text") as caught:
        call(lambda _: httpx.Response(status, json=body, headers={"retry-after": "7"}), lambda client: client.get("t"))
    error = caught.value
    assert (error.code, error.request_id, error.task_id, error.retry_after_s) == ("SomeCode", "q", "t", 7.0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(httpx.ConnectError, UnsentError), (httpx.ConnectTimeout, UnsentError), (httpx.PoolTimeout, UnsentError),
     (httpx.ReadTimeout, LostAnswerError), (httpx.WriteError, LostAnswerError),
     (httpx.RemoteProtocolError, LostAnswerError)],
)  # fmt: skip
def test_what_was_sent_decides(error: type[httpx.TransportError], kind: type[Exception]) -> None:
    """Nothing sent may be tried again; a lost answer never by itself."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    request = VideoRequest("wan2.7-i2v", first_frame="https://x.example/a.png")
    with pytest.raises(kind, match=r"relay\.example"):
        call(handler, lambda client: client.create(request.spec.path, Body(request.payload)))


@pytest.mark.parametrize("answer", [httpx.Response(200, json={}), httpx.Response(200, text="<html>")])
def test_a_good_answer_without_a_task_is_ambiguous(answer: httpx.Response) -> None:
    """Gateways may answer with less (seed 002: an empty object)."""
    request = VideoRequest("wan2.7-i2v", first_frame="https://x.example/a.png")
    with pytest.raises(LostAnswerError):
        call(lambda _: answer, lambda client: client.create(request.spec.path, Body(request.payload)))


def test_a_gateways_own_words_and_paths() -> None:
    """Poll path and status map are data of the endpoint."""

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/qwen/api/v1/tasks/video/t9"
        return httpx.Response(200, json={"output": {"task_id": "t9", "task_status": "completed", "result_url": "u"}})

    snapshot = call(
        handler,
        lambda client: client.get("t9"),
        poll_path="/tasks/video/{task_id}",
        status_map={"completed": "SUCCEEDED"},
    )
    assert (snapshot.status, snapshot.video_url) == (TaskStatus.SUCCEEDED, "u")


def test_download_goes_on_where_it_broke_and_shows_no_key(tmp_path: Path) -> None:
    """Range from the kept part; no Authorization at the storage host."""
    data = bytes(range(256)) * 40
    part = tmp_path / "v.mp4.part"
    part.write_bytes(data[:1000])

    def handler(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        assert request.headers["range"] == "bytes=1000-"
        return httpx.Response(206, content=data[1000:])

    call(handler, lambda client: client.download("https://oss.example/v.mp4?Signature=x", part))
    assert part.read_bytes() == data


def test_download_errors_name_the_host(tmp_path: Path) -> None:
    """Firewalls block it, so a user must know it; the signature stays out."""
    with pytest.raises(DownloadError, match=r"oss\.example answered 403") as caught:
        call(
            lambda _: httpx.Response(403),
            lambda client: client.download("https://oss.example/v.mp4?Signature=abc", tmp_path / "p"),
        )
    assert caught.value.status == 403
    assert "abc" not in str(caught.value)
    with pytest.raises(DownloadError, match="off https"):
        call(
            lambda _: httpx.Response(302, headers={"location": "http://elsewhere.example/v.mp4"}),
            lambda client: client.download("https://oss.example/v.mp4", tmp_path / "p"),
        )


def test_upload_follows_the_policy(tmp_path: Path) -> None:
    """The form fields of FACTS §5, the file last, the key to the API host only."""
    sound = tmp_path / "a.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    policy = {
        "policy": "p", "signature": "s", "upload_dir": "dashscope-instant/d", "upload_host": "https://up.example",
        "oss_access_key_id": "k", "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true",
    }  # fmt: skip
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": policy}) if request.method == "GET" else httpx.Response(200)

    medium = load(sound, "audio")
    address = call(handler, lambda client: client.upload(medium, "wan2.7-i2v"))
    assert address.startswith("oss://dashscope-instant/d/")
    form = seen[1].content
    assert "authorization" not in seen[1].headers
    assert form.index(b'name="policy"') < form.index(b'name="file"')
    assert seen[0].url.params["action"] == "getPolicy"


def test_the_key_shows_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not in a repr, and an empty or broken one is refused in one line."""
    assert "sk-secret" not in repr(region_endpoint("singapore", Secret("sk-secret")))
    for wrong in ("", "  ", "sk-a b", "sk-ä"):
        with pytest.raises(ConfigError, match="api_key"):
            find_key(wrong)
    with pytest.raises(ConfigError, match="DASHSCOPE_API_KEY"):
        find_key()
    monkeypatch.setenv("DASHSCOPE_API_KEY", "")
    with pytest.raises(ConfigError, match="DASHSCOPE_API_KEY is empty"):
        find_key()
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    (tmp_path / "key").write_text("sk-file\n")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "key"))
    assert find_key().reveal() == "sk-file"
    (tmp_path / "key").write_bytes(b"sk-\xff0123")
    with pytest.raises(ConfigError, match="cannot be read") as torn:
        find_key()
    assert "0123" not in str(torn.value)


def test_regions_and_workspaces() -> None:
    """Hosts of seed 001 and FACTS §7."""
    key = Secret("sk-0")
    assert region_endpoint("beijing", key).base_url == "https://dashscope.aliyuncs.com/api/v1"
    assert region_endpoint("singapore", key, workspace="ws1").host == "ws1.ap-southeast-1.maas.aliyuncs.com"
    with pytest.raises(ConfigError, match="workspace="):
        region_endpoint("tokyo", key)
    with pytest.raises(ConfigError, match="singapore, beijing"):
        region_endpoint("mars", key)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://[::1", "ftp://x.example/a"])
def test_no_usable_address_is_told_at_once(url: str, tmp_path: Path) -> None:
    """A hostile or broken answer must not reach for anything but http(s)."""
    with pytest.raises(DownloadError, match="no usable address"):
        call(lambda _: httpx.Response(200), lambda client: client.download(url, tmp_path / "p"))


def test_a_download_of_no_video_s_length_is_not_kept_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that sends without end must not fill the disk; a file that is gone meanwhile begins anew."""
    monkeypatch.setattr("wan_nb.client.MAX_BYTES", 1000)

    def get(answer: httpx.Response) -> Any:
        return call(lambda _: answer, lambda client: client.download("https://oss.example/v.mp4", tmp_path / "p"))

    with pytest.raises(DownloadError, match=r"oss\.example sends more than"):
        get(httpx.Response(200, content=b"x" * 1001))
    (tmp_path / "p").unlink()
    with pytest.raises(LostAnswerError, match="begins anew"):
        get(httpx.Response(416))


def test_a_signed_address_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in httpx's own either, which names every address that it asked for."""
    with caplog.at_level("DEBUG"):
        url = "https://oss.example/v.mp4?Expires=1&Signature=abc"
        call(lambda _: httpx.Response(200, content=b"x"), lambda client: client.download(url, tmp_path / "p"))
    assert "https://oss.example/v.mp4" in caplog.text
    assert "abc" not in caplog.text


def test_downloads_in_circles_end(tmp_path: Path) -> None:
    """Five redirects and no more; none keeps a connection while the next is followed."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://oss.example/again"})

    with pytest.raises(DownloadError, match="in circles"):
        call(handler, lambda client: client.download("https://oss.example/v.mp4", tmp_path / "p"))
    assert len(seen) == 5


def test_a_download_that_only_drips_gives_its_place_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came is kept, and the next try goes on from there."""
    monkeypatch.setattr("wan_nb.client.SLOWEST_S", 0.05)

    async def drip() -> AsyncIterator[bytes]:
        yield bytes(64 * 1024)
        yield b"one more byte"
        await asyncio.Event().wait()

    with pytest.raises(LostAnswerError, match="less than 64 KiB"):
        call(
            lambda _: httpx.Response(200, content=drip()),
            lambda client: client.download("https://oss.example/v.mp4", tmp_path / "p"),
        )
    assert (tmp_path / "p").stat().st_size == 64 * 1024


@pytest.mark.parametrize("task_id", ["../../evil?x=", "a b", {"x": 1}, "t" * 200])
def test_a_task_id_that_is_none_is_ambiguous(task_id: object) -> None:
    """It would go into a path: only plain words are taken."""
    request = VideoRequest("wan2.7-i2v", first_frame="https://x.example/a.png")
    answer = httpx.Response(200, json={"output": {"task_id": task_id, "task_status": "PENDING"}})
    with pytest.raises(LostAnswerError, match="usable task_id"):
        call(lambda _: answer, lambda client: client.create(request.spec.path, Body(request.payload)))
