"""The service's protocol as functions of (request, task records, now, scenario): no files, no sockets, no clock.

A *record* (`Task`) holds all that was decided when a task was created; its status is computed from the records and the
date each time it is asked for. So two processes over one folder agree, a dead time counts, and nothing is lost with a
process. Wire names are spelled out here and nowhere shared with the client: the simulator is a witness of its own.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from wan_nb.catalog import ModelSpec, find_model
from wan_nb.simulator.scenario import Scenario

Json = dict[str, Any]
Status = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"]

Form = Literal["data", "http", "oss", "beyond"]
"""How an input was given; ``beyond`` is an http(s) address that cannot be fetched offline."""

SERVICE_ZONE = timezone(timedelta(hours=8))
"""Every date of the service is written in UTC+8 (S001, S003)."""

VIDEO_PATH = "/services/aigc/video-generation/video-synthesis"
FRAMES_PATH = "/services/aigc/image2video/video-synthesis"
"""Where tasks are created, below the base URL: first and last frames (kf2v) have a path of their own."""

_DAY_S = 24 * 3600.0


@dataclass(eq=False)
class RefusedError(Exception):
    """What the service will not do: as the answer to a call, or as the end of a task."""

    code: str
    """Error code."""
    message: str
    """Error text."""
    status: int = 400
    """HTTP status, where it answers a call."""


TOO_FAST = "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.", 429
"""Code, text and HTTP status of what answers a call beyond a limit per second."""


@dataclass(frozen=True, slots=True)
class Medium:
    """One input as it was found when the task was created."""

    role: str
    """first_frame, last_frame, driving_audio or first_clip."""
    form: Form
    """How it was given."""
    file: str = ""
    """Name of the kept file; empty where there is none."""
    bytes: int = 0
    """Length of the file."""
    format: str = ""
    """PNG, JPEG, wav, mp4 …, as the decoder names it; empty where it could not be read."""
    width: int = 0
    """Pixels, upright."""
    height: int = 0
    """Pixels, upright."""
    alpha: bool = False
    """Whether it is a PNG with an alpha channel."""
    seconds: float = 0.0
    """Length of audio or clip."""
    name: str = ""
    """Last part of the address of one beyond reach: what its stand-in is labelled with."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as its record says. Dates are epoch seconds, lengths of time are seconds of the machine."""

    task_id: str
    """As the client knows it."""
    request_id: str
    """Of the call that created it."""
    model: str
    """Model id as it was sent."""
    row: str
    """Model id of the catalogue's row: what limits are counted by."""
    created: float
    """When it was submitted."""
    pending_for: float = 0.0
    """PENDING at least that long."""
    running_for: float = 0.0
    """RUNNING that long."""
    code: str = ""
    """Error code of a task that fails."""
    message: str = ""
    """Error text of a task that fails."""
    fails_after: float = 0.0
    """Seconds from submission to failure, where there is a code."""
    cancelled: float | None = None
    """When it was cancelled."""
    prompt: str | None = None
    """As it was sent, uncut."""
    actual_prompt: str | None = None
    """The rewritten prompt that is given back."""
    usage: Mapping[str, Any] | None = None
    """What a success is billed as."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the video."""
    seconds: int = 0
    """Length of the video."""
    sound: bool = False
    """Whether it has a sound track."""
    watermark: bool = False
    """Whether the vendor's mark is drawn."""
    shots: int = 1
    """Camera positions."""
    look: int = 0
    """From prompt and seed: chooses camera path and tint."""
    media: tuple[Medium, ...] = ()
    """The inputs."""

    @classmethod
    def from_json(cls, value: Json) -> Task:
        """Return the task of a record."""
        media = tuple(Medium(**item) for item in value["media"])
        return cls(**{**value, "media": media, "size": tuple(value["size"])})


@dataclass(frozen=True, slots=True)
class View:
    """What can be said of a task at a date."""

    status: Status
    """The service's word."""
    start: float = 0.0
    """When it runs or ran; later than the date while it is pending."""
    end: float = 0.0
    """When it ends or ended."""


# --- answers ----------------------------------------------------------------------------------------------------------


def new_id() -> str:
    """Return a fresh task or request id."""
    return str(uuid.uuid4())


def authorise(authorization: str | None, *, gateway: bool) -> None:
    """Refuse a key that is not good.

    Keys that begin with sk- or st- are good, and any key behind a gateway's prefix. Three beginnings of keys bring an
    account's trouble with them: sk-invalid, sk-throttled, sk-broken.

    Raises:
        RefusedError: If the key is missing or not good.
    """
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        raise RefusedError("InvalidApiKey", "No API-key provided.", 401)
    if key.startswith("sk-invalid") or not (gateway or key.startswith(("sk-", "st-"))):
        raise RefusedError("InvalidApiKey", "Invalid API-key provided.", 401)
    if key.startswith("sk-throttled"):
        raise RefusedError(*TOO_FAST)
    if key.startswith("sk-broken"):
        raise RefusedError("InternalError", "An internal error has occurred, please try again later.", 500)


def admit(path: str, asynchronous: str | None, body: object) -> ModelSpec:
    """Decide about a create call: the model's row where it is taken.

    Little is checked here: a wrong body is taken and the task fails at the first poll (FACTS §0). Path and model are
    among the little, answered with HTTP 400 and 404 (table of errors, FACTS §6).

    Args:
        path: Below the base URL.
        asynchronous: Header X-DashScope-Async.
        body: Parsed JSON; None where it could not be parsed.

    Raises:
        RefusedError: If it is not taken.
    """
    if (asynchronous or "").strip().lower() != "enable":
        raise RefusedError("AccessDenied", "current user api does not support synchronous calls", 403)
    if not isinstance(body, dict):
        raise RefusedError("BadRequest.IllegalInput", "The request body is not a JSON object.")
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise RefusedError("BadRequest.EmptyModel", "Required parameter(model) missing or invalid.")
    spec = find_model(name)
    if spec is None:
        raise RefusedError("ModelNotFound", "Model not exist.", 404)
    if path != _path(spec):
        raise RefusedError("InvalidParameter", "url error, please check url!")
    return spec


def _path(spec: ModelSpec) -> str:
    return FRAMES_PATH if spec.family == "kf2v" else VIDEO_PATH


# --- status of a task -------------------------------------------------------------------------------------------------


def schedule(tasks: Iterable[Task], scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Return start and end of every task that runs: per model as many at once as the service lets, in order of
    submission.

    Example:
        >>> from wan_nb.simulator.scenario import Limits
        >>> waiting = [Task(str(n), "", "wan2.6-i2v", "wan2.6-i2v", float(n), 1.0, 10.0) for n in range(3)]
        >>> schedule(waiting, Scenario(limits=Limits(running=1)))
        {'0': (1.0, 11.0), '1': (11.0, 21.0), '2': (21.0, 31.0)}
    """
    slots: dict[str, list[float]] = {}
    spans: dict[str, tuple[float, float]] = {}
    for task in sorted(tasks, key=lambda task: (task.created, task.task_id)):
        ready = task.created + task.pending_for
        if task.cancelled is not None or (task.code and task.fails_after <= task.pending_for):
            continue  # never gets to run
        busy = slots.setdefault(task.row, [])
        spec = find_model(task.row)
        full = len(busy) >= (scenario.limits.running or (spec.rate.running if spec else 1))
        start = max(ready, busy[0]) if full else ready
        end = start + task.running_for if not task.code else max(start, task.created + task.fails_after)
        spans[task.task_id] = (start, end)
        (heapq.heapreplace if full else heapq.heappush)(busy, end)
    return spans


def observe(
    task: Task, spans: Mapping[str, tuple[float, float]], rendered: float | None, now: float, scenario: Scenario
) -> View:
    """Return what a poll at that date says.

    Args:
        task: Its record.
        spans: What `schedule` made of all records.
        rendered: When its video was whole; None while it is not. No task succeeds before.
        now: Epoch seconds.
        scenario: Life of a task.
    """
    if now >= task.created + scenario.life_s:
        return View("UNKNOWN")
    failed = task.created + task.fails_after
    if task.cancelled is not None:
        return View("CANCELED", task.created, task.cancelled)
    start, end = spans.get(task.task_id, (task.created, failed))
    if task.code and now >= failed:
        return View("FAILED", min(start, failed), failed)
    if now < start or (task.code and task.task_id not in spans):
        return View("PENDING", start, end)
    if now < end or rendered is None or task.code:
        return View("RUNNING", start, end)
    return View("SUCCEEDED", start, max(end, rendered))


def service_date(date: float) -> str:
    """Return a date as the service writes it.

    Example:
        >>> service_date(0.25)
        '1970-01-01 08:00:00.250'
    """
    return datetime.fromtimestamp(date, SERVICE_ZONE).isoformat(" ", "milliseconds")[:23]


def polled(task_id: str, task: Task | None, view: View, url: str) -> Json:
    """Return the answer to a query of one task; unknown, foreign and expired ids look alike (seeds 000, 001, 003)."""
    output: Json = {"task_id": task_id, "task_status": view.status}
    body: Json = {"request_id": new_id(), "output": output}
    if task is None or view.status == "UNKNOWN":
        return body
    if view.status == "FAILED":
        output |= {"code": task.code, "message": task.message}
        return body
    output["submit_time"] = service_date(task.created)
    if view.status in ("RUNNING", "SUCCEEDED"):
        output["scheduled_time"] = service_date(view.start)
    if view.status in ("SUCCEEDED", "CANCELED"):
        output["end_time"] = service_date(view.end)
    if view.status == "SUCCEEDED":
        output |= {"orig_prompt": task.prompt or "", "video_url": url}
        if task.actual_prompt:
            output["actual_prompt"] = task.actual_prompt
        body["usage"] = task.usage
    return body


# --- list of tasks ----------------------------------------------------------------------------------------------------


def listed(query: Mapping[str, str], tasks: Iterable[tuple[Task, View]], now: float) -> Json:
    """Return one page of the task list, newest first, without video URLs (FACTS §4).

    Args:
        query: Filters task_id, start_time, end_time (YYYYMMDDhhmmss in UTC+8; the last 24 hours when not given),
            model_name, status, and page_no, page_size. Others are ignored.
        tasks: All tasks with what is known of them.
        now: Epoch seconds.

    Raises:
        RefusedError: If a date or a number cannot be read or lies out of bounds.
    """
    try:
        begin, end = _list_span(query, now)
        page, length = int(query.get("page_no", 1)), int(query.get("page_size", 10))
    except ValueError as bad:
        raise RefusedError("InvalidParameter", str(bad)) from None
    if page < 1 or not 1 <= length <= 100:
        raise RefusedError("InvalidParameter", "page_no must be at least 1 and page_size between 1 and 100")
    wanted = {name: query[name] for name in ("task_id", "model_name", "status") if query.get(name)}
    newest = sorted(tasks, key=lambda pair: pair[0].created, reverse=True)
    rows = [_list_item(*pair) for pair in newest if pair[1].status != "UNKNOWN" and begin <= pair[0].created < end]
    found = [row for row in rows if wanted.items() <= row.items()]
    head = {"total": len(found), "total_page": -(-len(found) // length), "page_no": page, "page_size": length}
    return {"request_id": new_id(), **head, "data": found[(page - 1) * length : page * length]}


def _list_span(query: Mapping[str, str], now: float) -> tuple[float, float]:
    dates: dict[str, float] = {}
    for name in ("start_time", "end_time"):
        if text := query.get(name):
            if len(text) != 14 or not text.isdigit():
                raise ValueError(f"{name} must be YYYYMMDDhhmmss")
            dates[name] = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SERVICE_ZONE).timestamp()
    last = dates.get("end_time", min(now, dates.get("start_time", now) + _DAY_S))
    begin = dates.get("start_time", last - _DAY_S)
    if last - begin > _DAY_S:
        raise ValueError("the span from start_time to end_time must not exceed 24 hours")
    return begin, last + 1  # a second counts as a whole: a task of 10:00:00.250 lies within end_time 10:00:00


def _list_item(task: Task, view: View) -> Json:
    spec = find_model(task.row)
    service = _path(spec) if spec else ""
    item: Json = {
        "api_key_id": "1",
        "caller_parent_id": "1000000000000001",
        "caller_uid": "1000000000000001",
        "gmt_create": round(task.created * 1000),
        "model_name": task.model,
        "region": "simulated",
        "request_id": task.request_id,
        "status": view.status,
        "task_id": task.task_id,
        "user_api_unique_key": f"apikey:v1:{':'.join(service.split('/')[2:])}:{task.model}",
    }
    if view.status in ("RUNNING", "SUCCEEDED", "FAILED"):
        item["start_time"] = round(view.start * 1000)
    if view.status in ("SUCCEEDED", "FAILED", "CANCELED"):
        item["end_time"] = round(view.end * 1000)
    return item
