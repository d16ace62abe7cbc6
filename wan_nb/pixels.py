"""Pictures in memory: from arrays, to RGB, to PNG and small JPEGs, and the backgrounds behind a padded one.

Pillow's images in, Pillow's images out; no files and no records. What a conversion changed is said in words.
"""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

from wan_nb.boxes import Box
from wan_nb.errors import MediaError
from wan_nb.geometry import Size

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as Picture

ORIENTATION = 0x0112
"""EXIF's tag of how stored pixels are to be turned: 1 not at all, 2 to 8 as listed in `wan_nb.mend`."""


def from_array(array: np.ndarray[Any, np.dtype[Any]]) -> Picture:
    """Return an array of height × width (× 3 or 4), uint8 or floats from 0 to 1, as a picture.

    Raises:
        MediaError: If it is of another shape or type.
    """
    import numpy as np
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise MediaError(f"its shape {array.shape} is no picture's; give height × width, or height × width × 3 or 4.")
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # also true of what is not a number
            raise MediaError(f"its floats go from {low:.3g} to {high:.3g}; scale them to 0 … 1, or give uint8.")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise MediaError(f"its values are {array.dtype}; give uint8 from 0 to 255, or floats from 0 to 1.")
    return Image.fromarray(np.ascontiguousarray(array))


def png(picture: Picture) -> bytes:
    """Encode a picture without loss; of its EXIF only what turns it is kept, not where it was taken.

    Raises:
        MediaError: If its colour mode does not fit in a PNG.
    """
    from PIL import Image

    if picture.mode == "PA":
        picture = picture.convert("RGBA")
    if picture.mode not in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"):
        raise MediaError(f"its colour mode {picture.mode} does not fit in a PNG; make it RGB first: to_rgb(picture).")
    exif = Image.Exif()
    if orientation := picture.getexif().get(ORIENTATION):
        exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def plain(picture: Picture, background: str = "white") -> Picture:
    """Return 8-bit RGB pixels of a picture of any mode, alpha laid over a background, 16 bits scaled down.

    Raises:
        MediaError: If its values are not brightness, such as depths in metres, or the background is no colour.
    """
    from PIL import Image

    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        low, high = (float(value) for value in picture.getextrema()[:2])  # type: ignore[arg-type]
        deep = picture.mode.startswith("I;16") or high > 255
        scale = 255.0 if picture.mode == "F" and high <= 1 else 1 / 257 if deep else 1.0
        if not (low >= 0 and high * scale <= 255.5):
            raise MediaError(f"values from {low:g} to {high:g} are not brightness; scale the picture to 0 … 255.")
        picture = picture if picture.mode == "F" else picture.convert("I")
        picture = picture.point(lambda value: value * scale + 0.5).convert("L")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, _colour(background)), layer)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def jpeg(picture: Picture, quality: int = 80, profile: bytes = b"") -> bytes:
    """Encode a picture as JPEG, alpha over white, with a colour profile where one is given."""
    buffer = io.BytesIO()
    plain(picture).save(buffer, "JPEG", quality=quality, icc_profile=profile)
    return buffer.getvalue()


def thumbnail(picture: Picture, longest: int = 320) -> bytes:
    """Return a small JPEG for forms and notebooks: its longer side `longest` pixels at most, grey squares for alpha."""
    from PIL import Image

    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    elif picture.mode not in ("L", "RGB", "CMYK"):
        picture = plain(picture)
    scale = longest / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BILINEAR)
    if picture.mode == "RGBA":
        side = max(picture.size) // 24 + 1
        dots = Image.new("L", (picture.width // side + 1, picture.height // side + 1))
        dots.putdata([255 if (x + y) % 2 else 190 for y in range(dots.height) for x in range(dots.width)])
        squares = dots.resize((dots.width * side, dots.height * side), Image.Resampling.NEAREST)
        picture = Image.alpha_composite(squares.crop((0, 0, *picture.size)).convert("RGBA"), picture).convert("RGB")
    return jpeg(picture)


def figure(small: bytes | None, caption: str) -> str:
    """Return HTML of a small picture over its caption, which is escaped; no script, no outside resource."""
    shown = ""
    if small:
        address = f"data:image/jpeg;base64,{base64.b64encode(small).decode('ascii')}"
        shown = f'<img alt="" style="max-width:100%;display:block" src="{address}">'
    text = f'<figcaption style="font-size:90%">{html.escape(caption)}</figcaption>'
    return f'<figure style="display:inline-block;margin:0 1em 0 0;vertical-align:top">{shown}{text}</figure>'


def smooth(picture: Picture) -> tuple[Picture, str]:
    """Return the picture in a mode whose pixels can be mixed, and what that changed."""
    if picture.has_transparency_data:
        return picture.convert("RGBA"), "" if picture.mode == "RGBA" else f", {picture.mode} made RGBA"
    picture, how = rgb(picture)
    return picture, f", {how}" if how else ""


def rgb(picture: Picture) -> tuple[Picture, str]:
    """Return 8-bit RGB and how it came about; an empty text if it is that already."""
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture, ""
    how = f"{picture.mode} made RGB"
    result = plain(picture)
    if picture.mode == "CMYK":
        from PIL import ImageCms

        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(picture.info.get("icc_profile") or b""))
            result = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), "CMYK", "RGB").apply(picture)
            how += " by its colour profile"
        except (ImageCms.PyCMSError, OSError):  # none, or a broken one
            how += " without a colour profile, so colours are approximate"
    if picture.mode not in ("P", "PA", "RGBA", "RGB"):
        result.info.pop("icc_profile", None)  # it describes the old colours
    return result, how


def background(picture: Picture, size: Size, box: Box, fill: str) -> Picture:
    """Return what lies behind a padded picture: a colour, ``"blur"`` or ``"mirror"``.

    Args:
        picture: In a mode as `smooth` returns it.
        size: Pixels of the canvas.
        box: Where the picture lies on it.
        fill: A colour, or one of the two words.

    Raises:
        MediaError: If `fill` is none of these.
    """
    from PIL import Image, ImageFilter, ImageOps

    if fill == "blur":  # blurred small and enlarged: the same look at a hundredth of the work
        scale = min(1.0, 160 / max(size))
        small = ImageOps.fit(picture, (max(1, round(size.width * scale)), max(1, round(size.height * scale))))
        return small.filter(ImageFilter.GaussianBlur(5)).resize((size.width, size.height), Image.Resampling.BICUBIC)
    if fill == "mirror":
        import numpy as np

        left, top, right, bottom = box
        sides = ((top, size.height - bottom), (left, size.width - right), (0, 0))
        return Image.fromarray(np.pad(np.asarray(picture), sides, mode="symmetric"))
    return Image.new(picture.mode, (size.width, size.height), _colour(fill, "a colour, 'blur' or 'mirror'"))


def _colour(text: str, allowed: str = "a colour") -> tuple[int, ...]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(text)
    except (ValueError, AttributeError):
        raise MediaError(f"{text!r} is not {allowed}; write a colour as a name or '#204060'.") from None
