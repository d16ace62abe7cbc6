"""The simulator's folder: one record a task, inputs by their content, uploads, results. The only truth there is.

A record is written under another name and moved into place, so a killed process leaves whole records or none. Records
are read again whenever their file changed: another process over the same folder is seen at once.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from wan_nb.simulator.engine import Task

_SETTLED_S = 3.0
"""Seconds after which a further change gives a folder another date: the coarsest file systems count in twos."""


class Store:
    """Tasks, inputs, uploads and results in one folder, shared with any other process.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Store(Path(folder)).keep(b"a picture")[:12]
        '92b2fa580289'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tasks", "inputs", "uploads", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._read: dict[str, tuple[tuple[int, int, int], Task]] = {}
        self._settled: tuple[float, list[Task]] = (0.0, [])

    # --- tasks ---

    def save(self, task: Task) -> None:
        """Write the record, whole or not at all."""
        self._write(self.folder / "tasks" / f"{task.task_id}.json", json.dumps(task.to_json()).encode())

    def task(self, task_id: str) -> Task | None:
        """Return the task of that id, None where there is none."""
        return self._load(self.folder / "tasks" / f"{task_id}.json") if _is_name(task_id) else None

    def tasks(self) -> list[Task]:
        """Return every task, in no order; the same list again while nothing changes."""
        folder = self.folder / "tasks"
        changed = folder.stat().st_mtime  # every change moves a record into the folder or out of it
        if changed == self._settled[0]:
            return self._settled[1]
        with os.scandir(folder) as entries:
            found = [self._load(entry) for entry in entries if entry.name.endswith(".json")]
        tasks = [task for task in found if task is not None]
        if time.time() - changed > _SETTLED_S:
            self._settled = (changed, tasks)
        return tasks

    def _load(self, file: Path | os.DirEntry[str]) -> Task | None:
        try:
            stat = file.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            known = self._read.get(file.name)
            if known is None or known[0] != stamp:
                known = self._read[file.name] = (stamp, Task.from_json(json.loads(Path(file).read_bytes())))
        except FileNotFoundError:
            return None
        return known[1]

    # --- inputs and uploads ---

    def keep(self, data: bytes) -> str:
        """Keep an input and return the name of its file: the same bytes are kept once."""
        name = sha256(data).hexdigest()
        path = self.input(name)
        if path.exists():
            path.touch()  # young again, so that `prune` leaves it
        else:
            self._write(path, data)
        return name

    def input(self, name: str) -> Path:
        """Return the file of a kept input."""
        return self.folder / "inputs" / name

    def upload(self, key: str, facts: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Note what was uploaded under a key, or return what was noted; None where there is nothing."""
        path = self.folder / "uploads" / f"{sha256(key.encode()).hexdigest()}.json"
        if facts is not None:
            self._write(path, json.dumps(facts).encode())
            return facts
        try:
            known: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        return known

    # --- results ---

    def result(self, task_id: str) -> Path:
        """Return where the video of a task is or will be."""
        return self.folder / "results" / f"{task_id}.mp4"

    def rendered(self, task_id: str) -> float | None:
        """Return when the video was whole, None while it is not."""
        try:
            return self.result(task_id).stat().st_mtime
        except FileNotFoundError:
            return None

    def render(self, task_id: str, render: Callable[[Path], None], now: Callable[[], float]) -> None:
        """Make a video under a name of its own and put it in place, dated by the given clock.

        Two processes may both do so: the first to finish stays, since its date was perhaps already given out.
        """
        own = self.result(f"{task_id}.{uuid.uuid4().hex}")
        try:
            render(own)
            date = now()
            os.utime(own, (date, date))
            if self.rendered(task_id) is None:
                own.replace(self.result(task_id))
        finally:
            own.unlink(missing_ok=True)

    # --- age ---

    def prune(self, tasks_before: float, inputs_before: float) -> None:
        """Remove tasks created before a date with their videos, and inputs and uploads not used since another."""
        for task in self.tasks():
            if task.created < tasks_before:
                self.result(task.task_id).unlink(missing_ok=True)
                (self.folder / "tasks" / f"{task.task_id}.json").unlink(missing_ok=True)
        # Inputs are dated by the machine, tasks by the clock; a test's clock may run in another year.
        for name in ("inputs", "uploads") if inputs_before <= time.time() else ():
            for path in (self.folder / name).iterdir():
                if path.stat().st_mtime < inputs_before:
                    path.unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        part.write_bytes(data)
        part.replace(path)


def _is_name(task_id: str) -> bool:
    """A task id comes from outside: only what cannot leave the folder is looked up."""
    return 0 < len(task_id) <= 64 and all(sign.isalnum() or sign == "-" for sign in task_id)
