"""How times, phases, money and models are said on a screen: the words that live views and their static twins share.

Plain values in, plain text out; nothing here is escaped, since nothing here is HTML.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wan_nb.catalog import ModelSpec, cite
from wan_nb.content import amount
from wan_nb.preview import SHOWN_REGION
from wan_nb.pricing import Money, estimate
from wan_nb.record import RunPhase, RunState
from wan_nb.telling import phase_words

if TYPE_CHECKING:
    from wan_nb.preview import Preview
    from wan_nb.run import Run
    from wan_nb.schedule import Usual
    from wan_nb.session import Session


def span(seconds: float) -> str:
    """Say a length of time.

    Example:
        >>> span(7.4), span(84), span(3720)
        ('7 s', '1 min 24 s', '1 h 2 min')
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def life_words(state: RunState, *, is_simulated: bool = False) -> str:
    """Say what the service's 24 hours mean for a run, with ``{}`` for the time that is left; empty where nothing.

    Example:
        >>> life_words(RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0))
        ''
    """
    real = " (real hours, not simulated ones)" if is_simulated else ""
    if state.phase is RunPhase.SAVED:
        return f"saved here; the service keeps its own copy for {{}} more{real}"
    if state.phase is RunPhase.SUCCEEDED or (state.phase is RunPhase.SUBMITTED and state.unwatched):
        return f"not fetched yet; the service keeps it for {{}} more{real}"
    return ""


def arrived_words(run: Run) -> str:
    """Say how much of a video is here, while it is fetched; empty where nothing is."""
    done, total = run.arrived
    return f"{amount(done)} of {amount(total)}" if done and run.state.phase is RunPhase.SUCCEEDED else ""


def money_words(money: Money | None, *, is_simulated: bool) -> str:
    """Say on a button what pressing it costs.

    Example:
        >>> money_words(None, is_simulated=True), money_words(Money.of("0.5 USD"), is_simulated=False)
        ('simulated, free', 'about 0.50 USD')
    """
    if is_simulated:
        return "simulated, free"
    return f"about {money}" if money else "price unknown"


def usual_words(usual: Usual) -> str:
    """Say how long such runs take.

    Example:
        >>> from wan_nb.schedule import Usual
        >>> usual_words(Usual(60.0, 150.0, 3, "")), usual_words(Usual(20.0, 41.0, 3, ""))
        ('usually 1–2½ min', 'usually 20–41 s')
    """
    if usual.p90_s <= 0:
        return ""
    if usual.p90_s < 90:
        low, high, unit = f"{usual.median_s:.0f}", f"{usual.p90_s:.0f}", "s"
    else:
        low, high, unit = _halves(usual.median_s), _halves(usual.p90_s), "min"
    return f"usually about {high} {unit}" if low == high else f"usually {low}–{high} {unit}"


def _halves(seconds: float) -> str:
    whole, half = divmod(max(1, round(seconds / 30)), 2)
    return f"{whole or ''}{'½' if half else ''}"


def clock_time(epoch_s: float) -> str:
    """Say a date: the time of day, with the day when it was not today.

    Example:
        >>> import time
        >>> clock_time(time.time()).count(":"), clock_time(0.0)[-5:].count(":")
        (1, 1)
    """
    local = datetime.fromtimestamp(epoch_s, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else f"{local.day} {local:%b %Y, %H:%M}"


def pace_words(session: Session) -> str:
    """Say that time is simulated, and how fast; empty for the real service."""
    return f"simulated time, {session.clock.speed:g}×" if session.is_simulated else ""


def region_words(region: str) -> str:
    """Say a region's name.

    Example:
        >>> region_words("hongkong"), region_words("singapore")
        ('Hong Kong', 'Singapore')
    """
    return "Hong Kong" if region == "hongkong" else region.title()


def price_words(preview: Preview, region: str) -> str:
    """Say what a request will cost, in the words of the preview line."""
    money = preview.estimate.money
    if preview.is_simulated:
        would = f"would cost about {money} in {region_words(SHOWN_REGION)}" if money else "no published price"
        return f"simulated: free; {would}"
    where = f" in {region_words(region)}" if region else ""
    return f"about {money}{where}" if money else f"no published price{where}"


def submit_words(preview: Preview | None) -> str:
    """Say what the Submit button does and costs."""
    if preview is None:
        return "Submit"
    return f"Submit — {money_words(preview.estimate.money, is_simulated=preview.is_simulated)}"


def model_words(spec: ModelSpec, name: str = "", region: str = "") -> str:
    """Say in one line what a model is for; models of one kind start alike, so that a sorted list is a grouped one.

    Example:
        >>> from wan_nb.catalog import MODELS
        >>> print(model_words(MODELS["wan2.6-i2v-flash"]))
        first frame · wan2.6-i2v-flash · 2–15 s, sound
    """
    kind = {"i2v": "first frame", "kf2v": "first + last frame"}.get(spec.family, "frames, clip, audio")
    if spec.family == "media" and spec.clip is None:
        kind = "frames"
    lengths = spec.durations.union
    length = f"{lengths[0]}–{lengths[-1]} s" if len(lengths) > 2 else f"{' or '.join(map(str, lengths))} s"
    sound = "" if spec.sound == "none" else ", sound"
    absent = f" (not in {region_words(region)})" if region and spec.regions.verdict(region) == "refused" else ""
    return f"{kind} · {name or spec.id} · {length}{sound}{absent}"


def model_line(spec: ModelSpec, region: str = "", usual: Usual | None = None) -> str:
    """Say what a model is good at, what a second costs, and how long it takes: the line under the list of models.

    Args:
        spec: The model.
        region: Whose price list; empty for a simulation, which is free and shows Singapore's.
        usual: How long runs like the chosen one take.

    Example:
        >>> from wan_nb.catalog import MODELS
        >>> print(model_line(MODELS["wan2.1-i2v-plus"]))  # doctest: +ELLIPSIS
        Good at: silent clips at 720P; effect templates in Beijing · list price a second in Singapore: ...
    """
    where = region or SHOWN_REGION
    parts = [f"Good at: {cite(spec.good_at)}"] if spec.good_at else []
    prices = {tier: estimate(spec.id, region=where, tier=tier, seconds=1).money for tier in spec.tiers.union}
    listed = ", ".join(f"{price} at {tier}" for tier, price in prices.items() if price)
    parts.append(f"list price a second in {region_words(where)}: {listed or 'not published'}")
    if usual and (words := usual_words(usual)):
        parts.append(f"{words} ({usual.source if usual.count else 'as published'})")
    return " · ".join([*parts, *([cite(spec.note)] if spec.note else [])])


def run_line(state: RunState) -> str:
    """Say which run it was, in one line of a list: when, with what, and how it ended where that was bad."""
    prompt = " ".join(str(state.request.get("prompt") or state.request.get("template") or "no prompt").split())
    short = prompt if len(prompt) <= 48 else f"{prompt[:47]}…"
    words = phase_words(state)
    ended = f" · {words.word}" if words.tone == "bad" else ""
    return f"{clock_time(state.created_at)} · {state.model} · {state.tier}, {state.seconds} s · {short}{ended}"
