"""Studies and judgements in the journal: what was declared to be compared, and what people said of the videos.

Both only grow. A study that is declared again with another name or number of votes gets one more row; an undo is a
judgement, too. Judgements are about runs: every study that shows a run sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from wan_nb import tables
from wan_nb.engine import Onlookers
from wan_nb.errors import LedgerError
from wan_nb.journal import Journal, read_data
from wan_nb.votes import Judgement


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study as it was declared."""

    id: str
    """``x1:`` and a hash of what is compared."""
    at: float
    """Epoch seconds of its first declaration."""
    name: str
    """What its author calls it; may be empty."""
    votes: int
    """Decided votes a pair, fixed beforehand."""
    definition: Mapping[str, Any] = field(repr=False)
    """Baseline, axes and seeds; media as references to their bytes."""

    @property
    def axes(self) -> str:
        """What is varied, in words."""
        sizes = [f"{len(values)} × {name}" for name, values in self.definition.get("axes", {}).items()]
        return ", ".join([*sizes, f"{len(self.definition.get('seeds', ()))} × seed"])


class Studies(list[StudyRow]):
    """Declared studies, newest first; shown as a table. ``session.study(id or name)`` brings one back."""

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        return ("id", "declared", "name", "model", "compares", "votes"), [
            (
                row.id,
                f"{datetime.fromtimestamp(row.at, UTC).astimezone():%Y-%m-%d %H:%M}",
                row.name,
                str(row.definition.get("baseline", {}).get("model", "")),
                row.axes,
                str(row.votes),
            )
            for row in self
        ]

    def __repr__(self) -> str:
        return tables.as_text(*self._table()) if self else "no studies yet"

    def _repr_html_(self) -> str:
        return tables.as_html(*self._table()) if self else "no studies yet"


@dataclass(frozen=True, slots=True)
class StudyBook:
    """The studies and judgements of one journal."""

    journal: Journal
    """Where they are kept."""
    onlookers: Onlookers[Judgement] = field(default_factory=Onlookers)
    """Who is told of each judgement once it is written down."""

    def declare(
        self, study_id: str, definition: Mapping[str, Any], *, at: float, name: str, votes: int | None, default: int
    ) -> StudyRow:
        """Write a study down, unless it stands there already just so.

        Args:
            study_id: Hash of what is compared.
            definition: What is compared.
            at: Epoch seconds.
            name: Its name; empty leaves the one it has.
            votes: Decided votes a pair; None leaves the number it has.
            default: The number for a study that has none.
        """
        with self.journal.transaction():
            known = self._rows().get(study_id)
            wanted = (name or (known.name if known else ""), votes or (known.votes if known else default))
            if known is None or (known.name, known.votes) != wanted:
                self.journal.insert(
                    "studies", study_id=study_id, at=at, name=wanted[0], votes=wanted[1], definition=definition
                )
        return self._rows()[study_id]

    def _rows(self) -> dict[str, StudyRow]:
        """Return what is declared, the oldest first; later rows of a study change its name and number."""
        found: dict[str, StudyRow] = {}
        for row in self.journal.rows("SELECT * FROM studies ORDER BY seq"):
            new = StudyRow(row["study_id"], row["at"], row["name"], row["votes"], read_data(row["definition"]))
            found[new.id] = replace(new, at=found.get(new.id, new).at)
        return found

    def all(self) -> Studies:
        """Return the studies, newest first."""
        return Studies(reversed(self._rows().values()))

    def find(self, wanted: str) -> StudyRow:
        """Return a study by its id, or the newest by its name.

        Raises:
            LedgerError: If there is none.
        """
        for row in self.all():
            if wanted and wanted in (row.id, row.name):
                return row
        raise LedgerError(f"no study here is called {wanted!r}; session.studies() lists those that are declared.")

    def judge(self, judgement: Judgement) -> None:
        """Write a judgement down, durably."""
        with self.journal.transaction():
            self.journal.insert(
                "judgements",
                judgement_id=judgement.id,
                study_id=judgement.study,
                at=judgement.at,
                data=judgement.to_record(),
            )
        self.onlookers.tell(judgement)

    def judgements(self, runs: Iterable[str]) -> tuple[Judgement, ...]:
        """Return what was said of these runs, in the order in which it was said, in whatever study."""
        wanted = set(runs)
        said: dict[str, Judgement] = {}
        for row in self.journal.rows("SELECT data FROM judgements ORDER BY seq"):
            data = read_data(row["data"])
            if not {"id", "at", "kind"} <= data.keys():
                continue  # a damaged row must not hide the others
            each = Judgement.from_record(data)
            if each.undoes in said or (each.left in wanted and (each.right or each.left) in wanted):
                said[each.id] = each
        return tuple(said.values())
