"""Inputs of a task: fetched or decoded, kept in the folder, measured.

Pillow, PyAV and httpx load when the first input comes, so that a simulator starts quickly.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wan_nb.simulator.engine import Form, Medium, RefusedError
from wan_nb.simulator.intake import BAD_IMAGE
from wan_nb.simulator.scenario import Scenario
from wan_nb.simulator.store import Store

_DATA_URI = re.compile(r"data:[a-z]+/[\w.+-]+;base64,", re.IGNORECASE)
_FETCH_TIMEOUT_S = 10.0
_STAND_IN_CLIP_S = 3.0
_UNFETCHED = {
    403: "Don't have authorization to access the media resource",
    404: "Failed to find the requested media resource",
}


def take_in(role: str, address: str, uploaded: Callable[[str], str], store: Store, scenario: Scenario) -> Medium:
    """Fetch or decode one input, keep its bytes and measure it.

    Args:
        role: first_frame, last_frame, driving_audio or first_clip.
        address: Data URI, http(s) or oss address.
        uploaded: Finds the kept file of an oss address.
        store: Where bytes are kept.
        scenario: The size of stand-ins.

    Raises:
        RefusedError: If the service could not get it. What it cannot read has no format.
    """
    form = _form(address)
    if form is None:
        text = f"The {role} must be given as an http, https or oss url, or an image as base64 data."
        raise RefusedError("InvalidURL", text)
    if form == "beyond":
        (width, height), name = scenario.stand_in, urlsplit(address).path.rpartition("/")[2]
        seconds = _STAND_IN_CLIP_S if role == "first_clip" else 0.0
        return Medium(role, form, name=name, width=width, height=height, seconds=seconds)
    if form == "oss":
        file = uploaded(address)
    else:
        file = store.keep(_decoded(address) if form == "data" else _fetched(address))
    path = store.input(file)
    measured = _image(path) if role in ("first_frame", "last_frame") else _film(path, sound=role == "driving_audio")
    return Medium(role, form, file, path.stat().st_size, **measured)


def _form(address: str) -> Form | None:
    if address.startswith("data:"):
        return "data"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme == "oss":
        return "oss"
    if parts.scheme not in ("http", "https") or not host:
        return None
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    return "http" if near else "beyond"


def _decoded(address: str) -> bytes:
    head = _DATA_URI.match(address)
    if head is None:
        raise RefusedError("InvalidParameter", BAD_IMAGE)
    try:
        return base64.b64decode(address[head.end() :], validate=True)
    except ValueError:
        raise RefusedError("InvalidParameter", BAD_IMAGE) from None


def _fetched(address: str) -> bytes:
    """GET from loopback, as the service's own agent would from the internet."""
    import httpx

    agent = {"User-Agent": "DashScopeUserBot"}
    try:
        answer = httpx.get(address, headers=agent, timeout=_FETCH_TIMEOUT_S, trust_env=False)
    except httpx.TimeoutException:
        raise RefusedError("InvalidParameter", "Download the media resource timed out") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise RefusedError("InvalidParameter", "Failed to download multimodal content") from None
    if answer.status_code != 200:
        text = _UNFETCHED.get(answer.status_code, "Failed to download multimodal content")
        raise RefusedError("InvalidParameter", text)
    return answer.content


# --- measuring --------------------------------------------------------------------------------------------------------


def _image(path: Path) -> dict[str, Any]:
    """Return format, sides as shown, and alpha, as `Medium` names them; nothing of what cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            if max(width, height) <= 8000:  # what is larger fails by its header alone
                image.load()
            if image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
            alpha = image.format == "PNG" and ("A" in image.mode or "transparency" in image.info)
            kind = "JPEG" if image.format == "MPO" else image.format or ""  # a phone's JPEG with a second view in it
            return {"format": kind, "width": width, "height": height, "alpha": alpha}
    except Exception:
        return {}  # Pillow's readers raise anything for broken files; to the service they are all one


def _film(path: Path, *, sound: bool) -> dict[str, Any]:
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
        return {}
