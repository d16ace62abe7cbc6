"""Inputs of a task: fetched or decoded, kept in the folder, measured. What cannot be read becomes a `Medium` that says
so.

Pillow and PyAV load when the first input comes, so that a simulator starts quickly.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from wan_nb.catalog import find_model
from wan_nb.simulator.engine import Form, Medium
from wan_nb.simulator.scenario import Scenario
from wan_nb.simulator.store import Store

_DATA_URI = re.compile(r"data:(?P<mime>[a-z]+/[\w.+-]+);base64,", re.IGNORECASE)
_FETCH_TIMEOUT_S = 10.0
_MOST_BYTES = 200 * 1024 * 1024
_BAD_IMAGE = "Invalid image format or corrupted file"


class _UnreadableError(Exception):
    """An input that the service could not take; code and text are its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def take_in(
    role: str, address: str, *, model: str, resolve_oss: bool, store: Store, scenario: Scenario, now: float
) -> Medium:
    """Fetch or decode one input, keep its bytes and measure it. Never raises for what a client can cause.

    Args:
        role: first_frame, last_frame, driving_audio or first_clip.
        address: Data URI, http(s) or oss address.
        model: The task's model: an upload belongs to one.
        resolve_oss: Whether the call carried X-DashScope-OssResourceResolve.
        store: Where bytes are kept and uploads are found.
        scenario: Stand-ins, life of an upload, EXIF.
        now: Epoch seconds.
    """
    form = _form(address)
    if form == "beyond":
        width, height = scenario.stand_in
        seconds = scenario.stand_in_clip_s if role == "first_clip" else 0.0
        name = urlsplit(address).path.rpartition("/")[2]
        return Medium(role, form, name=name, width=width, height=height, seconds=seconds)
    if form == "other":
        return Medium(role, form)
    file, size = "", 0
    try:
        if form == "oss":
            file = _uploaded(address, model, resolve_oss, store, scenario, now)
        else:
            file = store.keep(_decoded(address) if form == "data" else _fetched(urlsplit(address)))
        size = store.input(file).stat().st_size
        return Medium(role, form, file, size, **measure(role, store.input(file), upright=scenario.upright))
    except _UnreadableError as bad:
        return Medium(role, form, file, size, code=bad.code, message=bad.message)


def _form(address: str) -> Form:
    if address.startswith("data:"):
        return "data"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return "other"
    if parts.scheme == "oss":
        return "oss"
    if parts.scheme not in ("http", "https") or not host:
        return "other"
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    return "http" if near else "beyond"


def _decoded(address: str) -> bytes:
    head = _DATA_URI.match(address)
    if head is None:
        raise _UnreadableError("InvalidParameter", _BAD_IMAGE)
    try:
        return base64.b64decode(address[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise _UnreadableError("InvalidParameter", _BAD_IMAGE) from None


def _fetched(parts: SplitResult) -> bytes:
    """GET from loopback, as the service's own agent would from the internet."""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_FETCH_TIMEOUT_S)
        try:
            path = parts.path or "/"
            agent = {"User-Agent": "DashScopeUserBot"}
            connection.request("GET", f"{path}?{parts.query}" if parts.query else path, headers=agent)
            answer = connection.getresponse()
            data = answer.read(_MOST_BYTES)
        finally:
            connection.close()
    except TimeoutError:
        raise _UnreadableError("InvalidParameter", "Download the media resource timed out") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise _UnreadableError("InvalidParameter", "Failed to download multimodal content") from None
    texts = {
        403: "Don't have authorization to access the media resource",
        404: "Failed to find the requested media resource",
    }
    if answer.status != 200:
        raise _UnreadableError("InvalidParameter", texts.get(answer.status, "Failed to download multimodal content"))
    return data


def _uploaded(address: str, model: str, resolve: bool, store: Store, scenario: Scenario, now: float) -> str:
    """Return the kept file of an oss address: only with the header, for the model that asked for the policy, and in
    time."""
    facts = store.upload(address.removeprefix("oss://")) if resolve else None
    if facts is None or now >= facts["date"] + scenario.upload_life_s:
        raise _UnreadableError("InvalidParameter", "Failed to find the requested media resource")
    if find_model(facts["model"]) is not find_model(model):
        raise _UnreadableError("InvalidParameter", "Don't have authorization to access the media resource")
    return str(facts["file"])


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(role: str, path: Path, *, upright: bool) -> dict[str, Any]:
    """Return format, sides, alpha and length of a file, as `Medium` names them."""
    return (
        _image(path, upright)
        if role in ("first_frame", "last_frame")
        else _footage(path, sound=role == "driving_audio")
    )


def _image(path: Path, upright: bool) -> dict[str, Any]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            if max(width, height) <= 8000:  # what is larger fails by its header alone
                image.load()
            if upright and image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
            alpha = image.format == "PNG" and ("A" in image.mode or "transparency" in image.info)
            kind = "JPEG" if image.format == "MPO" else image.format or ""  # a phone's JPEG with a second view in it
            return {"format": kind, "width": width, "height": height, "alpha": alpha}
    except Exception:
        # Pillow's readers raise anything for broken files; to the service they are all one.
        raise _UnreadableError("InvalidParameter", _BAD_IMAGE) from None


def _footage(path: Path, *, sound: bool) -> dict[str, Any]:
    import av

    try:
        with av.open(str(path)) as container:
            names = {"wav", "mp3", "mp4", "mov"} & set(container.format.name.split(","))
            track: Any = container.streams.audio[0] if sound else container.streams.video[0]
            # a clip is as long as its pictures: AAC sound beside them is often some milliseconds longer
            own = float(track.duration * track.time_base) if track.duration and track.time_base else 0.0
            seconds = own or (container.duration or 0) / 1_000_000
            found: dict[str, Any] = {"format": min(names, default=""), "seconds": seconds}
            return found if sound else {**found, "width": track.width, "height": track.height}
    except (av.error.FFmpegError, IndexError, OSError, ValueError):
        raise _UnreadableError("InvalidFormat", "") from None
