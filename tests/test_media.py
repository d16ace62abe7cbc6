from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import struct
import wave
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from wan_nb import media
from wan_nb.content import container_of
from wan_nb.errors import MediaError
from wan_nb.geometry import Size
from wan_nb.media import Media, file_path, load

LINE = re.compile(r"^'.*': .*[.?]$")


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, name: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def turned_jpeg(width: int, height: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(noise(width, height), "JPEG", exif=exif)


def sound_file(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\1\0" * int(16_000 * seconds))
    return path


def mp3_file(path: Path, seconds: float) -> Path:
    with av.open(str(path), "w") as box:
        stream = box.add_stream("libmp3lame", rate=44_100, layout="mono")
        samples = np.zeros((1, int(44_100 * seconds)), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout="mono")
        frame.sample_rate, frame.pts = 44_100, 0
        for packet in (*stream.encode(frame), *stream.encode()):
            box.mux(packet)
    return path


def clip_file(
    path: Path, frames: int = 30, width: int = 96, height: int = 64, rate: int = 15, front: bool = False
) -> Path:
    options = {"movflags": "faststart"} if front else {}
    with av.open(str(path), "w", options=options) as box:
        stream = box.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(frames):
            image = np.random.default_rng(_).integers(0, 256, (height, width, 3), dtype=np.uint8)
            box.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        box.mux(stream.encode())
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_measured_and_its_bytes_frozen(here: Path) -> None:
    data = encoded(noise(64, 36), "JPEG")
    (here / "cat.jpg").write_bytes(data)
    media = load("cat.jpg")
    assert (media.name, media.origin, media.kind, media.error) == ("cat.jpg", "file", "image", "")
    assert (media.format, media.mime, media.size, media.mode) == ("JPEG", "image/jpeg", Size(64, 36), "RGB")
    assert (media.nbytes, media.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    (here / "cat.jpg").unlink()
    assert media.read() == data
    assert media.picture().size == (64, 36)


@pytest.mark.parametrize(
    ("name", "mime"), [("PNG", "image/png"), ("BMP", "image/bmp"), ("WEBP", "image/webp"), ("TIFF", "image/tiff")]
)
def test_format_and_mime_come_from_the_content(here: Path, name: str, mime: str) -> None:
    (here / "wrong.jpg").write_bytes(encoded(noise(30, 20), name))
    media = load(here / "wrong.jpg")
    assert (media.format, media.mime) == (name, mime)


def test_data_uri_round_trip() -> None:
    media = load(encoded(noise(31, 20)))
    uri = media.data_uri()
    assert len(uri) == media.data_uri_length
    again = load(uri)
    assert (again.origin, again.sha256, again.declared_mime) == ("data", media.sha256, "")


@pytest.mark.parametrize("tail", [0, 1, 2])
def test_data_uri_length_is_right_for_every_padding(tail: int) -> None:
    media = load(encoded(noise(31, 20), "BMP") + b"\0" * tail)
    assert len(media.data_uri()) == media.data_uri_length


def test_data_uri_whose_mime_is_not_its_content() -> None:
    uri = load(encoded(noise(31, 20))).data_uri().replace("image/png", "image/jpg")
    media = load(uri)
    assert (media.declared_mime, media.mime) == ("image/jpg", "image/png")
    assert media.data_uri().startswith("data:image/png;base64,")


def test_data_uri_in_odd_spelling() -> None:
    data = encoded(noise(31, 20))
    text = base64.b64encode(data).decode().rstrip("=")
    spelled = f"  DATA:image/PNG;charset=utf-8;BASE64,{text[:40]}\n {text[40:]}".replace("+", "%2B")
    assert load(spelled).read() == data


@pytest.mark.parametrize(
    "uri", ["data:image/png;base64,GDU7MtCZzEbTbmRZ......", "data:image/png,hello", "data:image/png;base64", "data:,ü"]
)
def test_data_uri_that_is_none(uri: str) -> None:
    media = load(uri)
    assert LINE.match(media.error)
    assert "base64" in media.error


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:///home/images/test.png", "/home/images/test.png"),  # seeds 003, 004
        ("file://./images/test.png", "./images/test.png"),
        ("file://D:/images/test.png", "D:/images/test.png"),
        ("file:///D:/images/test.png", "D:/images/test.png"),
        ("file:///C:/path/to/your/img.png", "C:/path/to/your/img.png"),
        ("FILE://localhost/a/b.png", "/a/b.png"),
        ("file:/a/b.png", "/a/b.png"),
        ("file://images/test.png", "images/test.png"),
        ("file:///a/my%20cat%C3%A9.png", "/a/my caté.png"),
    ],
)
def test_file_addresses(text: str, path: str) -> None:
    assert file_path(text) == path


def test_file_addresses_are_read(here: Path) -> None:
    (here / "my cat.png").write_bytes(encoded(noise(31, 20)))
    (here / "100%25.png").write_bytes(encoded(noise(20, 31)))
    for text in (
        "file://./my%20cat.png",
        "file://my cat.png",
        f"file://{here}/my%20cat.png",
        (here / "my cat.png").as_uri(),
    ):
        assert load(text).size == Size(31, 20), text
    assert load("file://./100%25.png").size == Size(20, 31)


def test_home_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    (here / "cat.png").write_bytes(encoded(noise(31, 20)))
    assert load("~/cat.png").size == load("file://~/cat.png").size == Size(31, 20)


@pytest.mark.parametrize(
    ("text", "name", "origin"),
    [
        ("https://example.com/a/b/cat.png?Signature=s3cret#x", "example.com/…/cat.png", "url"),
        ("HTTP://user:s3cret@example.com:81/cat%20b.png", "example.com/cat b.png", "url"),
        ("oss://dashscope-instant/s3cret/2026/cat.png", "oss://…/cat.png", "oss"),
    ],
)
def test_addresses_are_kept_not_fetched_and_not_shown(text: str, name: str, origin: str) -> None:
    media = load(text)
    assert (media.name, media.origin, media.url, media.size, media.sha256) == (name, origin, text, None, "")
    assert not media.error
    for shown in (repr(media), str(media), media._repr_html_()):
        assert "s3cret" not in shown
    assert media.data_uri_length == 0
    with pytest.raises(MediaError, match="not fetched"):
        media.read()


@pytest.mark.parametrize(
    "text", ["https://", "http://[::1/x", "https://example.com/my cat.png", "ftp://a/b.png?k=v", "", "  "]
)
def test_what_is_no_address(text: str) -> None:
    assert LINE.match(load(text).error)


def test_memory_sources() -> None:
    data = encoded(noise(31, 20), "JPEG")
    for source in (data, bytearray(data), memoryview(data)):
        assert load(source).read() == data
    upload = {"name": "<b>.jpg", "type": "image/jpeg", "size": len(data), "content": memoryview(data)}
    assert load(upload).name == load((upload,)).name == "<b>.jpg"
    media = load(data)
    assert load(media) is media


def test_a_pil_image_is_kept_without_loss() -> None:
    picture = noise(31, 20, 4)
    media = load(picture)
    assert (media.format, media.has_alpha, media.name) == ("PNG", True, "picture 31×20")
    assert np.array_equal(np.asarray(media.picture()), np.asarray(picture))


def test_a_pil_image_keeps_what_turns_it_and_nothing_else_of_its_exif() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "MakerOfCamera"
    media = load(Image.open(io.BytesIO(encoded(noise(64, 36), "JPEG", exif=exif))))
    assert (media.rotated, media.size) == (True, Size(36, 64))
    assert b"MakerOfCamera" not in media.read()


def test_a_pil_image_that_breaks_when_decoded_is_an_error() -> None:
    data = encoded(noise(640, 360), "JPEG")
    assert "cannot be kept" in load(Image.open(io.BytesIO(data[: len(data) // 2]))).error
    assert "to_rgb" in load(Image.new("CMYK", (31, 20))).error


def test_arrays() -> None:
    grey = load(np.zeros((20, 31), np.uint8))
    assert (grey.name, grey.mode, grey.size) == ("array 31×20", "L", Size(31, 20))
    assert load(np.zeros((20, 31, 1), np.uint8)).mode == "L"
    assert load(np.zeros((20, 31, 4), np.uint8)).has_alpha
    floats = load(np.full((20, 31, 3), 0.5))
    assert floats.picture().getpixel((3, 2)) == (128, 128, 128)
    assert load(np.zeros((20, 31, 3), np.uint8)[:, ::-1]).size == Size(31, 20)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 31), np.uint8), "height × width"),
        (np.zeros(7, np.uint8), "height × width"),
        (np.zeros((0, 31), np.uint8), "height × width"),
        (np.full((20, 31), 255.0), "0 … 1"),
        (np.full((20, 31), np.nan), "0 … 1"),
        (np.zeros((20, 31), np.int64), "int64"),
    ],
)
def test_arrays_that_are_no_picture(array: np.ndarray, words: str) -> None:
    assert words in load(array).error


@pytest.mark.parametrize("source", [3, None, 2.5, object(), [], [b"a", b"b"], {"a": 1}])
def test_what_cannot_be_meant_is_raised(source: object) -> None:
    with pytest.raises(MediaError, match="give a path"):
        load(source)


def test_an_unknown_kind_is_raised() -> None:
    with pytest.raises(MediaError, match="'audio'"):
        load("cat.png", "picture")  # type: ignore[arg-type]


def test_missing_files_name_their_neighbours(here: Path) -> None:
    (here / "Cat2.png").write_bytes(encoded(noise(31, 20)))
    assert "did you mean 'Cat2.png'?" in load("cat.png").error
    assert "check the name" in load("zebra.jpeg").error
    assert "no such folder" in load("nowhere/cat.png").error


def test_odd_files_are_errors_in_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "notes.png").write_text("not a picture at all\n")
    (here / "empty.png").touch()
    (here / "folder.png").mkdir()
    (here / "page.png").write_text("<!DOCTYPE html><p>404")
    (here / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    jpeg = encoded(noise(640, 360), "JPEG")
    (here / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (here / "cut.png").write_bytes(encoded(noise(64, 36))[:900])
    words = {
        "notes.png": "looks like text", "empty.png": "is empty", "folder.png": "is a folder", "page.png": "web page",
        "phone.heic": "HEIC", "cut.jpg": "JPEG is broken", "cut.png": "PNG is broken",
        "x" * 5000: "name too long", "a\0b": "null",
    }  # fmt: skip
    for name, expected in words.items():
        media = load(name)
        assert expected in media.error, (name, media.error)
        assert LINE.match(media.error), media.error
        assert (media.sha256, media.nbytes, media.size, media.data) == ("", 0, None, None)
        assert media._repr_html_()
        with pytest.raises(MediaError):
            media.read()

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "no permission" in load("cut.jpg").error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(here: Path) -> None:
    os.mkfifo(here / "pipe.png")
    assert "not a regular file" in load("pipe.png").error


def test_a_decompression_bomb_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "claims 3600 megapixels" in load(png_claiming(60_000, 60_000)).error
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as many notebooks do
    assert "claims 3600 megapixels" in load(png_claiming(60_000, 60_000)).error


@pytest.mark.parametrize("size", [(1, 1), (8000, 240), (1, 300)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    media = load(encoded(Image.new("RGB", size, "teal")))
    assert media.size == Size(*size)
    assert Image.open(io.BytesIO(media.thumbnail())).size[0] <= 320


def test_a_small_picture_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form shows it anew at every change; another side, and another picture, are others. Few are kept."""
    data = encoded(Image.new("RGB", (420, 300), "salmon"))
    small = load(data).thumbnail(100)
    assert load(data).thumbnail(100) is small
    assert load(data).thumbnail(90) != small
    assert load(encoded(Image.new("RGB", (420, 300), "teal"))).thumbnail(100) != small
    for side in range(20, 120):
        load(data).thumbnail(side)
    assert len(media._SMALL) == media._SMALL_ONES


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation: int) -> None:
    media = load(turned_jpeg(64, 36, orientation))
    assert media.rotated == (orientation > 1)
    assert media.size == (Size(36, 64) if orientation > 4 else Size(64, 36))
    assert media.picture().size == tuple(media.size)
    assert Image.open(io.BytesIO(media.thumbnail(20))).size == ((11, 20) if orientation > 4 else (20, 11))


def test_a_turned_tiff_is_measured_as_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    media = load(encoded(noise(64, 36), "TIFF", exif=exif))
    assert media.size == Size(*media.picture().size) == Size(36, 64)


def test_modes_and_alpha() -> None:
    assert load(encoded(noise(31, 20).convert("CMYK"), "JPEG")).mode == "CMYK"
    palette = noise(31, 20).convert("P")
    assert (load(encoded(palette)).mode, load(encoded(palette)).has_alpha) == ("P", False)
    assert load(encoded(palette, transparency=3)).has_alpha
    assert load(encoded(noise(31, 20), transparency=(1, 2, 3))).has_alpha
    assert load(encoded(noise(31, 20, 2))).has_alpha
    deep = Image.fromarray(np.linspace(0, 65_535, 620).astype(np.uint16).reshape(20, 31))
    media = load(encoded(deep))
    assert media.mode in ("I;16", "I")
    shown = np.asarray(Image.open(io.BytesIO(media.thumbnail())).convert("L")).astype(int)
    assert (shown[0, 0] < 10, shown[-1, -1] > 245, 110 < shown[10, 0] < 150) == (True, True, True)


def test_sixteen_bit_colour_is_named() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + bytes(31 * 6) for _ in range(20))
    head = struct.pack(">IIBBBBB", 31, 20, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert load(data).mode == "RGB;16"


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_animation(name: str) -> None:
    frames = [noise(31, 20), Image.new("RGB", (31, 20), "red")]
    media = load(encoded(frames[0], name, save_all=True, append_images=frames[1:], duration=100))
    assert (media.animated, media.size, media.format) == (True, Size(31, 20), name)
    assert not load(encoded(frames[0], name)).animated


def test_a_phone_jpeg_with_two_views_is_a_jpeg() -> None:
    media = load(encoded(noise(31, 20), "MPO", save_all=True, append_images=[noise(31, 20)]))
    assert (media.format, media.mime, media.animated) == ("JPEG", "image/jpeg", False)


def test_sounds(here: Path) -> None:
    wav = load(sound_file(here / "a.dat", 2.5), "audio")
    assert (wav.format, wav.mime, wav.seconds, wav.data) == ("wav", "audio/wav", 2.5, None)
    assert wav.sha256 == hashlib.sha256((here / "a.dat").read_bytes()).hexdigest()
    mp3 = load(str(mp3_file(here / "a.mp3", 2)), "audio")
    assert (mp3.format, mp3.mime) == ("mp3", "audio/mpeg")
    assert mp3.seconds == pytest.approx(2, abs=0.001)
    from_bytes = load((here / "a.mp3").read_bytes(), "audio")
    assert (from_bytes.seconds, from_bytes.sha256) == (mp3.seconds, mp3.sha256)
    assert load(mp3.data_uri(), "audio").mime == "audio/mpeg"


def test_clips(here: Path) -> None:
    clip = load(clip_file(here / "a.mp4"), "video")
    assert (clip.format, clip.mime, clip.size, clip.seconds) == ("mp4", "video/mp4", Size(96, 64), 2.0)
    assert load(clip_file(here / "a.mov"), "video").mime == "video/quicktime"
    with clip.open() as file:
        assert len(file.read()) == clip.nbytes


def test_the_rotation_tag_of_a_clip(here: Path) -> None:
    data = bytearray(clip_file(here / "a.mp4").read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the display matrix of version 0
    assert struct.unpack(">9i", data[at : at + 36])[0] == 0x10000
    data[at : at + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 64 << 16, 0, 0x40000000)
    assert load(bytes(data), "video").size == Size(64, 96)


def test_what_is_no_sound_or_clip(here: Path) -> None:
    clip_file(here / "a.mp4")
    sound_file(here / "a.wav", 1)
    (here / "playlist.mp3").write_text("#EXTM3U\nfile:///etc/hostname\n")
    (here / "empty.wav").touch()
    whole = clip_file(here / "front.mp4", front=True).read_bytes()
    (here / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (here / "cut2.mp4").write_bytes((here / "a.mp4").read_bytes()[:3000])
    assert "no sound in it" in load("a.mp4", "audio").error
    assert "not a clip" in load("a.wav", "video").error
    assert "looks like text" in load("playlist.mp3", "audio").error
    assert "is empty" in load("empty.wav", "audio").error
    assert "breaks off" in load("cut.mp4", "video").error
    assert "broken" in load("cut2.mp4", "video").error
    assert "looks like mp4" in load("a.mp4").error
    assert "is a folder" in load(here, "video").error


def test_a_file_that_changes_after_it_was_measured_is_not_sent(here: Path) -> None:
    path = sound_file(here / "a.wav", 1)
    media = load(path, "audio")
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    with pytest.raises(MediaError, match="changed"):
        media.read()
    path.write_bytes(b"short")
    with pytest.raises(MediaError, match="changed"):
        media.open()
    path.unlink()
    with pytest.raises(MediaError, match="load it again"):
        media.open()


def test_an_object_with_a_path(here: Path) -> None:
    class Video:
        path = clip_file(here / "a.mp4")

    assert load(Video(), "video").seconds == 2.0


def test_what_is_shown_is_escaped_and_static() -> None:
    media = load({"name": "<script>alert(1)</script>\n.png", "content": encoded(noise(31, 20, 4))})
    bundle = {"text/plain": repr(media), "text/html": media._repr_html_()}
    assert "<script" not in bundle["text/html"]
    assert "data:image/jpeg;base64," in bundle["text/html"]
    assert "PNG 31×20" in bundle["text/plain"]
    assert "has alpha" in bundle["text/plain"]
    assert "\n" not in bundle["text/plain"]
    assert media.data is not None
    assert repr(media.data) not in repr(media)


def test_equal_bytes_are_equal_wherever_they_lie(here: Path) -> None:
    for name in ("a", "b"):
        (here / name).mkdir()
        (here / name / "cat.png").write_bytes(encoded(noise(31, 20)))
    assert load("a/cat.png") == load("b/cat.png")
    assert len({load("a/cat.png"), load("b/cat.png")}) == 1
    assert isinstance(load("a/cat.png"), Media)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypisom", "mp4"), (b"\0\0\0\x14ftypqt  ", "mov"), (b"\0\0\0\x08wide", "mov"), (b"ID3\4", "mp3"),
        (b"\xff\xfb\x90", "mp3"), (b"\xff\xf1\x50", "aac"), (b"\xff\xfeh\0", ""), (b"\xff\xd8\xff", ""), (b"", ""),
    ],
)  # fmt: skip
def test_containers_by_their_first_bytes(head: bytes, name: str) -> None:
    assert container_of(head) == name
