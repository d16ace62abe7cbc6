"""What the simulated service is like on a given day: timing, limits, sizes and faults, as data only.

A *scenario* never acts. The engine reads timing, sizes and limits from it, the server looks up which *fault* meets
which call. A new scenario is a row in `SCENARIOS`; the advice for its error code is a row in `wan_nb.advice`, and its
end in the form one in tests/test_browser_faults.py. A new *kind* of fault acts in `server.py`. Seconds are service
seconds (a clock at speed 60 makes them 60 times shorter), except `life_s`, which is seconds of the machine: results
live as long as a class needs them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wan_nb.errors import ConfigError

Point = Literal["create", "poll", "list", "cancel", "policy", "upload", "download"]
"""Where a fault strikes: one kind of call each; `policy` and `upload` are the two steps of a temporary upload."""

Kind = Literal["status", "lost_answer", "reset", "slow", "truncate", "stall", "expire", "fail_task"]
"""How it strikes, see `Fault.kind`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, at some calls.

    Example:
        >>> burst = Fault("create", "status", count=2, status=429, code="Throttling.RateQuota", message="slow down")
        >>> [find_fault((burst,), "create", number) is burst for number in (0, 1, 2)]
        [True, True, False]
    """

    at: Point
    """The kind of call that it meets."""
    kind: Kind
    """``status``: answered with `status`, `code`, `message` and nothing done. ``lost_answer``: done, then the
    connection is closed without an answer. ``reset``: the connection is reset and nothing done. ``slow``: answered
    `seconds` late. ``truncate``: closed after `share` of the body. ``stall``: silent for `seconds` after `share` of the
    body, then closed. ``expire``: a download is refused as expired, a poll answers UNKNOWN. ``fail_task``: the task
    that a create makes fails with `code` and `message`, `seconds` after its submission."""
    count: int | None = 1
    """How many calls of this kind it meets; None for all of them."""
    after: int = 0
    """How many calls of this kind pass before."""
    status: int = 500
    """HTTP status of ``status``."""
    code: str = "InternalError"
    """Error code of ``status`` and ``fail_task``."""
    message: str = "An internal error has occurred, please try again later or contact service support."
    """Error text of ``status`` and ``fail_task``."""
    seconds: float = 0.0
    """Service seconds of ``slow``, ``stall`` and ``fail_task``."""
    share: float = 0.5
    """Part of the body that ``truncate`` and ``stall`` send, 0 to 1."""


def find_fault(faults: Sequence[Fault], at: Point, number: int) -> Fault | None:
    """Return the first fault that meets a call, by its number among its kind from 0; None where none does."""
    for fault in faults:
        end = math.inf if fault.count is None else fault.after + fault.count
        if fault.at == at and fault.after <= number < end:
            return fault
    return None


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a task takes, in service seconds."""

    pending_s: float = 6.0
    """PENDING at least that long; the seeds' samples show 0 to 155."""
    shortest_s: float = 60.0
    """Submission to result of the lightest task: the documents say 1 to 5 minutes, live calls took 68 to 120
    seconds."""
    longest_s: float = 150.0
    """The same for the heaviest; tier and duration weigh half, chance (from prompt and seed) the other half."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the service takes at once. None for a number of the catalogue means the model's own row."""

    running: int | None = None
    """Tasks of a model that run together; more wait as PENDING, in order."""
    submits_per_s: int | None = None
    """Tasks of a model taken in a service second."""
    enforced: bool = True
    """Whether `submits_per_s`, and 20 a second for each of query, list and cancel, answer 429; `running` always
    holds."""


@dataclass(frozen=True, slots=True)
class SizeRule:
    """How the ideal sides (tier's area, picture's shape) become whole pixels.

    Written here anew on purpose: a witness that shared the client's arithmetic would share its mistakes.
    """

    step: int = 16
    """Both sides are multiples of this."""
    rounded: bool = False
    """Whether the ideal side is rounded to a whole pixel before it is cut down to the step."""


DOCUMENTED = SizeRule()
"""Fits the documents' one example: 750×1000 at 720P gives 816×1104."""

MEASURED = SizeRule(step=2, rounded=True)
"""Fits the two wan2.7 files that somebody measured: 2400×1600 at 1080P gave 1764×1176, 1000×450 gave 2146×966."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that can differ between two simulated services.

    Example:
        >>> Scenario(job_s=120).timing.pending_s
        6.0
        >>> Scenario.named("throttled").faults[0].status
        429
    """

    timing: Timing = Timing()
    """How long tasks take."""
    job_s: float | None = None
    """Service seconds from submission to result of every task, in place of the range in `timing`."""
    limits: Limits = Limits()
    """How much it takes at once."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong; the first that meets a call wins."""
    life_s: float = 24 * 3600.0
    """Machine seconds that a task id and a result URL live."""
    tier_area: Mapping[str, int] = field(
        default_factory=lambda: {"480P": 832 * 480, "720P": 1280 * 720, "1080P": 1920 * 1080}
    )
    """Pixels of each tier; tests make them small to render quickly."""
    rule: SizeRule = DOCUMENTED
    """Size rule of every model that `rules` does not name."""
    rules: Mapping[str, SizeRule] = field(default_factory=dict)
    """Size rule by the catalogue's model id."""
    stand_in: tuple[int, int] = (1280, 960)
    """Width and height assumed for a picture or clip that lies beyond loopback and cannot be fetched."""
    result_origin: str | None = None
    """Scheme and host put into result URLs in place of the simulator's own; a closed port here is dead storage."""

    @classmethod
    def named(cls, name: str) -> Scenario:
        """Return one of the ready scenarios (`SCENARIOS`).

        Raises:
            ConfigError: If there is none of that name.
        """
        if name not in SCENARIOS:
            raise ConfigError(f"scenario {name!r} does not exist; there are {', '.join(SCENARIOS)}.")
        return SCENARIOS[name]


_THROTTLED = "Requests rate limit exceeded, please try again later."
_INSPECTED = "Input or output data may contain inappropriate content."
_UNAVAILABLE = "The service is temporarily unavailable, please try again later."


def _faulty(*faults: Fault) -> Scenario:
    return Scenario(faults=faults)


SCENARIOS: Mapping[str, Scenario] = {
    "plain": Scenario(),
    "throttled": _faulty(
        Fault("create", "status", count=3, status=429, code="Throttling.RateQuota", message=_THROTTLED),
        Fault("poll", "status", count=4, after=2, status=429, code="Throttling.RateQuota", message=_THROTTLED),
    ),
    "crowded": Scenario(limits=Limits(running=1)),
    "flaky": _faulty(
        Fault("poll", "status", after=1, status=503, code="ServiceUnavailable", message=_UNAVAILABLE),
        Fault("poll", "reset", after=3),
        Fault("poll", "slow", after=5, seconds=60),
        Fault("download", "status", status=503, code="ServiceUnavailable", message=_UNAVAILABLE),
    ),
    "down": _faulty(Fault("create", "status", None, status=503, code="ServiceUnavailable", message=_UNAVAILABLE)),
    "lost_answer": _faulty(Fault("create", "lost_answer")),
    "moderated": _faulty(
        Fault("create", "fail_task", None, code="DataInspectionFailed", message=_INSPECTED, seconds=10)
    ),
    "expired": _faulty(Fault("download", "expire", None)),
    "truncated": _faulty(Fault("download", "truncate", 2)),
    "stalled": _faulty(Fault("download", "stall", seconds=3600)),
    "storage_missing": _faulty(
        Fault("download", "status", None, status=404, code="NoSuchKey", message="The key does not exist.")
    ),
    "storage_refused": Scenario(result_origin="http://127.0.0.1:9"),
    "small": Scenario(tier_area={"480P": 208 * 120, "720P": 320 * 180, "1080P": 480 * 270}),
}
"""Ready scenarios by name: what a client must live through; ``small`` makes small videos, quickly."""
