"""A finished video mended beside its original, and gone on from."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import wan_nb as wan
from wan_nb.errors import GeometryError, RequestError
from wan_nb.geometry import Size, lattice, predict


@pytest.fixture
def video(session: wan.Session, picture: Path) -> wan.Video:
    request = wan.VideoRequest(
        "wan2.7-i2v", prompt="a boat", first_frame=picture, resolution="720P", duration=2, seed=3
    )
    return session.submit(request).wait(30)


def test_a_mended_video_stands_beside_the_original(video: wan.Video) -> None:
    before = hashlib.sha256(video.path.read_bytes()).hexdigest()
    told: list[float] = []
    square = video.crop(ratio="1:1", focus=(0.5, 0), progress=told.append)
    assert square.size.ratio == 1
    assert square.path == video.path.with_name(f"{video.path.stem}-crop-1x1-focus0.5x0.mp4")
    assert (square.run, square.has_audio, told[-1]) == (video.run, video.has_audio, 1.0)
    assert video.pad(ratio=Fraction(3, 4), fill="blur").size.ratio == Fraction(3, 4)
    part = video.trim(0.5, 1.5)
    assert part.duration_s == pytest.approx(1.0)
    assert part.path.name.endswith("-trim-start_s0.5-end_s1.5.mp4")
    assert video.crop(ratio="1:1").trim(0, 1).size == square.size
    assert hashlib.sha256(video.path.read_bytes()).hexdigest() == before
    assert square.nbytes == square.path.stat().st_size
    with pytest.raises(GeometryError, match="does not fit"):
        video.crop(size="8000x8000")


def test_reach_ends_in_the_video_that_was_asked_for(session: wan.Session, picture: Path) -> None:
    way = wan.reach("3:4", source=picture, model="wan2.7-i2v", tier="720P", padding=False)
    first = wan.crop(picture, size=way.best.input.after)
    made = session.submit(wan.VideoRequest("wan2.7-i2v", prompt="a boat", first_frame=first, duration=2)).wait(30)
    assert made.crop(ratio="3:4").size.ratio == way.wanted


def test_the_last_frame_begins_the_next_request(video: wan.Video, session: wan.Session) -> None:
    request = video.chain(prompt="it turns", last_frame=None)
    assert (request.prompt, request.seed, request.model) == ("it turns", 3, "wan2.7-i2v")
    assert np.array_equal(np.asarray(request.first_frame.picture()), np.asarray(video.last_frame()))
    assert not request.problems(severity="wasteful")
    words = video.chain_words(request)
    assert "against the very first picture, 750×1000" in words
    assert "by='clip'" in words
    assert "free (simulated)" in words


def test_the_whole_clip_begins_the_next_request(video: wan.Video) -> None:
    request = video.chain("clip", prompt="it turns")
    assert (request.first_clip.size, request.first_frame) == (video.size, None)
    assert request.duration == 4
    assert "the clip's own 2 s billed again" in video.chain_words(request)
    assert video.chain("clip", duration=9).duration == 9
    with pytest.raises(RequestError, match="'frame' or 'clip'"):
        video.chain("picture")  # type: ignore[arg-type]


def test_sizes_that_do_not_come_again_are_told(video: wan.Video) -> None:
    assert "crop or pad one before you join them" in video.chain_words(video.chain(resolution="1080P"))
    moving = next(point.size for point in lattice("720P") if not point.keeps_shape)
    assert predict(moving, "720P") != moving
    assert predict(Size(816, 1104), "720P") == Size(816, 1104)
