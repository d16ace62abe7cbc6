"""What `problems()` says and what the simulator does agree, case by case; the two share catalogue facts alone.

Passed or warned of: the simulator finishes it. Refused: the simulator fails it. Wasteful: the simulator takes it, and
what comes out is what comes out without the part that is cut or ignored.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.films import look_at, loudness, write_clip, write_sound
from wan_nb.catalog import MODELS, TEMPLATES
from wan_nb.client import Body, Client
from wan_nb.clock import Clock
from wan_nb.endpoint import Endpoint, Secret
from wan_nb.errors import ServiceError
from wan_nb.media import Media, load
from wan_nb.request import VideoRequest
from wan_nb.simulator import Limits, Scenario, Simulator
from wan_nb.task import TaskSnapshot, TaskStatus

ROOM = 40
"""Tasks in a simulator's folder before the next one takes over: a poll reads them all."""


# --- the other side -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of a request."""

    failure: str = ""
    """Code and text, where it failed."""
    snapshot: TaskSnapshot | None = None
    """The last answer, where a task was made."""
    shot: Any = None
    """What was to be rendered."""

    @property
    def seen(self) -> tuple[object, ...]:
        """Everything that a user could see of it."""
        assert self.snapshot, self.failure
        shot = self.shot
        files = tuple(path and sha256(path.read_bytes()).hexdigest() for path in (shot.audio, shot.clip))
        made = (shot.size, shot.seconds, shot.sound, shot.look, shot.watermark, shot.shots, shot.last is None)
        return (self.snapshot.usage, self.snapshot.actual_prompt, *made, *files)


class Bench:
    """The toolkit's own client against the simulator's app: no socket, a clock that is moved, no real footage."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._left = 0
        self.cases: Counter[str] = Counter()

    def close(self) -> None:
        self._loop.close()

    def _open(self) -> None:
        self._now = 1_795_147_200.0
        self._left = ROOM
        self._shots: dict[str, Any] = {}

        def render(shot: Any, target: Path) -> None:
            self._shots[shot.caption] = shot
            target.write_bytes(b"video")

        clock = Clock(speed=60, now=lambda: self._now)
        scenario = Scenario(limits=Limits(running=1000, enforced=False), job_s=30, stand_in=(320, 240))
        folder = self._folder / f"{next(self._numbers)}"
        self._simulator = Simulator(folder, clock=clock, scenario=scenario, render=render)
        endpoint = Endpoint("simulator", "http://simulator/api/v1", Secret("sk-1"), is_simulated=True)
        self._client = Client(endpoint, transport=httpx.ASGITransport(self._simulator.app))
        self._uploaded: dict[tuple[str, str], str] = {}

    def run(self, request: VideoRequest, *, upload_pictures: bool = False) -> Outcome:
        """Send a request and wait for its end."""
        if self._left <= 0:
            self._open()
        self._left -= 1
        return self._loop.run_until_complete(self._run(request, upload_pictures))

    async def _run(self, request: VideoRequest, upload_pictures: bool) -> Outcome:
        addresses = {}
        for medium in request.media.values():
            if medium.origin != "url" and (upload_pictures or medium.kind != "image"):
                row = (request.spec.id, medium.sha256)
                if row not in self._uploaded:
                    self._uploaded[row] = await self._client.upload(medium, request.model)
                addresses[medium.sha256] = self._uploaded[row]
        try:
            made = await self._client.create(request.spec.path, Body(request.payload, addresses))
        except ServiceError as error:
            return Outcome(str(error))
        for wait in itertools.count():
            self._now += 1
            snapshot = await self._client.get(made.task_id)
            if snapshot.status.is_terminal:
                break
            assert wait < 2000, snapshot
            await asyncio.sleep(0.0005)  # the rendering thread comes a moment later
        if snapshot.status is TaskStatus.FAILED:
            return Outcome(f"{snapshot.code}: {snapshot.message}", snapshot)
        assert snapshot.status is TaskStatus.SUCCEEDED, snapshot
        return Outcome("", snapshot, self._shots[f"SIMULATED {made.task_id[:8]}"])


# --- real files -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shelf:
    """Media made by code, measured once."""

    pictures: dict[str, Media]
    sounds: dict[str, Media]
    clips: dict[str, Media]


URL = "https://x.example/a.png"
LENGTHS = (1.9, 1.999, 2.0, 2.001, 2.9, 2.999, 3.0, 4.98, 5.0, 5.2, 9.0, 15.0, 29.99, 30.0, 30.01, 31.0)
CLIPS = (
    *((320, 240, 1.9), (320, 240, 2.0), (322, 240, 3.0), (324, 240, 4.9), (326, 240, 5.0), (328, 240, 10.0)),
    *((330, 240, 10.1), (330, 240, 12.0), (238, 300, 3.0), (240, 1920, 3.0), (240, 1922, 3.0), (4098, 600, 2.0)),
)

SIZES = (
    *((239, 400), (240, 400), (400, 239), (359, 400), (360, 400), (2000, 1500), (2001, 400), (300, 2400)),
    *((300, 2401), (1920, 240), (1921, 240), (8000, 1000), (8001, 1001), (750, 1000)),
)


def _picture(size: tuple[int, int], kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new(mode, size, tuple(range(90, 90 + 20 * len(mode), 20)) if mode.startswith("RGB") else 90).save(
        target, kind, **options
    )
    return target.getvalue()


def _padded(nbytes: int) -> bytes:
    """A good JPEG of an exact length: what follows its end is not looked at."""
    data = _picture((400, 300), "JPEG")
    return data + bytes(nbytes - len(data))


def _turned(size: tuple[int, int]) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _picture(size, "JPEG", exif=exif)


def _pictures() -> dict[str, bytes]:
    named = {f"{width}x{height}": _picture((width, height)) for width, height in SIZES}
    named |= {kind: _picture((500, 400), kind) for kind in ("JPEG", "BMP", "WEBP", "GIF", "TIFF")}
    named |= {f"{kind}-alpha": _picture((500, 400), kind, "RGBA") for kind in ("PNG", "WEBP")}
    named |= {f"mode-{mode}": _picture((500, 400), "PNG", mode) for mode in ("L", "1", "P", "LA")}
    named["CMYK"] = _picture((500, 400), "JPEG", "CMYK")
    named["palette-transparent"] = _picture((500, 400), "PNG", "P", transparency=3)
    named["animated"] = _picture((500, 400), "WEBP", save_all=True, append_images=[Image.new("RGB", (500, 400), "red")])
    named["phone"] = _picture((500, 400), "MPO", save_all=True, append_images=[Image.new("RGB", (500, 400), "red")])
    named["turned"] = _turned((300, 2400))
    named["turned-too-long"] = _turned((2401, 300))
    return named


PICTURES = _pictures()
ON_SHELF = {
    "first_frame": [*PICTURES, "data URI", "declared wrongly"],
    "last_frame": [*PICTURES, "data URI", "declared wrongly"],
    "first_clip": [*(f"{width}x{height}, {length} s" for width, height, length in CLIPS), "sounding", "mov", "avi"],
    "driving_audio": [*(f"{length} s" for length in LENGTHS), "4.mp3", "4.flac", "4.m4a"],
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Files around every bound."""
    folder = tmp_path_factory.mktemp("shelf")
    sounds = {f"{length} s": write_sound(folder / f"{length}.wav", length, rate=2000) for length in LENGTHS}
    sounds |= {f"4{kind}": write_sound(folder / f"4{kind}", 4) for kind in (".mp3", ".flac", ".m4a")}
    clips = {
        f"{width}x{height}, {length} s": write_clip(folder / f"{width}-{length}.mp4", (width, height), length)
        for width, height, length in CLIPS
    }
    clips["sounding"] = write_clip(folder / "sounding.mp4", (320, 240), 10.0, sound_s=10.4)
    clips["mov"] = write_clip(folder / "clip.mov", (320, 240), 3.0)
    clips["avi"] = write_clip(folder / "clip.avi", (320, 240), 3.0)
    uri = load(_picture((640, 480))).data_uri()
    pictures = {name: load(data) for name, data in PICTURES.items()} | {"data URI": load(uri), "address": load(URL)}
    pictures["declared wrongly"] = load(uri.replace("image/png", "image/jpeg"))
    return Shelf(
        pictures,
        {name: load(path, "audio") for name, path in sounds.items()} | {"address": load(URL, "audio")},
        {name: load(path, "video") for name, path in clips.items()} | {"address": load(URL, "video")},
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    opened = Bench(tmp_path_factory.mktemp("bench"))
    yield opened
    opened.close()


def test_the_shelf_can_be_read(shelf: Shelf) -> None:
    """Or a case would say nothing of a limit."""
    media = [*shelf.pictures.values(), *shelf.sounds.values(), *shelf.clips.values()]
    assert not [str(medium) for medium in media if medium.error]
    assert shelf.pictures["turned"].rotated
    assert shelf.pictures["palette-transparent"].has_alpha


# --- the property ---------------------------------------------------------------------------------------------------

NAMES = sorted({name for spec in MODELS.values() for name in (spec.id, *spec.aliases)})
ALL_MEDIA = ("first_frame", "first_clip", "last_frame", "driving_audio")
GOOD_MEDIA = {
    "first_frame": ["750x1000", "JPEG", "WEBP", "address"],
    "last_frame": ["750x1000", "JPEG", "WEBP", "address"],
    "first_clip": ["320x240, 2.0 s", "322x240, 3.0 s", "address"],
    "driving_audio": ["3.0 s", "5.0 s", "address"],
}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a request that may be right, wasteful or wrong in any of them; media by their name on the shelf."""
    model = draw(st.sampled_from(NAMES))
    spec = MODELS[model]
    legal = draw(st.sampled_from(spec.inputs.union))
    places = draw(st.one_of(*[st.just(legal)] * 5, st.sets(st.sampled_from(ALL_MEDIA))))
    limit = spec.prompt_chars
    strange = {
        **{name: (GOOD_MEDIA[name], [None]) for name in ALL_MEDIA if name in places},
        "prompt": ([None, "a cat", "猫", ""], ["x" * limit, "猫" * (limit + 1), "𝄞" * limit, "a " * limit, 5]),
        "negative_prompt": ([None, "people"], ["", "y" * 500, "y" * 501, 3]),
        "template": ([None], ["", *TEMPLATES[-3:], "no such effect", 7]),
        "resolution": ([None, *spec.tiers.union], ["480P", "720P", "1080P", "4K", "720p", 720, ""]),
        "duration": ([None, *spec.durations.union], [*range(-1, 32), 5.0, "5", True, 10**9]),
        "prompt_extend": ([None, True, False], ["yes", 1]),
        "watermark": ([None, True, False], ["no", 0]),
        "audio": ([None], [True, False, "yes", 0]),
        "shot_type": ([None], ["single", "multi", "many", "", 2]),
        "seed": ([None, 0, 7, 2**31 - 1], [-1, 2**31, 1.5, "7", True]),
        "extra": ([{}], [{"new_switch": True}]),
    }
    wrong = draw(st.sets(st.sampled_from(sorted(strange)), max_size=2))
    fields: dict[str, Any] = {"model": model}
    for name, (usual, rare) in strange.items():
        if name in GOOD_MEDIA:
            fields[name] = draw(st.sampled_from(ON_SHELF[name] if name in wrong else usual))
        else:
            fields[name] = draw(st.sampled_from(rare if name in wrong else usual))
    return fields


def request_of(shelf: Shelf, fields: dict[str, Any]) -> VideoRequest:
    """The request with the files that its names stand for."""
    places = {"first_frame": shelf.pictures, "last_frame": shelf.pictures, "first_clip": shelf.clips}
    places["driving_audio"] = shelf.sounds
    return VideoRequest(**{name: places[name][value] if name in places else value for name, value in fields.items()})


def agree(bench: Bench, request: VideoRequest, *, upload_pictures: bool = False) -> None:
    """Compare both sides on one request."""
    found = request.problems()
    refused = [problem for problem in found if problem.severity == "refused"]
    wasteful = [problem for problem in found if problem.severity == "wasteful"]
    if wasteful and not refused:
        # look and camera depend on the seed: with one that is given, equal means equal
        request = request.replace(seed=request.seed if request.seed is not None else 7)
    outcome = bench.run(request, upload_pictures=upload_pictures)
    if refused:
        bench.cases["refused"] += 1
        assert outcome.failure, f"refused, but finished: {[str(problem) for problem in refused]}"
        return
    bench.cases["wasteful" if wasteful else "warned" if found else "passed"] += 1
    assert not outcome.failure, f"not refused, but failed with {outcome.failure!r}: {[str(p) for p in found]}"
    if wasteful:
        plain = bench.run(without_waste(request), upload_pictures=upload_pictures)
        assert outcome.seen == plain.seen, [str(problem) for problem in wasteful]
        left = [problem for problem in without_waste(request).problems() if problem.severity == "wasteful"]
        assert all(_is_a_matter_of_length(problem.message) for problem in left), [str(problem) for problem in left]


def _is_a_matter_of_length(message: str) -> bool:
    """Sound longer than the video, and a clip that fills it: what is lost is seen in the footage (below)."""
    return "cuts the rest off" in message or "nothing new would be made" in message


def without_waste(request: VideoRequest) -> VideoRequest:
    """The same request without what the documents say is cut or ignored."""
    spec, changes = request.spec, {}
    taken = frozenset[str]().union(*spec.inputs.union)
    changes |= {name: None for name in request.media if name not in taken}
    changes |= {
        name: None
        for name in ("negative_prompt", "template", "audio", "prompt_extend", "shot_type", "watermark")
        if name not in spec.fields.union
    }
    for name, limit in (("prompt", spec.prompt_chars), ("negative_prompt", spec.negative_chars)):
        if name not in changes and isinstance(text := getattr(request, name), str):
            changes[name] = text[:limit]
    if request.template and "template" in spec.fields.union:
        changes["prompt"] = None
    if request.prompt_extend is False:
        changes["shot_type"] = None
    if request.audio is False and spec.sound == "switch":
        changes["driving_audio"] = None
    return request.replace(**changes)


def _check(bench: Bench, shelf: Shelf, count: int) -> None:
    @settings(
        max_examples=count,
        deadline=None,
        derandomize=count < 1000,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(fields=cases(), upload_pictures=st.booleans())
    def run(fields: dict[str, Any], upload_pictures: bool) -> None:
        agree(bench, request_of(shelf, fields), upload_pictures=upload_pictures)

    run()
    print(f"\n{sum(bench.cases.values())} requests: {dict(bench.cases)}")


def test_both_sides_agree(bench: Bench, shelf: Shelf) -> None:
    """Many requests that are right, wasteful or wrong in one thing or several."""
    _check(bench, shelf, 400)
    assert min(bench.cases[kind] for kind in ("passed", "warned", "wasteful", "refused")) > 20


@pytest.mark.campaign
def test_both_sides_agree_at_length(bench: Bench, shelf: Shelf) -> None:
    """The same for many thousand requests, other ones each time: `pytest -m campaign -k at_length -s`."""
    _check(bench, shelf, 20_000)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_file_with_every_model(bench: Bench, shelf: Shelf, model: str) -> None:
    """Each picture, sound and clip of the shelf, in each place that the model has for it."""
    good = VideoRequest(model, first_frame=URL, seed=1, prompt="x", duration=15 if "2.7" in model else None)
    places = frozenset[str]().union(*good.spec.inputs.union)
    for name, medium in shelf.pictures.items():
        agree(bench, good.replace(first_frame=medium), upload_pictures=name.endswith("0"))
        if "last_frame" in places:
            agree(bench, good.replace(last_frame=medium))
    for medium in shelf.sounds.values() if "driving_audio" in places else ():
        agree(bench, good.replace(driving_audio=medium))
    for medium in shelf.clips.values() if "first_clip" in places else ():
        agree(bench, good.replace(first_clip=medium, first_frame=None))
        agree(bench, good.replace(first_clip=medium, first_frame=None, last_frame=URL, duration=2))


@pytest.mark.parametrize(
    ("model", "megabytes"), [("wan2.2-i2v-flash", 10), ("wan2.6-i2v-flash", 20), ("wan2.2-kf2v-flash", 10)]
)
def test_pictures_around_the_limit_of_bytes(bench: Bench, model: str, megabytes: int) -> None:
    """One byte more is one too many."""
    for nbytes in (megabytes * 2**20, megabytes * 2**20 + 1):
        agree(bench, VideoRequest(model, first_frame=_padded(nbytes)))


@pytest.mark.parametrize("model", ["wan2.7-i2v", "wan3.0-video"])
def test_every_set_of_media(bench: Bench, model: str) -> None:
    """The six of 2.7, the two of 3.0, and the refusal of every other."""
    taken = []
    for count in range(5):
        for names in itertools.combinations(ALL_MEDIA, count):
            request = VideoRequest(model, **dict.fromkeys(names, URL))
            agree(bench, request)
            if not request.problems(severity="refused"):
                taken.append(frozenset(names))
    assert set(taken) == set(MODELS[request.spec.id].inputs.agreed)
    assert len(taken) == (6 if model == "wan2.7-i2v" else 2)


# --- what only footage shows ----------------------------------------------------------------------------------------


def test_cut_and_padded_sound_is_heard(tmp_path: Path, shelf: Shelf) -> None:
    """Longer sound is cut at the video's end, shorter is followed by silence, a switch makes it silent."""
    small = Scenario(tier_area={"480P": 64 * 48, "720P": 96 * 64, "1080P": 128 * 96})

    def made(shot_of: VideoRequest) -> Path:
        bench = Bench(tmp_path / "bench")
        outcome = bench.run(shot_of)
        assert not outcome.failure
        from wan_nb.simulator.footage import render

        target = tmp_path / f"{shot_of.fingerprint[3:12]}.mp4"
        render(replace(outcome.shot, size=small_size(outcome.shot.size)), target)
        bench.close()
        return target

    def small_size(size: tuple[int, int]) -> tuple[int, int]:
        scale = math.sqrt(small.tier_area["720P"] / (size[0] * size[1]))
        return round(size[0] * scale / 2) * 2, round(size[1] * scale / 2) * 2

    base = VideoRequest("wan2.6-i2v-flash", first_frame=URL, resolution="720P", duration=5, seed=1)
    cut = made(base.replace(driving_audio=shelf.sounds["9.0 s"]))
    padded = made(base.replace(driving_audio=shelf.sounds["3.0 s"]))
    silent = made(base.replace(driving_audio=shelf.sounds["3.0 s"], audio=False))
    film = look_at(cut)
    assert film.seconds == 5
    assert film.sound
    assert abs(film.sound[1] - 5) < 0.1
    assert loudness(padded, 0.5, 2.5) > 20 * loudness(padded, 3.5, 4.8)
    assert look_at(silent).sound is None
    full = made(VideoRequest("wan2.7-i2v", first_clip=shelf.clips["328x240, 10.0 s"], duration=5, seed=1))
    assert look_at(full).seconds == 5
