"""The account's tasks as the service lists them, also those that were not made here.

The list covers 24 hours, ten tasks a page, and has no video addresses: `session.adopt(task_id)` fetches one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from wan_nb import tables
from wan_nb.client import Client, TaskRow
from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.retry import patiently

FILTERS = ("task_id", "model_name", "status", "start_time", "end_time", "page_no", "page_size")
"""What the list can be narrowed by (FACTS §4); times are YYYYMMDDhhmmss, at most 24 hours apart."""

_HEAD = ("task", "status", "model", "made")


class Tasks(list[TaskRow]):
    """Tasks of the account, newest first; shown as a table.

    Example:
        >>> from wan_nb.task import TaskStatus
        >>> print(Tasks([TaskRow("0385dc79", TaskStatus.PENDING, "wan2.7-i2v", None)]))
        task      status   model       made
        0385dc79  PENDING  wan2.7-i2v
    """

    def __init__(self, rows: Iterable[TaskRow] = (), pages: int = 1) -> None:
        super().__init__(rows)
        self.pages = pages
        """How many pages the list has."""

    def _cells(self) -> list[tuple[str, ...]]:
        return [(row.task_id, row.status.value, row.model, _made(row.created_at)) for row in self]

    def __repr__(self) -> str:
        return tables.as_text(_HEAD, self._cells()) if self else "no tasks in the last 24 hours"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return tables.as_html(_HEAD, self._cells()) if self else f"<p>{self!r}</p>"


def _made(date: float | None) -> str:
    return "" if date is None else f"{datetime.fromtimestamp(date, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


async def read_tasks(client: Client, clock: Clock, filters: dict[str, str | int]) -> Tasks:
    """Read the page that the filters name, or every page.

    Raises:
        ConfigError: If the endpoint has no list, or there is no such filter.
    """
    if not client.endpoint.can_list:
        raise ConfigError(f"{client.endpoint.name} has no task list; session.runs() has what was run here.")
    for name in filters:
        if name not in FILTERS:
            raise ConfigError(f"{name!r} is not a filter of the task list; it has {', '.join(FILTERS)}.")
    rows, pages = await patiently(clock, partial(client.list_tasks, **filters))
    found = Tasks(rows, pages)
    for page in range(2, pages + 1 if "page_no" not in filters else 0):
        more, _ = await patiently(clock, partial(client.list_tasks, **{**filters, "page_no": page}))
        found += more
    return found
