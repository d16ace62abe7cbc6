"""What is wrong with a request, all at once, each with its fix and its source.

Three severities. *Refused*: the service fails it. *Wasteful*: the service takes it, cuts or ignores part of it, and
bills; it is held back unless `allow=` names the field. *Warning*: it will run. Submission itself validates almost
nothing (FACTS §0), so this is the only check before a task exists. No I/O: media come measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from wan_nb import catalog
from wan_nb.catalog import AudioLimits, Bounds, ClipLimits, ImageLimits, ModelSpec

if TYPE_CHECKING:
    from wan_nb.media import Media
    from wan_nb.request import VideoRequest

Severity = Literal["refused", "wasteful", "warning"]
_ORDER = {"refused": 0, "wasteful": 1, "warning": 2}
_MB = 1024 * 1024
_MAX_SEED = 2**31 - 1
_PARAMETERS = ("resolution", "duration", "prompt_extend", "shot_type", "audio", "watermark", "seed")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or worth knowing before paying."""

    field: str
    """Field of the request."""
    severity: Severity
    """``"refused"``, ``"wasteful"`` or ``"warning"``."""
    message: str
    """What was given and what is allowed."""
    fix: str
    """What to do."""
    source: str = ""
    """Where the rule stands (keys of `wan_nb.catalog.SOURCES`)."""

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


@dataclass(frozen=True, slots=True)
class Place:
    """What an endpoint narrows, or lacks, of the service at large."""

    region: str = ""
    """``"singapore"`` …; empty where regions do not matter (simulator, gateway)."""
    image: ImageLimits | None = None
    """A gateway's own bounds for pictures."""
    uploads: bool = True
    """Whether local audio and clips can be uploaded."""


def find_problems(request: VideoRequest, place: Place) -> tuple[Problem, ...]:
    """Return all problems of a request, most severe first."""
    spec = catalog.find_model(request.model)
    if spec is None:
        if request.family is None:
            message = f"model={request.model!r} is not in the catalogue; {catalog.suggest(request.model)}"
            return (
                Problem("model", "refused", message, "For an unlisted model give family='i2v', 'kf2v' or 'media'."),
            )
        spec = request.spec
    found = [
        *_model(request, spec, place),
        *_media_set(request, spec),
        *_media(request, spec, place),
        *_numbers(request, spec, place),
        *_texts(request, spec),
        *_switches(request, spec),
        *_effects(request, spec, place),
    ]
    told = [replace(each, message=catalog.cite(each.message), fix=catalog.cite(each.fix)) for each in found]
    return tuple(sorted(told, key=lambda problem: _ORDER[problem.severity]))


def _model(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    if catalog.find_model(request.model) is None:
        yield Problem(
            "model", "warning", f"model={request.model!r} is not in the catalogue: sizes, limits and price are not known.",
            "Check the vendor's page.",
        )  # fmt: skip
    elif request.family and request.family != spec.family:
        yield Problem(
            "family",
            "refused",
            f"family={request.family!r}: {spec.id} is of family {spec.family!r}.",
            "Leave family out.",
        )
    if place.region:
        verdict = spec.regions.verdict(place.region)
        where = ", ".join(spec.regions.union)
        if verdict == "refused":
            yield Problem(
                "model", "refused", f"{request.model} is not offered in {place.region}; it runs in {where}.",
                "Choose another region or model.", spec.regions.source,
            )  # fmt: skip
        elif verdict == "disputed":
            yield Problem(
                "model", "warning", f"{request.model} in {place.region}: {spec.regions.disputed_source} say yes, "
                f"{spec.regions.source} do not list it.", "One call will tell; a failed one is free.",
                f"{spec.regions.disputed_source}; {spec.regions.source}",
            )  # fmt: skip
        chinese = request.model.startswith("wanx")
        if spec.aliases and "2.1" in spec.id and chinese != (place.region == "beijing"):
            other = spec.id if chinese else spec.aliases[0]
            yield Problem(
                "model", "warning", f"{request.model} in {place.region}: the price list spells it {other} there.",
                f"Use {other}.", "CN-PRICE, S003",
            )  # fmt: skip


# --- media ------------------------------------------------------------------------------------------------------


def _media_set(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    given = frozenset(request.media)
    verdict = spec.inputs.verdict(given)
    legal = "; ".join(" + ".join(sorted(each, key=_media_order)) for each in spec.inputs.union)
    if verdict == "allowed":
        return
    if verdict == "disputed":
        # kf2v without its last frame: effects need none, and the documents differ
        if request.template is None:
            yield Problem(
                "last_frame", "warning", f"{request.model} without a last_frame: {spec.inputs.disputed_source}; "
                f"{spec.inputs.source} requires one.", "Give a last_frame.",
                f"{spec.inputs.disputed_source}; {spec.inputs.source}",
            )  # fmt: skip
        return
    nearest = min(spec.inputs.union, key=lambda each: len(each ^ given))
    missing = nearest - given
    if spec.family == "media":
        shown = " + ".join(sorted(given, key=_media_order)) or "no media"
        yield Problem(
            next(iter(missing or given - nearest)), "refused",
            f"{shown} is not a set that {request.model} takes; it takes {legal}.", "Add or leave out what differs.",
            spec.inputs.source,
        )  # fmt: skip
        return
    for name in sorted(missing):
        yield Problem(
            name, "refused", f"{request.model} needs a {name}; none was given.", "Give a path, URL or picture.",
            spec.inputs.source,
        )  # fmt: skip
    for name in sorted(given - frozenset().union(*spec.inputs.union)):
        yield Problem(
            name, "wasteful", f"{request.model} does not take {name}; it takes {legal}.",
            f"Leave {name} out, or choose a model that takes it.", spec.inputs.source,
        )  # fmt: skip


def _media_order(name: str) -> int:
    return ("first_frame", "first_clip", "last_frame", "driving_audio").index(name)


def _media(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    taken: frozenset[str] = frozenset().union(*spec.inputs.union)
    seconds = request.seconds if isinstance(request.seconds, int) else spec.default_duration
    for name, medium in request.media.items():
        if medium.error:  # also where the model does not take it: it cannot be sent at all
            yield Problem(name, "refused", f"{name}: {medium.error}", "")
            continue
        if name not in taken:
            continue
        if medium.kind == "image":
            yield from _image(name, medium, place.image or spec.image)
        elif medium.kind == "audio" and spec.audio:
            yield from _audio(name, medium, spec.audio, seconds)
        elif medium.kind == "video" and spec.clip:
            yield from _clip(name, medium, spec.clip, seconds)
        local = medium.origin not in ("url", "oss")
        if local and medium.kind != "image" and not place.uploads:
            yield Problem(
                name, "refused", f"{name} is a local file and this endpoint has no uploads.", "Give an http(s) URL."
            )


def _image(name: str, medium: Media, limits: ImageLimits) -> Iterator[Problem]:
    what = f"{name} {medium.name!r}"
    if medium.origin in ("url", "oss"):
        return  # nobody has seen it; the service will
    if medium.format not in limits.formats:
        yield Problem(
            name, "refused", f"{what} is {medium.format}; {', '.join(limits.formats)} are allowed.", "Convert it.",
            limits.side.source,
        )  # fmt: skip
    if medium.has_alpha and medium.format == "PNG":
        yield Problem(
            name, "refused", f"{what} has an alpha channel, which the service does not take.",
            "Flatten it: wan.flatten(picture).", "S000, S001, S003",
        )  # fmt: skip
    elif medium.has_alpha:
        yield Problem(
            name, "warning", f"{what} has an alpha channel; the documents forbid that for PNG and say nothing of "
            f"{medium.format}.", "wan.flatten(picture) makes it certain.", "S000, S001, S003",
        )  # fmt: skip
    if medium.size:
        low, high = limits.side.outer
        verdicts = {limits.side.verdict(side) for side in medium.size}
        if "refused" in verdicts:
            yield Problem(
                name, "refused", f"{what} is {medium.size} px; each side must be {low:g} to {high:g} px.",
                "Scale it: wan.scale_into(picture).", limits.side.wide_source or limits.side.source,
            )  # fmt: skip
        elif "disputed" in verdicts:
            yield _between(name, f"{what} is {medium.size} px", limits.side, "px a side")
        yield from _shape(name, what, medium, limits.max_ratio)
    megabytes = medium.nbytes / _MB
    verdict = limits.megabytes.verdict(megabytes)
    if verdict == "refused":
        yield Problem(
            name, "refused", f"{what} has {megabytes:.1f} MB; {limits.megabytes.outer[1]:g} MB are allowed.",
            "Scale it or save it as JPEG.", limits.megabytes.source,
        )  # fmt: skip
    elif verdict == "disputed":
        yield _between(name, f"{what} has {megabytes:.1f} MB", limits.megabytes, "MB")
    if limits.base64.verdict(True) == "disputed":
        yield Problem(
            name, "warning", f"{what} is sent inside the request: {limits.base64.disputed_source} accept that; {limits.base64.source} names URLs only.",
            "A public URL is safest.", f"{limits.base64.disputed_source}; {limits.base64.source}",
        )  # fmt: skip
    yield from _looks(name, what, medium)


def _looks(name: str, what: str, medium: Media) -> Iterator[Problem]:
    """What is taken, and may not look as meant."""
    if medium.declared_mime and medium.declared_mime != medium.mime:
        yield Problem(
            name, "warning", f"{what} says {medium.declared_mime} and holds {medium.mime}.",
            f"It is sent as {medium.mime}.", "S001, S003",
        )  # fmt: skip
    if medium.rotated:
        yield Problem(
            name, "warning", f"{what} is stored turned (EXIF); as shown it is {medium.size}. Whether the service turns it "
            "is not documented.", "wan.upright(picture) makes it certain.",
        )  # fmt: skip
    if medium.animated:
        yield Problem(name, "warning", f"{what} is animated.", "Expect its first frame to be used.")
    if medium.mode in ("CMYK", "I", "F") or medium.mode.endswith(";16"):
        yield Problem(
            name, "warning", f"{what} is stored as {medium.mode}; no document names that.", "wan.to_rgb(picture)."
        )


def _shape(name: str, what: str, medium: Media, max_ratio: int | None) -> Iterator[Problem]:
    if medium.size and max_ratio:
        width, height = medium.size
        if max(width, height) > max_ratio * min(width, height):
            yield Problem(
                name, "refused", f"{what} is {medium.size}; the ratio must lie between 1:{max_ratio} and {max_ratio}:1.",
                "Crop it: wan.crop(picture, ratio=…).", "S001",
            )  # fmt: skip


def _between(name: str, given: str, bounds: Bounds, unit: str) -> Problem:
    low, high = bounds.outer
    return Problem(
        name,
        "warning",
        f"{given}: {bounds.source} says {bounds.low:g}–{bounds.high:g} {unit}, {bounds.wide_source} says {low:g}–{high:g}.",
        "It will most likely run.",
        f"{bounds.source}; {bounds.wide_source}",
    )


def _audio(name: str, medium: Media, limits: AudioLimits, seconds: int) -> Iterator[Problem]:
    if medium.origin in ("url", "oss"):
        return
    what = f"{name} {medium.name!r}"
    if medium.format not in limits.formats:
        yield Problem(
            name,
            "refused",
            f"{what} is {medium.format}; {' and '.join(limits.formats)} are allowed.",
            "Convert it.",
            "S003",
        )
    if medium.nbytes > limits.megabytes * _MB:
        yield Problem(
            name, "refused", f"{what} has {medium.nbytes / _MB:.1f} MB; {limits.megabytes:g} MB are allowed.",
            "Shorten it or save it as mp3.", "S001, S003",
        )  # fmt: skip
    length = medium.seconds
    if length is None:
        return
    if limits.seconds.verdict(length) == "refused":
        yield Problem(
            name, "refused", f"{what} lasts {length:.1f} s; {limits.seconds.low:g} to {limits.seconds.high:g} s are allowed.",
            "Trim it.", limits.seconds.source,
        )  # fmt: skip
    elif length > seconds + 0.05:
        yield Problem(
            name, "wasteful", f"{what} lasts {length:.1f} s and the video {seconds} s; the service cuts the rest off.",
            "Trim it or ask for a longer duration.", "S001, S003",
        )  # fmt: skip
    elif length < seconds - 0.05:
        yield Problem(
            name, "warning", f"{what} lasts {length:.1f} s; the rest of the {seconds} s is silent.",
            "Ask for a shorter duration if that is not meant.", "S001, S003",
        )  # fmt: skip


def _clip(name: str, medium: Media, limits: ClipLimits, seconds: int) -> Iterator[Problem]:
    if medium.origin in ("url", "oss"):
        return
    what = f"{name} {medium.name!r}"
    checks = (
        (medium.format not in limits.formats, f"is {medium.format}; {' and '.join(limits.formats)} are allowed", "Convert it."),
        (medium.nbytes > limits.megabytes * _MB, f"has {medium.nbytes / _MB:.0f} MB; {limits.megabytes:g} MB are allowed",
         "Trim it."),
        (medium.seconds is not None and limits.seconds.verdict(round(medium.seconds, 2)) == "refused",
         f"lasts {medium.seconds or 0:.1f} s; {limits.seconds.low:g} to {limits.seconds.high:g} s are allowed", "Trim it."),
        (medium.size is not None and any(limits.side.verdict(side) == "refused" for side in medium.size),
         f"is {medium.size}; each side must be {limits.side.low:g} to {limits.side.high:g} px", "Scale it."),
    )  # fmt: skip
    for wrong, message, fix in checks:
        if wrong:
            yield Problem(name, "refused", f"{what} {message}.", fix, "S001")
    yield from _shape(name, what, medium, limits.max_ratio)
    if medium.seconds is not None and medium.seconds >= seconds:
        yield Problem(
            "duration", "wasteful", f"duration={seconds} s is the total length and {what} already lasts "
            f"{medium.seconds:.1f} s: nothing new would be made.", "Ask for a longer duration.",
            "S001 (that nothing is made is our reading)",
        )  # fmt: skip


# --- numbers, texts, switches -----------------------------------------------------------------------------------


def _numbers(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    yield from _choice("resolution", request.resolution, spec.tiers, request.model, str)
    yield from _choice("duration", request.duration, spec.durations_in(place.region), request.model, int)
    seed = request.seed
    lowest = -1 if spec.usage == "3.0" else 0
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not lowest <= seed <= _MAX_SEED):
        yield Problem(
            "seed", "refused", f"seed={seed!r} is not a seed; whole numbers from {lowest} to {_MAX_SEED} are allowed.",
            "Choose one, or leave it out.", "S000, S001, S003",
        )  # fmt: skip


def _choice(name: str, value: Any, choices: catalog.Choices[Any], model: str, kind: type) -> Iterator[Problem]:
    if value is None:
        return
    unit = " s" if name == "duration" else ""
    offer = _listing(choices.union, unit)
    if not isinstance(value, kind) or isinstance(value, bool) or choices.verdict(value) == "refused":
        shown = f"{value} s" if name == "duration" and isinstance(value, int) else repr(value)
        meant = [each for each in choices.union if str(value).lower().strip(" ps") == str(each).lower().strip("p")]
        fix = f"Write {name}={meant[0]!r}." if meant else "Choose one of these."
        yield Problem(
            name, "refused", f"{name}={shown} is not offered by {model}; it offers {offer}.", fix, choices.source
        )
    elif choices.verdict(value) == "disputed":
        yield Problem(
            name, "warning", f"{name}={value}{unit} for {model}: {choices.disputed_source} list it, {choices.source} "
            f"({_listing(choices.agreed, unit)}) does not.", "It may be refused; a failed task is free.",
            f"{choices.disputed_source}; {choices.source}",
        )  # fmt: skip


def _listing(values: tuple[Any, ...], unit: str) -> str:
    """Write a choice as people do: ``5 or 10 s``, ``2 to 15 s``."""
    if len(values) > 3 and all(isinstance(v, int) for v in values) and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]} to {values[-1]}{unit}"
    words = [str(value) for value in values]
    return (words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}") + unit


def _texts(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    limits = {"prompt": spec.prompt_chars, "negative_prompt": spec.negative_chars, "template": None}
    for name, limit in limits.items():
        text = getattr(request, name)
        if text is None or spec.fields.verdict(name) == "refused":
            continue
        if not isinstance(text, str):
            yield Problem(name, "refused", f"{name} is a {type(text).__name__}; text is allowed.", "Give a string.")
        elif not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            yield Problem(
                name,
                "refused",
                f"{name} holds half a character (a lone surrogate), which cannot be sent.",
                "Type it anew.",
            )
        elif limit is not None and len(text) > limit:
            yield Problem(
                name, "wasteful", f"{name} has {len(text)} characters; {request.model} reads {limit} and drops the rest "
                "without a word.", f"Shorten it to {limit}.", spec.source,
            )  # fmt: skip
    if request.template and request.prompt and spec.fields.verdict("template") != "refused":
        yield Problem(
            "prompt",
            "wasteful",
            f"With template={request.template!r} the prompt is ignored.",
            "Leave one of them out.",
            "FX",
        )


def _switches(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    for name in ("negative_prompt", "template", "audio", "prompt_extend", "shot_type", "watermark"):
        value = getattr(request, name)
        if value is None:
            continue
        verdict = spec.fields.verdict(name)
        if verdict == "refused":
            yield Problem(
                name, "wasteful", f"{request.model} has no {name}{' switch' if name == 'audio' else ''}; the service ignores the field.", f"Leave {name} out.",
                spec.fields.source,
            )  # fmt: skip
        elif verdict == "disputed":
            yield Problem(
                name, "warning", f"{name} for {request.model}: {spec.fields.disputed_source} name it, {spec.fields.source} "
                "does not.", "It may be ignored or refused.", f"{spec.fields.disputed_source}; {spec.fields.source}",
            )  # fmt: skip
    for name in ("audio", "prompt_extend", "watermark"):
        if not isinstance(getattr(request, name), bool | None) and spec.fields.verdict(name) != "refused":
            yield Problem(
                name, "refused", f"{name}={getattr(request, name)!r}; True or False are allowed.", "Choose one."
            )
    yield from _conditions(request, spec)


def _effects(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    if request.template and place.region not in ("", "beijing") and spec.fields.verdict("template") != "refused":
        yield Problem(
            "template", "warning", f"template={request.template!r} in {place.region}: FX offers effects in Beijing only.",
            "It may fail there; a failed task is free.", "FX",
        )  # fmt: skip


def _conditions(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    """Fields that act only together with others."""
    if request.shot_type is not None and spec.fields.verdict("shot_type") == "allowed":
        if request.shot_type not in ("single", "multi"):
            yield Problem(
                "shot_type", "refused", f"shot_type={request.shot_type!r}; 'single' or 'multi' are allowed.", "Choose one.",
                "S003",
            )  # fmt: skip
        elif request.prompt_extend is False:
            yield Problem(
                "shot_type", "wasteful", "shot_type acts only while the prompt is rewritten; prompt_extend is False.",
                "Leave prompt_extend out, or shot_type.", "S003, S004",
            )  # fmt: skip
    if request.audio is False and request.driving_audio is not None and spec.fields.verdict("audio") == "allowed":
        yield Problem(
            "driving_audio", "wasteful", "audio=False makes a silent video: the driving_audio is ignored.",
            "Leave one of them out.", "S004",
        )  # fmt: skip
    known = [name for name in request.extra if name in _PARAMETERS]
    unknown = [name for name in request.extra if name not in _PARAMETERS]
    if known:
        yield Problem(
            "extra", "refused", f"extra has {', '.join(known)}, which would go out unchecked in place of the field.",
            f"Give {known[0]}= as a field.",
        )  # fmt: skip
    if unknown:
        yield Problem(
            "extra", "warning", f"{', '.join(unknown)} is sent as it is; this toolkit does not know it.",
            "The service ignores what it does not know.",
        )  # fmt: skip
