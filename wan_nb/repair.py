"""What can be done about a picture that a model does not take: repairs to choose from, each with its before and after.

Nothing is mended here by itself. `repairs` looks at the same limits as `wan_nb.problems` and offers; a `Repair` that is
applied gives a new request and leaves the old one as it was, so taking it back is keeping the old one.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from wan_nb import boxes, mend, pixels
from wan_nb.content import amount
from wan_nb.errors import GeometryError, MediaError
from wan_nb.facts import ImageLimits
from wan_nb.geometry import Size
from wan_nb.media import Media, load
from wan_nb.mend import Mended, Mending
from wan_nb.problems import Place
from wan_nb.request import VideoRequest

_MB = 1024 * 1024
_QUALITIES = (95, 90, 80, 70)
_MENDS: Mapping[str, Callable[..., Mended]] = {
    "upright": mend.upright,
    "crop": mend.crop,
    "pad": mend.pad,
    "scale_into": mend.scale_into,
    "flatten": mend.flatten,
    "to_rgb": mend.to_rgb,
}
"""In the order in which several are done: a picture is cropped before it is scaled."""
_UNUSUAL = ("CMYK", "I", "F")

Step = tuple[str, Mapping[str, object]]
"""The name of a function of `wan_nb.mend` and what it is given besides the picture."""


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
    steps: tuple[Step, ...]
    """What is done, in order; none when the file only has to become smaller."""
    limits: ImageLimits = dataclasses.field(repr=False)
    """What the result must keep to."""

    def mend(self, medium: Media) -> Repaired:
        """Do it to a picture; the picture stays as it is.

        Raises:
            GeometryError: If there is no such crop, canvas or scale.
            MediaError: If the picture cannot be read, or its file cannot be made small enough.
        """
        mended = mend.upright(medium)  # as every repair begins; the record says whether it changed anything
        for name, options in self.steps:
            mended = _MENDS[name](mended, **options)
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
        each for name, medium in request.media.items() if name in taken for each in of_picture(name, medium, limits)
    )


def of_picture(name: str, medium: Media, limits: ImageLimits) -> tuple[Repair, ...]:
    """Return what can be done about one picture; each of them mends everything that can be mended.

    Args:
        name: Field of the request.
        medium: The picture; an address is not fetched, so nothing is known of it.
        limits: What the model takes.
    """
    if medium.kind != "image" or medium.error or medium.size is None:
        return ()
    faults = [fault for fault in _faults(medium, medium.size, limits) if fault]
    if not faults and medium.nbytes > limits.megabytes.high * _MB:
        faults = [[("Save it smaller", ())]]
    if not faults:
        return ()
    offered = []
    for ways in itertools.product(*faults):
        choices = [label for (label, _), fault in zip(ways, faults, strict=True) if len(fault) > 1]
        label = ways[0][0] if len(ways) == 1 else ", ".join(["Mend all of it", *(each.lower() for each in choices)])
        offered.append(Repair(name, label, tuple(step for _, steps in ways for step in steps), limits))
    return tuple(offered)


_Ways = list[tuple[str, tuple[Step, ...]]]
"""Ways to mend one fault, the usual one first: its label, and the steps."""


def _faults(medium: Media, size: Size, limits: ImageLimits) -> Iterator[_Ways]:
    """Go through what can be wrong, in the order in which it is mended."""
    if medium.rotated:
        yield [("Turn it upright", (("upright", {}),))]
    shaped = yield from _shape(size, limits)
    yield _scale(shaped, limits)
    odd = medium.mode in _UNUSUAL or medium.mode.endswith(";16")
    if medium.has_alpha:
        yield [(f"Lay it on {colour}", (("flatten", {"background": colour}),)) for colour in ("white", "black")]
    elif odd or medium.format not in limits.formats:
        yield [("Make it RGB" if odd else "Save it as PNG", (("to_rgb", {}),))]


def _shape(size: Size, limits: ImageLimits) -> Generator[_Ways, None, Size]:
    """Offer crop and canvas for a picture that is too long; return the size that the crop leaves."""
    low, high = limits.side.outer
    most = min(limits.max_ratio or 10**6, int(high // low))
    if max(size) <= most * min(size):
        return size
    ratio = f"{most}:1" if size.width > size.height else f"1:{most}"
    try:
        left, top, right, bottom = boxes.inner_box(size, ratio=ratio)
    except GeometryError:
        return size
    yield [
        (f"Crop it to {ratio}", (("crop", {"ratio": ratio}),)),
        (f"Pad it to {ratio}", (("pad", {"ratio": ratio, "fill": "blur"}),)),
    ]
    return Size(right - left, bottom - top)


def _scale(size: Size, limits: ImageLimits) -> _Ways:
    """Offer the nearest size that every document takes, else the nearest that one takes."""
    for low, high in ((limits.side.low, limits.side.high), limits.side.outer):
        try:
            fitting = boxes.fit_between(size, int(low), int(high))
        except GeometryError:
            continue  # too long for these bounds
        if fitting == size:
            return []
        return [(f"Scale it to {fitting}", (("scale_into", {"low": int(low), "high": int(high)}),))]
    return []


def _saved(mended: Mended, medium: Media, limits: ImageLimits) -> Repaired:
    """Encode it: without loss, unless it was a JPEG or the file would be too large for the model."""
    records = mended.records
    limit = limits.megabytes.high * _MB
    stem = PurePath(medium.name).stem or "picture"
    if medium.format != "JPEG":
        data = pixels.png(mended.picture)
        if len(data) <= limit:
            return _repaired(data, f"{stem}, mended.png", records, "as PNG")
    for quality in _QUALITIES:
        data = _jpeg(mended, quality)
        if len(data) <= limit:
            return _repaired(data, f"{stem}, mended.jpg", records, f"as JPEG of quality {quality}")
    smaller = mend.scale_into(mended, low=1, high=max(mended.size) * 3 // 4)
    return _saved(smaller, medium, limits)


def _repaired(data: bytes, name: str, records: tuple[Mending, ...], how: str) -> Repaired:
    medium = load({"name": name, "content": data})
    return Repaired(medium, records, f"saved {how}, {amount(medium.nbytes)}")


def _jpeg(mended: Mended, quality: int) -> bytes:
    picture = pixels.plain(mended.picture)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, icc_profile=mended.picture.info.get("icc_profile") or b"")
    return buffer.getvalue()
