"""The simulator's folder: one record a task, inputs by their content, uploads, results. The only truth there is.

A record is written under another name and moved into place, so a killed process leaves whole records or none. Records
are read again whenever their file changed: another process over the same folder is seen at once.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
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
        self._settled: tuple[float, Mapping[str, Task]] = (0.0, {})

    # --- tasks ---

    def save(self, task: Task) -> None:
        """Write the record, whole or not at all."""
        _write(self.folder / "tasks" / f"{task.task_id}.json", json.dumps(asdict(task)).encode())

    def tasks(self) -> Mapping[str, Task]:
        """Return every task by its id; the same mapping again while nothing changes."""
        folder = self.folder / "tasks"
        changed = folder.stat().st_mtime  # every change moves a record into the folder or out of it
        if changed == self._settled[0]:
            return self._settled[1]
        with os.scandir(folder) as entries:
            found = [self._load(entry) for entry in entries if entry.name.endswith(".json")]
        tasks = {task.task_id: task for task in found if task is not None}
        if time.time() - changed > _SETTLED_S:
            self._settled = (changed, tasks)
        return tasks

    def _load(self, file: os.DirEntry[str]) -> Task | None:
        try:
            stat = file.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            known = self._read.get(file.name)
            if known is None or known[0] != stamp:
                known = self._read[file.name] = (stamp, Task.from_json(json.loads(Path(file).read_bytes())))
        except FileNotFoundError:
            return None  # gone since the folder was read
        return known[1]

    # --- inputs and uploads ---

    def keep(self, data: bytes) -> str:
        """Keep an input and return the name of its file: the same bytes are kept once."""
        name = sha256(data).hexdigest()
        path = self.input(name)
        if path.exists():
            path.touch()  # young again, so that `prune` leaves it
        else:
            _write(path, data)
        return name

    def input(self, name: str) -> Path:
        """Return the file of a kept input."""
        return self.folder / "inputs" / name

    def upload(self, key: str) -> dict[str, Any] | None:
        """Return what was noted of an upload, None where there is nothing."""
        try:
            known: dict[str, Any] = json.loads(self._upload(key).read_bytes())
        except FileNotFoundError:
            return None
        return known

    def note_upload(self, key: str, **facts: Any) -> None:
        """Note what was uploaded under a key."""
        _write(self._upload(key), json.dumps(facts).encode())

    def _upload(self, key: str) -> Path:
        return self.folder / "uploads" / f"{sha256(key.encode()).hexdigest()}.json"

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

    def prune(self, tasks_before: float, inputs_age_s: float) -> None:
        """Remove tasks created before a date with their videos, and inputs and uploads not used for some time."""
        for task in self.tasks().values():
            if task.created < tasks_before:
                self.result(task.task_id).unlink(missing_ok=True)
                (self.folder / "tasks" / f"{task.task_id}.json").unlink(missing_ok=True)
        for path in (*(self.folder / "inputs").iterdir(), *(self.folder / "uploads").iterdir()):
            if path.stat().st_mtime < time.time() - inputs_age_s:  # dated by the machine, unlike tasks
                path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    part.write_bytes(data)
    part.replace(path)
