"""How a run is told in plain text: in a view, a listing, an error, the one line of a terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from wan_nb.advice import explain
from wan_nb.errors import AmbiguousError, ExpiredError, RunError, TaskFailedError
from wan_nb.record import RunPhase, RunState
from wan_nb.task import TaskStatus

TERMINAL_WIDTH = 79
"""Letters of a terminal's line that are used: in the narrowest, none goes over into the next."""


@dataclass(frozen=True, slots=True)
class PhaseWords:
    """A run's phase as a user reads it."""

    word: str
    """One to three words: ``"running"``."""
    tone: str
    """``"wait"``, ``"good"``, ``"bad"`` or ``"off"``: which colour it gets."""
    advice: str = ""
    """What to do, where something is to be done."""


_WAITING = {
    TaskStatus.PENDING: "queued at the service",
    TaskStatus.RUNNING: "running",
    TaskStatus.SUSPENDED: "held by the service",
    TaskStatus.UNKNOWN: "not known there yet",
    TaskStatus.UNRECOGNISED: "running (new status)",
}
_PHASES = {
    RunPhase.PLANNED: PhaseWords("not sent", "off", "Nothing was sent or billed; submit it to send it."),
    RunPhase.SENDING: PhaseWords("sending", "wait"),
    RunPhase.AMBIGUOUS: PhaseWords(
        "answer lost", "bad", "It may exist and be billed: look at the service's task list before you send it again."
    ),
    RunPhase.REJECTED: PhaseWords(
        "refused", "bad", "Nothing runs and nothing is billed; mend the request and submit it."
    ),
    RunPhase.SUCCEEDED: PhaseWords("downloading", "wait"),
    RunPhase.SAVED: PhaseWords("saved", "good"),
    RunPhase.FAILED: PhaseWords("failed", "bad", "Nothing is billed; run.again() makes a new task."),
    RunPhase.CANCELED: PhaseWords("canceled", "off", "Nothing is billed; run.again() makes a new task."),
    RunPhase.EXPIRED: PhaseWords(
        "expired", "bad", "The service keeps tasks for 24 hours; run.again() makes a new one and is billed anew."
    ),
    RunPhase.LOST: PhaseWords(
        "file lost", "bad", "It was made and billed, and cannot be fetched; run.again() makes a new one, billed anew."
    ),
}


def phase_words(state: RunState, *, is_next: bool = False) -> PhaseWords:
    """Return the words for where a run stands.

    Args:
        state: The run.
        is_next: Whether somebody is about to send it, while it is only planned.
    """
    if state.phase is RunPhase.PLANNED and state.unwatched:
        return PhaseWords("not sent", "off", f"{state.unwatched}. Nothing is billed.")
    if state.phase is RunPhase.PLANNED and is_next:
        return PhaseWords("queued here", "wait", f"{state.message} It is sent as soon as that is possible.".lstrip())
    if state.is_live and state.unwatched:
        why = f"{state.unwatched.rstrip('.')}; session.resume() goes on with it."
        return (
            PhaseWords("not fetched", "bad", why)
            if state.phase is RunPhase.SUCCEEDED
            else PhaseWords("not watched", "off", why)
        )
    if state.phase is RunPhase.SUBMITTED:
        return PhaseWords(_WAITING.get(state.task_status or TaskStatus.PENDING, "running"), "wait")
    return _PHASES[state.phase]


def describe(state: RunState, words: PhaseWords | None = None) -> str:
    """Say where a run stands, with its code and what may be done about it until when.

    Args:
        state: The run.
        words: Its phase; by default as `phase_words` has it.

    Example:
        >>> describe(RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0))
        'not sent'
    """
    code = state.code or ("UNKNOWN" if state.task_status is TaskStatus.UNKNOWN and state.is_live else "")
    text = (words or phase_words(state)).word + (f" ({code})" if code else "")
    if state.deadline and (state.unwatched or state.phase is RunPhase.SUCCEEDED):
        text += f", kept by the service until {datetime.fromtimestamp(state.deadline, UTC).astimezone():%b %d %H:%M}"
    return f"{text}: {state.unwatched.rstrip('.')}" if state.unwatched else text


def existing(state: RunState) -> str:
    """Say that a run was there before it was asked for, and what to do for another.

    Example:
        >>> existing(RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0))  # doctest: +ELLIPSIS
        'existing run of ..., not sent yet: it is being sent'
    """
    phase = state.phase
    if phase is RunPhase.PLANNED:
        way = ", not sent yet: it is being sent"
    elif phase is RunPhase.AMBIGUOUS:
        way = "; it may be running and billed: run.candidates(), then run.adopt('task-id') or run.disown()"
    elif phase is RunPhase.SAVED or not phase.is_terminal:
        way = f"; take={state.take + 1} for a new sample"
    else:
        way = "; run.again() for another try"
    return f"existing run of {state.created:%H:%M}{way}"


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
