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
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.schedule import PUBLISHED, Usual

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
        said = [f"{problem.severity}: {problem}" for problem in self.problems]
        if self.over_budget and not self.existing:
            said.append(f"held back: {self.over_budget}")
        return "\n".join([*lines, *(said or ["ready"])])

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
    """What may be spent a day; None for no limit, as where nothing costs."""
    confirm_above: Money | None = None
    """Price from which a run must be confirmed in the call itself; None for never."""

    def preview(self, request: VideoRequest) -> Preview:
        """Say what would come of a request here."""
        found, is_simulated = request.problems(self.endpoint.place), self.endpoint.is_simulated
        if any(problem.field in ("model", "family") and problem.severity == "refused" for problem in found):
            nothing = Estimate(None, 0, None, request.model)
            return Preview(request, found, nothing, None, None, None, PUBLISHED, is_simulated, self.left())
        price, size, source = self.estimate(request), request.predicted_size(), request.source_size
        return Preview(
            request=request,
            problems=found,
            estimate=price,
            size=size,
            drift=drift(source, size) if size and source else None,
            existing=self.ledger.find(request.fingerprint, self.endpoint.identity),
            usual=self.usual(request),
            is_simulated=is_simulated,
            left=self.left(),
            limit=self.confirm_above if self._is_dear([price.money]) else None,
        )

    def spent(self) -> Money | None:
        """Say what is spent or reserved of today's budget; None without one."""
        return self.ledger.spent(self.budget.currency, midnight(self.clock.now())) if self.budget else None

    def left(self) -> Money | None:
        """Say what is left of today's budget; None without one."""
        if self.budget is None or (spent := self.spent()) is None:
            return None
        return Money(max(self.budget.amount - spent.amount, Decimal(0)), self.budget.currency)

    def estimate(self, request: VideoRequest) -> Estimate:
        """Return what a request costs here by list price; in a simulation, what it would cost in Singapore."""
        return estimate(
            request.spec.id,
            region=SHOWN_REGION if self.endpoint.is_simulated else self.endpoint.region,
            tier=request.tier,
            seconds=request.seconds if isinstance(request.seconds, int) else 0,
            silent=request.audio is False and request.spec.sound == "switch",
        )

    def usual(self, asked: VideoRequest | RunState) -> Usual:
        """Say how long such runs take: from this folder's own, else what is published."""
        return Usual.learn(self.ledger.took(self.endpoint.identity, asked.model, asked.tier, asked.seconds))

    def _is_dear(self, prices: Sequence[Money | None]) -> bool:
        """Whether runs are to be confirmed: together they cost more than is spent without a word, or nobody knows."""
        limit = self.confirm_above
        if limit is None or not prices:
            return False
        total = Money.total(price for price in prices if price)
        return not total or None in prices or total.currency != limit.currency or total.amount > limit.amount

    def check_confirmed(self, orders: Sequence[tuple[VideoRequest, int]]) -> None:
        """Hold back what is dear together; a take that exists already costs nothing again.

        Raises:
            BudgetError: If the session asks for a word, and this is dearer, or nobody knows how dear.
        """
        if self.confirm_above is None:
            return
        new = [(request, take) for request, take in orders if self._is_new(request, take)]
        prices = [self.estimate(request).money for request, _ in new]
        if not self._is_dear(prices):
            return
        total = Money.total(price for price in prices if price)
        if len(new) == 1:
            cost = f"this run costs about {total}" if total else "this run has no published price"
            take = new[0][1]
            call = f"session.submit(request{f', take={take}' if take > 1 else ''}, confirm=True) sends it"
        else:
            unknown = f" and {prices.count(None)} of them have no published price" if None in prices else ""
            cost = f"these {len(new)} runs cost about {total or 'nothing that is known'} together{unknown}"
            call = "submit(…, confirm=True) sends them"
        left = self.left()
        if left and total and total.currency == left.currency and total.amount > left.amount:
            call = f"but {left} of today's budget is left, so raise budget= first"
        raise BudgetError(f"{cost}, and {self.confirm_above} is the most without a word; {call}.")

    def _is_new(self, request: VideoRequest, take: int) -> bool:
        existing = self.ledger.find(request.fingerprint, self.endpoint.identity, take)
        return existing is None or existing.phase is RunPhase.PLANNED

    def plan(self, request: VideoRequest, take: int, allowed: tuple[str, ...], *, again_of: str = "") -> Plan:
        """Return what is written down before a request is sent.

        Raises:
            BudgetError: If the price is unknown, and the session has a budget.
        """
        price, size, source = self.estimate(request), request.predicted_size(), request.source_size
        if self.budget and price.money is None and "price" not in allowed:
            raise BudgetError(
                f"{price}, and this session has a budget; submit(…, allow='price') sends it all the same."
            )
        data: dict[str, Any] = {"price_source": price.source}
        if price.money and not self.endpoint.is_simulated:
            data["estimate"] = f"{price.money.amount} {price.money.currency}"
        if size:
            data["predicted"] = size.wire
        if source:
            data["source"] = source.wire
        if again_of:
            data["again_of"] = again_of
        return Plan(
            run_id=secrets.token_hex(4),
            fingerprint=request.fingerprint,
            endpoint=self.endpoint.identity,
            take=take,
            model=request.model,
            tier=request.tier,
            seconds=request.seconds,
            created_at=self.clock.now(),
            request=request.to_record(),
            data=data,
        )

    def plan_adopted(self, task_id: str, model: str, adopted: Record) -> Plan:
        """Return the plan of a task that was made elsewhere: nobody here knows its request."""
        return Plan(
            run_id=secrets.token_hex(4),
            fingerprint=f"task:{task_id}",
            endpoint=self.endpoint.identity,
            take=1,
            model=model or "unknown-model",
            tier="",
            seconds=0,
            created_at=self.clock.now(),
            request={"model": model} if model else {},
            adopted=adopted,
        )

    def write_down(self, plans: Sequence[Plan]) -> list[tuple[RunState, bool]]:
        """Find or make the runs of plans, all or none, within today's budget; each with whether it existed.

        Raises:
            BudgetError: If the budget does not cover those that are new.
        """
        return self.ledger.plan_all(plans, self.budget, midnight(self.clock.now()))


def midnight(now: float) -> float:
    """Return the start of the local day, in epoch seconds."""
    day = datetime.fromtimestamp(now).astimezone()
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
