"""What is wrong with a request, all at once, each with its fix and its source.

Three severities. *Refused*: the service fails it. *Wasteful*: the service takes it, cuts or ignores part of it, and
bills; it is held back unless `allow=` names the field. *Warning*: it will run. Submission itself validates almost
nothing (FACTS §0), so this is the only check before a task exists. No I/O: media come measured.
"""

from __future__ import annotations

import json
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
Rule = tuple[bool, Severity, str, str, str]
"""Whether it is broken; then what a `Problem` says after the field."""
PARAMETERS = ("resolution", "duration", "prompt_extend", "shot_type", "audio", "watermark", "seed")
"""Fields that go out under ``parameters``, in wire order."""


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:  # a tuple of problems is often a cell's last line
        return f"{self.severity}: {self} [{self.source}]" if self.source else f"{self.severity}: {self}"


@dataclass(frozen=True, slots=True)
class Place:
    """What an endpoint narrows, or lacks, of the service at large."""

    region: str = ""
    """``"singapore"`` …; empty where regions do not matter (simulator, gateway)."""
    image: ImageLimits | None = None
    """A gateway's own bounds for pictures."""
    uploads: bool = True
    """Whether local audio and clips can be uploaded."""


def _broken(field: str, *rules: Rule) -> Iterator[Problem]:
    return (Problem(field, *said) for is_broken, *said in rules if is_broken)  # type: ignore[arg-type]


def find_problems(request: VideoRequest, place: Place) -> tuple[Problem, ...]:
    """Return all problems of a request, most severe first."""
    spec = catalog.find_model(request.model)
    if spec is None:
        if request.family is None:
            text = f"model={request.model!r} is not in the catalogue; {catalog.suggest(request.model)}"
            return (Problem("model", "refused", text, "For an unlisted model give family='i2v', 'kf2v' or 'media'."),)
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
    model, region, regions = request.model, place.region, spec.regions
    if catalog.find_model(model) is None:
        text = f"model={model!r} is not in the catalogue: sizes, limits and price are not known."
        yield Problem("model", "warning", text, "Check the vendor's page.")
    elif request.family and request.family != spec.family:
        text = f"family={request.family!r}: {spec.id} is of family {spec.family!r}."
        yield Problem("family", "refused", text, "Leave family out.")
    if not region:
        return
    verdict = regions.verdict(region)
    chinese = model.startswith("wanx")
    other = spec.id if chinese else next(iter(spec.aliases), "")
    misspelt = bool(spec.aliases) and "2.1" in spec.id and chinese != (region == "beijing")
    yield from _broken(
        "model",
        (verdict == "refused", "refused", f"{model} is not offered in {region}; it runs in {', '.join(regions.union)}.", "Choose another region or model.", regions.source),
        (verdict == "disputed", "warning", f"{model} in {region}: {regions.disputed_source} say yes, {regions.source} do not list it.", "One call will tell; a failed one is free.", regions.both),
        (misspelt, "warning", f"{model} in {region}: the price list spells it {other} there.", f"Use {other}.", "CN-PRICE, S003"),
    )  # fmt: skip


# --- media ------------------------------------------------------------------------------------------------------


def _media_set(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    given, inputs = frozenset(request.media), spec.inputs
    verdict = inputs.verdict(given)
    if verdict == "allowed":
        return
    if verdict == "disputed":
        # kf2v without its last frame: effects need none, and the documents differ
        if request.template is None:
            text = f"{request.model} without a last_frame: {inputs.disputed_source}; {inputs.source} requires one."
            yield Problem("last_frame", "warning", text, "Give a last_frame.", inputs.both)
        return
    legal = "; ".join(map(_named, inputs.union))
    nearest = min(inputs.union, key=lambda each: len(each ^ given))
    missing = nearest - given
    if spec.family == "media":
        text = f"{_named(given) or 'no media'} is not a set that {request.model} takes; it takes {legal}."
        field = next(iter(missing or given - nearest))
        yield Problem(field, "refused", text, "Add or leave out what differs.", inputs.source)
        return
    for name in sorted(missing):
        text = f"{request.model} needs a {name}; none was given."
        yield Problem(name, "refused", text, "Give a path, URL or picture.", inputs.source)
    for name in sorted(given - frozenset().union(*inputs.union)):
        text = f"{request.model} does not take {name}; it takes {legal}."
        yield Problem(name, "wasteful", text, f"Leave {name} out, or choose a model that takes it.", inputs.source)


def _named(names: frozenset[str]) -> str:
    """Write a set of media in the order in which a form shows them."""
    order = ("first_frame", "first_clip", "last_frame", "driving_audio")
    return " + ".join(sorted(names, key=order.index))


def _media(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    taken: frozenset[str] = frozenset().union(*spec.inputs.union)
    seconds = request.seconds if isinstance(request.seconds, int) else spec.default_duration
    for name, medium in request.media.items():
        what = f"{name} {medium.name!r}"
        if medium.error:  # also where the model does not take it: it cannot be sent at all
            yield Problem(name, "refused", f"{name}: {medium.error}", "")
        elif name not in taken or medium.url:
            continue  # nobody has seen what an address holds; the service will
        elif medium.kind == "image":
            yield from _image(name, what, medium, place.image or spec.image)
        elif medium.kind == "audio" and spec.audio:
            yield from _audio(name, what, medium, spec.audio, seconds)
        elif medium.kind == "video" and spec.clip:
            yield from _clip(name, what, medium, spec.clip, seconds)
        if not medium.error and medium.kind != "image" and not place.uploads:
            text = f"{name} is a local file and this endpoint has no uploads."
            yield Problem(name, "refused", text, "Give an http(s) URL.")


def _image(name: str, what: str, medium: Media, limits: ImageLimits) -> Iterator[Problem]:
    megabytes, base64 = medium.nbytes / _MB, limits.base64
    weight = limits.megabytes.verdict(megabytes)
    low, high = limits.side.outer
    sides = {limits.side.verdict(side) for side in medium.size or ()}
    is_png = medium.format == "PNG"
    side = f"{what} is {medium.size} px"
    yield from _broken(
        name,
        (medium.format not in limits.formats, "refused", f"{what} is {medium.format}; {', '.join(limits.formats)} are allowed.", "Convert it.", limits.side.source),
        (medium.has_alpha and is_png, "refused", f"{what} has an alpha channel, which the service does not take.", "Flatten it: wan.flatten(picture).", "S000, S001, S003"),
        (medium.has_alpha and not is_png, "warning", f"{what} has an alpha channel; the documents forbid that for PNG and say nothing of {medium.format}.", "wan.flatten(picture) makes it certain.", "S000, S001, S003"),
        ("refused" in sides, "refused", f"{side}; each side must be {low:g} to {high:g} px.", "Scale it: wan.scale_into(picture).", limits.side.wide_source or limits.side.source),
        ("disputed" in sides and "refused" not in sides, "warning", *_between(side, limits.side, "px a side")),
        _too_long(what, medium, limits.max_ratio),
        (weight == "refused", "refused", f"{what} has {megabytes:.1f} MB; {limits.megabytes.outer[1]:g} MB are allowed.", "Scale it or save it as JPEG.", limits.megabytes.source),
        (weight == "disputed", "warning", *_between(f"{what} has {megabytes:.1f} MB", limits.megabytes, "MB")),
        (base64.verdict(True) == "disputed", "warning", f"{what} is sent inside the request: {base64.disputed_source} accept that; {base64.source} names URLs only.", "A public URL is safest.", base64.both),
        *_looks(what, medium),
    )  # fmt: skip


def _looks(what: str, medium: Media) -> tuple[Rule, ...]:
    """What is taken, and may not look as meant."""
    other = bool(medium.declared_mime) and medium.declared_mime != medium.mime
    return (
        (other, "warning", f"{what} says {medium.declared_mime} and holds {medium.mime}.", f"It is sent as {medium.mime}.", "S001, S003"),
        (medium.rotated, "warning", f"{what} is stored turned (EXIF); as shown it is {medium.size}. Whether the service turns it is not documented.", "wan.upright(picture) makes it certain.", ""),
        (medium.animated, "warning", f"{what} is animated.", "Expect its first frame to be used.", ""),
        (medium.has_odd_colours, "warning", f"{what} is stored as {medium.mode}; no document names that.", "wan.to_rgb(picture).", ""),
    )  # fmt: skip


def _too_long(what: str, medium: Media, most: int | None) -> Rule:
    size = medium.size
    is_broken = bool(size and most) and max(size) > (most or 0) * min(size)  # type: ignore[arg-type]
    text = f"{what} is {size}; the ratio must lie between 1:{most} and {most}:1."
    return is_broken, "refused", text, "Crop it: wan.crop(picture, ratio=…).", "S001"


def _between(given: str, bounds: Bounds, unit: str) -> tuple[str, str, str]:
    low, high = bounds.outer
    said = f"{bounds.source} says {bounds.low:g}–{bounds.high:g} {unit}, {bounds.wide_source} says {low:g}–{high:g}."
    return f"{given}: {said}", "It will most likely run.", f"{bounds.source}; {bounds.wide_source}"


def _audio(name: str, what: str, medium: Media, limits: AudioLimits, seconds: int) -> Iterator[Problem]:
    length, span = medium.seconds or 0.0, limits.seconds
    outside = medium.seconds is not None and span.verdict(length) == "refused"
    inside = medium.seconds is not None and not outside
    yield from _broken(
        name,
        (medium.format not in limits.formats, "refused", f"{what} is {medium.format}; {' and '.join(limits.formats)} are allowed.", "Convert it.", "S003"),
        (medium.nbytes > limits.megabytes * _MB, "refused", f"{what} has {medium.nbytes / _MB:.1f} MB; {limits.megabytes:g} MB are allowed.", "Shorten it or save it as mp3.", "S001, S003"),
        (outside, "refused", f"{what} lasts {length:.1f} s; {span.low:g} to {span.high:g} s are allowed.", "Trim it.", span.source),
        (inside and length > seconds + 0.05, "wasteful", f"{what} lasts {length:.1f} s and the video {seconds} s; the service cuts the rest off.", "Trim it or ask for a longer duration.", "S001, S003"),
        (inside and length < seconds - 0.05, "warning", f"{what} lasts {length:.1f} s; the rest of the {seconds} s is silent.", "Ask for a shorter duration if that is not meant.", "S001, S003"),
    )  # fmt: skip


def _clip(name: str, what: str, medium: Media, limits: ClipLimits, seconds: int) -> Iterator[Problem]:
    length, span, side = medium.seconds or 0.0, limits.seconds, limits.side
    outside = medium.seconds is not None and span.verdict(round(length, 2)) == "refused"
    askew = any(side.verdict(each) == "refused" for each in medium.size or ())
    yield from _broken(
        name,
        (medium.format not in limits.formats, "refused", f"{what} is {medium.format}; {' and '.join(limits.formats)} are allowed.", "Convert it.", "S001"),
        (medium.nbytes > limits.megabytes * _MB, "refused", f"{what} has {medium.nbytes / _MB:.0f} MB; {limits.megabytes:g} MB are allowed.", "Trim it.", "S001"),
        (outside, "refused", f"{what} lasts {length:.1f} s; {span.low:g} to {span.high:g} s are allowed.", "Trim it.", "S001"),
        (askew, "refused", f"{what} is {medium.size}; each side must be {side.low:g} to {side.high:g} px.", "Scale it.", "S001"),
        _too_long(what, medium, limits.max_ratio),
    )  # fmt: skip
    if medium.seconds is not None and length >= seconds:
        text = f"duration={seconds} s is the total length and {what} already lasts {length:.1f} s: nothing new would be made."
        source = "S001 (that nothing is made is our reading)"
        yield Problem("duration", "wasteful", text, "Ask for a longer duration.", source)


# --- numbers, texts, switches -----------------------------------------------------------------------------------


def _numbers(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    yield from _choice("resolution", request.resolution, spec.tiers, request.model, str)
    yield from _choice("duration", request.duration, spec.durations_in(place.region), request.model, int)
    seed = request.seed
    lowest = -1 if spec.usage == "3.0" else 0
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not lowest <= seed <= _MAX_SEED):
        text = f"seed={seed!r} is not a seed; whole numbers from {lowest} to {_MAX_SEED} are allowed."
        yield Problem("seed", "refused", text, "Choose one, or leave it out.", "S000, S001, S003")


def _choice(name: str, value: Any, choices: catalog.Choices[Any], model: str, kind: type) -> Iterator[Problem]:
    if value is None:
        return
    unit = " s" if name == "duration" else ""
    if not isinstance(value, kind) or isinstance(value, bool) or choices.verdict(value) == "refused":
        shown = f"{value}{unit}" if type(value) is int else repr(value)
        typed = str(value).lower().removesuffix(".0").strip(" ps")
        meant = [each for each in choices.union if typed == str(each).lower().strip("p")]
        fix = f"Write {name}={meant[0]!r}." if meant else "Choose one of these."
        text = f"{name}={shown} is not offered by {model}; it offers {_listing(choices.union, unit)}."
        yield Problem(name, "refused", text, fix, choices.source)
    elif choices.verdict(value) == "disputed":
        without = f"{choices.source} ({_listing(choices.agreed, unit)}) does not"
        text = f"{name}={value}{unit} for {model}: {choices.disputed_source} list it, {without}."
        yield Problem(name, "warning", text, "It may be refused; a failed task is free.", choices.both)


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
            yield Problem(name, "refused", f"{name}={text!r:.80}; text is allowed.", "Give a string.")
        elif not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            half = f"{name} holds half a character (a lone surrogate), which cannot be sent."
            yield Problem(name, "refused", half, "Type it anew.")
        elif limit is not None and len(text) > limit:
            cut = f"{name} has {len(text)} characters; {request.model} reads {limit} and drops the rest without a word."
            yield Problem(name, "wasteful", cut, f"Shorten it to {limit}.", spec.source)
    if request.template and request.prompt and spec.fields.verdict("template") != "refused":
        ignored = f"With template={request.template!r} the prompt is ignored."
        yield Problem("prompt", "wasteful", ignored, "Leave one of them out.", "FX")


def _switches(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    fields = spec.fields
    for name in ("negative_prompt", "template", "audio", "prompt_extend", "shot_type", "watermark"):
        if getattr(request, name) is None:
            continue
        verdict, switch = fields.verdict(name), " switch" if name == "audio" else ""
        yield from _broken(
            name,
            (verdict == "refused", "wasteful", f"{request.model} has no {name}{switch}; the service ignores the field.", f"Leave {name} out.", fields.source),
            (verdict == "disputed", "warning", f"{name} for {request.model}: {fields.disputed_source} name it, {fields.source} does not.", "It may be ignored or refused.", fields.both),
        )  # fmt: skip
    for name in ("audio", "prompt_extend", "watermark"):
        value = getattr(request, name)
        if not isinstance(value, bool | None) and fields.verdict(name) != "refused":
            yield Problem(name, "refused", f"{name}={value!r}; True or False are allowed.", "Choose one.")
    yield from _conditions(request, spec)


def _effects(request: VideoRequest, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    if request.template and place.region not in ("", "beijing") and spec.fields.verdict("template") != "refused":
        text = f"template={request.template!r} in {place.region}: FX offers effects in Beijing only."
        yield Problem("template", "warning", text, "It may fail there; a failed task is free.", "FX")


def _conditions(request: VideoRequest, spec: ModelSpec) -> Iterator[Problem]:
    """Fields that act only together with others."""
    shot = request.shot_type
    if shot is not None and spec.fields.verdict("shot_type") == "allowed":
        is_known = shot in ("single", "multi")
        yield from _broken(
            "shot_type",
            (not is_known, "refused", f"shot_type={shot!r}; 'single' or 'multi' are allowed.", "Choose one.", "S003"),
            (is_known and request.prompt_extend is False, "wasteful", "shot_type acts only while the prompt is rewritten; prompt_extend is False.", "Leave prompt_extend out, or shot_type.", "S003, S004"),
        )  # fmt: skip
    if request.audio is False and request.driving_audio is not None and spec.fields.verdict("audio") == "allowed":
        text = "audio=False makes a silent video: the driving_audio is ignored."
        yield Problem("driving_audio", "wasteful", text, "Leave one of them out.", "S004")
    known = [name for name in request.extra if name in PARAMETERS]
    unknown = [name for name in request.extra if name not in PARAMETERS]
    if known:
        text = f"extra has {', '.join(known)}, which would go out unchecked in place of the field."
        yield Problem("extra", "refused", text, f"Give {known[0]}= as a field.")
    if unknown:
        try:
            json.dumps(dict(request.extra))
        except (TypeError, ValueError) as error:
            fix = "Give plain texts, numbers, lists, True or False."
            yield Problem("extra", "refused", f"extra cannot be sent as JSON: {error}.", fix)
        text = f"{', '.join(unknown)} is sent as it is; this toolkit does not know it."
        yield Problem("extra", "warning", text, "The service ignores what it does not know.")
