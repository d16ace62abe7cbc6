"""An exact shape out of a service that gives none: the ways there are, and the one that loses least.

The service rounds both sides, so an exact 3:4 rarely comes out. Two things help: crop or pad the *picture*, so that a
better size comes out, and crop or pad the *video* by its last few pixels. `reach` tries every size that can come out
and ranks the ways by one aim, the **least loss**: 1 - seen × used × filled × shape, where

- *seen* is the share of your picture that is still seen (what a crop of the picture or of the video takes away),
- *used* is the share of the tier's pixels, which are what you pay for, that show your picture in the end,
- *filled* is the share of the finished video that is your picture (what padding takes away),
- *shape* is the smaller of picture's and output's ratio over the larger: what the service stretches.

So what is cropped from the video counts twice (seen and used), and so does padding of the picture (used and filled):
crop before, pad after. Each step counts in full, also where a crop takes padding. Equal losses: the less stretched one,
then the larger one.

Integers and fractions only. This module computes; `wan_nb.mend` and `wan_nb.video_edit` do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from wan_nb import drawing, tables
from wan_nb.boxes import EVEN, Action, Ratio, Step, even, read_ratio
from wan_nb.catalog import MODELS, ModelSpec
from wan_nb.errors import GeometryError, MediaError
from wan_nb.geometry import (
    DOCUMENTED_RULE,
    RULES,
    TIER_AREA,
    Drift,
    Reachable,
    Size,
    colon,
    drift,
    lattice,
    predict,
    stretch,
)
from wan_nb.media import load


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

    @property
    def seen(self) -> Fraction:
        """Share of the picture that is still seen."""
        return self.input.seen * self.finish.seen

    @property
    def filled(self) -> Fraction:
        """Share of the finished video that is the picture."""
        return self.input.filled * self.finish.filled

    @property
    def used(self) -> Fraction:
        """Share of the tier's pixels that show the picture in the end; those beyond the tier's do not count."""
        paid = min(Fraction(self.output.area, TIER_AREA[self.tier]), Fraction(1))
        return paid * self.input.filled * self.finish.seen

    @property
    def kept(self) -> Fraction:
        """What the aim makes most: seen × used × filled × shape."""
        return self.seen * self.used * self.filled / stretch(self.input.after.ratio, self.output.ratio)

    @property
    def loss_percent(self) -> float:
        """What the aim makes least: 1 - kept."""
        return float(100 * (1 - self.kept))

    @property
    def stretched(self) -> Drift:
        """How far the service changes the shape of the picture it gets."""
        return drift(self.input.after, self.output)

    @property
    def rank(self) -> tuple[Fraction, Fraction, int]:
        """Least loss first; equal ones by how little is stretched, then by size."""
        return 1 - self.kept, stretch(self.input.after.ratio, self.output.ratio), -self.finish.after.area

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that predict this output: the more, the safer the way."""
        return tuple(name for name in RULES if predict(self.input.after, self.tier, name) == self.output)

    def __str__(self) -> str:
        return f"picture: {self.input}\ncomes out: {self.output}\nvideo: {self.finish}"


@dataclass(frozen=True, slots=True)
class Reach:
    """The ways to an exact shape, best first; the answer of `reach`."""

    wanted: Fraction
    """Width over height."""
    source: Size
    """Size of the picture."""
    tier: str
    """Resolution tier."""
    rule: str
    """Rule that predicts the outputs."""
    choices: tuple[Choice, ...]
    """The best of each kind, least loss first."""
    exact: Size | None = None
    """Pixels that were asked for, where a size was: the finished video is scaled to it."""
    model: str = ""
    """Model id, where one was given."""

    @property
    def best(self) -> Choice:
        """The way with the least loss."""
        return self.choices[0]

    @property
    def plain(self) -> Size:
        """What comes out if nothing is done."""
        return predict(self.source, self.tier, self.rule)

    @property
    def text(self) -> str:
        """The question and the plain answer, in a line; and where files of this model were measured otherwise."""
        shape, drifted = colon(self.wanted), drift(self.wanted, self.plain)
        told = f"that is {drifted} off {shape}" if drifted.pixels else f"exactly {shape}"
        model = f"{self.model}, " if self.model else ""
        said = f"{shape} from {self.source} ({model}{self.tier}, rule {self.rule}): {self.plain} comes out, {told}."
        spec = MODELS[self.model] if self.model else None
        if spec and spec.measured_rule not in ("", self.rule):
            other = predict(self.source, self.tier, spec.measured_rule)
            said += f" Others measured rule={spec.measured_rule!r} on this model, by which it is {other}."
        return said

    def code(self, choice: Choice | None = None) -> str:
        """Return the Python that goes a way, for a `picture` and the `video` that comes out.

        Example:
            >>> print(reach("3:4", source="750x1000", tier="720P", padding=False).code())
            picture = wan.crop(picture, size='750x996')
            video = video.crop(size='828x1104')
        """
        choice = choice or self.best
        begin, end, lines = choice.input, choice.finish, []
        if begin.action != "none":
            lines.append(f"picture = wan.{begin.action}(picture, size='{begin.after.typed}')")
        scale = f", scale_to='{self.exact.typed}'" if self.exact and self.exact != end.after else ""
        if end.action != "none" or scale:
            action = "pad" if end.action == "pad" else "crop"
            lines.append(f"video = video.{action}(size='{end.after.typed}'{scale})")
        return "\n".join(lines) or "# nothing to do"

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the names of the columns, and a row a choice."""
        head = ("picture", "comes out", "video", "result", "seen", "used", "filled", "stretched", "loss", "rules")
        return head, [self._row(each) for each in self.choices]

    def _row(self, each: Choice) -> tuple[str, ...]:
        result = str(each.finish.after)
        if self.exact and self.exact != each.finish.after:
            result += f" scaled × {self.exact.width / each.finish.after.width:.3f}"
        shares = (f"{float(100 * share):.1f} %" for share in (each.seen, each.used, each.filled))
        stretched = f"{each.stretched.percent:+.2f} %" if each.stretched.pixels else "no"
        steps = (str(each.input), str(each.output), str(each.finish))
        return (*steps, result, *shares, stretched, f"{each.loss_percent:.2f} %", ", ".join(each.rules))

    def __repr__(self) -> str:
        return f"{self.text}\n{tables.as_text(*self.table())}"

    def _repr_html_(self) -> str:
        below = (
            "loss = 1 - seen × used × filled × shape, least first: seen is your picture's share that is still seen, "
            "used the share of the tier's pixels that show it, filled the share of the finished video that it fills."
        )
        return f"{drawing.image(self)}{tables.as_html(*self.table(), above=self.text, below=below, strong=0)}"


def reach(
    wanted: Ratio, *, source: object, model: str = "", tier: str = "", rule: str = "", padding: bool = True
) -> Reach:
    """Say how to get exactly this shape (or size) out of this picture, with the least loss.

    Args:
        wanted: ``"3:4"``, ``"1.85"``, ``Fraction(9, 16)`` …; or a size such as ``"1080x1350"`` or ``Size(1080, 1350)``,
            which is its shape, and a last scaling.
        source: The picture: a `Size`, (width, height), ``"750x1000"``, or anything `wan_nb.load` takes.
        model: Model id or alias: gives the tier, the rule and the bounds of the input where they are not given.
        tier: ``"480P"``, ``"720P"`` or ``"1080P"``; 720P where neither model nor tier is given.
        rule: A name in `wan_nb.geometry.RULES`; the documented one where not given.
        padding: Whether bars are acceptable; False leaves the ways that only crop.

    Returns:
        The best way of each kind: crop or pad the picture (or neither), crop or pad the video (or neither).

    Raises:
        GeometryError: If whole pixels cannot have that shape, or the tier or rule does not exist.
        MediaError: If the picture cannot be read, or is an address.
        ConfigError: If the catalogue does not have the model.

    Example:
        >>> print(reach("3:4", source="750x1000", tier="720P", padding=False).best)
        picture: crop to 750×996 at (0, 2), 0.40 % lost
        comes out: 832×1104
        video: crop to 828×1104 at (2, 0), 0.48 % lost
    """
    spec = MODELS[model] if model else None
    whole, shape = measured(source), read_ratio(wanted)
    tier = tier or (spec.default_tier if spec else "720P")
    rule = rule or (spec.rule if spec else DOCUMENTED_RULE)
    search = _Search(whole, shape, tier, rule, spec)
    choices = sorted(set(search.choices(("crop", "pad") if padding else ("crop",))), key=lambda each: each.rank)
    if not choices:
        Step.of("crop", predict(whole, tier, rule), ratio=shape, step=EVEN)  # raises: says why, and what is near
    return Reach(shape, whole, tier, rule, tuple(choices), _asked_size(wanted), spec.id if spec else "")


def _asked_size(wanted: Ratio) -> Size | None:
    """Return the pixels, where a size was asked for and not a ratio: ``"1080x1350"``, a `Size`, a pair from 240 on."""
    if isinstance(wanted, str) and ":" in wanted:
        return None
    try:
        size = Size.of(wanted)  # type: ignore[arg-type]
    except GeometryError:
        return None
    return even(size) if max(size) >= 240 else None


def measured(source: object) -> Size:
    """Return the size of a picture, or the one that was given in its place.

    Raises:
        MediaError: If it is neither, or an address.
    """
    try:
        return Size.of(source)  # type: ignore[arg-type]
    except GeometryError:
        media = load(source)
    if media.error:
        raise MediaError(f"neither a size such as '750x1000' nor a picture: {media.error}")
    if media.size is None:
        raise MediaError(f"{media.name} is an address and not fetched; give its size instead: source='750x1000'.")
    return media.size


class _Search:
    """Looks for the best way of each kind among all sizes that can come out."""

    def __init__(self, source: Size, shape: Fraction, tier: str, rule: str, spec: ModelSpec | None) -> None:
        self.source, self.shape, self.tier, self.spec = source, shape, tier, spec
        self.area, self.rule = TIER_AREA[tier], RULES[rule]
        self.sizes = lattice(tier, rule)

    def choices(self, actions: tuple[Action, ...]) -> Iterator[Choice]:
        """Yield what leaves the picture as it is, and the best of each of the four kinds."""
        plain = Step.of("crop", self.source, size=self.source)
        for finish in actions:
            if found := self._finished(plain, self.rule.size(self.source.ratio, self.area), finish):
                yield found
            for action in actions:
                if best := self._best(action, finish):
                    yield best

    def _best(self, action: Action, finish: Action) -> Choice | None:
        best, kept = None, 0.0
        bounds = [(self._bound(each, action, finish), each) for each in self.sizes]
        for bound, each in sorted(bounds, key=lambda pair: -pair[0]):
            if bound < kept:
                break
            step = self._input(action, each)
            found = self._finished(step, each.size, finish) if step else None
            if found and (best is None or found.rank < best.rank):
                best, kept = found, float(found.kept)
        return best

    def _bound(self, each: Reachable, action: Action, finish: Action) -> float:
        """Return what a way through this size keeps at most, were pixels as fine as one likes."""
        own, final = float(self.source.ratio), float(each.size.ratio / self.shape)
        begin = min(1.0, float(each.high) / own, own / float(each.low))
        end = min(final, 1 / final)
        most = begin ** (2 if action == "pad" else 1) * end ** (2 if finish == "crop" else 1)
        return most * min(1.0, each.size.area / self.area) + 1e-9  # floats: a little above is as good

    def _finished(self, step: Step, output: Size, finish: Action) -> Choice | None:
        try:
            return Choice(step, output, Step.of(finish, output, ratio=self.shape, step=EVEN), self.tier)
        except GeometryError:  # this size has no even box of that shape; others may
            return None

    def _input(self, action: Action, each: Reachable) -> Step | None:
        """Return the best crop or pad of the picture after which this size comes out: the first that fits."""
        for size in self._boxes(action, each):
            if self.rule.size(size.ratio, self.area) == each.size:
                return Step.of(action, self.source, size=size) if size == self.source or self._is_taken(size) else None
        return None

    def _is_taken(self, size: Size) -> bool:
        """Whether the model takes such a picture, by the widest text there is."""
        if self.spec is None:
            return True
        (low, high), widest = self.spec.image.side.outer, self.spec.image.max_ratio or math.inf
        return low <= min(size) and max(size) <= min(high, widest * min(size))

    def _boxes(self, action: Action, each: Reachable) -> Iterator[Size]:
        """Yield the crops or canvases of the picture that can be best, best first.

        A crop walks along the side that need not be cut: a column less loses as much as it saves in stretching, until
        the box has the output's own shape; of equal losses the one that stretches least comes first. A canvas is the
        better the smaller it is; it grows up to twice the side.
        """
        yield self.source
        (wide, high), own, limit = self.source, min(max(each.size.ratio, each.low), each.high), each.high
        turned = self.source.ratio < each.high
        if turned:  # the side that is too long lies
            wide, high, own, limit = high, wide, 1 / own, 1 / each.low
        if action == "crop":
            for y in range(high, 0, -1):
                near, most = math.ceil(own * y), math.floor(limit * y)
                for x in (near, near + 1, most, most - 1):  # the ends of the range may lie outside it
                    if 0 < x <= wide:
                        yield Size(y, x) if turned else Size(x, y)
        else:
            for x in range(wide, 2 * wide + 1):
                least = max(high, math.ceil(x / limit))
                for y in (least, least + 1):
                    yield Size(y, x) if turned else Size(x, y)
