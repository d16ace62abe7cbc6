"""A prompt against what the service made of it: words added and taken out, static, as HTML and as text.

Words are compared, and single characters in scripts that write without spaces. What changed can be told without
colour: what came in is underlined, what went out is struck through. Nothing here knows of runs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Literal

from wan_nb.widgets.parts import SOFT, escape

FOLD_CHARS = 320
"""A diff longer than this is folded: its first line says how much changed."""

_DENSE = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese and Japanese: no spaces
_LETTER = rf"[^\W{_DENSE}]"
_TOKEN = re.compile(
    rf"(?P<dense>[{_DENSE}])|(?P<word>{_LETTER}(?:{_LETTER}|[\u0300-\u036f]|['’\-](?={_LETTER}))*)"
    r"|(?P<sign>\S(?:\u200d\S|[\ufe0f\u0300-\u036f\U0001f3fb-\U0001f3ff])*)",
)

_MARKS = {
    "in": '<ins style="text-decoration:underline;text-decoration-thickness:2px;background:rgba(46,160,67,.22);'
    'color:inherit">{}</ins>',
    "out": '<del style="text-decoration:line-through;background:rgba(218,54,51,.2);color:inherit">{}</del>',
    "same": "{}",
}
_SIGNS = {"in": "{{+{}+}}", "out": "[-{}-]", "same": "{}"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that stayed, came in or went out."""

    kind: Literal["same", "in", "out"]
    """Which of the three; a stretch of ``"same"`` is as the service wrote it."""
    text: str
    """The words with the space that follows them."""
    words: int
    """How many words (characters, in scripts without spaces), signs apart."""


@dataclass(frozen=True, slots=True)
class _Token:
    key: str
    text: str
    is_word: bool


def pieces(prompt: str, actual_prompt: str) -> list[Piece]:
    """Return how one text became the other, in reading order; spaces alone are no difference.

    A word that happens to be equal between two longer replacements counts as replaced: a patchwork of islands cannot
    be read. Between words that were only added, what was kept stays visible.

    Example:
        >>> [(piece.kind, piece.text) for piece in pieces("A cat jumps.", "A cat leaps high.")]
        [('same', 'A cat '), ('out', 'jumps'), ('in', 'leaps high'), ('same', '.')]
    """
    old, new = _tokens(prompt), _tokens(actual_prompt)
    match = difflib.SequenceMatcher(None, [each.key for each in old], [each.key for each in new], autojunk=False)
    found: list[Piece] = []
    for before, after, stays in _passages(match.get_matching_blocks(), old, new):
        if stays:
            found.append(_piece("same", after))
        else:
            found += [_piece("out", before)] if before else []
            found += [_piece("in", after)] if after else []
    return found


def prompt_diff_html(prompt: str, actual_prompt: str) -> str:
    """Return what the service made of a prompt, as static HTML; long ones are folded.

    Args:
        prompt: As it was sent.
        actual_prompt: As the service gave it back; empty where it gave none.
    """
    said = diff_words(prompt, actual_prompt)
    line = f'<span style="color:{SOFT};font-size:12px">{escape(said)}</span>'
    place = 'dir="auto" style="font-size:13px;line-height:1.6;white-space:pre-wrap;overflow-wrap:anywhere"'
    if not actual_prompt or prompt.split() == actual_prompt.split():
        return f"<div {place}>{escape(actual_prompt or prompt)}\n{line}</div>"
    found = pieces(prompt, actual_prompt)
    body = "".join(_marked(piece, _MARKS, escape) for piece in found)
    if sum(len(piece.text) for piece in found) <= FOLD_CHARS:
        return f"<div {place}>{body}\n{line}</div>"
    start = escape(" ".join(actual_prompt.split())[:90])
    return (
        f'<details><summary style="cursor:pointer;font-size:13px;line-height:1.6;overflow-wrap:anywhere">{line}'
        f' <span dir="auto">{start}…</span></summary><div {place}>{body}</div></details>'
    )


def prompt_diff_text(prompt: str, actual_prompt: str) -> str:
    """Return the same as plain text, in the signs that version control uses for words.

    Example:
        >>> print(prompt_diff_text("A cat jumps.", "A cat leaps high."))
        A cat [-jumps-]{+leaps high+}.
        rewritten: 2 words in, 1 out
    """
    said = diff_words(prompt, actual_prompt)
    if not actual_prompt:
        return f"{prompt}\n{said}"
    return "".join(_marked(piece, _SIGNS, str) for piece in pieces(prompt, actual_prompt)) + f"\n{said}"


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
    came, went = (sum(piece.words for piece in found if piece.kind == kind) for kind in ("in", "out"))
    if not came and not went:
        return "rewritten: only signs and spaces"
    dense = len(re.findall(f"[{_DENSE}]", prompt + actual_prompt)) * 2 > sum(not c.isspace() for c in actual_prompt)
    unit = ("character" if dense else "word") + ("" if came == 1 else "s")
    return f"rewritten: {came} {unit} in, {went} out"


def _tokens(text: str) -> list[_Token]:
    """Cut a text into words and signs; each carries the space before the next one."""
    found = list(_TOKEN.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)] if found else []
    return [
        _Token(match.group(), text[match.start() : end], match.lastgroup != "sign")
        for match, end in zip(found, ends, strict=True)
    ]


def _passages(
    blocks: list[difflib.Match], old: list[_Token], new: list[_Token]
) -> list[tuple[list[_Token], list[_Token], bool]]:
    """Return (before, after, whether it stays), with islands shorter than the replacements around them given up."""
    cuts: list[tuple[list[_Token], list[_Token], bool]] = []
    at = there = 0
    for start, begin, length in blocks:
        cuts.append((old[at:start], new[there:begin], False))
        cuts.append((old[start : start + length], new[begin : begin + length], True))
        at, there = start + length, begin + length
    for number in range(1, len(cuts) - 2, 2):
        before, after, _ = cuts[number]
        beside = [min(_length(side) for side in cuts[number + step][:2]) for step in (-1, 1)]
        if _length(after) <= min(beside):
            cuts[number] = (before, after, False)
    joined: list[tuple[list[_Token], list[_Token], bool]] = []
    for stays, group in groupby((cut for cut in cuts if cut[0] or cut[1]), key=lambda cut: cut[2]):
        parts = list(group)
        before = list(chain.from_iterable(part[0] for part in parts))
        after = list(chain.from_iterable(part[1] for part in parts))
        joined.append((before, after, stays))
    return joined


def _length(tokens: list[_Token]) -> int:
    return sum(len(token.key) for token in tokens)


def _piece(kind: Literal["same", "in", "out"], tokens: list[_Token]) -> Piece:
    return Piece(kind, "".join(token.text for token in tokens), sum(token.is_word for token in tokens))


def _marked(piece: Piece, marks: dict[str, str], wash: Callable[[str], str]) -> str:
    """Mark a piece, but not the space at its end."""
    inner = piece.text.rstrip()
    return marks[piece.kind].format(wash(inner)) + piece.text[len(inner) :]
