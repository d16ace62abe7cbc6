"""How a run is told in plain text: in a listing, in an error, in the one line of a terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from wan_nb.advice import explain
from wan_nb.errors import AmbiguousError, ExpiredError, RunError, TaskFailedError
from wan_nb.record import RunPhase, RunState
from wan_nb.task import TaskStatus

TERMINAL_WIDTH = 79
"""Letters of a terminal's line that are used: in the narrowest, none goes over into the next."""
_WORDS = {
    RunPhase.PLANNED: "waiting to be sent",
    RunPhase.SENDING: "being sent",
    RunPhase.AMBIGUOUS: "ambiguous: sent, and the answer lost",
    RunPhase.SUCCEEDED: "finished, being fetched",
    TaskStatus.PENDING: "queued",
    TaskStatus.RUNNING: "running",
    TaskStatus.UNKNOWN: "not known to the service (UNKNOWN)",
}
"""Where the phase, or the status of what was submitted, says less."""


def describe(state: RunState) -> str:
    """Say in words where a run stands.

    Example:
        >>> describe(RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0))
        'waiting to be sent'
    """
    where = state.task_status or TaskStatus.PENDING if state.phase is RunPhase.SUBMITTED else state.phase
    text = _WORDS.get(where, where.value)
    if state.code:
        text += f" ({state.code})"
    if state.deadline and (state.unwatched or state.phase is RunPhase.SUCCEEDED):
        text += f", kept by the service until {datetime.fromtimestamp(state.deadline, UTC).astimezone():%b %d %H:%M}"
    return f"{text}, unwatched: {state.unwatched}" if state.unwatched else text


def why_no_video(state: RunState, *, is_closed: bool) -> RunError:
    """Return the error that says why a run has no video, and what to do.

    Example:
        >>> print(why_no_video(RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0), is_closed=False))
        run r1 was planned and not sent; session.submit(run.request, take=1) sends it.
    """
    run, reason = f"run {state.run_id}", (state.unwatched or state.message).rstrip(".")
    if state.phase in (RunPhase.FAILED, RunPhase.REJECTED):
        advice = explain(state.code, state.message)
        said = state.message.removeprefix(f"{state.code}: ").rstrip(".")
        return TaskFailedError(
            f"{run} {state.phase}: {state.code}: {said}. {advice.what_to_do}",
            code=state.code,
            task_id=state.task_id,
            request_id=state.request_id,
            advice=advice,
        )
    if state.phase is RunPhase.AMBIGUOUS:
        return AmbiguousError(
            f"{run}: {state.message} It may be running and billed, so it is not sent again by itself:"
            " run.candidates() looks for it, then run.adopt('task-id') or run.disown()."
        )
    if state.phase in (RunPhase.EXPIRED, RunPhase.LOST):
        return ExpiredError(f"{run}: {state.message} run.again() makes it anew.")
    if state.phase is RunPhase.CANCELED:
        return RunError(f"{run} was canceled; nothing is billed, and run.again() makes it anew.")
    if state.phase is RunPhase.PLANNED:
        why = f" ({reason})" if reason else ""
        return RunError(
            f"{run} was planned and not sent{why}; session.submit(run.request, take={state.take}) sends it."
        )
    reason = reason or ("the session is closed" if is_closed else state.phase)
    return RunError(f"{run} has no video: {reason}. session.resume() takes it up again.")


def tell_terminal(text: str) -> None:
    """Put a text in the place of the last one, in a terminal and nowhere else; an empty one takes it away."""
    if sys.stderr.isatty() and "ipykernel" not in sys.modules:
        sys.stderr.write(f"\r{text:<{TERMINAL_WIDTH}.{TERMINAL_WIDTH}}" + ("" if text else "\r"))
        sys.stderr.flush()
