"""Pictures, sounds and clips as measured values.

`load` takes whatever a user has (path, ``file://``, URL, data URI, bytes, PIL image, array) and returns a `Media`: what
it is, how large, how long, and the very bytes that will be sent. A file that cannot be read is no exception, but a
`Media` with an `error`, so that a form can show it beside everything else that is wrong. URLs are never fetched.

This module knows no model and no limit: whether a picture is *allowed* is the request's question.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import stat
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from wan_nb import content, pixels
from wan_nb.content import WANTED, amount, reason
from wan_nb.errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Kind = Literal["image", "audio", "video"]
Origin = Literal["url", "oss", "data", "file", "memory"]

_SCHEMES = ("http", "https", "oss")
"""What an address may begin with."""

BYTE_CEILING = 512 * 1024**2
"""Picture files larger than this are not read at all."""

_SMALL_ONES = 64
_SMALL: OrderedDict[tuple[str, int], bytes] = OrderedDict()
"""The last small JPEGs, by content and longest side: to decode a large picture takes a tenth of a second."""


@dataclass(frozen=True, slots=True, repr=False)
class Media(content.Content):
    """One picture, sound or clip, measured when it was loaded; afterwards it reads nothing but its own bytes.

    Made by `load`, not by hand.
    """

    kind: Kind
    """What it was loaded as."""
    origin: Origin
    """Where it came from."""
    name: str
    """For people: the file's name, or a URL without its query string."""
    declared_mime: str = ""
    """MIME type that a data URI claims, where its content is another."""
    error: str = ""
    """Why it cannot be used, in one line; then all that is measured is empty."""
    url: str = ""
    """The address as given, for a URL or ``oss://``; empty for all that has bytes."""
    path: Path | None = field(default=None, compare=False)
    """The file, absolute."""
    data: bytes | None = field(default=None, compare=False)
    """The bytes that were hashed; None for URLs, and for sounds and clips that stay in their file."""

    def open(self) -> io.BufferedIOBase:
        """Open the bytes for reading.

        Raises:
            MediaError: If there are none here (a URL), it has an error, or the file was changed since then.
        """
        if self.error:
            raise MediaError(self.error)
        if self.data is not None:
            return io.BytesIO(self.data)
        if self.path is None:
            raise MediaError(f"{self.name!r} is an address, which is not fetched; download it and load the file.")
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise MediaError(f"{self.name!r}: {reason(error)}; it could be read before, load it again.") from None
        if os.fstat(file.fileno()).st_size != self.nbytes:
            file.close()
            raise MediaError(f"{self.name!r} was changed since it was loaded; load it again.")
        return file

    def read(self) -> bytes:
        """Return the bytes that `sha256` is of.

        Raises:
            MediaError: As `open`.
        """
        with self.open() as file:
            data = file.read()
        if self.data is None and hashlib.sha256(data).hexdigest() != self.sha256:
            raise MediaError(f"{self.name!r} was changed since it was loaded; load it again.")
        return data

    def data_uri(self) -> str:
        """Return ``data:{MIME};base64,…`` with the MIME type of the content.

        Raises:
            MediaError: As `open`.
        """
        return f"data:{self.mime};base64,{base64.b64encode(self.read()).decode('ascii')}"

    @property
    def data_uri_length(self) -> int:
        """Characters of `data_uri`, without building it; 0 where there are no bytes."""
        return len(f"data:{self.mime};base64,") + 4 * ((self.nbytes + 2) // 3) if self.nbytes else 0

    def stored(self) -> Picture:
        """Open the picture as it is stored, not turned upright.

        Raises:
            MediaError: If it is not a picture with bytes.
        """
        if self.kind != "image":
            raise MediaError(f"{self.name!r} is loaded as {self.kind}, not as a picture.")
        return content.open_picture(self.read())

    def picture(self) -> Picture:
        """Decode the picture (the first frame of an animated one), upright.

        Raises:
            MediaError: If it is not a picture with bytes.
        """
        from PIL import ImageOps

        return ImageOps.exif_transpose(self.stored())

    def thumbnail(self, longest: int = 320) -> bytes:
        """Return a small upright JPEG, grey squares where it can be seen through.

        Args:
            longest: Pixels of the longer side, at most; a smaller picture keeps its size.

        Raises:
            MediaError: If it is not a picture with bytes.
        """
        from PIL import ImageOps

        key = (self.sha256, longest)
        if small := _SMALL.get(key):  # views ask again at every change of a form
            return small
        picture = self.stored()
        picture.draft(None, (2 * longest, 2 * longest))  # a JPEG is decoded at a fraction of its size
        small = pixels.thumbnail(ImageOps.exif_transpose(picture), longest)
        while len(_SMALL) >= _SMALL_ONES:
            _SMALL.popitem(last=False)
        _SMALL[key] = small
        return small

    def __repr__(self) -> str:
        if self.error:
            return self.error
        if self.url:
            return f"{self.name}: {'an address' if self.origin == 'url' else 'an upload'}, not fetched"
        parts = [f"{self.format} {self.size or ''}".strip()]
        parts += [f"{self.seconds:.2f} s"] if self.seconds is not None else []
        parts += [f"colour mode {self.mode}"] if self.mode not in ("", "RGB", "RGBA", "L") else []
        flags = {"has alpha": self.has_alpha, "turned by EXIF": self.rotated, "animated": self.animated}
        return f"{self.name}: {', '.join([*parts, amount(self.nbytes), *(text for text, on in flags.items() if on)])}"

    def _repr_html_(self) -> str:
        small = self.thumbnail() if self.kind == "image" and self.data else None
        return pixels.figure(small, str(self))


def load(source: object, kind: Kind = "image") -> Media:
    """Measure a picture, sound or clip.

    Args:
        source: A path (``~`` is the home folder), ``file://`` in every form of the vendor's documents, an http(s) or
            ``oss://`` address (not fetched), a base64 data URI, bytes, a PIL image or numpy array (both kept as PNG),
            an entry of a FileUpload's value, a mended picture, an object with a ``path`` such as a video, or a `Media`.
            Arrays are height × width (× 3 or 4), uint8, or floats from 0 to 1.
        kind: What it is meant to be: ``"image"``, ``"audio"`` or ``"video"``.

    Returns:
        The measured value. If it cannot be read, its `error` says why in one line.

    Raises:
        MediaError: If `source` is of a type that cannot be meant, such as a number.

    Example:
        >>> load("https://example.com/a/b/cat.png?Signature=secret").name
        'example.com/…/cat.png'
        >>> load("data:image/png;base64,GDU7MtCZzEbTbmRZ......").error
        "'data URI': what follows the comma is not base64; give the whole string, data:{MIME type};base64,{data}."
    """
    if kind not in get_args(Kind):
        raise MediaError(f"kind {kind!r} is not known; it is 'image', 'audio' or 'video'.")
    if isinstance(source, (tuple, list)) and len(source) == 1:
        source = source[0]  # FileUpload.value of one file
    if isinstance(source, Media):
        return source
    if isinstance(source, str):
        return _load_text(source, kind)
    if isinstance(source, Mapping) and "content" in source:
        return _measure(bytes(source["content"]), Media(kind, "memory", _label(str(source.get("name") or "upload"))))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _measure(bytes(source), Media(kind, "memory", f"{len(bytes(source))} bytes"))
    if kind == "image" and (media := _load_pixels(source)) is not None:
        return media
    path = source if isinstance(source, os.PathLike) else getattr(source, "path", None)
    if isinstance(path, os.PathLike):
        return _load_file(os.fsdecode(path), kind)
    given = type(source).__name__
    raise MediaError(f"{given} is no {kind}; give a path, URL, data URI, bytes, PIL image or numpy array.")


def _load_text(text: str, kind: Kind) -> Media:
    stripped = text.strip()
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(?=\S)", stripped)
    scheme = match[1].lower() if match else ""
    if scheme == "data":
        return _load_data_uri(stripped, kind)
    if scheme == "file":
        return _load_file(file_path(stripped), kind)
    if scheme in _SCHEMES or (match and stripped.startswith("//", match.end())):
        return _load_address(stripped, scheme, kind)
    return _load_file(text, kind)


def _load_address(text: str, scheme: str, kind: Kind) -> Media:
    origin: Origin = "oss" if scheme == "oss" else "url"
    media = Media(kind, origin, _label(text.partition("?")[0]), url=text)
    if scheme not in _SCHEMES:
        return _bad(media, f"{scheme}:// is not taken; give http(s)://, oss://, file://, a data URI or a path")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError as error:
        return _bad(media, f"is not an address ({error}); write it as https://host/path")
    if not host or re.search(r"\s", text):
        return _bad(media, "is not an address; write it as https://host/path without spaces (%20 stands for one)")
    *folders, last = [part for part in parts.path.split("/") if part] or [""]
    middle = "…/" if folders or origin == "oss" else ""
    start = "oss://" if origin == "oss" else f"{host}/"
    return replace(media, name=_label(f"{start}{middle}{unquote(last)}"))


def _load_data_uri(text: str, kind: Kind) -> Media:
    head, comma, body = text.partition(",")
    declared, *options = (part.strip().lower() for part in head[5:].split(";"))
    media = Media(kind, "data", "data URI")
    if not comma or "base64" not in options:
        return _bad(media, "is not in base64; write it as data:{MIME type};base64,{data}")
    try:
        raw = b"".join(unquote_to_bytes(body).split())
        data = base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except ValueError:
        said = "what follows the comma is not base64; give the whole string, data:{MIME type};base64,{data}"
        return _bad(media, said)
    media = _measure(data, media)
    return replace(media, declared_mime=declared) if media.mime and declared != media.mime else media


def file_path(text: str) -> str:
    """Return the path that a ``file:`` address means, in every form of the vendor's documents.

    Percent signs are decoded unless a file of the undecoded name exists.

    Example:
        >>> [file_path(text) for text in ("file:///home/a.png", "file://./a.png", "file://D:/a.png", "file:///D:/a%20b.png")]
        ['/home/a.png', './a.png', 'D:/a.png', 'D:/a b.png']
    """
    rest = re.sub(r"^file:(//(localhost(?=/))?)?(/(?=[a-z]:[/\\]))?", "", text, count=1, flags=re.IGNORECASE)
    try:
        return rest if Path(rest).exists() else unquote(rest)
    except (OSError, ValueError):
        return unquote(rest)


def _load_file(text: str, kind: Kind) -> Media:
    media = Media(kind, "file", _label(Path(text).name or text))
    if not text.strip():
        return _bad(media, f"nothing was given; {WANTED[kind]}")
    try:
        path = Path(text).expanduser().absolute()
        media = replace(media, path=path)
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _bad(media, f"is a folder; {WANTED[kind]} in it")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            return _bad(media, f"is not a regular file; {WANTED[kind]}")
        if kind == "image" and status.st_size > BYTE_CEILING:
            return _bad(media, f"has {amount(status.st_size)}, too much for a picture; scale it down")
        if kind == "image":
            return _measure(path.read_bytes(), media)
        with path.open("rb") as file:
            return replace(media, **content.of_stream(file, kind).facts())
    except MediaError as error:
        return _bad(media, str(error))
    except FileNotFoundError:
        return _bad(media, _missing(path))
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a NUL in it, no home folder
        return _bad(media, f"{reason(error)}; {WANTED[kind]}")


def _missing(path: Path) -> str:
    """Say what is missing, and which names in its folder are near; a suffix alone makes none alike."""
    from difflib import get_close_matches  # only after a mistake

    if not path.parent.is_dir():
        return f"no such folder: {path.parent}; check the path (this kernel works in {Path.cwd()})"
    names = {entry.name: entry.stem.lower() for entry in islice(path.parent.iterdir(), 2000) if entry.is_file()}
    stems = get_close_matches(path.stem.lower(), set(names.values()), n=3)
    near = " or ".join([repr(name) for stem in stems for name in names if names[name] == stem][:3])
    return f"no such file in {path.parent}; {f'did you mean {near}?' if near else 'check the name'}"


def _load_pixels(source: object) -> Media | None:
    """Encode a PIL image, an array, or what holds one in `picture`; None if it is none of these."""
    numpy, pil = sys.modules.get("numpy"), sys.modules.get("PIL.Image")  # without them nobody can hold such a thing
    media = Media("image", "memory", "picture")
    try:
        if numpy is not None and isinstance(source, numpy.ndarray):
            shape = source.shape[1::-1] if source.ndim > 1 else source.shape
            media = replace(media, name=f"array {'×'.join(map(str, shape))}")
            picture = pixels.from_array(source)
        elif pil is not None and isinstance(found := getattr(source, "picture", source), pil.Image):
            picture = found
            label = getattr(source, "name", "") or Path(str(getattr(found, "filename", ""))).name
            media = replace(media, name=_label(label or f"picture {found.width}×{found.height}"))
        else:
            return None
        return _measure(pixels.png(picture), media)
    except MediaError as error:
        return _bad(media, str(error))
    except Exception as error:  # a picture that was opened and not yet decoded can break in every way a file can
        return _bad(media, f"cannot be kept as PNG ({reason(error)}); open or make it again")


def _measure(data: bytes, media: Media) -> Media:
    """Fill in what the bytes say."""
    try:
        if media.kind == "image":
            return replace(media, data=data, **content.of_picture(data).facts())
        return replace(media, data=data, **content.of_stream(io.BytesIO(data), media.kind).facts())
    except MediaError as error:
        return _bad(media, str(error))


def _bad(media: Media, error: str) -> Media:
    return replace(media, error=f"{media.name!r}: {error if error[-1] in '.?' else error + '.'}")


def _label(text: str) -> str:
    """Make a name from outside fit for one line."""
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return text if len(text) <= 80 else f"{text[:50]}…{text[-29:]}"
