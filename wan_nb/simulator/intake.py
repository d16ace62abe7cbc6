"""From a body to a record: which rule it breaks, in the service's own words, and otherwise what the video will be.

Wordings are those that FACTS §0, §1.5 and §6 quote from live calls; where no wording is known, the general form "the
parameters must conform to the specification: …" is used. What only some sources allow is let through: the
simulator takes the union. Fields that a model does not have are ignored. No I/O: media come in measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from math import isqrt

from wan_nb.catalog import ImageLimits, ModelSpec
from wan_nb.simulator.engine import Json, Medium, Task, new_id
from wan_nb.simulator.scenario import Scenario

Failure = tuple[str, str]
"""Error code and text."""

MB = 1024 * 1024

_WIRE = {
    "i2v": {"img_url": "first_frame", "audio_url": "driving_audio"},
    "kf2v": {"first_frame_url": "first_frame", "last_frame_url": "last_frame"},
}


def part(body: Json, name: str) -> Json:
    """Return an object of the body without its nulls; empty where there is none."""
    value = body.get(name)
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else {}


def addresses(spec: ModelSpec, body: Json) -> list[tuple[str, str]]:
    """Return role and address of every input that this model would look at.

    Example:
        >>> from wan_nb.catalog import MODELS
        >>> given = {"img_url": "https://x/a.png", "audio_url": "https://x/b.mp3"}
        >>> addresses(MODELS["wan2.2-i2v-flash"], {"input": given})
        [('first_frame', 'https://x/a.png')]
    """
    given = part(body, "input")
    if spec.family == "media":
        items = given.get("media")
        items = items if isinstance(items, list) else []
        found = [(item.get("type"), item.get("url")) for item in items if isinstance(item, dict)]
    else:
        found = [(role, given.get(name)) for name, role in _WIRE[spec.family].items()]
    return [
        (role, url)
        for role, url in found
        if isinstance(role, str) and role in _roles(spec) and isinstance(url, str) and url
    ]


def _roles(spec: ModelSpec) -> frozenset[str]:
    return frozenset[str]().union(*spec.inputs.union)


# --- rules ------------------------------------------------------------------------------------------------------------


def broken_rule(spec: ModelSpec, body: Json, media: Sequence[Medium]) -> Failure | None:
    """Return why the service would fail this task, None where it would run.

    Args:
        spec: The model's row.
        body: The create call's JSON object.
        media: What `addresses` named, measured, in the same order.
    """
    message = _input_rule(spec, body) or _parameter_rule(spec, part(body, "parameters"))
    if message:
        return "InvalidParameter", message
    for medium in media:
        if failure := _medium_rule(spec, medium):
            return failure
    return None


def _must(text: str) -> str:
    return f"the parameters must conform to the specification: {text}"


def _input_rule(spec: ModelSpec, body: Json) -> str | None:
    given = part(body, "input")
    for name in ("prompt", "negative_prompt", "template"):
        if name in spec.fields.union and not isinstance(given.get(name), str | None):
            return f"Input should be a valid string: input.{name}"
    if spec.family == "media":
        return _media_rule(spec, given)
    if spec.family == "kf2v":
        # The last frame alone is no video; a first frame alone is taken, as CN-KF2V and S002 say against S000.
        return None if _text(given.get("first_frame_url")) else "video frames must be set"
    if not given:
        return "prompt must contain words"
    return None if _text(given.get("img_url")) else "img_url must be set for image to video method"


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _either(values: Sequence[str]) -> str:
    quoted = [f"'{value}'" for value in values]
    return f"Input should be {' or '.join([', '.join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)}"


def _media_rule(spec: ModelSpec, given: Json) -> str | None:
    items = given.get("media")
    if not isinstance(items, list) or not items:
        return "Field required: input.media"
    known = [role for role in ("first_frame", "last_frame", "driving_audio", "first_clip") if role in _roles(spec)]
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not _text(item.get("url")):
            return f"Field required: input.media.{number}.url"
        if item.get("type") not in known:
            return _either(known)
    roles = [item["type"] for item in items]
    if len(set(roles)) < len(roles):
        return _must("each media type may appear at most once in input.media")
    if frozenset(roles) not in spec.inputs.union:
        return _must(f"the media combination {'+'.join(roles)} is not supported")
    return None


def _parameter_rule(spec: ModelSpec, parameters: Json) -> str | None:
    fields = spec.fields.union
    tier = parameters.get("resolution", spec.default_tier)
    if tier not in spec.tiers.union:
        # The live text names the higher tier first (LIVE-1).
        return _either(sorted(spec.tiers.union, key=lambda name: int(name[:-1]), reverse=True))
    if message := _duration_rule(spec, parameters.get("duration", spec.default_duration)):
        return message
    for name in ("prompt_extend", "watermark", "audio"):
        if name in fields and not isinstance(parameters.get(name, False), bool):
            return f"Input should be a valid boolean: parameters.{name}"
    if "shot_type" in fields and parameters.get("shot_type", "single") not in ("single", "multi"):
        return _either(("single", "multi"))
    seed = parameters.get("seed", 0)
    lowest = -1 if spec.usage == "3.0" else 0
    if "seed" in fields and (type(seed) is not int or not lowest <= seed <= 2**31 - 1):
        return _must("seed must be in the range [0, 2147483647]")
    return None


def _duration_rule(spec: ModelSpec, seconds: object) -> str | None:
    allowed = spec.durations.union
    if type(seconds) is not int:
        return "Input should be a valid integer: parameters.duration"
    if seconds in allowed:
        return None
    if len(allowed) == 1:
        return "duration customization is not supported"
    if allowed == tuple(range(allowed[0], allowed[-1] + 1)):
        return f"Duration should be between {allowed[0]} and {allowed[-1]}"
    return _must(f"duration must be one of {list(allowed)}")


def _medium_rule(spec: ModelSpec, medium: Medium) -> Failure | None:
    if medium.form == "other":
        text = f"The {medium.role} must be given as an http, https or oss url, or an image as base64 data."
        return "InvalidURL", text
    if medium.form == "beyond":
        return None  # cannot be fetched offline: taken as good
    rule = {"driving_audio": _audio_rule, "first_clip": _clip_rule}.get(medium.role, _image_rule)
    return rule(spec, medium)


def _image_rule(spec: ModelSpec, image: Medium) -> Failure | None:
    limits: ImageLimits = spec.image
    low, high = (int(side) for side in limits.side.outer)
    most, ratio = limits.megabytes.outer[1], limits.max_ratio
    if image.form == "data" and True not in limits.base64.union:
        return "InvalidURL", "The image must be given as an http, https or oss url."
    rules: tuple[tuple[bool, str], ...] = (
        (image.bytes > most * MB, f"Image size is too large than {most:.1f} mb"),
        (bool(image.code), image.message),
        (image.format not in limits.formats or image.alpha, "Image format error"),
        (min(image.width, image.height) < low, f"Image height or width is too small than {low}"),
        (max(image.width, image.height) > high, f"Image height or width is too large than {high}"),
        (_too_long(image, ratio), f"Image aspect ratio should be between 1:{ratio} and {ratio}:1"),
    )
    return next((("InvalidParameter", text) for broken, text in rules if broken), None)


def _too_long(picture: Medium, most: int | None) -> bool:
    return most is not None and max(picture.width, picture.height) > most * min(picture.width, picture.height)


def _audio_rule(spec: ModelSpec, audio: Medium) -> Failure | None:
    if spec.audio is None or audio.form == "data":
        return "InvalidURL", "The audio must be given as an http, https or oss url."
    low, high = spec.audio.seconds.outer
    rules: tuple[tuple[bool, str], ...] = (
        (audio.bytes > spec.audio.megabytes * MB, f"File size is larger than {spec.audio.megabytes:g}MB"),
        (audio.format not in spec.audio.formats, "File type is not supported. Allowed types are: .wav, .mp3."),
        (audio.seconds > high, f"input audio is longer than {high:g}s"),
        (audio.seconds < low, f"input audio is shorter than {low:g}s"),
    )
    if audio.code and audio.code != "InvalidFormat":
        return audio.code, audio.message
    return next((("InvalidURL", text) for broken, text in rules if broken), None)


def _clip_rule(spec: ModelSpec, clip: Medium) -> Failure | None:
    limits = spec.clip
    if limits is None or clip.form == "data":
        return "InvalidURL", "The video must be given as an http, https or oss url."
    if clip.code and clip.code != "InvalidFormat":
        return clip.code, clip.message
    (short, long), (low, high) = limits.seconds.outer, limits.side.outer
    in_bounds = low <= min(clip.width, clip.height) and max(clip.width, clip.height) <= high
    rules: tuple[tuple[bool, str, str], ...] = (
        (clip.bytes > limits.megabytes * MB, "Size", f"the video must not be larger than {limits.megabytes:g} MB"),
        (bool(clip.code) or clip.format not in limits.formats, "Format", "the video must be mp4 or mov"),
        (not short <= clip.seconds <= long, "Duration", f"the video must last between {short:g} and {long:g} seconds"),
        (not in_bounds, "Resolution", f"width and height of the video must be between {low:g} and {high:g}"),
        (_too_long(clip, limits.max_ratio), "AspectRatio", "the aspect ratio of the video must be between 1:8 and 8:1"),
    )
    return next(((f"InvalidFile.{kind}", text) for broken, kind, text in rules if broken), None)


# --- what the video will be -------------------------------------------------------------------------------------------


def output_size(source: tuple[int, int], tier: str, row: str, scenario: Scenario) -> tuple[int, int]:
    """Return width and height of the video: the picture's shape at the tier's pixel count, in integers.

    Example:
        >>> output_size((750, 1000), "720P", "wan2.6-i2v", Scenario())
        (816, 1104)
    """
    rule = scenario.rules.get(row, scenario.rule)
    area = scenario.tier_area[tier]

    def side(this: int, other: int) -> int:
        whole = (isqrt(4 * area * this // other) + 1) // 2 if rule.rounded else isqrt(area * this // other)
        return max(whole // rule.step, 1) * rule.step

    width, height = source
    return side(width, height), side(height, width)


def plan(spec: ModelSpec, body: Json, media: Sequence[Medium], now: float, second: float, scenario: Scenario) -> Task:
    """Return the record of a new task, which may be that of a failure.

    Args:
        spec: The model's row.
        body: The create call's JSON object.
        media: What `addresses` named, measured.
        now: Epoch seconds.
        second: Machine seconds of one service second.
        scenario: Timing and sizes.
    """
    prompt = part(body, "input").get("prompt")
    timing = scenario.timing
    task = Task(
        task_id=new_id(),
        request_id=new_id(),
        model=body["model"],
        row=spec.id,
        created=now,
        pending_for=timing.pending_s * second,
        running_for=0.0,
        prompt=prompt if isinstance(prompt, str) else None,
        media=tuple(media),
    )
    if failure := broken_rule(spec, body, media):
        return replace(task, code=failure[0], message=failure[1], fails_after=timing.check_s * second)
    return _planned(task, spec, body, second, scenario)


def _planned(task: Task, spec: ModelSpec, body: Json, second: float, scenario: Scenario) -> Task:
    """Fill in what the video will be; every value has been checked."""
    given, parameters = part(body, "input"), part(body, "parameters")
    prompt = (task.prompt or "")[: spec.prompt_chars]  # a longer one is cut without a word
    template = str(given.get("template", "")) if "template" in spec.fields.union else ""
    tier: str = parameters.get("resolution", spec.default_tier)
    seconds: int = parameters.get("duration", spec.default_duration)
    extend: bool = parameters.get("prompt_extend", True)
    multi = "shot_type" in spec.fields.union and extend and parameters.get("shot_type") == "multi"
    sound: bool = spec.sound == "always" or (spec.sound == "switch" and parameters.get("audio", True))
    lead = next(medium for medium in task.media if medium.role in ("first_frame", "first_clip"))
    look = _number(f"{template or prompt}\n{parameters.get('seed', task.task_id)}")
    total = _job_s(scenario, tier, seconds, look) if scenario.job_s is None else scenario.job_s
    pending = min(scenario.timing.pending_s, total)
    return replace(
        task,
        pending_for=pending * second,
        running_for=(total - pending) * second,
        actual_prompt=_rewritten(prompt) if prompt and extend and spec.actual_prompt and not template else None,
        usage=_usage(spec, int(tier[:-1]), seconds, round(lead.seconds), sound),
        size=output_size((lead.width, lead.height), tier, spec.id, scenario),
        seconds=seconds,
        sound=sound,
        watermark=parameters.get("watermark", False),
        shots=3 if multi else 1,
        look=look,
    )


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode("utf-8", "replace")).digest()[:6], "big")


def _job_s(scenario: Scenario, tier: str, seconds: int, look: int) -> float:
    """Heavier tasks take longer, with some chance in it: what a schedule can learn from."""
    areas = scenario.tier_area
    weight = min(1.0, areas[tier] / max(areas.values())) * min(1.0, seconds / 15)
    chance = look % 1000 / 999
    low, high = scenario.timing.shortest_s, scenario.timing.longest_s
    return low + (high - low) * (weight + chance) / 2


_EXTENSION = (
    "The light is soft and even, the background slightly out of focus; the camera moves slowly and steadily, "
    "and fine details of surface and texture stay clearly visible to the end."
)


def _rewritten(prompt: str) -> str:
    """Stand in for the service's language model; as in the seeds' samples the prompt itself comes first."""
    return f"{prompt.rstrip()}{'' if prompt.rstrip().endswith(('.', '!', '?', '。')) else '.'} {_EXTENSION}"


def _usage(spec: ModelSpec, tier: int, seconds: int, clip_s: int, sound: bool) -> Json:
    """Return the usage object of the model's generation (FACTS §1.2, §1.3, §1.5, §1.6)."""
    # A clip's seconds are billed within the total. That the new part alone counts as output is our reading: it is the
    # one in which duration = input + output, as the documents say for 2.6.
    clip_s = min(clip_s, seconds)
    spans = {"duration": seconds, "input_video_duration": clip_s, "output_video_duration": seconds - clip_s}
    shapes: dict[str, Json] = {
        "2.1": {"video_duration": seconds, "video_ratio": "standard", "video_count": 1},
        "2.2": {"duration": seconds, "SR": tier, "video_count": 1},
        "2.6": {**spans, "video_count": 1, "SR": tier},
        "2.6-flash": {**spans, "video_count": 1, "SR": tier, "audio": sound},
        "2.7": {**spans, "video_count": 1, "SR": tier},
        "3.0": {**spans, "duration": float(seconds), "video_count": 1, "fps": 30, "SR": tier, "ratio": "adaptive"},
        "kf2.1": {"video_duration": seconds, "video_count": 1, "video_ratio": "standard"},
        "kf2.2": {"video_duration": seconds, "video_count": 1, "SR": tier},
    }
    return shapes[spec.usage]
