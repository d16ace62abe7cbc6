"""The journal's vocabulary: what is recorded of a run, and the fold that turns records into its state.

Pure: no database, no clock. A record is a kind, a date and a small dict; `fold` applies them in order. A kind that
this version does not know is passed over and kept: a newer version may have written it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wan_nb.geometry import Size
from wan_nb.pricing import Money
from wan_nb.task import TaskStatus

LIFE_S = 24 * 3600.0
"""The service keeps a task and its result for 24 hours (seeds 000, 001, 003)."""


class RunPhase(StrEnum):
    """Where a run stands.

    Three things must not share a word: `AMBIGUOUS` (the submission's answer was lost), the service's status UNKNOWN (it
    knows no such task now), and UNRECOGNISED (a status word that no document names).
    """

    PLANNED = "planned"
    """Written down; nothing was sent."""
    SENDING = "sending"
    """About to be sent, or sent without an answer yet."""
    AMBIGUOUS = "ambiguous"
    """Sent, and the answer lost: it may exist and be billed. Never sent again by itself."""
    REJECTED = "rejected"
    """The service said no; nothing runs."""
    SUBMITTED = "submitted"
    """The service has it; `task_status` says more."""
    SUCCEEDED = "succeeded"
    """The video exists at the service and is being fetched."""
    SAVED = "saved"
    """The video is in the folder."""
    FAILED = "failed"
    """The service gave up; not billed."""
    CANCELED = "canceled"
    """Called back before it ran."""
    EXPIRED = "expired"
    """Older than 24 hours; the service has forgotten it."""
    LOST = "lost"
    """It succeeded, and its file can no longer be fetched."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (RunPhase.PLANNED, RunPhase.SENDING, RunPhase.SUBMITTED, RunPhase.SUCCEEDED)

    @property
    def is_free(self) -> bool:
        """Whether nothing is billed: never sent, refused, failed or called back."""
        return self in (RunPhase.PLANNED, RunPhase.REJECTED, RunPhase.FAILED, RunPhase.CANCELED)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal."""

    kind: str
    """``planned``, ``sending``, ``submitted`` … (see `fold`)."""
    at: float
    """Epoch seconds."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What happened; never a key, a header, a signed address or a picture."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A video in the folder, as read from its MP4."""

    path: str
    """Relative to the session's folder."""
    sha256: str
    """Of the bytes as the service gave them."""
    nbytes: int
    """Bytes."""
    size: Size
    """Pixels."""
    fps: float
    """Frames a second."""
    duration_s: float
    """Seconds."""
    has_audio: bool
    """Whether there is sound."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """What is written down of a run before anything is sent, and never changes."""

    run_id: str
    """Short id, unique in the folder."""
    fingerprint: str
    """Hash of the request."""
    endpoint: str
    """``"simulator"`` or the base URL."""
    take: int
    """1 for the first sample of a request, 2 for the next."""
    model: str
    """Model id as sent."""
    tier: str
    """Resolution tier."""
    seconds: int
    """Billed seconds that are expected."""
    created_at: float
    """Epoch seconds."""
    request: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """`VideoRequest.to_record`."""


@dataclass(frozen=True, slots=True)
class RunState(RunRow):
    """Everything the journal knows of a run, at one moment."""

    phase: RunPhase = RunPhase.PLANNED
    """Where it stands."""
    task_status: TaskStatus | None = None
    """Last word of the service."""
    task_id: str = ""
    """The service's id."""
    request_id: str = ""
    """The service's id of the last answer that mattered."""
    region: str = ""
    """Where it was sent."""
    sent_at: float | None = None
    """Epoch seconds of the last sending."""
    submitted_at: float | None = None
    """Epoch seconds when the service took it."""
    running_at: float | None = None
    """Epoch seconds when it was first seen running."""
    ended_at: float | None = None
    """Epoch seconds when the service's task ended, as far as known here."""
    took_s: float | None = None
    """Service seconds from submission to end."""
    code: str = ""
    """Error code, where there is one."""
    message: str = ""
    """Error text, where there is one."""
    estimate: Money | None = None
    """Price by list when it was planned."""
    billed_s: float | None = None
    """Seconds that the service counts."""
    actual_prompt: str = ""
    """The prompt as rewritten, where given back."""
    result_host: str = ""
    """Host that the file comes from."""
    predicted: Size | None = None
    """Size that was predicted."""
    source: Size | None = None
    """Size of the picture or clip that gives the shape, where it was seen."""
    file: SavedFile | None = None
    """The video, once saved."""
    again_of: str = ""
    """Run that this one repeats."""
    unwatched: str = ""
    """Why nobody asks about it any more; empty while somebody does."""
    note: str = ""
    """What a user wrote about it."""
    tags: tuple[str, ...] = ()
    """A user's own words for finding it, sorted."""
    starred: bool = False
    """Whether a user marked it as good."""

    @property
    def created(self) -> datetime:
        """When it was planned (aware, local time)."""
        return datetime.fromtimestamp(self.created_at, UTC).astimezone()

    @property
    def deadline(self) -> float | None:
        """Epoch seconds when the service forgets it."""
        return None if self.submitted_at is None else self.submitted_at + LIFE_S

    @property
    def is_live(self) -> bool:
        """Whether somebody should be asking about it or fetching it."""
        return self.phase in (RunPhase.SUBMITTED, RunPhase.SUCCEEDED)

    @property
    def cost(self) -> Money | None:
        """What it counts for in the budget: nothing where it is free, else the estimate for the seconds billed."""
        if self.estimate is None:
            return None
        if self.phase.is_free:
            return Money(Decimal(0), self.estimate.currency)
        if self.billed_s is not None and self.seconds:
            return Money(self.estimate.amount * Decimal(str(self.billed_s)) / self.seconds, self.estimate.currency)
        return self.estimate


def fold(state: RunState, records: Iterable[Record]) -> RunState:
    """Apply records in order.

    Example:
        >>> start = RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0)
        >>> fold(start, [Record("sending", 1.0), Record("submitted", 2.0, {"task_id": "t"})]).phase
        <RunPhase.SUBMITTED: 'submitted'>
    """
    for record in records:
        try:
            if step := _STEPS.get(record.kind):
                state = step(state, record)
        except (
            KeyError,
            TypeError,
            ValueError,
        ):  # damaged, or written otherwise by another version: keep what is known
            state = replace(state, message=f"a record ({record.kind}) of this run cannot be read")
    return state


def _texts(record: Record, *names: str) -> dict[str, Any]:
    return {name: str(record.data.get(name) or "") for name in names}


def _planned(state: RunState, record: Record) -> RunState:
    data = record.data
    return replace(
        state,
        estimate=Money.of(data["estimate"]) if data.get("estimate") else None,
        predicted=Size.of(data["predicted"]) if data.get("predicted") else None,
        source=Size.of(data["source"]) if data.get("source") else None,
        **_texts(record, "again_of"),
    )


def _sending(state: RunState, record: Record) -> RunState:
    return replace(state, phase=RunPhase.SENDING, sent_at=record.at, **_texts(record, "region"))


def _unsent(state: RunState, record: Record) -> RunState:
    """Nothing left this machine: back to where it was, with the reason; what was taken since then stays taken."""
    if state.phase not in (RunPhase.PLANNED, RunPhase.SENDING):
        return state
    return replace(state, phase=RunPhase.PLANNED, **_texts(record, "message"))


def _submitted(state: RunState, record: Record) -> RunState:
    return replace(
        state,
        phase=RunPhase.SUBMITTED,
        task_status=TaskStatus.read(record.data.get("status") or "PENDING"),
        task_id=str(record.data["task_id"]),
        submitted_at=record.data.get("submitted_at") or record.at,
        unwatched="",
        code="",
        message="",
        **_texts(record, "request_id"),
    )


def _ended(phase: RunPhase) -> _Step:
    def step(state: RunState, record: Record) -> RunState:
        if state.phase is RunPhase.SAVED or (phase in (RunPhase.AMBIGUOUS, RunPhase.REJECTED) and state.task_id):
            return state  # whoever slept meanwhile knows less
        return replace(state, phase=phase, ended_at=record.at, **_outcome(state, record))

    return step


def _outcome(state: RunState, record: Record) -> dict[str, Any]:
    asked = str(record.data.get("request_id") or state.request_id)
    return _texts(record, "code", "message") | {"request_id": asked}


_BY_STATUS = {
    TaskStatus.SUCCEEDED: RunPhase.SUCCEEDED,
    TaskStatus.FAILED: RunPhase.FAILED,
    TaskStatus.CANCELED: RunPhase.CANCELED,
}


def _observed(state: RunState, record: Record) -> RunState:
    if state.phase.is_terminal:
        return state  # the answer of somebody who slept meanwhile
    status = TaskStatus.read(record.data.get("status"))
    changed = replace(
        state,
        phase=_BY_STATUS.get(status, RunPhase.SUBMITTED),
        task_status=status,
        running_at=state.running_at or (record.at if status is TaskStatus.RUNNING else None),
        unwatched="",
    )
    if not status.is_terminal:
        return changed
    return replace(
        changed,
        ended_at=record.at,
        took_s=record.data.get("took_s"),
        billed_s=record.data.get("billed_s"),
        **_outcome(state, record),
        **_texts(record, "actual_prompt", "result_host"),
    )


def _saved(state: RunState, record: Record) -> RunState:
    known = {each.name: record.data[each.name] for each in fields(SavedFile)}
    file = SavedFile(**known | {"size": Size.of(known["size"])})
    return replace(state, phase=RunPhase.SAVED, file=file, unwatched="")


def _marked(state: RunState, record: Record) -> RunState:
    """A user's own note, tags and star; only what the record names changes."""
    data = record.data
    return replace(
        state,
        note=str(data.get("note", state.note)),
        tags=tuple(sorted(data.get("tags", state.tags))),
        starred=bool(data.get("starred", state.starred)),
    )


def _unwatched(state: RunState, record: Record) -> RunState:
    return replace(state, unwatched=str(record.data.get("reason") or "nobody asks"))


def _watched(state: RunState, record: Record) -> RunState:
    return replace(state, unwatched="")


_Step = Callable[[RunState, Record], RunState]

_STEPS: dict[str, _Step] = {
    "planned": _planned,
    "sending": _sending,
    "unsent": _unsent,
    "submitted": _submitted,
    "ambiguous": _ended(RunPhase.AMBIGUOUS),
    "rejected": _ended(RunPhase.REJECTED),
    "observed": _observed,
    "expired": _ended(RunPhase.EXPIRED),
    "lost": _ended(RunPhase.LOST),
    "saved": _saved,
    "unwatched": _unwatched,
    "watched": _watched,
    "adopted": _submitted,
    "disowned": _ended(RunPhase.REJECTED),
    "withdrawn": _ended(RunPhase.CANCELED),
    "marked": _marked,
}
