"""A contact sheet of a study as one picture: a row for each variant, a column for each seed, all words in full.

What is drawn is given as plain rows (`draw`); `contact_sheet` makes the rows of an experiment. The letters are
matplotlib's DejaVu Sans, which is everywhere where this package is; Chinese and Japanese need a font of the machine,
and where it has none the sheet says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

from wan_nb import video
from wan_nb.errors import ConfigError

if TYPE_CHECKING:
    from wan_nb.cells import Cell
    from wan_nb.compare import Experiment

WIDTH = 1400
"""Pixels of a sheet, unless said otherwise."""

_EDGE, _GAP = 28, 14
_INK, _SOFT, _EMPTY = "#1a1a1a", "#606060", "#eeeeee"
_MOST_COLUMNS = 6
_DENSE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_DENSE_FONTS = ("Noto Sans CJK", "Source Han Sans", "PingFang", "Hiragino Sans", "Microsoft YaHei", "SimHei",
                "WenQuanYi", "Droid Sans Fallback", "Arial Unicode")  # fmt: skip


Shot = tuple[str, Path | str]
"""One place of a sheet: what stands over it (``"seed 1"``), and the video or the words that stand in for it."""

Row = tuple[str, str, Sequence[Shot]]
"""One variant: its head, what stands under its videos (the prompt, in full), and its places from the left."""


def contact_sheet(experiment: Experiment, *, width: int = WIDTH) -> Image.Image:
    """Return a study as one picture to print, send or pin up: four frames of each video, labels and prompts.

    Args:
        experiment: The study, finished or not: what is missing has its state in words.
        width: Pixels of the sheet, at least 600; its height follows.

    Raises:
        ConfigError: If it is narrower.
    """
    cells = experiment.cells
    rows = [
        (
            f"{variant.label}   {variant.name}",
            variant.request.prompt or "",
            [_shot(cell) for cell in cells if cell.variant.label == variant.label],
        )
        for variant in experiment.variants
    ]
    base, count = experiment.baseline, len(experiment.seeds)
    seeds = f"{count} seed" + ("" if count == 1 else "s")
    note = f"{base.model}, {len(rows)} variants × {seeds}; of each video four frames, first to last"
    if experiment.session.is_simulated:
        note += "; simulated"
    return draw(experiment.name or "Comparison", note, rows, width=width)


def _shot(cell: Cell) -> Shot:
    made = cell.video
    if made is None:
        return f"seed {cell.seed}", cell.state
    if not made.path.is_file():
        return f"seed {cell.seed}", "its file is gone"
    return f"seed {cell.seed} · {made.size} · {made.duration_s:.1f} s", made.path


def draw(title: str, note: str, rows: Sequence[Row], *, width: int = WIDTH) -> Image.Image:
    """Return rows of videos with their words as one picture; nothing is cut, long words are broken.

    Args:
        title: Head of the sheet.
        note: A line under it.
        rows: What to show.
        width: Pixels, at least 600.

    Raises:
        ConfigError: If it is narrower.
    """
    if not isinstance(width, int) or width < 600:
        raise ConfigError(f"width={width!r} is too narrow for its words; give 600 pixels or more.")
    inner = width - 2 * _EDGE
    everything = "".join([title, note, *(head + text for head, text, _ in rows)])
    if _DENSE.search(everything) and not _dense_font():
        note += "; letters shown as boxes have no font on this machine"
    blocks = [_words(title, inner, 30, bold=True), _words(note, inner, 17, _SOFT)]
    most = max([1, *(len(shots) for _, _, shots in rows)])
    columns = -(-most // -(-most // _MOST_COLUMNS))  # as few lines as may be, evenly filled
    side = min(width // 3, (inner - (columns - 1) * _GAP) // columns)
    rule = ImageOps.expand(Image.new("RGB", (inner, 1), "#c8c8c8"), (0, 6, 0, 0), "white")
    for head, text, shots in rows:
        blocks += [rule, _words(head, inner, 21, bold=True)]
        if shots:
            blocks.append(video.tiled([_place(label, shown, side) for label, shown in shots], columns, _GAP))
        if text:
            blocks.append(_words(text, min(inner, 1100), 17))
    return ImageOps.expand(video.tiled(blocks, 1, _GAP), _EDGE, "white")


def _place(label: str, shown: Path | str, side: int) -> Image.Image:
    """Return one video as frames under its label, or the words that stand in for it."""
    if isinstance(shown, Path):
        picture = _frames(shown, side)
    else:
        words = _words(shown, side - 2 * _GAP, 15, _SOFT, ground=_EMPTY)
        picture = Image.new("RGB", (side, max(side * 9 // 16, words.height + 2 * _GAP)), _EMPTY)
        picture.paste(words, (_GAP, (picture.height - words.height) // 2))
    return video.tiled([_words(label, side, 15, _SOFT), picture], 1, 4)


def _frames(path: Path, side: int) -> Image.Image:
    """Return four frames, two by two; those of a tall video side by side."""
    info = video.probe(path)
    count = min(4, info.frames)
    columns = min(count, 2 if info.size.height < 1.4 * info.size.width else 4)
    width = (side - 2 * (columns - 1)) // columns
    height = max(1, round(width * info.size.height / info.size.width))
    return video.tiled(video.small_frames(info, count, (width, height)), columns, 2)


# --- letters ----------------------------------------------------------------------------------------------------------


def _words(
    text: str, width: int, size: int, ink: str = _INK, *, bold: bool = False, ground: str = "white"
) -> Image.Image:
    """Return a text as a picture, broken into lines that fit."""
    font = _font(size, bold, bool(_DENSE.search(text)))
    lines = [line for part in text.splitlines() or [""] for line in _broken(part, font, width)]
    high = round(size * 1.4)
    block = Image.new("RGB", (width, high * len(lines)), ground)
    pen = ImageDraw.Draw(block)
    for number, line in enumerate(lines):
        pen.text((0, number * high + high * 0.8), line, fill=ink, font=font, anchor="ls")
    return block


def _broken(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break a line at spaces, between characters of scripts without them, and inside words that are too long."""
    lines = [""]
    for part in re.findall(rf"{_DENSE.pattern}|(?:(?!{_DENSE.pattern})\S)+|\s+", text):
        if font.getlength(lines[-1] + part.rstrip()) <= width:
            lines[-1] += part
            continue
        lines.append("")
        for letter in part.lstrip():
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line.strip()] or [""]


@lru_cache
def _font(size: int, bold: bool, dense: bool) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    own = Path(get_data_path(), "fonts", "ttf", f"DejaVuSans{'-Bold' if bold else ''}.ttf")
    return ImageFont.truetype((dense and _dense_font()) or str(own), size)


@lru_cache
def _dense_font() -> str:
    """Return a font of this machine that has Chinese and Japanese letters, or empty."""
    from matplotlib.font_manager import fontManager

    found = {entry.name: entry.fname for entry in fontManager.ttflist}
    return next((found[name] for start in _DENSE_FONTS for name in found if name.startswith(start)), "")
