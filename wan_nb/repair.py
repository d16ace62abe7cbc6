"""What can be done about a picture that a model does not take: repairs to choose from, each with its before and after.

Nothing is mended here by itself. `repairs` looks at the same limits as `wan_nb.problems` and offers; a `Repair` that is
applied gives a new request and leaves the old one as it was, so taking it back is keeping the old one.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from wan_nb import mend, pixels
from wan_nb.boxes import fit_between
from wan_nb.content import amount
from wan_nb.errors import MediaError
from wan_nb.facts import ImageLimits
from wan_nb.geometry import Size
from wan_nb.media import Media, load
from wan_nb.mend import Mended, Mending
from wan_nb.problems import Place
from wan_nb.request import VideoRequest

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_MB = 1024 * 1024

Step = tuple[Callable[..., Mended], Mapping[str, object]]
"""A function of `wan_nb.mend` and what it is given besides the picture."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A mended picture as it would be sent, and what was done to it."""

    medium: Media
    """The new picture with its new bytes."""
    records: tuple[Mending, ...]
    """What was done, in order."""
    saved: str
    """How it was saved, such as ``"saved as JPEG of quality 95, 3.2 MB"``."""

    @property
    def before(self) -> bytes:
        """A small JPEG of what went in."""
        return self.records[0].small_before

    @property
    def after(self) -> bytes:
        """A small JPEG of what came out."""
        return self.records[-1].small_after

    def __str__(self) -> str:
        return "; ".join([*(record.text for record in self.records if record.changed), self.saved])


@dataclass(frozen=True, slots=True)
class Repair:
    """One way to mend one picture of a request, offered and not done.

    Example:
        >>> from PIL import Image
        >>> request = VideoRequest("wan2.7-i2v", first_frame=Image.new("RGBA", (500, 400)))
        >>> offered = repairs(request)
        >>> [each.label for each in offered]
        ['Lay it on white', 'Lay it on black']
        >>> offered[0].apply(request).problems()
        ()
    """

    field: str
    """Field of the request: ``"first_frame"`` or ``"last_frame"``."""
    label: str
    """What it does, for a button."""
    steps: tuple[Step, ...] = dataclasses.field(repr=False)  # functions; the label says what they do
    """What is done to the upright picture, in order; it is saved anew in any case."""
    limits: ImageLimits = dataclasses.field(repr=False)
    """What the result must keep to."""

    def mend(self, medium: Media) -> Repaired:
        """Do it to a picture; the picture stays as it is.

        Raises:
            GeometryError: If there is no such crop, canvas or scale.
            MediaError: If the picture cannot be read, or its file cannot be made small enough.
        """
        mended = mend.upright(medium)  # as every repair begins; the record says whether it changed anything
        for step, options in self.steps:
            mended = step(mended, **options)
        return _saved(mended, medium, self.limits)

    def apply(self, request: VideoRequest) -> VideoRequest:
        """Return the request with this picture mended.

        Raises:
            GeometryError: As `mend`.
            MediaError: As `mend`; also if the request has no such picture.
        """
        medium = request.media.get(self.field)
        if medium is None:
            raise MediaError(f"the request has no {self.field}; this repair is for another one.")
        return request.replace(**{self.field: self.mend(medium).medium})


def repairs(request: VideoRequest, place: Place | None = None) -> tuple[Repair, ...]:
    """Return what can be done about the pictures of a request; empty when nothing is wrong that can be mended.

    Args:
        request: Its model's limits count.
        place: What the endpoint narrows; None for the service at large.

    Example:
        >>> from PIL import Image
        >>> request = VideoRequest("wan2.6-i2v", first_frame=Image.new("RGBA", (400, 300)), resolution="720P")
        >>> [each.label for each in repairs(request)]
        ['Mend all of it, lay it on white', 'Mend all of it, lay it on black']
    """
    spec = request.spec
    limits = place.image if place and place.image else spec.image
    taken = frozenset().union(*spec.inputs.union)
    return tuple(
        each for name, medium in request.media.items() if name in taken for each in _of_picture(name, medium, limits)
    )


_Ways = list[tuple[str, tuple[Step, ...]]]
"""Ways to mend one fault, the usual one first: its label, and the steps."""


def _of_picture(name: str, medium: Media, limits: ImageLimits) -> Iterator[Repair]:
    """Offer one repair for each choice there is; each mends everything that can be mended."""
    if medium.kind != "image" or medium.size is None:  # an address is not fetched: nothing is known of it
        return
    faults = [ways for ways in _faults(medium, medium.size, limits) if ways]
    if not faults and medium.nbytes > limits.megabytes.high * _MB:
        faults = [[("Save it smaller", ())]]
    for ways in itertools.product(*faults) if faults else ():
        choices = [label.lower() for (label, _), fault in zip(ways, faults, strict=True) if len(fault) > 1]
        label = ways[0][0] if len(ways) == 1 else ", ".join(["Mend all of it", *choices])
        yield Repair(name, label, tuple(step for _, steps in ways for step in steps), limits)


def _faults(medium: Media, size: Size, limits: ImageLimits) -> Iterator[_Ways]:
    """Go through what can be wrong, in the order in which it is mended: a picture is cropped before it is scaled."""
    if medium.rotated:
        yield [("Turn it upright", ())]
    yield _sides(size, limits)
    if medium.has_alpha:
        yield [(f"Lay it on {colour}", ((mend.flatten, {"background": colour}),)) for colour in ("white", "black")]
    elif medium.has_odd_colours or medium.format not in limits.formats:
        yield [("Make it RGB" if medium.has_odd_colours else "Save it as PNG", ((mend.to_rgb, {}),))]


def _sides(size: Size, limits: ImageLimits) -> _Ways:
    """Offer the nearest size within bounds, for a picture that is too long after a crop or on a canvas."""
    low, high = limits.side.outer
    most = min(limits.max_ratio or 10**6, int(high // low))
    short, long = sorted(size)
    if long <= most * short:
        bounds = _bounds(long, short, limits)
        fitting = fit_between(size, **bounds)
        return [(f"Scale it to {fitting}", ((mend.scale_into, bounds),))] if fitting != size else []
    ratio = f"{most}:1" if size.width > size.height else f"1:{most}"
    scale = mend.scale_into, _bounds(most, 1, limits)
    return [
        (f"Crop it to {ratio}", ((mend.crop, {"ratio": ratio}), scale)),
        (f"Pad it to {ratio}", ((mend.pad, {"ratio": ratio, "fill": "blur"}), scale)),
    ]


def _bounds(long: int, short: int, limits: ImageLimits) -> dict[str, int]:
    """Return the bounds that every document takes, or where a shape is too long for them, those that one takes."""
    low, high = limits.side.low, limits.side.high
    if long * low > short * high:
        low, high = limits.side.outer
    return {"low": int(low), "high": int(high)}


def _saved(mended: Mended, medium: Media, limits: ImageLimits) -> Repaired:
    """Encode it in the best way that is small enough for the model, scaled down where none is."""
    for suffix, how, data in _encodings(mended.picture, is_jpeg=medium.format == "JPEG"):
        if len(data) <= limits.megabytes.high * _MB:
            name = f"{PurePath(medium.name).stem or 'picture'}, mended.{suffix}"
            return Repaired(
                load({"name": name, "content": data}), mended.records, f"saved as {how}, {amount(len(data))}"
            )
    return _saved(mend.scale_into(mended, low=1, high=max(mended.size) * 3 // 4), medium, limits)


def _encodings(picture: Picture, *, is_jpeg: bool) -> Iterator[tuple[str, str, bytes]]:
    """Yield suffix, words and bytes, the best first: without loss, unless it was a JPEG."""
    if not is_jpeg:
        yield "png", "PNG", pixels.png(picture)
    for quality in (95, 90, 80, 70):
        yield "jpg", f"JPEG of quality {quality}", pixels.jpeg(picture, quality, picture.info.get("icc_profile") or b"")
