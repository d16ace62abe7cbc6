"""From a body to a record: which rule it breaks, in the service's own words, and otherwise what the video will be.

Wordings are those that FACTS §0, §1.5 and §6 quote from live calls; where no wording is known, the general form "the
parameters must conform to the specification: …" is used. What only some sources allow is let through: the
simulator takes the union. Fields that a model does not have are ignored. No I/O: media come in measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from math import isqrt
from typing import Any

from wan_nb.catalog import AudioLimits, ClipLimits, ImageLimits, ModelSpec
from wan_nb.simulator.engine import Json, Medium, RefusedError, Task, new_id
from wan_nb.simulator.scenario import Scenario

MB = 1024 * 1024
BAD_IMAGE = "Invalid image format or corrupted file"

_WIRE = {
    "i2v": {"img_url": "first_frame", "audio_url": "driving_audio"},
    "kf2v": {"first_frame_url": "first_frame", "last_frame_url": "last_frame"},
}


def part(body: Json, name: str) -> Json:
    """Return an object of the body without its nulls; empty where there is none."""
    value = body.get(name)
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else {}


def addresses(spec: ModelSpec, body: Json) -> Iterator[tuple[str, str]]:
    """Yield role and address of every input that this model looks at, of a body that `check_fields` let through.

    Example:
        >>> from wan_nb.catalog import MODELS
        >>> given = {"img_url": "https://x/a.png", "audio_url": "https://x/b.mp3"}
        >>> list(addresses(MODELS["wan2.2-i2v-flash"], {"input": given}))
        [('first_frame', 'https://x/a.png')]
    """
    given = part(body, "input")
    if spec.family == "media":
        yield from ((item["type"], item["url"]) for item in given["media"])
        return
    for name, role in _WIRE[spec.family].items():
        if role in _roles(spec) and _is_text(given.get(name)):
            yield role, given[name]


def _roles(spec: ModelSpec) -> frozenset[str]:
    return frozenset[str]().union(*spec.inputs.union)


# --- rules ------------------------------------------------------------------------------------------------------------


def _require(holds: object, text: str, code: str = "InvalidParameter") -> None:
    if not holds:
        raise RefusedError(code, text)


def check_fields(spec: ModelSpec, body: Json) -> None:
    """Look at everything but the media themselves.

    Raises:
        RefusedError: If the service would fail this task.
    """
    given, parameters, fields = part(body, "input"), part(body, "parameters"), spec.fields.union
    for name in ("prompt", "negative_prompt", "template"):
        is_text = isinstance(given.get(name), str | None)
        _require(is_text or name not in fields, f"Input should be a valid string: input.{name}")
    if spec.family == "media":
        _check_media(spec, given.get("media"))
    elif spec.family == "kf2v":
        # The last frame alone is no video; a first frame alone is taken, as CN-KF2V and S002 say against S000.
        _require(_is_text(given.get("first_frame_url")), "video frames must be set")
    else:
        _require(given, "prompt must contain words")
        _require(_is_text(given.get("img_url")), "img_url must be set for image to video method")
    # The live text names the higher tier first (LIVE-1).
    tiers = sorted(spec.tiers.union, key=lambda name: int(name[:-1]), reverse=True)
    _require(parameters.get("resolution", spec.default_tier) in tiers, _either(tiers))
    _check_duration(spec, parameters.get("duration", spec.default_duration))
    for name in ("prompt_extend", "watermark", "audio"):
        is_switch = isinstance(parameters.get(name, False), bool)
        _require(is_switch or name not in fields, f"Input should be a valid boolean: parameters.{name}")
    shots = ("single", "multi")
    _require(parameters.get("shot_type", "single") in shots or "shot_type" not in fields, _either(shots))
    seed, lowest = parameters.get("seed", 0), -1 if spec.usage == "3.0" else 0
    is_seed = type(seed) is int and lowest <= seed <= 2**31 - 1
    _require(is_seed or "seed" not in fields, _specified("seed must be in the range [0, 2147483647]"))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _specified(text: str) -> str:
    return f"the parameters must conform to the specification: {text}"


def _either(values: Sequence[str]) -> str:
    quoted = [f"'{value}'" for value in values]
    return f"Input should be {' or '.join([', '.join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)}"


def _check_media(spec: ModelSpec, items: Any) -> None:
    _require(isinstance(items, list) and items, "Field required: input.media")
    known = [role for role in ("first_frame", "last_frame", "driving_audio", "first_clip") if role in _roles(spec)]
    for number, item in enumerate(items):
        has_url = isinstance(item, dict) and _is_text(item.get("url"))
        _require(has_url, f"Field required: input.media.{number}.url")
        _require(item.get("type") in known, _either(known))
    roles = [item["type"] for item in items]
    _require(len(set(roles)) == len(roles), _specified("each media type may appear at most once in input.media"))
    is_legal = frozenset(roles) in spec.inputs.union
    _require(is_legal, _specified(f"the media combination {'+'.join(roles)} is not supported"))


def _check_duration(spec: ModelSpec, seconds: object) -> None:
    allowed = spec.durations.union
    _require(type(seconds) is int, "Input should be a valid integer: parameters.duration")
    if len(allowed) == 1:
        text = "duration customization is not supported"
    elif allowed == tuple(range(allowed[0], allowed[-1] + 1)):
        text = f"Duration should be between {allowed[0]} and {allowed[-1]}"
    else:
        text = _specified(f"duration must be one of {list(allowed)}")
    _require(seconds in allowed, text)


def check_medium(spec: ModelSpec, medium: Medium) -> Medium:
    """Look at one input and give it back; one that cannot be fetched offline is taken as good.

    Raises:
        RefusedError: If the service would fail a task with it.
    """
    if medium.form != "beyond":
        if medium.role == "driving_audio" and spec.audio:
            _check_audio(spec.audio, medium)
        elif medium.role == "first_clip" and spec.clip:
            _check_clip(spec.clip, medium)
        else:
            _check_image(spec.image, medium)
    return medium


def _check_image(limits: ImageLimits, image: Medium) -> None:
    (low, high), most, ratio = limits.side.outer, limits.megabytes.outer[1], limits.max_ratio
    by_url = image.form != "data" or True in limits.base64.union
    _require(by_url, "The image must be given as an http, https or oss url.", "InvalidURL")
    _require(image.bytes <= most * MB, f"Image size is too large than {most:.1f} mb")
    _require(image.format, BAD_IMAGE)
    _require(image.format in limits.formats and not image.alpha, "Image format error")
    _require(min(image.width, image.height) >= low, f"Image height or width is too small than {low:g}")
    _require(max(image.width, image.height) <= high, f"Image height or width is too large than {high:g}")
    _require(_has_shape(image, ratio), f"Image aspect ratio should be between 1:{ratio} and {ratio}:1")


def _has_shape(picture: Medium, most: int | None) -> bool:
    return most is None or max(picture.width, picture.height) <= most * min(picture.width, picture.height)


def _check_audio(limits: AudioLimits, audio: Medium) -> None:
    low, high = limits.seconds.outer
    for holds, text in (
        (audio.form != "data", "The audio must be given as an http, https or oss url."),
        (audio.bytes <= limits.megabytes * MB, f"File size is larger than {limits.megabytes:g}MB"),
        (audio.format in limits.formats, "File type is not supported. Allowed types are: .wav, .mp3."),
        (audio.seconds <= high, f"input audio is longer than {high:g}s"),
        (audio.seconds >= low, f"input audio is shorter than {low:g}s"),
    ):
        _require(holds, text, "InvalidURL")


def _check_clip(limits: ClipLimits, clip: Medium) -> None:
    (short, long), (low, high), most = limits.seconds.outer, limits.side.outer, limits.megabytes
    in_bounds = low <= min(clip.width, clip.height) and max(clip.width, clip.height) <= high
    has_shape = _has_shape(clip, limits.max_ratio)
    _require(clip.form != "data", "The video must be given as an http, https or oss url.", "InvalidURL")
    for holds, kind, text in (
        (clip.bytes <= most * MB, "Size", f"the video must not be larger than {most:g} MB"),
        (clip.format in limits.formats, "Format", "the video must be mp4 or mov"),
        (short <= clip.seconds <= long, "Duration", f"the video must last between {short:g} and {long:g} seconds"),
        (in_bounds, "Resolution", f"width and height of the video must be between {low:g} and {high:g}"),
        (has_shape, "AspectRatio", "the aspect ratio of the video must be between 1:8 and 8:1"),
    ):
        _require(holds, text, f"InvalidFile.{kind}")


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


def plan(spec: ModelSpec, body: Json, media: Iterable[Medium], now: float, second: float, scenario: Scenario) -> Task:
    """Return the record of a new task, which may be that of a failure.

    Args:
        spec: The model's row.
        body: The create call's JSON object.
        media: What `addresses` named, measured, in the same order; only looked at where all else is right.
        now: Epoch seconds.
        second: Machine seconds of one service second.
        scenario: Timing and sizes.
    """
    task = Task(new_id(), new_id(), body["model"], spec.id, created=now)
    try:
        check_fields(spec, body)
        found = tuple(check_medium(spec, medium) for medium in media)
    except RefusedError as failure:
        return replace(task, code=failure.code, message=failure.message)
    return _planned(replace(task, media=found), spec, body, second, scenario)


def _planned(task: Task, spec: ModelSpec, body: Json, second: float, scenario: Scenario) -> Task:
    """Fill in what the video will be; every value has been checked."""
    given, parameters = part(body, "input"), part(body, "parameters")
    prompt = given.get("prompt", "")[: spec.prompt_chars]  # a longer one is cut without a word
    template = str(given.get("template", "")) if "template" in spec.fields.union else ""
    tier: str = parameters.get("resolution", spec.default_tier)
    seconds: int = parameters.get("duration", spec.default_duration)
    extend: bool = parameters.get("prompt_extend", True)
    multi = "shot_type" in spec.fields.union and extend and parameters.get("shot_type") == "multi"
    sound: bool = spec.sound == "always" or (spec.sound == "switch" and parameters.get("audio", True))
    lead = next(medium for medium in task.media if medium.role in ("first_frame", "first_clip"))
    chance = sha256(f"{template or prompt}\n{parameters.get('seed', task.task_id)}".encode("utf-8", "replace"))
    look = int.from_bytes(chance.digest()[:6], "big")
    total = _job_s(scenario, tier, seconds, look)
    pending = min(scenario.timing.pending_s, total)
    return replace(
        task,
        pending_for=pending * second,
        running_for=(total - pending) * second,
        prompt=given.get("prompt"),
        actual_prompt=_rewritten(prompt) if prompt and extend and spec.actual_prompt and not template else None,
        usage=_usage(spec, int(tier[:-1]), seconds, round(lead.seconds), sound),
        size=output_size((lead.width, lead.height), tier, spec.id, scenario),
        seconds=seconds,
        sound=sound,
        watermark=parameters.get("watermark", False),
        shots=3 if multi else 1,
        look=look,
    )


def _job_s(scenario: Scenario, tier: str, seconds: int, look: int) -> float:
    """Heavier tasks take longer, with some chance in it: what a schedule can learn from."""
    if scenario.job_s is not None:
        return scenario.job_s
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
