"""What can be said of a model, as types: choices and bounds that keep disagreements, and the row that gathers them.

Where sources disagree a value keeps both: what they agree on, and what only some of them say, so that a request outside
both is refused and one between them is warned about, with the names of the two. The rows are in `wan_nb.models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from wan_nb.geometry import DOCUMENTED_RULE

Family = Literal["i2v", "kf2v", "media"]
"""Shape of the request: ``img_url`` (i2v), two frame URLs (kf2v), or ``media[]`` (2.7, 3.0)."""

Verdict = Literal["allowed", "disputed", "refused"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choices(Generic[T]):
    """Values that a model takes: those all sources name, and those only some do."""

    agreed: tuple[T, ...]
    """Named by every source, in the order a form shows them."""
    source: str
    """Keys of `SOURCES`."""
    disputed: tuple[T, ...] = ()
    """Named by some sources only: usable, with a warning."""
    disputed_source: str = ""
    """Keys of `SOURCES` that name the disputed ones."""

    @property
    def both(self) -> str:
        """Keys of those that name the disputed ones, and of the others."""
        return f"{self.disputed_source}; {self.source}"

    @property
    def union(self) -> tuple[T, ...]:
        """Agreed and disputed together; numbers in order of size."""
        values = self.agreed + self.disputed
        return tuple(sorted(values)) if all(isinstance(value, int) for value in values) else values  # type: ignore[type-var]

    def verdict(self, value: T) -> Verdict:
        """Say whether a value is allowed, disputed or refused."""
        return "allowed" if value in self.agreed else "disputed" if value in self.disputed else "refused"


@dataclass(frozen=True, slots=True)
class Bounds:
    """A closed range: where all sources agree, and the wider one of some."""

    low: float
    """Lowest value that all sources allow."""
    high: float
    """Highest value that all sources allow."""
    source: str
    """Keys of `SOURCES`."""
    wide_low: float | None = None
    """Lowest value that any source allows, where that differs."""
    wide_high: float | None = None
    """Highest value that any source allows, where that differs."""
    wide_source: str = ""
    """Keys of `SOURCES` for the wider range."""

    @property
    def outer(self) -> tuple[float, float]:
        """The widest range that any source allows."""
        return (
            self.low if self.wide_low is None else self.wide_low,
            self.high if self.wide_high is None else self.wide_high,
        )

    def verdict(self, value: float) -> Verdict:
        """Say whether a value is allowed, disputed or refused."""
        if self.low <= value <= self.high:
            return "allowed"
        low, high = self.outer
        return "disputed" if low <= value <= high else "refused"


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a frame must be."""

    side: Bounds
    """Pixels of each side."""
    megabytes: Bounds
    """File size in MB of 1024² bytes (the documents do not say which MB; this reading is ours)."""
    max_ratio: int | None = None
    """Longer over shorter side, at most; None where no document names one."""
    base64: Choices[bool] = Choices((True,), "S001, S003")
    """Whether a data URI is taken."""
    formats: tuple[str, ...] = ("JPEG", "PNG", "BMP", "WEBP")
    """File formats; PNG without alpha (S000–S003)."""


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What a driving audio must be."""

    seconds: Bounds
    """Length in seconds."""
    megabytes: float = 15
    """File size in MB, at most (S001, S003)."""
    formats: tuple[str, ...] = ("wav", "mp3")
    """File formats (S001, S003)."""


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a first clip must be (S001)."""

    seconds: Bounds = Bounds(2, 10, "S001")
    """Length in seconds."""
    side: Bounds = Bounds(240, 4096, "S001")
    """Pixels of each side."""
    max_ratio: int = 8
    """Longer over shorter side, at most."""
    megabytes: float = 100
    """File size in MB, at most."""
    formats: tuple[str, ...] = ("mp4", "mov")
    """Containers."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many tasks the service takes and runs, per account and model."""

    submits_per_s: int
    """Submissions a second."""
    running: int
    """Tasks that run together; more wait as PENDING."""
    source: str = "CN-RATE"
    """Keys of `SOURCES`."""


@dataclass(frozen=True, slots=True, repr=False)
class ModelSpec:
    """One model: what it takes, what it gives, where that is written."""

    id: str
    """The id on the wire, as the vendor spells it."""
    family: Family
    """Shape of the request."""
    tiers: Choices[str]
    """Resolution tiers."""
    default_tier: str
    """Tier when none is sent."""
    durations: Choices[int]
    """Seconds of video that can be asked for."""
    inputs: Choices[frozenset[str]]
    """Legal sets of media, by the request's field names."""
    fields: Choices[str]
    """Optional fields that have an effect, beyond media, resolution and duration."""
    image: ImageLimits
    """Limits of first and last frame."""
    prompt_chars: int
    """Unicode code points; the service cuts a longer prompt silently."""
    sound: Literal["none", "always", "switch"]
    """Silent, always with sound, or with sound unless ``audio=False``."""
    usage: Literal["2.1", "2.2", "2.6", "2.6-flash", "2.7", "3.0", "kf2.1", "kf2.2"]
    """Which generation's `usage` object the service returns."""
    regions: Choices[str]
    """Where the model runs."""
    rate: RateLimit
    """Limits of the service."""
    source: str
    """Keys of `SOURCES` for what has no source of its own."""
    aliases: tuple[str, ...] = ()
    """Other ids of the same model."""
    default_duration: int = 5
    """Seconds when none is sent."""
    negative_chars: int = 500
    """Unicode code points of the negative prompt, where it is taken."""
    audio: AudioLimits | None = None
    """Limits of a driving audio, where one is taken."""
    clip: ClipLimits | None = None
    """Limits of a first clip, where one is taken."""
    actual_prompt: bool = False
    """Whether a rewritten prompt is given back."""
    rule: str = DOCUMENTED_RULE
    """Size rule that the documents' example fits (`wan_nb.geometry.RULES`)."""
    measured_rule: str = ""
    """Size rule that somebody measured on real files, where it differs."""
    measured_source: str = ""
    """Who measured it."""
    region_durations: Mapping[str, tuple[int, ...]] | None = None
    """Seconds that a region narrows the choice to."""
    note: str = ""
    """What a user should know before choosing it."""
    good_at: str = ""
    """What it is taken for rather than another, in a few words, by the documents of `source`."""

    def __repr__(self) -> str:
        return f"ModelSpec({self.id}: {self.family}, {'/'.join(self.tiers.union)}, {self.span})"

    @property
    def span(self) -> str:
        """Shortest and longest video, as ``2–15 s``."""
        seconds = self.durations.union
        return f"{seconds[0]}–{seconds[-1]} s" if len(seconds) > 1 else f"{seconds[0]} s"

    @property
    def path(self) -> str:
        """Where a task of this model is created, below the base URL (FACTS §1.1)."""
        return create_path(self.family)

    def durations_in(self, region: str | None) -> Choices[int]:
        """Return the durations, narrowed where the region narrows them."""
        narrowed = (self.region_durations or {}).get(region or "")
        return Choices(narrowed, self.durations.source) if narrowed else self.durations


def create_path(family: Family) -> str:
    """Return the path below the base URL where a task of this family is created.

    Example:
        >>> create_path("kf2v")
        '/services/aigc/image2video/video-synthesis'
    """
    service = "image2video" if family == "kf2v" else "video-generation"
    return f"/services/aigc/{service}/video-synthesis"
