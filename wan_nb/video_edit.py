"""MP4s mended: crop, pad and trim, with the sound untouched and the provenance kept.

The picture is encoded anew (H.264, visually lossless); the sound's packets are copied bit for bit, and the file's tags,
the mark of generated content among them, are carried over. Sides are even, a ratio is met exactly, and a file appears
whole or not at all.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import ImageColor

from wan_nb.errors import VideoError
from wan_nb.geometry import Size
from wan_nb.video import VideoInfo, atomic, opened, probe

Ratio = str | float | Fraction | Size | tuple[int, int]
"""Width over height: ``"3:4"``, ``"1.85:1"``, ``1.85``, a fraction, or a size that has it."""
Progress = Callable[[float], None]
"""Called with the share done, 0 to 1, now and then; what it raises stops the work and leaves no file."""

_LARGEST = 8192
_ENCODER = {"preset": "veryfast", "crf": "18", "g": "30", "bf": "0", "x264-params": "mbtree=0"}
"""No B-frames: with them and a varying rate the header gives too short a length, and players stop there. No macroblock
tree: x264's reads memory that it never wrote, in small frames, and the same work twice gave two results (measured)."""
_UPRIGHT = {0: (), 90: (("transpose", "clock"),), 180: (("hflip", ""), ("vflip", "")), 270: (("transpose", "cclock"),)}
_CONTAINER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""What the writer of a container says about itself: not carried over."""


def largest_box(size: Size, ratio: Ratio) -> Size:
    """Return the largest size with even sides inside `size` that has exactly the ratio.

    Raises:
        VideoError: If there is none, or the ratio is not one.

    Example:
        >>> print(largest_box(Size(816, 1104), "3:4"))
        816×1088
    """
    exact = _ratio(ratio)
    # one of the two terms is odd, so both sides are even only at even multiples
    times = 2 * min(size.width // (2 * exact.numerator), size.height // (2 * exact.denominator))
    if not times:
        raise VideoError(f"no even size inside {size} has the ratio {_named(exact)}; give a simpler one, such as 16:9.")
    return Size(times * exact.numerator, times * exact.denominator)


def smallest_frame(size: Size, ratio: Ratio) -> Size:
    """Return the smallest size with even sides around `size` that has exactly the ratio.

    Raises:
        VideoError: If it would be larger than 8192 pixels a side, or the ratio is not one.

    Example:
        >>> print(smallest_frame(Size(816, 1104), "3:4"))
        828×1104
    """
    exact = _ratio(ratio)
    terms = (exact.numerator, exact.denominator)
    times = 2 * max(-(-side // (2 * term)) for side, term in zip(size, terms, strict=True))
    if times * max(terms) > _LARGEST:
        raise VideoError(
            f"a frame of {_named(exact)} around {size} would be over {_LARGEST} px a side; give a simpler ratio."
        )
    return Size(times * terms[0], times * terms[1])


def crop(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    ratio: Ratio | None = None,
    box: tuple[int, int, int, int] | None = None,
    focus: tuple[float, float] = (0.5, 0.5),
    progress: Progress | None = None,
) -> VideoInfo:
    """Cut a video to a ratio or a box.

    Args:
        path: The MP4; it stays as it is.
        out: Where the result goes; what is there is replaced.
        ratio: Width over height; the largest even box inside that has it exactly.
        box: Left, top, right, bottom in pixels of the upright picture; all even. Instead of `ratio`.
        focus: With `ratio`, what to keep near: shares of width and height, (0.5, 0.5) is the middle.
        progress: Told the share done.

    Returns:
        What the result is. A video that has the ratio already is copied as it is.

    Raises:
        VideoError: If not one of ratio and box is given, the box does not fit, or a file cannot be read or written.
    """
    info = probe(path)
    if (ratio is None) == (box is None):
        raise VideoError("crop takes either ratio=… or box=…; give one of them.")
    if box is None:
        inner = largest_box(info.size, ratio if ratio is not None else 1)
        if not all(0 <= share <= 1 for share in focus):
            raise VideoError(f"focus={focus} is not in the picture; give shares between 0 and 1.")
        left, top = (_even((whole - part) * share) for whole, part, share in zip(info.size, inner, focus, strict=True))
    else:
        left, top, inner = _checked(box, info.size)
    if inner == info.size:
        return _copied(info, out, progress)
    job = _Job(inner, (("crop", f"{inner.width}:{inner.height}:{left}:{top}"),))
    return _remake(info, Path(out), job, progress)


def pad(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    ratio: Ratio,
    fill: str = "black",
    progress: Progress | None = None,
) -> VideoInfo:
    """Set a video in the middle of a larger frame of a ratio.

    Args:
        path: The MP4; it stays as it is.
        out: Where the result goes; what is there is replaced.
        ratio: Width over height; the smallest even frame around the video that has it exactly.
        fill: ``"blur"`` (the video itself, enlarged and blurred), or a colour such as ``"black"`` or ``"#203040"``.
        progress: Told the share done.

    Returns:
        What the result is. A video that has the ratio already is copied as it is.

    Raises:
        VideoError: If the fill or ratio is not one, or a file cannot be read or written.
    """
    info = probe(path)
    outer = smallest_frame(info.size, ratio)
    if outer == info.size:
        return _copied(info, out, progress)
    left, top = (_even((whole - part) / 2) for whole, part in zip(outer, info.size, strict=True))
    if fill == "blur":
        job = _Job(outer, (), blurred=(left, top))
    else:
        try:
            red, green, blue = ImageColor.getcolor(fill, "RGB")  # type: ignore[misc]
        except ValueError:
            raise VideoError(f"fill={fill!r} is no colour; give 'blur', 'black' or one like '#203040'.") from None
        colour = f"0x{red:02x}{green:02x}{blue:02x}"
        job = _Job(outer, (("pad", f"{outer.width}:{outer.height}:{left}:{top}:{colour}"),))
    return _remake(info, Path(out), job, progress)


def trim(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    start_s: float = 0.0,
    end_s: float | None = None,
    *,
    progress: Progress | None = None,
) -> VideoInfo:
    """Keep the frames from one time to another.

    Sound packets stay untouched, so the sound begins and ends on the packet (about 0.02 s) that the cut falls in.

    Args:
        path: The MP4; it stays as it is.
        out: Where the result goes; what is there is replaced.
        start_s: Seconds; the first frame shown at or after it is the first one kept.
        end_s: Seconds; frames from here on are left out. None means to the end.
        progress: Told the share done.

    Raises:
        VideoError: If the times are not in the video, no frame lies between them, or a file cannot be read or written.
    """
    info = probe(path)
    end = info.duration_s if end_s is None else end_s
    if not 0 <= start_s < end <= info.duration_s + 1e-3:
        raise VideoError(
            f"{start_s:g} to {end:g} s is no part of {info.path.name}; give two times from 0 to {info.duration_s:g} s."
        )
    return _remake(info, Path(out), _Job(info.size, (), span=(start_s, math.inf if end_s is None else end_s)), progress)


# --- sizes --------------------------------------------------------------------------------------------------------


def _ratio(value: Ratio) -> Fraction:
    try:
        if isinstance(value, Fraction):
            exact = value
        else:
            terms = list(value) if isinstance(value, Size | tuple) else re.split("[:x×*/]", str(value))
            exact = Fraction(str(terms[0]).strip()) / Fraction(str(terms[1]).strip() if terms[1:] else 1)
    except (ValueError, ZeroDivisionError, IndexError) as error:
        raise VideoError(f"{value!r} is not a ratio; write it as '3:4' or 1.85.") from error
    if exact <= 0:
        raise VideoError(f"{value!r} is not a ratio; both sides are more than 0.")
    return exact


def _named(exact: Fraction) -> str:
    return f"{exact.numerator}:{exact.denominator}"


def _even(value: float) -> int:
    return round(value / 2) * 2


def _checked(box: tuple[int, int, int, int], size: Size) -> tuple[int, int, Size]:
    left, top, right, bottom = box
    if not (0 <= left < right <= size.width and 0 <= top < bottom <= size.height):
        raise VideoError(f"box={box} is not inside {size}; give left, top, right, bottom in pixels.")
    if any(edge % 2 for edge in box):
        even = tuple(edge // 2 * 2 for edge in box)
        raise VideoError(f"box={box} has odd edges, which H.264 in 4:2:0 cannot cut at; {even} can be cut.")
    return left, top, Size(right - left, bottom - top)


# --- the work -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """What becomes of each frame."""

    size: Size
    """Of the result."""
    filters: tuple[tuple[str, str], ...]
    """Names and arguments, one after the other."""
    blurred: tuple[int, int] | None = None
    """Where the video stands before its own blurred picture."""
    span: tuple[float, float] | None = None
    """The part to keep: from, and up to but without, in seconds."""


def _copied(info: VideoInfo, out: str | os.PathLike[str], progress: Progress | None) -> VideoInfo:
    out = _target(info, Path(out))
    with atomic(out) as part:
        shutil.copyfile(info.path, part)
    if progress:
        progress(1.0)
    return probe(out)


def _target(info: VideoInfo, out: Path) -> Path:
    if out.resolve() == info.path.resolve():
        raise VideoError(f"{out.name} would replace the video it is made from; give another name.")
    return out


def _remake(info: VideoInfo, out: Path, job: _Job, progress: Progress | None) -> VideoInfo:
    _target(info, out)
    with atomic(out) as part, opened(info.path) as source:
        # the file counts time as finely as the pictures do, or a cut would be rounded to the millisecond
        fine = str(source.streams.video[0].time_base.denominator)
        options = {"movflags": "+faststart+use_metadata_tags", "movie_timescale": fine}
        with av.open(str(part), "w", format="mp4", options=options) as made:
            made.metadata.update({k: v for k, v in source.metadata.items() if k not in _CONTAINER_TAGS})
            _transfer(info, job, source, made, progress)
    return probe(out)


def _transfer(info: VideoInfo, job: _Job, source: Any, made: Any, progress: Progress | None) -> None:
    stream = source.streams.video[0]
    encoder = _encoder(made, stream, job.size)
    sounds = {sound: made.add_stream_from_template(sound) for sound in source.streams.audio}
    graph = _Graph(stream, info, job)
    start_s, end_s = job.span or (0.0, math.inf)
    shift, done = (None if job.span else 0), 0
    held: list[Any] = []
    for packet in source.demux(stream, *sounds):
        if packet.stream is not stream:
            if packet.dts is not None:
                held.append(packet)
        else:
            for frame in packet.decode():
                done += 1
                if progress and done * 50 // info.frames > (done - 1) * 50 // info.frames:
                    progress(min(1.0, done / info.frames))
                # a microsecond of grace: 0.2 s as a float is a little more than six thirtieths
                if not start_s <= float(frame.pts * stream.time_base) + 1e-6 < end_s:
                    continue
                shift = frame.pts if shift is None else shift
                for finished in graph.through(frame):
                    finished.pts -= shift
                    made.mux(encoder.encode(finished))
        if shift is not None:
            _pass_on(held, sounds, made, shift * stream.time_base if job.span else None, end_s)
    if shift is None:
        raise VideoError(f"no frame of {info.path.name} lies between {start_s:g} and {end_s:g} s; give a longer part.")
    for finished in graph.through(None):
        finished.pts -= shift
        made.mux(encoder.encode(finished))
    made.mux(encoder.encode(None))


def _encoder(made: Any, stream: Any, size: Size) -> Any:
    encoder = made.add_stream("libx264", rate=stream.average_rate or 30, options=_ENCODER)
    encoder.width, encoder.height, encoder.pix_fmt = size.width, size.height, "yuv420p"
    # frames keep their own times, so a varying rate stays as it is
    encoder.codec_context.time_base = stream.time_base
    for tag in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(encoder.codec_context, tag, getattr(stream.codec_context, tag))
    return encoder


def _pass_on(held: list[Any], sounds: dict[Any, Any], made: Any, start_s: Fraction | None, end_s: float) -> None:
    """Write the waiting sound packets that overlap the part; their bytes are never touched."""
    for packet in held:
        base = packet.time_base
        if start_s is not None:
            if (packet.pts + (packet.duration or 0)) * base <= start_s or packet.pts * base >= end_s:
                continue
            by = round(start_s / base)
            packet.pts, packet.dts = packet.pts - by, packet.dts - by
        packet.stream = sounds[packet.stream]
        made.mux(packet)
    held.clear()


class _Graph:
    """The filters that a job needs, one frame in, none or some out."""

    def __init__(self, stream: Any, info: VideoInfo, job: _Job) -> None:
        self._graph: Any = av.filter.Graph()
        end = self._graph.add_buffer(template=stream)
        for name, arguments in (*_UPRIGHT[info.rotation], ("format", "yuv420p"), *job.filters):
            end = self._after(end, name, arguments)
        if job.blurred:
            end = self._before_itself(end, job.size, job.blurred)
        end = self._after(end, "setsar", "1")
        end.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def _after(self, end: Any, name: str, arguments: str) -> Any:
        node = self._graph.add(name, arguments) if arguments else self._graph.add(name)
        end.link_to(node)
        return node

    def _before_itself(self, end: Any, size: Size, at: tuple[int, int]) -> Any:
        """Blur a small copy (which is quick), enlarge it to fill the frame, and lay the video over it."""
        fork = self._after(end, "split", "2")
        small = Size(max(8, size.width // 16 * 2), max(8, size.height // 16 * 2))
        back = fork
        for name, arguments in (
            ("scale", f"{small.width}:{small.height}:force_original_aspect_ratio=increase:force_divisible_by=2"),
            ("crop", f"{small.width}:{small.height}"),
            ("gblur", f"sigma={max(2.0, min(small) / 9):.2f}"),
            ("lutyuv", "y=val*0.8"),
            ("scale", f"{size.width}:{size.height}:flags=bicubic"),
            ("setsar", "1"),
        ):
            back = self._after(back, name, arguments)
        over = self._graph.add("overlay", f"{at[0]}:{at[1]}:format=yuv420")
        back.link_to(over, 0, 0)
        fork.link_to(over, 1, 1)
        return over

    def through(self, frame: Any) -> Iterator[Any]:
        self._graph.push(frame)
        while True:
            try:
                finished = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            finished.pict_type = 0  # the encoder chooses its own key frames
            yield finished
