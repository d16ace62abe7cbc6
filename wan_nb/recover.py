"""Which of the service's tasks an ambiguous run may be.

A submission whose answer was lost may have made a task, and it may be billed. The service's list says which tasks
were made about then, with the same model; each one's prompt says more. Whether one of them is ours is the user's
word: nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from wan_nb import tables
from wan_nb.client import Client, TaskRow
from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.record import RunState
from wan_nb.retry import patiently
from wan_nb.task import TaskStatus

BEFORE_S = 60.0
"""Seconds before the sending at which a task may seem to have been made: clocks differ."""
AFTER_S = 900.0
"""Seconds after it: a request may wait long in a gateway."""
FAR_TASKS = 100
"""Tasks outside that time that are read all the same, if none inside has the prompt: clocks can be wrong by hours."""
PAGE_SIZE = 10
"""Tasks a page; the documents' own default (FACTS §4)."""
MAX_PAGES = 300
"""Pages that are read at most: the list covers 24 hours of the whole account."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that an ambiguous run may be."""

    task_id: str
    """The service's id; `run.adopt(task_id)` takes it."""
    status: TaskStatus
    """What it is doing."""
    created: datetime | None
    """When the service made it (aware, by the server's clock)."""
    after_s: float | None
    """Seconds after our sending, both by the server's clock."""
    same_prompt: bool | None
    """Whether its prompt is ours; None where the service does not say."""

    def __str__(self) -> str:
        prompt = {True: "same prompt", False: "another prompt", None: "prompt not told"}[self.same_prompt]
        return f"{self.task_id}: {self.status}, made {self.after_s or 0:.0f} s after the sending, {prompt}"


class Candidates(list[Candidate]):
    """Tasks that a run may be, most likely first; shown as a table."""

    def __repr__(self) -> str:
        return "\n".join(str(each) for each in self) or "no task of the account fits"

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No task of the account fits: run.disown() says so, run.again() makes it anew.</p>"
        rows = [
            (each.task_id, each.status.value, f"{each.after_s or 0:.0f} s after", str(each).rsplit(", ", 1)[1])
            for each in self
        ]
        return tables.as_html(("task", "status", "made", "prompt"), rows)


async def find_candidates(client: Client, clock: Clock, state: RunState, known: Iterable[str]) -> Candidates:
    """Look through the service's list for tasks that an ambiguous run may be.

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
    known, sent_at = set(known), state.sent_at or state.created_at
    near: list[tuple[TaskRow, float | None]] = []
    far: list[tuple[TaskRow, float | None]] = []
    for row in await _rows(client, clock, state.model):
        after_s = None if row.created_at is None else row.created_at - (sent_at + client.ahead_s)
        if row.task_id not in known:
            (near if after_s is None or -BEFORE_S <= after_s <= AFTER_S else far).append((row, after_s))
    ours = str(state.request.get("prompt") or "")
    found = await _read(client, clock, near, ours)
    if not any(each.same_prompt for each in found):
        # our own clock may have been wrong when it was sent: then only the prompt can tell
        far.sort(key=lambda each: abs(each[1] or 0.0))
        found += [each for each in await _read(client, clock, far[:FAR_TASKS], ours) if each.same_prompt is not False]
    rank = {True: 0, None: 1, False: 2}
    found.sort(key=lambda each: (rank[each.same_prompt], abs(each.after_s or 0.0)))
    return Candidates(found)


async def _read(client: Client, clock: Clock, rows: list[tuple[TaskRow, float | None]], ours: str) -> list[Candidate]:
    """Ask for each task, since the list tells no prompts."""
    found = []
    for row, after_s in rows:
        snapshot = await patiently(clock, partial(client.get, row.task_id))
        created = None if row.created_at is None else datetime.fromtimestamp(row.created_at, UTC)
        same = _same_prompt(ours, snapshot.orig_prompt)
        found.append(Candidate(row.task_id, snapshot.status, created, after_s, same))
    return found


def _same_prompt(ours: str, theirs: str) -> bool | None:
    """Compare prompts; the service may give back a long one as it cut it."""
    if not theirs:
        return None
    return theirs == ours or (len(theirs) >= 500 and ours.startswith(theirs))


async def _rows(client: Client, clock: Clock, model: str) -> list[TaskRow]:
    """Read every page of the last 24 hours; dates are compared here, since the filter's time zone is not documented."""
    rows: list[TaskRow] = []
    for page in range(1, MAX_PAGES + 1):
        ask = partial(client.list_tasks, model_name=model, page_no=page, page_size=PAGE_SIZE)
        part, pages = await patiently(clock, ask)
        fresh = [row for row in part if row.task_id not in {each.task_id for each in rows}]
        rows += fresh
        if page >= pages or not fresh:
            break
    return rows
