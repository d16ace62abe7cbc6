"""The contact sheet of a study: all that is to be seen is on it, and nothing is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wan_nb as wan
from tests.films import write_clip
from wan_nb import measures
from wan_nb.errors import ConfigError
from wan_nb.sheets import _broken, _font, draw


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wide and a tall clip."""
    folder = tmp_path_factory.mktemp("clips")
    return write_clip(folder / "wide.mp4", (160, 90), 0.8), write_clip(folder / "tall.mp4", (90, 160), 0.8)


def edges(sheet: Image.Image) -> np.ndarray:
    """Return the brightness of the margins, 20 pixels on every side."""
    grey = np.asarray(sheet.convert("L"))
    return np.concatenate([part.ravel() for part in (grey[:20], grey[-20:], grey[:, :20], grey[:, -20:])])


@pytest.mark.parametrize("width", [600, 700, 1400])
@pytest.mark.parametrize(
    "text", ["Short.", "A cat looks up. " * 60, "Supercalifragilistic" * 40, "小猫坐在窗边。" * 80]
)
def test_no_word_reaches_the_margin(clips: tuple[Path, Path], text: str, width: int) -> None:
    """Whatever the words are, they are broken into lines: the margins stay white."""
    shots = [(f"seed 1 · {text[:90]}", clips[0]), ("seed 2", f"failed: {text[:300]}")]
    sheet = draw(text[:120], text[:200], [(f"A   {text[:200]}", text, shots)], width=width)
    assert sheet.width == width and (edges(sheet) == 255).all()
    with pytest.raises(ConfigError, match="give 600 pixels or more"):
        draw("too narrow", "", [], width=10)


def test_broken_lines_lose_nothing() -> None:
    """All letters are there in order, and each line fits."""
    font = _font(17, False, False)
    text = "The cat, looking up, " * 9 + "x" * 200 + " 小猫坐在窗边慢慢抬头 " * 5
    lines = _broken(text, font, 300)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(font.getlength(line.rstrip()) <= 300 for line in lines)
    assert _broken("", font, 300) == [""]


def test_every_video_shows_four_frames(clips: tuple[Path, Path]) -> None:
    """Two by two where it is wide, in one line where it is tall; brightness rises from the first to the last."""
    wide, tall = (draw("T", "n", [("A", "", [("seed 1", clip)])], width=700) for clip in clips)
    low, high = wide.height - 28 - 30, wide.height - 28 - 97
    middle = tall.height - 28 - 50
    for sheet, places in (
        (wide, ((85, high), (200, high), (85, low), (200, low))),
        (tall, ((56, middle), (114, middle), (172, middle), (230, middle))),
    ):
        seen = [np.mean(sheet.getpixel(place)) for place in places]
        assert seen == sorted(seen) and seen[0] < seen[-1] - 60, seen


def test_many_seeds_go_on_below(clips: tuple[Path, Path]) -> None:
    """More than six in a line would be stamps."""
    six, seven = (draw("T", "", [("A", "", [("s", clips[0])] * count)]) for count in (6, 7))
    assert seven.height > six.height and seven.width == six.width
    assert draw("T", "", [("A", "", [])]).width == 1400


def test_of_a_study(session: wan.Session, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while there is nothing to see; measured once a file, the same again from memory."""
    request = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P", duration=2)
    study = session.compare(request, prompt=["The cat jumps.", "小猫跳起来。"], seed=1, name="jump?")
    assert (edges(study.contact_sheet(width=700)) == 255).all()
    assert study.measures() == () and "variant" in repr(study.measures())
    study.submit().wait(timeout_s=60)
    sheet = study.contact_sheet(width=700)
    assert sheet.width == 700 and (edges(sheet) == 255).all()
    found = study.measures()
    assert [(each.label, each.seed) for each in found] == [("A", 1), ("B", 1)]
    for each in found:
        assert each.measures.first_likeness is not None and each.measures.first_likeness > 0.8  # the stamp costs some
        assert each.measures.motion > 1 and each.measures.flicker < 1 and each.measures.last_likeness is None
    monkeypatch.setattr(measures, "measure", None)
    assert study.measures() == found
