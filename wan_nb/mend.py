"""Repairs for pictures: crop, pad, scale, flatten, turn upright, make RGB.

Nothing is mended unless it is asked for, and nothing silently: each repair returns the new picture with a record of
what was done and what it cost. It goes straight into a request (``first_frame=wan.crop("cat.png", ratio="3:4")``) or
into the next repair.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wan_nb import content, pixels
from wan_nb.boxes import Box, Ratio, fit_between, inner_box, outer_canvas
from wan_nb.errors import GeometryError, MediaError
from wan_nb.geometry import AnySize, Size
from wan_nb.media import load

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, slots=True)
class Mending:
    """What one repair did."""

    action: str
    """The repair's name: crop, pad, scale_into, flatten, upright, to_rgb."""
    text: str
    """What was done, in words."""
    before: Size
    """Size that went in, in pixels, as it is shown (for `upright`: as it was stored)."""
    after: Size
    """Size that came out, in pixels."""
    box: Box | None = None
    """Crop: what was kept, in the old picture. Pad: where the old picture lies in the new one."""
    changed: bool = True
    """False if there was nothing to mend."""
    small_before: bytes = field(default=b"", repr=False, compare=False)
    """JPEG for showing."""
    small_after: bytes = field(default=b"", repr=False, compare=False)
    """JPEG for showing."""

    def __str__(self) -> str:
        return f"{self.action}: {self.text}"

    def _repr_html_(self) -> str:
        before = pixels.figure(self.small_before, f"before: {self.before}")
        after = pixels.figure(self.small_after, f"after: {self.after}")
        return f"<div>{before}{after}<div>{html.escape(str(self))}</div></div>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mended:
    """A repaired picture with the record of its repairs; `wan_nb.load` and every media field of a request take it."""

    picture: Picture
    """The new picture."""
    records: tuple[Mending, ...]
    """What was done to it, oldest first."""
    name: str
    """Name for people, of the first source."""

    @property
    def record(self) -> Mending:
        """What the last repair did."""
        return self.records[-1]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size(*self.picture.size)

    def __repr__(self) -> str:
        return "\n".join([f"{self.name}: {self.size}", *map(str, self.records)])

    def _repr_html_(self) -> str:
        return "".join(record._repr_html_() for record in self.records)


def crop(
    source: object, *, ratio: Ratio | None = None, size: AnySize | None = None, focus: tuple[float, float] = (0.5, 0.5)
) -> Mended:
    """Cut out the largest box of a ratio, or a box of a size; nothing is scaled.

    Args:
        source: Anything `wan_nb.media.load` takes, or a `Mended`.
        ratio: Width over height of the result, exact: ``"3:4"``, a number, a `Fraction` or a size.
        size: Pixels of the result, instead of a ratio: a `Size`, ``(width, height)`` or ``"750x1000"``.
        focus: What the box is centred on as far as the edges let it, from (0, 0) top left to (1, 1) bottom right.

    Raises:
        GeometryError: If the box does not fit in the picture, or not exactly one of `ratio` and `size` is given.
        MediaError: If the picture cannot be read.

    Example:
        >>> from PIL import Image
        >>> print(crop(Image.new("RGB", (1000, 700)), ratio="3:4").record)
        crop: kept 525×700 of 1000×700 from (237, 0); 47.5 % of the area lost
    """
    old = _take(source)
    box = inner_box(old.size, ratio=ratio, size=size, focus=focus)
    kept = Size(box[2] - box[0], box[3] - box[1])
    if kept == old.size:
        return _done(old, "crop", "nothing, it has that shape", box=box)
    lost = 100 * (1 - kept.area / old.size.area)
    text = f"kept {kept} of {old.size} from ({box[0]}, {box[1]}); {lost:.1f} % of the area lost"
    return _done(old, "crop", text, old.picture.crop(box), box)


def pad(source: object, *, ratio: Ratio | None = None, size: AnySize | None = None, fill: str = "#000") -> Mended:
    """Put the picture in the middle of the smallest canvas of a ratio, or of a canvas of a size; nothing is scaled.

    Args:
        source: Anything `wan_nb.media.load` takes, or a `Mended`.
        ratio: Width over height of the result, exact: ``"3:4"``, a number, a `Fraction` or a size.
        size: Pixels of the result, instead of a ratio: a `Size`, ``(width, height)`` or ``"750x1000"``.
        fill: A colour (``"#204060"``, ``"white"``), ``"blur"`` (the picture enlarged and blurred) or ``"mirror"``.

    Raises:
        GeometryError: If the canvas is smaller than the picture or beyond 180 megapixels, or not exactly one of `ratio`
            and `size` is given.
        MediaError: If the picture cannot be read, or the fill is no colour.

    Example:
        >>> from PIL import Image
        >>> print(pad(Image.new("RGB", (1000, 700)), ratio="3:4").record)
        pad: 1000×700 put on 1002×1336 at (1, 318) with #000; 47.7 % of the new area is padding
    """
    old = _take(source)
    canvas, box = outer_canvas(old.size, ratio=ratio, size=size)
    if canvas.area > content.PIXEL_CEILING:
        raise GeometryError(f"a canvas of {canvas} is too large; 180 megapixels are allowed, crop instead.")
    if canvas == old.size:
        return _done(old, "pad", "nothing, it has that shape", box=box)
    picture, note = pixels.smooth(old.picture)
    result = pixels.background(picture, canvas, box, fill)
    result.paste(picture, box[:2])
    result.info = dict(picture.info)
    added = 100 * (1 - old.size.area / canvas.area)
    text = f"{old.size} put on {canvas} at {box[:2]} with {fill}; {added:.1f} % of the new area is padding{note}"
    return _done(old, "pad", text, result, box)


def scale_into(source: object, low: int = 240, high: int = 8000) -> Mended:
    """Scale as little as possible until both sides are within bounds; a picture within them stays as it is.

    The ratio stays exact where whole pixels allow it within 3 % of the size; otherwise one side is rounded and the
    record says how far the ratio moved.

    Args:
        source: Anything `wan_nb.media.load` takes, or a `Mended`.
        low: Pixels that the shorter side has at least. 240 and 8000 are the documents' bounds (S001; FACTS §1.4).
        high: Pixels that the longer side has at most.

    Raises:
        GeometryError: If no scale brings both sides within bounds.
        MediaError: If the picture cannot be read.

    Example:
        >>> from PIL import Image
        >>> print(scale_into(Image.new("RGB", (320, 180))).record)
        scale_into: 320×180 scaled to 432×243, ratio exact
    """
    from PIL import Image

    old = _take(source)
    whole = old.size
    new = fit_between(whole, low, high)
    if new == whole:
        return _done(old, "scale_into", f"nothing, {whole} fits")
    picture, note = pixels.smooth(old.picture)
    moved = 100 * float(new.ratio / whole.ratio - 1)
    text = f"{whole} scaled to {new}, {f'ratio moved by {moved:+.3f} %' if moved else 'ratio exact'}{note}"
    return _done(old, "scale_into", text, picture.resize((new.width, new.height), Image.Resampling.LANCZOS))


def flatten(source: object, background: str = "white") -> Mended:
    """Lay what is transparent over a colour: the service takes no alpha.

    Args:
        source: Anything `wan_nb.media.load` takes, or a `Mended`.
        background: A colour such as ``"white"`` or ``"#204060"``.

    Raises:
        MediaError: If the picture cannot be read, or the background is no colour.

    Example:
        >>> from PIL import Image
        >>> flatten(Image.new("RGBA", (400, 300), (0, 0, 255, 128)), "#204060").record.text
        'alpha laid over #204060; 100.0 % of the pixels were not opaque'
    """
    old = _take(source)
    if not old.picture.has_transparency_data:
        return _done(old, "flatten", "nothing, it has no alpha")
    opaque = old.picture.convert("RGBA").getchannel("A").histogram()[255]
    share = 100 * (1 - opaque / old.size.area)
    text = f"alpha laid over {background}; {share:.1f} % of the pixels were not opaque"
    return _done(old, "flatten", text, pixels.plain(old.picture, background))


def upright(source: object) -> Mended:
    """Turn the stored pixels as EXIF says, so that everybody sees the picture the same way round.

    Args:
        source: A picture: path, bytes, PIL image, array, `Media`, or what was mended before.

    Raises:
        MediaError: If the picture cannot be read.

    Example:
        >>> from PIL import Image
        >>> upright(Image.new("RGB", (400, 300))).record.changed
        False
    """
    old = _take(source)
    if old.records and old.record.action == "upright":
        return old
    return _done(old, "upright", "nothing, EXIF does not turn it")


def to_rgb(source: object) -> Mended:
    """Make it 8-bit RGB: CMYK, palette, grey and 16-bit pictures; by the picture's own colour profile where it has one.

    Alpha is laid over white; use `flatten` first for another background.

    Args:
        source: A picture: path, bytes, PIL image, array, `Media`, or what was mended before.

    Raises:
        MediaError: If the picture cannot be read, or its values are not brightness.

    Example:
        >>> from PIL import Image
        >>> to_rgb(Image.new("L", (400, 300))).record.changed
        True
    """
    old = _take(source)
    alpha = ", alpha laid over white" if old.picture.has_transparency_data else ""
    picture, how = pixels.rgb(old.picture)
    if not how:
        return _done(old, "to_rgb", "nothing, it is RGB")
    return _done(old, "to_rgb", how + alpha, picture)


# --- how it is done ---------------------------------------------------------------------------------------------


def _take(source: object) -> Mended:
    """Open a picture, upright and ours alone. What that takes is recorded like a repair."""
    from PIL import Image, ImageOps

    if isinstance(source, Mended):
        return source
    if isinstance(source, Image.Image):
        stored, name, animated = source, f"picture {source.width}×{source.height}", False
    else:
        media = load(source)
        stored, name, animated = media.stored(), media.name, media.animated
    try:
        picture = ImageOps.exif_transpose(stored)
        orientation = stored.getexif().get(pixels.ORIENTATION, 1)
    except Exception as error:  # a PIL image opened elsewhere can break in every way a file can
        raise MediaError(f"{name!r} is broken ({content.reason(error)}); copy or export it again.") from None
    taken = Mended(stored, (), name)
    if animated:
        taken = _done(taken, "still", "its first frame is used, it is animated", stored)
    if orientation in range(2, 9):
        text = f"turned or mirrored as its EXIF says (orientation {orientation})"
        return _done(taken, "upright", text, picture)
    return replace(taken, picture=picture)


def _done(old: Mended, action: str, text: str, new: Picture | None = None, box: Box | None = None) -> Mended:
    """Record one more repair; without a new picture, why there was nothing to do."""
    picture = new or old.picture
    before = pixels.thumbnail(old.picture)
    after = pixels.thumbnail(picture) if new else before
    record = Mending(action, text, old.size, Size(*picture.size), box, new is not None, before, after)
    return Mended(picture, (*old.records, record), old.name)
