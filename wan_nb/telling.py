"""How a run is told in plain text: in a listing, in an error, in the one line of a terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from wan_nb.record import RunPhase, RunState

_WORDS = {
    RunPhase.PLANNED: "waiting to be sent",
    RunPhase.SENDING: "being sent",
    RunPhase.AMBIGUOUS: "ambiguous: sent, and the answer lost",
    RunPhase.REJECTED: "rejected",
    RunPhase.SUCCEEDED: "finished, being fetched",
    RunPhase.SAVED: "saved",
    RunPhase.FAILED: "failed",
    RunPhase.CANCELED: "canceled",
    RunPhase.EXPIRED: "expired",
    RunPhase.LOST: "lost",
}


def describe(state: RunState) -> str:
    """Say in words where a run stands.

    Example:
        >>> describe(RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0))
        'waiting to be sent'
    """
    if state.phase is RunPhase.SUBMITTED:
        status = state.task_status.value if state.task_status else "PENDING"
        text = {"PENDING": "queued", "RUNNING": "running", "UNKNOWN": "not known to the service (UNKNOWN)"}.get(
            status, status
        )
    else:
        text = _WORDS[state.phase]
    if state.code:
        text += f" ({state.code})"
    if state.deadline and (state.unwatched or state.phase is RunPhase.SUCCEEDED):
        text += f", kept by the service until {datetime.fromtimestamp(state.deadline, UTC).astimezone():%b %d %H:%M}"
    return f"{text}, unwatched: {state.unwatched}" if state.unwatched else text


class TerminalLine:
    """One line that tells how it goes, in a terminal and nowhere else."""

    def __init__(self) -> None:
        self._shown = ""
        self._is_on = sys.stderr.isatty() and "ipykernel" not in sys.modules

    def show(self, text: str) -> None:
        """Put a text in the place of the last one."""
        if self._is_on and text != self._shown:
            sys.stderr.write(f"\r{text.ljust(len(self._shown))}")
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write(f"\r{' ' * len(self._shown)}\r")
            sys.stderr.flush()
