"""A study on paper: the static twin in a notebook, and one page that holds everything and needs nobody.

The page carries player, videos, prompts, votes and settings in one file. It works from disk with the network off, and
its own policy forbids the browser to ask for anything. No key, no path of a machine and no task's address is in it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_nb import tables
from wan_nb.content import amount
from wan_nb.errors import ConfigError
from wan_nb.export import judgement_rows
from wan_nb.geometry import Size
from wan_nb.widgets import video as video_view
from wan_nb.widgets.diff import prompt_diff_html
from wan_nb.widgets.parts import HERE, INK, LINE, SOFT, STYLE, TONES, escape, jpeg_address

if TYPE_CHECKING:
    from wan_nb.cells import Cell
    from wan_nb.compare import Experiment
    from wan_nb.result import Video

PAGE_BYTES = 48 * 1024 * 1024
"""Bytes of video that a page holds, unless told otherwise; inside the page they take a third more."""

STRIP_CHARS = 200_000
"""Characters of pictures in the static twin of a study, all together."""

_PICTURE = "display:block;max-width:100%;margin:0;border-radius:3px"
_SAID_COLUMNS = ("at", "judge", "kind", "left", "right", "seed", "better", "stars", "is_blind", "note")
_POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
    "media-src blob:; base-uri 'none'; form-action 'none'"
)


# --- what twin and page share -------------------------------------------------------------------------------------


def about(experiment: Experiment) -> str:
    """Return in one line what a study compares."""
    variants, seeds = len(experiment.variants), len(experiment.seeds)
    words = f"{variants} variants × {seeds} seed{'' if seeds == 1 else 's'}, {experiment.baseline.model}"
    return f"{words}; SIMULATED" if experiment.session.is_simulated else words


def head_html(experiment: Experiment) -> str:
    """Return a study's name, what it compares, and its warnings, a line each."""
    return (
        f'<div style="font-size:15px"><b>{escape(experiment.name or "Comparison")}</b></div>'
        f'<div style="color:{SOFT}">{escape(about(experiment))}</div>{_warnings_html(experiment)}'
    )


def _warnings_html(experiment: Experiment) -> str:
    lines = "".join(f'<div style="margin:1px 0">△ {escape(text)}</div>' for text in experiment.warnings)
    return f'<div style="color:{SOFT};font-size:12px;margin:4px 0">{lines}</div>'


def _word(cell: Cell) -> str:
    """Return where a cell stands, in a word or two, with the code of what went wrong."""
    if cell.run is None:
        return "not sent"
    state, words = cell.run.state, cell.run.words
    return f"{words.word}: {state.code}" if state.code and words.tone == "bad" else words.word


def _state_html(cell: Cell) -> str:
    """Return where a cell stands, with a dot, in the colour of it."""
    tone, dot = (cell.run.words.tone, "● ") if cell.run else ("off", "")
    return f'<span style="color:{TONES[tone]};white-space:nowrap">{dot}{escape(_word(cell))}</span>'


def states_html(experiment: Experiment, cells: Sequence[Cell]) -> str:
    """Return the table of a study: a row each variant, a column each seed, where each cell stands."""
    states = {cell.key: _state_html(cell) for cell in cells}
    rows = [
        (f"<b>{each.label}</b> {escape(each.name)}", *(states[each.label, seed] for seed in experiment.seeds))
        for each in experiment.variants
    ]
    return tables.as_html(("variant", *(f"seed {seed}" for seed in experiment.seeds)), rows, is_html=True)


def diffs_html(cells: Sequence[Cell]) -> str:
    """Return what the service made of each prompt; empty where it gave none back."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        actual = cell.run.state.actual_prompt if cell.run else ""
        if actual:
            found.setdefault((str(cell.request.prompt or ""), actual), []).append(str(cell))
    return "".join(
        f'<div style="margin:8px 0"><div style="color:{SOFT};font-size:12px">{escape(" · ".join(names))}</div>'
        f"{prompt_diff_html(prompt, actual)}</div>"
        for (prompt, actual), names in found.items()
    )


def _strip(video: Video, longest: int) -> bytes:
    """Return three frames side by side as a JPEG."""
    height = round(longest / 3 / max(0.5, video.size.width / video.size.height))
    out = io.BytesIO()
    video.strip(3, max(24, height)).save(out, "JPEG", quality=80)
    return out.getvalue()


def _shown(cell: Cell, limit: int) -> str:
    """Return a video as a strip over its seed, or where the cell stands."""
    made, words, picture = cell.video, _state_html(cell), ""
    if made:
        words = escape(f"{made.size} · {made.duration_s:.1f} s")
        if address := jpeg_address(partial(_strip, made), longest=420, limit=limit):
            picture = f'<img alt="{escape(f"{cell}")}: three frames" src="{address}" style="{_PICTURE}">'
    return (
        f'<div style="flex:0 1 300px;min-width:150px">{picture}'
        f'<div style="font-size:12px;color:{SOFT}">seed {cell.seed} · {words}</div></div>'
    )


def rows_html(cells: Sequence[Cell], *, chars: int = STRIP_CHARS) -> str:
    """Return each variant with its prompt, unless its name says it whole, and its videos as strips.

    Args:
        cells: All cells of a study, variant by variant.
        chars: Characters that all pictures may take together.
    """
    limit = max(2_000, min(24_000, chars // max(1, len(cells))))
    text = ""
    for variant, row in groupby(cells, key=lambda cell: cell.variant):
        prompt = str(variant.request.prompt or "")
        below = "" if "prompt" in variant.changes and prompt in variant.name else escape(prompt)
        strips = "".join(_shown(cell, limit) for cell in row)
        text += (
            f'<section style="border-top:1px solid {LINE};padding:8px 0;break-inside:avoid">'
            f'<div style="font-size:14px"><b>{escape(variant.label)}</b> {escape(variant.name)}</div>'
            f'<div style="margin:0 0 4px;overflow-wrap:anywhere">{below}</div>'
            f'<div style="display:flex;flex-wrap:wrap;gap:6px 10px">{strips}</div></section>'
        )
    return text


def html(experiment: Experiment) -> str:
    """Return the static twin: what stays in a saved notebook, with no script and nothing from outside."""
    cells = experiment.cells
    diffs = diffs_html(cells)
    rewritten = f"<details><summary>Prompts as the service rewrote them</summary>{diffs}</details>" if diffs else ""
    votes = experiment.tally()._repr_html_() if experiment.judgements else ""
    return (
        f'<div style="color:{INK};font-size:13px;line-height:1.4">{head_html(experiment)}{rows_html(cells)}{votes}'
        f"{rewritten}</div>"
    )


# --- the page -------------------------------------------------------------------------------------------------------


def write_page(experiment: Experiment, path: str | os.PathLike[str], *, budget_bytes: int = PAGE_BYTES) -> Path:
    """Write a study as one HTML page that plays from disk with no network and no kernel.

    Args:
        experiment: The study, finished or not.
        path: Where to, ``.html``.
        budget_bytes: Bytes of video that may go inside.

    Returns:
        The page.

    Raises:
        ConfigError: If the name does not end with .html, the videos do not fit, or the page cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{path.name!r} is no name for a page; give one that ends with .html.")
    videos = _videos(experiment.cells)
    total = sum(each.nbytes for each in videos.values())
    if total > budget_bytes:
        raise ConfigError(
            f"the {len(videos)} videos are {amount(total)}, and a page holds {amount(budget_bytes)}; to_html(path, "
            f"budget_bytes={total}) puts them inside all the same, and a study of fewer seeds makes a smaller page."
        )
    text = page_html(experiment)
    with tables.writing(path):
        path.write_text(text, encoding="utf-8")
    return path


def page_html(experiment: Experiment) -> str:
    """Return the page as text."""
    script = f"{(HERE / 'player.js').read_text(encoding='utf-8')}\n{(HERE / 'page.js').read_text(encoding='utf-8')}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    cells = experiment.cells
    inside = "".join(_stored(run_id, each) for run_id, each in _videos(cells).items())
    name, today = escape(experiment.name or "Comparison"), datetime.now(UTC).astimezone()
    sections = [
        ("Videos", '<div class="seeds" role="group" aria-label="What to see"></div><div class="player"></div>'),
        ("Variants", rows_html(cells, chars=4 * STRIP_CHARS)),
        ("Votes", experiment.tally()._repr_html_() + _said_html(experiment)),
        ("Measures", experiment.measures()._repr_html_() if experiment.videos else ""),
        ("Prompts as the service rewrote them", diffs_html(cells)),
        ("Settings", _settings_html(experiment)),
        ("Runs", _runs_html(cells)),
    ]
    body = "".join(
        f'<section class="part {head.split()[0].lower()}"><h2>{head}</h2>{text}</section>'
        for head, text in sections
        if text
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(digest=digest)}">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{name}</title><style>{STYLE}\n"
        f"{(HERE / 'page.css').read_text(encoding='utf-8')}</style></head>"
        f'<body><main class="wan wan-page"><header><h1>{name}</h1>'
        f"<p>{escape(about(experiment))} · {today:%Y-%m-%d %H:%M}</p>"
        f"{_warnings_html(experiment)}</header>{body}</main>"
        f'<script type="application/json" id="study">{_safe(_study(experiment, cells))}</script>{inside}'
        f'<script type="module">{script}</script></body></html>\n'
    )


def _safe(value: Any) -> str:
    """Return JSON that may stand inside a script element: nothing in it can end that element or begin a comment."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _study(experiment: Experiment, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return what the page's player shows, by seed."""
    by_seed = {seed: [clip_of(cell) for cell in cells if cell.seed == seed] for seed in experiment.seeds}
    seeds = [
        {"name": f"seed {seed}", "clips": clips}
        for seed, clips in by_seed.items()
        if any(each["ready"] for each in clips)
    ]
    return {"seeds": seeds}


def clip_of(cell: Cell, *, poster: str = "") -> dict[str, Any]:
    """Return what the player needs to know of a study's cell, with the picture that is seen before its video."""
    saved = cell.video
    made = saved if saved and saved.path.is_file() else None
    size = saved.size if saved else cell.request.predicted_size() or Size(16, 9)
    word = "" if made else "its file is gone" if saved else _word(cell)
    key = cell.run.id if cell.run else ""
    label = f"{cell.variant.label} {cell.variant.name}"
    clip = video_view.clip(size, label=label, word=word, key=key, video=made, poster=poster)
    return clip | {"short": cell.variant.label}


def _videos(cells: Sequence[Cell]) -> dict[str, Video]:
    """Return the videos whose files are there; older ones may have been removed."""
    return {cell.run.id: made for cell in cells if cell.run and (made := cell.video) and made.path.is_file()}


def _stored(run_id: str, made: Video) -> str:
    data = base64.b64encode(made.path.read_bytes()).decode("ascii")
    return f'<script type="text/plain" id="video-{escape(run_id)}">{data}</script>'


def _settings_html(experiment: Experiment) -> str:
    """Return the fields that all variants share, and of each variant what is compared."""
    axes = experiment.design.axes
    shared = {name: value for name, value in experiment.baseline.to_record().items() if name not in axes}
    given = [("all", shared), *((variant.label, variant.changes) for variant in experiment.variants)]
    rows = [
        {"variant": label, "field": name, "value": value} for label, fields in given for name, value in fields.items()
    ]
    return _table(rows, ("variant", "field", "value"))


def _said_html(experiment: Experiment) -> str:
    """Return who said what, folded."""
    rows = judgement_rows(experiment)
    if not rows:
        return ""
    return f"<details><summary>All {len(rows)} judgements</summary>{_table(rows, _SAID_COLUMNS)}</details>"


def _runs_html(cells: Sequence[Cell]) -> str:
    """Return a row each cell: where it stands, what came out and for how much, and which task it was."""
    rows = []
    for cell in cells:
        run, made = cell.run, cell.video
        out = (f"{made.size}", f"{made.duration_s:.2f} s", f"{made.fps:.4g}") if made else ("", "", "")
        cost = dict(video_view.facts(made))["cost"] if made else ""
        ids = (run.id, run.state.task_id[:8]) if run else ("", "")
        rows.append((cell.variant.label, str(cell.seed), _word(cell), *out, cost, *ids))
    return tables.as_html(("variant", "seed", "state", "size", "length", "fps", "cost", "run", "task"), rows)


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    return tables.as_html(columns, [[_plain(row[name]) for name in columns] for row in rows])


def _plain(value: Any) -> str:
    """Say a value; a file by its name alone."""
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    return "" if value is None else str(getattr(value, "name", value))
