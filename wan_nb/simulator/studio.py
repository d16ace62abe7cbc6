"""The threads that make the videos, one file a task, as soon as a task is known and has none.

The threads are daemons: what a dying process leaves undone, the next one over the same folder makes when it sees the
task.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_nb.clock import Clock
from wan_nb.simulator.engine import Medium, Task
from wan_nb.simulator.store import Store

if TYPE_CHECKING:
    from wan_nb.simulator.footage import Shot

Render = Callable[["Shot", Path], None]
"""What makes an MP4 of a shot; tests pass their own."""


class Studio:
    """Renders tasks in the order in which they were first wanted."""

    def __init__(self, store: Store, clock: Clock, render: Render | None) -> None:
        self._store = store
        self._clock = clock
        self._render = render
        self._orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._wanted: set[str] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def want(self, task: Task) -> None:
        """See to it that this task gets its video; calling again costs nothing."""
        if task.code or task.cancelled is not None or self._store.rendered(task.task_id) is not None:
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
        try:
            make = self._render or _real_render()
            shot = _shot(task, self._store)
            self._store.render(task.task_id, lambda path: make(shot, path), self._clock.now)
        except Exception as error:
            # Whatever it was, the task must not run for ever: it fails as a task of the service would.
            message = f"An internal error has occurred during execution: {error}"
            age = self._clock.now() - task.created
            try:
                self._store.save(replace(task, code="InternalError.Algo", message=message, fails_after=age))
            except OSError:
                return  # the folder is gone, and with it everybody who could ask


def _real_render() -> Render:
    from wan_nb.simulator import footage  # loads PyAV: only when the first video is made

    return footage.render


def _shot(task: Task, store: Store) -> Shot:
    from wan_nb.simulator.footage import Shot

    media = {medium.role: medium for medium in task.media}
    clip, audio = media.get("first_clip"), media.get("driving_audio")
    first, last = media.get("first_frame"), media.get("last_frame")
    return Shot(
        size=task.size,
        seconds=task.seconds,
        first=_picture(clip if clip and not clip.file else first, store),
        last=_picture(last, store),
        clip=store.input(clip.file) if clip and clip.file else None,
        audio=store.input(audio.file) if audio and audio.file and task.sound else None,
        sound=task.sound,
        caption=f"SIMULATED {task.task_id[:8]}",
        look=task.look,
        watermark=task.watermark,
        shots=task.shots,
    )


def _picture(medium: Medium | None, store: Store) -> Any:
    from PIL import Image, ImageOps

    from wan_nb.simulator.footage import stand_in

    if medium is None:
        return None
    if not medium.file:
        return stand_in(medium.name or medium.role, (medium.width, medium.height))
    with Image.open(store.input(medium.file)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")
