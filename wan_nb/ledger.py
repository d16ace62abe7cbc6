"""The runs of a session's folder: planned, recorded, watched and read back, by every kernel that works there.

Records are appended, never changed; a run's state is the fold of its records (`wan_nb.record`). The file, its log and
its transactions are `wan_nb.journal`'s. Only two facts live outside the records: which request a run is of (unique with
endpoint and take, so that the same request finds the run that exists), and which process watches it (a lease that runs
out).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from wan_nb.errors import BudgetError, LedgerError
from wan_nb.journal import Journal, field_of, read_data
from wan_nb.pricing import Money
from wan_nb.record import Record, RunPhase, RunRow, RunState, SavedFile, fold

PLANNED_LONG_AGO_S = 30 * 86400.0
"""How long before its sending a run may have been planned, to be counted in a day's budget."""
LEASE_S = 30.0
"""Seconds after which a run whose watcher fell silent may be taken over (machine time)."""


@dataclass(frozen=True, slots=True)
class Plan(RunRow):
    """A run that is to be written down, unless its request has one already."""

    data: Mapping[str, Any] = field(default_factory=dict)
    """What the ``planned`` record holds: estimate, predicted size."""
    adopted: Record | None = None
    """The ``adopted`` record of a task that was made elsewhere."""


class Ledger(Journal):
    """One open journal.

    Args:
        path: The database file; made when it does not exist.

    Raises:
        LedgerError: If the file is not a journal, or of a newer kind than this version can read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "ledger.sqlite")
        >>> run, existed = ledger.plan(Plan("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0, {}))
        >>> run.phase, existed
        (<RunPhase.PLANNED: 'planned'>, False)
        >>> ledger.append("r1", Record("sending", 1.0)).phase
        <RunPhase.SENDING: 'sending'>
        >>> ledger.close()
    """

    # --- writing ------------------------------------------------------------------------------------------------

    def plan(self, plan: Plan, budget: Money | None = None, since: float = 0.0) -> tuple[RunState, bool]:
        """Find the run of this request, endpoint and take, or write a new one down, in one transaction.

        Args:
            plan: What is written down.
            budget: What may be spent since then, this run included; None where nothing is limited.
            since: Epoch seconds from which runs count.

        Returns:
            The run, and whether it existed already.

        Raises:
            BudgetError: If a new run would exceed the budget.
        """
        return self.plan_all([plan], budget, since)[0]

    def plan_all(
        self, plans: Sequence[Plan], budget: Money | None = None, since: float = 0.0
    ) -> list[tuple[RunState, bool]]:
        """Do what `plan` does for several, all or none: the budget covers every one of them, or nothing is written."""
        with self.transaction():
            found = [self._find_or_write(plan) for plan in plans]
            if budget is not None:  # what it does not cover raises, and nothing was written
                # what was planned before and is about to be sent after all must be covered by today's budget, too
                asked = {
                    state.run_id: plan
                    for plan, (state, _) in zip(plans, found, strict=True)
                    if state.phase is RunPhase.PLANNED
                }
                self._reserve(asked, budget, since)
                for run_id, plan in asked.items():
                    self._claim(run_id, plan.created_at)  # reserved from now on, whenever it was planned
            return found

    def _find_or_write(self, plan: Plan) -> tuple[RunState, bool]:
        if state := self.find(plan.fingerprint, plan.endpoint, plan.take):
            return state, True
        self.insert("runs", **{column.name: getattr(plan, column.name) for column in fields(RunRow)})
        self._insert(plan.run_id, Record("planned", plan.created_at, plan.data))
        if plan.adopted is not None:
            self._insert(plan.run_id, plan.adopted)
        return self.state(plan.run_id), False

    def _reserve(self, plans: Mapping[str, Plan], budget: Money, since: float) -> None:
        """Refuse runs, by their ids, that the budget does not cover together; what is ambiguous counts in full."""
        prices = [Money.of(plan.data["estimate"]) for plan in plans.values() if plan.data.get("estimate")]
        asked = Money.total(prices)
        if asked is None:
            return
        spent = self.spent(budget.currency, since, besides=plans)
        total = spent + asked
        if total.amount > budget.amount:
            what = "this run costs" if len(prices) == 1 else f"these {len(prices)} runs cost"
            raise BudgetError(
                f"{what} about {asked} and {spent} of the budget of {budget} is spent or reserved; "
                f"raise it with budget='{total}', or choose a shorter or smaller video."
            )

    def append(self, run_id: str, *records: Record) -> RunState:
        """Append records to a run, durably, and return its state."""
        with self.transaction():
            for record in records:
                self._insert(run_id, record)
            return self.state(run_id)

    def append_if(
        self, run_id: str, phases: Collection[RunPhase], record: Record, *, needs_watch: bool = True
    ) -> RunState | None:
        """Append a record if the run is in one of these phases and the watch over it is ours; None if it is not.

        The one gate in front of the call that costs money: look and record are one transaction, so that two cells, two
        threads or two kernels with the same request cannot both pass.
        """
        with self.transaction():
            if self.state(run_id).phase not in phases or (needs_watch and self._lease(run_id)[0] != self.owner):
                return None
            self._insert(run_id, record)
            return self.state(run_id)

    def settle(self, run_id: str, record: Record) -> RunState:
        """End an ambiguity: adopt a task, or disown all.

        Raises:
            LedgerError: If the run is not ambiguous any more, or another run has that task.
        """
        state = self.append_if(run_id, (RunPhase.AMBIGUOUS,), record, needs_watch=False)
        if state is None:
            raise LedgerError(f"run {run_id} is not ambiguous any more: it is {self.state(run_id).phase}.")
        return state

    def _insert(self, run_id: str, record: Record) -> None:
        if record.kind == "adopted" and (owner := self.owner_of(record.data["task_id"])) not in ("", run_id):
            raise LedgerError(
                f"task {record.data['task_id']} belongs to run {owner} already; session.run({owner!r}) gives it."
            )
        self.insert("records", run_id=run_id, at=record.at, kind=record.kind, data=record.data)

    # --- reading ------------------------------------------------------------------------------------------------

    def _folded(self, row: sqlite3.Row) -> RunState:
        start = RunState(**dict(row) | {"request": read_data(row["request"])})
        return fold(start, self.records(start.run_id))

    def _states(self, clauses: str, *values: Any) -> list[RunState]:
        return [self._folded(row) for row in self.rows(f"SELECT * FROM runs {clauses}", *values)]

    def state(self, run_id: str) -> RunState:
        """Return a run's state.

        Raises:
            LedgerError: If there is no such run.
        """
        for state in self._states("WHERE run_id=?", run_id):
            return state
        raise LedgerError(f"run {run_id!r} is not in {self.path.name}; session.runs() lists those that are.")

    def records(self, run_id: str) -> tuple[Record, ...]:
        """Return everything that was recorded of a run, oldest first."""
        rows = self.rows("SELECT kind, at, data FROM records WHERE run_id=? ORDER BY seq", run_id)
        return tuple(Record(row["kind"], row["at"], read_data(row["data"])) for row in rows)

    def states(
        self, limit: int | None = None, *, since: float = 0.0, before: str = "", text: str = "", starred: bool = False
    ) -> list[RunState]:
        """Return runs, newest first; a page of them is quick however many there are.

        Args:
            limit: Runs, at most; None for all.
            since: Epoch seconds from which they were planned.
            before: Id of the last run of the page before this one; empty for the newest runs.
            text: Words that must all be found in id, model, tier, prompt, note or tags; empty for all runs.
            starred: Whether only runs with a star are wanted.
        """
        marked = "run_id IN (SELECT run_id FROM records WHERE kind = 'marked'"
        tests, values = ["created_at >= ?"], list[Any]([since])
        if before:
            tests.append("(created_at, rowid) < (SELECT created_at, rowid FROM runs WHERE run_id = ?)")
            values.append(before)
        for word in text.split():
            like = "%" + re.sub("([%_^])", r"^\1", word) + "%"
            tests.append(
                "(run_id || ' ' || model || ' ' || tier || ' ' || coalesce(json_extract(request, '$.prompt'), '')"
                f" LIKE ? ESCAPE '^' OR {marked} AND data LIKE ? ESCAPE '^'))"
            )
            values += [like, json.dumps(like, ensure_ascii=False)[1:-1]]
        if starred:  # as its last mark that says so has it
            star = field_of("starred")
            tests.append(
                f"{marked}) AND (SELECT {star} FROM records WHERE kind = 'marked' AND run_id = runs.run_id"
                f" AND {star} IS NOT NULL ORDER BY seq DESC LIMIT 1)"
            )
        values.append(-1 if limit is None else limit)
        return self._states(f"WHERE {' AND '.join(tests)} ORDER BY created_at DESC, rowid DESC LIMIT ?", *values)

    def samples(self, fingerprint: str, endpoint: str) -> list[RunState]:
        """Return every take of a request, the newest first."""
        return self._states("WHERE fingerprint=? AND endpoint=? ORDER BY take DESC", fingerprint, endpoint)

    def find(self, fingerprint: str, endpoint: str, take: int | None = None) -> RunState | None:
        """Return the newest run of a request (or that take of it), None where there is none."""
        found = self._states(  # one row is folded, however many takes there are
            "WHERE fingerprint=? AND endpoint=? AND take=coalesce(?, take) ORDER BY take DESC LIMIT 1",
            fingerprint, endpoint, take,
        )  # fmt: skip
        return found[0] if found else None

    def takes(self, fingerprint: str, endpoint: str) -> int:
        """Return the highest take of a request, 0 where there is none."""
        newest = self.find(fingerprint, endpoint)
        return newest.take if newest else 0

    def owner_of(self, task_id: str) -> str:
        """Return the run that has a task, empty where none has."""
        task = field_of("task_id")
        rows = self.rows(
            f"SELECT run_id FROM records WHERE kind IN ('submitted', 'adopted') AND {task} = ?",
            task_id,
        )
        return rows[0]["run_id"] if rows else ""

    def task_ids(self) -> set[str]:
        """Return every task id that any run here has."""
        task = field_of("task_id")
        return {row[0] for row in self.rows(f"SELECT {task} FROM records WHERE kind IN ('submitted', 'adopted')")}

    def verify(self) -> list[str]:
        """Check the whole journal and the files that it names; return what is wrong, in words."""
        wrong = [f"{self.path.name}: {line}" for (line,) in self.rows("PRAGMA integrity_check") if line != "ok"]
        for state in reversed(self.states()):
            if state.request.get("damaged"):
                wrong.append(f"run {state.run_id}: its request cannot be read")
            if state.file and (fault := self._fault(state.file)):
                wrong.append(f"run {state.run_id}: {state.file.path} {fault}")
        orphans = self.rows("SELECT DISTINCT run_id FROM records WHERE run_id NOT IN (SELECT run_id FROM runs)")
        return wrong + [f"records of an unknown run {row['run_id']}" for row in orphans]

    def _fault(self, saved: SavedFile) -> str:
        """Compare a video with what was recorded of it; empty where all is well."""
        path = self.path.parent / saved.path
        if not path.is_file():
            return "is missing"
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == saved.sha256
        return "" if same else "is not the file that was saved"

    def going(self) -> list[RunState]:
        """Return the runs that are not over, however old, oldest first."""
        states = self._states(
            "WHERE run_id NOT IN (SELECT run_id FROM records WHERE kind IN"
            " ('saved', 'rejected', 'expired', 'lost', 'disowned', 'withdrawn')"
            f" OR (kind = 'observed' AND {field_of('status')} IN ('FAILED', 'CANCELED')))"
            " ORDER BY created_at"
        )
        return [state for state in states if state.is_live or state.phase is RunPhase.SENDING]

    def spent(self, currency: str, since: float, *, besides: Collection[str] = ()) -> Money:
        """Return what runs cost or may cost in a currency, by the day of their sending, at whatever endpoint."""
        total = Money.of(f"0 {currency}")
        for state in self.states(since=since - PLANNED_LONG_AGO_S):
            is_planned = state.phase is RunPhase.PLANNED
            is_since = max(state.created_at, state.sent_at or 0.0) >= since
            # one that was planned before may be sent, too, where somebody had the watch since and did not give it up
            may_go = not is_since and is_planned and not state.unwatched and self.is_watched(state.run_id, since)
            if state.run_id in besides or not (is_since or may_go):
                continue
            # what is planned is reserved: it may be sent at any moment
            cost = state.estimate if is_planned else state.cost
            if cost is not None and cost.currency == currency:
                total = total + cost
        return total

    def took(self, endpoint: str, model: str, tier: str, seconds: int) -> list[float]:
        """Return how many service seconds the last runs of a kind took, newest first."""
        took = field_of("took_s")
        rows = self.rows(
            # CROSS JOIN keeps this order: the newest runs of the kind by their index, until there are enough
            f"SELECT {took} FROM runs CROSS JOIN records USING (run_id) WHERE endpoint=? AND model=? AND tier=?"
            f" AND seconds=? AND kind='observed' AND {took} IS NOT NULL ORDER BY created_at DESC LIMIT 50",
            endpoint, model, tier, seconds,
        )  # fmt: skip
        return [float(row[0]) for row in rows]

    # --- who watches --------------------------------------------------------------------------------------------

    def _lease(self, run_id: str) -> tuple[str, float]:
        """Return who has the watch over a run, and until when; nobody, since ever, where it was not taken."""
        rows = self.rows("SELECT owner, until FROM leases WHERE run_id=?", run_id)
        return (rows[0]["owner"], rows[0]["until"]) if rows else ("", 0.0)

    def is_watched(self, run_id: str, now: float) -> bool:
        """Whether a living process has the watch over a run."""
        owner, until = self._lease(run_id)
        return until > now and _may_live(owner)

    def claim(self, run_id: str, now: float) -> bool:
        """Take (or keep) the watch over a run; False while another living process has it."""
        with self.transaction():
            return self._claim(run_id, now)

    def _claim(self, run_id: str, now: float) -> bool:
        if self._lease(run_id)[0] != self.owner and self.is_watched(run_id, now):
            return False
        self._db.execute("INSERT OR REPLACE INTO leases VALUES (?,?,?)", (run_id, self.owner, now + LEASE_S))
        return True

    def renew(self, now: float) -> set[str]:
        """Keep the watch over all runs that this process has; return them."""
        with self.transaction() as db:
            db.execute("UPDATE leases SET until=? WHERE owner=?", (now + LEASE_S, self.owner))
            return {row["run_id"] for row in self.rows("SELECT run_id FROM leases WHERE owner=?", self.owner)}

    def release(self, run_id: str) -> None:
        """Give the watch over a run back."""
        with self.transaction() as db:
            db.execute("DELETE FROM leases WHERE run_id=? AND owner=?", (run_id, self.owner))


def _may_live(owner: str) -> bool:
    """Whether the process that holds a lease may be alive; only a dead one on this very machine is certain."""
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(int(pid), 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
