"""The storage beside the service: signed result URLs, upload policies, and refusals in its XML. Pure functions."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4
from xml.sax.saxutils import escape

from wan_nb.simulator.engine import Json, RefusedError

ACCESS_KEY = "SIMULATED"
UPLOAD_PATH = "/temporary-uploads"

UPLOAD_LIFE_S = 48 * 3600.0
"""Seconds that a temporary upload lives."""

_POLICY_LIFE_S = 300
_MOST_MB = 100
_SECRET = b"the simulator keeps no secrets"  # every process must sign alike


def sign(*parts: object) -> str:
    """Return the signature of some values, base64 with its + and / as the real ones have."""
    return base64.b64encode(hmac.digest(_SECRET, "\n".join(map(str, parts)).encode(), "sha1")).decode()


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


def _check_signature(given: str, *parts: object) -> None:
    if not hmac.compare_digest(given.encode(), sign(*parts).encode()):
        text = "The request signature we calculated does not match the one you provided."
        raise RefusedError("SignatureDoesNotMatch", text, 403)


def policy(model: str, origin: str, now: float) -> Json:
    """Return the data of a getPolicy answer (FACTS §5)."""
    folder = f"dashscope-instant/{sign(model)[:8].translate(str.maketrans('+/', '-_'))}/{uuid4().hex}"
    rules = {
        "expiration": datetime.fromtimestamp(now + _POLICY_LIFE_S, UTC).isoformat(timespec="milliseconds"),
        "conditions": [
            ["content-length-range", 0, _MOST_MB * 1024 * 1024],
            ["starts-with", "$key", folder],
            {"x-model": model},
        ],
    }
    text = base64.b64encode(json.dumps(rules).encode()).decode()
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


def check_upload(form: Mapping[str, str], size: int, taken: bool, now: float) -> str:
    """Return the model that an upload's policy was given for.

    Raises:
        RefusedError: If the policy is not good, too old, or for something else, or the key is taken.
    """
    if form.get("OSSAccessKeyId") != ACCESS_KEY:
        text = "The OSS Access Key Id you provided does not exist in our records."
        raise RefusedError("InvalidAccessKeyId", text, 403)
    given = form.get("policy", "")
    _check_signature(form.get("Signature", ""), given)
    rules = json.loads(base64.b64decode(given))
    (_, _, most), (_, _, folder), model = rules["conditions"]
    if now >= datetime.fromisoformat(rules["expiration"]).timestamp():
        raise RefusedError("AccessDenied", "Invalid according to Policy: Policy expired.", 403)
    if not form.get("key", "").startswith(f"{folder}/"):
        rule = f'["starts-with", "$key", "{folder}"]'
        raise RefusedError("AccessDenied", f"Invalid according to Policy: Policy Condition failed: {rule}", 403)
    if size > most:
        raise RefusedError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
    if taken:
        text = "The object you specified already exists and can not be overwritten."
        raise RefusedError("FileAlreadyExists", text, 409)
    return str(model["x-model"])


def xml(code: str, message: str) -> str:
    """Return the body of a refusal."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n'
        f"  <Code>{escape(code)}</Code>\n  <Message>{escape(message)}</Message>\n"
        f"  <RequestId>{uuid4().hex[:24].upper()}</RequestId>\n  <HostId>simulated</HostId>\n</Error>\n"
    )
