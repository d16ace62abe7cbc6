"""Text in footage: caption and watermark for planes, and the labelled test card.

This module knows pictures and planes; what the words mean is its caller's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Planes = list[Image.Image]
"""Y at full size, U and V at half."""

_BARS = ("#eeeeee", "#e8c84a", "#4ebecd", "#60ba68", "#c45ca8", "#d4544c", "#4662be")


@dataclass(frozen=True, slots=True)
class Mark:
    """Text over the picture, prepared once."""

    place: tuple[int, int]
    """Left and top in pixels, both even."""
    light: Image.Image
    """Brightness (Y)."""
    alpha: Image.Image
    """Opacity."""

    def stamp(self, planes: Planes) -> None:
        """Draw into the planes in place; the colour under it fades to grey."""
        left, top = self.place
        planes[0].paste(self.light, (left, top), self.alpha)
        for plane in planes[1:]:
            plane.paste(128, (left // 2, top // 2), self.alpha.reduce(2))


def mark(text: str, size: tuple[int, int], *, far: bool, share: float, plate: int) -> Mark:
    """Lay the text out in the first corner or the `far` one: on a dark plate, or with a soft shadow where it is 0."""
    margin = max(2, round(min(size) * 0.018)) // 2 * 2
    high = max(9.0, min(size) * share)
    # in a very small picture the text shrinks until it fits
    high = max(5.0, min(high, high * (size[0] - 2 * margin) / (ImageFont.load_default(high).getlength(text) + high)))
    font = ImageFont.load_default(size=high)
    left, top, right, bottom = font.getbbox(text)
    air = max(2, round((bottom - top) * 0.45))
    w = min(size[0] - 2 * margin, math.ceil(right - left + 2 * air)) // 2 * 2
    h = min(size[1] - 2 * margin, math.ceil(bottom - top + 2 * air)) // 2 * 2
    ink = Image.new("L", (w, h))
    ImageDraw.Draw(ink).text((air - left, air - top), text, fill=255, font=font)
    if plate:
        shade = Image.new("L", (w, h))
        ImageDraw.Draw(shade).rounded_rectangle((0, 0, w - 1, h - 1), radius=h // 4, fill=plate)
    else:
        shade = ink.filter(ImageFilter.GaussianBlur(max(1, air // 3))).point(lambda v: v * 0.7)
        ink = ink.point(lambda v: v * 0.85)
    alpha = ImageChops.lighter(ink, shade)
    light = 16 + (235 - 16) * np.asarray(ink, dtype=np.uint16) // np.maximum(np.asarray(alpha, dtype=np.uint16), 1)
    left, top = (size[0] - w - margin, size[1] - h - margin) if far else (margin, margin)
    return Mark((max(0, left // 2 * 2), max(0, top // 2 * 2)), Image.fromarray(light.astype(np.uint8)), alpha)


def stand_in(label: str, size: tuple[int, int]) -> Image.Image:
    """Draw a labelled test card for a picture that cannot be fetched; equal labels give equal cards.

    Args:
        label: What it stands for, such as a file name; shown in the middle, cut where it is too long.
        size: Width and height in pixels, at least 16 each.
    """
    width, height = size
    hue = sha256(label.encode()).digest()
    x, y = np.linspace(0, 1, width)[None, :], np.linspace(0, 1, height)[:, None]
    turn = 2 * np.pi * (hue[0] / 256 + np.array([0, 1, 2]) / 3)
    wave = 0.5 + 0.28 * np.cos(turn[None, None, :] + 2.4 * (0.6 * x + 0.8 * y)[..., None])
    glow = 0.25 * np.exp(-(((x - 0.7) ** 2 + (y - 0.25) ** 2) / 0.12))[..., None]
    card = Image.fromarray((np.clip(wave + glow, 0, 1) * 235).astype(np.uint8), "RGB")
    _dress(card, label)
    return card


def _dress(card: Image.Image, label: str) -> None:
    """Add circle, grid, colour bars and label."""
    width, height = card.size
    unit, middle = min(width, height), (width / 2, height / 2)
    over = Image.new("RGBA", card.size)
    pen = ImageDraw.Draw(over)
    line = max(1, unit // 300)
    for k in range(1, 8):
        pen.line((width * k / 8, 0, width * k / 8, height), fill=(255, 255, 255, 40), width=line)
        pen.line((0, height * k / 8, width, height * k / 8), fill=(255, 255, 255, 40), width=line)
    for radius, strength in ((0.42, 170), (0.30, 70)):
        r = unit * radius
        circle = (middle[0] - r, middle[1] - r, middle[0] + r, middle[1] + r)
        pen.ellipse(circle, outline=(255, 255, 255, strength), width=line * 2)
    side = unit * 0.075
    for k, bar in enumerate(_BARS):
        left, top = middle[0] + (k - len(_BARS) / 2) * side, middle[1] + unit * 0.13
        pen.rectangle((left, top, left + side, top + side * 0.8), fill=bar)
    font = ImageFont.load_default(size=max(9.0, unit * 0.065))
    # Pillow's own font has Latin letters only
    plain = "".join(c if c.isascii() and c.isprintable() else "·" for c in label)
    text = plain if len(plain) <= 28 else f"{plain[:13]}...{plain[-12:]}"
    pen.text(middle, text, font=font, fill="white", anchor="ms")
    small = ImageFont.load_default(size=max(8.0, unit * 0.035))
    below = (middle[0], middle[1] + unit * 0.06)
    pen.text(below, f"stand-in {width} x {height}", font=small, fill=(255, 255, 255, 190), anchor="ms")
    card.paste(over, mask=over)
