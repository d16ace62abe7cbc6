"""Files that come and go: inputs fetched and measured, uploads under a policy, results under signed addresses.

Pillow, PyAV and httpx load when the first input comes, so that a simulator starts quickly.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4
from xml.sax.saxutils import escape

from wan_nb.simulator.engine import Form, Json, Medium, RefusedError
from wan_nb.simulator.intake import BAD_IMAGE
from wan_nb.simulator.scenario import Scenario
from wan_nb.simulator.store import Store

ACCESS_KEY = "SIMULATED"
UPLOAD_PATH = "/temporary-uploads"
UPLOAD_LIFE_S = 48 * 3600.0
"""Seconds that a temporary upload lives."""

_POLICY_LIFE_S = 300
_MOST_MB = 100
_SECRET = b"the simulator keeps no secrets"  # every process must sign alike
_FORMS: Mapping[Form, str] = {
    "data": r"data:",
    "oss": r"oss://",
    "http": r"https?://(localhost|127\.[\d.]+|\[::1\])(:\d+)?([/?#]|$)",
    "beyond": r"https?://[^/?#]",
}
"""How the address of an input begins."""
_FETCH_TIMEOUT_S = 10.0
_UNFETCHED = {
    403: "Don't have authorization to access the media resource",
    404: "Failed to find the requested media resource",
}
_STAND_IN_CLIP_S = 3.0


# --- inputs -----------------------------------------------------------------------------------------------------------


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
    form = next((form for form, pattern in _FORMS.items() if re.match(pattern, address, re.IGNORECASE)), None)
    if form is None:
        text = f"The {role} must be given as an http, https or oss url, or an image as base64 data."
        raise RefusedError("InvalidURL", text)
    if form == "beyond":
        name, (width, height) = re.split(r"[?#]", address)[0].rpartition("/")[2], scenario.stand_in
        seconds = _STAND_IN_CLIP_S if role == "first_clip" else 0.0
        return Medium(role, form, name=name, width=width, height=height, seconds=seconds)
    if form == "oss":
        file = uploaded(address)
    else:
        file = store.keep(_decoded(address) if form == "data" else _fetched(address))
    path = store.folder / file
    measured = _image(path) if role in ("first_frame", "last_frame") else _film(path, sound=role == "driving_audio")
    return Medium(role, form, file, path.stat().st_size, **measured)


def _decoded(address: str) -> bytes:
    head, _, data = address.partition(",")
    try:
        if re.fullmatch(r"data:[a-z]+/[\w.+-]+;base64", head, re.IGNORECASE):
            return base64.b64decode(data, validate=True)
    except ValueError:
        pass  # as good as none
    raise RefusedError("InvalidParameter", BAD_IMAGE)


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


# --- uploads and results ----------------------------------------------------------------------------------------------


def sign(*parts: object) -> str:
    """Return the signature of some values, base64 with its + and / as the real ones have."""
    return base64.b64encode(hmac.digest(_SECRET, "\n".join(map(str, parts)).encode(), "sha1")).decode()


def _check_signature(given: str, *parts: object) -> None:
    if not hmac.compare_digest(given.encode(), sign(*parts).encode()):
        text = "The request signature we calculated does not match the one you provided."
        raise RefusedError("SignatureDoesNotMatch", text, 403)


def result_url(origin: str, task_id: str, expires: int) -> str:
    """Return the address of a video; it must be used as it is, query and all."""
    mark = quote(sign("result", task_id, expires), safe="")
    return f"{origin}/results/{task_id}.mp4?Expires={expires}&OSSAccessKeyId={ACCESS_KEY}&Signature={mark}"


def check_download(task_id: str, query: Mapping[str, str], authorization: str | None, now: float) -> None:
    """Refuse a download whose address was changed, is too old, or comes with a key.

    Raises:
        RefusedError: If it is refused.
    """
    if authorization is not None:
        text = "Only one of signature in URL and Authorization header is allowed."
        raise RefusedError("InvalidArgument", text)
    expires = query.get("Expires", "")
    _check_signature(query.get("Signature", ""), "result", task_id, expires)
    if now >= int(expires):
        raise RefusedError("AccessDenied", "Request has expired.", 403)


def upload_folder(row: str) -> str:
    """Return where the keys of all uploads for a model begin, by its catalogue id."""
    return f"dashscope-instant/{sha256(row.encode()).hexdigest()[:8]}/"


def upload_name(key: str) -> str:
    """Return the name within the simulator's folder of what was uploaded under a key."""
    return f"uploads/{sha256(key.encode()).hexdigest()}"


def policy(row: str, origin: str, now: float) -> Json:
    """Return the data of a getPolicy answer for a model, by its catalogue id (FACTS §5)."""
    folder = upload_folder(row) + uuid4().hex
    text = base64.b64encode(json.dumps([now + _POLICY_LIFE_S, folder]).encode()).decode()
    return {
        "policy": text,
        "signature": sign(text),
        "upload_dir": folder,
        "upload_host": f"{origin}{UPLOAD_PATH}",
        "expire_in_seconds": _POLICY_LIFE_S,
        "max_file_size_mb": _MOST_MB,
        "capacity_limit_mb": 999_999_999,
        "oss_access_key_id": ACCESS_KEY,
        "x_oss_object_acl": "private",
        "x_oss_forbid_overwrite": "true",
    }


def check_upload(form: Mapping[str, str], size: int, taken: bool, now: float) -> None:
    """Refuse an upload that its policy does not cover.

    Raises:
        RefusedError: If the policy is not good, too old, or for something else, or the key is taken.
    """
    if form.get("OSSAccessKeyId") != ACCESS_KEY:
        text = "The OSS Access Key Id you provided does not exist in our records."
        raise RefusedError("InvalidAccessKeyId", text, 403)
    given = form.get("policy", "")
    _check_signature(form.get("Signature", ""), given)
    expires, folder = json.loads(base64.b64decode(given))
    if now >= expires:
        raise RefusedError("AccessDenied", "Invalid according to Policy: Policy expired.", 403)
    if not form.get("key", "").startswith(f"{folder}/"):
        rule = f'["starts-with", "$key", "{folder}"]'
        raise RefusedError("AccessDenied", f"Invalid according to Policy: Policy Condition failed: {rule}", 403)
    if size > _MOST_MB * 1024 * 1024:
        raise RefusedError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
    if taken:
        text = "The object you specified already exists and can not be overwritten."
        raise RefusedError("FileAlreadyExists", text, 409)


def xml(code: str, message: str) -> str:
    """Return the body of a refusal."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n'
        f"  <Code>{escape(code)}</Code>\n  <Message>{escape(message)}</Message>\n"
        f"  <RequestId>{uuid4().hex[:24].upper()}</RequestId>\n  <HostId>simulated</HostId>\n</Error>\n"
    )
