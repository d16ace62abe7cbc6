"""What can be done with a finished video: cut, pad and trim it beside the original, and go on from it.

The service's own file is never touched: it carries the mark of generated content, and its hash is in the journal. This
module puts `wan_nb.video_edit` and the next request together; the methods of `wan_nb.result.Video` lead here.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from wan_nb import pixels, video, video_edit
from wan_nb.errors import RequestError
from wan_nb.geometry import drift

if TYPE_CHECKING:
    from wan_nb.request import VideoRequest
    from wan_nb.result import Video

Work = Literal["crop", "pad", "trim"]


def make(made: Video, work: Work, progress: video_edit.Progress | None, **options: Any) -> Video:
    """Return the video mended, as a file of its own beside the original; the same wish gives the same file name."""
    wishes = {name: value for name, value in options.items() if value is not None}
    parts = (
        ("" if name in ("ratio", "size", "box") else name) + str(value).strip("()#") for name, value in wishes.items()
    )
    said = (re.sub(r"[^\w.+]+", "x", part) for part in parts)
    target = made.path.with_name(f"{'-'.join((made.path.stem, work, *said))}.mp4")
    info = getattr(video_edit, work)(made.path, target, **wishes, progress=progress)
    return replace(
        made,
        path=target,
        size=info.size,
        duration_s=info.duration_s,
        fps=info.fps,
        has_audio=info.has_audio,
        nbytes=info.nbytes,
    )


def chain(made: Video, by: Literal["frame", "clip"], changes: dict[str, Any]) -> VideoRequest:
    """Return the request that goes on where a video ends: the same one, with another beginning.

    Raises:
        RequestError: If `by` is neither.
    """
    request = made.run.request
    begin: dict[str, Any] = dict.fromkeys(("first_frame", "first_clip", "last_frame", "driving_audio"))
    if by == "frame":
        picture = pixels.png(video.last_frame(made.path))
        begin["first_frame"] = {"content": picture, "name": f"{made.path.stem}, last frame.png"}
    elif by == "clip":
        begin["first_clip"] = made
        longest = max(request.spec.durations.union)
        begin["duration"] = min(longest, math.ceil(made.duration_s) + request.seconds)  # the total length
    else:
        raise RequestError(f"by={by!r} is no way to go on; it is 'frame' or 'clip'.")
    return request.replace(**(begin | changes))


def chain_words(made: Video, request: VideoRequest) -> str:
    """Say what comes of going on: whether the sizes join, how far the shape is from the first picture's, the price."""
    preview = made.run.session.preview(request)
    lines = []
    if preview.size:
        whole = request.first_clip is not None
        joins = "the same size" + (", with this video as its beginning" if whole else ": the two join as they are")
        if preview.size != made.size:
            joins = f"not {made.size}: crop or pad one before you join them"
        lines.append(f"size: {preview.size} expected, {joins}")
    first = made.run.state.source
    if first and preview.size:
        lines.append(f"shape: {drift(first, preview.size)} against the very first picture, {first}")
    free = "free (simulated); live " if preview.is_simulated else ""
    again = f", the clip's own {made.duration_s:g} s billed again" if request.first_clip else ""
    lines.append(f"price: {free}{preview.estimate} for {request.seconds} s{again}")
    if not request.first_clip:
        lines.append("motion: a frame carries none over; where the model takes a first_clip, by='clip' does")
    return "\n".join(lines)
