"""What a run leaves: a video in the session's folder, and what can be done with it: look, mend, go on from it.

A value: the work on the file is done by `wan_nb.video` and `wan_nb.video_edit`, loaded when it is asked for. The
service's own file is never touched: it carries the mark of generated content, and its hash is in the journal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wan_nb.errors import RequestError, VideoError
from wan_nb.geometry import Size, drift
from wan_nb.pricing import Money

if TYPE_CHECKING:
    from PIL.Image import Image

    from wan_nb.request import VideoRequest
    from wan_nb.run import Run


@dataclass(frozen=True, slots=True)
class Video:
    """A finished video in the session's folder; shown on a cell's last line, it plays.

    Example:
        >>> import tempfile
        >>> import wan_nb as wan
        >>> from PIL import Image
        >>> with wan.simulated(tempfile.mkdtemp(), speed=6000, scenario="small") as session:
        ...     picture = Image.new("RGB", (400, 300))
        ...     request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        ...     video = session.submit(request).wait()
        ...     print(video.crop(ratio="4:3").size, video.trim(1, 3).duration_s, video.first_frame().size)
        ...     print(video.strip(3).width, len(video.poster()) > 500, video.cost, video.chain(seed=3).source_size)
        168×126 2.0 (176, 128)
        501 True None 176×128
    """

    run: Run = field(repr=False)
    """The run that made it."""
    path: Path
    """Where it is."""
    size: Size
    """Pixels, read from the file."""
    duration_s: float
    """Seconds, read from the file."""
    fps: float
    """Frames a second, read from the file."""
    has_audio: bool
    """Whether there is sound."""
    nbytes: int
    """Bytes."""
    actual_prompt: str
    """The prompt as the service rewrote it, where it gives it back."""
    cost: Money | None
    """What it cost by list price; None where no price is published."""

    @property
    def is_simulated(self) -> bool:
        """Whether the embedded service made it."""
        return self.run.session.is_simulated

    def poster(self, width: int = 480) -> bytes:
        """Return the first frame as a JPEG.

        Args:
            width: Pixels at most; never larger than the video.
        """
        from wan_nb import video

        return video.poster(self.path, width)

    def first_frame(self) -> Image:
        """Return the first frame."""
        from wan_nb import video

        return video.first_frame(self.path)

    def last_frame(self) -> Image:
        """Return the last frame: a good `first_frame` for the next request."""
        from wan_nb import video

        return video.last_frame(self.path)

    def strip(self, count: int = 6, height: int = 120) -> Image:
        """Return frames side by side, evenly spaced.

        Args:
            count: How many frames.
            height: Pixels.
        """
        from wan_nb import video

        return video.strip(self.path, count, height)

    def crop(self, *, progress: Callable[[float], None] | None = None, **wish: Any) -> Video:
        """Return it cropped, as a file beside the original: ``ratio=`` or ``size=``, ``focus=`` (`video_edit.crop`).

        Args:
            progress: Called with the share that is done, 0 to 1.
            wish: What shape to cut to, and about which point.

        Raises:
            GeometryError: If there is no such box.
            VideoError: If a file cannot be read or written; the original stays as it is.
        """
        return self._mended("crop", progress, wish)

    def pad(self, *, progress: Callable[[float], None] | None = None, **wish: Any) -> Video:
        """Return it padded, as a file beside the original: ``ratio=`` or ``size=``, ``fill=`` (`video_edit.pad`).

        Args:
            progress: Called with the share that is done, 0 to 1.
            wish: What shape to fill up to, and with what.

        Raises:
            GeometryError: If there is no such shape.
            VideoError: If a file cannot be read or written; the original stays as it is.
        """
        return self._mended("pad", progress, wish)

    def trim(
        self, start_s: float = 0.0, end_s: float | None = None, *, progress: Callable[[float], None] | None = None
    ) -> Video:
        """Return a part of it, in seconds, as a file beside the original (`video_edit.trim`).

        Args:
            start_s: Seconds from the beginning.
            end_s: Seconds from the beginning; None for the end.
            progress: Called with the share that is done, 0 to 1.

        Raises:
            VideoError: If there is no such part; the original stays as it is.
        """
        return self._mended("trim", progress, {"start_s": start_s, "end_s": end_s})

    def _mended(
        self, work: Literal["crop", "pad", "trim"], progress: Callable[[float], None] | None, wish: dict[str, Any]
    ) -> Video:
        """Return what `wan_nb.video_edit` makes of it; the same wish gives the same file name."""
        from wan_nb import video_edit

        edit = getattr(video_edit, work)
        allowed = list(signature(edit).parameters)[2:]
        if wrong := wish.keys() - allowed:
            raise VideoError(f"{work} has no {min(wrong)}=; it has {', '.join(f'{name}=' for name in allowed)}.")
        wish = {name: value for name, value in wish.items() if value is not None}
        said = (("" if name in ("ratio", "size") else name) + str(value).strip("()#") for name, value in wish.items())
        name = "-".join((self.path.stem, work, *(re.sub(r"[^\w.+]+", "x", part) for part in said)))
        info = edit(self.path, self.path.with_name(f"{name}.mp4"), **wish, progress=progress)
        read = ("path", "size", "duration_s", "fps", "has_audio", "nbytes")
        return replace(self, **{name: getattr(info, name) for name in read})

    def chain(self, by: Literal["frame", "clip"] = "frame", **changes: Any) -> VideoRequest:
        """Return the request that goes on from its last frame, or from the whole clip (2.7), with changes if any.

        Args:
            by: ``"frame"``: the last frame is the next first one; ``"clip"``: the model sees the whole clip.
            changes: Fields of the request to change.

        Raises:
            RequestError: If `by` is neither.
        """
        from wan_nb import pixels

        request = self.run.request
        begin: dict[str, Any] = dict.fromkeys(("first_frame", "first_clip", "last_frame", "driving_audio"))
        if by == "frame":
            begin["first_frame"] = {
                "content": pixels.png(self.last_frame()),
                "name": f"{self.path.stem}, last frame.png",
            }
        elif by == "clip":
            begin["first_clip"] = self
            longest = max(request.spec.durations.union)
            begin["duration"] = min(longest, math.ceil(self.duration_s) + request.seconds)  # the total length
        else:
            raise RequestError(f"by={by!r} is no way to go on; it is 'frame' or 'clip'.")
        return request.replace(**(begin | changes))

    def chain_words(self, request: VideoRequest) -> str:
        """Say what comes of going on with a request: whether the sizes join, drift, price.

        Args:
            request: What would go on, as `chain` gave it.
        """
        preview = self.run.session.preview(request)
        is_clip = request.first_clip is not None
        lines = []
        if preview.size:
            joins = "the same size" + (
                ", with this video as its beginning" if is_clip else ": the two join as they are"
            )
            if preview.size != self.size:
                joins = f"not {self.size}: crop or pad one before you join them"
            lines.append(f"size: {preview.size} expected, {joins}")
            if first := self.run.state.source:
                lines.append(f"shape: {drift(first, preview.size)} against the very first picture, {first}")
        free = "free (simulated); live " if preview.is_simulated else ""
        again = f", the clip's own {self.duration_s:g} s billed again" if is_clip else ""
        lines.append(f"price: {free}{preview.estimate} for {request.seconds} s{again}")
        if not is_clip:
            lines.append("motion: a frame carries none over; where the model takes a first_clip, by='clip' does")
        return "\n".join(lines)

    def contact_sheet(self, columns: int = 4, rows: int = 2, width: int = 320) -> Image:
        """Return frames in rows, evenly spaced, each with its time.

        Args:
            columns: Frames beside each other.
            rows: Rows of them.
            width: Pixels of one frame.
        """
        from wan_nb import video

        return video.contact_sheet(self.path, columns, rows, width)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        sound = "with sound" if self.has_audio else "silent"
        return f"Video({self.size}, {self.duration_s:g} s, {self.fps:g} fps, {sound}, {self.path.name})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from wan_nb.widgets import video as view

        return {"text/plain": repr(self), "text/html": view.html(self)}
