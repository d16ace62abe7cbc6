"""The models and how to find them: by id, by alias, by a near miss, and what to assume of one that is not listed.

What can be said of a model is in `wan_nb.facts`, what is said of each in `wan_nb.models`. This module knows nothing of
requests, prices or HTTP.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches

from wan_nb import tables
from wan_nb.errors import ConfigError
from wan_nb.facts import AudioLimits as AudioLimits
from wan_nb.facts import Bounds as Bounds
from wan_nb.facts import Choices as Choices
from wan_nb.facts import ClipLimits as ClipLimits
from wan_nb.facts import Family as Family
from wan_nb.facts import ImageLimits as ImageLimits
from wan_nb.facts import ModelSpec as ModelSpec
from wan_nb.facts import RateLimit as RateLimit
from wan_nb.models import DEFAULT_MODEL as DEFAULT_MODEL
from wan_nb.models import KF22, ROWS, WAN27
from wan_nb.models import SOURCES as SOURCES
from wan_nb.models import TEMPLATES as TEMPLATES


def cite(text: str) -> str:
    """Replace the keys of `SOURCES` in a text by the documents they stand for.

    Example:
        >>> cite("S003 says so")
        'the Wan image-to-video API reference (Dec 29 2025) says so'
    """
    return re.sub(r"\b[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*\b", lambda match: SOURCES.get(match[0], match[0]), text)


_HEAD = ("model", "tiers", "length", "sound", "good at")


class Models(dict[str, ModelSpec]):
    """Rows by model id; an alias finds its row too, and a typo gets the nearest names."""

    def __missing__(self, model: str) -> ModelSpec:
        for spec in self.values():
            if model in spec.aliases:
                return spec
        raise ConfigError(f"model {model!r} is not in the catalogue; {suggest(model)}")

    def _rows(self) -> list[tuple[str, ...]]:
        return [(spec.id, "/".join(spec.tiers.union), spec.span, spec.sound, spec.good_at) for spec in self.values()]

    def __repr__(self) -> str:
        return tables.as_text(_HEAD, self._rows())

    def _repr_html_(self) -> str:
        return tables.as_html(_HEAD, self._rows())


MODELS = Models((spec.id, spec) for spec in ROWS)
"""Every model by its id. `add_model` adds to it."""


def add_model(spec: ModelSpec) -> ModelSpec:
    """Add a row (or replace one of the same id), for this process.

    Args:
        spec: The row; `dataclasses.replace` of a listed one is the shortest way to it.

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


def suggest(model: str) -> str:
    """Return a sentence that names the models nearest to a mistyped id."""
    known = [name for spec in MODELS.values() for name in (spec.id, *spec.aliases)]
    near = get_close_matches(str(model), known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(MODELS)}."


def unlisted(model: str, family: Family) -> ModelSpec:
    """Return the widest row there is for a model that the catalogue does not list.

    Example:
        >>> unlisted("wan9-i2v", "i2v").tiers.union
        ('480P', '720P', '1080P')
    """
    base = {"i2v": MODELS["wan2.6-i2v-flash"], "kf2v": KF22, "media": WAN27}[family]
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
        good_at="",
    )
