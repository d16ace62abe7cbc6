"""What would come of a request, before anything is sent: problems, size, price, time, and the plan to write down."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from wan_nb.clock import Clock
from wan_nb.endpoint import Endpoint
from wan_nb.errors import BudgetError
from wan_nb.geometry import Drift, Size, drift
from wan_nb.ledger import Ledger, Plan
from wan_nb.pricing import Estimate, Money, estimate
from wan_nb.problems import Problem
from wan_nb.record import RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.schedule import Usual

SHOWN_REGION = "singapore"
"""Where a simulated run's price is read, to say what it would cost."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen if a request were submitted now; nothing was sent."""

    request: VideoRequest
    """The request."""
    problems: tuple[Problem, ...]
    """Everything that is wrong or worth a warning, for this endpoint."""
    estimate: Estimate
    """Price by list; for a simulated session what it would cost in Singapore."""
    size: Size | None
    """Predicted size; None while nobody has seen the first frame (a URL)."""
    drift: Drift | None
    """How far that is from the first frame's shape."""
    existing: RunState | None
    """The run that this very request has already."""
    usual: Usual
    """How long such runs take."""
    is_simulated: bool
    """Whether it would cost nothing."""
    left: Money | None = None
    """What is left of today's budget, what is reserved counted as spent; None without a budget."""

    limit: Money | None = None
    """The most that the session spends without a word, where this costs more (or nobody knows); else None."""

    @property
    def over_budget(self) -> str:
        """Why the budget would refuse to make it (anew, where it was made before), in a line; empty if it would not."""
        price = self.estimate.money
        if self.left is None:
            return ""
        if price is None:
            return (
                "no price is published for this, and there is a budget; session.submit(request, allow='price') sends it"
            )
        if price.currency == self.left.currency and price.amount > self.left.amount:
            return f"it costs about {price} and {self.left} of today's budget is left"
        return ""

    @property
    def is_ready(self) -> bool:
        """Whether it would be sent: nothing refused, nothing wasteful."""
        return all(problem.severity == "warning" for problem in self.problems)

    def __repr__(self) -> str:
        lines = [f"{self.request.model}, {self.request.tier}, {self.request.seconds} s"]
        if self.size:
            lines.append(f"size   {self.size} (estimate); {self.drift}")
        free = "free (simulated); live " if self.is_simulated else ""
        price = str(self.estimate).removeprefix("price ")
        lines.append(f"price  {free}{price}")
        lines += [f"{problem.severity}: {problem}" for problem in self.problems] or ["ready"]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from wan_nb.widgets import preview as view

        return {"text/plain": repr(self), "text/html": view.html(self)}


@dataclass(frozen=True, slots=True)
class Planner:
    """Says what a request comes to at one endpoint and folder."""

    endpoint: Endpoint
    """Where it would be sent."""
    ledger: Ledger
    """What was run before."""
    clock: Clock
    """For the plan's date."""
    budget: Money | None = None
    """What may be spent a day; None for no limit."""
    confirm_above: Money | None = None
    """Price from which a run must be confirmed in the call itself; None for never."""

    def preview(self, request: VideoRequest) -> Preview:
        """Say what would come of a request here."""
        found = request.problems(self.endpoint.place)
        unknown = any(problem.field in ("model", "family") and problem.severity == "refused" for problem in found)
        size = None if unknown else request.predicted_size()
        source = request.source_size
        return Preview(
            request=request,
            problems=found,
            estimate=Estimate(None, 0, None, request.model) if unknown else self.estimate(request),
            size=size,
            drift=drift(source, size) if size and source else None,
            existing=None if unknown else self.ledger.find(request.fingerprint, self.endpoint.identity),
            usual=Usual.learn(()) if unknown else self.usual(request.model, request.tier, request.seconds),
            is_simulated=self.endpoint.is_simulated,
            left=self.left(),
            limit=self.confirm_above if not unknown and self._is_dear(request) else None,
        )

    def left(self) -> Money | None:
        """Say what is left of today's budget; None without one, and for a simulation, which costs nothing."""
        if self.budget is None or self.endpoint.is_simulated:
            return None
        spent = self.ledger.spent(self.budget.currency, midnight(self.clock.now()))
        return Money(max(self.budget.amount - spent.amount, Decimal(0)), self.budget.currency)

    def _is_dear(self, request: VideoRequest) -> bool:
        price, limit = self.estimate(request).money, self.confirm_above
        if limit is None or self.endpoint.is_simulated:
            return False
        return price is None or price.currency != limit.currency or price.amount > limit.amount

    def estimate(self, request: VideoRequest) -> Estimate:
        """Return what a request costs here by list price; in a simulation, what it would cost in Singapore."""
        return estimate(
            request.spec.id,
            region=SHOWN_REGION if self.endpoint.is_simulated else self.endpoint.region,
            tier=request.tier,
            seconds=request.seconds if isinstance(request.seconds, int) else 0,
            silent=request.audio is False and request.spec.sound == "switch",
        )

    def usual(self, model: str, tier: str, seconds: int) -> Usual:
        """Say how long such runs take: from this folder's own, else what is published."""
        return Usual.learn(self.ledger.took(self.endpoint.identity, model, tier, seconds))

    def check_confirmed(self, orders: Sequence[tuple[VideoRequest, int]]) -> None:
        """Hold back what is dear together; a take that exists already costs nothing again.

        Raises:
            BudgetError: If the session asks for a word, and this is dearer, or nobody knows how dear.
        """
        limit = self.confirm_above
        if limit is None or self.endpoint.is_simulated:
            return
        new = [(request, take) for request, take in orders if self._is_new(request, take)]
        prices = [self.estimate(request).money for request, _ in new]
        total = Money.total(price for price in prices if price)
        if not new or (
            total and None not in prices and total.currency == limit.currency and total.amount <= limit.amount
        ):
            return
        if len(new) == 1:
            cost = f"this run costs about {total}" if total else "this run has no published price"
            take = new[0][1]
            call = f"session.submit(request{f', take={take}' if take > 1 else ''}, confirm=True) sends it"
        else:
            unknown = f" and {prices.count(None)} of them have no published price" if None in prices else ""
            cost = f"these {len(new)} runs cost about {total or 'nothing that is known'} together{unknown}"
            call = "submit(…, confirm=True) sends them"
        raise BudgetError(f"{cost}, and {limit} is the most without a word; {call}.")

    def _is_new(self, request: VideoRequest, take: int) -> bool:
        existing = self.ledger.find(request.fingerprint, self.endpoint.identity, take)
        return existing is None or existing.phase is RunPhase.PLANNED

    def plan(self, request: VideoRequest, take: int, allowed: tuple[str, ...], *, again_of: str = "") -> Plan:
        """Return what is written down before a request is sent.

        Raises:
            BudgetError: If the price is unknown, and the session has a budget.
        """
        price = self.estimate(request)
        size = request.predicted_size()
        data: dict[str, Any] = {"price_source": price.source}
        if price.money and not self.endpoint.is_simulated:
            data["estimate"] = f"{price.money.amount} {price.money.currency}"
        if size:
            data["predicted"] = size.wire
        if source := request.source_size:
            data["source"] = source.wire
        if again_of:
            data["again_of"] = again_of
        if self.budget and price.money is None and "price" not in allowed and not self.endpoint.is_simulated:
            raise BudgetError(
                f"{price}, and this session has a budget; submit(…, allow='price') sends it all the same."
            )
        now = self.clock.now()
        return Plan(
            run_id=secrets.token_hex(4),
            fingerprint=request.fingerprint,
            endpoint=self.endpoint.identity,
            take=take,
            model=request.model,
            tier=request.tier,
            seconds=request.seconds,
            at=now,
            request=request.to_record(),
            data=data,
            budget=None if self.endpoint.is_simulated else self.budget,
            budget_since=midnight(now),
        )

    def plan_unknown(self, task_id: str, model: str) -> Plan:
        """Return the plan of a task whose request nobody here knows."""
        return Plan(
            run_id=secrets.token_hex(4),
            fingerprint=f"task:{task_id}",
            endpoint=self.endpoint.identity,
            take=1,
            model=model or "unknown-model",
            tier="",
            seconds=0,
            at=self.clock.now(),
            request={"model": model} if model else {},
        )


def midnight(now: float) -> float:
    """Return the start of the local day, in epoch seconds."""
    day = datetime.fromtimestamp(now).astimezone()
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
