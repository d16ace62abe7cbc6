"""What was run: a list that filters, sums up, and goes to CSV or a data frame.

Everything here is read from the runs' states; nothing is asked of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_nb import tables
from wan_nb.errors import ConfigError
from wan_nb.pricing import FREE_QUOTA, Money
from wan_nb.record import RunState

if TYPE_CHECKING:
    from wan_nb.run import Run

COLUMNS = (
    *("run_id", "created", "model", "tier", "seconds", "phase", "task_id", "take", "seed", "prompt", "size", "took_s"),
    *("cost", "currency", "file", "code", "message", "note", "tags", "starred"),
)
"""Columns of `Runs.rows`, and of the CSV."""


def row(state: RunState) -> dict[str, Any]:
    """Return one run as plain values, a column each."""
    cost, file = state.cost, state.file
    told = {
        "created": state.created.isoformat(timespec="seconds"),
        "phase": state.phase.value,
        "seed": state.request.get("seed"),
        "prompt": state.request.get("prompt"),
        "size": str(file.size) if file else "",
        "took_s": None if state.took_s is None else round(state.took_s, 1),
        "cost": float(cost.amount) if cost else None,
        "currency": cost.currency if cost else "",
        "file": file.path if file else "",
        "tags": " ".join(state.tags),
    }
    return {name: told[name] if name in told else getattr(state, name) for name in COLUMNS}


class Runs(list["Run"]):
    """Runs, newest first; shown as a table.

    Example:
        >>> Runs().where(starred=True)
        no runs yet
    """

    def where(self, test: Callable[[RunState], bool] | None = None, **equal: Any) -> Runs:
        """Keep the runs whose state passes a test, or whose columns have these values.

        Args:
            test: Called with each `RunState`.
            equal: Columns of `COLUMNS` with the wanted value; ``tags`` and ``prompt`` match a part.

        Raises:
            ConfigError: If there is no such column.
        """
        wrong = set(equal) - set(COLUMNS)
        if wrong:
            raise ConfigError(f"{min(wrong)!r} is not a column; the columns are {', '.join(COLUMNS)}.")

        def fits(state: RunState) -> bool:
            cells = row(state)
            return all(
                str(value).lower() in str(cells[name]).lower() if name in ("tags", "prompt") else cells[name] == value
                for name, value in equal.items()
            )

        return Runs(run for run in self if (test is None or test(run.state)) and fits(run.state))

    def rows(self) -> list[dict[str, Any]]:
        """Return plain values, a dict each run."""
        return [row(run.state) for run in self]

    def to_csv(self, path: str | Path) -> Path:
        """Write a CSV file (UTF-8, as spreadsheets like it) and return its path.

        Args:
            path: Where to, ``.csv``; what is there is replaced.
        """
        return tables.write_csv(path, COLUMNS, self.rows())

    def to_frame(self) -> Any:
        """Return a pandas DataFrame.

        Raises:
            ConfigError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ConfigError("pandas is not installed; pip install pandas, or use runs.to_csv('runs.csv').") from None
        return pandas.DataFrame(self.rows(), columns=list(COLUMNS))

    def __repr__(self) -> str:
        return "\n".join(repr(run) for run in self) or "no runs yet"

    def _ipython_display_(self) -> None:
        from wan_nb.widgets import board as view

        if view.show(self) is None:
            raise NotImplementedError  # nothing to follow, or nowhere: the static table is shown

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from wan_nb.widgets import board as view

        return {"text/plain": repr(self), "text/html": view.table_html(self)}


@dataclass(frozen=True, slots=True)
class Spend:
    """What runs cost, by day and model; estimates by list price."""

    states: tuple[RunState, ...]
    """Runs that count: not those that were refused, failed or called back."""
    is_simulated: bool = False
    """Whether nothing was paid at all."""

    @classmethod
    def of(cls, states: Iterable[RunState], *, is_simulated: bool = False) -> Spend:
        """Sum up runs."""
        return cls(tuple(state for state in states if not state.phase.is_free), is_simulated)

    @property
    def totals(self) -> Mapping[str, Money]:
        """Sum in each currency."""
        sums: dict[str, Money] = {}
        for cost in (state.cost for state in self.states):
            if cost:
                sums[cost.currency] = sums[cost.currency] + cost if cost.currency in sums else cost
        return sums

    def _line(self, day: str, model: str) -> str:
        seconds = sum(state.seconds if state.billed_s is None else state.billed_s for state in self.states)
        cost = " and ".join(str(money) for money in self.totals.values()) or "price unknown"
        unknown = [state.cost for state in self.states].count(None) if self.totals else 0
        beside = f", and {unknown} without a published price" if unknown else ""
        return f"{day}  {model}: {len(self.states)} runs, {seconds:g} s, {cost}{beside}"

    def __str__(self) -> str:
        if self.is_simulated:
            return f"nothing: {len(self.states)} simulated runs are free"
        if not self.states:
            return "nothing yet"
        groups: dict[tuple[str, str], list[RunState]] = {}
        for state in self.states:
            groups.setdefault((state.created.date().isoformat(), state.model), []).append(state)
        text = [Spend(tuple(members))._line(*group) for group, members in sorted(groups.items(), reverse=True)]
        total = " and ".join(str(money) for money in self.totals.values()) or "unknown"
        quota = " and ".join(f"{seconds} s" for seconds in sorted(set(FREE_QUOTA.values())))
        text.append(f"together about {total} by list price; a free quota ({quota} a model for new accounts) is not")
        text.append("subtracted: only the console knows what is left of it.")
        return "\n".join(text)

    __repr__ = __str__
