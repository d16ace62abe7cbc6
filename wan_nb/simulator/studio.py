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
from wan_nb.simulator.scenario import Scenario
from wan_nb.simulator.store import Store

if TYPE_CHECKING:
    from wan_nb.simulator.footage import Shot

Render = Callable[["Shot", Path], None]
"""What makes an MP4 of a shot; tests pass their own."""


class Studio:
    """Renders tasks in the order in which they were first wanted."""

    def __init__(self, store: Store, clock: Clock, scenario: Scenario, render: Render | None, threads: int = 2) -> None:
        self._store = store
        self._clock = clock
        self._scenario = scenario
        self._render = render
        self._orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._wanted: set[str] = set()
        self._lock = threading.Lock()
        self._most = threads
        self._threads: list[threading.Thread] = []

    def want(self, task: Task) -> None:
        """See to it that this task gets its video; calling again costs nothing."""
        if task.code or task.cancelled is not None or self._store.rendered(task.task_id) is not None:
            return
        with self._lock:
            if task.task_id in self._wanted:
                return
            self._wanted.add(task.task_id)
            if len(self._threads) < self._most:
                self._threads.append(threading.Thread(target=self._work, name="simulator-studio", daemon=True))
                self._threads[-1].start()
        self._orders.put(task.task_id)

    def close(self, timeout_s: float = 2.0) -> None:
        """Begin no more videos, and wait a moment for those that are being made."""
        with self._lock:
            threads, self._threads = self._threads, []
            while not self._orders.empty():
                self._wanted.discard(self._orders.get() or "")
        for _ in threads:
            self._orders.put(None)
        for thread in threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (task_id := self._orders.get()) is not None:
            task = self._store.task(task_id)
            if task is not None and task.cancelled is None:
                self._make(task)
            with self._lock:
                self._wanted.discard(task_id)

    def _make(self, task: Task) -> None:
        try:
            make = self._render or _real_render()
            shot = _shot(task, self._store, self._scenario)
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


def _shot(task: Task, store: Store, scenario: Scenario) -> Shot:
    from wan_nb.simulator.footage import Shot

    media = {medium.role: medium for medium in task.media}
    clip, audio = media.get("first_clip"), media.get("driving_audio")
    return Shot(
        size=task.size,
        seconds=task.seconds,
        first=_picture(media.get("first_frame") or (clip if clip and not clip.file else None), store, scenario),
        last=_picture(media.get("last_frame"), store, scenario),
        clip=store.input(clip.file) if clip and clip.file else None,
        audio=store.input(audio.file) if audio and audio.file and task.sound else None,
        sound=task.sound,
        caption=f"SIMULATED {task.task_id[:8]}",
        look=task.look,
        watermark=task.watermark,
        shots=task.shots,
    )


def _picture(medium: Medium | None, store: Store, scenario: Scenario) -> Any:
    from PIL import Image, ImageOps

    from wan_nb.simulator.footage import stand_in

    if medium is None:
        return None
    if not medium.file:
        return stand_in(medium.name or medium.role, (medium.width, medium.height))
    with Image.open(store.input(medium.file)) as image:
        upright = ImageOps.exif_transpose(image) if scenario.upright else image
        return upright.convert("RGB")
