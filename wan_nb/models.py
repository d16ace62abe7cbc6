"""The models as data: one row each, every fact with its source.

A new model is one more row in `ROWS`: the form, the checks, the body and the simulator follow it, and the row's own
tests are in tests/test_catalog.py. Two things lie elsewhere: its price (`wan_nb.pricing`; without one it shows as not
published, and a session with a budget holds it back), and, for a generation whose `usage` or body has a new shape,
the simulator's `intake.py`, which shares no code with the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wan_nb.facts import AudioLimits, Bounds, Choices, ClipLimits, ImageLimits, ModelSpec, RateLimit

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
    "CN-RATE": "the Chinese rate limit page (Jun 2026)",
    "EN-RATE-COPY": "a copy of Singapore's rate limits (Aug 2026)",
    "FX": "the video effects page (Jun 29 2026)",
    "DAILIES": "live calls in Singapore (Jul 2026)",
    "LIVE-1": "a community live test (Aug 27 2026)",
    "RACCOON": "live calls through resellers (Jul–Aug 2026)",
    "LAOZHANG": "a reseller's page (Oct 2026)",
    "W3-DIALECT": "notes on Wan 3.0 (Sep 4 2026)",
}
"""What the keys in every `source` field stand for; ``FACTS §n`` in docstrings is a digest of them, by the makers."""

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


def _row_21(name: str, tiers: tuple[str, ...], durations: tuple[int, ...], good_at: str) -> ModelSpec:
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
        good_at=good_at,
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
    good_at="silent clips, half again as fast as 2.1 (S004)",
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
    good_at="several shots in one video; sound that follows the picture, or your audio",
)

WAN27 = ModelSpec(
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
    good_at="one model for a first frame, two frames or a clip to go on from; long prompts; sound",
)

KF22 = ModelSpec(
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
    good_at="five silent seconds from one picture to another",
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
    good_at="up to 30 s in one go; sound that can be switched off",
)

ROWS = (
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
        good_at="trying things out: cheapest with several shots and sound, cheaper still without sound",
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
        good_at="sound that follows the picture, or your audio; the rewritten prompt is given back",
    ),
    _WAN22_FLASH,
    replace(
        _WAN22_FLASH,
        id="wan2.2-i2v-plus",
        tiers=Choices(("480P", "1080P"), "S003, S004"),
        default_tier="1080P",
        good_at="silent clips, steadier than 2.1 (S004)",
    ),
    _row_21("i2v-turbo", ("480P", "720P"), (3, 4, 5), "cheap silent clips from 3 s on; effect templates in Beijing"),
    _row_21("i2v-plus", ("720P",), (5,), "silent clips at 720P; effect templates in Beijing"),
    KF22,
    replace(
        KF22,
        id="wan2.1-kf2v-plus",
        aliases=("wanx2.1-kf2v-plus",),
        tiers=Choices(("720P",), "S000"),
        usage="kf2.1",
        regions=Choices(("singapore", "beijing"), "S000, CN-PRICE"),
        rate=RateLimit(1, 2),
        note="In Beijing the id is wanx2.1-kf2v-plus (CN-PRICE). Submissions: 1 a second in Singapore, 2 in Beijing.",
    ),
    WAN27,
    _WAN30,
    replace(_WAN30, id="wan3.0-video-prime", note="As wan3.0-video, faster, at 1.5 times the price."),
)
"""Every row, oldest documents last within a family."""

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
