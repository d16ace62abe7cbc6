"""Third witness: the vendor's official SDK from the registry, run in a process of its own against the simulator.

The newest one is in the test extra. 1.25.16, the oldest that the documents name for 2.7, is installed beside the
environment by the README's test command; ``WAN_NB_SDK_OLD`` names another place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import make_picture
from tests.films import look_at, loudness, write_clip, write_sound
from wan_nb.clock import Clock
from wan_nb.simulator import Limits, Scenario, Simulator, Timing
from wan_nb.simulator.footage import Shot, render

SCRIPT = Path(__file__).parent / "sdk_calls.py"
OLD = Path(os.environ.get("WAN_NB_SDK_OLD") or Path(sys.prefix) / "dashscope-1.25.16")
INSTALL = f"{sys.executable} -m pip install --no-deps --target {OLD} dashscope==1.25.16"
FORMS = ("call", "async_call, fetch, wait", "aio call", "aio async_call, fetch, wait")
LACKS: Mapping[str, Mapping[str, str]] = {
    "newest": {},
    "1.25.16": {"aio cancel": "sends GET where POST is documented, and is told 405; mended in later versions"},
}
"""What a version cannot do, by name of sample or form. No sample is missing in either."""


@dataclass(frozen=True)
class Wanted:
    """What a sample's file must be."""

    size: tuple[int, int]
    seconds: float
    sound: bool = True


# Tiers are small here: 480P has 24 960 pixels and 720P 57 600. Pictures beyond loopback are taken as 4:3, frame.png is
# 3:4. Sides by hand: 720P at 4:3 √76800=277 and √43200=207 → 272×192; 480P √33280=182 and √18720=136 → 176×128.
WIDE, NARROW, SMALL_WIDE, SMALL_NARROW = (272, 192), (192, 272), (176, 128), (128, 176)
WANTED = {
    "000 two URLs": Wanted(WIDE, 5, sound=False),
    "000 two files": Wanted(NARROW, 5, sound=False),
    "000 relative files": Wanted(NARROW, 5, sound=False),
    "000 2.1": Wanted(WIDE, 5, sound=False),
    "001 driving audio": Wanted(WIDE, 10),
    "001 first and last": Wanted(WIDE, 2),
    "001 first clip": Wanted(WIDE, 10),
    "001 files": Wanted(NARROW, 5),
    "001 clip file": Wanted(WIDE, 5),
    "003 URL and audio": Wanted(SMALL_WIDE, 10),
    "003 file": Wanted(SMALL_NARROW, 5),
    "003 relative file": Wanted(SMALL_NARROW, 5),
    "003 base64": Wanted(SMALL_NARROW, 5),
    "003 2.6": Wanted(WIDE, 15),
    "003 2.2": Wanted(SMALL_WIDE, 5, sound=False),
    "003 2.1": Wanted(WIDE, 3, sound=False),
    "004 multi-shot": Wanted(WIDE, 10),
    "004 multi-shot, audio": Wanted(WIDE, 10),
    "004 audio": Wanted(WIDE, 10),
    "004 silent": Wanted(WIDE, 5, sound=False),
    "004 file and audio": Wanted(NARROW, 2),
}
SONG_S = 3.0
"""Length of ``song.wav``: five seconds of video end in silence."""


@dataclass(frozen=True)
class Report:
    """What one version of the SDK was told."""

    version: str
    lines: list[dict[str, Any]]
    folder: Path

    def of(self, name: str, form: str) -> dict[str, Any]:
        """The line of a call."""
        (found,) = [line for line in self.lines if (line["name"], line["form"]) == (name, form)]
        return found


class Kiosk:
    """Renders each kind of shot once: what the tests look at does not depend on the sample's form."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], tuple[threading.Lock, list[bytes]]] = {}
        self._lock = threading.Lock()

    def __call__(self, shot: Shot, target: Path) -> None:
        files = (shot.audio, shot.clip, shot.last is None)
        kind = (shot.size, shot.seconds, shot.sound, shot.watermark, shot.shots, *files)
        with self._lock:
            lock, files = self._made.setdefault(kind, (threading.Lock(), []))
        with lock:
            if not files:
                render(shot, target)
                files.append(target.read_bytes())
            target.write_bytes(files[0])


@contextmanager
def run(folder: Path, old: Path | None) -> Iterator[Report]:
    """Have one version make all calls; the simulator stays up, so that files can be fetched."""
    make_picture(folder / "frame.png", 300, 400)
    make_picture(folder / "last.png", 400, 300)
    write_sound(folder / "song.wav", SONG_S)
    write_clip(folder / "clip.mp4", (320, 240), 2.0)
    scenario = Scenario(
        timing=Timing(pending_s=36),
        job_s=54,
        limits=Limits(running=200, enforced=False),  # a service second is 17 ms here
        tier_area={"480P": 208 * 120, "720P": 320 * 180, "1080P": 480 * 270},
    )
    with Simulator(folder / "service", clock=Clock(speed=60), scenario=scenario, render=Kiosk()) as simulator:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DASHSCOPE")}
        environment["NO_PROXY"] = "127.0.0.1"
        if old:
            environment["PYTHONPATH"] = str(old)
        words = [sys.executable, str(SCRIPT), simulator.base_url, str(folder)]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        version = next(line["version"] for line in lines if line["name"] == "version")
        yield Report(version, [line for line in lines if line["name"] != "version"], folder)


@pytest.mark.parametrize("version", ["newest", "1.25.16"])
def test_the_official_sdk(version: str, tmp_path: Path) -> None:
    """All calls of the documents, in one process; nothing fails that should not."""
    old = OLD if version == "1.25.16" else None
    if old is not None and not old.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {OLD}; install it: {INSTALL}")
        pytest.skip(f"the old SDK is not there; install it: {INSTALL}")
    if old is None and os.environ.get("CI") != "true":
        pytest.importorskip("dashscope", reason="the official SDK is in the test extra: pip install -e '.[test]'")
    with run(tmp_path, old) as report:
        assert report.version == version if old else int(report.version.split(".")[0]) >= 2
        every_sample_ends_in_its_video(report, LACKS[version])
        a_local_song_is_heard_and_then_silence(report)
    list_cancel_and_upload_work(report, LACKS[version])
    errors_come_through(report)


def every_sample_ends_in_its_video(report: Report, lacks: Mapping[str, str]) -> None:
    """Every call in four forms; each file looked at."""
    failures = [f"{line['name']}, {line['form']}: {line['raised']}" for line in report.lines if "raised" in line]
    failures = [failure for failure in failures if not failure.startswith("sk-")]
    assert not failures, "\n".join(failures)
    with httpx.Client(trust_env=False) as http:
        for name, wanted in WANTED.items():
            for form in FORMS if name not in lacks else ():
                line = report.of(name, form)
                failures += [f"{name}, {form}: {what}" for what in wrong(line, wanted, http)]
    assert not failures, "\n".join(failures)


def wrong(line: dict[str, Any], wanted: Wanted, http: httpx.Client) -> Iterator[str]:
    """Say what is not as documented about a call's answer and its file."""
    if line["status"] != 200:
        yield str(line)
        return
    output = line["output"]
    if (output["task_status"], line["code"], line["message"]) != ("SUCCEEDED", "", ""):
        yield f"{output['task_status']} {line['code']} {line['message']}"
        return
    answer = http.get(output["video_url"])
    film = look_at(answer.content)
    seen = (film.codec, film.fps, film.size, film.seconds, film.sound is not None)
    if seen != ("h264", 30.0, wanted.size, wanted.seconds, wanted.sound):
        yield f"{seen} is not {wanted}"
    if film.sound and (film.sound[0] != "aac" or abs(film.sound[1] - wanted.seconds) > 0.1):
        yield f"sound is {film.sound}"
    usage = line["usage"]
    if wanted.seconds not in (usage.get("duration"), usage.get("video_duration")):
        yield f"usage is {usage}"
    if not line["request_id"] or not output["orig_prompt"]:
        yield "no request_id or orig_prompt"


def a_local_song_is_heard_and_then_silence(report: Report) -> None:
    """Three seconds of song in five of video, uploaded by the SDK itself."""
    for name in ("001 files", "003 relative file"):
        file = report.folder / "film.mp4"
        file.write_bytes(httpx.get(report.of(name, "call")["output"]["video_url"], trust_env=False).content)
        assert loudness(file, 0.5, SONG_S - 0.5) > 20 * loudness(file, SONG_S + 0.5, 4.5)


def list_cancel_and_upload_work(report: Report, lacks: Mapping[str, str]) -> None:
    """What the SDK reads out of the other calls."""
    for prefix in ("", "aio "):
        canceled = report.of("cancel", f"{prefix}cancel")
        status = report.of("canceled", f"{prefix}fetch")["output"]["task_status"]
        if f"{prefix}cancel" in lacks:
            assert (canceled["status"], status) == (405, "PENDING")
        else:
            assert (canceled["status"], canceled["code"], status) == (200, "", "CANCELED")
        assert report.of("list", f"{prefix}list")["status"] == 200
    again = report.of("cancel again", "cancel")
    assert (again["status"], again["code"]) == (400, "UnsupportedOperation")
    assert report.of("unknown", "fetch")["output"]["task_status"] == "UNKNOWN"
    address = report.of("upload", "upload")["address"]
    assert urlsplit(address).scheme == "oss"
    assert address.endswith("/frame.png")
    assert report.of("uploaded", "call")["output"]["task_status"] == "SUCCEEDED"


def errors_come_through(report: Report) -> None:
    """401, 429 and 500 in the HTTP body, a failed task in a good answer, each with code, text and request id."""
    expected = {
        "sk-invalid": (401, "InvalidApiKey"),
        "sk-throttled": (429, "Throttling.RateQuota"),
        "sk-broken": (500, "InternalError"),
    }
    for key, (status, code) in expected.items():
        assert code in report.of(key, "call")["raised"]  # `call` waits for a task that was never made, and says so
        for form in ("async_call", "aio async_call"):
            line = report.of(key, form)
            assert (line["status"], line["code"]) == (status, code), line
            assert line["message"]
            assert line["request_id"]
    missing = report.of("no such model", "async_call")
    assert (missing["status"], missing["code"]) == (404, "ModelNotFound")
    failed = report.of("failed", "call")
    assert (failed["status"], failed["output"]["task_status"]) == (200, "FAILED")
    assert failed["output"]["code"] == "InvalidParameter"
    assert failed["output"]["message"] == "Duration should be between 2 and 15"
