"""A prompt against what the service made of it: words added and taken out, as static HTML.

Words are compared, and single characters in scripts that write without spaces. What changed can be told without
colour: what came in is underlined, what went out is struck through. Nothing here knows of runs.
"""

from __future__ import annotations

import difflib
import re
from itertools import groupby
from typing import Literal, NamedTuple

from wan_nb.widgets.parts import SOFT, escape

FOLD_CHARS = 320
"""A diff longer than this is folded: its first line says how much changed."""

_DENSE = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese and Japanese: no spaces
_LETTER = rf"[^\W{_DENSE}]"
_WORD = rf"[{_DENSE}]|{_LETTER}(?:{_LETTER}|[\u0300-\u036f]|['’\-](?={_LETTER}))*"
_SIGN = r"\S(?:\u200d\S|[\ufe0f\u0300-\u036f\U0001f3fb-\U0001f3ff])*"
_TOKEN = re.compile(rf"(?:{_WORD}|{_SIGN})\s*")

_MARKS = {
    "in": '<ins style="text-decoration:underline;text-decoration-thickness:2px;background:rgba(46,160,67,.22);'
    'color:inherit">{}</ins>',
    "out": '<del style="text-decoration:line-through;background:rgba(218,54,51,.2);color:inherit">{}</del>',
    "same": "{}",
}


class Piece(NamedTuple):
    """A stretch of text that stayed, came in or went out."""

    kind: Literal["same", "in", "out"]
    """Which of the three; a stretch of ``"same"`` is as the service wrote it."""
    text: str
    """The words with the space that follows them."""


def pieces(prompt: str, actual_prompt: str) -> list[Piece]:
    """Return how one text became the other, in reading order; spaces alone are no difference.

    A word that happens to be equal between two longer replacements counts as replaced: a patchwork of islands cannot
    be read. Between words that were only added, what was kept stays visible.

    Example:
        >>> [(piece.kind, piece.text) for piece in pieces("A cat jumps.", "A cat leaps high.")]
        [('same', 'A cat '), ('out', 'jumps'), ('in', 'leaps high'), ('same', '.')]
    """
    old, new = _TOKEN.findall(prompt), _TOKEN.findall(actual_prompt)
    match = difflib.SequenceMatcher(
        None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False
    )
    cuts = [("".join(old[a:b]), "".join(new[c:d]), tag == "equal") for tag, a, b, c, d in match.get_opcodes()]
    for n, (before, after, stays) in enumerate(cuts[1:-1], start=1):
        around = (text for cut in (cuts[n - 1], cuts[n + 1]) for text in cut[:2])
        if stays and _letters(after) <= min(map(_letters, around)):
            cuts[n] = (before, after, False)
    found: list[Piece] = []
    for stays, group in groupby(cuts, key=lambda cut: cut[2]):
        before, after = ("".join(texts) for texts in zip(*(cut[:2] for cut in group), strict=True))
        found += [Piece("same", after)] if stays else [Piece("out", before), Piece("in", after)]
    return [piece for piece in found if piece.text]


def _letters(text: str) -> int:
    return len("".join(text.split()))


def prompt_diff_html(prompt: str, actual_prompt: str) -> str:
    """Return what the service made of a prompt, as static HTML; long ones are folded.

    Args:
        prompt: As it was sent.
        actual_prompt: As the service gave it back; empty where it gave none.
    """
    found = pieces(prompt, actual_prompt or prompt)
    line = f'<span style="color:{SOFT};font-size:12px">{escape(diff_words(prompt, actual_prompt))}</span>'
    place = 'dir="auto" style="font-size:13px;line-height:1.6;white-space:pre-wrap;overflow-wrap:anywhere"'
    body = "".join(_marked(piece) for piece in found)
    if all(piece.kind == "same" for piece in found) or sum(len(piece.text) for piece in found) <= FOLD_CHARS:
        return f"<div {place}>{body}\n{line}</div>"
    start = escape(" ".join(actual_prompt.split())[:90])
    return (
        f'<details><summary style="cursor:pointer;font-size:13px;line-height:1.6;overflow-wrap:anywhere">{line}'
        f' <span dir="auto">{start}…</span></summary><div {place}>{body}</div></details>'
    )


def _marked(piece: Piece) -> str:
    """Mark a piece, but not the space at its end."""
    inner = piece.text.rstrip()
    return _MARKS[piece.kind].format(escape(inner)) + piece.text[len(inner) :]


def diff_words(prompt: str, actual_prompt: str) -> str:
    """Say in a few words how much was rewritten.

    Example:
        >>> diff_words("A cat.", ""), diff_words("A cat.", "A cat."), diff_words("猫跳。", "白猫跳起来。")
        ('no rewritten prompt was given back', 'not rewritten', 'rewritten: 3 characters in, 0 out')
    """
    if not actual_prompt:
        return "no rewritten prompt was given back"
    if prompt.split() == actual_prompt.split():
        return "not rewritten"
    found = pieces(prompt, actual_prompt)
    came, went = (
        sum(len(re.findall(_WORD, each.text)) for each in found if each.kind == kind) for kind in ("in", "out")
    )
    if not came and not went:
        return "rewritten: only signs and spaces"
    dense = len(re.findall(f"[{_DENSE}]", prompt + actual_prompt)) * 2 > sum(not c.isspace() for c in actual_prompt)
    unit = ("character" if dense else "word") + ("" if came == 1 else "s")
    return f"rewritten: {came} {unit} in, {went} out"
