"""The checker agrees with the notebooks' solutions, and says where to look when an answer is wrong."""

from __future__ import annotations

import re

import nbformat
import pytest

import wan_nb as wan
from tests.notebooks import FOLDER
from wan_nb.errors import ConfigError
from wan_nb.exercises import EXERCISES

RIGHT = {
    "01.1": "wan2.6-i2v-flash",
    "01.4": ["wan2.6-i2v-flash"],
    "02.1": {"wan2.7-i2v", "wan2.6-i2v", "wan2.6-i2v-flash", "wan2.6-i2v-us", "wan2.5-i2v-preview"},
    "04.1": 15,
    "04.4": 2,
    "05.1": "wan2.6-i2v, wan3.0-video, wan3.0-video-prime",
    "05.2": "https://ws-9.ap-northeast-1.maas.aliyuncs.com/api/v1",
    "05.4": ["640×360"],
    "06.1": ["720P"],
    "08.1": 8 * 1024**2,
    "08.3": "/services/aigc/image2video/video-synthesis",
    "09.2": "changed",
    "10.1": wan.Money.of("0.60 USD"),
    "10.3": 22,
    "11.1": "wan2.6-i2v-flash",
    "11.3": "25",
}
"""Written by hand, from the documents."""


def test_right_answers() -> None:
    marks = wan.check(RIGHT)
    assert [mark.number for mark in marks if not mark.is_right] == []
    assert list(RIGHT) == list(EXERCISES)


@pytest.mark.parametrize("answer", ["wan2.1-i2v-plus", 7, 3.5, ["a"], object(), {"x": 1}, -1])
def test_wrong_answers_are_told_where_to_look(answer: object) -> None:
    for mark in wan.check(dict.fromkeys(EXERCISES, answer)):
        assert mark.is_right is False
        assert mark.words == f"not yet: {EXERCISES[mark.number].hint}"


def test_no_answer_is_not_wrong() -> None:
    marks = wan.check({"11.1": None, "10.3": ""})
    assert [mark.is_right for mark in marks] == [None, None]
    assert "0 of 2" in repr(marks)
    assert "<script" not in marks._repr_html_()


def test_an_exercise_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"'99\.1' has no computed answer; there are 01\.1"):
        wan.check({"99.1": 1})


def test_each_notebook_asks_for_its_own() -> None:
    """The checker's cell names the exercises of its notebook that have a computed answer, unanswered."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if "wan.check({" in cell.source]
        named = re.findall(r'"(\d\d\.\d)": None', "".join(cell.source for cell in cells))
        assert named == [number for number in EXERCISES if number[:2] == path.name[:2]], path.name


def test_answers_without_numbers_are_one_line() -> None:
    with pytest.raises(ConfigError, match="says not which exercise"):
        wan.check(["wan2.7-i2v"])  # type: ignore[arg-type]
