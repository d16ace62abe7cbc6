"""What a run will cost: dated list prices per region, model and tier; what nobody published stays unknown.

Prices are per second of output video (FACTS §2). Failed tasks are free. Account terms (free quota, plans, discounts)
are not known here, so every figure is an estimate and says how old it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from wan_nb.errors import ConfigError

_BEIJING = ("CNY", "the Chinese price list (Apr 2026)")
_VIRGINIA = ("USD", "a copy of the dollar prices (Jul 2026)")
_SINGAPORE = ("USD", f"{_BEIJING[1]}, at 7.33924 CNY a dollar; cross-checked with {_VIRGINIA[1]}")
_W3 = ("CNY", "a copy of the Wan 3.0 prices (fall 2026); another list says 0.63 and 1.17 at 720P and 1080P")

FREE_QUOTA = {"2.1": 200, "": 50}
"""Seconds a new account has per model in Beijing, for 90 days (CN-PRICE); so did Singapore's console (DAILIES)."""

_Tiers = tuple[str | None, str | None, str | None]
_TABLE: Mapping[tuple[str, str], tuple[tuple[str, str], Mapping[str, _Tiers]]] = {
    # (region, sound) → (currency and source), model id → price a second at 480P, 720P, 1080P
    ("beijing", ""): (
        _BEIJING,
        {
            "wan2.7-i2v-2026-04-25": (None, "0.60", "1.00"),
            "wan2.6-i2v": (None, "0.60", "1.00"),
            "wan2.6-i2v-flash": (None, "0.30", "0.50"),
            "wan2.5-i2v-preview": ("0.30", "0.60", "1.00"),
            "wan2.2-i2v-flash": ("0.10", "0.20", "0.48"),
            "wan2.2-i2v-plus": ("0.14", None, "0.70"),
            "wan2.1-i2v-turbo": ("0.24", "0.24", None),
            "wan2.1-i2v-plus": (None, "0.70", None),
            "wan2.2-kf2v-flash": ("0.10", "0.20", "0.48"),
            "wan2.1-kf2v-plus": (None, "0.70", None),
        },
    ),
    ("beijing", "silent"): (_BEIJING, {"wan2.6-i2v-flash": (None, "0.15", "0.25")}),
    ("beijing", "3.0"): (
        _W3,
        {"wan3.0-video": ("0.30", "0.60", "1.20"), "wan3.0-video-prime": ("0.45", "0.90", "1.80")},
    ),
    ("singapore", ""): (
        _SINGAPORE,
        {
            "wan2.7-i2v-2026-04-25": (None, "0.10", "0.15"),
            "wan2.6-i2v": (None, "0.10", "0.15"),
            "wan2.6-i2v-flash": (None, "0.05", "0.075"),
            "wan2.5-i2v-preview": ("0.05", "0.10", "0.15"),
            "wan2.2-i2v-flash": ("0.015", "0.036", None),
            "wan2.2-i2v-plus": ("0.02", None, "0.10"),
            "wan2.1-i2v-turbo": ("0.036", "0.036", None),
            "wan2.1-i2v-plus": (None, "0.10", None),
            "wan2.1-kf2v-plus": (None, "0.10", None),
        },
    ),
    ("singapore", "silent"): (_SINGAPORE, {"wan2.6-i2v-flash": (None, "0.025", "0.0375")}),
    ("virginia", ""): (
        _VIRGINIA,
        {"wan2.6-i2v": (None, "0.086012", "0.143353"), "wan2.6-i2v-us": (None, "0.10", "0.15")},
    ),
    ("frankfurt", ""): (_VIRGINIA, {"wan2.6-i2v": (None, "0.086012", "0.143353")}),
}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency; amounts of two currencies are never added.

    Example:
        >>> print(Money.of("2.00 USD"), Money(Decimal("0.25"), "USD") + Money(Decimal("0.5"), "USD"))
        2.00 USD 0.75 USD
    """

    amount: Decimal
    """Exact."""
    currency: str
    """ISO 4217, ``"USD"`` or ``"CNY"``."""

    @classmethod
    def of(cls, value: Money | str) -> Money:
        """Read ``"2.00 USD"``.

        Raises:
            ConfigError: If it is not an amount and a currency.
        """
        if isinstance(value, Money):
            return value
        parts = str(value).split()
        try:
            amount = Decimal(parts[0])
            if len(parts) != 2 or len(parts[1]) != 3 or not amount.is_finite() or amount < 0:
                raise ValueError
        except (ArithmeticError, ValueError, IndexError):
            raise ConfigError(f"{value!r} is not an amount; write it as '2.00 USD' or '15 CNY'.") from None
        return cls(amount, parts[1].upper())

    @classmethod
    def total(cls, amounts: Iterable[Money]) -> Money | None:
        """Add up amounts of one currency; None where there are none."""
        total: Money | None = None
        for amount in amounts:
            total = amount if total is None else total + amount
        return total

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ConfigError(f"{self} and {other} are two currencies; they cannot be added.")
        return Money(self.amount + other.amount, self.currency)

    def __str__(self) -> str:
        shown = self.amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
        if shown != self.amount:
            shown = self.amount.quantize(Decimal("0.0001"), ROUND_HALF_UP).normalize()
        return f"{shown:f} {self.currency}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run should cost by list price; `money` is None where no price is published."""

    money: Money | None
    """The amount, None when unknown."""
    seconds: int
    """Seconds that are billed."""
    per_second: Decimal | None
    """List price of one second."""
    source: str
    """Where the price stands, and of when."""

    def __str__(self) -> str:
        if self.money is None:
            return f"price not published for {self.source}"
        return f"about {self.money} ({self.seconds} s × {self.per_second})"


def currency_of(region: str) -> str:
    """Return the currency of a region's list prices, empty where none are known.

    Example:
        >>> currency_of("beijing"), currency_of("singapore"), currency_of("tokyo")
        ('CNY', 'USD', '')
    """
    return next((currency for (where, _), ((currency, _), _) in _TABLE.items() if where == region), "")


def estimate(model: str, *, region: str, tier: str, seconds: int, silent: bool = False) -> Estimate:
    """Estimate a run from the list prices.

    Args:
        model: Model id as in the catalogue (not an alias).
        region: ``"singapore"``, ``"beijing"``, ``"virginia"`` …
        tier: ``"480P"``, ``"720P"`` or ``"1080P"``.
        seconds: Billed seconds: the duration; with a first clip, the total length (seed 001).
        silent: ``audio=False`` was asked of a model that is cheaper without sound.

    Example:
        >>> print(estimate("wan2.6-i2v-flash", region="singapore", tier="720P", seconds=5))
        about 0.25 USD (5 s × 0.05)
        >>> estimate("wan2.2-kf2v-flash", region="singapore", tier="720P", seconds=5).money is None
        True
    """
    for sound in ("silent", "", "3.0") if silent else ("", "3.0"):
        (currency, source), rows = _TABLE.get((region, sound), (("", ""), {}))
        prices = rows.get(model)
        if prices is None:
            continue
        price = dict(zip(("480P", "720P", "1080P"), prices, strict=True)).get(tier)
        if price is None:
            continue
        each = Decimal(price)
        return Estimate(Money(each * seconds, currency), seconds, each, source)
    return Estimate(None, seconds, None, f"{model} at {tier} in {region or 'this region'}")


def cheapest_tier(model: str, tiers: Sequence[str], region: str) -> str:
    """Return the tier of the lowest price a second; of equal prices the larger, and the smallest where none is known.

    Args:
        model: Model id as in the catalogue.
        tiers: ``"480P"`` …, at least one.
        region: Whose list counts.

    Example:
        >>> cheapest_tier("wan2.6-i2v", ("720P", "1080P"), "singapore")
        '720P'
        >>> cheapest_tier("wan2.1-i2v-turbo", ("480P", "720P"), "singapore")  # one price for both
        '720P'
    """

    def rank(tier: str) -> tuple[bool, Decimal, int]:
        price, lines = estimate(model, region=region, tier=tier, seconds=1).per_second, int(tier[:-1])
        return (True, Decimal(0), lines) if price is None else (False, price, -lines)

    return min(tiers, key=rank)
