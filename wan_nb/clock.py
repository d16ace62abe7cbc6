"""One clock for the schedule, the widgets and the simulator.

Dates are the machine's own. Only *intervals* run faster: with ``Clock(speed=60)`` a job of two service minutes takes
two seconds, and whoever shows its age multiplies back. What must not shrink stays in dates: results live 24 hours of
the machine's time, simulated or not, so that a class can come back after lunch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wan_nb.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Clock:
    """Dates of the machine, intervals `speed` times as fast.

    Raises:
        ConfigError: If the speed is not above 0.

    Example:
        >>> clock = Clock(speed=60, now=lambda: 1000.0)
        >>> clock.real_s(120)
        2.0
        >>> clock.service_s(since=998.0)
        120.0
    """

    speed: float = 1.0
    """Service seconds that pass in one real second; 1 for the real service."""
    now: Callable[[], float] = time.time
    """Epoch seconds."""
    sleeper: Callable[[float], Awaitable[None]] = asyncio.sleep
    """What waits, given real seconds; tests pass their own."""

    def __post_init__(self) -> None:
        if not isinstance(self.speed, int | float) or not self.speed > 0:
            raise ConfigError(f"speed={self.speed!r} is not a speed; give a number above 0, such as 60.")

    def real_s(self, service_s: float) -> float:
        """Return how many real seconds `service_s` service seconds take."""
        return service_s / self.speed

    def service_s(self, since: float, until: float | None = None) -> float:
        """Return the service seconds between two dates (epoch seconds); `until` is now when not given."""
        return ((self.now() if until is None else until) - since) * self.speed

    async def sleep(self, service_s: float) -> None:
        """Wait that many service seconds."""
        await self.sleeper(max(0.0, self.real_s(service_s)))
