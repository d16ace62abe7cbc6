"""What the service says of a task: one poll is one `TaskSnapshot`.

Parsing is lenient, since the documents' samples differ from their own tables (floats for whole numbers, ``SR`` as
text, fields that are missing or filled with ``""`` and ``0``). Nothing that was said is lost: `raw` keeps the body,
less what is secret.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

SERVICE_ZONE = timezone(timedelta(hours=8), "UTC+8")
"""The service writes its times in UTC+8 (seeds 000, 001, 003)."""


class TaskStatus(StrEnum):
    """A task's status in the vendor's spelling; `UNRECOGNISED` is ours, for a word that no document names."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    """Only a constant of the vendor's SDK, which goes on waiting (FACTS §4)."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"
    """The service knows no such task *here and now*: expired, of another account or region, or too new."""
    UNRECOGNISED = "UNRECOGNISED"

    @property
    def is_terminal(self) -> bool:
        """Whether the service will never say anything else. `UNKNOWN` is not: its meaning depends on the task's age."""
        return self in (TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED)

    @classmethod
    def read(cls, word: object, status_map: Mapping[str, str] | None = None) -> TaskStatus:
        """Return the status for a word on the wire; gateways with words of their own bring a map.

        Example:
            >>> TaskStatus.read("completed", {"completed": "SUCCEEDED"})
            <TaskStatus.SUCCEEDED: 'SUCCEEDED'>
        """
        text = str(word or "")
        text = (status_map or {}).get(text, text).upper()
        return cls(text) if text in cls.__members__ else cls.UNRECOGNISED


@dataclass(frozen=True, slots=True)
class Usage:
    """What the service counts for a bill, whichever generation's names it used."""

    billed_s: float | None = None
    """Seconds that are billed: ``duration`` (2.2 and later) or ``video_duration`` (2.1, kf2v)."""
    input_s: float | None = None
    """Seconds of input video."""
    output_s: float | None = None
    """Seconds of output video."""
    tier: str = ""
    """``"720P"``, from ``SR``."""
    video_count: int | None = None
    """Videos made."""
    audio: bool | None = None
    """Whether there is sound (2.6-flash only)."""

    @classmethod
    def read(cls, body: object) -> Usage | None:
        """Read a ``usage`` object; None where there is none.

        Example:
            >>> Usage.read({"video_duration": 0, "video_ratio": "", "duration": 10.0, "SR": "480"}).tier
            '480P'
        """
        if not isinstance(body, Mapping) or not body:
            return None
        billed = _number(body.get("duration")) or _number(body.get("video_duration"))
        tier = _number(str(body.get("SR") or "").upper().removesuffix("P"))
        count = _number(body.get("video_count"))
        audio = body.get("audio")
        return cls(
            billed_s=billed,
            input_s=_number(body.get("input_video_duration")),
            output_s=_number(body.get("output_video_duration")),
            tier=f"{int(tier)}P" if tier else "",
            video_count=None if count is None else int(count),
            audio=audio if isinstance(audio, bool) else None,
        )


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """One observation of a task."""

    task_id: str
    """The service's id, valid 24 hours."""
    status: TaskStatus
    """What it is doing."""
    request_id: str = ""
    """Id of this very answer, for the vendor's support."""
    code: str = ""
    """Error code of a FAILED task."""
    message: str = ""
    """Error text of a FAILED task."""
    submit_time: datetime | None = None
    """When the service took it (aware, UTC)."""
    scheduled_time: datetime | None = None
    """When it began to run (aware, UTC)."""
    end_time: datetime | None = None
    """When it ended (aware, UTC)."""
    video_url: str = field(default="", repr=False)
    """Signed address of the result, valid 24 hours; a secret, so never stored."""
    orig_prompt: str = ""
    """The prompt as sent."""
    actual_prompt: str = ""
    """The prompt as rewritten, where the model gives it back."""
    usage: Usage | None = None
    """What is billed."""

    @property
    def result_host(self) -> str:
        """Host that the result comes from; firewalls block it, so advice must name it."""
        try:
            return urlsplit(self.video_url).hostname or ""
        except ValueError:
            return ""

    @classmethod
    def read(cls, body: Mapping[str, Any], *, status_map: Mapping[str, str] | None = None) -> TaskSnapshot:
        """Read the answer to a create or a get call.

        Example:
            >>> TaskSnapshot.read({"output": {"task_id": "t", "task_status": "PENDING"}, "request_id": "r"}).status
            <TaskStatus.PENDING: 'PENDING'>
        """
        found = body.get("output")
        output: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        video_url = output.get("video_url") or output.get("result_url") or ""
        return cls(
            task_id=_text(output.get("task_id")),
            status=TaskStatus.read(output.get("task_status"), status_map),
            request_id=_text(body.get("request_id")),
            code=_text(output.get("code")),
            message=_text(output.get("message")),
            submit_time=read_time(output.get("submit_time")),
            scheduled_time=read_time(output.get("scheduled_time")),
            end_time=read_time(output.get("end_time")),
            video_url=str(video_url),
            orig_prompt=_text(output.get("orig_prompt")),
            actual_prompt=_text(output.get("actual_prompt")),
            usage=Usage.read(body.get("usage")),
        )

    def observation(self, took_s: float | None) -> dict[str, Any]:
        """Return what the journal keeps of this; `took_s` is how long a success took, in service seconds."""
        seen: dict[str, Any] = {"status": self.status.value, "request_id": self.request_id}
        if not self.status.is_terminal:
            return seen
        billed = self.usage.billed_s if self.usage else None
        seen |= {"code": self.code, "message": self.message, "actual_prompt": self.actual_prompt}
        seen |= {"result_host": self.result_host}
        return seen | {name: value for name, value in (("took_s", took_s), ("billed_s", billed)) if value is not None}

    def adoption(self) -> dict[str, Any]:
        """Return what the journal keeps when a run takes this task; that it has ended is observed afterwards."""
        status = TaskStatus.PENDING if self.status.is_terminal else self.status
        since = self.submit_time.timestamp() if self.submit_time else None
        return {
            "task_id": self.task_id,
            "request_id": self.request_id,
            "status": status.value,
            "submitted_at": since,
        }


def read_time(text: object) -> datetime | None:
    """Read the service's ``YYYY-MM-DD HH:mm:ss.SSS`` (UTC+8) or epoch milliseconds as an aware UTC datetime.

    Example:
        >>> read_time("2025-09-25 11:07:28.590").isoformat()
        '2025-09-25T03:07:28.590000+00:00'
    """
    if isinstance(text, int | float):
        try:
            return datetime.fromtimestamp(text / 1000, UTC) if text > 0 else None
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=SERVICE_ZONE).astimezone(UTC)
    except (ValueError, OverflowError):  # 0001-01-01 is how some say "never"
        return None


def _text(value: object) -> str:
    """Read a text; half of a surrogate pair (a prompt cut in an emoji) becomes a replacement character."""
    return str(value or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: object) -> float | None:
    """Read a number that may be text; None for what is neither."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
