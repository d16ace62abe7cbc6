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

from wan_nb.simulator.engine import Json
from wan_nb.simulator.scenario import Scenario

Refusal = tuple[int, str, str]
"""HTTP status, code, message."""

ACCESS_KEY = "SIMULATED"
UPLOAD_PATH = "/temporary-uploads"

_SECRET = b"the simulator keeps no secrets"  # every process must sign alike
_EXPIRED = "Request has expired."
_MISMATCH = 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the one you provided."
_MB = 1024 * 1024


def sign(*parts: object) -> str:
    """Return the signature of some values, base64 with its + and / as the real ones have."""
    return base64.b64encode(hmac.digest(_SECRET, "\n".join(map(str, parts)).encode(), "sha1")).decode()


def result_url(origin: str, task_id: str, expires: int) -> str:
    """Return the address of a video; it must be used as it is, query and all."""
    mark = quote(sign("result", task_id, expires), safe="")
    return f"{origin}/results/{task_id}.mp4?Expires={expires}&OSSAccessKeyId={ACCESS_KEY}&Signature={mark}"


def download_refusal(task_id: str, query: Mapping[str, str], authorization: str | None, now: float) -> Refusal | None:
    """Return why a download is refused, None where it is not."""
    if authorization is not None:
        return 400, "InvalidArgument", "Only one of signature in URL and Authorization header is allowed."
    expires = query.get("Expires", "")
    if not hmac.compare_digest(query.get("Signature", "").encode(), sign("result", task_id, expires).encode()):
        return _MISMATCH
    return (403, "AccessDenied", _EXPIRED) if now >= int(expires) else None


def policy(model: str, origin: str, now: float, scenario: Scenario) -> Json:
    """Return the data of a getPolicy answer (FACTS §5)."""
    folder = f"dashscope-instant/{sign(model)[:8].translate(str.maketrans('+/', '-_'))}/{uuid4().hex}"
    most = scenario.limits.upload_mb
    rules = {
        "expiration": datetime.fromtimestamp(now + scenario.policy_life_s, UTC).isoformat(timespec="milliseconds"),
        "conditions": [["content-length-range", 0, most * _MB], ["starts-with", "$key", folder], {"x-model": model}],
    }
    text = base64.b64encode(json.dumps(rules).encode()).decode()
    return {
        "policy": text,
        "signature": sign(text),
        "upload_dir": folder,
        "upload_host": f"{origin}{UPLOAD_PATH}",
        "expire_in_seconds": int(scenario.policy_life_s),
        "max_file_size_mb": most,
        "capacity_limit_mb": 999_999_999,
        "oss_access_key_id": ACCESS_KEY,
        "x_oss_object_acl": "private",
        "x_oss_forbid_overwrite": "true",
    }


def upload_refusal(form: Mapping[str, str], size: int, taken: bool, now: float) -> Refusal | str:
    """Return why an upload is refused, or the model that its policy was given for."""
    text = form.get("policy", "")
    if form.get("OSSAccessKeyId") != ACCESS_KEY:
        return 403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records."
    if not text or not hmac.compare_digest(form.get("Signature", "").encode(), sign(text).encode()):
        return _MISMATCH
    rules = json.loads(base64.b64decode(text))
    (_, _, most), (_, _, folder), model = rules["conditions"]
    if now >= datetime.fromisoformat(rules["expiration"]).timestamp():
        return 403, "AccessDenied", "Invalid according to Policy: Policy expired."
    if not form.get("key", "").startswith(f"{folder}/"):
        rule = f'["starts-with", "$key", "{folder}"]'
        return 403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {rule}"
    if size > most:
        return 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size."
    if taken:
        return 409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
    return str(model["x-model"])


def xml(code: str, message: str) -> str:
    """Return the body of a refusal."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n'
        f"  <Code>{escape(code)}</Code>\n  <Message>{escape(message)}</Message>\n"
        f"  <RequestId>{uuid4().hex[:24].upper()}</RequestId>\n  <HostId>simulated</HostId>\n</Error>\n"
    )
