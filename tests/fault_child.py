"""A kernel that may be killed at any step: submits what it is told, in a process of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_nb.clock import Clock
from wan_nb.endpoint import Endpoint, Secret
from wan_nb.ledger import Ledger
from wan_nb.record import Record, RunState
from wan_nb.request import VideoRequest
from wan_nb.session import Session


@dataclass(frozen=True)
class Life:
    """What one process does, and how it ends."""

    folder: Path
    base_url: str
    speed: float
    requests: tuple[tuple[str, int], ...]  # prompt, take
    picture: Path
    kill_at_append: int | None = None  # before (odd) or after (even) the n-th record
    kill_after_s: float | None = None
    jump_s: float = 0.0  # the laptop sleeps: dates jump this far, half a second after the start


def endpoint(base_url: str) -> Endpoint:
    """The simulator, run by somebody else."""
    return Endpoint("simulator", base_url, Secret("sk-simulated"), is_simulated=True)


def live(life: Life) -> None:
    """Open, submit, follow until all is over; unless killed first."""
    if life.kill_at_append is not None:
        _kill_at(life.kill_at_append)
    if life.kill_after_s is not None:
        threading.Timer(life.kill_after_s, _die).start()
    start = time.time()
    clock = Clock(speed=life.speed, now=lambda: time.time() + (life.jump_s if time.time() > start + 0.5 else 0.0))
    session = Session(endpoint(life.base_url), life.folder, clock=clock)
    session.resume()
    runs = []
    for prompt, take in life.requests:
        request = VideoRequest("wan2.2-i2v-flash", first_frame=life.picture, prompt=prompt, resolution="480P")
        runs.append(session.submit(request, take=take))
    limit = time.monotonic() + 20
    while not all(run.state.phase.is_terminal or run.state.unwatched for run in runs) and time.monotonic() < limit:
        time.sleep(0.02)  # a process of its own has no other way to wait for its end
    session.close()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_at(number: int) -> None:
    """Kill this process at a record: before it is written, or right after."""
    append, count = Ledger.append, 0

    def counted(self: Ledger, run_id: str, *records: Record) -> RunState:
        nonlocal count
        count += 1
        if count == (number + 1) // 2 and number % 2:
            _die()
        state: Any = append(self, run_id, *records)
        if count == (number + 1) // 2:
            _die()
        return state  # type: ignore[no-any-return]

    Ledger.append = counted  # type: ignore[method-assign]
