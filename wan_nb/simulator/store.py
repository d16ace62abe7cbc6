"""The simulator's folder, the only truth there is, and the threads that make the videos which are missing in it.

A file is written under another name and moved into place, so a killed process leaves whole files or none. Records are
read again whenever their file changed: another process over the same folder is seen at once. The threads are daemons:
what a dying process leaves undone, the next one over the same folder makes when it sees the task.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from wan_nb.errors import ConfigError
from wan_nb.simulator.engine import Medium, Task

if TYPE_CHECKING:
    from wan_nb.simulator.footage import Shot

Render = Callable[["Shot", Path], None]
"""What makes an MP4 of a shot; tests pass their own."""

_SETTLED_S = 3.0
"""Seconds after which a further change gives a folder another date: the coarsest file systems count in twos."""


def result_name(task_id: str) -> str:
    """Return the name within the folder that a task's video has or will have."""
    return f"results/{task_id}.mp4"


class Store:
    """Tasks, inputs, uploads and results in one folder, shared with any other process.

    All but tasks are dated by the given clock, which counts epoch seconds.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Store(Path(folder)).keep(b"a picture")[:19]
        'inputs/92b2fa580289'
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._now = now
        try:
            for name in ("tasks", "inputs", "uploads", "results"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"folder {str(folder)!r} cannot be used: {error.strerror}; give another.") from error
        self._read: dict[str, tuple[tuple[int, int, int], Task | None]] = {}
        self._settled: tuple[float, Mapping[str, Task]] = (0.0, {})

    def save(self, task: Task) -> None:
        """Write the record, in place of an earlier one."""
        path = self.folder / "tasks" / f"{task.task_id}.json"
        part = _beside(path)
        part.write_text(json.dumps(asdict(task)), encoding="utf-8")
        part.replace(path)

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
                known = self._read[file.name] = (stamp, _task(Path(file).read_bytes()))
        except FileNotFoundError:
            return None  # gone since the folder was read
        return known[1]

    def date(self, name: str) -> float | None:
        """Return when a file was whole, None where it is not there."""
        try:
            return (self.folder / name).stat().st_mtime
        except FileNotFoundError:
            return None

    def make(self, name: str, write: Callable[[Path], object]) -> None:
        """Have a file written, and dated by the clock.

        Two processes may both do so: the first to finish stays, since its date was perhaps already given out.
        """
        path = self.folder / name
        part = _beside(path)
        try:
            write(part)
            self._stamp(part)
            if not path.exists():
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def keep(self, data: bytes) -> str:
        """Keep an input and return the name of its file: the same bytes are kept once, and young again."""
        name = f"inputs/{sha256(data).hexdigest()}"
        if self.date(name) is None:
            self.make(name, lambda part: part.write_bytes(data))
        else:
            self._stamp(self.folder / name)
        return name

    def _stamp(self, path: Path) -> None:
        os.utime(path, (self._now(), self._now()))

    def prune(self, tasks_before: float, inputs_before: float) -> None:
        """Remove tasks created before a date with their videos, and inputs and uploads not used since another."""
        for task in self.tasks().values():
            if task.created < tasks_before:
                (self.folder / result_name(task.task_id)).unlink(missing_ok=True)
                (self.folder / "tasks" / f"{task.task_id}.json").unlink(missing_ok=True)
        for path in (*(self.folder / "inputs").iterdir(), *(self.folder / "uploads").iterdir()):
            if path.stat().st_mtime < inputs_before:
                path.unlink(missing_ok=True)


def _task(record: bytes) -> Task | None:
    """Return the task of a record; None for a torn one or another version's, which the service does not know."""
    try:
        return Task.from_json(json.loads(record))
    except (ValueError, TypeError, KeyError):
        return None


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid4().hex}.part")


class Studio:
    """Renders tasks in the order in which they were first wanted, two at a time."""

    def __init__(self, store: Store, now: Callable[[], float], render: Render | None) -> None:
        self._store = store
        self._now = now
        self._render = render
        self._orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._wanted: set[str] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def want(self, task: Task) -> None:
        """See to it that this task, which has no video yet, gets one; calling again costs nothing."""
        if task.code or task.cancelled is not None:
            return
        with self._lock:
            if task.task_id in self._wanted:
                return
            self._wanted.add(task.task_id)
            if not self._threads:
                self._threads = [threading.Thread(target=self._work, name="studio", daemon=True) for _ in range(2)]
                for thread in self._threads:
                    thread.start()
        self._orders.put(task.task_id)

    def close(self) -> None:
        """Begin no more videos, and wait a moment for those that are being made."""
        with self._lock:
            threads, self._threads = self._threads, []
            self._wanted.clear()
        for _ in threads:
            self._orders.put(None)
        for thread in threads:
            thread.join(2.0)

    def _work(self) -> None:
        while (task_id := self._orders.get()) is not None:
            task = self._store.tasks().get(task_id)
            if task is not None and task.cancelled is None and task_id in self._wanted:
                self._make(task)
            self._wanted.discard(task_id)

    def _make(self, task: Task) -> None:
        from wan_nb.simulator import footage  # loads PyAV: only when the first video is made

        try:
            shot, render = _shot(task, self._store.folder), self._render or footage.render
            self._store.make(result_name(task.task_id), lambda path: render(shot, path))
        except Exception as error:
            # Whatever it was, the task must not run for ever: it fails as a task of the service would.
            message = f"An internal error has occurred during execution: {error}"
            age = self._now() - task.created
            with suppress(OSError):  # the folder is gone, and with it everybody who could ask
                self._store.save(replace(task, code="InternalError.Algo", message=message, fails_after=age))


def _shot(task: Task, folder: Path) -> Shot:
    from wan_nb.simulator.footage import Shot

    media = {medium.role: medium for medium in task.media}
    files = {role: folder / medium.file for role, medium in media.items() if medium.file}
    first = media.get("first_frame") or (None if "first_clip" in files else media["first_clip"])
    return Shot(
        size=task.size,
        seconds=task.seconds,
        first=_picture(first, folder),
        last=_picture(media.get("last_frame"), folder),
        clip=files.get("first_clip"),
        audio=files.get("driving_audio") if task.sound else None,
        sound=task.sound,
        caption=f"SIMULATED {task.task_id[:8]}",
        look=task.look,
        watermark=task.watermark,
        shots=task.shots,
    )


def _picture(medium: Medium | None, folder: Path) -> Any:
    from PIL import Image, ImageOps

    from wan_nb.simulator.footage import stand_in

    if medium is None:
        return None
    if not medium.file:
        return stand_in(medium.name or medium.role, (medium.width, medium.height))
    with Image.open(folder / medium.file) as image:
        return ImageOps.exif_transpose(image).convert("RGB")
