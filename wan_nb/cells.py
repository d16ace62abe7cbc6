"""The parts of a study as values: one variant with one seed, and what is still to be paid."""

from __future__ import annotations

from dataclasses import dataclass, field

from wan_nb.ballots import Key
from wan_nb.pricing import Money
from wan_nb.record import RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.result import Video
from wan_nb.run import Run
from wan_nb.telling import describe
from wan_nb.variants import Variant

WITHOUT_VIDEO = (RunPhase.REJECTED, RunPhase.FAILED, RunPhase.CANCELED, RunPhase.EXPIRED, RunPhase.LOST)
"""Phases of a run that will have no video unless it is made again."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant with one seed."""

    variant: Variant
    """Which variant."""
    seed: int
    """Which seed."""
    request: VideoRequest = field(repr=False)
    """What is asked for."""
    run: Run | None = field(default=None, repr=False)
    """Its newest take that has not failed; the newest one where all failed; None before it is submitted."""

    @property
    def key(self) -> Key:
        """Label and seed."""
        return self.variant.label, self.seed

    @property
    def state(self) -> str:
        """Where it stands, in words."""
        return describe(self.run.state) if self.run else "not submitted"

    @property
    def has_failed(self) -> bool:
        """Whether there will be no video unless it is made again."""
        return self.run is not None and self.run.state.phase in WITHOUT_VIDEO

    @property
    def video(self) -> Video | None:
        """The video, once it is saved."""
        return self.run.video if self.run else None

    def __str__(self) -> str:
        return f"{self.variant.label}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class StudyEstimate:
    """What a study still costs: for all that has no run yet."""

    missing: int
    """Cells that are not submitted."""
    cells: int
    """Cells in all."""
    seconds: int
    """Seconds of video that are missing."""
    money: Money | None
    """By list price; in a simulation what it would cost in Singapore. None where no price is known."""
    unknown: int
    """Missing cells without a published price: not in `money`."""
    budget: Money | None
    """The session's budget for a day."""
    spent: Money | None
    """What is spent or reserved of it today."""
    is_simulated: bool
    """Whether it costs nothing."""

    def __repr__(self) -> str:
        return f"StudyEstimate({self})"

    def __str__(self) -> str:
        if not self.missing:
            return f"nothing: all {self.cells} cells are submitted"
        free = "free (simulated); live " if self.is_simulated else ""
        price = f"about {self.money}" if self.money else "price not published"
        if self.money and self.unknown:
            price += f", and {self.unknown} without a published price"
        limit = f"; {self.spent} of the budget of {self.budget} is spent or reserved" if self.budget else ""
        return f"{self.missing} of {self.cells} cells to submit, {self.seconds} s of video: {free}{price}{limit}"


def shown(takes: list[RunState]) -> RunState | None:
    """Choose the take that a cell shows: the first with a video, else the newest that has not failed.

    A later sample never takes the place of one that may have been seen: its votes would be gone.

    Args:
        takes: The runs of the cell, the newest first.
    """
    made = next((state for state in reversed(takes) if state.file), None)
    alive = next((state for state in takes if state.phase not in WITHOUT_VIDEO), None)
    return made or alive or (takes[0] if takes else None)
