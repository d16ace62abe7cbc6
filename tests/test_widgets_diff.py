"""What the service made of a prompt: told by words, escaped, readable without colour."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_nb.widgets.diff import diff_words, pieces, prompt_diff_html

LONG = "A cat sits by the window and slowly turns its head towards the light. " * 8


def told(prompt: str, actual: str) -> list[tuple[str, str]]:
    """Return (kind, words) of each piece."""
    return [(piece.kind, piece.text.strip()) for piece in pieces(prompt, actual)]


def test_words_are_the_unit() -> None:
    """No word is cut in the middle, and signs are apart from words."""
    assert told("The cat jumps over it", "The cat jumped over it") == [
        ("same", "The cat"),
        ("out", "jumps"),
        ("in", "jumped"),
        ("same", "over it"),
    ]
    assert told("It doesn't move", "It doesn't move, slowly")[1:] == [("in", ", slowly")]


def test_chinese_goes_by_characters() -> None:
    """Where there are no spaces a word cannot be told from its neighbour."""
    assert told("小猫坐在窗边", "小白猫坐在窗边") == [("same", "小"), ("in", "白"), ("same", "猫坐在窗边")]
    assert diff_words("小猫坐在窗边", "小白猫坐在窗边") == "rewritten: 1 character in, 0 out"


def test_an_island_in_a_rewritten_passage_is_given_up() -> None:
    """One equal word between two long changes would only make a patchwork."""
    before = "Running wildly through the forest"
    after = "Slow walking besides the lighthouse"
    assert [kind for kind, _ in told(before, after)] == ["out", "in"]
    kept = [
        text for kind, text in told("A cat looks up.", "A white cat slowly and gracefully looks up.") if kind == "same"
    ]
    assert kept == ["A", "cat", "looks up."]


def test_readable_without_colour_and_escaped() -> None:
    """Underlined and struck through, in elements that a screen reader knows; nothing from outside is markup."""
    page = prompt_diff_html("a <b>bold</b> cat", "a <b>bold</b> dog & <script>alert(1)</script>")
    assert "<script" not in page and "<b>" not in page
    assert re.search(r"<ins [^>]*underline", page) and re.search(r"<del [^>]*line-through", page)
    assert "http" not in page and "color:inherit" in page


@pytest.mark.parametrize(
    ("prompt", "actual", "words"),
    [
        ("A cat.", "", "no rewritten prompt was given back"),
        ("A cat.", " A  cat. ", "not rewritten"),
        ("A cat", "A cat.", "rewritten: only signs and spaces"),
        ("", "A cat sleeps.", "rewritten: 3 words in, 0 out"),
        ("", "", "no rewritten prompt was given back"),
    ],
)
def test_said_in_words(prompt: str, actual: str, words: str) -> None:
    """Each case is named."""
    assert diff_words(prompt, actual) == words
    assert words in prompt_diff_html(prompt, actual)


def test_long_ones_are_folded() -> None:
    """The first line says how much and how it begins; the whole is inside."""
    page = prompt_diff_html(LONG, LONG + "Soft morning light.")
    assert page.startswith("<details><summary") and page.endswith("</details>")
    assert "3 words in, 0 out" in page and "Soft morning light" in page
    assert not prompt_diff_html("A cat.", "A dog.").startswith("<details")


def test_the_longest_prompts_take_no_time() -> None:
    """5,000 characters, which is the longest prompt a model takes, all of them other."""
    start = time.perf_counter()
    prompt_diff_html("白猫在窗边慢慢地转" * 550, "月光下的森林里有风吹" * 500)
    assert time.perf_counter() - start < 3


@given(st.text(max_size=60), st.text(max_size=60))
def test_both_texts_can_be_read_out_of_it(before: str, after: str) -> None:
    """What stayed and came in is the new text; what stayed and went out is the old one, but for spaces."""
    found = pieces(before, after)
    new = "".join(piece.text for piece in found if piece.kind != "out")
    old = "".join(piece.text for piece in found if piece.kind != "in")
    assert "".join(new.split()) == "".join(after.split())
    assert "".join(old.split()) == "".join(before.split())
