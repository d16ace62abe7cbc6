"""The journal: one SQLite file in the session's folder, shared by every kernel that works there.

Records are appended, never changed; a run's state is the fold of its records (`wan_nb.record`). A record is on the
disk before the next step is taken, so that a process may die anywhere. It is there twice: in the database, and before
that in a plain log of one JSON line a record, from which a database with a damaged end, or none at all, is made good
when it is opened. Only two facts live outside the records: which request a run is of (unique with endpoint and take,
so that the same request finds the run that exists), and which process watches it (a lease that runs out). Keys,
headers, signed addresses and pictures never come here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wan_nb.errors import BudgetError, LedgerError
from wan_nb.pricing import Money
from wan_nb.record import Record, RunPhase, RunState, fold

TAIL_BYTES = 1 << 20
"""How much of the log's end is compared with the database when it is opened."""
PLANNED_LONG_AGO_S = 30 * 86400.0
"""How long before its sending a run may have been planned, to be counted in a day's budget."""
LEASE_S = 30.0
"""Seconds after which a run whose watcher fell silent may be taken over (machine time)."""


def _m001_initial(db: sqlite3.Connection) -> None:
    """Runs, their records, who watches them."""
    db.execute(
        "CREATE TABLE runs (run_id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, endpoint TEXT NOT NULL,"
        " take INTEGER NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, seconds INTEGER NOT NULL,"
        " created_at REAL NOT NULL, request TEXT NOT NULL, UNIQUE (fingerprint, endpoint, take))"
    )
    db.execute("CREATE INDEX runs_by_time ON runs (created_at)")
    db.execute(
        "CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, at REAL NOT NULL,"
        " kind TEXT NOT NULL, data TEXT NOT NULL)"
    )
    db.execute("CREATE INDEX records_by_run ON records (run_id, seq)")
    db.execute("CREATE TABLE leases (run_id TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL)")


def _m002_marks(db: sqlite3.Connection) -> None:
    """Find notes and stars without reading everything else."""
    db.execute("CREATE INDEX marks ON records (run_id) WHERE kind = 'marked'")


_MIGRATIONS = (_m001_initial, _m002_marks)


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


class Ledger:
    """One open journal.

    Args:
        path: The database file; made when it does not exist.

    Raises:
        LedgerError: If the file is not a journal, or of a newer kind than this version can read.

    Example:
        >>> import tempfile
        >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "ledger.sqlite")
        >>> run, existed = ledger.plan(Plan("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0, {}))
        >>> run.phase, existed
        (<RunPhase.PLANNED: 'planned'>, False)
        >>> ledger.append("r1", Record("sending", 1.0)).phase
        <RunPhase.SENDING: 'sending'>
        >>> ledger.close()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{id(self):x}"
        self._lock = threading.RLock()
        self._lines: list[dict[str, Any]] = []
        self.log_path = path.with_suffix(".log")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA foreign_keys=ON")
            # WAL lets kernels read while one writes; a file system that cannot share memory refuses it
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()
            self._replay()
        except sqlite3.Error as error:
            raise LedgerError(
                f"{path} cannot be opened as a journal ({error}); move it away, and {self.log_path.name} brings back "
                "what it held."
            ) from error

    def _migrate(self) -> None:
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(_MIGRATIONS):
                raise LedgerError(f"{self.path} was written by a newer wan_nb (format {version}); update the package.")
            for number, migration in enumerate(_MIGRATIONS[version:], start=version + 1):
                migration(db)
                db.execute(f"PRAGMA user_version={number}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time, in this process and among all of them; durable when it ends."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._write_log()
                    self._db.execute("COMMIT")
                except BaseException:
                    self._lines.clear()
                    with contextlib.suppress(sqlite3.Error):  # a full disk rolls back by itself
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise LedgerError(f"{self.path} cannot be written ({error}); see to disk space and rights.") from error

    # --- the log ------------------------------------------------------------------------------------------------

    def _write_log(self) -> None:
        """Put what the transaction appends on the disk a second time, before it is committed."""
        if not self._lines:
            return
        text = "".join(f"\n{json.dumps(line, ensure_ascii=False)}" for line in self._lines)
        self._lines.clear()
        try:
            with self.log_path.open("a", encoding="utf-8") as file:
                file.write(text)  # begins with a line end, so that a half-written line before it spoils nothing
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LedgerError(f"{self.log_path} cannot be written ({error}); see to disk space and rights.") from error

    def _replay(self) -> None:
        """Bring back what the log has and the database lost: a damaged last page, or the whole file moved away."""
        if not self.log_path.is_file():
            return
        with self._transaction() as db:
            is_new = db.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None
            with self.log_path.open("rb") as file:
                if not is_new:
                    file.seek(max(0, self.log_path.stat().st_size - TAIL_BYTES))
                lines = file.read().split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that was cut short
                    self._replay_line(db, json.loads(line))

    @staticmethod
    def _replay_line(db: sqlite3.Connection, line: dict[str, Any]) -> None:
        if "request" in line:
            columns = ("run_id", "fingerprint", "endpoint", "take", "model", "tier", "seconds", "created_at", "request")
            db.execute("INSERT OR IGNORE INTO runs VALUES (?,?,?,?,?,?,?,?,?)", [line[name] for name in columns])
            return
        key = (line["run_id"], line["at"], line["kind"], line["data"])
        if not db.execute("SELECT 1 FROM runs WHERE run_id=?", key[:1]).fetchone():
            return  # planned by a process that died before its commit; the same request was planned anew since
        if not db.execute("SELECT 1 FROM records WHERE run_id=? AND at=? AND kind=? AND data=?", key).fetchone():
            db.execute("INSERT INTO records (run_id, at, kind, data) VALUES (?,?,?,?)", key)

    def close(self) -> None:
        """Close the file; what was appended is safe without it."""
        with self._lock:
            self._db.close()

    # --- writing ------------------------------------------------------------------------------------------------

    def plan(self, plan: Plan) -> tuple[RunState, bool]:
        """Find the run of this request, endpoint and take, or write a new one down, in one transaction.

        Returns:
            The run, and whether it existed already.

        Raises:
            BudgetError: If a new run would exceed the budget.
        """
        with self._transaction() as db:
            found = db.execute(
                "SELECT run_id FROM runs WHERE fingerprint=? AND endpoint=? AND take=?",
                (plan.fingerprint, plan.endpoint, plan.take),
            ).fetchone()
            if found:
                state = self._state(found["run_id"])
                if state.phase is RunPhase.PLANNED:  # about to be sent after all: today's budget must cover it
                    self._reserve(plan, besides=state.run_id)
                return state, True
            if plan.adopted is not None:
                self._check_unowned(db, str(plan.adopted.data["task_id"]), plan.run_id)
            else:
                self._reserve(plan)
            columns = {
                "run_id": plan.run_id,
                "fingerprint": plan.fingerprint,
                "endpoint": plan.endpoint,
                "take": plan.take,
                "model": plan.model,
                "tier": plan.tier,
                "seconds": plan.seconds,
                "created_at": plan.at,
                "request": json.dumps(plan.request, ensure_ascii=False),
            }
            db.execute("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?)", list(columns.values()))
            self._lines.append(columns)
            self._insert(db, plan.run_id, Record("planned", plan.at, plan.data))
            if plan.adopted is not None:
                self._insert(db, plan.run_id, plan.adopted)
            return self._state(plan.run_id), False

    def _reserve(self, plan: Plan, besides: str = "") -> None:
        """Refuse a run that the budget does not cover; what is ambiguous counts in full."""
        budget = plan.budget
        asked = plan.data.get("estimate")
        if budget is None or asked is None:
            return
        spent = self.spent(budget.currency, plan.budget_since, besides=besides)
        total = spent + Money.of(asked)
        if total.amount > budget.amount:
            raise BudgetError(
                f"this run costs about {Money.of(asked)} and {spent} of the budget of {budget} is spent or reserved; "
                f"raise it with budget='{total}', or choose a shorter or smaller video."
            )

    def append(self, run_id: str, *records: Record) -> RunState:
        """Append records to a run, durably, and return its state."""
        with self._transaction() as db:
            for record in records:
                self._insert(db, run_id, record)
            return self._state(run_id)

    def leave_planned(self, run_id: str, record: Record, *, needs_watch: bool = True) -> RunState | None:
        """Record that a planned run is about to be sent, or is called back; None if it is not planned any more.

        The one gate in front of the call that costs money: look and record are one transaction, so that two cells, two
        threads or two kernels with the same request cannot both pass.
        """
        with self._transaction() as db:
            if self._state(run_id).phase is not RunPhase.PLANNED or (needs_watch and not self._is_ours(db, run_id)):
                return None
            self._insert(db, run_id, record)
            return self._state(run_id)

    def append_if(self, run_id: str, phases: Collection[RunPhase], record: Record) -> RunState:
        """Append a record if the run is in one of these phases and the watch over it is ours; return its state."""
        with self._transaction() as db:
            if self._state(run_id).phase in phases and self._is_ours(db, run_id):
                self._insert(db, run_id, record)
            return self._state(run_id)

    def settle(self, run_id: str, record: Record) -> RunState:
        """End an ambiguity: adopt a task, or disown all.

        Raises:
            LedgerError: If the run is not ambiguous any more, or another run has that task.
        """
        with self._transaction() as db:
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
                "SELECT run_id FROM records WHERE kind IN ('submitted', 'adopted')"
                " AND json_extract(data, '$.task_id') = ?",
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
        db.execute(
            "INSERT INTO records (run_id, at, kind, data) VALUES (?,?,?,?)", (run_id, record.at, record.kind, data)
        )
        self._lines.append({"run_id": run_id, "at": record.at, "kind": record.kind, "data": data})

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
        return [Record(row["kind"], row["at"], _read_data(row["data"])) for row in rows]

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
            row = self._db.execute(
                "SELECT * FROM runs WHERE fingerprint=? AND endpoint=? AND (? IS NULL OR take = ?)"
                " ORDER BY take DESC LIMIT 1",
                (fingerprint, endpoint, take, take),
            ).fetchone()
            return self._folded(row) if row else None

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

    def spent(self, currency: str, since: float, *, besides: str = "") -> Money:
        """Return what runs cost or may cost in a currency, by the day of their sending, at whatever endpoint."""
        total = Money.of(f"0 {currency}")
        for state in self.states(since=since - PLANNED_LONG_AGO_S):
            if state.run_id == besides or max(state.created_at, state.sent_at or 0.0) < since:
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
                "SELECT r.data FROM records r JOIN runs USING (run_id) WHERE endpoint=? AND model=? AND tier=? AND"
                " seconds=? AND kind='observed' AND json_extract(r.data, '$.took_s') IS NOT NULL"
                " ORDER BY r.seq DESC LIMIT ?",
                (endpoint, model, tier, seconds, limit),
            ).fetchall()
        return [float(json.loads(row["data"])["took_s"]) for row in rows]

    # --- who watches --------------------------------------------------------------------------------------------

    def claim(self, run_id: str, now: float) -> bool:
        """Take (or keep) the watch over a run; False while another living process has it."""
        with self._transaction() as db:
            row = db.execute("SELECT owner, until FROM leases WHERE run_id=?", (run_id,)).fetchone()
            if row and row["owner"] != self.owner and row["until"] > now and _may_live(row["owner"]):
                return False
            db.execute("INSERT OR REPLACE INTO leases VALUES (?,?,?)", (run_id, self.owner, now + LEASE_S))
            return True

    def renew(self, now: float) -> set[str]:
        """Keep the watch over all runs that this process has; return them."""
        with self._transaction() as db:
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
        with self._transaction() as db:
            db.execute("DELETE FROM leases WHERE run_id=? AND owner=?", (run_id, self.owner))


def _read_data(text: str) -> dict[str, Any]:
    """Read a record's data; what is damaged must not hide the rest of the journal."""
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"damaged": True}


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
