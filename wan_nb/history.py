"""What was run: a list that filters, sums up, and goes to CSV or a data frame.

Everything here is read from the runs' states; nothing is asked of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
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
    return {
        "run_id": state.run_id,
        "created": state.created.isoformat(timespec="seconds"),
        "model": state.model,
        "tier": state.tier,
        "seconds": state.seconds,
        "phase": state.phase.value,
        "task_id": state.task_id,
        "take": state.take,
        "seed": state.request.get("seed"),
        "prompt": state.request.get("prompt"),
        "size": str(file.size) if file else "",
        "took_s": None if state.took_s is None else round(state.took_s, 1),
        "cost": None if cost is None else float(cost.amount),
        "currency": "" if cost is None else cost.currency,
        "file": file.path if file else "",
        "code": state.code,
        "message": state.message,
        "note": state.note,
        "tags": " ".join(state.tags),
        "starred": state.starred,
    }


class Runs(list["Run"]):
    """Runs, newest first; shown as a table.

    Example:
        >>> Runs().where(starred=True)
        no runs yet
    """

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        super().__init__(runs)

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
class SpendLine:
    """What one model cost on one day."""

    day: str
    """Local date, ISO."""
    model: str
    """Model id."""
    runs: int
    """Runs that count: not those that were refused, failed or called back."""
    seconds: float
    """Seconds billed, or asked for while that is open."""
    cost: Money | None
    """By list price; None where no price is published."""
    unknown: int
    """Runs among them without a published price."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What runs cost, by day and model; estimates by list price."""

    lines: tuple[SpendLine, ...]
    """Newest day first."""
    is_simulated: bool = False
    """Whether nothing was paid at all."""

    @classmethod
    def of(cls, states: Iterable[RunState], *, is_simulated: bool = False) -> Spend:
        """Sum up runs."""
        groups: dict[tuple[str, str], list[RunState]] = {}
        for state in states:
            if not state.phase.is_free:
                groups.setdefault((state.created.date().isoformat(), state.model), []).append(state)
        lines = [_line(day, model, members) for (day, model), members in groups.items()]
        return cls(tuple(sorted(lines, key=lambda line: (line.day, line.model), reverse=True)), is_simulated)

    @property
    def totals(self) -> Mapping[str, Money]:
        """Sum in each currency."""
        sums: dict[str, Money] = {}
        for line in self.lines:
            if line.cost:
                zero = Money(Decimal(0), line.cost.currency)
                sums[line.cost.currency] = sums.get(line.cost.currency, zero) + line.cost
        return sums

    def __str__(self) -> str:
        if self.is_simulated:
            return f"nothing: {sum(line.runs for line in self.lines)} simulated runs are free"
        if not self.lines:
            return "nothing yet"
        text = [
            f"{line.day}  {line.model}: {line.runs} runs, {line.seconds:g} s, {line.cost or 'price unknown'}"
            for line in self.lines
        ]
        total = " and ".join(str(money) for money in self.totals.values()) or "unknown"
        quota = " and ".join(f"{seconds} s" for seconds in sorted(set(FREE_QUOTA.values())))
        text.append(f"together about {total} by list price; a free quota ({quota} a model for new accounts) is not")
        text.append("subtracted: only the console knows what is left of it.")
        return "\n".join(text)

    __repr__ = __str__


def _line(day: str, model: str, states: list[RunState]) -> SpendLine:
    priced = [state.cost for state in states if state.cost is not None]
    seconds = sum(state.billed_s if state.billed_s is not None else state.seconds for state in states)
    return SpendLine(day, model, len(states), seconds, Money.total(priced), len(states) - len(priced))
