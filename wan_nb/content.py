"""What bytes are, by their content: format, size, length, colour.

Nothing here believes a file's name or a declared MIME type, and nothing here knows where the bytes came from. Untrusted
files are expected: what claims to be huge is not decoded, and no file can make a decoder open another.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from wan_nb import pixels
from wan_nb.errors import MediaError
from wan_nb.geometry import Size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from PIL.Image import Image as Picture

PIXEL_CEILING = 180_000_000
"""Pictures that claim more pixels are not decoded; the largest that any document allows is 8000×8000."""

READABLE = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "JPEG2000", "PPM", "ICO")
"""Formats that are opened: more than the service takes, so that a message can name them. Those that run other programs
(EPS) or that only some builds of Pillow know are left out."""

WANTED: Mapping[str, str] = {
    "image": "give a JPEG, PNG, BMP or WEBP picture",
    "audio": "give a wav or mp3 file",
    "video": "give an mp4 or mov file",
}
"""What to give instead, by kind (S001, S003)."""

_MIMES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "ogg": "application/ogg",
}
"""Containers of sounds and clips that are opened: as for pictures, more than the service takes."""
_DEMUXERS = {"mp4": "mov", "m4a": "mov", "webm": "matroska"}  # the others are called as they are

_SIGNS = {
    "AVIF": rb"(?s)....ftypavi[fs]",
    "HEIC, a phone’s format": rb"(?s)....ftyp(hei[cx]|mif1)",
    "m4a": rb"(?s)....ftypM4[AB] ",
    "mov": rb"(?s)....(ftypqt  |moov|mdat|wide|free|skip)",  # QuickTime knew no ftyp at first
    "mp4": rb"(?s)....ftyp",
    "wav": rb"(?s)R(IFF|F64)....WAVE",
    "avi": rb"(?s)R(IFF|F64)....AVI ",
    "mp3": rb"ID3|\xff[\xe2\xe3\xea\xeb\xf2\xf3\xfa\xfb]",  # eleven bits set, then the layer: III in MP3, none in AAC
    "aac": rb"\xff[\xe0\xe1\xe8\xe9\xf0\xf1\xf8\xf9]",
    "ogg": rb"OggS",
    "flac": rb"fLaC",
    "webm": rb"\x1aE\xdf\xa3",
    "PDF": rb"\s*%PDF",
    "SVG": rb"(?i)\s*<svg",
    "a web page": rb"(?i)\s*<(!doc|html)",
}
"""How files begin, each with what that looks like; the first that matches counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was measured."""

    sha256: str = ""
    """Hex digest of the bytes; empty where there are none."""
    nbytes: int = 0
    """Length in bytes."""
    mime: str = ""
    """MIME type by content, such as ``image/png``, never by file name."""
    format: str = ""
    """By content: ``JPEG``, ``PNG`` … for pictures; ``wav``, ``mp3``, ``mp4``, ``mov`` … for sounds and clips."""
    size: Size | None = None
    """Pixels as shown: after EXIF rotation, or a clip's rotation tag."""
    seconds: float | None = None
    """Length of a sound or clip."""
    mode: str = ""
    """Pillow's colour mode (``RGB``, ``CMYK``, ``P``, ``I;16``), with ``;16`` added for a colour PNG of 16 bits."""
    has_alpha: bool = False
    """Has an alpha channel or a transparent colour."""
    rotated: bool = False
    """The pixels are stored turned or flipped, and EXIF says so."""
    animated: bool = False
    """Has more than one frame; the first is the one measured."""

    @property
    def has_odd_colours(self) -> bool:
        """Whether no document names its colour mode: CMYK, 16 bits, floats."""
        return self.mode in ("CMYK", "I", "F") or self.mode.endswith(";16")

    def facts(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def open_picture(data: bytes) -> Picture:
    """Open a picture as it is stored, without decoding it."""
    from PIL import Image

    return Image.open(io.BytesIO(data), formats=READABLE)


def of_picture(data: bytes) -> Content:
    """Measure a picture; it is decoded whole, so that a broken one is found before it is paid for.

    Raises:
        MediaError: If it is empty, broken, no picture, or above `PIXEL_CEILING`; no name is in the text.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise MediaError(f"is empty; {WANTED['image']}.")
    found = "picture"
    try:
        picture = open_picture(data)
        found = str(picture.format).replace("MPO", "JPEG")  # MPO: a phone's JPEG with a second view in it
        if picture.width * picture.height > PIXEL_CEILING:  # Pillow's own limit can be switched off
            raise Image.DecompressionBombError(f"({picture.width * picture.height} pixels)")
        orientation = picture.getexif().get(pixels.ORIENTATION, 1)
        picture.load()
        turned = picture.getexif().get(pixels.ORIENTATION, 1) in range(5, 9)  # asked anew: Pillow turns a TIFF itself
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        claimed = f"{int(match[1]) / 1e6:.0f}" if (match := re.search(r"\((\d+) pixels", str(error))) else "too many"
        raise MediaError(
            f"claims {claimed} megapixels and was not decoded; scale it down, the service takes 8000 px a side at most."
        ) from None
    except UnidentifiedImageError:
        raise MediaError(f"is not a picture that can be read{_guess(data[:512])}; {WANTED['image']}.") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error … for broken files
        raise MediaError(f"this {found} is broken ({reason(error)}); copy or export it again.") from None
    size = Size(picture.width, picture.height)
    deep = found == "PNG" and data[24] == 16 and picture.mode in ("LA", "RGB", "RGBA")  # Pillow keeps 8 of the 16 bits
    return Content(
        sha256=hashlib.sha256(data).hexdigest(),
        nbytes=len(data),
        mime=Image.MIME[found],
        format=found,
        size=size.turned() if turned else size,
        mode=picture.mode + (";16" if deep else ""),
        has_alpha=picture.has_transparency_data,
        rotated=orientation in range(2, 9),
        animated=found in ("GIF", "WEBP", "PNG") and bool(getattr(picture, "is_animated", False)),
    )


def of_stream(file: io.BufferedIOBase, kind: str) -> Content:
    """Measure a sound or clip: a sound is decoded whole; of a clip, every packet is read and a frame decoded.

    Args:
        file: Just opened for reading, seekable.
        kind: ``"audio"`` or ``"video"``.

    Raises:
        MediaError: If it is empty, of no known container, broken, or has nothing of that kind; no name is in the text.
    """
    import av

    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    nbytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(512)
    file.seek(0)
    if not nbytes:
        raise MediaError(f"is empty; {WANTED[kind]}.")
    container = container_of(head)
    mime = _MIMES.get(container, "")
    if not mime or (kind == "video" and mime.startswith("audio/")):
        what = "a clip" if kind == "video" else "a sound"
        raise MediaError(f"is not {what} that can be read{_guess(head)}; {WANTED[kind]}.")
    demuxer = _DEMUXERS.get(container, container)
    try:  # the demuxer is named, so that no playlist can make FFmpeg open other files
        # PyAV 19 dropped the option: it is never strict about tags
        lenient: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        with av.open(file, "r", format=demuxer, **lenient) as opened:
            size, seconds = (None, _walk_sound(opened)) if kind == "audio" else _walk_clip(opened)
    except MediaError:
        raise
    except Exception as error:  # FFmpeg's errors are of many classes
        raise MediaError(f"this {container} is broken ({reason(error)}); copy or export it again.") from None
    return Content(sha256=sha256, nbytes=nbytes, mime=mime, format=container, size=size, seconds=seconds)


def _walk_sound(opened: InputContainer) -> float:
    """Return the seconds of the samples that decode: exact, where an MP3's packets count the encoder's padding too."""
    if not opened.streams.audio:
        raise MediaError(f"has no sound in it; {WANTED['audio']}.")
    stream = opened.streams.audio[0]
    samples, rate = 0, 1
    for frame in opened.decode(stream):
        samples, rate = samples + frame.samples, frame.sample_rate
    return _whole(samples / rate, stream)


def _walk_clip(opened: InputContainer) -> tuple[Size, float]:
    """Return the size of the first frame, as shown, and the seconds that the packets fill."""
    if not opened.streams.video:
        raise MediaError(f"has no picture in it; {WANTED['video']}.")
    stream, first, ticks = opened.streams.video[0], None, 0
    for packet in opened.demux(stream):
        ticks += packet.duration or 0
        if first is None:
            first = next(iter(packet.decode()), None)
    if first is None:
        raise MediaError("holds not one frame that can be decoded; export it again.")
    size = Size(first.width, first.height)
    seconds = _whole(float(ticks * (stream.time_base or 0)), stream)
    return (size.turned() if first.rotation % 180 else size), seconds


def _whole(seconds: float, stream: Stream) -> float:
    """Check the measured length against what the header promises, where a header knows it."""
    if not seconds:
        raise MediaError("holds nothing that can be decoded; export it again.")
    is_exact = stream.container.format.name.startswith("mov")  # the others only guess a length in their header
    if not is_exact or stream.duration is None or stream.time_base is None:
        return seconds
    declared = float(stream.duration * stream.time_base)
    if seconds < 0.9 * declared - 0.2:
        raise MediaError(f"breaks off after {seconds:.1f} of {declared:.1f} s; copy or download it again.")
    return min(seconds, declared)  # an edit list may show less than is stored


def container_of(head: bytes) -> str:
    """Return the name of a container, or of what else is known by its first bytes; an empty string for all others.

    Example:
        >>> container_of(b"RIFF....WAVEfmt "), container_of(b"%PDF-1.7"), container_of(b"#EXTM3U")
        ('wav', 'PDF', '')
    """
    return next((name for name, sign in _SIGNS.items() if re.match(sign, head)), "")


def _guess(head: bytes) -> str:
    """Say what it looks like instead, where that is plain."""
    name = container_of(head) or ("" if re.search(rb"[\0-\x08\x0e-\x1a]", head) else "text")
    return f" (it looks like {name})" if name else ""


def amount(nbytes: int) -> str:
    """Write a number of bytes for people, in units of 1024.

    Example:
        >>> amount(812), amount(31_400), amount(21 * 1024**2)
        ('812 bytes', '31 kB', '21.0 MB')
    """
    if nbytes < 1024:
        return f"{nbytes} bytes"
    return f"{nbytes / 1024:.0f} kB" if nbytes < 1024**2 else f"{nbytes / 1024**2:.1f} MB"


def reason(error: BaseException) -> str:
    """Return one short line for somebody else's exception."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
    return text[:120]
