"""The journal's file: one SQLite database and, beside it, a plain log of JSON lines from which it is made good.

Here are the tables, the transactions and the log; what stands in them is the business of `wan_nb.ledger` (runs) and
`wan_nb.studies` (studies and judgements). A line is on the disk before the next step is taken, so that a process may
die anywhere. It is there twice: in the log, and then in the database; a database with a damaged end, or none at all, is
made good when it is opened. Keys, headers, signed addresses and pictures never come here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wan_nb.errors import CLOSED, LedgerError

TAIL_BYTES = 1 << 20
"""How much of the log's end is compared with the database when it is opened."""


def field_of(name: str) -> str:
    """Return the SQL of one field of a record's data; a damaged row has none."""
    return f"CASE WHEN json_valid(data) THEN json_extract(data, '$.{name}') END"


def _m004_initial(db: sqlite3.Connection) -> None:
    """Runs, their records, who watches them; studies as declared, and what people said of their videos."""
    for statement in (
        "CREATE TABLE runs (run_id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, endpoint TEXT NOT NULL,"
        " take INTEGER NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, seconds INTEGER NOT NULL,"
        " created_at REAL NOT NULL, request TEXT NOT NULL, UNIQUE (fingerprint, endpoint, take))",
        "CREATE INDEX runs_by_time ON runs (created_at)",
        "CREATE INDEX runs_by_kind ON runs (endpoint, model, tier, seconds, created_at)",
        "CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, at REAL NOT NULL,"
        " kind TEXT NOT NULL, data TEXT NOT NULL)",
        "CREATE INDEX records_by_run ON records (run_id, seq)",
        "CREATE INDEX marks ON records (run_id) WHERE kind = 'marked'",
        f"CREATE INDEX records_by_task ON records ({field_of('task_id')}) WHERE kind IN ('submitted', 'adopted')",
        "CREATE TABLE leases (run_id TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL)",
        "CREATE TABLE studies (seq INTEGER PRIMARY KEY AUTOINCREMENT, study_id TEXT NOT NULL, at REAL NOT NULL,"
        " name TEXT NOT NULL, votes INTEGER NOT NULL, definition TEXT NOT NULL, UNIQUE (study_id, at, name, votes))",
        "CREATE TABLE judgements (seq INTEGER PRIMARY KEY AUTOINCREMENT, judgement_id TEXT NOT NULL UNIQUE,"
        " study_id TEXT NOT NULL, at REAL NOT NULL, data TEXT NOT NULL)",
    ):
        db.execute(statement)


_MIGRATIONS = {4: _m004_initial}
"""What brings an older journal up to a format, in order; a released one is never changed."""
_TOLD_BY = {"request": "runs", "kind": "records", "definition": "studies", "judgement_id": "judgements"}
"""The column by which a line of the log shows its table."""


class Journal:
    """One open journal: what `Ledger` is made of.

    Args:
        path: The database file; made when it does not exist.

    Raises:
        LedgerError: If the file is not a journal, or of a newer kind than this version can read.
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
            # WAL lets kernels read while one writes; a file system that cannot share memory refuses it
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()
            self._replay()
        except (sqlite3.Error, LedgerError) as error:
            reason = error.__cause__ if isinstance(error, LedgerError) else error
            if isinstance(error, LedgerError) and type(reason) is not sqlite3.DatabaseError:
                raise  # a newer version's, or a full disk; a DatabaseError itself is a damaged file
            raise LedgerError(
                f"{path} cannot be opened as a journal ({reason}); move it away, and {self.log_path.name} brings back "
                "what it held."
            ) from error

    def _migrate(self) -> None:
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > max(_MIGRATIONS):
                raise LedgerError(f"{self.path} was written by a newer wan_nb (format {version}); update the package.")
            for number, migration in _MIGRATIONS.items():
                if number > version:
                    migration(db)
                    db.execute(f"PRAGMA user_version={number}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
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
                raise _told(error, f"{self.path} cannot be written ({error}); see to disk space and rights.") from error

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
        with self.transaction() as db:
            is_new = db.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None
            with self.log_path.open("rb") as file:
                if not is_new:
                    file.seek(max(0, self.log_path.stat().st_size - TAIL_BYTES))
                lines = file.read().split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that was cut short
                    self._replay_line(db, json.loads(line))

    def _replay_line(self, db: sqlite3.Connection, line: dict[str, Any]) -> None:
        table = next((table for column, table in _TOLD_BY.items() if column in line), "")
        columns = self.rows("SELECT name FROM pragma_table_info(?) WHERE name <> 'seq'", table)
        values = {name: line[name] for (name,) in columns}
        if table == "records":
            if not self.rows("SELECT 1 FROM runs WHERE run_id=?", values["run_id"]):
                return  # planned by a process that died before its commit; the same request was planned anew since
            if self.rows("SELECT 1 FROM records WHERE run_id=? AND at=? AND kind=? AND data=?", *values.values()):
                return
        if values:  # a table that this version knows
            db.execute(_insertion(table, values, "INSERT OR IGNORE"), values)

    # --- what the tables' owners use ----------------------------------------------------------------------------

    def insert(self, table: str, **values: Any) -> None:
        """Add a row to ``runs``, ``records``, ``studies`` or ``judgements`` inside a transaction, and to the log."""
        plain = {
            name: json.dumps(dict(value), ensure_ascii=False) if isinstance(value, Mapping) else value
            for name, value in values.items()
        }
        self._db.execute(_insertion(table, plain), plain)
        self._lines.append(plain)

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return what a query finds.

        Raises:
            LedgerError: If it cannot be read, also because it is closed.
        """
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _told(error, f"{self.path.name} cannot be read ({error}); open the session again.") from error

    @property
    def version(self) -> tuple[int, int]:
        """Another one whenever anything was written since, here or by another kernel."""
        with self._lock:
            return self.rows("PRAGMA data_version")[0][0], self._db.total_changes

    def close(self) -> None:
        """Close the file; what was appended is safe without it."""
        with self._lock:
            self._db.close()


def _told(error: sqlite3.Error, text: str) -> LedgerError:
    """Tell a journal that was closed with its session from one that cannot be used."""
    return LedgerError(CLOSED if "closed database" in str(error) else text)


def _insertion(table: str, values: Iterable[str], verb: str = "INSERT") -> str:
    names = list(values)
    return f"{verb} INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def read_data(text: str) -> dict[str, Any]:
    """Read the JSON of a row; what is damaged must not hide the rest of the journal."""
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"damaged": True}
