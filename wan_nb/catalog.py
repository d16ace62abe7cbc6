"""The models as data: one row each, every fact with its source, disagreements kept.

A *row* (`ModelSpec`) says what a model takes and gives. Where sources disagree the row keeps both: what they agree on,
and what only some of them say, so that a request outside both is refused and one between them is warned about, with the
names of the two. A new model is one more row; `add_model` takes one at run time. This module knows nothing of requests,
prices or HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Generic, Literal, TypeVar

from wan_nb.errors import ConfigError
from wan_nb.geometry import DOCUMENTED_RULE

Family = Literal["i2v", "kf2v", "media"]
"""Shape of the request: ``img_url`` (i2v), two frame URLs (kf2v), or ``media[]`` (2.7, 3.0)."""

Verdict = Literal["allowed", "disputed", "refused"]

T = TypeVar("T")

SOURCES: Mapping[str, str] = {
    "S000": "the first-and-last-frame API reference (Apr 17 2026)",
    "S001": "the Wan 2.7 API reference (Jun 16 2026)",
    "S002": "a gateway's first-and-last-frame page (text of Nov 2025)",
    "S003": "the Wan image-to-video API reference (Dec 29 2025)",
    "S004": "the image-to-video user guide (undated)",
    "CN-I2V": "the Chinese first-frame API reference (mid-2026)",
    "CN-I2V-GUIDE": "the Chinese first-frame guide (Feb 12 2026)",
    "CN-27": "the Chinese Wan 2.7 API reference (mid-2026)",
    "CN-30": "the Chinese Wan 3.0 API reference (Aug 2026)",
    "CN-KF2V": "the Chinese first-and-last-frame API reference (mid-2026)",
    "CN-KF2V-2511": "the Chinese first-and-last-frame API reference (Nov 26 2025)",
    "CN-KF2V-GUIDE": "the Chinese first-and-last-frame guide (early 2026)",
    "CN-PRICE": "the Chinese price list (Apr 2026)",
    "PRICE-USD": "a copy of the dollar prices (Jul 2026)",
    "W3-PRICE-A": "a copy of the Wan 3.0 prices (fall 2026)",
    "CN-RATE": "the Chinese rate limit page (Jun 2026)",
    "EN-RATE-COPY": "a copy of Singapore's rate limits (Aug 2026)",
    "FX": "the video effects page (Jun 29 2026)",
    "DAILIES": "live calls in Singapore (Jul 2026)",
    "LIVE-1": "a community live test (Aug 27 2026)",
    "RACCOON": "live calls through resellers (Jul–Aug 2026)",
    "LAOZHANG": "a reseller's page (Oct 2026)",
    "W3-DIALECT": "notes on Wan 3.0 (Sep 4 2026)",
}
"""What the keys in every `source` field stand for."""


def cite(text: str) -> str:
    """Replace the keys of `SOURCES` in a text by the documents they stand for.

    Example:
        >>> cite("S003 says so")
        'the Wan image-to-video API reference (Dec 29 2025) says so'
    """
    return re.sub(r"\b[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*\b", lambda match: SOURCES.get(match[0], match[0]), text)


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

    def __repr__(self) -> str:
        seconds = self.durations.union
        span = f"{seconds[0]}–{seconds[-1]}" if len(seconds) > 1 else str(seconds[0])
        return f"ModelSpec({self.id}: {self.family}, {'/'.join(self.tiers.union)}, {span} s)"

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


# --- rows ---------------------------------------------------------------------

_FIRST = frozenset({"first_frame"})
_FIRST_AUDIO = frozenset({"first_frame", "driving_audio"})
_BOTH = frozenset({"first_frame", "last_frame"})
_BOTH_AUDIO = frozenset({"first_frame", "last_frame", "driving_audio"})
_CLIP = frozenset({"first_clip"})
_CLIP_LAST = frozenset({"first_clip", "last_frame"})

_SHARED = ("prompt", "negative_prompt", "prompt_extend", "watermark", "seed")
_SIDE_OLD = Bounds(360, 2000, "S003", 240, 8000, "CN-I2V, DAILIES")
_SIDE_NEW = Bounds(240, 8000, "S000, S001, CN-I2V")
_IMAGE_OLD = ImageLimits(_SIDE_OLD, Bounds(0, 10, "S003, CN-I2V"))
_IMAGE_25 = ImageLimits(_SIDE_OLD, Bounds(0, 10, "S003", 0, 20, "CN-I2V"))
_IMAGE_NEW = ImageLimits(_SIDE_NEW, Bounds(0, 20, "CN-I2V, CN-27"))
_IMAGE_27 = replace(_IMAGE_NEW, max_ratio=8)
_IMAGE_KF = ImageLimits(
    _SIDE_NEW,
    Bounds(0, 10, "S000"),
    base64=Choices((), "S000", (True,), "CN-KF2V, S002, DAILIES"),
)
_AUDIO_25 = AudioLimits(Bounds(3, 30, "S003, S004"))
_BEIJING_SINGAPORE = Choices(("singapore", "beijing"), "S003, CN-I2V")
_FIVE = RateLimit(5, 5)
_TWO = RateLimit(2, 2)
_KF_INPUTS = Choices((_BOTH,), "S000", (_FIRST,), "CN-KF2V, S002")
_KF_FIELDS = Choices(_SHARED, "S000", ("template",), "CN-KF2V, S002")
_RETIRED = (
    "If it is refused as retired, take wan2.7: a reseller says so since Oct 14 2026, no vendor page does (LAOZHANG)."
)
_FX = "CN-I2V, FX"


def _row_21(name: str, tiers: tuple[str, ...], durations: tuple[int, ...]) -> ModelSpec:
    """Both first-frame models of 2.1 differ in tiers and durations alone."""
    return ModelSpec(
        id=f"wan2.1-{name}",
        aliases=(f"wanx2.1-{name}",),
        family="i2v",
        tiers=Choices(tiers, "S003, S004"),
        default_tier="720P",
        durations=Choices(durations, "S003, S004"),
        inputs=Choices((_FIRST,), "S003"),
        fields=Choices(_SHARED, "S003", ("template",), _FX),
        image=_IMAGE_OLD,
        prompt_chars=800,
        sound="none",
        usage="2.1",
        regions=_BEIJING_SINGAPORE,
        rate=_TWO,
        source="S003, S004, CN-I2V",
        actual_prompt=True,
        note=f"In Beijing the id is wanx2.1-{name} (CN-PRICE).",
    )


_WAN22_FLASH = ModelSpec(
    id="wan2.2-i2v-flash",
    family="i2v",
    tiers=Choices(("480P", "720P"), "S003", ("1080P",), "S004, CN-I2V"),
    default_tier="720P",
    durations=Choices((5,), "S003, S004"),
    inputs=Choices((_FIRST,), "S003"),
    fields=Choices(_SHARED, "S003"),
    image=_IMAGE_OLD,
    prompt_chars=800,
    sound="none",
    usage="2.2",
    regions=_BEIJING_SINGAPORE,
    rate=_TWO,
    source="S003, S004, CN-I2V",
    actual_prompt=True,
)

_WAN26 = ModelSpec(
    id="wan2.6-i2v",
    family="i2v",
    tiers=Choices(("720P", "1080P"), "S003, S004"),
    default_tier="1080P",
    durations=Choices((5, 10, 15), "S003", (2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14), "S004, CN-I2V"),
    inputs=Choices((_FIRST, _FIRST_AUDIO), "S003, S004"),
    fields=Choices((*_SHARED, "shot_type"), "S003, S004"),
    image=_IMAGE_25,
    prompt_chars=1500,
    sound="always",
    usage="2.6",
    regions=Choices(("singapore", "beijing", "virginia", "frankfurt"), "CN-I2V, CN-PRICE"),
    region_durations={"virginia": (5, 10, 15)},
    rate=_FIVE,
    source="S003, S004, CN-I2V",
    audio=_AUDIO_25,
    note=_RETIRED,
)

_WAN27 = ModelSpec(
    id="wan2.7-i2v-2026-04-25",
    aliases=("wan2.7-i2v",),
    family="media",
    tiers=Choices(("720P", "1080P"), "S001"),
    default_tier="1080P",
    durations=Choices(tuple(range(2, 16)), "S001"),
    inputs=Choices((_FIRST, _FIRST_AUDIO, _BOTH, _BOTH_AUDIO, _CLIP, _CLIP_LAST), "S001"),
    fields=Choices(_SHARED, "S001"),
    image=_IMAGE_27,
    prompt_chars=5000,
    sound="always",
    usage="2.7",
    regions=Choices(("singapore", "beijing"), "S001, CN-RATE"),
    rate=_FIVE,
    source="S001, CN-27",
    audio=AudioLimits(Bounds(2, 30, "S001")),
    clip=ClipLimits(),
    measured_rule="even",
    measured_source="RACCOON: 2400×1600 → 1764×1176 and 1000×450 → 2146×966 at 1080P",
)

_KF22 = ModelSpec(
    id="wan2.2-kf2v-flash",
    family="kf2v",
    tiers=Choices(("480P", "720P", "1080P"), "S000"),
    default_tier="720P",
    durations=Choices((5,), "S000"),
    inputs=_KF_INPUTS,
    fields=_KF_FIELDS,
    image=_IMAGE_KF,
    prompt_chars=800,
    sound="none",
    usage="kf2.2",
    regions=Choices(("beijing",), "CN-PRICE, CN-RATE", ("singapore",), "S000, EN-RATE-COPY"),
    rate=_TWO,
    source="S000, CN-KF2V",
    actual_prompt=True,
)

_WAN30 = ModelSpec(
    id="wan3.0-video",
    family="media",
    tiers=Choices(("480P", "720P", "1080P"), "CN-30"),
    default_tier="1080P",
    durations=Choices(tuple(range(2, 31)), "CN-30"),
    inputs=Choices((_FIRST, _BOTH), "CN-30"),
    fields=Choices(("prompt", "prompt_extend", "watermark", "seed", "audio"), "CN-30"),
    image=_IMAGE_27,
    prompt_chars=20_000,
    sound="switch",
    usage="3.0",
    regions=Choices(("beijing", "singapore", "tokyo", "frankfurt", "virginia", "hongkong"), "CN-30"),
    rate=RateLimit(2, 2, "not published; the lowest of the other models, a guess"),
    source="CN-30, W3-DIALECT",
    note="As far as it takes frames; reference pictures, files and links are not offered here.",
)

_ROWS = (
    replace(
        _WAN26,
        id="wan2.6-i2v-flash",
        durations=Choices(tuple(range(2, 16)), "S004, CN-I2V"),
        fields=Choices((*_SHARED, "shot_type", "audio"), "S004, CN-I2V"),
        image=_IMAGE_NEW,
        sound="switch",
        usage="2.6-flash",
        regions=_BEIJING_SINGAPORE,
        region_durations=None,
        source="S004, CN-I2V",
    ),
    _WAN26,
    replace(
        _WAN26,
        id="wan2.6-i2v-us",
        durations=Choices((5, 10, 15), "CN-I2V"),
        regions=Choices(("virginia",), "CN-I2V, CN-PRICE"),
        region_durations=None,
        source="CN-I2V",
    ),
    replace(
        _WAN26,
        id="wan2.5-i2v-preview",
        tiers=Choices(("480P", "720P", "1080P"), "S003, S004"),
        durations=Choices((5, 10), "S003, S004"),
        fields=Choices(_SHARED, "S003"),
        usage="2.2",
        regions=_BEIJING_SINGAPORE,
        region_durations=None,
        actual_prompt=True,
        note="",
    ),
    _WAN22_FLASH,
    replace(
        _WAN22_FLASH,
        id="wan2.2-i2v-plus",
        tiers=Choices(("480P", "1080P"), "S003, S004"),
        default_tier="1080P",
    ),
    _row_21("i2v-turbo", ("480P", "720P"), (3, 4, 5)),
    _row_21("i2v-plus", ("720P",), (5,)),
    _KF22,
    replace(
        _KF22,
        id="wan2.1-kf2v-plus",
        aliases=("wanx2.1-kf2v-plus",),
        tiers=Choices(("720P",), "S000"),
        usage="kf2.1",
        regions=Choices(("singapore", "beijing"), "S000, CN-PRICE"),
        rate=RateLimit(1, 2),
        note="In Beijing the id is wanx2.1-kf2v-plus (CN-PRICE). Submissions: 1 a second in Singapore, 2 in Beijing.",
    ),
    _WAN27,
    _WAN30,
    replace(_WAN30, id="wan3.0-video-prime", note="As wan3.0-video, faster, at 1.5 times the price."),
)


class Models(dict[str, ModelSpec]):
    """Rows by model id; an alias finds its row too, and a typo gets the nearest names."""

    def __missing__(self, model: str) -> ModelSpec:
        for spec in self.values():
            if model in spec.aliases:
                return spec
        raise ConfigError(f"model {model!r} is not in the catalogue; {suggest(model)}")


MODELS = Models((spec.id, spec) for spec in _ROWS)
"""Every model by its id, oldest documents last within a family. `add_model` adds to it."""

DEFAULT_MODEL = "wan2.6-i2v-flash"
"""What a form starts with: every switch that the documents name, and the cheapest of its generation."""

TEMPLATES: tuple[str, ...] = (
    *("squish", "rotation", "poke", "inflate", "dissolve", "melt", "icecream", "flying"),  # general
    *("carousel", "singleheart", "dance1", "dance2", "dance3", "dance4", "dance5", "mermaid", "graduation", "dragon"),
    *("money", "jellyfish", "pupil"),  # one person, with the line above
    *("rose", "crystalrose", "hug", "frenchkiss", "coupleheart"),  # two people
    *("hanfu-1", "solaron", "magazine", "mech1", "mech2"),  # first and last frame
)
"""Effect templates seen in FX and two front ends; an offer, not a limit: each template names its own models."""


def add_model(spec: ModelSpec) -> ModelSpec:
    """Add a row (or replace one of the same id), for this process.

    Example:
        >>> row = add_model(replace(MODELS["wan2.7-i2v-2026-04-25"], id="wan2.7-i2v-2027-01-01", aliases=()))
        >>> find_model("wan2.7-i2v-2027-01-01").family
        'media'
        >>> del MODELS[row.id]
    """
    MODELS[spec.id] = spec
    return spec


def find_model(model: str) -> ModelSpec | None:
    """Return the row of a model id or alias, None where there is none.

    Example:
        >>> find_model("wan2.7-i2v").id
        'wan2.7-i2v-2026-04-25'
    """
    try:
        return MODELS[model]
    except (ConfigError, TypeError):
        return None


def get_model(model: str) -> ModelSpec:
    """Return the row of a model id or alias.

    Raises:
        ConfigError: If the catalogue has no such model; the message names the nearest.
    """
    return MODELS[model]


def suggest(model: str) -> str:
    """Return a sentence that names the models nearest to a mistyped id."""
    known = [name for spec in MODELS.values() for name in (spec.id, *spec.aliases)]
    near = get_close_matches(model, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(MODELS)}."


def unlisted(model: str, family: Family) -> ModelSpec:
    """Return the widest row there is for a model that the catalogue does not list.

    Example:
        >>> unlisted("wan9-i2v", "i2v").tiers.union
        ('480P', '720P', '1080P')
    """
    base = {"i2v": MODELS["wan2.6-i2v-flash"], "kf2v": _KF22, "media": _WAN27}[family]
    return replace(
        base,
        id=model,
        aliases=(),
        tiers=Choices(("480P", "720P", "1080P"), "guess"),
        durations=Choices(tuple(range(2, 31)), "guess"),
        rate=RateLimit(1, 2, "guess"),
        source="guess: the model is not in the catalogue",
        measured_rule="",
        note="Not in the catalogue: what it takes is not known here.",
    )
