"""MP4s as values: is it whole, what is in it, and its frames as pictures.

`probe` reads what counts (the size that really came out, not the one that was asked for), `is_whole_mp4` says quickly
whether a download arrived whole, and the rest turns frames into pictures: to look at, and for the next request. A frame
is always the upright picture that a player shows. Cropping, padding and trimming are in `wan_nb.video_edit`. This
module knows nothing of runs or requests.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO
from uuid import uuid4

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wan_nb.errors import VideoError
from wan_nb.geometry import Size

LABEL_KEY = "AIGC"
"""Metadata key of the machine-readable mark of generated content (FACTS §1.1)."""

_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


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
    has_audio: bool
    """Whether there is a sound track."""
    audio_codec: str
    """Codec of the sound, such as ``"aac"``; empty without sound."""
    nbytes: int
    """Bytes of the file."""
    rotation: int = 0
    """Degrees clockwise that a player turns the stored picture: 0, 90, 180 or 270."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Tags of the file."""

    @property
    def label(self) -> str:
        """The provenance mark of generated content (JSON), or empty."""
        return self.metadata.get(LABEL_KEY, "")

    def __str__(self) -> str:
        sound = self.audio_codec if self.has_audio else "no sound"
        return f"{self.path.name}: {self.size}, {self.duration_s:.2f} s, {self.fps:.4g} fps, {self.codec}, {sound}"


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read size, length, rate, codecs and tags; of the pictures, only the first is decoded.

    Raises:
        VideoError: If the file is missing, empty, cut short, damaged or not a video.
    """
    path = Path(path)
    with opened(path) as box:
        stream = box.streams.video[0]
        spans = _shown(box, stream, path)
        duration_s = float((max(end for _, end in spans) - spans[0][0]) * stream.time_base)
        box.seek(spans[0][0], stream=stream)
        first = next(box.decode(stream), None)
        if first is None:
            raise VideoError(f"{path.name} has no picture that can be decoded; fetch or make it anew.")
        shown, turn = Size(first.width, first.height), -first.rotation % 360
        audio = box.streams.audio[0] if box.streams.audio else None
        return VideoInfo(
            path=path,
            size=shown.turned() if turn in (90, 270) else shown,
            fps=round(len(spans) / duration_s, 6) if duration_s else 0.0,
            duration_s=duration_s,
            frames=len(spans),
            codec=stream.codec_context.name,
            has_audio=audio is not None,
            audio_codec=audio.codec_context.name if audio else "",
            nbytes=path.stat().st_size,
            rotation=turn,
            metadata=MappingProxyType(dict(box.metadata)),
        )


def _shown(box: Any, stream: Any, path: Path) -> list[tuple[int, int]]:
    """Return when each shown picture begins and ends, from the packets: exact also where the rate varies."""
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


def is_whole_mp4(path: str | os.PathLike[str]) -> bool:
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
                raise VideoError(f"{path.name} is not an MP4: it begins with {head!r}; look into it.")
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
        head = file.read(16)
        if len(head) < 8:
            raise VideoError(f"{name} ends in the middle of a box; it is cut short: fetch it again.")
        length, kind = struct.unpack(">I4s", head[:8])
        if not kind.strip().isalnum():
            raise VideoError(f"{name} is not an MP4: no box name at byte {at}; look at what was fetched.")
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        elif length == 0:
            length = total - at
        if length < 8:
            raise VideoError(f"{name} is damaged: the box {kind!r} at byte {at} has an impossible length.")
        if at + length > total:
            raise VideoError(f"{name} is cut short: {at + length - total} bytes are missing; fetch it again.")
        yield kind
        at += length


# --- opening, and writing whole -----------------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file with a picture track; what goes wrong inside comes out as a `VideoError` about this file."""
    is_whole_mp4(path)
    try:
        with av.open(str(path)) as box:
            if not box.streams.video:
                raise VideoError(f"{path.name} has no picture track; give a video.")
            box.streams.video[0].thread_type = "AUTO"
            yield box
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{path.name} cannot be read as a video: {reason}; fetch or make it anew.") from error


@contextmanager
def atomic(target: str | os.PathLike[str]) -> Iterator[Path]:
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


def pictures(path: str | os.PathLike[str]) -> Iterator[tuple[float, Image.Image]]:
    """Yield (time in seconds, upright RGB picture) for every frame in order.

    Raises:
        VideoError: If the file cannot be decoded.
    """
    path = Path(path)
    with opened(path) as box:
        stream = box.streams.video[0]
        for decoded in box.decode(stream):
            yield float((decoded.pts or 0) * stream.time_base), upright(decoded)


def frame(path: str | os.PathLike[str], n: int) -> Image.Image:
    """Return one frame as an upright RGB picture; only the group of pictures around it is decoded.

    Args:
        path: The video.
        n: 0 is the first; negative numbers count from the end, -1 is the last.

    Raises:
        VideoError: If there is no such frame, or the file cannot be decoded.
    """
    path = Path(path)
    with opened(path) as box:
        stream = box.streams.video[0]
        times = [start for start, _ in _shown(box, stream, path)]
        if not -len(times) <= n < len(times):
            raise VideoError(f"frame {n} is not in {path.name}; it has {len(times)}, numbered from 0.")
        wanted = times[n]
        box.seek(wanted, stream=stream)
        for decoded in box.decode(stream):
            if decoded.pts is not None and decoded.pts >= wanted:
                return upright(decoded)
    raise VideoError(f"frame {n} of {path.name} cannot be decoded; is the file whole?")


def first_frame(path: str | os.PathLike[str]) -> Image.Image:
    """Return the first frame."""
    return frame(path, 0)


def last_frame(path: str | os.PathLike[str]) -> Image.Image:
    """Return the very last frame: the one to go on from."""
    return frame(path, -1)


def frames(path: str | os.PathLike[str], count: int) -> list[Image.Image]:
    """Return `count` frames, evenly spaced from the first to the last.

    Raises:
        VideoError: If `count` is not between 1 and the number of frames, or the file cannot be decoded.
    """
    path = Path(path)
    with opened(path) as box:
        stream = box.streams.video[0]
        times = [start for start, _ in _shown(box, stream, path)]
        wanted = {times[k] for k in _spread(len(times), count, path.name)}
        box.seek(times[0], stream=stream)
        found = [upright(decoded) for decoded in box.decode(stream) if decoded.pts in wanted]
    if len(found) != count:
        raise VideoError(f"{path.name} gave {len(found)} of {count} frames; is the file whole?")
    return found


def _spread(total: int, count: int, name: str) -> list[int]:
    if not 1 <= count <= total:
        raise VideoError(f"{count} frames cannot be taken from {name}; it has {total}: ask for 1 to {total}.")
    return [round(k * (total - 1) / max(1, count - 1)) for k in range(count)]


def upright(decoded: Any) -> Image.Image:
    """Return a decoded frame as the RGB picture that a player shows."""
    picture: Image.Image = decoded.to_image()
    turn = decoded.rotation % 360
    return picture.transpose(_TURNS[turn]) if turn in _TURNS else picture


# --- sheets -------------------------------------------------------------------------------------------------------


def strip(path: str | os.PathLike[str], count: int = 6, height: int = 120) -> Image.Image:
    """Return evenly spaced frames side by side, first to last.

    Args:
        path: The video.
        count: How many frames; fewer where the video has fewer.
        height: Height of the strip in pixels.
    """
    info = probe(path)
    taken = frames(path, min(count, info.frames))
    width, gap = max(1, round(height * info.size.width / info.size.height)), max(2, height // 40)
    sheet = Image.new("RGB", (len(taken) * (width + gap) - gap, height), "white")
    for k, picture in enumerate(taken):
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (k * (width + gap), 0))
    return sheet


def contact_sheet(path: str | os.PathLike[str], columns: int = 4, rows: int = 2, width: int = 320) -> Image.Image:
    """Return evenly spaced frames in rows, each with its time in seconds.

    Args:
        path: The video.
        columns: Frames in a row.
        rows: Rows, if the video has that many frames.
        width: Width of one frame on the sheet, in pixels.
    """
    info = probe(path)
    count = min(columns * rows, info.frames)
    height, gap = max(1, round(width * info.size.height / info.size.width)), max(2, width // 60)
    used = -(-count // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, used * (height + gap) - gap), "white")
    pen, font = ImageDraw.Draw(sheet, "RGBA"), ImageFont.load_default(size=max(9.0, width / 22))
    numbers = _spread(info.frames, count, info.path.name)
    for k, (number, picture) in enumerate(zip(numbers, frames(path, count), strict=True)):
        left, top = k % columns * (width + gap), k // columns * (height + gap)
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (left, top))
        text = f"{number / info.fps:.2f} s"
        _, _, right, bottom = font.getbbox(text)
        pen.rectangle((left, top + height - bottom - 5, left + right + 8, top + height - 1), fill=(0, 0, 0, 130))
        pen.text((left + 4, top + height - bottom - 3), text, fill="white", font=font)
    return sheet


def poster(path: str | os.PathLike[str], width: int = 480, *, at: float = 0.0) -> bytes:
    """Return one frame as a JPEG, not wider than `width` pixels.

    Args:
        path: The video.
        width: Pixels at most.
        at: Which frame, as a share of the length: 0 first, 1 last.
    """
    number = round(at * (probe(path).frames - 1)) if at else 0
    picture = frame(path, number)
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


# --- sound --------------------------------------------------------------------------------------------------------


def sound(path: str | os.PathLike[str], rate: int, *, limit_s: float) -> NDArray[np.float32]:
    """Decode the first sound track of a file to mono samples between -1 and 1.

    Args:
        path: A video, or an audio file such as WAV or MP3.
        rate: Samples a second to convert to.
        limit_s: Seconds at most.

    Raises:
        VideoError: If there is no sound in it, or it cannot be decoded.
    """
    path, limit = Path(path), round(limit_s * rate)
    parts: list[NDArray[np.float32]] = []
    have = 0
    try:
        with av.open(str(path)) as box:
            if not box.streams.audio:
                raise VideoError(f"{path.name} has no sound; give a WAV or MP3.")
            convert = av.AudioResampler(format="fltp", layout="mono", rate=rate)
            for decoded in box.decode(box.streams.audio[0]):
                for piece in convert.resample(decoded):
                    parts.append(piece.to_ndarray().reshape(-1).astype(np.float32, copy=False))
                    have += parts[-1].size
                if have >= limit:
                    break
            else:
                parts += [piece.to_ndarray().reshape(-1).astype(np.float32) for piece in convert.resample(None)]
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{path.name} cannot be read as sound: {reason}. Give a whole WAV or MP3.") from error
    return np.concatenate(parts)[:limit] if parts else np.zeros(0, dtype=np.float32)
