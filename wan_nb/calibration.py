"""Which size rule holds: predictions held against files that came out, model by model and tier by tier.

A run is evidence only where rules disagree: most pictures come out the same by two or more of them. So the answer says
which rules still stand, which runs ruled the others out, and which shape would tell the rest apart. What a simulated
session made says which rule the simulator follows, and nothing of the service.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import gcd

from wan_nb import tables
from wan_nb.catalog import find_model
from wan_nb.geometry import RULES, Size, predict
from wan_nb.record import RunState

_COMMON = ("3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "5:4", "4:5", "1:1", "21:9", "9:21", "2:1", "1:2")


@dataclass(frozen=True, slots=True)
class Observation:
    """One file that came out, and the picture that it was made from."""

    model: str
    """Model id or alias."""
    tier: str
    """Resolution tier."""
    source: Size
    """The picture's size in pixels."""
    output: Size
    """The file's size in pixels, read from the MP4."""
    name: str = ""
    """Where to find it: a run's id, or who measured it."""

    @property
    def fits(self) -> frozenset[str]:
        """The rules that predict this very size."""
        return frozenset(name for name in RULES if predict(self.source, self.tier, name) == self.output)

    def __str__(self) -> str:
        return f"{self.source} → {self.output}"


@dataclass(frozen=True)
class Evidence:
    """What the files of one model and tier say."""

    model: str
    """The catalogue's id, or the id as sent."""
    tier: str
    """Resolution tier."""
    observations: tuple[Observation, ...]
    """The files, at least one."""

    @property
    def shapes(self) -> int:
        """How many different shapes went in: the same shape again is no new evidence."""
        return len({each.source.ratio for each in self.observations})

    @cached_property
    def standing(self) -> tuple[str, ...]:
        """The rules that fit every file."""
        return tuple(name for name in RULES if self.against(name) is None)

    @property
    def telling(self) -> tuple[Observation, ...]:
        """The files that tell rules apart: not every rule predicts the same for them."""
        return tuple(each for each in self.observations if len(each.fits) < len(RULES))

    def against(self, rule: str) -> Observation | None:
        """Return a file that rules a rule out, None where none does."""
        return next((each for each in self.observations if rule not in each.fits), None)

    @property
    def next_shape(self) -> str:
        """A shape that would tell the standing rules apart, such as ``"3:2"``; empty where there is none to tell."""
        small = (f"{a}:{b}" for a in range(1, 25) for b in range(1, 25) if gcd(a, b) == 1 and 1 / 8 <= a / b <= 8)
        sizes = {shape: {predict(shape, self.tier, rule) for rule in self.standing} for shape in (*_COMMON, *small)}
        best = max(sizes, key=lambda shape: len(sizes[shape]))  # of equal ones the first, which people know
        return best if len(sizes[best]) > 1 else ""

    @property
    def verdict(self) -> str:
        """What follows, in words."""
        if not self.standing:
            counts = ", ".join(f"{name} {self.count(name)}" for name in RULES)
            return f"No rule fits every file ({counts}): the service changed, or rounds in a way not known here."
        out: dict[Observation, list[str]] = {}
        for name in RULES:
            if against := self.against(name):
                out.setdefault(against, []).append(name)
        by = "; ".join(f"{', '.join(names)} by {file}" for file, names in out.items())
        ruled_out = f" Ruled out: {by}." if out else " Nothing is ruled out."
        if len(self.standing) == 1:
            return f"{self.standing[0]} fits, and it alone.{ruled_out}{self._catalogue()}"
        asked = f"; a {self.next_shape} picture would tell more" if self.next_shape else ""
        return f"{' and '.join(self.standing)} fit, not told apart{asked}.{ruled_out}{self._catalogue()}"

    def _catalogue(self) -> str:
        """Say what the catalogue holds against that."""
        spec = find_model(self.model)
        if spec is None or spec.rule in self.standing:
            return ""
        told = f" The documented rule, {spec.rule}, does not hold"
        if spec.measured_rule in self.standing:
            return f"{told}; {spec.measured_rule}, which others measured, does."
        return f"{told}."

    def count(self, rule: str) -> str:
        """Return how many files a rule fits, as ``"2/3"``."""
        return f"{sum(rule in each.fits for each in self.observations)}/{len(self.observations)}"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Which rule holds for which model and tier, and by how much evidence; the answer of `calibrate`."""

    rows: tuple[Evidence, ...]
    """One for each model and tier."""
    where: str = ""
    """Whose files these are."""
    unknown: int = 0
    """Files whose picture's size is not known: they say nothing."""

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the names of the columns, and a row for each model and tier."""
        head = ("model", "tier", "files", "shapes", "telling", *RULES, "verdict")
        return head, [
            (each.model, each.tier, str(len(each.observations)), str(each.shapes), str(len(each.telling)),
             *map(each.count, RULES), each.verdict)
            for each in self.rows
        ]  # fmt: skip

    @property
    def _above(self) -> str:
        return self.where if self.rows else f"{self.where or 'no files'}: nothing to compare yet."

    @property
    def _below(self) -> str:
        left = f" {self.unknown} file(s) left out: the size of their picture is not known." if self.unknown else ""
        return f"A rule that fits every file still stands; a file is telling if rules disagree about it.{left}"

    def __repr__(self) -> str:
        if not self.rows:
            return f"{self._above} {self._below}"
        head, rows = self.table()
        counts = tables.as_text(head[:-1], [row[:-1] for row in rows])
        verdicts = (f"{each.model}, {each.tier}: {each.verdict}" for each in self.rows)
        return "\n".join((*filter(None, [self._above]), counts, *verdicts))

    def _repr_html_(self) -> str:
        return tables.as_html(*self.table(), above=self._above, below=self._below)


def calibrate(observations: Iterable[Observation], where: str = "", unknown: int = 0) -> Calibration:
    """Hold every rule against files that came out.

    Args:
        observations: Files with the size of the picture each was made from.
        where: Whose files they are, for people.
        unknown: How many files had to be left out.

    Example:
        >>> wide = Observation("wan2.7-i2v", "1080P", Size(2400, 1600), Size(1764, 1176), "RACCOON")
        >>> print(calibrate([wide]).rows[0].standing)
        ('even',)
    """
    groups: dict[tuple[str, str], list[Observation]] = {}
    for each in observations:
        spec = find_model(each.model)
        groups.setdefault((spec.id if spec else each.model, each.tier), []).append(each)
    rows = tuple(Evidence(*key, tuple(group)) for key, group in sorted(groups.items()))
    return Calibration(rows, where, unknown)


def calibrate_runs(states: Iterable[RunState], where: str, *, simulated: bool) -> Calibration:
    """Hold every rule against the files of a session's runs."""
    saved = [(state, state.file) for state in states if state.file]
    found = [
        Observation(state.model, state.tier, state.source, file.size, state.run_id)
        for state, file in saved
        if state.source
    ]
    said = f"{where}: these files say which rule the simulator follows, nothing of the service" if simulated else where
    return calibrate(found, said, len(saved) - len(found))


MEASURED: tuple[Observation, ...] = (
    Observation("wan2.7-i2v", "1080P", Size(2400, 1600), Size(1764, 1176), "RACCOON"),
    Observation("wan2.7-i2v", "1080P", Size(1000, 450), Size(2146, 966), "RACCOON"),
)
"""Every image-driven file of the live service whose sizes somebody published (FACTS §8)."""

DOCUMENTS = Observation("every model", "720P", Size(750, 1000), Size(816, 1104), "S000, S001, S003, S004")
"""The one worked example, repeated on every page of the vendor."""
