"""When to ask about which task, when to submit the next, and how long to wait before something is tried again.

One schedule for all tasks, within the service's limits: dates come in, dates go out. Dates are epoch seconds of the
machine; intervals are service seconds, which a `Clock` turns into real ones. The service gives no progress, so the
cadence follows what is known of such tasks: one early look (that is where a bad request fails), few until the first
likely finish, more around it, fewer again when it runs late.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from wan_nb.clock import Clock
from wan_nb.errors import LostAnswerError, ServerFaultError, ThrottledError, UnsentError
from wan_nb.task import TaskStatus

T = TypeVar("T")

QUERIES_PER_S = 18.0
"""Queries a second: the account's limit is 20 (FACTS §3), counted in whatever window the service likes."""
MIN_GAP_S = 0.2
"""Real seconds between two looks at one task, however fast a simulation runs."""
BACKWARDS_S = 5.0
"""Real seconds by which a clock may be set back without a word."""
LONGEST_HOLD_S = 3700.0
"""Real seconds that a line of submissions may be ahead; more is a clock that was set back."""
FIRST_LOOK_S = 2.0
"""Service seconds to the first look: a bad request has failed by then."""
CADENCE_S = 4.0
"""Service seconds between looks while the task may end at any moment."""
QUIET_S = 15.0
"""Service seconds between looks while nothing is expected (the documents' own advice)."""
PASSING = (UnsentError, LostAnswerError, ThrottledError, ServerFaultError)
"""Errors that pass by themselves: no connection, a lost answer, 408, 429, 5xx. Anything else is told at once."""
TRIES = 9
"""How often a call that costs nothing is made before its last error is told."""
LONGEST_BACKOFF_S = 60.0
"""Service seconds between two tries, at most."""


@dataclass(frozen=True, slots=True)
class Usual:
    """How long such tasks take, in service seconds from submission to end."""

    median_s: float
    """Half of them took less."""
    p90_s: float
    """Nine of ten took less."""
    count: int
    """Runs that this was learned from; 0 when it is the documents' word."""
    source: str
    """Where it comes from, for people."""
    earliest_s: float = 0.0
    """When looking more often begins to pay."""

    @classmethod
    def learn(cls, took: Sequence[float]) -> Usual:
        """Learn from runs that ended; below three, keep to what is published.

        Example:
            >>> Usual.learn([80, 100, 120, 90]).source
            '4 runs here'
            >>> Usual.learn([]).median_s
            95.0
        """
        if len(took) < 3:
            return PUBLISHED
        ordered = sorted(took)
        p90 = ordered[int(len(ordered) * 0.9)]
        return cls(statistics.median(ordered), p90, len(took), f"{len(took)} runs here", ordered[0] * 0.95)


PUBLISHED = Usual(95.0, 180.0, 0, "1–5 minutes (S003); 68–120 s measured (RACCOON)", 50.0)
"""What is published of such tasks."""


@dataclass(slots=True)
class Watch:
    """One task that is being followed."""

    run_id: str
    """The journal's id."""
    model: str
    """Model id: the service works one model's queue in order."""
    since: float
    """Epoch seconds of submission."""
    usual: Usual
    """What is expected."""
    status: TaskStatus = TaskStatus.PENDING
    """Last word of the service."""
    looks: int = 0
    """Queries so far."""
    failures: int = 0
    """Queries in a row that got no answer."""
    due: float = 0.0
    """Epoch seconds of the next query."""


@dataclass(slots=True)
class Schedule:
    """All tasks that are followed, and who is next.

    Example:
        >>> clock = Clock(now=lambda: 100.0)
        >>> schedule = Schedule(clock)
        >>> schedule.add("r1", "wan2.7-i2v", 100.0, PUBLISHED)
        >>> schedule.due(101.0), schedule.due(102.0)
        ([], ['r1'])
    """

    clock: Clock
    """Turns service seconds into real ones."""
    running: int = 5
    """Tasks of a model that the service runs together; later ones need fewer looks."""
    watches: dict[str, Watch] = field(default_factory=dict)
    """By run id, in order of submission."""
    _last_query: float = 0.0
    _seen: float = 0.0

    def add(self, run_id: str, model: str, since: float, usual: Usual) -> None:
        """Follow a task from now on; a task that is older is looked at soon."""
        self.watches[run_id] = Watch(run_id, model, since, usual, due=since + self.clock.real_s(FIRST_LOOK_S))

    def drop(self, run_id: str) -> None:
        """Follow a task no longer."""
        self.watches.pop(run_id, None)

    def due(self, now: float) -> list[str]:
        """Return who must be asked about at this moment, longest overdue first, within the query limit."""
        if now < self._seen - BACKWARDS_S:  # the clock was set back: nobody waits for what was to come
            self._last_query = min(self._last_query, now - 1.0)
            for watch in self.watches.values():
                if not math.isinf(watch.due):
                    watch.due = min(watch.due, now)
        self._seen = now
        waiting = sorted((w for w in self.watches.values() if w.due <= now), key=lambda w: w.due)
        gap = self.clock.real_s(1 / QUERIES_PER_S)
        chosen: list[str] = []
        for watch in waiting:
            if self._last_query + gap * 0.999 > now:
                break
            # what was not used in the past is not saved up: no bursts
            self._last_query = max(self._last_query + gap, now - gap)
            watch.due = math.inf  # until `asked` sets the next
            chosen.append(watch.run_id)
        return chosen

    def asked(self, run_id: str, now: float, status: TaskStatus | None) -> None:
        """Note an answer (None when there was none) and set the next look."""
        watch = self.watches.get(run_id)
        if watch is None:
            return
        watch.looks += 1
        watch.failures = watch.failures + 1 if status is None else 0
        watch.status = status or watch.status
        watch.due = now + max(self.clock.real_s(self._interval(watch, now)), MIN_GAP_S)

    def _interval(self, watch: Watch, now: float) -> float:
        """Service seconds until the next look."""
        if watch.failures:
            return float(min(60.0, CADENCE_S * 2 ** (watch.failures - 1)))
        age = self.clock.service_s(watch.since, now)
        if watch.status is TaskStatus.UNKNOWN:
            return 60.0
        if watch.status is TaskStatus.PENDING and self._rank(watch) >= self.running:
            return QUIET_S * 2
        if age < watch.usual.earliest_s:
            # one look on the way tells that it runs; then nothing until it may end
            return min(max(watch.usual.earliest_s - age, CADENCE_S), QUIET_S if watch.looks < 2 else 60.0)
        if age > 2 * watch.usual.p90_s:
            return QUIET_S
        return CADENCE_S

    def _rank(self, watch: Watch) -> int:
        """How many of the same model were submitted before it."""
        return sum(1 for w in self.watches.values() if w.model == watch.model and w.since < watch.since)

    def next_due(self) -> float:
        """Epoch seconds of the next query; infinite when nothing is followed."""
        soonest = min((watch.due for watch in self.watches.values()), default=math.inf)
        return max(soonest, self._last_query + self.clock.real_s(1 / QUERIES_PER_S))


@dataclass(slots=True)
class Pacer:
    """When each submission may go, so that a model's submissions a second are not exceeded.

    Example:
        >>> pacer = Pacer(Clock())
        >>> [round(pacer.reserve("wan2.2-i2v-flash", 2, now=10.0), 1) for _ in range(3)]
        [10.0, 10.5, 11.0]
    """

    clock: Clock
    """Turns service seconds into real ones."""
    _next: dict[str, float] = field(default_factory=dict)

    def reserve(self, model: str, per_s: int, now: float) -> float:
        """Take the next place in a model's line and return its date (epoch seconds)."""
        at = max(now, self._next.get(model, 0.0))
        if at > now + LONGEST_HOLD_S:  # the clock was set back
            at = now
        self._next[model] = at + self.clock.real_s(1 / per_s)
        return at

    def hold(self, model: str, until: float) -> None:
        """Let nobody of a model go before a date: the service said 429."""
        self._next[model] = max(self._next.get(model, 0.0), until)


def backoff_s(attempt: int, *, chance: Callable[[], float] = random.random) -> float:
    """Return the service seconds to wait after a failed attempt (from 1): doubling, with jitter.

    Example:
        >>> [backoff_s(attempt, chance=lambda: 0.5) for attempt in (1, 2, 3, 9)]
        [2.0, 4.0, 8.0, 60.0]
    """
    return min(LONGEST_BACKOFF_S, 2.0**attempt) * (0.75 + 0.5 * chance())


async def patiently(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    """Make a call that costs nothing until there is an answer; errors that do not pass are raised at once.

    A submission is not such a call; whether it may be sent again is decided where it is sent (`wan_nb.send`).
    """
    for attempt in range(1, TRIES):
        try:
            return await ask()
        except PASSING as error:
            await clock.sleep(getattr(error, "retry_after_s", None) or backoff_s(attempt))
    return await ask()
