"""What can be measured of a video from its frames: likeness to the asked pictures, motion, flicker.

One pass over the file. Every frame is looked at with its longer side at `SIDE` pixels, averaged by area, so that 480P
and 720P of the same content measure alike, and grain and detail too fine for a thumbnail do not count.

These numbers describe, they do not judge: much motion may be what the prompt asked for. They belong beside the votes,
never into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from wan_nb import tables
from wan_nb.errors import VideoError
from wan_nb.pixels import plain
from wan_nb.video import AnyPath, opened, upright

if TYPE_CHECKING:
    from PIL.Image import Image

    from wan_nb.result import Video

SIDE = 160
"""Longer side, in pixels, at which frames are measured."""

_WINDOW = 7  # pixels of a side, as in the paper on SSIM with even weights
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

_MEASURED: dict[Path, Measures] = {}


@dataclass(frozen=True, slots=True)
class Measures:
    """Four numbers about one video; ``str()`` says them with their units."""

    first_likeness: float | None
    """Structural similarity of the first frame and the asked one, 0 (nothing in common) to 1 (equal); None where no
    frame was asked. See `likeness`."""
    last_likeness: float | None
    """The same of the last frame; None where no last frame was asked."""
    motion: float
    """Change of the picture, in percent of full brightness a second, 0 (a still) and up: the mean absolute difference
    of brightness between frames that follow each other, each less its own mean brightness, summed over a second. What
    the codec changes in a still stays below 1. It cannot tell the subject's motion from the camera's, or either from a
    cut; a moving flat surface shows nothing, and what moves to and fro between two frames is not seen."""
    flicker: float
    """Restlessness of the brightness, in percent of full brightness, 0 (steady) to 50: the mean absolute distance of
    each frame's mean brightness from its moving mean over a quarter of a second. Fades and pans give next to nothing,
    brightness that jumps up and down by 10 % at every frame gives about 5, one cut in five seconds a sixtieth of its
    jump. It cannot see a part of the picture that flickers while another balances it."""

    def _cells(self) -> tuple[str, ...]:
        """Say the four numbers; what was not asked is empty."""
        likes = ("" if value is None else f"{value:.2f}" for value in (self.first_likeness, self.last_likeness))
        return (*likes, f"{self.motion:.1f}", f"{self.flicker:.2f}")

    def __str__(self) -> str:
        first, last, motion, flicker = self._cells()
        likes = [f"{name} frame {value} alike" for name, value in (("first", first), ("last", last)) if value]
        return ", ".join([*likes, f"motion {motion} %/s", f"flicker {flicker} %"])


class Measured(NamedTuple):
    """The measures of one video of a study."""

    label: str
    """Variant."""
    seed: int
    """Seed."""
    measures: Measures
    """What was measured."""


class MeasureTable(tuple[Measured, ...]):
    """The measures of a study, one row a video; shows itself as a table."""

    __slots__ = ()

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        head = ("variant", "seed", "first frame alike", "last frame alike", "motion, %/s", "flicker, %")
        lines = [(each.label, str(each.seed), *each.measures._cells()) for each in self]
        asked = [n for n in range(len(head)) if not lines or any(line[n] for line in lines)]
        return tuple(head[n] for n in asked), [tuple(line[n] for n in asked) for line in lines]

    def __repr__(self) -> str:
        return tables.as_text(*self._table())

    def _repr_html_(self) -> str:
        return tables.as_html(*self._table(), below="Measured from the frames, not judged: see wan.Measures.")


def measure(video: AnyPath, first: Image | None = None, last: Image | None = None) -> Measures:
    """Measure a video; it is decoded once, five seconds of 720P in about half a second.

    Args:
        video: An MP4: its path as text or a `Path`, or a `wan_nb.Video`.
        first: The picture that the first frame was asked to be, upright, of any size.
        last: The picture that the last frame was asked to be.

    Raises:
        VideoError: If the file cannot be decoded.

    Example:
        >>> measure("cat.mp4", first=Image.open("cat.png")).motion  # doctest: +SKIP
    """
    path = Path(video)
    planes: list[NDArray[np.float32]] = []
    head = tail = None
    with opened(path) as (box, stream):
        shrink = VideoReformatter()
        for decoded in box.decode(stream):
            width, height = _small(decoded.width, decoded.height)
            grey = shrink.reformat(decoded, width, height, "gray", interpolation="AREA")
            planes.append(grey.to_ndarray().astype(np.float32) * np.float32(100 / 255))
            head, tail = head or upright(decoded), decoded
        if head is None:
            raise VideoError(f"{path.name} has no picture that can be decoded; fetch or make it anew.")
        fps = float(stream.average_rate or 30)
        return Measures(
            first_likeness=None if first is None else likeness(head, first),
            last_likeness=None if last is None else likeness(upright(tail), last),
            motion=_motion(np.array(planes), fps),
            flicker=_flicker(np.array(planes), fps),
        )


def of_videos(videos: Mapping[tuple[str, int], Video]) -> MeasureTable:
    """Measure the videos of a study against the frames that each was asked for; each file is decoded once a kernel.

    Args:
        videos: By the variant's label and the seed.
    """
    return MeasureTable(Measured(label, seed, _of_video(video)) for (label, seed), video in videos.items())


def _of_video(video: Video) -> Measures:
    """Measure a video of ours, once: neither its file nor the frames that were asked for change any more."""
    if video.path not in _MEASURED:
        asked = (video.run.request.first_frame, video.run.request.last_frame)
        # a frame that was given as an address is not here to compare with
        pictures = (medium.picture() if medium and medium.sha256 else None for medium in asked)
        _MEASURED[video.path] = measure(video.path, *pictures)
    return _MEASURED[video.path]


def likeness(shown: Image, asked: Image) -> float:
    """Return how alike two pictures are: 1 equal, near 0 nothing in common.

    The mean structural similarity (SSIM; Wang and others, 2004) of the red, green and blue values, over all windows of
    7 × 7 pixels with even weights, K1 = 0.01 and K2 = 0.03; a negative mean counts as 0. Both pictures are first made
    as large as `shown` is when its longer side is `SIDE` pixels: the asked one is stretched to it, drift and all.

    It sees composition, edges, light and colour at the size of a thumbnail. It cannot tell why pictures differ: a zoom
    by a few percent or a crop costs as much as another face, and detail finer than 1/160 of the side is not seen.

    Args:
        shown: What came out.
        asked: What it should look like.

    Example:
        >>> from PIL import Image
        >>> grey, ramp = Image.new("RGB", (64, 48), "gray"), Image.linear_gradient("L")
        >>> likeness(ramp, ramp), round(likeness(grey, ramp), 1)
        (1.0, 0.6)
    """
    from PIL import Image

    size = _small(*shown.size)
    one, other = (
        np.asarray(plain(picture).resize(size, Image.Resampling.BOX), dtype=np.float64) for picture in (shown, asked)
    )
    mean_a, mean_b = _windows(one), _windows(other)
    var_a, var_b = _windows(one * one) - mean_a**2, _windows(other * other) - mean_b**2
    both = _windows(one * other) - mean_a * mean_b
    light = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * both + _C2) / (var_a + var_b + _C2)
    return round(max(0.0, float(np.mean(light * structure))), 6)


def _small(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a picture is measured."""
    scale = SIDE / max(width, height)
    return max(_WINDOW, round(width * scale)), max(_WINDOW, round(height * scale))


def _windows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each 7 × 7 window, from running sums."""
    sums = np.pad(values, ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)
    n = _WINDOW
    whole = sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]
    return np.asarray(whole / n**2)


def _motion(planes: NDArray[np.float32], fps: float) -> float:
    """Return the change a second; what all pixels share is left to `_flicker`."""
    if len(planes) < 2:
        return 0.0
    change = np.diff(planes, axis=0)
    change -= change.mean(axis=(1, 2), keepdims=True)
    return round(float(np.abs(change).mean(dtype=np.float64)) * fps, 6)


def _flicker(planes: NDArray[np.float32], fps: float) -> float:
    """Return the mean distance of brightness from its moving mean, where a whole window fits."""
    light = planes.mean(axis=(1, 2), dtype=np.float64)
    reach = min(max(1, round(fps / 8)), (len(light) - 1) // 2)
    if reach < 1:
        return 0.0
    window = 2 * reach + 1
    smooth = np.convolve(light, np.full(window, 1 / window), "valid")
    return round(float(np.abs(light[reach:-reach] - smooth).mean()), 6)
