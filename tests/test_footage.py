"""What the simulator renders: frame for frame what was asked for, and nothing left behind when it fails."""

from __future__ import annotations

import json
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from wan_nb import video
from wan_nb.errors import VideoError
from wan_nb.geometry import Size
from wan_nb.simulator.footage import Shot, render, stand_in

FIRST = stand_in("first.png", (416, 240))
LAST = stand_in("last.png", (300, 410))


def difference(one: Image.Image, two: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(two, dtype=float)).mean())


def rendered(shot: Shot, tmp_path: Path, name: str = "shot.mp4") -> Path:
    path = tmp_path / name
    render(shot, path)
    assert [p for p in tmp_path.iterdir() if p.suffix == ".part"] == []
    assert video.is_whole_mp4(path)
    return path


def spoken(path: Path, seconds: float) -> Path:
    """A WAV with a steady tone."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(22050)
        tone = (9000 * np.sin(np.arange(round(22050 * seconds)) / 8)).astype("<i2")
        out.writeframes(np.repeat(tone, 2).tobytes())
    return path


def sound_length_s(path: Path) -> float:
    with av.open(str(path)) as box:
        track = box.streams.audio[0]
        return float(track.duration * track.time_base)


@pytest.mark.parametrize("size", [(208, 120), (96, 144), (98, 142), (130, 34)])
def test_size_length_and_rate_are_exact(tmp_path: Path, size: tuple[int, int]) -> None:
    info = video.probe(rendered(Shot(size, 2, FIRST, caption="SIMULATED 3f21a745", watermark=True), tmp_path))
    assert (info.size, info.frames, info.fps, info.duration_s) == (Size(*size), 60, 30.0, 2.0)
    assert (info.codec, info.has_audio) == ("h264", False)
    assert json.loads(info.label)["Label"] == "1"


def test_it_begins_with_the_whole_first_picture(tmp_path: Path) -> None:
    path = rendered(Shot((208, 120), 1, FIRST, look=4), tmp_path)
    assert difference(video.first_frame(path), FIRST.resize((208, 120), Image.Resampling.LANCZOS)) < 5
    assert difference(video.last_frame(path), video.first_frame(path)) > 4


def test_a_picture_of_slightly_another_shape_is_shown_whole(tmp_path: Path) -> None:
    picture = stand_in("cat.png", (150, 200))
    path = rendered(Shot((204, 276), 1, picture), tmp_path)
    assert difference(video.first_frame(path), picture.resize((204, 276), Image.Resampling.LANCZOS)) < 5


def test_a_morph_begins_on_the_first_and_ends_on_the_last(tmp_path: Path) -> None:
    path = rendered(Shot((208, 120), 2, FIRST, LAST, look=7), tmp_path)
    assert difference(video.first_frame(path), FIRST.resize((208, 120), Image.Resampling.LANCZOS)) < 5
    width, height = LAST.size
    top = (height - width * 120 / 208) / 2
    middle = LAST.resize((208, 120), Image.Resampling.LANCZOS, box=(0, top, width, height - top))
    assert difference(video.last_frame(path), middle) < 5


def test_a_cut_to_the_last_picture_still_ends_on_it(tmp_path: Path) -> None:
    one = video.last_frame(rendered(Shot((96, 144), 2, FIRST, LAST, look=7), tmp_path))
    two = video.last_frame(rendered(Shot((96, 144), 2, FIRST, LAST, look=8, shots=3), tmp_path, "cut.mp4"))
    assert difference(one, two) < 5


def test_motion_is_smooth(tmp_path: Path) -> None:
    path = rendered(Shot((208, 120), 2, FIRST, look=1), tmp_path)
    pictures = [picture for _, picture in video.pictures(path)]
    steps = np.array([difference(a, b) for a, b in pairwise(pictures)])
    assert steps.max() < 6 * np.median(steps)


def test_shots_are_cut_hard(tmp_path: Path) -> None:
    path = rendered(Shot((208, 120), 3, FIRST, look=1, shots=3), tmp_path)
    pictures = [picture for _, picture in video.pictures(path)]
    steps = np.array([difference(a, b) for a, b in pairwise(pictures)])
    assert sorted(np.argsort(steps)[-2:]) == [29, 59]


def test_equal_looks_look_equal_and_others_differ(tmp_path: Path) -> None:
    ends = [
        video.last_frame(rendered(Shot((96, 144), 1, FIRST, look=look), tmp_path, f"{k}.mp4"))
        for k, look in enumerate([3, 3, 4, 2**40 + 3])
    ]
    assert difference(ends[0], ends[1]) == 0
    assert min(difference(ends[0], ends[2]), difference(ends[0], ends[3])) > 4


def test_caption_and_watermark_stand_in_their_corners(tmp_path: Path) -> None:
    bare = video.first_frame(rendered(Shot((416, 240), 1, FIRST), tmp_path))
    marked = rendered(Shot((416, 240), 1, FIRST, caption="SIMULATED 3f21a745", watermark=True), tmp_path, "m.mp4")
    change = np.abs(np.asarray(bare, float) - np.asarray(video.first_frame(marked), float)).mean(axis=2)
    assert change[:20, :100].mean() > 15
    assert change[-24:, -90:].mean() > 8
    assert change[60:180].mean() < 2


def test_a_clip_goes_on_from_its_own_frames(tmp_path: Path) -> None:
    clip = rendered(Shot((208, 120), 2, FIRST, sound=True, look=1), tmp_path, "clip.mp4")
    path = rendered(Shot((104, 60), 3, None, clip=clip, sound=True, look=2), tmp_path)
    info = video.probe(path)
    assert (info.frames, info.has_audio) == (90, True)
    for n in (0, 30, 59):
        small = video.frame(clip, n).resize((104, 60), Image.Resampling.LANCZOS)
        assert difference(video.frame(path, n), small) < 4
    assert difference(video.frame(path, 60), video.frame(path, 59)) < 4
    assert difference(video.frame(path, 89), video.frame(path, 59)) > 4


def test_a_clip_goes_on_to_a_last_picture_and_a_long_one_is_cut(tmp_path: Path) -> None:
    clip = rendered(Shot((208, 120), 2, FIRST, look=1), tmp_path, "clip.mp4")
    towards = rendered(Shot((96, 144), 3, None, LAST, clip=clip), tmp_path, "towards.mp4")
    assert difference(video.last_frame(towards), LAST.resize((96, 144), box=(13, 0, 287, 410))) < 5
    assert video.probe(rendered(Shot((96, 144), 1, None, clip=clip), tmp_path, "cut.mp4")).frames == 30


@pytest.mark.parametrize("given_s", [0.5, 5.0])
def test_sound_is_cut_or_followed_by_silence(tmp_path: Path, given_s: float) -> None:
    path = rendered(Shot((96, 144), 2, FIRST, audio=spoken(tmp_path / "a.wav", given_s)), tmp_path)
    assert abs(sound_length_s(path) - 2) < 1024 / 44100
    heard = video.sound(path, 44100, limit_s=10)
    level = [float(np.abs(part).mean()) for part in np.array_split(heard, 8)]
    assert level[0] > 0.05
    assert (level[-1] > 0.05) == (given_s > 2)
    assert max(level[3:7]) < 0.001 or given_s > 2


def test_generated_sound_is_soft_and_as_long_as_the_pictures(tmp_path: Path) -> None:
    path = rendered(Shot((96, 144), 3, FIRST, sound=True, look=9), tmp_path)
    assert abs(sound_length_s(path) - 3) < 1024 / 44100
    heard = video.sound(path, 44100, limit_s=10)
    assert 0.01 < float(np.sqrt(np.mean(heard**2))) < 0.2
    assert float(np.abs(heard).max()) < 0.5


def test_colour_is_tagged(tmp_path: Path) -> None:
    with av.open(str(rendered(Shot((96, 144), 1, Image.new("RGB", (96, 144), (200, 60, 30))), tmp_path))) as box:
        context: Any = box.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.pix_fmt) == (6, 1, "yuv420p")
        seen = next(box.decode(video=0)).to_image().getpixel((90, 130))
    assert np.abs(np.subtract(seen, (200, 60, 30))).max() <= 4


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_pictures_of_other_modes(tmp_path: Path, mode: str) -> None:
    rendered(Shot((96, 144), 1, FIRST.convert(mode)), tmp_path)


@pytest.mark.parametrize("broken", ["audio", "clip"])
def test_a_failure_leaves_nothing(tmp_path: Path, broken: str) -> None:
    odd = tmp_path / "odd.bin"
    odd.write_bytes(b"neither sound nor pictures" * 40)
    shot = Shot((96, 144), 1, FIRST, audio=odd) if broken == "audio" else Shot((96, 144), 1, None, clip=odd)
    with pytest.raises(VideoError, match=r"odd\.bin (cannot be read|is not an MP4)"):
        render(shot, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["odd.bin"]


def test_a_shot_of_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="needs a first picture, or a clip"):
        render(Shot((96, 144), 1, None), tmp_path / "out.mp4")


def test_stand_ins_are_equal_for_equal_labels() -> None:
    card = stand_in("a very long name of a picture that nobody can fetch — 猫.png", (300, 200))
    assert (card.size, card.mode) == ((300, 200), "RGB")
    assert difference(card, stand_in("a very long name of a picture that nobody can fetch — 猫.png", (300, 200))) == 0
    assert difference(card, stand_in("another", (300, 200))) > 5
    assert stand_in("tiny", (16, 16)).size == (16, 16)
