"""A request: what a user wants, as one value for all families.

Fields are named as users know them and stay None unless given, so that the service's own defaults hold. Media are
measured when the request is made and frozen with it: what was checked, priced and hashed is what will be sent. No I/O
happens here; `wan_nb.media` measures, `wan_nb.problems` judges, `wan_nb.client` sends.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from dataclasses import replace as _replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from wan_nb import catalog
from wan_nb.catalog import Family, ModelSpec
from wan_nb.errors import ConfigError, MediaError, RequestError
from wan_nb.geometry import TIER_AREA, Size, predict
from wan_nb.hints import Hinted, nearest
from wan_nb.media import Media, load
from wan_nb.problems import PARAMETERS, Place, Problem, find_problems

MEDIA_FIELDS: Mapping[str, str] = {
    "first_frame": "image",
    "first_clip": "video",
    "last_frame": "image",
    "driving_audio": "audio",
}
"""Fields that hold a picture, clip or audio, in the order of the wire's ``media[]``, with their kind."""

_INPUT_NAMES: Mapping[Family, Mapping[str, str]] = {
    "i2v": {"first_frame": "img_url", "driving_audio": "audio_url"},
    "kf2v": {"first_frame": "first_frame_url", "last_frame": "last_frame_url"},
    "media": {},
}
_INPUT_TEXTS = ("prompt", "negative_prompt", "template")
_SIGNED = ("signature", "expires", "token", "credential", "x-amz-", "x-oss-", "security")

_MEANT = {
    "image": "first_frame",
    "img": "first_frame",
    "picture": "first_frame",
    "img_url": "first_frame",
    "last_image": "last_frame",
    "video": "first_clip",
    "audio_url": "driving_audio",
    "size": "resolution",
    "seconds": "duration",
    "length": "duration",
}
"""Fields by other names that people know."""


def check_fields(given: Iterable[str]) -> None:
    """Raise if a name is no field of a request.

    Raises:
        RequestError: It says which field was probably meant.

    Example:
        >>> check_fields(["prompts"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        wan_nb.errors.RequestError: 'prompts' is not a field of a request; did you mean 'prompt'? It has model, ...
    """
    known = [each.name for each in fields(VideoRequest)]
    for name in given:
        if name not in known:
            near = _MEANT.get(name) or nearest(name, known)
            hint = f"did you mean {near!r}? It" if near else "it"
            raise RequestError(f"{name!r} is not a field of a request; {hint} has {', '.join(known)}.")


def _with_names_checked(kind: type[VideoRequest]) -> type[VideoRequest]:
    """Let the constructor answer a misspelt field as `replace` does."""
    made = kind.__init__

    @functools.wraps(made)
    def checked(self: VideoRequest, *args: Any, **given: Any) -> None:
        check_fields(given)
        made(self, *args, **given)

    setattr(kind, "__init__", checked)  # noqa: B010 - a type checker keeps the signature that it knows
    return kind


@_with_names_checked
@dataclass(frozen=True)
class VideoRequest(Hinted):
    """What to make: a model, its media, a prompt and parameters.

    Media take a path, URL, ``oss://`` or data URI, bytes, PIL image, numpy array, or a finished video.

    Args:
        model: Model id or alias as in the catalogue; another id needs `family`.
        prompt: What should happen; each model cuts it at its own length.
        first_frame: The picture that the video starts with; gives its shape.
        last_frame: The picture that the video ends with.
        first_clip: A clip that the video goes on from (2.7); `duration` is then the total length.
        driving_audio: Speech or music that the video follows; longer audio is cut, shorter leaves silence.
        resolution: Tier: ``"480P"``, ``"720P"`` or ``"1080P"``.
        duration: Seconds of video.
        negative_prompt: What should not be seen.
        template: Name of an effect; the prompt is then ignored.
        audio: The sound switch: False gives a silent video where the model has the switch.
        prompt_extend: Whether the service rewrites the prompt (it does, unless False).
        shot_type: ``"single"`` or ``"multi"``; acts only while the prompt is rewritten.
        watermark: Whether "AI Generated" is written into the picture.
        seed: 0 to 2147483647; makes results alike, not identical.
        family: Shape of the request, for a model that the catalogue does not list.
        extra: Parameters that this toolkit does not know, sent as they are, with a warning.

    Raises:
        RequestError: If a name is not a field.
        MediaError: If a medium is of a type that cannot be one (a bad *file* is a problem, not an exception).

    Example:
        >>> request = VideoRequest("wan2.2-kf2v-flash", prompt="a cat looks up", first_frame="https://x.example/cat.png")
        >>> [problem.field for problem in request.problems()]
        ['last_frame']
        >>> request.payload()["input"]["first_frame_url"]
        'https://x.example/cat.png'
    """

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("price", "cost", "estimate"), "session.preview(request).estimate"),
        "size": "request.predicted_size()",
        "validate": "request.problems()",
        **dict.fromkeys(("submit", "run"), "session.submit(request)"),
    }

    model: str
    prompt: str | None = None
    first_frame: Any = None
    last_frame: Any = None
    first_clip: Any = None
    driving_audio: Any = None
    resolution: str | None = None
    duration: int | None = None
    negative_prompt: str | None = None
    template: str | None = None
    audio: bool | None = None
    prompt_extend: bool | None = None
    shot_type: str | None = None
    watermark: bool | None = None
    seed: int | None = None
    family: Family | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", dict(self.extra or {}))
        for name, kind in MEDIA_FIELDS.items():
            source = getattr(self, name)
            if source is not None:
                try:
                    object.__setattr__(self, name, load(source, kind))  # type: ignore[arg-type]
                except MediaError as error:
                    raise MediaError(f"{name}: {error}") from None

    # --- what it comes to ---------------------------------------------------------------------------------------

    @property
    def spec(self) -> ModelSpec:
        """The model's row; for an unlisted model, the widest row of its family.

        Raises:
            ConfigError: If the model is not listed and no family is given.
        """
        found = catalog.find_model(self.model)
        if found is None and self.family is None:
            raise ConfigError(f"model {self.model!r} is not in the catalogue; {catalog.suggest(self.model)}")
        return found or catalog.unlisted(self.model, self.family or "i2v")

    @property
    def _given(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value != {}}

    @property
    def media(self) -> dict[str, Media]:
        """The media that were given, by field, in wire order."""
        return {name: value for name in MEDIA_FIELDS if (value := getattr(self, name)) is not None}

    @property
    def tier(self) -> str:
        """The tier that will be used: asked for, or the model's default."""
        return self.resolution or self.spec.default_tier

    @property
    def seconds(self) -> int:
        """The seconds that will be made and billed; with a first clip, the total length."""
        return self.spec.default_duration if self.duration is None else self.duration

    @property
    def source_size(self) -> Size | None:
        """Size of the picture or clip that gives the video its shape; None while nobody has seen it (a URL)."""
        shape = self.first_frame or self.first_clip
        return shape.size if shape is not None else None

    def predicted_size(self, rule: str | None = None) -> Size | None:
        """Estimate the video's size; None when the source's size is not known here.

        Args:
            rule: A name in `wan_nb.geometry.RULES`; None for the model's own.

        Example:
            >>> from PIL import Image
            >>> request = VideoRequest("wan2.6-i2v", first_frame=Image.new("RGB", (750, 1000)), resolution="720P")
            >>> print(request.predicted_size())
            816×1104
        """
        source = self.source_size
        if source is None or self.tier not in TIER_AREA:
            return None
        return predict(source, self.tier, rule or self.spec.rule)

    def problems(self, place: Place | None = None, *, severity: str | None = None) -> tuple[Problem, ...]:
        """Return everything that is wrong or worth a warning, most severe first; empty means ready.

        Args:
            place: What the endpoint narrows or lacks; None for the service at large.
            severity: Only this one: ``"refused"``, ``"wasteful"`` or ``"warning"``.
        """
        found = find_problems(self, place or Place())
        return tuple(problem for problem in found if severity in (None, problem.severity))

    def check(self, place: Place | None = None, *, allow: tuple[str, ...] = ()) -> tuple[Problem, ...]:
        """Raise if the request must be held back; return the problems that remain.

        Args:
            place: As for `problems`.
            allow: Fields whose *wasteful* problems are accepted, or ``("all",)``.

        Raises:
            RequestError: If anything is refused, or wasteful and not allowed.

        Example:
            >>> request = VideoRequest("wan2.6-i2v", first_frame="https://x.example/cat.png", duration=99)
            >>> try:
            ...     request.check()
            ... except RequestError as error:
            ...     error.problems[0].field
            'duration'
        """
        found = self.problems(place)
        wasteful = {each for each in found if each.severity == "wasteful" and not {each.field, "all"} & {*allow}}
        held = [each for each in found if each.severity == "refused" or each in wasteful]
        if held:
            first = held[0]
            more = f" (and {len(held) - 1} more: request.problems())" if len(held) > 1 else ""
            way_out = f" To send it all the same: allow={first.field!r}." if first.severity == "wasteful" else ""
            raise RequestError(f"{first}{way_out}{more}", held)
        return found

    def replace(self, **changes: Any) -> VideoRequest:
        """Return a copy with some fields changed.

        Args:
            changes: Fields with their new values; None is as not given.

        Raises:
            RequestError: If there is no such field.

        Example:
            >>> VideoRequest("wan2.7-i2v", prompt="a cat").replace(seed=2).seed
            2
        """
        check_fields(changes)
        return _replace(self, **changes)

    # --- what is sent -------------------------------------------------------------------------------------------

    def payload(self, url_of: Callable[[Media], str] | None = None) -> dict[str, Any]:
        """Return the JSON body as the vendor's documents spell it.

        Args:
            url_of: What stands for each medium; by default its URL, or a data URI of its bytes.
        """
        address = url_of or _address
        family = self.spec.family
        content: dict[str, Any] = {name: value for name in _INPUT_TEXTS if (value := getattr(self, name)) is not None}
        names = _INPUT_NAMES[family]
        if family == "media":
            content["media"] = [{"type": name, "url": address(medium)} for name, medium in self.media.items()]
        else:
            # a medium that the family has no field for is sent under its own name: the service ignores it, and so
            # does nobody else by accident, since problems() holds such a request back
            content |= {names.get(name, name): address(medium) for name, medium in self.media.items()}
        parameters = {name: value for name in PARAMETERS if (value := getattr(self, name)) is not None}
        parameters |= self.extra
        body: dict[str, Any] = {"model": self.model, "input": content}
        return body | ({"parameters": parameters} if parameters else {})

    def canonical(self) -> dict[str, Any]:
        """Return the payload with each file replaced by its sha256 and no signed address: what the journal keeps."""
        return self.payload(_reference)

    @property
    def fingerprint(self) -> str:
        """Tagged hash of `canonical`; equal requests have equal fingerprints. Changing this changes every hash.

        Example:
            >>> VideoRequest("wan2.7-i2v", prompt="a").fingerprint == VideoRequest("wan2.7-i2v", prompt="a").fingerprint
            True
        """
        text = json.dumps(self.canonical(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return "v1:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def to_record(self) -> dict[str, Any]:
        """Return the given fields for the journal; media as references to their bytes."""
        media = {
            name: {"reference": _reference(medium), "name": medium.name, "kind": medium.kind}
            for name, medium in self.media.items()
        }
        return self._given | media

    @classmethod
    def from_record(cls, record: Mapping[str, Any], find: Callable[[str, str], Any]) -> VideoRequest:
        """Rebuild a request from the journal; `find`(reference, name) gives each medium's source.

        Args:
            record: What `to_record` gave.
            find: Gives the source of a medium, by its reference and its name.
        """
        given = {each.name: record[each.name] for each in fields(cls) if each.name in record}
        for name, kind in MEDIA_FIELDS.items():
            if name in given:
                was = given[name]["name"]
                medium = load(find(given[name]["reference"], was), kind)  # type: ignore[arg-type]
                given[name] = _replace(medium, name=was)  # the file's own name, not its name in the folder
        return cls(**given)

    # --- how it is shown ----------------------------------------------------------------------------------------

    def to_curl(self, base_url: str = "https://dashscope-intl.aliyuncs.com/api/v1") -> str:
        """Return the curl command that would send this; the key stays ``$DASHSCOPE_API_KEY``, pictures are cut.

        Args:
            base_url: Up to and with ``/api/v1``; Singapore's unless given.
        """
        body = json.dumps(self.payload(_short_address), indent=2, ensure_ascii=False).replace("'", "'\\''")
        return "\n".join(
            (
                f"curl --location '{base_url}{self.spec.path}' \\",
                "  -H 'X-DashScope-Async: enable' \\",
                '  -H "Authorization: Bearer $DASHSCOPE_API_KEY" \\',
                "  -H 'Content-Type: application/json' \\",
                f"  -d '{body}'",
            )
        )

    def to_python(self) -> str:
        """Return the Python that makes this request again; a picture that is in no file is named, and left out."""
        lines = []
        for name, value in self._given.items():
            if isinstance(value, Media) and not (value.path or value.url):
                what = f"{value.name}, {value.format} {value.size or ''}".strip()
                lines.append(f"    {name}=None,  # {what}: from memory; save it and put its path here")
            else:
                shown = str(value.path or value.url) if isinstance(value, Media) else value
                lines.append(f"    {name}={shown!r},")
        return "\n".join(("wan.VideoRequest(", *lines, ")"))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from wan_nb.widgets.preview import request_html

        return {"text/plain": repr(self), "text/html": request_html(self)}

    def __repr__(self) -> str:
        parts = []
        for name, value in self._given.items():
            text = value.name if isinstance(value, Media) else repr(value)
            parts.append(f"{name}={text if len(text) <= 60 else text[:57] + '…'}")
        return f"VideoRequest({', '.join(parts)})"


def _address(medium: Media) -> str:
    return medium.url or medium.data_uri()


def _short_address(medium: Media) -> str:
    if medium.url:
        return medium.url
    # sounds and clips are uploaded first and go by their oss:// address
    return f"data:{medium.mime};base64,…{medium.name}…" if medium.kind == "image" else f"oss://…/{medium.name}"


def _reference(medium: Media) -> str:
    """Name a medium for good: bytes by their hash, an address without what signs it."""
    if not medium.url:
        return f"sha256:{medium.sha256}"
    address = urlsplit(medium.url)
    signed = any(word in address.query.lower() for word in _SIGNED)
    return address._replace(query="", fragment="").geturl() if signed else medium.url
