"""What a comparison is made of: variants of a baseline, and what should be known before and after they run.

Pure: requests in, values and sentences out. Variants are seed-matched: each runs with the same seeds, and only videos
of the same seed are put beside each other.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wan_nb.catalog import cite
from wan_nb.chance import LEAST_SEEDS
from wan_nb.errors import ConfigError, RequestError
from wan_nb.media import Media
from wan_nb.request import MEDIA_FIELDS, VideoRequest, check_fields

_SHOWN = 48


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to make the video: the baseline with some fields changed."""

    label: str
    """``"A"``, ``"B"`` …"""
    changes: Mapping[str, Any]
    """The fields that are compared, with this variant's values."""
    name: str
    """The same in short words."""
    request: VideoRequest = field(repr=False)
    """The request, but for the seed."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is compared: variants × seeds."""

    baseline: VideoRequest
    """What the variants have in common."""
    axes: Mapping[str, tuple[Any, ...]]
    """The fields that differ, with their values."""
    seeds: tuple[int, ...]
    """Each variant runs once with each."""
    variants: tuple[Variant, ...]
    """Every combination of the axes' values, the last axis fastest."""

    @classmethod
    def of(cls, baseline: VideoRequest, axes: Mapping[str, Any]) -> Design:
        """Read what `session.compare` was given.

        Raises:
            ConfigError: If an axis or a seed is none, is named twice, or there are too many variants.
        """
        if not isinstance(baseline, VideoRequest):
            raise ConfigError(f"{baseline!r} is not a request; make one with wan.VideoRequest(model, first_frame=…).")
        try:
            check_fields(axes)
        except RequestError as error:
            raise ConfigError(str(error)) from None
        values = {name: _values(baseline, name, given) for name, given in axes.items() if name != "seed"}
        one = 1 if baseline.seed is None else baseline.seed
        seeds = tuple(_listed(axes["seed"])) if "seed" in axes else (one,)
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 or seeds.count(seed) > 1:
                raise ConfigError(f"seed={list(seeds)!r}: seeds are different whole numbers from 0, such as [1, 2, 3].")
        if not seeds:
            raise ConfigError("seed=[] names no seed; give some, such as [1, 2, 3].")
        variants = tuple(_variants(baseline, values))
        for variant in variants:
            _check_plain(variant)
        for first, second in itertools.combinations(variants, 2):
            if first.request.fingerprint == second.request.fingerprint:
                raise ConfigError(
                    f"{first.label} ({first.name}) and {second.label} ({second.name}) ask for the same, and the same "
                    "request is the same run: there would be nothing to compare."
                )
        return cls(baseline, values, seeds, variants)

    @property
    def id(self) -> str:
        """``x1:`` and a hash of what is compared; equal designs have equal ids, whatever was left to defaults."""
        parts = [variant.request.replace(seed=None).fingerprint for variant in self.variants]
        text = json.dumps([parts, list(self.seeds)], separators=(",", ":"))
        return "x1:" + hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Labels of every two variants."""
        return tuple(itertools.combinations((variant.label for variant in self.variants), 2))

    def to_record(self) -> dict[str, Any]:
        """Return it as plain values; media as references to their bytes."""
        axes = {name: [_recorded(self.baseline, name, value) for value in values] for name, values in self.axes.items()}
        return {"baseline": self.baseline.to_record(), "axes": axes, "seeds": list(self.seeds)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], find: Any) -> Design:
        """Rebuild it; `find`(reference, name) gives each medium's source."""
        baseline = VideoRequest.from_record(record["baseline"], find)
        axes: dict[str, Any] = {"seed": list(record["seeds"])}
        for name, values in record["axes"].items():
            given = [{"model": ""} | ({} if value is None else {name: value}) for value in values]
            axes[name] = [getattr(VideoRequest.from_record(each, find), name) for each in given]
        return cls.of(baseline, axes)

    # --- what should be known ---------------------------------------------------------------------------------------

    def warnings(self, votes: int) -> tuple[str, ...]:
        """Say, before anything runs, what this comparison cannot show."""
        found = [self._many_things(), self._rewriting(), self._outputs(), *self._chance(votes)]
        return tuple(text for text in found if text)

    def _many_things(self) -> str:
        by_label = {variant.label: variant for variant in self.variants}
        mixed: dict[str, None] = {}
        pairs = []
        for left, right in self.pairs:
            first, second = by_label[left].changes, by_label[right].changes
            names = [name for name in self.axes if first[name] != second[name]]
            if len(names) > 1:
                pairs.append(f"{left} and {right}")
                mixed |= dict.fromkeys(names)
        if not pairs:
            return ""
        shown = ", ".join(pairs[:4]) + (" …" if len(pairs) > 4 else "")
        return (
            f"{shown} differ in more than one thing ({', '.join(mixed)}): which of them made the difference stays open."
        )

    def _rewriting(self) -> str:
        on = [each for each in self.variants if each.request.prompt_extend is not False and not each.request.template]
        if len(on) < 2:
            return ""
        labels = ", ".join(variant.label for variant in on)
        default = " (the default)" if any(variant.request.prompt_extend is None for variant in on) else ""
        return (
            f"prompt_extend is on{default} for {labels}: the service rewrites each prompt in its own way, so more may "
            "differ than you wrote; prompt_extend=False keeps prompts as they are."
        )

    def _outputs(self) -> str:
        shapes = {variant.label: _shape(variant.request) for variant in self.variants}
        if len(set(shapes.values())) < 2:
            return ""
        told = "; ".join(f"{label} {shape}" for label, shape in shapes.items())
        return f"What comes out differs in size, length or sound ({told}), so judges may tell variants apart by that."

    def _chance(self, votes: int) -> list[str]:
        deaf = [each.label for each in self.variants if each.request.model and not _takes_seed(each.request)]
        count = len(self.seeds)
        judges = -(-votes // count)
        found = [
            f"{', '.join(deaf)}: this model takes no seed, so its videos are not seed-matched." if deaf else "",
            cite("A seed makes videos alike, not identical: the same seed does not guarantee the same output "
                 "(S000, S001, S003)."),
            "One variant: there is nothing to compare it with." if len(self.variants) < 2 else "",
        ]  # fmt: skip
        if count == 1:
            found.append("One seed: a difference may be chance; seed=[1, 2, 3, 4, 5, 6] shows whether it stays.")
        elif count < LEAST_SEEDS:
            found.append(
                f"{count} seeds: votes can show which of these videos people prefer, not which variant is better with "
                f"other seeds; that takes {LEAST_SEEDS} or more."
            )
        if votes < LEAST_SEEDS:
            found.append(f"votes={votes}: even if all agree, fewer than {LEAST_SEEDS} votes never carry a verdict.")
        elif judges > 1 and self.pairs:
            found.append(
                f"A judge votes once a seed on each pair: {votes} votes a pair on {count} seed{'s' * (count > 1)} take "
                f"{judges} judges."
            )
        return found


def after_the_runs(variants: Sequence[Variant], rewritten: Mapping[tuple[str, int], str]) -> tuple[str, ...]:
    """Say what the rewriting of prompts did to a comparison.

    Args:
        variants: What was compared.
        rewritten: `actual_prompt` by label and seed, of the videos whose service gave one back.
    """
    asked = {variant.label: variant.request.prompt or "" for variant in variants}
    changed = sorted({label for (label, _), text in rewritten.items() if text and text != asked[label]})
    if not changed:
        return ()
    found = [
        f"The service rewrote the prompt of {', '.join(changed)}: what was compared are the rewritten prompts "
        "(actual_prompt)."
    ]
    for left, right in itertools.combinations(changed, 2):
        seeds = [
            str(seed)
            for (label, seed), text in rewritten.items()
            if label == left and rewritten.get((right, seed), text) != text
        ]
        if asked[left] == asked[right] and seeds:
            found.append(
                f"{left} and {right} ask the same prompt, and it was rewritten differently (seed {', '.join(seeds)}): "
                "they differ in more than you chose."
            )
    return tuple(found)


# --- reading what was given ---------------------------------------------------------------------------------------


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple | range) else [given]


def _values(baseline: VideoRequest, name: str, given: Any) -> tuple[Any, ...]:
    """Return an axis' values; a single one is compared with the baseline's own."""
    wanted = [getattr(baseline.replace(**{name: value}), name) for value in _listed(given)]
    if not wanted:
        raise ConfigError(f"{name}=[] names nothing to compare; give values, or leave {name} out.")
    if len(wanted) == 1:
        wanted.insert(0, getattr(baseline, name))
    return tuple(wanted)


def _variants(baseline: VideoRequest, axes: Mapping[str, tuple[Any, ...]]) -> Iterable[Variant]:
    combinations = list(itertools.product(*axes.values()))
    if len(combinations) > len(string.ascii_uppercase):
        raise ConfigError(
            f"{len(combinations)} variants are too many to compare; {len(string.ascii_uppercase)} are allowed."
        )
    common = {name: _common(values) for name, values in axes.items()}
    for label, combination in zip(string.ascii_uppercase, combinations, strict=False):
        changes = dict(zip(axes, combination, strict=True))
        name = ", ".join(f"{field}: {_words(value, common[field])}" for field, value in changes.items())
        yield Variant(label, changes, name or "baseline", baseline.replace(**changes))


def _check_plain(variant: Variant) -> None:
    """Refuse what cannot be written down, and so could not be found again."""
    try:
        json.dumps(variant.request.canonical(), ensure_ascii=False).encode()
    except ConfigError:
        raise  # a model that nobody knows says so itself
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{variant.label} ({variant.name}) cannot be written down ({error}); give a list of plain texts, numbers, "
            "True or False."
        ) from error


def _common(values: Sequence[Any]) -> int:
    """Return how much of the beginning long texts share: what differs is what should be shown."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < 2 or max(map(len, texts)) <= _SHOWN:
        return 0
    same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return max(0, sum(1 for _ in same) - _SHOWN // 2)


def _words(value: Any, skip: int = 0) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Media):
        return value.name
    text = str(value).encode(errors="replace").decode()  # half a character can be neither shown nor kept
    if skip and len(text) > skip:
        text = "…" + text[skip:]
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f'"{text}"' if isinstance(value, str) and " " in text else text


def _recorded(baseline: VideoRequest, name: str, value: Any) -> Any:
    if name in MEDIA_FIELDS and value is not None:
        return baseline.replace(**{name: value}).to_record()[name]
    return value


def _takes_seed(request: VideoRequest) -> bool:
    return "seed" in request.spec.fields.union


def _shape(request: VideoRequest) -> str:
    size = request.predicted_size()
    silent = request.spec.sound == "none" or (request.spec.sound == "switch" and request.audio is False)
    return f"{f'{size}' if size else request.tier}, {request.seconds} s, {'silent' if silent else 'with sound'}"
