"""A comparison: variants of one request, seed-matched, declared before it costs anything, judged afterwards.

`session.compare()` declares an `Experiment`, `submit()` spends: only what has no run yet, and all of it or nothing. Its
cells are ordinary runs, found by what they ask for; so the same definition finds them again after a restart, and a
study that grew by a prompt or a seed runs only what is new. What people say of the videos is kept in the journal.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wan_nb import export, tables
from wan_nb.cells import Cell, Grid
from wan_nb.errors import ConfigError, LedgerError, MediaError
from wan_nb.studies import StudyRow
from wan_nb.tally import standing, tally
from wan_nb.variants import Design, after_the_runs
from wan_nb.votes import Ballot, Judgement, Key, Kind, Tally, draw, plain

if TYPE_CHECKING:
    from PIL.Image import Image

    from wan_nb.measures import MeasureTable
    from wan_nb.session import Session
    from wan_nb.widgets.study import JudgeView

VOTES = 20
"""Decided votes a pair, unless another number is fixed."""


class Experiment(Grid):
    """A declared comparison; `session.compare()`, `session.study()` and `session.studies()` lead to it.

    Attributes:
        id: ``x1:`` and a hash of what is compared; the same definition has the same id.
        baseline: The request whose fields all variants have in common.
        variants: What is compared, ``A`` first: each has a ``label``, a ``name`` (its changes) and a ``request``.
        seeds: The seeds that every variant runs with.
        pairs: Labels of every two variants, such as ``("A", "B")``.
        session: Where its runs are made and kept.
        design: Baseline, axes, seeds and variants as one value.

    Example:
        >>> import tempfile
        >>> import wan_nb as wan
        >>> from PIL import Image
        >>> with wan.simulated(tempfile.mkdtemp(), speed=6000, scenario="small") as session:
        ...     picture = Image.new("RGB", (400, 300))
        ...     request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        ...     study = session.compare(request, prompt=["It jumps.", "It sleeps."], seed=[1, 2], votes=5)
        ...     vote = study.submit().wait().vote(("A", 1), ("B", 1), "left", judge="ann")
        ...     print(study.pairs, study.seeds, study.votes_planned, len(study.videos), study.cell("A", 2).state)
        ...     print(study.tally()["AB"].wins, study.undo("ann").kind, study.ballot("ann").remaining)
        (('A', 'B'),) (1, 2) 5 4 saved
        1 undo 2
    """

    _instead: ClassVar[Mapping[str, str]] = {
        "winner": "study.tally(), which says whether there is one",
        "verdict": "study.tally()",
        "results": "study.tally(), study.measures() or study.videos",
        "votes": "study.judgements, or study.tally()",
        "run": "study.submit().wait()",
        "runs": "[cell.run for cell in study.cells]",
        "takes": "[cell.takes for cell in study.cells]",
        "add_seed": "session.compare(…) again with one seed more; what exists is not sent again",
        "export": "study.to_csv(path), .to_html(path) or .to_json(path)",
    }

    def __init__(self, session: Session, design: Design, row: StudyRow) -> None:
        super().__init__(session, design)
        self.id = row.id
        self._held = {row.id: True}

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def _row(self) -> StudyRow:
        return self.session.studybook.find(self.id)  # name and number may have been changed by another declaration

    @property
    def name(self) -> str:
        """What its author calls it; may be empty."""
        return self._row.name

    @property
    def votes_planned(self) -> int:
        """Decided votes on each pair, fixed beforehand; only then there is a verdict."""
        return self._row.votes

    @property
    def warnings(self) -> tuple[str, ...]:
        """What this comparison cannot show, in sentences; also what its runs brought to light."""
        cells = self.cells
        takes = [
            f"{cell}: {count} takes have a video; the first, take {cell.run.state.take}, is shown and judged, for "
            "a sample chosen after seeing another is not chance."
            for cell in cells
            if cell.run and (count := sum(1 for state in cell.takes if state.file)) > 1
        ]
        rewritten = {cell.key: made.actual_prompt for cell in cells if (made := cell.video) and made.actual_prompt}
        before = self.design.warnings(self.votes_planned)
        return (*before, *after_the_runs(self.variants, rewritten), *takes)

    # --- judging ------------------------------------------------------------------------------------------------

    def vote(
        self,
        left: Key,
        right: Key,
        choice: Literal["left", "tie", "right"],
        *,
        judge: str = "",
        note: str = "",
        is_blind: bool = False,
    ) -> Judgement:
        """Say which of two videos is better; the same judge's newer vote on the same two counts.

        Args:
            left: Label and seed of the video on the left.
            right: The same for the right; of the same seed.
            choice: ``"left"``, ``"right"`` or ``"tie"``.
            judge: Who says so.
            note: Why, in the judge's own words.
            is_blind: Whether sides were drawn and labels hidden (`ballot`).

        Raises:
            ConfigError: If these two cannot be compared, or one has no video.
        """
        if choice not in ("left", "tie", "right"):
            raise ConfigError(f"choice={choice!r} is none; 'left', 'tie' or 'right' is.")
        (one, left_run), (other, right_run) = self._seen(left), self._seen(right)
        if one.variant == other.variant or one.seed != other.seed:
            raise ConfigError(f"{one} and {other}: compare two variants with the same seed.")
        return self._judge(
            "vote", judge, left=left_run, right=right_run, choice=choice, note=plain(note), is_blind=bool(is_blind)
        )

    def rate(self, cell: Key, stars: int, *, judge: str = "", note: str = "") -> Judgement:
        """Give a video one to five stars; the same judge's newer rating counts.

        Args:
            cell: Label and seed of the video.
            stars: 1 to 5.
            judge: Who says so.
            note: Why, in the judge's own words.

        Raises:
            ConfigError: If there is no such video, or the stars are not 1 to 5.
        """
        if stars not in (1, 2, 3, 4, 5) or isinstance(stars, bool):
            raise ConfigError(f"stars={stars!r} is no rating; whole numbers from 1 to 5 are.")
        return self._judge("rating", judge, left=self._seen(cell)[1], note=plain(note), stars=int(stars))

    def undo(self, judge: str = "") -> Judgement | None:
        """Take back a judge's last word that still stands; None where there is none. It stays on record.

        Args:
            judge: Whose.
        """
        name = self._known(judge)
        mine = [each for each in standing(self.judgements) if each.judge == name]
        return self._judge("undo", judge, undoes=mine[-1].id) if mine else None

    def _judge(self, kind: Kind, judge: str, **said: Any) -> Judgement:
        judgement = Judgement(
            id=secrets.token_hex(6),
            at=self.session.clock.now(),
            judge=self._known(judge),
            kind=kind,
            study=self.id,
            planned=self.votes_planned,
            **said,
        )
        self.session.studybook.judge(judgement)
        return judgement

    def _known(self, judge: str) -> str:
        """Return a judge's name as it was first written: neither spaces nor capitals make another judge."""
        name = " ".join("".join(sign if sign.isprintable() else " " for sign in plain(judge)).split())
        return next((said.judge for said in self.judgements if said.judge.casefold() == name.casefold()), name)

    def _seen(self, given: Key) -> tuple[Cell, str]:
        """Return a cell that has a video, and the id of its run."""
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise ConfigError(f"{given!r} names no video of a study; a label and a seed do, as in ('A', 1).")
        cell = self.cell(*given)
        if cell.run is None or cell.video is None:
            raise ConfigError(f"{cell} has no video to judge: it is {cell.state}.")
        return cell, cell.run.id

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Everything that was said of the cells' runs, in order, also what was undone, replaced, or said elsewhere."""
        return self.session.studybook.judgements(state.run_id for cell in self.cells for state in cell.takes)

    def tally(self) -> Tally:
        """Count the judgements: one verdict for each pair of variants."""
        cells = {cell.run.id: cell.key for cell in self.cells if cell.run}
        said = self.judgements
        wider = {study for study in {each.study for each in said} if not self._holds(study)}
        return tally(said, cells, self.pairs, self.votes_planned, wider)

    def _holds(self, study: str) -> bool:
        """Whether this study has every cell of another one: did it leave some out, its votes could be picked."""
        if study not in self._held:
            try:
                other = bring_back(self.session, study)
            except LedgerError:  # not declared here, or an input is gone: nobody knows what it had
                return study == ""
            self._held[study] = {*other._fingerprints.values()} <= {*self._fingerprints.values()}
        return self._held[study]

    def ballot(self, judge: str = "", *, skipped: Mapping[frozenset[Key], int] | None = None) -> Ballot | None:
        """Draw the next two videos for a judge: of one seed, fewest votes first, sides at random.

        Args:
            judge: Who will vote; spaces and capitals make no other judge.
            skipped: How often this judge put two videos off; they come last.

        Returns:
            None when this judge has judged every two videos that are there, or no pair needs more votes.
        """
        runs = {cell.key: cell.run.id for cell in self.cells if cell.run and cell.video}
        votes = [each for each in standing(self.judgements) if each.kind == "vote"]
        needs_more = [(each.left, each.right) for each in self.tally().verdicts if each.p_value is None]
        return draw(needs_more, self.seeds, runs, votes, self._known(judge), skipped or {})

    # --- how it is shown ----------------------------------------------------------------------------------------

    rows, to_csv, to_card, to_json = export.rows, export.to_csv, export.to_card, export.to_json

    def measures(self) -> MeasureTable:
        """Measure every video that is there: likeness to the asked frames, motion, flicker (`wan_nb.measures`)."""
        from wan_nb import measures

        return measures.of_videos(self.videos)

    def contact_sheet(self, *, width: int = 1400) -> Image:
        """Return it as one picture to print or send: four frames of each video, labels and prompts in full.

        Args:
            width: Pixels, at least 600.
        """
        from wan_nb import sheets

        return sheets.contact_sheet(self, width=width)

    def __repr__(self) -> str:
        title = f"Experiment({self.name or self.id}: {len(self.variants)} variants × {len(self.seeds)} seeds"
        names = [f"{variant.label}  {variant.name}" for variant in self.variants]
        head = ("seed", *(variant.label for variant in self.variants))
        states = {cell.key: cell.state.partition(": ")[0] for cell in self.cells}  # not why, which would be a sentence
        rows = [(str(seed), *(states[variant.label, seed] for variant in self.variants)) for seed in self.seeds]
        votes = [repr(self.tally())] if self.judgements else []
        return "\n".join([f"{title}, {self.votes_planned} votes a pair)", *names, tables.as_text(head, rows), *votes])

    def judge(self, name: str = "") -> JudgeView:
        """Return the view in which somebody votes blind: two videos at a time, names hidden, sides drawn at random.

        Args:
            name: Who judges.
        """
        from wan_nb.widgets.study import JudgeView

        return JudgeView(self, name)

    def to_html(self, path: str | os.PathLike[str], *, budget_bytes: int | None = None) -> Path:
        """Write one page with player, prompts, votes and settings, which works from disk and without a network.

        Args:
            path: Where to, ``.html``; what is there is replaced.
            budget_bytes: Bytes of video that may go inside; 48 MB unless given.

        Raises:
            ConfigError: If the videos do not fit, or the page cannot be written.
        """
        from wan_nb.widgets import page

        return page.write_page(self, path, budget_bytes=budget_bytes or page.PAGE_BYTES)

    def _ipython_display_(self) -> None:
        from wan_nb.widgets import study

        study.show(self)


def declare(session: Session, design: Design, *, name: str = "", votes: int | None = None) -> Experiment:
    """Write a comparison down and return it; what `session.compare` does."""
    if votes is not None and (not isinstance(votes, int) or isinstance(votes, bool) or not 1 <= votes <= 10**6):
        raise ConfigError(f"votes={votes!r} is no number of votes; whole numbers from 1 to 1000000 are.")
    for request in (design.baseline, *(variant.request for variant in design.variants)):
        for field, medium in request.media.items():
            if medium.error:
                raise MediaError(f"{field}: {medium.error}")
        session.inputs.keep(request)
    row = session.studybook.declare(
        design.id, design.to_record(), at=session.clock.now(), name=plain(name).strip(), votes=votes, default=VOTES
    )
    return Experiment(session, design, row)


def bring_back(session: Session, wanted: str) -> Experiment:
    """Return a declared comparison by id or name; what `session.study` does."""
    row = session.studybook.find(wanted)
    try:
        return Experiment(session, Design.from_record(row.definition, session.inputs.find), row)
    except (KeyError, TypeError) as error:
        raise LedgerError(f"study {wanted!r} cannot be read ({error!r}); declare it anew.") from error
