"""Odd pictures and odd videos: each gets a right answer or one clear line, and nothing half-written stays."""

# ruff: noqa: F811 - fixtures of another module
from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import wan_nb as wan
from tests.test_media import encoded, noise, png_claiming, turned_jpeg
from tests.test_video import clip, counted, frame_times, number_of, packets, turn, uneven  # noqa: F401 - fixtures
from wan_nb import video, video_edit
from wan_nb.errors import GeometryError, MediaError, VideoError
from wan_nb.geometry import Size


def animated() -> bytes:
    frames = [noise(64, 36), Image.new("RGB", (64, 36), "red")]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100, lossless=True)


PICTURES: dict[str, tuple[bytes, Size]] = {
    "one pixel": (encoded(Image.new("RGB", (1, 1), "teal")), Size(1, 1)),
    "very wide": (encoded(Image.new("RGB", (8000, 240), "teal")), Size(8000, 240)),
    "cmyk": (encoded(noise(64, 36).convert("CMYK"), "JPEG"), Size(64, 36)),
    "sixteen bits": (encoded(Image.fromarray(np.full((36, 64), 40_000, np.uint16))), Size(64, 36)),
    "animated": (animated(), Size(64, 36)),
    "turned": (turned_jpeg(64, 36, 6), Size(36, 64)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_odd_pictures_have_a_right_answer_all_the_way(name: str) -> None:
    data, size = PICTURES[name]
    assert wan.load(data).size == size
    answer = wan.reach("9:16", source=data, tier="720P")
    assert (answer.source, answer.best.finish.after.ratio) == (size, Fraction(9, 16))
    rgb = wan.to_rgb(data)
    assert (rgb.picture.mode, rgb.size) == ("RGB", size)
    square = wan.pad(rgb, ratio="1:1", fill="blur")
    assert square.size == Size(max(size), max(size))
    small = wan.crop(square, ratio="1:1")
    request = wan.VideoRequest("wan2.6-i2v-flash", prompt="a boat", first_frame=wan.scale_into(small))
    assert [problem for problem in request.problems() if problem.field == "first_frame"] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(noise(640, 360), "JPEG")[:20_000], "JPEG is broken"),
        (png_claiming(60_000, 60_000), "3600 megapixels"),
        (b"<html>404</html>", "a web page"), (b"", "is empty"),
    ],
)  # fmt: skip
def test_broken_pictures_are_told_in_one_line_by_every_tool(data: bytes, words: str) -> None:
    for use in (wan.to_rgb, wan.upright, lambda each: wan.reach("3:4", source=each)):
        with pytest.raises(MediaError, match=words) as caught:
            use(data)
        assert "\n" not in str(caught.value)


# --- videos -----------------------------------------------------------------------------------------------------------


def test_silent_and_uneven_and_turned_videos_are_cut_padded_and_trimmed(
    counted: Path,
    uneven: Path,
    tmp_path: Path,
) -> None:
    for path in (counted, uneven, turn(counted, tmp_path / "turned.mp4", 90)):
        size, times = video.probe(path).size, frame_times(path)
        for name, work in (("crop", video_edit.crop), ("pad", video_edit.pad)):
            made = work(path, tmp_path / f"{name}.mp4", ratio="3:4")
            assert (made.size.ratio, made.has_audio, made.rotation) == (Fraction(3, 4), False, 0)
            assert frame_times(made.path) == times
        assert video_edit.trim(path, tmp_path / "trim.mp4", 0.2).size == size
    assert not list(tmp_path.glob("*.part"))


def test_a_video_whose_edit_list_hides_its_end(counted: Path, tmp_path: Path) -> None:
    data = bytearray(counted.read_bytes())
    at = data.index(b"elst") + 12
    (whole,) = struct.unpack(">I", data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", whole // 2)
    (tmp_path / "short.mp4").write_bytes(data)
    info = video.probe(tmp_path / "short.mp4")
    assert info.frames < 30
    assert number_of(video.last_frame(info.path)) == info.frames - 1
    assert video_edit.crop(info.path, tmp_path / "out.mp4", ratio="1:1").frames == info.frames


def test_odd_sides_come_out_even(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 101, 75, "yuv444p"
        for _ in range(5):
            picture = np.full((75, 101, 3), 90, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    assert video.probe(path).size == Size(101, 75)
    assert video_edit.crop(path, tmp_path / "crop.mp4", ratio="4:3").size == Size(96, 72)
    assert video_edit.pad(path, tmp_path / "pad.mp4", ratio="4:3").size == Size(104, 78)
    with pytest.raises(GeometryError, match="odd side"):
        video_edit.trim(path, tmp_path / "trim.mp4", 0.05)


@pytest.mark.parametrize("content", [b"<html>", b"", b"\0" * 4000, encoded(noise(64, 36))])
def test_what_is_no_video_leaves_nothing_behind(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(content)
    for work in (video_edit.crop, video_edit.pad):
        with pytest.raises(VideoError, match=r"odd\.mp4"):
            work(path, tmp_path / "out.mp4", ratio="1:1")
    with pytest.raises(VideoError, match=r"odd\.mp4"):
        video_edit.trim(path, tmp_path / "out.mp4", 0.1)
    assert [each.name for each in tmp_path.iterdir()] == ["odd.mp4"]


def test_sound_passes_through_several_repairs(clip: Path, tmp_path: Path) -> None:
    one = video_edit.crop(clip, tmp_path / "one.mp4", ratio="1:1", scale_to="60x60")
    two = video_edit.pad(one.path, tmp_path / "two.mp4", ratio="9:16", fill="blur")
    assert packets(two.path) == packets(clip)
