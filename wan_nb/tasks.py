"""The account's tasks as the service lists them: also those that were not made here, and what an ambiguous run may be.

The list covers 24 hours, ten tasks a page, and tells neither prompts nor video addresses: `session.adopt(task_id)`
fetches one. A submission whose answer was lost may have made a task, and it may be billed; whether one of those that
fit is ours is the user's word: nothing here decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import count

from wan_nb import tables
from wan_nb.client import Client, TaskRow
from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.record import RunState
from wan_nb.schedule import patiently
from wan_nb.task import TaskStatus

FILTERS = ("task_id", "model_name", "status", "start_time", "end_time", "page_no", "page_size")
"""What the list can be narrowed by (FACTS §4); times are YYYYMMDDhhmmss, at most 24 hours apart."""
BEFORE_S = 60.0
"""Seconds before the sending at which a task may seem to have been made: clocks differ."""
AFTER_S = 900.0
"""Seconds after it: a request may wait long in a gateway."""
FAR_TASKS = 100
"""Tasks outside that time that are read all the same, if none inside has the prompt: clocks can be wrong by hours."""

_PROMPTS = {True: "same prompt", None: "prompt not told", False: "another prompt"}  # most likely first


class Tasks(list[TaskRow]):
    """Tasks of the account, newest first; shown as a table.

    Example:
        >>> print(Tasks([TaskRow("0385dc79", TaskStatus.PENDING, "wan2.7-i2v", None)]))
        task      status   model       made
        0385dc79  PENDING  wan2.7-i2v
    """

    _HEAD = ("task", "status", "model", "made")

    def __init__(self, rows: Iterable[TaskRow] = (), pages: int = 1) -> None:
        super().__init__(rows)
        self.pages = pages
        """How many pages the list has."""

    def _cells(self) -> list[tuple[str, ...]]:
        return [(row.task_id, row.status.value, row.model, _local(row.created)) for row in self]

    def __repr__(self) -> str:
        return tables.as_text(self._HEAD, self._cells()) if self else "no tasks in the last 24 hours"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return tables.as_html(self._HEAD, self._cells()) if self else f"<p>{self!r}</p>"


def _local(date: datetime | None) -> str:
    return f"{date.astimezone():%Y-%m-%d %H:%M:%S}" if date else ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that an ambiguous run may be."""

    task_id: str
    """The service's id; `run.adopt(task_id)` takes it."""
    status: TaskStatus
    """What it is doing."""
    after_s: float | None
    """Seconds after our sending, both by the server's clock."""
    same_prompt: bool | None
    """Whether its prompt is ours; None where the service does not say."""

    def __str__(self) -> str:
        prompt = _PROMPTS[self.same_prompt]
        return f"{self.task_id}: {self.status}, made {self.after_s or 0:.0f} s after the sending, {prompt}"


class Candidates(list[Candidate]):
    """Tasks that a run may be, most likely first; shown as a table."""

    def __repr__(self) -> str:
        return "\n".join(str(each) for each in self) or "no task of the account fits"

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No task of the account fits: run.disown() says so, run.again() makes it anew.</p>"
        rows = [
            (each.task_id, each.status.value, f"{each.after_s or 0:.0f} s after", _PROMPTS[each.same_prompt])
            for each in self
        ]
        return tables.as_html(("task", "status", "made", "prompt"), rows)


async def read_tasks(client: Client, clock: Clock, filters: dict[str, str | int]) -> Tasks:
    """Read the page that the filters name, or every page, each task once: the list shifts while it is read.

    Raises:
        ConfigError: If the endpoint has no list, or there is no such filter.
    """
    if not client.endpoint.can_list:
        raise ConfigError(f"{client.endpoint.name} has no task list; session.runs() has what was run here.")
    for name in filters:
        if name not in FILTERS:
            raise ConfigError(f"{name!r} is not a filter of the task list; it has {', '.join(FILTERS)}.")
    if "page_no" in filters:
        return Tasks(*await patiently(clock, partial(client.list_tasks, **filters)))
    found: dict[str, TaskRow] = {}
    for page in count(1):
        rows, pages = await patiently(clock, partial(client.list_tasks, **filters, page_no=page))
        fresh = {row.task_id: row for row in rows if row.task_id not in found}
        found |= fresh
        if page >= pages or not fresh:
            break
    return Tasks(found.values(), pages)


async def find_candidates(client: Client, clock: Clock, state: RunState, known: Collection[str]) -> Candidates:
    """Look through the service's list for tasks that an ambiguous run may be.

    Dates are compared here, since the time zone of the list's own filter is not documented.

    Args:
        client: Calls to the endpoint that it was sent to.
        clock: Speed of service time, for waits between tries.
        state: The run.
        known: Task ids that other runs here have.

    Raises:
        ConfigError: If the endpoint has no list.
    """
    if not client.endpoint.can_list:
        raise ConfigError(
            f"{client.endpoint.name} has no task list, so nobody can say whether run {state.run_id} exists there; "
            "ask its operator, then run.adopt('task-id') or run.disown()."
        )
    ours = str(state.request.get("prompt") or "")

    async def asked(listed: Candidate) -> Candidate:
        snapshot = await patiently(clock, partial(client.get, listed.task_id))  # the list tells no prompts
        theirs = snapshot.orig_prompt
        same = theirs == ours or (len(theirs) >= 500 and ours.startswith(theirs))  # a long one may come back cut
        return replace(listed, status=snapshot.status, same_prompt=same if theirs else None)

    tasks = await read_tasks(client, clock, {"model_name": state.model})
    sent_at = (state.sent_at or state.created_at) + client.ahead_s
    listed = [
        Candidate(row.task_id, row.status, row.created.timestamp() - sent_at if row.created else None, None)
        for row in tasks
        if row.task_id not in known
    ]
    listed.sort(key=lambda each: abs(each.after_s or 0.0))
    near = [each for each in listed if each.after_s is None or -BEFORE_S <= each.after_s <= AFTER_S]
    found = [await asked(each) for each in near]
    if not any(each.same_prompt for each in found):
        # our own clock may have been wrong when it was sent: then only the prompt can tell
        far = [each for each in listed if each not in near][:FAR_TASKS]
        found += [each for each in [await asked(each) for each in far] if each.same_prompt is not False]
    return Candidates(sorted(found, key=lambda each: list(_PROMPTS).index(each.same_prompt)))
