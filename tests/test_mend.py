from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from wan_nb.errors import GeometryError, MediaError
from wan_nb.geometry import Size
from wan_nb.media import load
from wan_nb.mend import Mended, crop, flatten, pad, scale_into, to_rgb, upright


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels)


def turned(width: int, height: int, orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    noise(width, height).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def array(mended: Mended | Image.Image) -> np.ndarray:
    return np.asarray(mended.picture if isinstance(mended, Mended) else mended)


def test_a_crop_is_a_slice() -> None:
    picture = noise(64, 36)
    mended = crop(picture, ratio="3:4", focus=(1, 0.5))
    assert mended.size == Size(27, 36)
    assert np.array_equal(array(mended), np.asarray(picture)[:, 37:])
    assert mended.record.box == (37, 0, 64, 36)
    assert str(mended.record) == "crop: kept 27×36 of 64×36 from (37, 0); 57.8 % of the area lost"
    assert array(crop(picture, size="10x7")).shape == (7, 10, 3)


@pytest.mark.parametrize("mode", ["P", "CMYK", "L", "LA", "RGBA", "1", "I;16"])
def test_a_crop_keeps_the_mode(mode: str) -> None:
    picture = Image.new(mode, (64, 36))
    assert crop(picture, ratio="3:4").picture.mode == mode


def test_padding_leaves_the_picture_as_it_is() -> None:
    picture = noise(64, 36)
    for fill in ("#204060", "blur", "mirror"):
        mended = pad(picture, ratio="3:4", fill=fill)
        assert mended.size == Size(66, 88)
        left, top, right, bottom = mended.record.box or (0, 0, 0, 0)
        assert np.array_equal(array(mended)[top:bottom, left:right], np.asarray(picture))
        assert fill in str(mended.record)
    assert array(pad(picture, ratio="3:4", fill="#204060"))[0, 0].tolist() == [0x20, 0x40, 0x60]


def test_mirrored_padding_against_numpy() -> None:
    picture = noise(64, 36)
    mended = pad(picture, size="64x56", fill="mirror")
    rows = np.asarray(picture)
    assert np.array_equal(array(mended), np.concatenate([rows[9::-1], rows, rows[:25:-1]]))


def test_blurred_padding_is_smooth_and_of_the_picture() -> None:
    picture = Image.new("RGB", (64, 36), "orange")
    picture.paste("navy", (0, 0, 32, 36))
    rows = array(pad(picture, size="64x96", fill="blur")).astype(int)[:30]
    assert np.abs(np.diff(rows, axis=1)).max() < 40
    assert rows[0, 0, 2] > rows[0, -1, 2]


@pytest.mark.parametrize(
    "picture", [Image.new("P", (64, 36)), Image.new("CMYK", (64, 36)), Image.new("I;16", (64, 36))]
)
def test_modes_that_cannot_be_mixed_are_changed_and_it_is_said(picture: Image.Image) -> None:
    for mended in (pad(picture, ratio="3:4", fill="blur"), scale_into(picture)):
        assert mended.picture.mode == "RGB"
        assert f"{picture.mode} made RGB" in str(mended.record)


def test_alpha_survives_padding_and_scaling() -> None:
    picture = noise(64, 36, 4)
    assert pad(picture, ratio="3:4", fill="mirror").picture.mode == "RGBA"
    assert scale_into(picture, 48).picture.mode == "RGBA"


def test_scaling_into_bounds() -> None:
    assert scale_into(noise(320, 180)).size == Size(432, 243)
    assert scale_into(Image.new("L", (9000, 250), 9), high=8000, low=200).size == Size(7992, 222)
    same = scale_into(noise(320, 250))
    assert (same.size, same.record.changed) == (Size(320, 250), False)
    assert "moved by" in str(scale_into(noise(241, 100)).record)
    with pytest.raises(GeometryError, match="crop or pad"):
        scale_into(Image.new("RGB", (8000, 240)), low=300)


def test_one_pixel() -> None:
    dot = Image.new("RGB", (1, 1), "teal")
    assert scale_into(dot).size == Size(240, 240)
    for fill in ("black", "blur", "mirror"):
        assert pad(dot, size="31x20", fill=fill).size == Size(31, 20)
    assert not crop(dot, ratio=1).record.changed
    with pytest.raises(GeometryError, match="nearest simple one is 1:1"):
        crop(dot, ratio="3:4")


def test_flattening_against_numpy() -> None:
    picture = noise(64, 36, 4)
    mended = flatten(picture, "#ff8000")
    pixels = np.asarray(picture).astype(float)
    share = pixels[..., 3:] / 255
    expected = pixels[..., :3] * share + np.array([255, 128, 0]) * (1 - share)
    assert np.abs(array(mended) - expected).max() <= 1
    assert mended.picture.mode == "RGB"
    assert "not opaque" in str(mended.record)
    assert not load(mended).has_alpha
    assert not flatten(noise(64, 36)).record.changed


def test_a_transparent_palette_is_flattened() -> None:
    picture = Image.new("P", (31, 20), 1)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.info["transparency"] = 1
    assert array(flatten(picture, "blue"))[3, 4].tolist() == [0, 0, 255]


def test_upright() -> None:
    mended = upright(turned(64, 36))
    assert (mended.record.action, mended.record.before, mended.record.after) == ("upright", Size(64, 36), Size(36, 64))
    media = load(mended)
    assert (media.rotated, media.size) == (False, Size(36, 64))
    assert not upright(noise(64, 36)).record.changed


def test_turning_before_another_repair_is_recorded() -> None:
    mended = crop(turned(64, 36), ratio=1)
    assert [record.action for record in mended.records] == ["upright", "crop"]
    assert mended.record.before == Size(36, 64)
    assert not load(mended).rotated


def test_an_opened_pil_image_is_turned_too() -> None:
    assert crop(Image.open(io.BytesIO(turned(64, 36))), ratio=1).records[0].action == "upright"


def test_the_first_frame_of_an_animation_is_recorded() -> None:
    buffer = io.BytesIO()
    noise(64, 36).save(buffer, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 36))])
    assert [record.action for record in crop(buffer.getvalue(), ratio=1).records] == ["still", "crop"]


def test_sixteen_bits_become_eight() -> None:
    deep = np.linspace(0, 65_535, 620).astype(np.uint16).reshape(20, 31)
    mended = to_rgb(Image.fromarray(deep))
    assert np.abs(array(mended)[..., 0].astype(float) - deep / 257).max() <= 1
    floats = Image.fromarray(np.linspace(0, 1, 620, dtype=np.float32).reshape(20, 31))
    assert array(to_rgb(floats)).max() == 255
    with pytest.raises(MediaError, match="brightness"):
        to_rgb(Image.fromarray(np.full((20, 31), -4.5, np.float32)))


def test_cmyk_says_whether_a_profile_was_used() -> None:
    picture = noise(64, 36).convert("CMYK")
    assert "without a colour profile" in str(to_rgb(picture).record)
    picture.info["icc_profile"] = b"broken"
    assert "without a colour profile" in str(to_rgb(picture).record)
    assert "icc_profile" not in to_rgb(picture).picture.info
    assert load(to_rgb(picture)).mode == "RGB"


def test_rgb_stays_as_it_is() -> None:
    picture = noise(64, 36)
    picture.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert not to_rgb(picture).record.changed
    assert "icc_profile" in crop(picture, ratio=1).picture.info
    assert "alpha laid over white" in str(to_rgb(noise(64, 36, 4)).record)


def test_repairs_follow_each_other_into_a_request(tmp_path: Path) -> None:
    noise(640, 360, 4).save(tmp_path / "cat.png")
    mended = scale_into(crop(flatten(tmp_path / "cat.png"), ratio="3:4"), low=480)
    assert [record.action for record in mended.records] == ["flatten", "crop", "scale_into"]
    media = load(mended)
    assert (media.name, media.size, media.format, media.has_alpha) == ("cat.png", Size(480, 640), "PNG", False)
    assert np.array_equal(np.asarray(media.picture()), array(mended))


def test_the_source_is_left_alone() -> None:
    picture = noise(64, 36, 4)
    before = picture.tobytes()
    for mended in (crop(picture, ratio=1), pad(picture, ratio=1), flatten(picture), upright(picture), to_rgb(picture)):
        mended.picture.paste(0, (0, 0, 9, 9))
    assert picture.tobytes() == before


def test_records_print_and_show_both_pictures() -> None:
    mended = pad({"name": "<b>.png", "content": turned(64, 36)}, ratio=1, fill="blur")
    assert str(mended).splitlines()[0] == "<b>.png: 64×64"
    page = mended._repr_html_()
    assert page.count("data:image/jpeg;base64,") == 4
    assert "<b>" not in page
    assert "before: 64×36" in page
    assert len(repr(mended.record)) < 400


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: crop(b"text", ratio=1), "not a picture"), (lambda: crop("nowhere.png", ratio=1), "no such file"),
        (lambda: crop("https://example.com/a.png", ratio=1), "not fetched"), (lambda: crop(7, ratio=1), "give a path"),
        (lambda: pad(noise(64, 36), ratio=1, fill="bleu"), "'blur' or 'mirror'"),
        (lambda: flatten(noise(64, 36, 4), "#12"), "not a colour"),
        (lambda: crop(Image.open(io.BytesIO(turned(640, 360)[:9000])), ratio=1), "broken"),
    ],
)  # fmt: skip
def test_what_cannot_be_mended(call: object, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        call()  # type: ignore[operator]


def test_a_canvas_beyond_reason() -> None:
    with pytest.raises(GeometryError, match="too large"):
        pad(noise(64, 36), size=(20_000, 10_000))
