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
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from wan_nb import video
from wan_nb.errors import VideoError
from wan_nb.simulator.lettering import Mark, mark, stand_in
from wan_nb.simulator.soundtrack import RATE, Track, samples

__all__ = ["Shot", "render", "stand_in"]

_ENCODER = {"preset": "superfast", "crf": "26", "x264-params": "mbtree=0"}
"""Superfast: a quarter less work than veryfast, files a fifth larger (measured). No macroblock tree: x264's reads
memory that it never wrote, in small frames, and equal shots differed (measured)."""
_BT601 = 5
_SMPTE170M = 6
_LIMITED = 1
_SPARE = 1.3
"""The picture is kept this much larger than the frame, where it has the pixels, so that a zoom stays sharp."""

Planes = list[Image.Image]
"""Y at full size, U and V at half."""
Buffer = NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Shot:
    """What a rendered video shows.

    Example:
        >>> Shot((208, 120), 2, stand_in("a cat", (640, 360))).frames
        60
    """

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
    fps: int = 30
    """Frames a second."""

    def __post_init__(self) -> None:
        width, height = self.size
        if width < 16 or height < 16 or width % 2 or height % 2:
            raise VideoError(f"size {width}×{height} cannot be rendered; both sides are even and at least 16.")
        if self.seconds < 1 or self.shots < 1 or self.fps < 1:
            raise VideoError(
                f"seconds={self.seconds}, shots={self.shots}, fps={self.fps} cannot be rendered; each is at least 1."
            )
        if self.first is None and self.clip is None:
            raise VideoError("a shot needs a first picture or a clip; give first=… or clip=….")

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.seconds * self.fps


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
    options = {"movflags": "+faststart+use_metadata_tags"}
    with av.open(str(part), "w", format="mp4", options=options) as out, ThreadPoolExecutor(2) as pool:
        out.metadata["AIGC"] = _label(shot)
        stream: Any = out.add_stream("libx264", rate=shot.fps, options={**_ENCODER, "g": str(shot.fps)})
        stream.width, stream.height = shot.size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _SMPTE170M
        sound = Track(out, _samples(shot)) if shot.sound or shot.audio is not None else None
        for number, flat in enumerate(_drawn(shot, pool)):
            width, height = shot.size
            frame = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")
            frame.colorspace, frame.color_range = _SMPTE170M, _LIMITED
            frame.pts, frame.time_base = number, Fraction(1, shot.fps)
            out.mux(stream.encode(frame))
            if sound:
                sound.write_until(RATE * (number + 1) // shot.fps)
        out.mux(stream.encode(None))
        if sound:
            sound.finish()


def _samples(shot: Shot) -> NDArray[np.float32]:
    """The given sound, or that of a clip and then a chord."""
    given = shot.audio or (shot.clip if shot.clip is not None and video.probe(shot.clip).has_audio else None)
    return samples(shot.seconds, given, None if shot.audio else shot.look)


def _label(shot: Shot) -> str:
    """The machine-readable mark of generated content that the service's own files carry (FACTS §1.1)."""
    return json.dumps({"Label": "1", "ContentProducer": "wan_nb simulator", "ProduceID": shot.caption})


# --- pictures -----------------------------------------------------------------------------------------------------


def _drawn(shot: Shot, pool: ThreadPoolExecutor) -> Iterator[Buffer]:
    """Yield the finished frames in order; two threads draw ahead, by four frames at most."""
    marks = _marks(shot)
    ahead: deque[Future[Buffer]] = deque()
    for draw in _plan(shot):
        ahead.append(pool.submit(_finished, draw, marks))
        if len(ahead) >= 4:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _finished(draw: Callable[[], Planes], marks: tuple[Mark, ...]) -> Buffer:
    planes = [np.asarray(plane) for plane in draw()]
    flat = np.concatenate([plane.ravel() for plane in planes])
    width, height = planes[0].shape[1], planes[0].shape[0]
    full = width * height
    views = (
        flat[:full].reshape(height, width),
        flat[full : full * 5 // 4].reshape(height // 2, width // 2),
        flat[full * 5 // 4 :].reshape(height // 2, width // 2),
    )
    for text in marks:
        text.blend(views)
    return flat


def _plan(shot: Shot) -> Iterator[Callable[[], Planes]]:
    """Yield one drawing job a frame."""
    done, picture = 0, shot.first
    if shot.clip is not None:
        for frame in _resampled(shot.clip, shot.fps):
            if done == shot.frames:
                return
            done += 1
            picture = frame
            yield partial(_clip_planes, frame, shot.size)
    if picture is None:
        raise VideoError(f"{shot.clip} has no frames to go on from.")
    left = shot.frames - done
    if not left:
        return
    still = _Still(_fit(picture, shot.size, whole=True), shot.size)
    end = None if shot.last is None else _Still(_fit(shot.last, shot.size), shot.size)
    band = _band(shot.size)
    for index in range(shot.shots):
        start, stop = left * index // shot.shots, left * (index + 1) // shot.shots
        camera = _Camera.of(shot.look, index)
        target = end if index == shot.shots - 1 else None
        for n in range(start, stop):
            # after a clip its last frame has been shown already: the first new one moves on
            u = (n - start + bool(done)) / max(1, stop - start - 1 + bool(done))
            yield partial(_scene, still, target, camera, band, u)


def _scene(still: _Still, end: _Still | None, camera: _Camera, band: Image.Image, u: float) -> Planes:
    """One frame at u = 0…1 of a camera move, towards `end` where there is one."""
    if end is None:
        planes = still.view(camera.box(u))
        strength = _ease(u)
    else:
        share = _ease(min(1.0, max(0.0, (u - 0.12) / 0.76)))
        planes = still.view(camera.box(u)) if share < 1 else end.view(camera.turned().box(1 - u))
        if 0 < share < 1:
            other = end.view(camera.turned().box(1 - u))
            planes = [Image.blend(one, two, share) for one, two in zip(planes, other, strict=True)]
        strength = math.sin(math.pi * u) ** 2
    width, height = planes[0].size
    left = round((band.width - width) * (1 - u if camera.tint[0] < 0 else u))
    light = ImageChops.add(planes[0], band.crop((left, 0, left + width, height)))
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
        return _Camera(1.0, self.depth, 0.0, self.heading + math.pi, self.swing, self.tint)

    def box(self, u: float) -> Box:
        """Left, top, right, bottom as shares of the picture."""
        zoom = self.base * (1 + self.depth * (_ease(u) - self.back * _ease(max(0.0, 2 * u - 1))))
        side, angle = 1 / zoom, self.heading + self.swing * _ease(u)
        left = (1 - side) / 2 * (1 + 0.9 * math.cos(angle))
        top = (1 - side) / 2 * (1 + 0.9 * math.sin(angle))
        return left, top, left + side, top + side


class _Still:
    """A picture as three planes, from which any part can be looked at in the size of the frame."""

    def __init__(self, picture: Image.Image, size: tuple[int, int]) -> None:
        self._planes = _planes(_frame(picture), picture.size)
        self._size = size

    def view(self, box: Box) -> Planes:
        width, height = self._size
        seen = []
        for plane, half in zip(self._planes, (1, 2, 2), strict=True):
            w, h = plane.size
            part = (box[0] * w, box[1] * h, min(box[2], 1.0) * w, min(box[3], 1.0) * h)
            seen.append(plane.resize((width // half, height // half), Image.Resampling.BILINEAR, box=part))
        return seen


def _frame(picture: Image.Image) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")


def _planes(frame: av.VideoFrame, size: tuple[int, int]) -> Planes:
    width, height = size
    converted = frame.reformat(
        width=width, height=height, format="yuv420p", dst_colorspace=_BT601, dst_color_range=_LIMITED
    )
    flat = converted.to_ndarray().reshape(-1)
    full, half = width * height, (height // 2, width // 2)
    parts = (
        flat[:full].reshape(height, width),
        flat[full : full * 5 // 4].reshape(half),
        flat[full * 5 // 4 :].reshape(half),
    )
    return [Image.fromarray(np.ascontiguousarray(part)) for part in parts]


def _fit(picture: Image.Image, size: tuple[int, int], *, whole: bool = False, spare: float = _SPARE) -> Image.Image:
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


def _resampled(clip: Path, fps: int) -> Iterator[Image.Image]:
    """The clip's pictures at a steady rate: each stays until the next one is due."""
    shown, made = None, 0
    for time_s, picture in video.pictures(clip):
        while shown is not None and made / fps < time_s - 0.5 / fps:
            made += 1
            yield shown
        shown = picture
    if shown is not None:
        yield shown


def _clip_planes(picture: Image.Image, size: tuple[int, int]) -> Planes:
    return _planes(_frame(_fit(picture, size, whole=True, spare=1.0)), size)


@lru_cache(maxsize=4)
def _band(size: tuple[int, int]) -> Image.Image:
    """A soft slanting light, three frames wide and dark at both ends: it passes through and leaves no trace."""
    width, height = size
    x = np.arange(width * 3, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    distance = (x - width * 1.5 + (y - height / 2) * 0.35) / (width * 0.16)
    return Image.fromarray((18 * np.exp(-0.5 * distance**2)).astype(np.uint8))


def _marks(shot: Shot) -> tuple[Mark, ...]:
    marks = []
    # a clip brings its own caption: it is covered, not mixed with this one
    plate = 120 if shot.clip is None else 255
    if shot.caption:
        marks.append(mark(shot.caption, shot.size, corner=(0, 0), share=0.042, plate=plate))
    if shot.watermark:
        marks.append(mark("AI Generated", shot.size, corner=(1, 1), share=0.036, plate=0))
    return tuple(marks)
