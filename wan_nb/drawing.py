"""A way to an exact shape as a drawing to scale: the picture, what comes out of it, the finished video.

Plain numbers in, an SVG out, as an image that every viewer of notebooks shows; its colours can be read on white and on
black. What a crop takes away is hatched red, padding is hatched grey.
"""

from __future__ import annotations

import base64
import html
from fractions import Fraction
from typing import TYPE_CHECKING

from wan_nb.boxes import Box, Step, inner_box
from wan_nb.errors import GeometryError
from wan_nb.geometry import Size, colon, drift

if TYPE_CHECKING:
    from wan_nb.ratio import Choice, Reach

_PANEL, _HIGH, _GAP, _HEAD, _FOOT = 230, 190, 26, 24, 40
_INK, _FILL, _LOST, _WANTED = "#767676", "#5b9bd5", "#d24a4a", "#d98200"


def svg(answer: Reach, choice: Choice | None = None) -> str:
    """Return the drawing of a way, the best one where none is named."""
    choice = choice or answer.best
    shape, off = colon(answer.wanted), drift(answer.wanted, choice.output)
    told = f"{off.percent:+.2f} % off {shape} (dashed)" if off.pixels else f"exactly {shape}"
    panels = (
        _step("your picture", choice.input),
        _output(choice.output, told, answer),
        _step("your video", choice.finish, f"exactly {shape}"),
    )
    width, height = 3 * _PANEL + 2 * _GAP, _HEAD + _HIGH + _FOOT
    body = "".join(
        f'<g transform="translate({number * (_PANEL + _GAP)} 0)">{panel}</g>' for number, panel in enumerate(panels)
    )
    arrows = "".join(
        f'<path d="M{at - 8} {_HEAD + _HIGH / 2}h16m-6 -5l6 5l-6 5" fill="none" stroke="{_INK}" stroke-width="1.5"/>'
        for at in (_PANEL + _GAP / 2, 2 * _PANEL + 1.5 * _GAP)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui,sans-serif" font-size="12" fill="{_INK}"><defs>{_hatch("lost", _LOST)}'
        f"{_hatch('pad', _INK)}</defs>{body}{arrows}</svg>"
    )


def image(answer: Reach, choice: Choice | None = None) -> str:
    """Return the drawing as HTML: an image that holds it."""
    data = base64.b64encode(svg(answer, choice).encode()).decode("ascii")
    words = html.escape(str(choice or answer.best))
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
    scale = min(1 / 11, 236 / output.width, 174 / output.height)
    cover = max(Fraction(output.width, source.width), Fraction(output.height, source.height))
    whole = Size(max(output.width, round(source.width * cover)), max(output.height, round(source.height * cover)))
    scale = min(scale, 260 / whole.width, 174 / whole.height)
    wide, high = output.width * scale, output.height * scale
    all_wide, all_high = whole.width * scale, whole.height * scale
    width, height = max(all_wide, 84) + 4, all_high + 22
    edge = (width - all_wide) / 2
    left, top = edge + (all_wide - wide) / 2, 2 + (all_high - high) / 2
    outer = f'x="{edge:.1f}" y="2" width="{all_wide:.1f}" height="{all_high:.1f}"'
    inner = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}"'
    shown = f'<image href="{picture}" {outer} preserveAspectRatio="none"/>' if picture else ""
    hole = f"M{edge:.1f} 2h{all_wide:.1f}v{all_high:.1f}h-{all_wide:.1f}z"
    hole += f"M{left:.1f} {top:.1f}v{high:.1f}h{wide:.1f}v-{high:.1f}z"
    lost = f'<path d="{hole}" fill="url(#cut)" stroke="{_LOST}" stroke-width="1"/>' if whole != output else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{html.escape(label)}" font-family="system-ui,sans-serif" '
        f'font-size="12" fill="{_INK}"><defs>{_hatch("cut", _LOST)}</defs>'
        f'<rect {outer} fill="{_FILL}" opacity=".35"/>{shown}{lost}'
        f'<rect {inner} fill="none" stroke="{_INK}" stroke-width="1.5"/>'
        f'<text x="{width / 2:.1f}" y="{height - 4:.1f}" text-anchor="middle">{output}</text></svg>'
    )


def _hatch(name: str, colour: str) -> str:
    return (
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<path d="M0 0v6" stroke="{colour}" stroke-width="3"/></pattern>'
    )


def _step(title: str, step: Step, otherwise: str = "nothing is done to it") -> str:
    """Draw what goes in, what is kept of it or where it lies, and what comes out."""
    outer, colour = (step.after, _INK) if step.action == "pad" else (step.before, _LOST)
    pattern = "pad" if step.action == "pad" else "lost"
    shapes = _frame(outer, (0, 0, *outer), f'fill="url(#{pattern})" stroke="{colour}"')
    shapes += _frame(outer, step.box, f'fill="{_FILL}" stroke="{_INK}"')
    if step.action == "none":
        return _panel(title, shapes, str(step.after), otherwise)
    return _panel(title, shapes, f"{step.before} → {step.after}", f"{step.action}: {step.loss}")


def _output(output: Size, told: str, answer: Reach) -> str:
    """Draw what comes out, with the wanted shape inside it."""
    shapes = _frame(output, (0, 0, *output), f'fill="{_FILL}" stroke="{_INK}"')
    try:
        inner = inner_box(output, ratio=answer.wanted, step=2)
        shapes += _frame(output, inner, f'fill="none" stroke="{_WANTED}" stroke-width="2" stroke-dasharray="5 4"')
    except GeometryError:
        pass  # no even box of that shape lies inside; the way then pads
    return _panel(f"comes out at {answer.tier}", shapes, f"{output} (estimate)", told)


def _frame(whole: Size, box: Box, style: str) -> str:
    """Draw a box of a whole, scaled to the panel and in its middle."""
    scale = min((_PANEL - 4) / whole.width, (_HIGH - 4) / whole.height)
    left = (_PANEL - whole.width * scale) / 2 + box[0] * scale
    top = _HEAD + (_HIGH - whole.height * scale) / 2 + box[1] * scale
    width, height = (box[2] - box[0]) * scale, (box[3] - box[1]) * scale
    return f'<rect x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}" {style}/>'


def _panel(title: str, shapes: str, *lines: str) -> str:
    middle = _PANEL / 2
    texts = "".join(
        f'<text x="{middle}" y="{_HEAD + _HIGH + 16 * (number + 1)}" text-anchor="middle">{html.escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return (
        f'<text x="{middle}" y="14" text-anchor="middle" font-weight="600">{html.escape(title)}</text>{shapes}{texts}'
    )
