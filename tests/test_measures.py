"""Measures of videos, on real encoded files whose content is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from wan_nb.errors import VideoError
from wan_nb.measures import SIDE, likeness, measure

SCENE = Image.fromarray(np.random.default_rng(7).integers(0, 255, (23, 40, 3), dtype=np.uint8)).resize(
    (1600, 920), Image.Resampling.BICUBIC
)
"""Soft coloured patches, wider than any frame that is cut out of it."""


def film(path: Path, count: int, picture: Callable[[int], Image.Image], fps: int = 30) -> Path:
    """Encode pictures as H.264, the way that the service's files are."""
    first = picture(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "16"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *first.size, "yuv420p"
        stream.time_base = Fraction(1, fps)
        for number in range(count):
            out.mux(stream.encode(av.VideoFrame.from_image(picture(number))))
        out.mux(stream.encode(None))
    return path


def pan(size: tuple[int, int], share_a_frame: float) -> Callable[[int], Image.Image]:
    """Return a camera that goes right over the scene by a share of its width at each frame."""

    def picture(number: int) -> Image.Image:
        left = 1600 * share_a_frame * number
        return SCENE.resize(size, Image.Resampling.BICUBIC, box=(left, 0, left + 1280, 720))

    return picture


def level(value: int) -> Image.Image:
    """Return a flat grey."""
    return Image.new("RGB", (160, 96), (value, value, value))


def test_a_still_is_alike_and_does_not_move(tmp_path: Path) -> None:
    """Equal frames: likeness 1 but for what the codec costs, hardly any motion."""
    still = SCENE.crop((0, 0, 480, 272))
    found = measure(film(tmp_path / "a.mp4", 12, lambda _: still), still, still)
    assert found.first_likeness is not None and found.last_likeness is not None
    assert 0.98 < found.first_likeness <= 1 and 0.98 < found.last_likeness <= 1
    assert found.motion < 1 and found.flicker < 0.02
    assert str(found).startswith("first frame 0.9") or str(found).startswith("first frame 1.0")


def test_likeness_is_told_for_what_was_asked(tmp_path: Path) -> None:
    """No asked frame, no number; the last frame is the last one."""
    path = film(tmp_path / "a.mp4", 20, pan((320, 180), 0.01))
    first, last = pan((320, 180), 0.01)(0), pan((320, 180), 0.01)(19)
    found = measure(path, first, last)
    crossed = measure(path, last, first)
    assert found.first_likeness > 0.95 and found.last_likeness > 0.95  # type: ignore[operator]
    assert crossed.first_likeness < 0.6 and crossed.last_likeness < 0.6  # type: ignore[operator]
    none = measure(path)
    assert none.first_likeness is None and none.last_likeness is None


def test_likeness_follows_its_definition() -> None:
    """Against the formula written out window by window."""
    one, other = SCENE.crop((0, 0, SIDE, 90)), SCENE.crop((40, 10, SIDE + 40, 100))
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    values = []
    for y in range(90 - 6):
        for x in range(SIDE - 6):
            for c in range(3):
                p, q = a[y : y + 7, x : x + 7, c], b[y : y + 7, x : x + 7, c]
                mp, mq = p.mean(), q.mean()
                both = ((p - mp) * (q - mq)).mean()
                light = (2 * mp * mq + 2.55**2) / (mp**2 + mq**2 + 2.55**2)
                values.append(light * (2 * both + 7.65**2) / (p.var() + q.var() + 7.65**2))
    assert likeness(one, other) == pytest.approx(max(0, np.mean(values)), abs=1e-6)


def test_likeness_orders_what_people_order() -> None:
    """Equal, slightly darker, other colours, mirrored, nothing in common: in this order, within 0 and 1."""
    one = SCENE.crop((0, 0, 400, 300))
    red, green, blue = one.split()
    others = [
        one,
        one.point(lambda value: value * 0.9),
        Image.merge("RGB", (blue, red, green)),
        ImageOps.invert(one),
    ]
    found = [likeness(one, other) for other in others]
    assert found[0] == 1 and found == sorted(found, reverse=True) and min(found) >= 0
    assert found[1] > 0.9 > found[2] and found[3] < 0.3


def test_likeness_does_not_ask_for_size_or_mode() -> None:
    """The asked picture may be of any size, nearly of any shape, and of any mode."""
    one = SCENE.crop((0, 0, 800, 600))
    assert likeness(one.resize((400, 300), Image.Resampling.BOX), one) > 0.97
    assert likeness(one.resize((400, 304), Image.Resampling.BOX), one) > 0.97
    assert likeness(one, one.convert("RGBA")) == 1
    assert likeness(one.convert("L"), one) < 1


def test_a_pan_moves_and_does_not_flicker(tmp_path: Path) -> None:
    """Twice as fast is twice the motion; its brightness hardly changes."""
    slow, fast = (measure(film(tmp_path / f"{n}.mp4", 30, pan((320, 180), n / 1600))) for n in (2, 4))
    assert slow.motion > 5 and fast.motion == pytest.approx(2 * slow.motion, rel=0.15)
    assert slow.flicker < 0.1 and fast.flicker < 0.1


def test_motion_is_a_second_not_a_frame(tmp_path: Path) -> None:
    """The same pan at 15 and at 30 frames a second."""
    one, other = (measure(film(tmp_path / f"{fps}.mp4", fps, pan((320, 180), 0.06 / fps), fps)) for fps in (15, 30))
    assert one.motion == pytest.approx(other.motion, rel=0.05)


def test_brightness_that_jumps_flickers_and_does_not_move(tmp_path: Path) -> None:
    """Up and down by a tenth at each frame is about half a tenth from its mean, at any rate."""
    for fps in (16, 24, 30):
        found = measure(film(tmp_path / f"{fps}.mp4", 2 * fps, lambda n: level(100 + 26 * (n % 2)), fps))
        assert found.flicker == pytest.approx(5, rel=0.25)
        assert found.motion < 1


def test_what_is_steady_or_slow_does_not_flicker(tmp_path: Path) -> None:
    """A constant picture gives 0, a fade next to nothing, one cut a sixtieth of its jump."""
    flat = measure(film(tmp_path / "flat.mp4", 12, lambda _: level(100)))
    assert flat.flicker == flat.motion == 0
    assert measure(film(tmp_path / "fade.mp4", 60, lambda n: level(20 + 3 * n))).flicker < 0.1
    cut = measure(film(tmp_path / "cut.mp4", 150, lambda n: level(0 if n < 75 else 255)))
    assert cut.flicker == pytest.approx(100 / 60, rel=0.1)


def test_sizes_measure_alike(tmp_path: Path) -> None:
    """480P and 720P of one content agree within a few percent."""
    asked = pan((1280, 720), 0.002)(0)
    small, large = (
        measure(film(tmp_path / f"{size[1]}.mp4", 12, pan(size, 0.002)), asked) for size in ((848, 480), (1280, 720))
    )
    assert small.motion == pytest.approx(large.motion, rel=0.03)
    assert small.first_likeness == pytest.approx(large.first_likeness, abs=0.02)
    assert small.flicker == pytest.approx(large.flicker, abs=0.02)


def test_upright_and_very_short_ones(tmp_path: Path) -> None:
    """Portrait works the same; one frame has neither motion nor flicker."""
    tall = SCENE.crop((0, 0, 180, 320))
    found = measure(film(tmp_path / "one.mp4", 1, lambda _: tall), tall)
    assert found.motion == found.flicker == 0
    assert found.first_likeness is not None and found.first_likeness > 0.97


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    """In the words of whoever reads videos."""
    with pytest.raises(VideoError, match="cannot be read"):
        measure(tmp_path / "none.mp4")


def test_decoded_once_and_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One opening; a second of 720P far within a second."""
    path = film(tmp_path / "a.mp4", 30, pan((1280, 720), 0.001))
    opened = []
    real = av.open
    monkeypatch.setattr(av, "open", lambda *a, **k: opened.append(a) or real(*a, **k))
    start = time.perf_counter()
    measure(path, SCENE, SCENE)
    assert len(opened) == 1 and time.perf_counter() - start < 3
