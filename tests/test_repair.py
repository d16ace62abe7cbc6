"""Repairs that are offered for a picture: what each model takes afterwards, and that nothing else was touched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.test_mend import noise, turned
from wan_nb.catalog import MODELS
from wan_nb.errors import MediaError
from wan_nb.geometry import Size
from wan_nb.problems import Place
from wan_nb.repair import Repair, repairs
from wan_nb.request import VideoRequest


def stored(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def ask(picture: Any, model: str = "wan2.7-i2v") -> VideoRequest:
    return VideoRequest(model, first_frame=picture)


def labels(request: VideoRequest) -> list[str]:
    return [each.label for each in repairs(request)]


def left(request: VideoRequest) -> list[str]:
    """Problems that remain of the picture."""
    return [str(each) for each in request.problems() if each.field == "first_frame"]


FAULTS = {
    "alpha": (lambda: noise(500, 400, 4), ["Lay it on white", "Lay it on black"]),
    "turned": (lambda: turned(500, 400), ["Turn it upright"]),
    "small": (lambda: noise(320, 180), ["Scale it to 432×243"]),
    "large": (lambda: Image.new("RGB", (9000, 4000)), ["Scale it to 7992×3552"]),
    "long": (lambda: noise(3000, 300), ["Crop it to 8:1", "Pad it to 8:1"]),
    "long and large": (lambda: Image.new("RGB", (1000, 9000)), ["Crop it to 1:8", "Pad it to 1:8"]),
    "gif": (lambda: stored(Image.new("P", (500, 400)), "GIF"), ["Save it as PNG"]),
    "turned and small": (lambda: turned(300, 200), ["Mend all of it"]),
    "tiff": (lambda: stored(noise(500, 400), "TIFF"), ["Save it as PNG"]),
    "cmyk jpeg": (lambda: stored(Image.new("CMYK", (500, 400)), "JPEG"), ["Make it RGB"]),
    "deep": (lambda: stored(Image.new("I;16", (500, 400)), "PNG"), ["Make it RGB"]),
}


def test_a_repair_is_shown_by_what_it_does() -> None:
    """Not by the addresses of functions."""
    shown = repr(repairs(ask(noise(500, 400, 4)))[0])
    assert shown == "Repair(field='first_frame', label='Lay it on white')"


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_repairs_and_each_of_them_mends_it(name: str) -> None:
    make, expected = FAULTS[name]
    request = ask(make())
    assert left(request) and labels(request) == expected
    for repair in repairs(request):
        mended = repair.apply(request)
        assert left(mended) == [] and repairs(mended) == (), repair
        assert mended.first_frame is not request.first_frame and left(request)  # the old request stays as it was


def test_nothing_is_offered_where_nothing_is_wrong_or_nobody_has_seen_it(tmp_path: Path) -> None:
    assert labels(ask(noise(500, 400))) == []
    assert labels(ask("https://x.example/cat.png")) == []
    assert labels(ask(tmp_path / "no-such.png")) == []
    assert labels(VideoRequest("wan2.6-i2v", first_frame=noise(500, 400), last_frame=noise(100, 90))) == []


def test_several_faults_are_mended_by_one_press_in_the_order_that_works() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    request = ask(stored(noise(90, 1200, 4), "PNG", exif=exif))
    assert labels(request) == [
        "Mend all of it, crop it to 8:1, lay it on white",
        "Mend all of it, crop it to 8:1, lay it on black",
        "Mend all of it, pad it to 8:1, lay it on white",
        "Mend all of it, pad it to 8:1, lay it on black",
    ]
    first = repairs(request)[0]
    repaired = first.mend(request.first_frame)
    assert [each.action for each in repaired.records] == ["upright", "crop", "scale_into", "flatten"]
    assert repaired.medium.size == Size(1920, 240) and left(first.apply(request)) == []
    assert "alpha laid over white" in str(repaired) and "saved as PNG" in str(repaired)
    assert all(left(each.apply(request)) == [] for each in repairs(request))
    assert repaired.before[:2] == repaired.after[:2] == b"\xff\xd8" and repaired.before != repaired.after


def test_alpha_is_laid_on_the_colour_that_was_pressed() -> None:
    picture = Image.new("RGBA", (500, 400), (200, 0, 0, 0))
    white, black = (each.mend(ask(picture).first_frame).medium.picture() for each in repairs(ask(picture)))
    assert white.getpixel((9, 9)) == (255, 255, 255) and black.getpixel((9, 9)) == (0, 0, 0)


def test_a_photograph_stays_a_jpeg_and_the_pixels_are_the_turned_ones() -> None:
    request = ask(turned(500, 400))
    (repair,) = repairs(request)
    new = repair.apply(request).first_frame
    assert new.format == "JPEG" and new.size == Size(400, 500) and not new.rotated
    before, after = (np.asarray(each.picture(), dtype=int) for each in (request.first_frame, new))
    assert np.abs(before - after).mean() < 12  # noise through a second JPEG


def test_a_file_that_is_too_large_becomes_a_smaller_one() -> None:
    request = VideoRequest("wan2.2-i2v-plus", first_frame=stored(noise(1990, 1900), "PNG"))
    assert request.first_frame.nbytes > 10 * 1024**2
    (repair,) = repairs(request)
    assert repair.label == "Save it smaller"
    mended = repair.apply(request)
    assert mended.first_frame.format == "JPEG" and mended.first_frame.size == Size(1990, 1900)
    assert mended.first_frame.nbytes <= 10 * 1024**2 and repairs(mended) == ()


def test_where_documents_differ_the_size_that_all_take_is_offered() -> None:
    request = VideoRequest("wan2.6-i2v", first_frame=noise(2400, 1600))
    assert labels(request) == ["Scale it to 1998×1332"]
    assert repairs(repairs(request)[0].apply(request)) == ()


def test_a_gateways_own_limits_count() -> None:
    request = ask(noise(500, 400))
    narrow = Place(image=MODELS["wan2.2-i2v-plus"].image)
    assert repairs(request, narrow) == ()
    assert [each.label for each in repairs(ask(noise(300, 250)), narrow)] == ["Scale it to 432×360"]


def test_a_repair_of_a_picture_that_is_not_there() -> None:
    repair = Repair("last_frame", "Turn it upright", (), MODELS["wan2.7-i2v"].image)
    with pytest.raises(MediaError, match="has no last_frame"):
        repair.apply(ask(noise(500, 400)))
