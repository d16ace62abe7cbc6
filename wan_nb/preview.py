"""What would come of a request, before anything is sent: problems, size, price, time, and the plan to write down."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
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
            estimate=Estimate(None, 0, None, request.model) if unknown else self._estimate(request),
            size=size,
            drift=drift(source, size) if size and source else None,
            existing=None if unknown else self.ledger.find(request.fingerprint, self.endpoint.identity),
            usual=Usual.learn(()) if unknown else self.usual(request.model, request.tier, request.seconds),
            is_simulated=self.endpoint.is_simulated,
        )

    def _estimate(self, request: VideoRequest) -> Estimate:
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

    def _check_confirmed(self, request: VideoRequest, take: int) -> None:
        """Hold back what is dear, unless this very take exists already and costs nothing again."""
        price, limit = self._estimate(request).money, self.confirm_above
        if limit is None or self.endpoint.is_simulated:
            return
        if price is not None and price.currency == limit.currency and price.amount <= limit.amount:
            return
        existing = self.ledger.find(request.fingerprint, self.endpoint.identity, take)
        if existing is None or existing.phase is RunPhase.PLANNED:
            cost = f"costs about {price}" if price else "has no published price"
            which = f", take={take}" if take > 1 else ""
            raise BudgetError(
                f"this run {cost}, and {limit} is the most without a word; "
                f"session.submit(request{which}, confirm=True) sends it."
            )

    def plan(
        self, request: VideoRequest, take: int, allowed: tuple[str, ...], *, confirm: bool, again_of: str = ""
    ) -> Plan:
        """Return what is written down before a request is sent.

        Raises:
            BudgetError: If the price is unknown or not confirmed, and the session asks for that.
        """
        if not confirm:
            self._check_confirmed(request, take)
        price = self._estimate(request)
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


def midnight(now: float) -> float:
    """Return the start of the local day, in epoch seconds."""
    day = datetime.fromtimestamp(now).astimezone()
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
