"""What a comparison is made of: variants of a baseline, and what should be known before and after they run.

Pure: requests in, values and sentences out. Variants are seed-matched: each runs with the same seeds, and only videos
of the same seed are put beside each other.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wan_nb.catalog import cite
from wan_nb.chance import LEAST_SEEDS
from wan_nb.errors import ConfigError, RequestError
from wan_nb.media import Media
from wan_nb.request import VideoRequest, check_fields

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
        seeds = tuple(_listed(axes.get("seed", 1 if baseline.seed is None else baseline.seed)))
        if not seeds:
            raise ConfigError("seed=[] names no seed; give some, such as [1, 2, 3].")
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 or seeds.count(seed) > 1:
                raise ConfigError(f"seed={list(seeds)!r}: seeds are different whole numbers from 0, such as [1, 2, 3].")
        variants = _variants(baseline, values)
        asked: dict[str, Variant] = {}
        for variant in variants:
            _check_plain(variant)
            first = asked.setdefault(variant.request.fingerprint, variant)
            if first is not variant:
                raise ConfigError(
                    f"{first.label} ({first.name}) and {variant.label} ({variant.name}) ask for the same, and the same "
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
        axes = {
            name: [self.baseline.replace(**{name: value}).to_record().get(name) for value in values]
            for name, values in self.axes.items()
        }
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
        count, judges = len(self.seeds), -(-votes // len(self.seeds))
        requests = {each.label: each.request for each in self.variants}
        extended = {
            label: each for label, each in requests.items() if each.prompt_extend is not False and not each.template
        }
        default = " (the default)" if any(each.prompt_extend is None for each in extended.values()) else ""
        shapes = {label: _shape(each) for label, each in requests.items()}
        told_shapes = "; ".join(f"{label} {shape}" for label, shape in shapes.items())
        deaf = [label for label, each in requests.items() if each.model and "seed" not in each.spec.fields.union]
        mixed = self._mixed()
        found = [
            (mixed, mixed),
            (len(extended) > 1, f"prompt_extend is on{default} for {', '.join(extended)}: the service rewrites each "
             "prompt in its own way, so more may differ than you wrote; prompt_extend=False keeps prompts as they "
             "are."),
            (len(set(shapes.values())) > 1, f"What comes out differs in size, length or sound ({told_shapes}), so "
             "judges may tell variants apart by that."),
            (deaf, f"{', '.join(deaf)}: this model takes no seed, so its videos are not seed-matched."),
            (True, cite("A seed makes videos alike, not identical: the same seed does not guarantee the same output "
                        "(S000, S001, S003).")),
            (len(requests) < 2, "One variant: there is nothing to compare it with."),
            (count == 1, "One seed: a difference may be chance; seed=[1, 2, 3, 4, 5, 6] shows whether it stays."),
            (1 < count < LEAST_SEEDS, f"{count} seeds: votes can show which of these videos people prefer, not which "
             f"variant is better with other seeds; that takes {LEAST_SEEDS} or more."),
            (votes < LEAST_SEEDS, f"votes={votes}: even if all agree, fewer than {LEAST_SEEDS} votes never carry a "
             "verdict."),
            (votes >= LEAST_SEEDS and judges > 1 and self.pairs, f"A judge votes once a seed on each pair: {votes} "
             f"votes a pair on {count} seed{'s' * (count > 1)} take {judges} judges."),
        ]  # fmt: skip
        return tuple(text for is_so, text in found if is_so)

    def _mixed(self) -> str:
        """Say which variants differ in more than one thing."""
        differing = {
            f"{first.label} and {second.label}": [
                name for name in self.axes if first.changes[name] != second.changes[name]
            ]
            for first, second in itertools.combinations(self.variants, 2)
        }
        mixed = {pair: names for pair, names in differing.items() if len(names) > 1}
        if not mixed:
            return ""
        shown = ", ".join(list(mixed)[:4]) + (" …" if len(mixed) > 4 else "")
        names = ", ".join(dict.fromkeys(itertools.chain.from_iterable(mixed.values())))
        return f"{shown} differ in more than one thing ({names}): which of them made the difference stays open."


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


def _variants(baseline: VideoRequest, axes: Mapping[str, tuple[Any, ...]]) -> tuple[Variant, ...]:
    labels = string.ascii_uppercase
    combinations = list(itertools.product(*axes.values()))
    if len(combinations) > len(labels):
        raise ConfigError(f"{len(combinations)} variants are too many to compare; {len(labels)} are allowed.")
    common = {name: _common(values) for name, values in axes.items()}
    found = []
    for label, combination in zip(labels, combinations, strict=False):
        changes = dict(zip(axes, combination, strict=True))
        name = ", ".join(f"{field}: {_words(value, common[field])}" for field, value in changes.items())
        found.append(Variant(label, changes, name or "baseline", baseline.replace(**changes)))
    return tuple(found)


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
    return max(0, len(os.path.commonprefix(texts)) - _SHOWN // 2)  # noqa: RUF071 - letters are meant


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


def _shape(request: VideoRequest) -> str:
    size = request.predicted_size()
    silent = request.spec.sound == "none" or (request.spec.sound == "switch" and request.audio is False)
    return f"{f'{size}' if size else request.tier}, {request.seconds} s, {'silent' if silent else 'with sound'}"
