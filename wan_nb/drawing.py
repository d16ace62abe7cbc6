"""Drawings to scale: a way to an exact shape, and the frame that comes out of a picture.

Plain numbers in, an SVG out, as an image that every viewer of notebooks shows; its colours can be read on white and on
black. What a crop takes away is hatched red, padding is hatched grey.
"""

from __future__ import annotations

import base64
import contextlib
import html
from fractions import Fraction
from typing import TYPE_CHECKING

from wan_nb.boxes import Box, Step, inner_box
from wan_nb.errors import GeometryError
from wan_nb.geometry import Size, colon, drift

if TYPE_CHECKING:
    from wan_nb.ratio import Choice, Reach

_PANEL, _HIGH, _GAP, _HEAD, _FOOT = 230, 190, 26, 24, 40
_INK, _BLUE, _RED, _ORANGE = "#767676", "#5b9bd5", "#d24a4a", "#d98200"
_PICTURE = f'fill="{_BLUE}" stroke="{_INK}"'
_LOST = f'fill="url(#lost)" stroke="{_RED}"'
_PADDING = f'fill="url(#padding)" stroke="{_INK}"'
_WANTED = f'fill="none" stroke="{_ORANGE}" stroke-width="2" stroke-dasharray="5 4"'


def svg(answer: Reach, choice: Choice | None = None) -> str:
    """Return the drawing of a way, the best one where none is named."""
    choice = choice or answer.best
    shape, off = colon(answer.wanted), drift(answer.wanted, choice.output)
    told = f"{off.percent:+.2f} % off {shape} (dashed)" if off.pixels else f"exactly {shape}"
    output = [((0, 0, *choice.output), _PICTURE)]
    with contextlib.suppress(GeometryError):  # where no even box of that shape lies inside, the way pads
        output.append((inner_box(choice.output, ratio=answer.wanted, step=2), _WANTED))
    panels = (
        _step("your picture", choice.input, "nothing is done to it"),
        _panel(f"comes out at {answer.tier}", output, f"{choice.output} (estimate)", told),
        _step("your video", choice.finish, f"exactly {shape}"),
    )
    arrow = f'<path d="M-21 {_HEAD + _HIGH / 2}h16m-6 -5l6 5l-6 5" fill="none" stroke="{_INK}" stroke-width="1.5"/>'
    body = "".join(
        f'<g transform="translate({number * (_PANEL + _GAP)} 0)">{arrow if number else ""}{panel}</g>'
        for number, panel in enumerate(panels)
    )
    return _drawing(3 * _PANEL + 2 * _GAP, _HEAD + _HIGH + _FOOT, body)


def image(answer: Reach) -> str:
    """Return the drawing of the best way as HTML: an image that holds it."""
    data = base64.b64encode(svg(answer).encode()).decode("ascii")
    words = html.escape(str(answer.best))
    return f'<img alt="{words}" style="max-width:100%;display:block" src="data:image/svg+xml;base64,{data}">'


def frame(output: Size, source: Size, picture: str = "", *, label: str = "") -> str:
    """Return a drawing of the frame that comes out: to one scale at every tier, and what of the picture lies outside.

    No document says whether the service cuts what does not fit or squeezes it; hatched is what a cut would take.

    Args:
        output: Size of the video.
        source: Size of the picture that it is made from.
        picture: Address of the picture, such as a data URI; empty draws a plain box.
        label: What a screen reader says.
    """
    cover = max(Fraction(output.width, source.width), Fraction(output.height, source.height))
    whole = Size(max(output.width, round(source.width * cover)), max(output.height, round(source.height * cover)))
    scale = min(1 / 11, 236 / output.width, 260 / whole.width, 174 / whole.height)
    box = left, top, right, bottom = inner_box(whole, size=output)
    outside = ((0, 0, whole.width, top), (0, bottom, *whole), (0, 0, left, whole.height), (right, 0, *whole))
    shapes = _rect((0, 0, *whole), scale, f'fill="{_BLUE}" opacity=".35"')
    if picture:
        shapes += _rect((0, 0, *whole), scale, f'href="{picture}" preserveAspectRatio="none"', kind="image")
    shapes += "".join(_rect(each, scale, _LOST) for each in outside)
    shapes += _rect(box, scale, f'fill="none" stroke="{_INK}" stroke-width="1.5"')
    width, height = max(whole.width * scale, 84) + 4, whole.height * scale + 22
    body = f'<g transform="translate({(width - whole.width * scale) / 2:.1f} 2)">{shapes}</g>'
    return _drawing(width, height, body + _text(width / 2, height - 4, str(output)), label)


# --- what both are made of --------------------------------------------------------------------------------------------


def _step(title: str, step: Step, otherwise: str) -> str:
    """Draw what goes in, what is kept of it or where it lies, and what comes out."""
    outer, style = (step.after, _PADDING) if step.action == "pad" else (step.before, _LOST)
    boxes = [((0, 0, *outer), style), (step.box, _PICTURE)]
    if step.action == "none":
        return _panel(title, boxes, str(step.after), otherwise)
    return _panel(title, boxes, f"{step.before} → {step.after}", f"{step.action}: {step.loss}")


def _panel(title: str, boxes: list[tuple[Box, str]], *lines: str) -> str:
    """Draw boxes, the first around all others, in the middle of a panel, with words above and below."""
    (_, _, width, height), _ = boxes[0]
    scale = min((_PANEL - 4) / width, (_HIGH - 4) / height)
    place = f"translate({(_PANEL - width * scale) / 2:.2f} {_HEAD + (_HIGH - height * scale) / 2:.2f})"
    shapes = "".join(_rect(box, scale, style) for box, style in boxes)
    below = "".join(_text(_PANEL / 2, _HEAD + _HIGH + 16 * number, line) for number, line in enumerate(lines, 1))
    return f'{_text(_PANEL / 2, 14, title, "600")}<g transform="{place}">{shapes}</g>{below}'


def _rect(box: Box, scale: float, style: str, kind: str = "rect") -> str:
    left, top, right, bottom = (edge * scale for edge in box)
    place = f'x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" height="{bottom - top:.2f}"'
    return f"<{kind} {place} {style}/>"


def _text(x: float, y: float, words: str, weight: str = "400") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-weight="{weight}"'
    return f"<text {place}>{html.escape(words)}</text>"


def _drawing(width: float, height: float, body: str, label: str = "") -> str:
    hatches = "".join(
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<path d="M0 0v6" stroke="{colour}" stroke-width="3"/></pattern>'
        for name, colour in (("lost", _RED), ("padding", _INK))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{html.escape(label)}" font-family="system-ui,sans-serif" '
        f'font-size="12" fill="{_INK}"><defs>{hatches}</defs>{body}</svg>'
    )
