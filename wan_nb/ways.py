"""One way to an exact shape: a step before, what the service makes of it, a step after; and what that costs.

What is kept is seen × used × filled × shape; `wan_nb.ratio` says why. Integers and fractions only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from wan_nb.boxes import Box, Ratio, inner_box, outer_canvas
from wan_nb.geometry import RULES, Drift, Size, predict, stretch, tier_area

Action = Literal["none", "crop", "pad"]

EVEN = 2
"""Videos in 4:2:0 are cut and padded at even pixels."""


@dataclass(frozen=True, slots=True)
class Step:
    """One crop or pad, or none."""

    action: Action
    """What is done."""
    before: Size
    """Pixels that go in."""
    after: Size
    """Pixels that come out."""
    box: Box
    """Crop: what is kept, in the old picture. Pad: where the old picture lies in the new one."""

    @classmethod
    def of(
        cls, action: Action, whole: Size, *, ratio: Ratio | None = None, size: Size | None = None, step: int = 1
    ) -> Step:
        """Return the step that gives a ratio or a size, in the middle.

        Raises:
            GeometryError: If whole pixels (or even ones) cannot give it.
        """
        if action == "pad":
            after, box = outer_canvas(whole, ratio=ratio, size=size, step=step)
        else:
            box = inner_box(whole, ratio=ratio, size=size, step=step)
            after = Size(box[2] - box[0], box[3] - box[1])
        return cls("none" if after == whole else action, whole, after, box)

    @property
    def kept(self) -> Fraction:
        """The smaller area over the larger one."""
        areas = self.before.area, self.after.area
        return Fraction(min(areas), max(areas))

    @property
    def loss_percent(self) -> float:
        """Crop: share of the old area that is gone. Pad: share of the new area that is padding."""
        return float(100 * (1 - self.kept))

    def __str__(self) -> str:
        if self.action == "none":
            return "as it is"
        what = "lost" if self.action == "crop" else "padding"
        return f"{self.action} to {self.after} at {self.box[:2]}, {self.loss_percent:.2f} % {what}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to the exact shape: what to do to the picture, what comes out, what to do to the video."""

    input: Step
    """What is done to the picture before it is sent."""
    output: Size
    """What the rule says will come out."""
    finish: Step
    """What is done to the video."""

    tier: str
    """Resolution tier."""

    def _kept(self, action: Action) -> Fraction:
        steps = (each.kept for each in (self.input, self.finish) if each.action == action)
        return math.prod(steps, start=Fraction(1))

    @property
    def seen(self) -> Fraction:
        """Share of the picture that is still seen."""
        return self._kept("crop")

    @property
    def filled(self) -> Fraction:
        """Share of the finished video that is the picture."""
        return self._kept("pad")

    @property
    def used(self) -> Fraction:
        """Share of the tier's pixels that show the picture in the end; those beyond the tier's do not count."""
        used = min(Fraction(self.output.area, tier_area(self.tier)), Fraction(1))
        used *= self.input.kept if self.input.action == "pad" else 1
        return used * (self.finish.kept if self.finish.action == "crop" else 1)

    @property
    def kept(self) -> Fraction:
        """What the aim makes most: seen × used × filled × shape."""
        return self.seen * self.used * self.filled / stretch(self.input.after, self.output)

    @property
    def loss_percent(self) -> float:
        """What the aim makes least: 1 - kept."""
        return float(100 * (1 - self.kept))

    @property
    def stretched(self) -> Drift:
        """How far the service changes the shape of the picture it gets."""
        return Drift(self.input.after.ratio, self.output)

    @property
    def rank(self) -> tuple[Fraction, Fraction, int]:
        """Least loss first; equal ones by how little is stretched, then by size."""
        return 1 - self.kept, stretch(self.input.after, self.output), -self.finish.after.area

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that predict this output: the more, the safer the way."""
        return tuple(name for name in RULES if predict(self.input.after, self.tier, name) == self.output)

    def __str__(self) -> str:
        return f"picture: {self.input}\ncomes out: {self.output}\nvideo: {self.finish}"
