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
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wan_nb.errors import BudgetError, LedgerError
from wan_nb.journal import TASK_OF, Journal, read_data
from wan_nb.pricing import Money
from wan_nb.record import Record, RunPhase, RunState, fold

PLANNED_LONG_AGO_S = 30 * 86400.0
"""How long before its sending a run may have been planned, to be counted in a day's budget."""
LEASE_S = 30.0
"""Seconds after which a run whose watcher fell silent may be taken over (machine time)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written down before anything is sent."""

    run_id: str
    """Id for the run, if there is none yet."""
    fingerprint: str
    """Hash of the request."""
    endpoint: str
    """``"simulator"`` or the base URL."""
    take: int
    """Which sample of this request."""
    model: str
    """Model id as sent."""
    tier: str
    """Resolution tier."""
    seconds: int
    """Billed seconds that are expected."""
    at: float
    """Epoch seconds."""
    request: Mapping[str, Any]
    """`VideoRequest.to_record`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the ``planned`` record holds: estimate, predicted size."""
    budget: Money | None = None
    """What may be spent since `budget_since`, this run included; None where nothing is limited."""
    budget_since: float = 0.0
    """Epoch seconds from which runs count."""
    adopted: Record | None = None
    """The ``adopted`` record of a task that was made elsewhere; it is paid already, so no budget is asked."""


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

    def plan(self, plan: Plan) -> tuple[RunState, bool]:
        """Find the run of this request, endpoint and take, or write a new one down, in one transaction.

        Returns:
            The run, and whether it existed already.

        Raises:
            BudgetError: If a new run would exceed the budget.
        """
        return self.plan_all([plan])[0]

    def plan_all(self, plans: Sequence[Plan]) -> list[tuple[RunState, bool]]:
        """Do what `plan` does for several, all or none: the budget covers every one of them, or nothing is written."""
        keys = [(plan.fingerprint, plan.endpoint, plan.take) for plan in plans]
        first: dict[tuple[str, str, int], Plan] = {}
        for key, plan in zip(keys, plans, strict=True):
            first.setdefault(key, plan)  # the same request twice is one run
        with self.transaction() as db:
            found = {key: self._find(*key) for key in first}
            # what was planned before and is about to be sent after all must be covered by today's budget, too
            planned = {state.run_id for state in found.values() if state and state.phase is RunPhase.PLANNED}
            asked = [plan for key, plan in first.items() if not (state := found[key]) or state.run_id in planned]
            self._reserve(asked, besides=planned)
            for key, plan in first.items():
                if found[key] is None:
                    self._write_down(db, plan)
            return [
                (found[key] or self._state(first[key].run_id), found[key] is not None or first[key] is not plan)
                for key, plan in zip(keys, plans, strict=True)
            ]

    def _write_down(self, db: sqlite3.Connection, plan: Plan) -> None:
        if plan.adopted is not None:
            self._check_unowned(db, str(plan.adopted.data["task_id"]), plan.run_id)
        self.insert(
            db,
            "runs",
            run_id=plan.run_id,
            fingerprint=plan.fingerprint,
            endpoint=plan.endpoint,
            take=plan.take,
            model=plan.model,
            tier=plan.tier,
            seconds=plan.seconds,
            created_at=plan.at,
            request=json.dumps(plan.request, ensure_ascii=False),
        )
        self._insert(db, plan.run_id, Record("planned", plan.at, plan.data))
        if plan.adopted is not None:
            self._insert(db, plan.run_id, plan.adopted)

    def _reserve(self, plans: Sequence[Plan], besides: Collection[str]) -> None:
        """Refuse runs that the budget does not cover together; what is ambiguous counts in full."""
        priced = [plan for plan in plans if plan.budget and plan.data.get("estimate") and plan.adopted is None]
        if not priced or priced[0].budget is None:
            return
        budget = priced[0].budget
        spent = self.spent(budget.currency, priced[0].budget_since, besides=besides)
        asked = Money.total(Money.of(plan.data["estimate"]) for plan in priced)
        total = spent + asked if asked else spent
        if total.amount > budget.amount:
            what = "this run costs" if len(priced) == 1 else f"these {len(priced)} runs cost"
            raise BudgetError(
                f"{what} about {asked} and {spent} of the budget of {budget} is spent or reserved; "
                f"raise it with budget='{total}', or choose a shorter or smaller video."
            )

    def append(self, run_id: str, *records: Record) -> RunState:
        """Append records to a run, durably, and return its state."""
        with self.transaction() as db:
            for record in records:
                self._insert(db, run_id, record)
            return self._state(run_id)

    def leave_planned(self, run_id: str, record: Record, *, needs_watch: bool = True) -> RunState | None:
        """Record that a planned run is about to be sent, or is called back; None if it is not planned any more.

        The one gate in front of the call that costs money: look and record are one transaction, so that two cells, two
        threads or two kernels with the same request cannot both pass.
        """
        with self.transaction() as db:
            if self._state(run_id).phase is not RunPhase.PLANNED or (needs_watch and not self._is_ours(db, run_id)):
                return None
            self._insert(db, run_id, record)
            return self._state(run_id)

    def append_if(self, run_id: str, phases: Collection[RunPhase], record: Record) -> RunState:
        """Append a record if the run is in one of these phases and the watch over it is ours; return its state."""
        with self.transaction() as db:
            if self._state(run_id).phase in phases and self._is_ours(db, run_id):
                self._insert(db, run_id, record)
            return self._state(run_id)

    def settle(self, run_id: str, record: Record) -> RunState:
        """End an ambiguity: adopt a task, or disown all.

        Raises:
            LedgerError: If the run is not ambiguous any more, or another run has that task.
        """
        with self.transaction() as db:
            phase = self._state(run_id).phase
            if phase is not RunPhase.AMBIGUOUS:
                raise LedgerError(f"run {run_id} is not ambiguous any more: it is {phase}.")
            if "task_id" in record.data:
                self._check_unowned(db, str(record.data["task_id"]), run_id)
            self._insert(db, run_id, record)
            return self._state(run_id)

    def owner_of(self, task_id: str) -> str:
        """Return the run that has a task, empty where none has."""
        with self._lock:
            row = self._db.execute(
                f"SELECT run_id FROM records WHERE kind IN ('submitted', 'adopted') AND {TASK_OF} = ?",  # noqa: S608 - ours
                (task_id,),
            ).fetchone()
            return row["run_id"] if row else ""

    def _check_unowned(self, db: sqlite3.Connection, task_id: str, run_id: str) -> None:
        owner = self.owner_of(task_id)
        if owner not in ("", run_id):
            raise LedgerError(f"task {task_id} belongs to run {owner} already; session.run({owner!r}) gives it.")

    def _is_ours(self, db: sqlite3.Connection, run_id: str) -> bool:
        row = db.execute("SELECT owner FROM leases WHERE run_id=?", (run_id,)).fetchone()
        return bool(row) and row["owner"] == self.owner

    def _insert(self, db: sqlite3.Connection, run_id: str, record: Record) -> None:
        data = json.dumps(dict(record.data), ensure_ascii=False)
        self.insert(db, "records", run_id=run_id, at=record.at, kind=record.kind, data=data)

    # --- reading ------------------------------------------------------------------------------------------------

    def _state(self, run_id: str) -> RunState:
        row = self._db.execute("SELECT * FROM runs WHERE run_id=?", (run_id,)).fetchone()
        if row is None:
            raise LedgerError(f"run {run_id!r} is not in {self.path.name}; session.runs() lists those that are.")
        return self._folded(row)

    def _folded(self, row: sqlite3.Row) -> RunState:
        columns = dict(row)
        start = RunState(**columns | {"request": json.loads(columns["request"])})
        return fold(start, self._records(row["run_id"]))

    def _records(self, run_id: str) -> Iterable[Record]:
        rows = self._db.execute("SELECT kind, at, data FROM records WHERE run_id=? ORDER BY seq", (run_id,))
        return [Record(row["kind"], row["at"], read_data(row["data"])) for row in rows]

    def state(self, run_id: str) -> RunState:
        """Return a run's state.

        Raises:
            LedgerError: If there is no such run.
        """
        with self._lock:
            return self._state(run_id)

    def records(self, run_id: str) -> tuple[Record, ...]:
        """Return everything that was recorded of a run, oldest first."""
        with self._lock:
            return tuple(self._records(run_id))

    def states(self, *, limit: int | None = None, since: float = 0.0, endpoint: str | None = None) -> list[RunState]:
        """Return runs, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM runs WHERE created_at >= ? AND (? IS NULL OR endpoint = ?)"
                " ORDER BY created_at DESC, rowid DESC LIMIT ?",
                (since, endpoint, endpoint, -1 if limit is None else limit),
            ).fetchall()
            return [self._folded(row) for row in rows]

    def page(self, limit: int, *, before: str = "", text: str = "", starred: bool = False) -> list[RunState]:
        """Return one page of all runs, newest first; quick however many there are.

        Args:
            limit: Runs, at most.
            before: Id of the last run of the page before this one; empty for the newest runs.
            text: Words that must all be found in id, model, tier, prompt, note or tags; empty for all runs.
            starred: Whether only runs with a star are wanted.
        """
        marked = "run_id IN (SELECT run_id FROM records WHERE kind = 'marked'"
        tests, values = ["1"], list[Any]()
        if before:
            tests.append("(created_at, rowid) < (SELECT created_at, rowid FROM runs WHERE run_id = ?)")
            values.append(before)
        for word in text.split():
            like = "%" + re.sub("([%_^])", r"^\1", word) + "%"
            inside = json.dumps(like, ensure_ascii=False)[1:-1]
            tests.append(
                "(run_id || ' ' || model || ' ' || tier || ' ' || coalesce(json_extract(request, '$.prompt'), '')"
                f" LIKE ? ESCAPE '^' OR {marked} AND data LIKE ? ESCAPE '^'))"
            )
            values += [like, inside]
        if starred:  # a star may have been taken off since: the state says so
            tests.append(f"{marked})")
        found: list[RunState] = []
        with self._lock:
            rows = self._db.execute(
                f"SELECT * FROM runs WHERE {' AND '.join(tests)} ORDER BY created_at DESC, rowid DESC",  # noqa: S608 - our own words
                values,
            )
            for row in rows:
                state = self._folded(row)
                if state.starred or not starred:
                    found.append(state)
                if len(found) == limit:
                    break
            rows.close()
        return found

    def find(self, fingerprint: str, endpoint: str, take: int | None = None) -> RunState | None:
        """Return the newest run of a request (or that take of it), None where there is none."""
        with self._lock:
            return self._find(fingerprint, endpoint, take)

    def _find(self, fingerprint: str, endpoint: str, take: int | None) -> RunState | None:
        row = self._db.execute(
            "SELECT * FROM runs WHERE fingerprint=? AND endpoint=? AND (? IS NULL OR take = ?)"
            " ORDER BY take DESC LIMIT 1",
            (fingerprint, endpoint, take, take),
        ).fetchone()
        return self._folded(row) if row else None

    def samples(self, fingerprint: str, endpoint: str) -> list[RunState]:
        """Return every take of a request, the newest first."""
        with self._lock:
            rows = self.rows(
                "SELECT * FROM runs WHERE fingerprint=? AND endpoint=? ORDER BY take DESC", fingerprint, endpoint
            )
            return [self._folded(row) for row in rows]

    def task_ids(self) -> set[str]:
        """Return every task id that any run here has."""
        with self._lock:
            rows = self._db.execute(
                "SELECT json_extract(data, '$.task_id') AS task_id FROM records WHERE kind IN ('submitted', 'adopted')"
            )
            return {row["task_id"] for row in rows}

    def verify(self) -> list[str]:
        """Check the whole journal and the files that it names; return what is wrong, in words."""
        wrong: list[str] = []
        with self._lock:
            for (line,) in self._db.execute("PRAGMA integrity_check"):
                if line != "ok":
                    wrong.append(f"{self.path.name}: {line}")
            rows = self._db.execute("SELECT * FROM runs ORDER BY created_at").fetchall()
            for row in rows:
                try:
                    state = self._folded(row)
                except (ValueError, KeyError, TypeError) as error:
                    wrong.append(f"run {row['run_id']}: its records cannot be read ({error!r})")
                    continue
                wrong += self._verify_file(state)
            orphans = self._db.execute(
                "SELECT DISTINCT run_id FROM records WHERE run_id NOT IN (SELECT run_id FROM runs)"
            ).fetchall()
            wrong += [f"records of an unknown run {row['run_id']}" for row in orphans]
        return wrong

    def _verify_file(self, state: RunState) -> list[str]:
        """Compare a saved video with what was recorded of it."""
        if state.file is None:
            return []
        path = self.path.parent / state.file.path
        if not path.is_file():
            return [f"run {state.run_id}: {state.file.path} is missing"]
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != state.file.sha256:
                return [f"run {state.run_id}: {state.file.path} is not the file that was saved"]
        return []

    def going(self) -> list[RunState]:
        """Return the runs that are not over, however old, oldest first."""
        over = ("saved", "rejected", "expired", "lost", "disowned", "withdrawn")
        with self._lock:
            rows = self._db.execute(
                f"SELECT * FROM runs WHERE run_id NOT IN (SELECT run_id FROM records WHERE kind IN {over}"  # noqa: S608 - our own words
                " OR (kind = 'observed' AND json_extract(data, '$.status') IN ('FAILED', 'CANCELED')))"
                " ORDER BY created_at"
            ).fetchall()
            states = [self._folded(row) for row in rows]
        return [state for state in states if state.is_live or state.phase is RunPhase.SENDING]

    def takes(self, fingerprint: str, endpoint: str) -> int:
        """Return the highest take of a request, 0 where there is none."""
        with self._lock:
            row = self._db.execute(
                "SELECT max(take) FROM runs WHERE fingerprint=? AND endpoint=?", (fingerprint, endpoint)
            ).fetchone()
            return row[0] or 0

    def spent(self, currency: str, since: float, *, besides: Collection[str] = ()) -> Money:
        """Return what runs cost or may cost in a currency, by the day of their sending, at whatever endpoint."""
        total = Money.of(f"0 {currency}")
        for state in self.states(since=since - PLANNED_LONG_AGO_S):
            if state.run_id in besides or max(state.created_at, state.sent_at or 0.0) < since:
                continue
            # what is planned is reserved: it may be sent at any moment
            cost = state.estimate if state.phase is RunPhase.PLANNED else state.cost
            if cost is not None and cost.currency == currency:
                total = total + cost
        return total

    def took(self, endpoint: str, model: str, tier: str, seconds: int, limit: int = 50) -> list[float]:
        """Return how many service seconds the last runs of a kind took, newest first."""
        with self._lock:
            rows = self._db.execute(
                # CROSS JOIN keeps this order: the newest runs of the kind by their index, until there are enough
                "SELECT r.data FROM runs CROSS JOIN records r USING (run_id) WHERE endpoint=? AND model=? AND tier=?"
                " AND seconds=? AND kind='observed' AND json_valid(r.data) AND json_extract(r.data, '$.took_s')"
                " IS NOT NULL ORDER BY created_at DESC LIMIT ?",
                (endpoint, model, tier, seconds, limit),
            ).fetchall()
        return [float(json.loads(row["data"])["took_s"]) for row in rows]

    # --- who watches --------------------------------------------------------------------------------------------

    def claim(self, run_id: str, now: float) -> bool:
        """Take (or keep) the watch over a run; False while another living process has it."""
        with self.transaction() as db:
            row = db.execute("SELECT owner, until FROM leases WHERE run_id=?", (run_id,)).fetchone()
            if row and row["owner"] != self.owner and row["until"] > now and _may_live(row["owner"]):
                return False
            db.execute("INSERT OR REPLACE INTO leases VALUES (?,?,?)", (run_id, self.owner, now + LEASE_S))
            return True

    def renew(self, now: float) -> set[str]:
        """Keep the watch over all runs that this process has; return them."""
        with self.transaction() as db:
            db.execute("UPDATE leases SET until=? WHERE owner=?", (now + LEASE_S, self.owner))
            rows = db.execute("SELECT run_id FROM leases WHERE owner=?", (self.owner,))
            return {row["run_id"] for row in rows}

    def is_watched(self, run_id: str, now: float) -> bool:
        """Whether a living process has the watch over a run."""
        with self._lock:
            row = self._db.execute("SELECT owner, until FROM leases WHERE run_id=?", (run_id,)).fetchone()
        return bool(row) and row["until"] > now and _may_live(row["owner"])

    def release(self, run_id: str) -> None:
        """Give the watch over a run back."""
        with self.transaction() as db:
            db.execute("DELETE FROM leases WHERE run_id=? AND owner=?", (run_id, self.owner))


def _may_live(owner: str) -> bool:
    """Whether the process that holds a lease may be alive; only a dead one on this very machine is certain."""
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname() or os.name != "posix":
        return True
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
