"""MP4s read and mended, against references made another way: numpy on the raw planes, packets compared as bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wan_nb import video, video_edit
from wan_nb.boxes import Ratio
from wan_nb.errors import GeometryError, VideoError
from wan_nb.geometry import Size
from wan_nb.simulator.footage import Shot, render, stand_in

LABEL = '{"Label": "1", "ProduceID": "7a"}'
WIDE = (208, 120)


def write(path: Path, times: Sequence[int], size: tuple[int, int] = WIDE) -> Path:
    """A silent video whose frame n carries its number as a bright column; times in thirtieths of a second."""
    width, height = size
    ramp = np.linspace(20, 120, width * height).reshape(height, width).astype(np.uint8)
    with av.open(str(path), "w", options={"movflags": "+faststart+use_metadata_tags"}) as out:
        out.metadata["AIGC"] = LABEL
        stream: Any = out.add_stream("libx264", rate=30, options={"crf": "12", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 6
        for number, time in enumerate(times):
            picture = np.repeat(ramp[..., None], 3, axis=2)
            picture[:, number * 6 : number * 6 + 6] = 250
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", dst_colorspace=5)
            frame.pts, frame.time_base = time, Fraction(1, 30)
            frame.duration = (*times, times[-1] + 1)[number + 1] - time
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def number_of(picture: Image.Image) -> int:
    """The number that `write` drew into a frame."""
    return int(np.asarray(picture.convert("L"))[2:-2].mean(axis=0).argmax()) // 6


def turn(path: Path, target: Path, degrees: int) -> Path:
    """A copy whose picture track carries a rotation, written into the file's bytes."""
    matrix = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def planes(path: Path) -> list[tuple[NDArray[np.uint8], ...]]:
    """Y, U and V of every frame, as stored."""
    found = []
    with av.open(str(path)) as box:
        for frame in box.decode(video=0):
            width, height = frame.width, frame.height
            flat = frame.to_ndarray().reshape(-1)
            full, quarter = width * height, width * height // 4
            found.append(
                (
                    flat[:full].reshape(height, width),
                    flat[full : full + quarter].reshape(height // 2, width // 2),
                    flat[full + quarter :].reshape(height // 2, width // 2),
                )
            )
    return found


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as box:
        return [bytes(packet) for packet in box.demux(audio=0) if packet.size]


def frame_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        return [frame.pts * stream.time_base for frame in box.decode(stream)]


def noise(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Root of the mean squared difference, in steps of 255."""
    return float(np.sqrt(np.mean((one.astype(float) - two.astype(float)) ** 2)))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 208×120 with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    render(Shot(WIDE, 2, stand_in("harbour.jpg", (416, 240)), sound=True, look=5), path)
    return path


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("counted") / "counted.mp4", range(30))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Variable frame rate."""
    return write(tmp_path_factory.mktemp("uneven") / "uneven.mp4", [0, 1, 2, 7, 8, 9, 20, 21, 35, 36, 37, 60])


# --- probe and wholeness ------------------------------------------------------------------------------------------


def test_probe_reads_what_counts(clip: Path) -> None:
    info = video.probe(clip)
    assert (info.size, info.frames, info.fps, info.duration_s) == (Size(208, 120), 60, 30.0, 2.0)
    assert (info.codec, info.has_audio, info.audio_codec, info.rotation) == ("h264", True, "aac", 0)
    assert info.nbytes == clip.stat().st_size
    assert str(info) == "clip.mp4: 208×120, 2.00 s, 30 fps, h264, aac"


def test_probe_without_sound_and_with_label(counted: Path) -> None:
    info = video.probe(counted)
    assert not info.has_audio
    assert info.label == LABEL


def test_probe_of_a_varying_rate_counts_frames_and_length(uneven: Path) -> None:
    info = video.probe(uneven)
    assert info.frames == 12
    assert info.duration_s == pytest.approx(61 / 30, abs=0.04)
    assert info.fps == pytest.approx(12 / info.duration_s, rel=0.02)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_files_are_upright(counted: Path, tmp_path: Path, degrees: int) -> None:
    turned = turn(counted, tmp_path / "turned.mp4", degrees)
    info = video.probe(turned)
    assert info.rotation == degrees
    assert info.size == (Size(208, 120) if degrees == 180 else Size(120, 208))
    stored = np.asarray(video.frame(counted, 3))
    assert np.array_equal(np.asarray(video.frame(turned, 3)), np.rot90(stored, -degrees // 90))


def test_a_whole_file_is_whole(clip: Path, counted: Path) -> None:
    assert video.is_whole_mp4(clip)
    assert video.is_whole_mp4(counted)


def test_a_file_cut_anywhere_is_never_whole(clip: Path, tmp_path: Path) -> None:
    data, cut = clip.read_bytes(), tmp_path / "cut.mp4"
    moov_end = data.index(b"mdat") - 4
    for length in [*range(64), *range(64, len(data), 997), moov_end, moov_end + 8, len(data) - 1]:
        cut.write_bytes(data[:length])
        with pytest.raises(VideoError, match=r"cut short|empty|not whole|not an MP4"):
            video.is_whole_mp4(cut)


def test_missing_bytes_are_counted(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:-100])
    with pytest.raises(VideoError, match=r"cut\.mp4 is cut short: 100 bytes are missing"):
        video.is_whole_mp4(cut)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", r"not an MP4: it begins with b.[<{]"),
        (b'{"code": "InvalidParameter", "message": "no"}', r"not an MP4: it begins with b.[<{]"),
        (b"\x00" * 5000, "not an MP4"),
        (b"\x00\x00\x00\x08ftyp", "no moov"),
    ],
)
def test_what_is_no_mp4_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=said):
        video.is_whole_mp4(path)
    for use in (video.probe, video.first_frame, video.strip):
        with pytest.raises(VideoError, match=r"odd\.mp4"):
            use(path)


def test_an_index_that_points_outside_its_data_is_told(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    at = data.index(b"stco") + 12
    data[at : at + 4] = struct.pack(">I", len(data) + 5)
    (tmp_path / "bad.mp4").write_bytes(data)
    for use in (video.probe, video.last_frame):
        with pytest.raises(VideoError, match=r"bad\.mp4 is damaged: \d+ of its 60 pictures are there"):
            use(tmp_path / "bad.mp4")


def test_missing_files_and_sound_alone_are_told(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none\.mp4 cannot be read: No such file"):
        video.probe(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match=r"none\.mp4 cannot be read"):
        video.is_whole_mp4(tmp_path / "none.mp4")
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no picture track"):
        video.probe(tmp_path / "sound.mp4")


# --- frames -------------------------------------------------------------------------------------------------------


def test_every_frame_is_the_one_asked_for(counted: Path) -> None:
    assert [number_of(video.frame(counted, n)) for n in range(30)] == list(range(30))
    assert number_of(video.first_frame(counted)) == 0
    assert number_of(video.last_frame(counted)) == 29
    assert number_of(video.frame(counted, -2)) == 28


def test_frames_of_a_varying_rate(uneven: Path) -> None:
    assert [number_of(video.frame(uneven, n)) for n in (0, 3, 6, -1)] == [0, 3, 6, 11]
    assert [number_of(picture) for picture in video.frames(uneven, 12)] == list(range(12))
    assert [round(time_s * 30) for time_s, _ in video.pictures(uneven)] == [0, 1, 2, 7, 8, 9, 20, 21, 35, 36, 37, 60]


def test_frames_are_evenly_spaced(counted: Path) -> None:
    assert [number_of(picture) for picture in video.frames(counted, 4)] == [0, 10, 19, 29]
    assert [number_of(picture) for picture in video.frames(counted, 1)] == [0]


@pytest.mark.parametrize("n", [30, -31])
def test_a_frame_that_is_not_there(counted: Path, n: int) -> None:
    with pytest.raises(VideoError, match=f"frame {n} is not in counted.mp4; it has 30"):
        video.frame(counted, n)
    with pytest.raises(VideoError, match="ask for 1 to 30"):
        video.frames(counted, abs(n) * (n > 0) + 1 if n > 0 else 0)


def test_sheets_and_poster(clip: Path, uneven: Path) -> None:
    assert video.strip(clip, count=4, height=60).size == (4 * 104 + 3 * 2, 60)
    assert video.strip(uneven, count=40, height=60).size[0] == 12 * 104 + 11 * 2
    assert video.contact_sheet(clip, columns=3, rows=2, width=104).size == (3 * 104 + 2 * 2, 2 * 60 + 2)
    poster = Image.open(io.BytesIO(video.poster(clip, width=104)))
    assert (poster.format, poster.size) == ("JPEG", (104, 60))


# --- crop, pad, trim ----------------------------------------------------------------------------------------------


def test_crop_cuts_the_planes_that_numpy_cuts(clip: Path, tmp_path: Path) -> None:
    info = video_edit.crop(clip, tmp_path / "out.mp4", size=(96, 94), focus=(0.328, 0.445))
    assert (info.size, info.frames, info.duration_s) == (Size(96, 94), 60, 2.0)
    for (y, u, v), (cut_y, cut_u, cut_v) in zip(planes(clip), planes(tmp_path / "out.mp4"), strict=True):
        assert noise(y[6:100, 20:116], cut_y) < 2.5
        assert noise(u[3:50, 10:58], cut_u) < 2
        assert noise(v[3:50, 10:58], cut_v) < 2
        assert noise(y[8:102, 20:116], cut_y) > 2 * noise(y[6:100, 20:116], cut_y)


@pytest.mark.parametrize("ratio", ["3:4", "1:1", Fraction(9, 16), 1.85, "1080x1350", "0.5:1"])
def test_crop_meets_the_ratio_exactly(clip: Path, tmp_path: Path, ratio: Ratio) -> None:
    info = video_edit.crop(clip, tmp_path / "out.mp4", ratio=ratio)
    exact = {"3:4": "3/4", "1:1": "1", 1.85: "37/20", "1080x1350": "4/5", "0.5:1": "1/2"}.get(ratio, ratio)
    assert info.size.ratio == Fraction(exact)
    assert not (info.size.width % 2 or info.size.height % 2)


def test_crop_keeps_what_the_focus_says(clip: Path, tmp_path: Path) -> None:
    video_edit.crop(clip, tmp_path / "right.mp4", ratio="1:1", focus=(1.0, 0.5))
    assert noise(planes(clip)[0][0][:, 88:], planes(tmp_path / "right.mp4")[0][0]) < 2.5


def test_pad_sets_the_video_into_the_colour(clip: Path, tmp_path: Path) -> None:
    info = video_edit.pad(clip, tmp_path / "out.mp4", ratio="1:1", fill="#ff8020")
    assert info.size == Size(208, 208)
    for (y, _, _), (whole, _, _) in zip(planes(clip), planes(tmp_path / "out.mp4"), strict=True):
        reference = np.full((208, 208), 16 + round(0.257 * 255 + 0.504 * 128 + 0.098 * 32))
        reference[44:164] = y
        assert noise(reference, whole) < 3
    assert np.abs(np.subtract(video.first_frame(tmp_path / "out.mp4").getpixel((100, 10)), (255, 128, 32))).max() < 8


def test_pad_with_blur_keeps_the_middle_sharp(clip: Path, tmp_path: Path) -> None:
    info = video_edit.pad(clip, tmp_path / "out.mp4", ratio="9:16", fill="blur")
    assert (info.size.ratio, info.frames) == (Fraction(9, 16), 60)
    top = round((info.size.height - 120) / 4) * 2
    left = round((info.size.width - 208) / 4) * 2
    for (y, _, _), (whole, _, _) in zip(planes(clip), planes(tmp_path / "out.mp4"), strict=True):
        assert noise(y, whole[top : top + 120, left : left + 208]) < 3
        assert np.abs(np.diff(whole[: top - 8].astype(float), axis=1)).max() < 12
        assert whole[: top - 8].mean() > 24


def test_a_last_scaling_keeps_the_shape(clip: Path, tmp_path: Path) -> None:
    info = video_edit.crop(clip, tmp_path / "zoom.mp4", size=(104, 60), scale_to=WIDE)
    assert (info.size, info.frames) == (Size(*WIDE), 60)
    middle = video.frame(clip, 30).crop((52, 30, 156, 90)).resize(WIDE, Image.Resampling.LANCZOS)
    assert noise(np.asarray(middle), np.asarray(video.frame(info.path, 30))) < 4
    assert packets(clip) == packets(info.path)
    padded = video_edit.pad(clip, tmp_path / "pad.mp4", ratio="1:1", fill="blur", scale_to="104x104")
    assert padded.size == Size(104, 104)
    for wrong in ("104x100", "105x105"):
        with pytest.raises(GeometryError, match="even sides of the same ratio"):
            video_edit.pad(clip, tmp_path / "no.mp4", ratio="1:1", scale_to=wrong)


def test_trim_keeps_frames_and_shifts_time(counted: Path, uneven: Path, tmp_path: Path) -> None:
    info = video_edit.trim(counted, tmp_path / "out.mp4", 0.2, 0.5)
    assert [number_of(p) for _, p in video.pictures(info.path)] == list(range(6, 15))
    assert (info.frames, info.duration_s, info.fps) == (9, pytest.approx(0.3), pytest.approx(30))
    rest = video_edit.trim(uneven, tmp_path / "rest.mp4", 0.5)
    assert [round(time * 30) for time in frame_times(rest.path)] == [0, 1, 15, 16, 17, 40]


def test_sound_stays_bit_for_bit(clip: Path, tmp_path: Path) -> None:
    video_edit.crop(clip, tmp_path / "crop.mp4", ratio="1:1")
    video_edit.pad(clip, tmp_path / "pad.mp4", ratio="1:1")
    assert packets(clip) == packets(tmp_path / "crop.mp4") == packets(tmp_path / "pad.mp4")
    info = video_edit.trim(clip, tmp_path / "trim.mp4", 0.5, 1.5)
    kept, before = packets(tmp_path / "trim.mp4"), packets(clip)
    at = before.index(kept[0])
    assert kept == before[at : at + len(kept)]
    with av.open(str(tmp_path / "trim.mp4")) as box:
        track = box.streams.audio[0]
        assert abs(float(track.duration * track.time_base) - info.duration_s) < 2 * 1024 / 44100


@pytest.mark.parametrize("work", ["crop", "pad", "trim"])
def test_label_colour_and_times_are_carried_over(uneven: Path, tmp_path: Path, work: str) -> None:
    out = tmp_path / "out.mp4"
    wish = {} if work == "trim" else {"ratio": "4:3"}
    info = getattr(video_edit, work)(uneven, out, **wish)
    assert info.label == LABEL
    assert frame_times(out) == frame_times(uneven)
    with av.open(str(out)) as box:
        # what a player goes by
        assert float(box.duration or 0) / 1_000_000 == pytest.approx(info.duration_s, abs=0.001)
        context: Any = box.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (6, 6, 6)
    assert video.is_whole_mp4(out)


def test_rotated_files_come_out_upright(counted: Path, tmp_path: Path) -> None:
    for degrees in (90, 180, 270):
        turned = turn(counted, tmp_path / "turned.mp4", degrees)
        info = video_edit.crop(turned, tmp_path / "out.mp4", ratio="1:1")
        assert (info.size, info.rotation) == (Size(120, 120), 0)
        reference = np.rot90(np.asarray(video.frame(counted, 9)), -degrees // 90)
        top, left = (44, 0) if degrees != 180 else (0, 44)
        middle = reference[top : top + 120, left : left + 120]
        assert noise(middle, np.asarray(video.frame(info.path, 9))) < 8


def test_what_has_the_ratio_already_is_copied(clip: Path, tmp_path: Path) -> None:
    for work in (video_edit.crop, video_edit.pad):
        work(clip, tmp_path / "same.mp4", ratio="26:15")
        assert (tmp_path / "same.mp4").read_bytes() == clip.read_bytes()


def test_progress_rises_to_one(clip: Path, tmp_path: Path) -> None:
    told: list[float] = []
    video_edit.crop(clip, tmp_path / "out.mp4", ratio="1:1", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 10


def test_nothing_half_written_stays(clip: Path, tmp_path: Path) -> None:
    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    (tmp_path / "out.mp4").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        video_edit.crop(clip, tmp_path / "out.mp4", ratio="1:1", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"before"


def test_damaged_data_gives_an_error_and_no_file(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:4000])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        video_edit.crop(cut, tmp_path / "out.mp4", ratio="1:1")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.mp4"]


def test_wrong_wishes_are_told(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    for wish, said in (
        ({}, "either ratio"),
        ({"size": "101x100"}, "odd side"),
        ({"size": (210, 120)}, "does not fit in 208×120"),
        ({"ratio": "wide"}, "not a ratio"),
        ({"ratio": "3:0"}, "not a ratio"),
        ({"ratio": 0}, "not a ratio"),
        ({"ratio": "1919:1079"}, "not exact in multiples of 2 pixels at 208×120; the nearest simple one is 16:9"),
        ({"ratio": "1:1", "focus": (2, 0)}, "outside the picture"),
    ):
        with pytest.raises(GeometryError, match=said):
            video_edit.crop(clip, out, **wish)
    with pytest.raises(VideoError, match="is no colour"):
        video_edit.pad(clip, out, ratio="1:1", fill="blurry")
    for wish, said in (
        ({"ratio": "90:1"}, "over 8192 px"),
        ({"ratio": "9001:1079"}, "not exact"),
        ({"size": "200x120"}, "smaller than"),
    ):
        with pytest.raises(GeometryError, match=said):
            video_edit.pad(clip, out, **wish)
    for times in ((1.0, 0.5), (-1, 1), (0, 3.0), (2.5, None)):
        with pytest.raises(VideoError, match="is no part of"):
            video_edit.trim(clip, out, *times)
    with pytest.raises(VideoError, match="give a longer part"):
        video_edit.trim(clip, out, 0.001, 0.002)
    with pytest.raises(VideoError, match="give another name"):
        video_edit.crop(clip, clip, ratio="1:1")
    with pytest.raises(VideoError, match="does not exist"):
        video_edit.crop(clip, tmp_path / "no" / "out.mp4", ratio="1:1")
    assert not list(tmp_path.iterdir())
