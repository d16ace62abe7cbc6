"""One method, one HTTP call.

Errors come out as what a caller must decide on: nothing was sent (`UnsentError`), the answer was lost
(`LostAnswerError`), or the service said no (`ServiceError`). Nothing is tried again here: what may be repeated, and
when, is decided by who knows the price of a call.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from wan_nb.endpoint import Endpoint, Secret
from wan_nb.errors import ConfigError, DownloadError, LostAnswerError, ServiceError, UnsentError
from wan_nb.media import Media
from wan_nb.task import TaskSnapshot, TaskStatus, read_time

_log = logging.getLogger("wan_nb")

MAX_REDIRECTS = 5
"""Redirects of a download that are followed."""
SLOWEST_S = 60.0
"""Seconds that 64 KiB of a download may take: one that only drips would hold its place for ever."""
MAX_BYTES = 2 << 30
"""Bytes that a video may have; 30 s at 1080P are some 50 MB."""
_BLOCK = 64 * 1024
_CHUNK = 3 * _BLOCK  # a multiple of 3, so that base64 pieces join without padding
_TIMEOUT = httpx.Timeout(60, connect=15, pool=None)
_TASK_ID = re.compile(r"[\w.:-]{1,128}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_UPLOAD_GOOD_S = 40 * 3600.0  # kept for 48 hours (FACTS §5); a task must still find it
_POLICY_MARGIN_S = 30.0
_UPLOAD_FORM = {
    "OSSAccessKeyId": "oss_access_key_id",
    "Signature": "signature",
    "policy": "policy",
    "x-oss-object-acl": "x_oss_object_acl",
    "x-oss-forbid-overwrite": "x_oss_forbid_overwrite",
}
"""Fields of the upload form, with their names in the policy (FACTS §5)."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Body:
    """The JSON body of a create; its pictures become base64 while they are sent, so that none is held twice.

    Args:
        payload: Called with a function that names each medium; returns the JSON object.
        addresses: Media that have an address already (uploaded), by sha256.
    """

    def __init__(
        self, payload: Callable[[Callable[[Media], str]], dict[str, Any]], addresses: Mapping[str, str] | None = None
    ) -> None:
        marked: dict[str, Media] = {}

        def name(medium: Media) -> str:
            if medium.url:
                return medium.url
            mark = f"medium-{uuid.uuid4().hex}"
            marked[mark] = medium
            return (addresses or {}).get(medium.sha256, mark)

        text = json.dumps(payload(name), ensure_ascii=False)
        self.resolves_oss = '"oss://' in text
        self._pieces = [marked.get(piece, piece.encode()) for piece in re.split("(medium-[0-9a-f]{32})", text)]

    @property
    def length(self) -> int:
        """Bytes on the wire."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.data_uri_length for piece in self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            yield f"data:{piece.mime};base64,".encode()
            with piece.open() as stream:
                while block := stream.read(_CHUNK):
                    yield base64.b64encode(block)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line of the service's task list."""

    task_id: str
    """The service's id."""
    status: TaskStatus
    """What it is doing."""
    model: str
    """Model id."""
    created: datetime | None
    """When the service made it (aware, by the server's clock)."""

    @classmethod
    def read(cls, item: Mapping[str, Any], status_map: Mapping[str, str]) -> TaskRow:
        """Read one item of the list."""
        return cls(
            task_id=str(item.get("task_id") or ""),
            status=TaskStatus.read(item.get("status"), status_map),
            model=str(item.get("model_name") or ""),
            created=read_time(item.get("gmt_create") or item.get("start_time")),
        )


class _Bearer(httpx.Auth):
    """Puts the key on a request, so that no frame of a traceback holds it as text."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        yield request


class Client:
    """Calls to one endpoint.

    Args:
        endpoint: Where calls go.
        transport: What carries them; tests give `httpx.ASGITransport` or `httpx.MockTransport`.
    """

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.endpoint = endpoint
        loopback = urlsplit(endpoint.base_url).hostname in _LOOPBACK
        # reading the certificates takes a while: once is enough for all three
        verify = False if loopback or transport else httpx.create_ssl_context()
        via = partial(httpx.AsyncClient, transport=transport, timeout=_TIMEOUT, trust_env=not loopback, verify=verify)
        bearer = _Bearer(endpoint.key)
        self._calls = via(limits=httpx.Limits(max_connections=32, max_keepalive_connections=16), auth=bearer)
        # a create goes over a fresh connection: on a stale one its fate would be unknown
        self._creates = via(limits=httpx.Limits(max_connections=8, max_keepalive_connections=0), auth=bearer)
        # results come from another host, which must never see the key
        self._files = via(limits=httpx.Limits(max_connections=4))
        self._policies: dict[str, tuple[Mapping[str, Any], float]] = {}
        self._uploads: dict[tuple[str, str], tuple[str, float]] = {}
        self._uploading = asyncio.Lock()
        self.ahead_s = 0.0
        """Seconds that the server's clock is ahead of ours, by its last answer."""

    async def close(self) -> None:
        """Close all connections."""
        for each in (self._calls, self._creates, self._files):
            await each.aclose()

    async def _send(self, via: httpx.AsyncClient, method: str, url: str, **options: Any) -> httpx.Response:
        host = urlsplit(url).hostname or url
        try:
            response = await via.request(method, url, **options)
        except _UNSENT as error:
            raise UnsentError(f"{host} could not be reached ({_reason(error)}); nothing was sent.") from error
        except httpx.UnsupportedProtocol as error:
            raise ConfigError(f"{url!r} is not an http(s) address.") from error
        except (httpx.RequestError, httpx.InvalidURL) as error:  # also an answer that cannot be decompressed
            raise LostAnswerError(f"the answer of {host} was lost ({_reason(error)}).") from error
        _log.debug("%s %s%s: %s", method, host, urlsplit(url).path, response.status_code)  # no key, no query
        with contextlib.suppress(KeyError, TypeError, ValueError):  # no date, or none that can be read
            self.ahead_s = parsedate_to_datetime(response.headers["date"]).timestamp() - time.time()
        return response

    async def _call(self, method: str, path: str, task_id: str = "", **options: Any) -> dict[str, Any]:
        """Make a call that costs nothing, and return what a good answer says."""
        return _answer(await self._send(self._calls, method, self.endpoint.base_url + path, **options), task_id)

    async def create(self, path: str, body: Body) -> TaskSnapshot:
        """Submit a task: the one call that costs money.

        Raises:
            UnsentError: Nothing was sent; trying again is safe.
            LostAnswerError: It was sent, and whether a task exists is not known (or a good answer has no task id).
            ServiceError: The service said no; `ServerFaultError` leaves it open whether a task exists.
        """
        headers = {
            "Content-Type": "application/json",
            "X-DashScope-Async": "enable",
            "Content-Length": str(body.length),
        }
        if body.resolves_oss:
            headers["X-DashScope-OssResourceResolve"] = "enable"
        url = self.endpoint.base_url + path
        response = await self._send(self._creates, "POST", url, headers=headers, content=body)
        answer = _answer(response)
        snapshot = TaskSnapshot.read(answer, status_map=self.endpoint.status_map)
        if not _TASK_ID.fullmatch(snapshot.task_id):
            said = " ".join(str(answer.get(name) or "") for name in ("code", "message")).strip()
            raise LostAnswerError(
                f"{self.endpoint.host} answered {response.status_code} without a usable task_id. {said}".strip()
            )
        return snapshot

    async def get(self, task_id: str) -> TaskSnapshot:
        """Ask for one task."""
        answer = await self._call("GET", self.endpoint.poll_path.format(task_id=quote(task_id, safe="")), task_id)
        return TaskSnapshot.read(answer, status_map=self.endpoint.status_map)

    async def cancel(self, task_id: str) -> None:
        """Call a PENDING task back.

        Raises:
            ServiceError: If it is not PENDING any more (UnsupportedOperation).
        """
        await self._call("POST", f"/tasks/{quote(task_id, safe='')}/cancel", task_id)

    async def list_tasks(self, **filters: str | int) -> tuple[list[TaskRow], int]:
        """Return one page of the account's tasks and the number of pages.

        Args:
            filters: ``start_time``, ``end_time`` (YYYYMMDDhhmmss), ``model_name``, ``status``, ``page_no`` …
        """
        answer = await self._call("GET", "/tasks/", params=filters)
        data, pages = answer.get("data"), answer.get("total_page")
        items = [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []
        rows = [TaskRow.read(item, self.endpoint.status_map) for item in items]
        return rows, pages if isinstance(pages, int) else 1

    async def upload(self, medium: Media, model: str) -> str:
        """Put a local file into the service's temporary store (48 hours) and return its ``oss://`` address.

        Bound to the account and to `model` (FACTS §5). The file is streamed; equal bytes go up once, and a policy is
        used for as long as it holds.
        """
        row = (model, medium.sha256)
        async with self._uploading:
            address, good_until = self._uploads.get(row, ("", 0.0))
            if time.time() >= good_until:
                address = await self._upload(medium, model)
                self._uploads[row] = (address, time.time() + _UPLOAD_GOOD_S)
            return address

    async def _upload(self, medium: Media, model: str) -> str:
        is_new = model not in self._policies
        policy = await self._policy(model)
        key = f"{policy['upload_dir']}/{medium.sha256[:16]}.{medium.format.lower()}"
        form = {name: str(policy[source]) for name, source in _UPLOAD_FORM.items()}
        form |= {"key": key, "success_action_status": "200"}
        with medium.open() as stream:
            files = {"file": (key.rsplit("/", 1)[1], stream, medium.mime)}
            response = await self._send(self._files, "POST", policy["upload_host"], data=form, files=files)
        if response.is_success or response.status_code == 409:  # 409: an earlier try of ours, its answer lost
            return f"oss://{key}"
        self._policies.pop(model, None)
        if is_new:
            raise service_error(response)
        return await self._upload(medium, model)  # the kept policy may have run out by the storage's own clock

    async def _policy(self, model: str) -> Mapping[str, Any]:
        """Return the permission to upload for a model, the last one while it holds."""
        policy, good_until = self._policies.get(model, ({}, 0.0))
        if time.time() < good_until:
            return policy
        answer = await self._call("GET", "/uploads", params={"action": "getPolicy", "model": model})
        policy = answer.get("data") or {}
        missing = [name for name in (*_UPLOAD_FORM.values(), "upload_dir", "upload_host") if not policy.get(name)]
        if missing:
            text = f"{self.endpoint.host} gave an upload policy without {', '.join(missing)}."
            raise ServiceError(text, status=200, code="UploadPolicy", request_id=str(answer.get("request_id") or ""))
        lasts_s = float(policy.get("expire_in_seconds") or 0) - _POLICY_MARGIN_S
        self._policies[model] = (policy, time.time() + lasts_s)
        return policy

    async def download(self, url: str, part: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Fetch a result into `part`, going on where an earlier try stopped; the key is not sent along.

        Raises:
            DownloadError: With the HTTP status, if any, and the host's name, since firewalls block it.
            LostAnswerError: If the connection broke; call again to go on.
        """
        for _ in range(MAX_REDIRECTS):
            url = await self._download(url, part, progress)
            if not url:
                return
        raise _blocked(_host(url), "sends the download in circles.")

    async def _download(self, url: str, part: Path, progress: Callable[[int, int], None] | None) -> str:
        """Fetch from one address; returns where it sends us on to, empty when all is here."""
        host = _host(url)
        have = await asyncio.to_thread(lambda: part.stat().st_size if part.exists() else 0)
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            async with self._files.stream("GET", url, headers=headers) as response:
                if onward := response.next_request:
                    if response.url.scheme == "https" != onward.url.scheme:
                        raise _blocked(host, "sends the download off https; it is not followed.")
                    return str(onward.url)
                if response.status_code == 416:
                    await asyncio.to_thread(part.unlink, missing_ok=True)  # longer than the file itself: begin anew
                    raise LostAnswerError(f"what was kept of the download does not fit {host}'s file; it begins anew.")
                if not response.is_success:
                    raise _blocked(host, f"answered {response.status_code} to the download.", response.status_code)
                await self._receive(response, part, have if response.status_code == 206 else 0, progress)
        except _UNSENT as error:
            raise LostAnswerError(str(_blocked(host, f"could not be reached ({_reason(error)})."))) from error
        except TimeoutError as error:
            raise LostAnswerError(f"{host} sent less than {_BLOCK >> 10} KiB in {SLOWEST_S:g} s.") from error
        except (httpx.RequestError, httpx.InvalidURL, ValueError) as error:
            raise LostAnswerError(f"the download from {host} broke off ({_reason(error)}).") from error
        return ""

    @staticmethod
    async def _receive(
        response: httpx.Response, part: Path, have: int, progress: Callable[[int, int], None] | None
    ) -> None:
        """Write a body to the disk as it comes, after what is there already."""
        total = have + int(response.headers.get("content-length") or 0)
        with await asyncio.to_thread(part.open, "ab" if have else "wb") as file:
            blocks = response.aiter_bytes(_BLOCK)
            while block := await asyncio.wait_for(anext(blocks, b""), SLOWEST_S):
                await asyncio.to_thread(file.write, block)  # a slow disk must not hold up the loop
                have += len(block)
                if max(have, total) > MAX_BYTES:
                    text = f"{response.url.host} sends more than {MAX_BYTES >> 20} MB; no video is that long."
                    raise DownloadError(text, status=410)  # a new address may mend it, once
                if progress:
                    progress(have, total)


def _host(url: str) -> str:
    """Return an address's host.

    Raises:
        DownloadError: If it is no http(s) address at all.
    """
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    raise DownloadError("the service gave no usable address for the video.", status=410)


def _blocked(host: str, what: str, status: int = 0) -> DownloadError:
    hint = "The file is not there." if status in (404, 410) else f"Firewalls often block result hosts: allow {host}."
    return DownloadError(f"{host} {what} {hint}", status=status)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _json(response: httpx.Response) -> dict[str, Any] | None:
    """Return the JSON object of an answer; None where there is none."""
    with contextlib.suppress(ValueError, RecursionError):
        body = response.json()
        return body if isinstance(body, dict) else None
    return None


def _answer(response: httpx.Response, task_id: str = "") -> dict[str, Any]:
    """Return the JSON object of a good answer; raise what a bad one says."""
    if not response.is_success:
        raise service_error(response, task_id)
    answer = _json(response)
    if answer is None:
        raise LostAnswerError(f"{response.url.host} answered {response.status_code} with something that is not JSON.")
    return answer


def service_error(response: httpx.Response, task_id: str = "") -> ServiceError:
    """Return the typed error for an answer that says no."""
    body = _json(response)
    if body is None:  # storage answers in XML
        tags = {"code": "Code", "message": "Message", "request_id": "RequestId"}
        found = {name: re.search(rf"<{tag}>([^<]*)</{tag}>", response.text) for name, tag in tags.items()}
        body = {name: unescape(match[1]) for name, match in found.items() if match}
    code = str(body.get("code") or "")
    text = str(body.get("message") or "") or f"HTTP {response.status_code}"
    wait = response.headers.get("retry-after", "")
    return ServiceError.of_status(response.status_code)(
        f"{code}: {text}" if code else text,
        status=response.status_code,
        code=code,
        request_id=str(body.get("request_id") or ""),
        task_id=task_id,
        retry_after_s=min(float(wait), 3600.0) if wait.isdecimal() and wait.isascii() else None,
    )
