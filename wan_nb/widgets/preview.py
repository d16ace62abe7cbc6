"""What would happen if a request were submitted now: problems, price, size, time. Static, with no widget.

`line` is the same in one line, for the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wan_nb.catalog import cite
from wan_nb.drawing import frame
from wan_nb.geometry import Size, drift
from wan_nb.request import VideoRequest
from wan_nb.widgets.parts import INK, SOFT, TONES, escape, jpeg_address, table_rows
from wan_nb.widgets.wording import price_words, usual_words

if TYPE_CHECKING:
    from wan_nb.preview import Preview
    from wan_nb.problems import Problem

_COLOURS = {"refused": TONES["bad"], "wasteful": "#b26a00", "warning": "#b26a00"}


def line(preview: Preview, region: str) -> str:
    """Return price, size and time as one line of HTML."""
    parts = [f"<b>{escape(price_words(preview, region))}</b>"]
    if preview.size:
        drifted = f" ({preview.drift})" if preview.drift and preview.drift.pixels else ""
        parts.append(escape(f"{preview.size} px expected{drifted}"))
    if preview.left is not None:
        parts.append(escape(f"{preview.left} of today's budget left"))
    if usual := usual_words(preview.usual):
        parts.append(f'<span title="{escape(cite(preview.usual.source))}">{escape(usual)}</span>')
    return " · ".join(parts)


def html(preview: Preview, region: str = "") -> str:
    """Return the static twin of a preview."""
    request, usual, estimate, size = preview.request, preview.usual, preview.estimate, preview.size
    refused = {problem.field for problem in preview.problems if problem.severity == "refused"}
    is_known = not refused & {"model", "family"}
    rows = {
        "duration": f"{request.seconds} s, the model's default" if is_known and request.duration is None else "",
        "resolution": f"{request.tier}, the model's default" if is_known and request.resolution is None else "",
        "price": price_words(preview, region),
        "by list": f"{estimate.seconds} s × {estimate.per_second}; {cite(estimate.source)}" if estimate.money else "",
        "size": f"{size} px expected; {preview.drift or 'shape not known'}" if size else "",
        "time": f"{usual_words(usual)} ({cite(usual.source)})",
        "budget": "" if preview.left is None else f"{preview.left} left today",
        "ran before": "",
    }
    held = ""
    if preview.existing:
        rows["ran before"] = f"run {preview.existing.run_id}: submitting gives that run; take=2 makes another"
    elif preview.over_budget:
        held = f'<div style="color:{TONES["bad"]}">held back: {escape(preview.over_budget)}</div>'
    return _framed(request, {name: text for name, text in rows.items() if text}, preview.problems, held)


def frame_html(request: VideoRequest) -> str:
    """Return a drawing of the frame that comes out, to scale, with what of the pictures lies outside of it."""
    output, shape = request.predicted_size(), request.source_size
    if output is None or shape is None:
        why = "nobody has seen the first frame yet" if request.media else "the first frame gives the video its shape"
        return f'<div class="wan-frame empty"><div class="wan-note">The frame is drawn here: {why}.</div></div>'
    figures = []
    for name in ("first_frame", "first_clip", "last_frame"):
        medium = request.media.get(name)
        if medium is None or medium.size is None:
            continue
        words = _fit_words(name.replace("_", " "), medium.size, output)
        picture = jpeg_address(medium.thumbnail, longest=260, limit=24_000) if medium.kind == "image" else ""
        drawn = frame(output, medium.size, picture, label=f"{output} pixels. {words}")
        figures.append(f'<figure>{drawn}<figcaption class="wan-note">{escape(words)}</figcaption></figure>')
    return f'<div class="wan-frame">{"".join(figures)}</div>'


def _fit_words(name: str, shape: Size, output: Size) -> str:
    off = drift(shape, output)
    if not off.pixels:
        return f"The {name}, {shape}, has this very shape."
    lost = 100 * (1 - min(output.ratio / shape.ratio, shape.ratio / output.ratio))
    outside = f"of the {name}, {shape}, {float(lost):.1f} % lies outside (hatched)"
    return f"{off}: {outside}; whether it is cut off or squeezed in, no document says."


def request_html(request: VideoRequest) -> str:
    """Return the static twin of a request."""
    return _framed(request, {}, request.problems())


def _names_all(problem: Problem) -> bool:
    """Whether the problem's own words name its sources: then they are not said twice."""
    return all(each in str(problem) for each in cite(problem.source).split("; "))


def _framed(request: VideoRequest, rows: dict[str, str], problems: tuple[Problem, ...], held: str = "") -> str:
    given = {name: str(value) for name, value in vars(request).items() if value is not None and value != {}}
    if "duration" in given:
        given["duration"] += " s"
    pictures = "".join(
        f'<img alt="" src="{address}" style="max-height:120px;max-width:160px;margin:0 8px 4px 0;display:inline-block">'
        for medium in request.media.values()
        if medium.kind == "image"
        and medium.data
        and not medium.error
        and (address := jpeg_address(medium.thumbnail, longest=240))
    )
    said = "".join(
        f'<div style="color:{_COLOURS[problem.severity]}">{problem.severity}: {escape(str(problem))}'
        + (
            f' <span style="color:{SOFT};font-size:12px">[{escape(cite(problem.source))}]</span>'
            if problem.source and not _names_all(problem)
            else ""
        )
        + "</div>"
        for problem in problems
    )
    ready = f'<div style="color:{TONES["good"]}">ready</div>'
    return (
        f'<div style="color:{INK};overflow-wrap:anywhere">{pictures}'
        '<table style="border-collapse:collapse;font-size:13px;margin:0">'
        f"{table_rows([*given.items(), *rows.items()])}</table>{said + held or ready}</div>"
    )
