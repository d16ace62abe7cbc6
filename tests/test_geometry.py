"""The FAQ's arithmetic, the rules against each other, and what all of them promise."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_nb.errors import GeometryError
from wan_nb.geometry import RULES, TIER_AREA, Size, compare_rules, drift, predict

SIDES = st.integers(240, 8000)


def test_faq_example_and_what_it_rules_out() -> None:
    """750×1000 at 720P gives 816×1104 (seeds 000, 001, 003, 004); 'nearest' and 'best of two' do not."""
    found = compare_rules("750x1000", "720P")
    assert found["floor16"] == found["round16"] == Size(816, 1104)
    assert found["nearest16"] == found["best16"] == Size(832, 1104)


def test_rules_compared_are_a_table() -> None:
    """Size, pixels, ratio and drift by each rule, as text and as static HTML."""
    table = compare_rules("750x1000", "720P")
    assert set(table) == set(RULES)
    first, second = str(table).splitlines()[1:3]
    assert " ".join(first.split()) == "floor16 816×1104 900,864 -2.25 % 17:23 = 0.7391 -1.45 % in ratio, 16 px"
    assert second.startswith("nearest16  832×1104")
    shown = table._repr_html_()
    assert "ruled out by the FAQ&#x27;s example" in shown and "<script" not in shown


@pytest.mark.parametrize(
    ("source", "tier", "rule", "expected"),
    [
        ("2400x1600", "1080P", "even", "1764x1176"),  # RACCOON, measured
        ("1000x450", "1080P", "even", "2146x966"),  # RACCOON, measured
        ("1024x1024", "720P", "floor16", "960x960"),  # open Wan2.2 A14B
        ("832x480", "480P", "floor16", "832x480"),  # floating point makes this 832×464
        ("480x832", "480P", "floor16", "480x832"),
        ("1280x720", "720P", "floor16", "1280x720"),
        ("3x2", "720P", "floor16", "1168x768"),
        ("3x2", "720P", "round16", "1168x784"),  # 783.84: where floor and round-then-floor differ
    ],
)
def test_published_sizes(source: str, tier: str, rule: str, expected: str) -> None:
    """Sizes that somebody published or measured."""
    assert predict(source, tier, rule) == Size.of(expected)


@given(SIDES, SIDES, st.sampled_from(["480P", "720P", "1080P"]), st.sampled_from(sorted(RULES)))
def test_every_rule_keeps_its_promises(width: int, height: int, tier: str, name: str) -> None:
    """Aligned, near the area, near the shape; turned input gives turned output."""
    rule = RULES[name]
    size = predict((width, height), tier, name)
    assert size.width % rule.step == 0
    assert size.height % rule.step == 0
    ideal = math.sqrt(TIER_AREA[tier] * width / height), math.sqrt(TIER_AREA[tier] * height / width)
    if name != "best16":
        assert all(abs(side - want) < max(rule.step, 2) for side, want in zip(size, ideal, strict=True) if want >= 16)
        assert predict((height, width), tier, name) == size.turned()
    if name == "floor16":
        assert size.area <= TIER_AREA[tier]


@given(SIDES, SIDES, st.integers(2, 9))
def test_only_the_shape_counts(width: int, height: int, times: int) -> None:
    """A picture of the same shape gives the same video."""
    assert predict((width, height), "720P") == predict((width * times, height * times), "720P")


def test_drift_says_which_way() -> None:
    """Positive is wider; pixels are what a crop would take."""
    assert drift("4:3", Size(1088, 832)).percent < 0
    assert drift("1:1", Size(960, 960)).pixels == 0
    assert str(drift("1:1", Size(960, 960))) == "no drift"
    assert drift((3, 4), (816, 1104)) == drift("3:4", "816x1104") == drift("3:4", Size(816, 1104))


@pytest.mark.parametrize("wrong", ["750", (750,), (0, 10), (7.5, 10), "10x", (True, 3), None])
def test_wrong_sizes_say_so(wrong: object) -> None:
    """One line with what was given."""
    for read in (Size.of, lambda size: drift("3:4", size)):
        with pytest.raises(GeometryError, match="not a size"):
            read(wrong)  # type: ignore[operator]


def test_wrong_tier_and_rule_name_the_right_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(GeometryError, match="480P, 720P, 1080P"):
        predict("750x1000", "4K")
    with pytest.raises(GeometryError, match="floor16"):
        predict("750x1000", "720P", rule="magic")
