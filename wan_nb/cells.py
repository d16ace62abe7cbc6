"""The grid of a study: variants × seeds, each cell an ordinary run, submitted and followed as a whole.

A cell finds its runs by what it asks for: so the same definition finds them again after a restart, and a study that
grew by a prompt or a seed runs only what is new.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from wan_nb.errors import ConfigError, RequestError, RunError, StillRunningError
from wan_nb.hints import Hinted
from wan_nb.pricing import Money
from wan_nb.record import RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.result import Video
from wan_nb.run import Run, gather
from wan_nb.variants import Design, Variant
from wan_nb.votes import Key

if TYPE_CHECKING:
    from wan_nb.session import Session

_WITHOUT_VIDEO = (RunPhase.REJECTED, RunPhase.FAILED, RunPhase.CANCELED, RunPhase.EXPIRED, RunPhase.LOST)
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
    takes: tuple[RunState, ...] = field(default=(), repr=False)
    """Every run of it, the newest first."""
    run: Run | None = field(default=None, repr=False)
    """The first take with a video, else the newest that has not failed, else the newest; None before it is submitted.

    A later sample never takes the place of one that may have been seen: its votes would be gone.
    """

    @property
    def key(self) -> Key:
        """Label and seed."""
        return self.variant.label, self.seed

    @property
    def state(self) -> str:
        """Where it stands, in words."""
        return self.run.standing if self.run else "not submitted"

    @property
    def has_failed(self) -> bool:
        """Whether there will be no video unless it is made again."""
        return self.run is not None and self.run.state.phase in _WITHOUT_VIDEO

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


class Grid(Hinted):
    """The part of an `Experiment` that runs: its cells, what they cost, submitting them and waiting for them."""

    def __init__(self, session: Session, design: Design) -> None:
        self.session = session
        self.design = design
        self.baseline, self.variants = design.baseline, design.variants
        self.seeds, self.pairs = design.seeds, design.pairs
        cells = [Cell(each, seed, each.request.replace(seed=seed)) for each in self.variants for seed in self.seeds]
        self._fingerprints = {cell.key: cell.request.fingerprint for cell in cells}
        self._read: tuple[object, tuple[Cell, ...]] = None, tuple(cells)

    # --- its runs -----------------------------------------------------------------------------------------------

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Variants × seeds, with their runs; all seeds of the first variant come first."""
        version, cells = self.session.ledger.version, self._read[1]
        if version != self._read[0]:  # else the journal says what it said
            cells = tuple(map(self._looked_up, cells))
            self._read = version, cells
        return cells

    def _looked_up(self, cell: Cell) -> Cell:
        session = self.session
        takes = session.ledger.samples(self._fingerprints[cell.key], session.endpoint.identity)
        made = next((state for state in reversed(takes) if state.file), None)
        alive = next((state for state in takes if state.phase not in _WITHOUT_VIDEO), None)
        shown = made or alive or next(iter(takes), None)
        return replace(cell, takes=tuple(takes), run=session.run(shown.run_id) if shown else None)

    def cell(self, label: str, seed: int) -> Cell:
        """Return one cell.

        Args:
            label: ``"A"``, ``"B"`` …
            seed: One of `seeds`.

        Raises:
            ConfigError: If there is no such variant or seed.
        """
        for cell in self.cells:
            if cell.key == (label, seed):
                return cell
        labels = ", ".join(variant.label for variant in self.variants)
        raise ConfigError(f"({label!r}, {seed!r}) is no cell of this study; variants {labels}, seeds {self.seeds}.")

    @property
    def videos(self) -> dict[Key, Video]:
        """The videos that are there, by label and seed."""
        return {cell.key: made for cell in self.cells if (made := cell.video)}

    def _is_missing(self, cell: Cell) -> bool:
        return cell.run is None or self.session.is_sent_by_nobody(cell.run.state)

    @property
    def estimate(self) -> StudyEstimate:
        """What it still costs to submit, for the whole of what is missing."""
        missing = [cell for cell in self.cells if self._is_missing(cell)]
        planner = self.session.planner
        prices = [planner.estimate(cell.request).money for cell in missing]
        return StudyEstimate(
            missing=len(missing),
            cells=len(self._fingerprints),
            seconds=sum(seconds for cell in missing if isinstance(seconds := cell.request.seconds, int)),
            money=Money.total(price for price in prices if price),
            unknown=prices.count(None),
            budget=planner.budget,
            spent=planner.spent(),
            is_simulated=self.session.is_simulated,
        )

    # --- spending -----------------------------------------------------------------------------------------------

    def submit(self, *, confirm: bool = False, allow: str | tuple[str, ...] = ()) -> Self:
        """Submit every cell that has no run, all or none, and go on with those that are under way.

        What failed is not sent again by itself: `again` does that for one cell.

        Args:
            confirm: Whether a price of the whole above the session's `confirm_above` is meant.
            allow: Fields whose *wasteful* problems are accepted, or ``"all"``; ``"price"`` accepts an unknown price.

        Raises:
            RequestError: If any cell must be held back, with all their problems; nothing was sent.
            BudgetError: If the budget does not cover the whole, or it was not confirmed; nothing was sent.
        """
        cells = self.cells
        missing = [cell for cell in cells if self._is_missing(cell)]
        going = [cell.run for cell in cells if cell.run and cell.run.state.is_live]
        self._check(missing, (allow,) if isinstance(allow, str) else tuple(allow))
        orders = [(cell.request, cell.run.state.take if cell.run else 1) for cell in missing]
        self.session.submit_all(orders, allow=allow, confirm=confirm)
        self.session.follow(going)
        return self

    def _check(self, cells: Sequence[Cell], allowed: tuple[str, ...]) -> None:
        """Gather the problems of all cells; the same one in several cells is one line."""
        held: dict[str, list[Cell]] = {}
        problems: list[object] = []
        for cell in cells:
            try:
                cell.request.check(self.session.place, allow=allowed)
            except RequestError as error:
                problems += error.problems
                for problem in error.problems:
                    held.setdefault(str(problem), []).append(cell)
        if held:
            count = len({cell.key for where in held.values() for cell in where})
            lines = [f"{', '.join(map(str, where))}: {text}" for text, where in held.items()]
            head = f"nothing was sent, {count} of {len(cells)} cells cannot be:"
            raise RequestError("\n".join([head, *lines]), problems)

    def again(self, label: str, seed: int, *, confirm: bool = False, allow: str | tuple[str, ...] = ()) -> Run:
        """Make one failed cell again, as a new take; it costs.

        Args:
            label: ``"A"``, ``"B"`` …
            seed: One of `seeds`.
            confirm: As for `submit`.
            allow: As for `submit`.

        Raises:
            ConfigError: If the cell has not failed: another sample of what worked would be a choice, not chance.
        """
        cell = self.cell(label, seed)
        if cell.run is None:
            raise ConfigError(f"{cell} was not submitted yet; study.submit() does that.")
        if not cell.has_failed and cell.run.state.phase is not RunPhase.AMBIGUOUS:
            raise ConfigError(f"{cell} has not failed: it is {cell.state}. To see more of it, add a seed to the study.")
        return cell.run.again(confirm=confirm, allow=allow)

    # --- following ----------------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> Self:
        """Block until every submitted cell is over; what failed shows in its cell.

        Args:
            timeout_s: Real seconds to wait at most; None waits as long as it takes.

        Raises:
            StillRunningError: If the time is over; the runs go on.
        """
        limit = None if timeout_s is None else time.monotonic() + timeout_s
        for run in self._runs():
            try:
                run.wait(None if limit is None else max(0.0, limit - time.monotonic()))
            except RunError:
                continue
            except StillRunningError as error:
                counts = Counter(cell.state for cell in self.cells)
                states = ", ".join(f"{count} {state}" for state, count in counts.items())
                raise StillRunningError(f"{states}; study.wait() waits again ({error})") from None
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        yield from gather(self._runs()).__await__()
        return self

    def _runs(self) -> list[Run]:
        runs = [cell.run for cell in self.cells if cell.run]
        if not runs:
            raise ConfigError("nothing of this study is submitted; study.submit() does that.")
        return runs
