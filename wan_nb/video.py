"""MP4s as values: is it whole, what is in it, and its frames as pictures.

`probe` reads what counts (the size that really came out, not the one that was asked for), `is_whole_mp4` says quickly
whether a download arrived whole, and the rest turns frames into pictures: to look at, and for the next request. A frame
is always the upright picture that a player shows. Cropping, padding and trimming are in `wan_nb.video_edit`. This
module knows nothing of runs or requests.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wan_nb import pixels
from wan_nb.errors import VideoError
from wan_nb.geometry import Size

AnyPath = str | os.PathLike[str]
"""A file by its path, or a `wan_nb.Video`, which has one."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What an MP4 says about itself."""

    path: Path
    """Where it is."""
    size: Size
    """Width × height in pixels as it is shown, after rotation."""
    fps: float
    """Frames a second, on average."""
    duration_s: float
    """Length of the picture track in seconds."""
    frames: int
    """How many pictures."""
    codec: str
    """Codec of the pictures, such as ``"h264"``."""
    audio_codec: str
    """Codec of the sound, such as ``"aac"``; empty without a sound track."""
    nbytes: int
    """Bytes of the file."""
    rotation: int
    """Degrees clockwise that a player turns the stored picture: 0, 90, 180 or 270."""
    label: str
    """The mark of generated content (JSON; FACTS §1.1), or empty."""

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track."""
        return bool(self.audio_codec)

    def __str__(self) -> str:
        sound = self.audio_codec or "no sound"
        return f"{self.path.name}: {self.size}, {self.duration_s:.2f} s, {self.fps:.4g} fps, {self.codec}, {sound}"


def probe(path: AnyPath) -> VideoInfo:
    """Read size, length, rate, codecs and tags; of the pictures, only the first is decoded.

    Raises:
        VideoError: If the file is missing, empty, cut short, damaged or not a video.
    """
    path = Path(path)
    with opened(path) as (box, stream):
        spans = shown(box, stream, path)
        duration_s = float((max(end for _, end in spans) - spans[0][0]) * stream.time_base)
        box.seek(spans[0][0], stream=stream)
        first = next(box.decode(stream), None)
        if first is None:
            raise VideoError(f"{path.name} has no picture that can be decoded; fetch or make it anew.")
        size, turn = Size(first.width, first.height), -first.rotation % 360
        return VideoInfo(
            path=path,
            size=size.turned() if turn in (90, 270) else size,
            fps=round(len(spans) / duration_s, 6) if duration_s else 0.0,
            duration_s=duration_s,
            frames=len(spans),
            codec=stream.codec_context.name,
            audio_codec=box.streams.audio[0].codec_context.name if box.streams.audio else "",
            nbytes=path.stat().st_size,
            rotation=turn,
            label=box.metadata.get("AIGC", ""),
        )


def shown(box: Any, stream: Any, path: Path) -> list[tuple[int, int]]:
    """Return when each shown picture begins and ends, in the track's time base: exact also where the rate varies."""
    found, read = [], 0
    for packet in box.demux(stream):
        read += bool(packet.size)
        if packet.pts is not None and not packet.is_discard:
            found.append((packet.pts, packet.pts + (packet.duration or 0)))
    if read < stream.frames:
        _count(path)  # an edit list may leave pictures out, and so may a damaged index
    if not found:
        raise VideoError(f"{path.name} has a picture track without pictures; fetch or make it anew.")
    return sorted(found)


def _count(path: Path) -> None:
    """Check that every picture that the index promises can be read."""
    with av.open(str(path), options={"ignore_editlist": "1"}) as box:
        stream = box.streams.video[0]
        promised = stream.frames
        read = sum(bool(packet.size) for packet in box.demux(stream))
    if read < promised:
        raise VideoError(f"{path.name} is damaged: {read} of its {promised} pictures are there; fetch it again.")


# --- the boxes of the file ----------------------------------------------------------------------------------------


def is_whole_mp4(path: AnyPath) -> bool:
    """Check that a file is a whole MP4, by its boxes alone: about a tenth of a millisecond, whatever its length.

    The boxes must fill the file exactly, and ``ftyp``, ``moov`` and ``mdat`` must be there: FFmpeg alone opens files
    that are cut inside their ``moov``. Whether every picture is there says `probe`.

    Returns:
        True; whatever is wrong is raised, so that it can be told.

    Raises:
        VideoError: With what is wrong: missing, empty, not an MP4, or cut short, and by how many bytes.
    """
    path = Path(path)
    try:
        total = path.stat().st_size
        if not total:
            raise VideoError(f"{path.name} is empty; fetch it again.")
        with path.open("rb") as file:
            head = file.read(24)
            if head[4:8] != b"ftyp":
                raise VideoError(f"{path.name} is not an MP4: it begins with {head[:12]!r}; look into it.")
            names = set(_boxes(file, total, path.name))
    except OSError as error:
        raise VideoError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    for wanted in (b"moov", b"mdat"):
        if wanted not in names:
            raise VideoError(f"{path.name} has no {wanted.decode()} box, so it is not whole; fetch it again.")
    return True


def _boxes(file: BinaryIO, total: int, name: str) -> Iterator[bytes]:
    """Yield the name of each outer box; they must fill the file exactly."""
    at = 0
    while at < total:
        file.seek(at)
        length, kind, long = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        length = {0: total - at, 1: long}.get(length, length)
        missing = at + max(length, 8) - total
        if missing > 0:
            raise VideoError(f"{name} is cut short: {missing} bytes are missing; fetch it again.")
        if length < 8 or not kind.strip().isalnum():
            raise VideoError(f"{name} is damaged: no box begins at byte {at}; fetch it again.")
        yield kind
        at += length


# --- opening, and writing whole -----------------------------------------------------------------------------------


@contextmanager
def opened(path: AnyPath) -> Iterator[tuple[Any, Any]]:
    """Open a file and its picture track; what goes wrong inside comes out as a `VideoError` about this file."""
    path = Path(path)
    is_whole_mp4(path)
    with _readable(path, "a video", "fetch or make it anew") as box:
        if not box.streams.video:
            raise VideoError(f"{path.name} has no picture track; give a video.")
        stream = box.streams.video[0]
        stream.thread_type = "AUTO"
        yield box, stream


@contextmanager
def _readable(path: Path, what: str, to_do: str) -> Iterator[Any]:
    try:
        with av.open(str(path)) as box:
            yield box
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{path.name} cannot be read as {what}: {reason}; {to_do}.") from error


@contextmanager
def atomic(target: AnyPath) -> Iterator[Path]:
    """Give a ``.part`` path to write to; it takes the target's place on success and is gone after a failure."""
    target = Path(target)
    if not target.parent.is_dir():
        raise VideoError(f"the folder {target.parent} does not exist; make it first.")
    # a name of its own: two kernels may write the same video
    part = target.with_name(f"{target.name}.{uuid4().hex[:8]}.part")
    try:
        yield part
        try:
            part.replace(target)
        except OSError as error:
            raise VideoError(f"{target.name} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


# --- frames -------------------------------------------------------------------------------------------------------


def pictures(path: AnyPath) -> Iterator[tuple[float, Image.Image]]:
    """Yield (time in seconds, upright RGB picture) for every frame in order.

    Raises:
        VideoError: If the file cannot be decoded.
    """
    with opened(path) as (box, stream):
        for decoded in box.decode(stream):
            yield float((decoded.pts or 0) * stream.time_base), upright(decoded)


def frame(path: AnyPath, n: int) -> Image.Image:
    """Return one frame as an upright RGB picture; only the group of pictures around it is decoded.

    Args:
        path: The video.
        n: 0 is the first; negative numbers count from the end, -1 is the last.

    Raises:
        VideoError: If there is no such frame, or the file cannot be decoded.
    """
    path = Path(path)
    with opened(path) as (box, stream):
        times = [start for start, _ in shown(box, stream, path)]
        if not -len(times) <= n < len(times):
            raise VideoError(f"frame {n} is not in {path.name}; it has {len(times)}, numbered from 0.")
        return _decoded(box, stream, [times[n]], path)[0]


def first_frame(path: AnyPath) -> Image.Image:
    """Return the first frame."""
    return frame(path, 0)


def last_frame(path: AnyPath) -> Image.Image:
    """Return the very last frame: the one to go on from."""
    return frame(path, -1)


def frames(path: AnyPath, count: int) -> list[Image.Image]:
    """Return `count` frames, evenly spaced from the first to the last.

    Raises:
        VideoError: If `count` is not between 1 and the number of frames, or the file cannot be decoded.
    """
    path = Path(path)
    with opened(path) as (box, stream):
        times = [start for start, _ in shown(box, stream, path)]
        if not 1 <= count <= len(times):
            raise VideoError(
                f"{count} frames cannot be taken from {path.name}; it has {len(times)}: ask for 1 to {len(times)}."
            )
        return _decoded(box, stream, [times[n] for n in _spread(len(times), count)], path)


def _spread(total: int, count: int) -> list[int]:
    """Return the numbers of `count` frames, evenly spaced from the first of `total` to the last."""
    return [round(k * (total - 1) / max(1, count - 1)) for k in range(count)]


def _decoded(box: Any, stream: Any, times: Sequence[int], path: Path) -> list[Image.Image]:
    """Return the pictures shown at these times, in order; only what lies between them is decoded."""
    box.seek(times[0], stream=stream)
    found: list[Image.Image] = []
    for decoded in box.decode(stream):
        if decoded.pts is not None and decoded.pts >= times[len(found)]:
            found.append(upright(decoded))
            if len(found) == len(times):
                return found
    raise VideoError(f"{path.name} gave {len(found)} of {len(times)} frames; is the file whole?")


def upright(decoded: Any) -> Image.Image:
    """Return a decoded frame as the RGB picture that a player shows."""
    picture: Image.Image = decoded.to_image()
    return picture.rotate(decoded.rotation, expand=True) if decoded.rotation else picture


# --- sheets -------------------------------------------------------------------------------------------------------


def tiled(pictures: Sequence[Image.Image], columns: int, gap: int) -> Image.Image:
    """Return pictures in rows on white, `gap` pixels between them; each row is as high as its highest one."""
    rows = [pictures[k : k + columns] for k in range(0, len(pictures), columns)]
    width = max(sum(each.width + gap for each in row) for row in rows) - gap
    heights = [max(each.height for each in row) for row in rows]
    sheet = Image.new("RGB", (width, sum(heights) + gap * (len(rows) - 1)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for each in row:
            sheet.paste(each, (left, top))
            left += each.width + gap
        top += height + gap
    return sheet


def small_frames(info: VideoInfo, count: int, size: tuple[int, int]) -> list[Image.Image]:
    """Return evenly spaced frames, as many as there are up to `count`, scaled to a size."""
    taken = frames(info.path, min(count, info.frames))
    return [picture.resize(size, Image.Resampling.LANCZOS) for picture in taken]


def strip(path: AnyPath, count: int = 6, height: int = 120) -> Image.Image:
    """Return evenly spaced frames side by side, first to last.

    Args:
        path: The video.
        count: How many frames; fewer where the video has fewer.
        height: Height of the strip in pixels.
    """
    info = probe(path)
    width = max(1, round(height * info.size.width / info.size.height))
    return tiled(small_frames(info, count, (width, height)), count, max(2, height // 40))


def contact_sheet(path: AnyPath, columns: int = 4, rows: int = 2, width: int = 320) -> Image.Image:
    """Return evenly spaced frames in rows, each with its time in seconds.

    Args:
        path: The video.
        columns: Frames in a row.
        rows: Rows, if the video has that many frames.
        width: Width of one frame on the sheet, in pixels.
    """
    info = probe(path)
    height = max(1, round(width * info.size.height / info.size.width))
    small = small_frames(info, columns * rows, (width, height))
    font = ImageFont.load_default(size=max(9.0, width / 22))
    for number, picture in zip(_spread(info.frames, len(small)), small, strict=True):
        pen, text = ImageDraw.Draw(picture, "RGBA"), f"{number / info.fps:.2f} s"
        _, _, right, bottom = font.getbbox(text)
        pen.rectangle((0, height - bottom - 5, right + 8, height - 1), fill=(0, 0, 0, 130))
        pen.text((4, height - bottom - 3), text, fill="white", font=font)
    return tiled(small, columns, max(2, width // 60))


def poster(path: AnyPath, width: int = 480) -> bytes:
    """Return the first frame as a JPEG, not wider than `width` pixels."""
    picture = frame(path, 0)
    picture.thumbnail((width, picture.height), Image.Resampling.LANCZOS, reducing_gap=None)
    return pixels.jpeg(picture)


# --- sound --------------------------------------------------------------------------------------------------------


def sound(path: AnyPath, rate: int, *, limit_s: float) -> NDArray[np.float32]:
    """Decode the first sound track of a file to mono samples between -1 and 1.

    Args:
        path: A video, or an audio file such as WAV or MP3.
        rate: Samples a second to convert to.
        limit_s: Seconds at most.

    Raises:
        VideoError: If there is no sound in it, or it cannot be decoded.
    """
    path, limit = Path(path), round(limit_s * rate)
    parts = [np.zeros(0, dtype=np.float32)]
    with _readable(path, "sound", "give a whole WAV or MP3") as box:
        if not box.streams.audio:
            raise VideoError(f"{path.name} has no sound; give a WAV or MP3.")
        convert = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        for decoded in chain(box.decode(box.streams.audio[0]), [None]):  # None: give what is still held back
            parts += [piece.to_ndarray()[0] for piece in convert.resample(decoded)]
            if sum(map(len, parts)) >= limit:
                break
    return np.concatenate(parts)[:limit]
