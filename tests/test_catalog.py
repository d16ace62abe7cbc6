"""The rows are complete, sourced, and agree with the documents."""

from __future__ import annotations

import dataclasses
import re

import pytest

from wan_nb import catalog
from wan_nb.catalog import MODELS, SOURCES, Bounds, Choices, find_model
from wan_nb.errors import ConfigError
from wan_nb.geometry import RULES, TIER_AREA

SEED_MODELS = {
    "wan2.7-i2v-2026-04-25", "wan2.6-i2v", "wan2.6-i2v-flash", "wan2.5-i2v-preview", "wan2.2-i2v-flash",
    "wan2.2-i2v-plus", "wan2.1-i2v-turbo", "wan2.1-i2v-plus", "wan2.2-kf2v-flash", "wan2.1-kf2v-plus",
}  # fmt: skip


def test_every_model_of_the_seeds_is_there() -> None:
    """With the alias of 2.7."""
    assert set(MODELS) >= SEED_MODELS
    assert MODELS["wan2.7-i2v"].id == "wan2.7-i2v-2026-04-25"
    assert MODELS["wanx2.1-kf2v-plus"].id == "wan2.1-kf2v-plus"


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.id)
def test_a_row_holds_together(spec: catalog.ModelSpec) -> None:
    """Defaults are offered, tiers have an area, rules exist."""
    assert spec.default_tier in spec.tiers.agreed
    assert spec.default_duration in spec.durations.agreed
    assert set(spec.tiers.union) <= set(TIER_AREA)
    assert {spec.rule, spec.measured_rule or spec.rule} <= set(RULES)
    assert (spec.sound == "switch") == ("audio" in spec.fields.agreed)
    assert any("driving_audio" in each for each in spec.inputs.union) == (spec.audio is not None)
    assert any("first_clip" in each for each in spec.inputs.union) == (spec.clip is not None)


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.id)
def test_every_fact_has_a_source_that_exists(spec: catalog.ModelSpec) -> None:
    """Keys in source fields are keys of SOURCES."""
    for text in _sources(spec):
        keys = re.findall(r"\b(S\d{3}|CN-[A-Z0-9]+(?:-[A-Z0-9]+)*|FX|DAILIES|RACCOON|LAOZHANG|EN-RATE-COPY)\b", text)
        assert text.startswith(("not published", "guess")) or keys, text
        assert set(keys) <= set(SOURCES), text


def _sources(value: object) -> list[str]:
    if not dataclasses.is_dataclass(value):
        return []
    found: list[str] = []
    for each in dataclasses.fields(value):
        inner = getattr(value, each.name)
        if "source" in each.name:
            found += [inner] if inner else []
        else:
            found += _sources(inner)
    return found


def test_disagreements_are_kept() -> None:
    """Outside both is refused, between them disputed."""
    flash = MODELS["wan2.2-i2v-flash"]
    assert [flash.tiers.verdict(tier) for tier in ("720P", "1080P", "4K")] == ["allowed", "disputed", "refused"]
    side = flash.image.side
    assert [side.verdict(px) for px in (239, 240, 359, 360, 2000, 2001, 8000, 8001)] == [
        "refused", "disputed", "disputed", "allowed", "allowed", "disputed", "disputed", "refused",
    ]  # fmt: skip
    assert Bounds(1, 2, "S003").outer == (1, 2)
    assert Choices((5, 10), "S003", (2, 7), "S004").union == (2, 5, 7, 10)


def test_virginia_narrows_the_durations() -> None:
    """wan2.6-i2v: 5, 10 or 15 s there (CN-I2V)."""
    spec = MODELS["wan2.6-i2v"]
    assert spec.durations_in("virginia").union == (5, 10, 15)
    assert spec.durations_in("singapore").union == tuple(range(2, 16))


def test_a_typo_gets_the_nearest_name() -> None:
    """As does a form."""
    with pytest.raises(ConfigError, match=r"did you mean .*wan2\.6-i2v-flash"):
        MODELS["wan2.6-i2v-flush"]
    assert find_model("nothing") is None
