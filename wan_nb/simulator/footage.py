"""MP4s that look like results: pan and zoom, morph, continuation, sound; every one captioned as what it is.

A `Shot` says what is wanted, `render` makes the file: H.264 in 4:2:0, tagged BT.601 (browsers decode untagged files
with the wrong matrix), index in front, exactly seconds × fps frames. Pictures are resized as planes in two threads:
measured three times as fast as resizing RGB. This module knows nothing of tasks, prompts or HTTP.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from wan_nb import video
from wan_nb.errors import VideoError
from wan_nb.simulator.lettering import Mark, Planes, mark, stand_in

__all__ = ["Shot", "render", "stand_in"]

_FPS = 30
_SAMPLES_PER_S = 44_100
_ENCODER = {"preset": "superfast", "crf": "26", "x264-params": "mbtree=0", "g": str(_FPS)}
"""Superfast: a quarter less work than veryfast, files a fifth larger (measured). No macroblock tree: x264's reads
memory that it never wrote, in small frames, and equal shots differed (measured)."""
_CONTAINER = {"movflags": "+faststart+use_metadata_tags", "max_interleave_delta": "0"}
"""The sound is muxed as a whole before the pictures: the muxer keeps it until theirs come, however long that takes."""
_BT601 = 5
_SMPTE170M = 6
_LIMITED = 1
_SPARE = 1.3
"""The picture is kept this much larger than the frame, where it has the pixels, so that a zoom stays sharp."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Shot:
    """What a rendered video shows, at 30 frames a second."""

    size: tuple[int, int]
    """Width and height in pixels, both even."""
    seconds: int
    """Total length, at least 1; a clip at the front counts."""
    first: Image.Image | None
    """Where it begins; None with a clip."""
    last: Image.Image | None = None
    """Where it ends, cut to the shape of the frame."""
    clip: Path | None = None
    """A video to go on from: its own frames come first."""
    audio: Path | None = None
    """Sound to use; cut, or followed by silence. Implies a sound track."""
    sound: bool = False
    """Whether there is a sound track; without `audio` a soft chord is made."""
    caption: str = ""
    """Small, top left."""
    look: int = 0
    """Chooses camera path, tint and speed: equal numbers look equal."""
    watermark: bool = False
    """"AI Generated" at the bottom right."""
    shots: int = 1
    """Camera positions with hard cuts between them, at least 1."""


def render(shot: Shot, target: Path) -> None:
    """Write the shot as an MP4; the file appears whole or not at all.

    Raises:
        VideoError: If the clip or the audio cannot be read, or the file cannot be written.
    """
    with video.atomic(target) as part:
        try:
            _write(shot, part)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{target.name} could not be rendered: {error}.") from error


def _write(shot: Shot, part: Path) -> None:
    with av.open(str(part), "w", format="mp4", options=_CONTAINER) as out, ThreadPoolExecutor(2) as pool:
        # the machine-readable mark of generated content that the service's own files carry (FACTS §1.1)
        label = {"Label": "1", "ContentProducer": "wan_nb simulator", "ProduceID": shot.caption}
        out.metadata["AIGC"] = json.dumps(label)
        stream: Any = out.add_stream("libx264", rate=_FPS, options=_ENCODER)
        stream.width, stream.height = shot.size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _SMPTE170M
        if shot.sound or shot.audio is not None:
            track: Any = out.add_stream("aac", rate=_SAMPLES_PER_S, layout="mono")
            sound = av.AudioFrame.from_ndarray(_sound(shot)[None, :], format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = _SAMPLES_PER_S, 0, Fraction(1, _SAMPLES_PER_S)
            out.mux([*track.encode(sound), *track.encode(None)])
        for number, frame in enumerate(_drawn(shot, pool)):
            frame.pts, frame.time_base = number, Fraction(1, _FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


# --- sound ------------------------------------------------------------------------------------------------------------


def _sound(shot: Shot) -> NDArray[np.float32]:
    """Mono samples of the video's length: the given sound and then silence, or that of a clip and then a chord."""
    total = _SAMPLES_PER_S * shot.seconds
    made = _chord(shot.look, total) if shot.audio is None else np.zeros(total, dtype=np.float32)
    given = shot.clip if shot.audio is None and shot.clip and video.probe(shot.clip).has_audio else shot.audio
    if given is not None:
        heard = video.sound(given, _SAMPLES_PER_S, limit_s=shot.seconds)
        made[: heard.size] = heard
    return made


def _chord(look: int, total: int) -> NDArray[np.float32]:
    """A soft chord that swells and fades; the look chooses its root."""
    t = np.arange(total, dtype=np.float32) / _SAMPLES_PER_S
    root = 130.81 * 2 ** ((look % 12) / 12)
    wave = np.zeros(total, dtype=np.float32)
    for step, gain in ((0, 1.0), (7, 0.6), (12, 0.5), (16, 0.4)):
        tone = 2 * np.pi * root * 2 ** (step / 12)
        wave += gain * np.sin(tone * t) * (1 + 0.25 * np.sin(2 * np.pi * (0.2 + step / 60) * t))
    edge = min(_SAMPLES_PER_S // 2, total // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32) ** 2
    wave[:edge] *= ramp
    wave[total - edge :] *= ramp[::-1]
    return (0.05 * wave).astype(np.float32)


# --- pictures ---------------------------------------------------------------------------------------------------------


def _drawn(shot: Shot, pool: ThreadPoolExecutor) -> Iterator[av.VideoFrame]:
    """Yield the finished frames in order; two threads draw ahead, by four frames at most."""
    marks = _marks(shot)
    jobs = (pool.submit(_finished, draw, marks) for draw in _plan(shot))
    ahead = deque(islice(jobs, 3))
    for job in jobs:
        ahead.append(job)
        yield ahead.popleft().result()
    yield from (job.result() for job in ahead)


def _finished(draw: Callable[[], Planes], marks: list[Mark]) -> av.VideoFrame:
    planes = draw()
    for text in marks:
        text.stamp(planes)
    width, height = planes[0].size
    flat = np.frombuffer(b"".join(plane.tobytes() for plane in planes), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")
    frame.colorspace, frame.color_range = _SMPTE170M, _LIMITED
    return frame


def _plan(shot: Shot) -> Iterator[Callable[[], Planes]]:
    """Yield one drawing job a frame."""
    total, done, picture = shot.seconds * _FPS, 0, shot.first
    for picture in islice(_resampled(shot.clip), total) if shot.clip else ():
        done += 1
        yield partial(_shown, picture, shot.size)
    if picture is None:
        raise VideoError("a shot needs a first picture, or a clip that has frames to go on from.")
    if done == total:
        return
    still = _planes(_fit(picture, shot.size))
    end = None if shot.last is None else _planes(_fit(shot.last, shot.size, whole=False))
    band = _band(shot.size)
    for index in range(shot.shots):
        start, stop = (done + (total - done) * number // shot.shots for number in (index, index + 1))
        camera = _Camera.of(shot.look, index)
        target = end if index == shot.shots - 1 else None
        for n in range(start, stop):
            # after a clip its last frame has been shown already: the first new one moves on
            u = (n - start + bool(done)) / max(1, stop - start - 1 + bool(done))
            yield partial(_scene, still, target, camera, band, u)


def _shown(picture: Image.Image, size: tuple[int, int]) -> Planes:
    return _planes(_fit(picture, size, spare=1.0))


def _scene(still: Planes, end: Planes | None, camera: _Camera, band: Image.Image, u: float) -> Planes:
    """One frame at u = 0…1 of a camera move, towards `end` where there is one."""
    size = band.width // 3, band.height
    planes, strength = _view(still, camera.box(u), size), _ease(u)
    if end is not None:
        share = _ease(min(1.0, max(0.0, (u - 0.12) / 0.76)))
        strength = math.sin(math.pi * u) ** 2
        others = _view(end, camera.turned().box(1 - u), size)
        planes = [Image.blend(one, two, share) for one, two in zip(planes, others, strict=True)]
    left = round((band.width - size[0]) * (1 - u if camera.tint[0] < 0 else u))
    light = ImageChops.add(planes[0], band.crop((left, 0, left + size[0], size[1])))
    return [light, *(_shifted(p, t * strength) for p, t in zip(planes[1:], camera.tint, strict=True))]


def _shifted(plane: Image.Image, by: float) -> Image.Image:
    amount = round(by)
    return plane.point([min(255, max(0, v + amount)) for v in range(256)]) if amount else plane


def _ease(u: float) -> float:
    return u * u * (3 - 2 * u)


@dataclass(frozen=True, slots=True)
class _Camera:
    """A path that starts on the whole picture (or, after a cut, on a part of it) and only ever moves smoothly."""

    base: float
    depth: float
    back: float
    heading: float
    swing: float
    tint: tuple[float, float]

    @classmethod
    def of(cls, look: int, index: int) -> _Camera:
        rng = np.random.default_rng([abs(look), index])
        hue = rng.uniform(0, 2 * math.pi)
        return cls(
            base=1.0 if index == 0 else float(rng.uniform(1.35, 1.75)),
            depth=float(rng.uniform(0.14, 0.42)),
            back=float(rng.choice([0.0, 0.0, 0.7])),
            heading=float(rng.uniform(0, 2 * math.pi)),
            swing=float(rng.uniform(-1.8, 1.8)),
            tint=(7 * math.cos(hue), 7 * math.sin(hue)),
        )

    def turned(self) -> _Camera:
        """The same move from the other side: what a morph arrives by."""
        return replace(self, base=1.0, back=0.0, heading=self.heading + math.pi)

    def box(self, u: float) -> Box:
        """Left, top, right, bottom as shares of the picture."""
        zoom = self.base * (1 + self.depth * (_ease(u) - self.back * _ease(max(0.0, 2 * u - 1))))
        side, angle = 1 / zoom, self.heading + self.swing * _ease(u)
        left = (1 - side) / 2 * (1 + 0.9 * math.cos(angle))
        top = (1 - side) / 2 * (1 + 0.9 * math.sin(angle))
        return left, top, left + side, top + side


def _view(planes: Planes, box: Box, size: tuple[int, int]) -> Planes:
    """A part of a picture in the size of the frame."""
    seen = []
    for plane, half in zip(planes, (1, 2, 2), strict=True):
        w, h = plane.size
        part = (box[0] * w, box[1] * h, min(box[2], 1.0) * w, min(box[3], 1.0) * h)
        seen.append(plane.resize((size[0] // half, size[1] // half), Image.Resampling.BILINEAR, box=part))
    return seen


def _planes(picture: Image.Image) -> Planes:
    width, height = picture.size
    frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
    converted = frame.reformat(format="yuv420p", dst_colorspace=_BT601, dst_color_range=_LIMITED)
    parts = np.split(converted.to_ndarray().reshape(-1), (width * height, width * height * 5 // 4))
    sizes = ((width, height), (width // 2, height // 2), (width // 2, height // 2))
    return [Image.frombytes("L", size, part) for size, part in zip(sizes, parts, strict=True)]


def _fit(picture: Image.Image, size: tuple[int, int], *, whole: bool = True, spare: float = _SPARE) -> Image.Image:
    """The picture in the shape of the frame and a little larger, where it has the pixels.

    A first picture is shown `whole` although the rule that sized the frame changed its shape by a per cent or two, as
    the open model code does; one that differs more is cut.
    """
    picture = picture.convert("RGB")
    stretch = picture.width * size[1] / (picture.height * size[0])
    scale = min(spare, max(1.0, min(picture.width / size[0], picture.height / size[1])))
    large = (round(size[0] * scale / 2) * 2, round(size[1] * scale / 2) * 2)
    if whole and 0.92 < stretch < 1.09:
        return picture.resize(large, Image.Resampling.LANCZOS)
    return ImageOps.fit(picture, large, Image.Resampling.LANCZOS)


def _resampled(clip: Path) -> Iterator[Image.Image]:
    """The clip's pictures at a steady rate: each stays until the next one is due."""
    shown, made = None, 0
    for time_s, picture in video.pictures(clip):
        while shown is not None and made / _FPS < time_s - 0.5 / _FPS:
            made += 1
            yield shown
        shown = picture
    if shown is not None:
        yield shown


@lru_cache(maxsize=4)
def _band(size: tuple[int, int]) -> Image.Image:
    """A soft slanting light, three frames wide and dark at both ends: it passes through and leaves no trace."""
    width, height = size
    x = np.arange(width * 3, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    distance = (x - width * 1.5 + (y - height / 2) * 0.35) / (width * 0.16)
    return Image.fromarray((18 * np.exp(-0.5 * distance**2)).astype(np.uint8))


def _marks(shot: Shot) -> list[Mark]:
    marks = []
    if shot.caption:
        # a clip brings its own caption: it is covered, not mixed with this one
        plate = 120 if shot.clip is None else 255
        marks.append(mark(shot.caption, shot.size, far=False, share=0.042, plate=plate))
    if shot.watermark:
        marks.append(mark("AI Generated", shot.size, far=True, share=0.036, plate=0))
    return marks
