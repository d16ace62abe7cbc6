"""The notebooks' exercises that have one answer: what a student found, against what the toolkit computes.

Nothing is hidden here and nothing is graded: the answers follow from the catalogue, the prices and the arithmetic, so a
changed fact changes them too. Exercises that ask to look and to judge are not here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from wan_nb import advice, tables
from wan_nb.catalog import MODELS, ModelSpec, find_model
from wan_nb.endpoint import GATEWAY_IMAGE, Secret, region_endpoint
from wan_nb.errors import ConfigError
from wan_nb.geometry import TIER_AREA, Size, predict
from wan_nb.pricing import estimate

Truth = str | float | range | frozenset[str]
"""A word, a number, a span of whole numbers that are all right, or names in any order."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise with a computed answer."""

    asks: str
    """What is asked, in a few words."""
    truth: Callable[[], Truth]
    """Computes the answer."""
    hint: str
    """Where to look, for whoever is wrong."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What came of one answer."""

    number: str
    """Notebook and exercise, ``"11.1"``."""
    is_right: bool | None
    """None while there is no answer."""
    words: str
    """Right, or where to look."""


class Marks(tuple[Mark, ...]):
    """What came of several answers; shown as a table."""

    __slots__ = ()

    def _table(self) -> tuple[tuple[str, str, str], list[tuple[str, str, str]]]:
        rows = [(mark.number, EXERCISES[mark.number].asks, mark.words) for mark in self]
        return ("exercise", "asks", "your answer"), rows

    def _points(self) -> str:
        return f"{sum(mark.is_right is True for mark in self)} of {len(self)}"

    def __repr__(self) -> str:
        return f"{tables.as_text(*self._table())}\n{self._points()}"

    def _repr_html_(self) -> str:
        return tables.as_html(*self._table(), below=self._points())


def check(answers: Mapping[str, object]) -> Marks:
    """Hold answers to exercises against what the toolkit computes.

    Args:
        answers: By number, ``{"11.1": "wan2.7-i2v"}``: a word, a number, or a list of names in any order; None where
            there is no answer yet.

    Raises:
        ConfigError: If there is no such exercise, or its answer cannot be computed.

    Example:
        >>> check({"08.1": 8 * 1024 * 1024, "08.3": None})
        exercise  asks                                    your answer
        08.1      letters of 6 MiB in base64              right
        08.3      path that wan2.2-kf2v-flash is sent to  not answered yet
        1 of 2
    """
    if not isinstance(answers, Mapping):
        raise ConfigError(f"{answers!r} says not which exercise it answers; write wan.check({{'11.1': answer}}).")
    return Marks(_mark(number, answer) for number, answer in answers.items())


def _mark(number: str, answer: object) -> Mark:
    exercise = EXERCISES.get(number)
    if exercise is None:
        raise ConfigError(f"exercise {number!r} has no computed answer; there are {', '.join(EXERCISES)}.")
    if answer is None or answer == "":
        return Mark(number, None, "not answered yet")
    is_right = _agrees(answer, exercise.truth())
    return Mark(number, is_right, "right" if is_right else f"not yet: {exercise.hint}")


def _agrees(answer: object, truth: Truth) -> bool:
    if isinstance(truth, frozenset):
        names = answer.replace(",", " ").split() if isinstance(answer, str) else answer
        return isinstance(names, Iterable) and set(map(_plain, names)) == set(map(_plain, truth))
    if isinstance(truth, str):
        return _plain(answer) == _plain(truth)
    try:
        number = float(getattr(answer, "amount", answer))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return number in truth if isinstance(truth, range) else math.isclose(number, truth, rel_tol=0.005)


def _plain(name: object) -> str:
    """Return a name as it is compared: an alias is its model, and × may be written x."""
    text = str(name).strip().casefold().replace("×", "x")
    spec = find_model(text)
    return spec.id if spec else text


# --- the answers --------------------------------------------------------------------------------------------------


def _models(test: Callable[[ModelSpec], object]) -> frozenset[str]:
    return frozenset(spec.id for spec in MODELS.values() if test(spec))


def _price(model: str, tier: str, seconds: int) -> Decimal:
    money = estimate(model, region="singapore", tier=tier, seconds=seconds).money
    return money.amount if money else Decimal("Infinity")


def _cheapest(tier: str, seconds: int, test: Callable[[ModelSpec], object]) -> str:
    able = [name for name, spec in MODELS.items() if test(spec) and seconds in spec.durations.agreed]
    return min(able, key=lambda name: _price(name, tier, seconds))


def _fits_gateway(size: Size) -> bool:
    return all(GATEWAY_IMAGE.side.verdict(side) == "allowed" for side in (size.width, size.height))


def _exact(shape: Size) -> frozenset[str]:
    return frozenset(tier for tier in TIER_AREA if predict(shape, tier).ratio == shape.ratio)


EXERCISES: Mapping[str, Exercise] = {
    "01.1": Exercise(
        "cheapest model with sound, 5 s at 720P",
        lambda: _cheapest("720P", 5, lambda spec: spec.family == "i2v" and spec.sound != "none"),
        "ask session.preview(…).estimate of each model that sounds.",
    ),
    "01.4": Exercise(
        "first-frame models that surely make 12 s",
        lambda: _models(lambda spec: spec.family == "i2v" and 12 in spec.durations.agreed),
        "spec.durations.agreed is what all documents say.",
    ),
    "02.1": Exercise(
        "models that take a driving_audio", lambda: _models(lambda spec: spec.audio), "spec.audio has its limits."
    ),
    "04.1": Exercise(
        "longest total for a clip of 8 s",
        lambda: max(MODELS["wan2.7-i2v"].durations.agreed),
        "duration is the total, clip and continuation together.",
    ),
    "04.4": Exercise(
        "how many of the six combinations wan3.0-video takes",
        lambda: len(set(MODELS["wan3.0-video"].inputs.union) & set(MODELS["wan2.7-i2v"].inputs.union)),
        "look at MODELS['wan3.0-video'].inputs.union.",
    ),
    "05.1": Exercise(
        "models that run in Frankfurt",
        lambda: _models(lambda spec: spec.regions.verdict("frankfurt") != "refused"),
        "spec.regions.verdict('frankfurt') is not 'refused'.",
    ),
    "05.2": Exercise(
        "base URL of workspace ws-9 in Tokyo",
        lambda: region_endpoint("tokyo", Secret("sk-"), workspace="ws-9").base_url,
        "region_endpoint(…, workspace='ws-9').base_url.",
    ),
    "05.4": Exercise(
        "which of 300×500, 400×2100, 640×360 a relay takes",
        lambda: frozenset(text for text in ("300x500", "400x2100", "640x360") if _fits_gateway(Size.of(text))),
        "each side must be 360 to 2000 px.",
    ),
    "06.1": Exercise(
        "tiers at which 16:9 comes out exactly",
        lambda: _exact(Size(16, 9)),
        "wan.predict('1600x900', tier).ratio is 16/9 there.",
    ),
    "08.1": Exercise("letters of 6 MiB in base64", lambda: 4 * 6 * 1024**2 // 3, "four letters for three bytes."),
    "08.3": Exercise(
        "path that wan2.2-kf2v-flash is sent to", lambda: MODELS["wan2.2-kf2v-flash"].path, "request.spec.path has it."
    ),
    "09.2": Exercise(
        "may the same request go again after IPInfringementSuspect",
        lambda: advice.explain("IPInfringementSuspect").again,
        "explain('IPInfringementSuspect').again is one word.",
    ),
    "10.1": Exercise(
        "the batch with sound, in USD",
        lambda: float(6 * _price("wan2.6-i2v-flash", "720P", 2)),
        "six times session.preview(batch[0].replace(audio=True)).estimate.",
    ),
    "10.3": Exercise(
        "a budget in cents that lets four through",
        lambda: range(20, 25),
        "four must fit into it, and a fifth must not.",
    ),
    "11.1": Exercise(
        "cheapest model, 10 s at 1080P",
        lambda: _cheapest("1080P", 10, lambda spec: True),
        "choices(resolution='1080P', duration=10)[0].",
    ),
    "11.3": Exercise(
        "longest prompt limit over the shortest",
        lambda: max(s.prompt_chars for s in MODELS.values()) / min(s.prompt_chars for s in MODELS.values()),
        "divide the largest spec.prompt_chars by the smallest.",
    ),
}
"""By notebook and exercise."""
