"""MP4s mended: crop, pad and trim, with the sound untouched and the provenance kept.

The picture is encoded anew (H.264, visually lossless); the sound's packets are copied bit for bit, and the file's tags,
the mark of generated content among them, are carried over. Sides are even, a ratio is met exactly, and a file appears
whole or not at all.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import ImageColor

from wan_nb.boxes import Ratio, inner_box, outer_canvas
from wan_nb.errors import GeometryError, VideoError
from wan_nb.geometry import AnySize, Size
from wan_nb.video import AnyPath, VideoInfo, atomic, opened, probe, shown

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1, now and then; what it raises stops the work and leaves no file."""

_LARGEST = 8192
_GRACE_S = 1e-6
_TOLD_EVERY = 5
_ENCODER = {"preset": "veryfast", "crf": "18", "g": "30", "bf": "0", "x264-params": "mbtree=0"}
"""No B-frames: with them and a varying rate the header gives too short a length, and players stop there. No macroblock
tree: x264's reads memory that it never wrote, in small frames, and the same work twice gave two results (measured)."""
_UPRIGHT = {0: (), 90: (("transpose", "clock"),), 180: (("hflip", ""), ("vflip", "")), 270: (("transpose", "cclock"),)}
_CONTAINER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""What the writer of a container says about itself: not carried over."""


def crop(
    path: AnyPath,
    out: AnyPath,
    *,
    ratio: Ratio | None = None,
    size: AnySize | None = None,
    focus: tuple[float, float] = (0.5, 0.5),
    scale_to: AnySize | None = None,
    progress: Progress | None = None,
) -> VideoInfo:
    """Cut a video to a ratio or a size.

    Args:
        path: The MP4; it stays as it is.
        out: Where the result goes; what is there is replaced.
        ratio: Width over height; the largest even box inside that has it exactly.
        size: Pixels of the box, both even. Instead of `ratio`.
        focus: What the box is centred on as far as the edges let it: shares of width and height.
        scale_to: Pixels of the result, of the box's own ratio, where the box is to be scaled.
        progress: Told the share done.

    Returns:
        What the result is. A video that has the ratio already is copied as it is.

    Raises:
        GeometryError: If not exactly one of ratio and size is given, or there is no such box.
        VideoError: If a file cannot be read or written.
    """
    info = probe(path)
    left, top, right, bottom = inner_box(info.size, ratio=ratio, size=size, focus=focus, step=2)
    inner = Size(right - left, bottom - top)
    cut = ("crop", f"{inner.width}:{inner.height}:{left}:{top}")
    return _made(info, out, _Job(inner, (cut,), scale=_last_scaling(inner, scale_to)), progress)


def pad(
    path: AnyPath,
    out: AnyPath,
    *,
    ratio: Ratio | None = None,
    size: AnySize | None = None,
    fill: str = "black",
    scale_to: AnySize | None = None,
    progress: Progress | None = None,
) -> VideoInfo:
    """Set a video in the middle of a larger frame of a ratio.

    Args:
        path: The MP4; it stays as it is.
        out: Where the result goes; what is there is replaced.
        ratio: Width over height; the smallest even frame around the video that has it exactly.
        size: Pixels of the frame, both even. Instead of `ratio`.
        fill: ``"blur"`` (the video itself, enlarged and blurred), or a colour such as ``"black"`` or ``"#203040"``.
        scale_to: Pixels of the result, of the frame's own ratio, where the frame is to be scaled.
        progress: Told the share done.

    Returns:
        What the result is. A video that has the ratio already is copied as it is.

    Raises:
        GeometryError: If not exactly one of ratio and size is given, or there is no such frame up to 8192 px a side.
        VideoError: If the fill is none, or a file cannot be read or written.
    """
    info = probe(path)
    outer, (left, top, _, _) = outer_canvas(info.size, ratio=ratio, size=size, step=2)
    if max(outer) > _LARGEST:
        raise GeometryError(f"a frame of {outer} is over {_LARGEST} px a side; give a ratio nearer to {info.size}.")
    scale = _last_scaling(outer, scale_to)
    if fill == "blur":
        job = _Job(outer, blurred=(left, top), scale=scale)
    else:
        try:
            red, green, blue = ImageColor.getcolor(fill, "RGB")  # type: ignore[misc]
        except ValueError:
            raise VideoError(f"fill={fill!r} is no colour; give 'blur', 'black' or one like '#203040'.") from None
        around = ("pad", f"{outer.width}:{outer.height}:{left}:{top}:0x{red:02x}{green:02x}{blue:02x}")
        job = _Job(outer, (around,), scale=scale)
    return _made(info, out, job, progress)


def trim(
    path: AnyPath, out: AnyPath, start_s: float = 0.0, end_s: float | None = None, *, progress: Progress | None = None
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
    with opened(path) as (source, stream):
        times = [start * stream.time_base for start, _ in shown(source, stream, info.path)]
    # a microsecond of grace: 0.2 s as a float is a little more than six thirtieths
    until = math.inf if end_s is None else end_s
    first = next((time for time in times if start_s <= time + _GRACE_S < until), None)
    if first is None:
        raise VideoError(f"no frame of {info.path.name} lies between {start_s:g} and {end:g} s; give a longer part.")
    return _made(info, out, _Job(info.size, part=(first, until)), progress)


# --- the work -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """What becomes of each frame."""

    size: Size
    """Of the frame that is cut or padded."""
    filters: tuple[tuple[str, str], ...] = ()
    """Names and arguments, one after the other."""
    blurred: tuple[int, int] | None = None
    """Where the video stands before its own blurred picture."""
    part: tuple[Fraction, float] | None = None
    """What to keep, in seconds: from the time of a frame, up to but without the end."""
    scale: Size | None = None
    """What the frame is scaled to in the end."""


def _last_scaling(size: Size, wanted: AnySize | None) -> Size | None:
    """Return what a frame is scaled to in the end, if that is another size.

    Raises:
        GeometryError: If that would change the shape, or a side is odd.
    """
    scale = size if wanted is None else Size.of(wanted)
    if scale.ratio != size.ratio or (scale != size and (scale.width % 2 or scale.height % 2)):
        raise GeometryError(f"{size} cannot be scaled to {scale}; give even sides of the same ratio.")
    return None if scale == size else scale


def _made(info: VideoInfo, out: AnyPath, job: _Job, progress: Progress | None) -> VideoInfo:
    """Make the result of a job, or a copy where it changes nothing."""
    out = Path(out)
    if out.resolve() == info.path.resolve():
        raise VideoError(f"{out.name} would replace the video it is made from; give another name.")
    with atomic(out) as part:
        if job.size == info.size and not job.scale and not job.part:
            shutil.copyfile(info.path, part)
        else:
            _remake(info, part, job, progress)
    if progress:
        progress(1.0)
    return probe(out)


def _remake(info: VideoInfo, part: Path, job: _Job, progress: Progress | None) -> None:
    if job.size.width % 2 or job.size.height % 2:
        raise GeometryError(f"{job.size} has an odd side, which H.264 in 4:2:0 cannot have; crop or pad it first.")
    with opened(info.path) as (source, stream):
        # the file counts time as finely as the pictures do, or a cut would be rounded to the millisecond
        fine = str(stream.time_base.denominator)
        options = {"movflags": "+faststart+use_metadata_tags", "movie_timescale": fine}
        with av.open(str(part), "w", format="mp4", options=options) as made:
            made.metadata.update({k: v for k, v in source.metadata.items() if k not in _CONTAINER_TAGS})
            _transfer(info, job, source, made, progress)


def _transfer(info: VideoInfo, job: _Job, source: Any, made: Any, progress: Progress | None) -> None:
    """Encode the pictures anew and pass the sound on, both moved to the beginning of the part that is kept."""
    stream = source.streams.video[0]
    encoder = _encoder(made, stream, job.scale or job.size)
    sounds = {sound: made.add_stream_from_template(sound) for sound in source.streams.audio}
    graph = _graph(stream, info, job)
    begin_s, end_s = job.part or (Fraction(0), math.inf)
    shift, done = round(begin_s / stream.time_base), 0

    def encode(frame: Any) -> None:
        for finished in _through(graph, frame):
            finished.pts -= shift
            made.mux(encoder.encode(finished))

    for packet in source.demux(stream, *sounds):
        if packet.stream is stream:
            for frame in packet.decode():
                done += 1
                if progress and done % _TOLD_EVERY == 0:
                    progress(min(1.0, done / info.frames))
                time = frame.pts * stream.time_base
                if not job.part or (begin_s <= time and time + _GRACE_S < end_s):
                    encode(frame)
        elif packet.dts is not None and (not job.part or _overlaps(packet, begin_s, end_s)):
            by = round(begin_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - by, packet.dts - by
            packet.stream = sounds[packet.stream]
            made.mux(packet)
    encode(None)
    made.mux(encoder.encode(None))


def _overlaps(packet: Any, begin_s: Fraction, end_s: float) -> bool:
    begin = packet.pts * packet.time_base
    return bool(begin < end_s and begin + (packet.duration or 0) * packet.time_base > begin_s)


def _encoder(made: Any, stream: Any, size: Size) -> Any:
    encoder = made.add_stream("libx264", rate=stream.average_rate or 30, options=_ENCODER)
    encoder.width, encoder.height, encoder.pix_fmt = size.width, size.height, "yuv420p"
    # frames keep their own times, so a varying rate stays as it is
    encoder.codec_context.time_base = stream.time_base
    for tag in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(encoder.codec_context, tag, getattr(stream.codec_context, tag))
    return encoder


def _graph(stream: Any, info: VideoInfo, job: _Job) -> Any:
    """Return the filters that a job needs: one frame in, none or some out."""
    graph: Any = av.filter.Graph()

    def nodes(*filters: tuple[str, str]) -> list[Any]:
        return [graph.add(name, arguments) for name, arguments in filters]

    upright = [graph.add_buffer(template=stream), *nodes(*_UPRIGHT[info.rotation], ("format", "yuv420p"), *job.filters)]
    scale = [("scale", f"{job.scale.width}:{job.scale.height}:flags=lanczos")] if job.scale else []
    finish = nodes(*scale, ("setsar", "1"), ("buffersink", ""))
    if job.blurred:
        fork, over = nodes(("split", "2"), ("overlay", "{}:{}:format=yuv420".format(*job.blurred)))
        graph.link_nodes(*upright, fork, *nodes(*_behind(job.size)), over, *finish)
        fork.link_to(over, 1, 1)
    else:
        graph.link_nodes(*upright, *finish)
    graph.configure()
    return graph


def _behind(size: Size) -> list[tuple[str, str]]:
    """Return the filters that blur a small copy (which is quick) and enlarge it to fill the frame."""
    small = Size(max(8, size.width // 16 * 2), max(8, size.height // 16 * 2))
    return [
        ("scale", f"{small.width}:{small.height}:force_original_aspect_ratio=increase:force_divisible_by=2"),
        ("crop", f"{small.width}:{small.height}"),
        ("gblur", f"sigma={max(2.0, min(small) / 9):.2f}"),
        ("lutyuv", "y=val*0.8"),
        ("scale", f"{size.width}:{size.height}:flags=bicubic"),
        ("setsar", "1"),
    ]


def _through(graph: Any, frame: Any) -> Iterator[Any]:
    graph.push(frame)
    while True:
        try:
            finished = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        finished.pict_type = 0  # the encoder chooses its own key frames
        yield finished
