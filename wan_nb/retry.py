"""What may be asked again, and how long to wait before: one policy for every call that costs nothing.

A submission is not among them; whether it may be sent again is decided where it is sent (`wan_nb.follow`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from wan_nb.clock import Clock
from wan_nb.errors import LostAnswerError, ServerFaultError, ThrottledError, UnsentError

T = TypeVar("T")

PASSING = (UnsentError, LostAnswerError, ThrottledError, ServerFaultError)
"""Errors that pass by themselves: no connection, a lost answer, 429, 5xx. Anything else is told at once."""
TRIES = 9
"""How often something is asked before its last error is told."""
LONGEST_S = 60.0
"""Service seconds between two tries, at most."""


def backoff_s(attempt: int, *, chance: Callable[[], float] = random.random) -> float:
    """Return the service seconds to wait after a failed attempt (from 1): doubling, with jitter.

    Example:
        >>> [backoff_s(attempt, chance=lambda: 0.5) for attempt in (1, 2, 3, 9)]
        [2.0, 4.0, 8.0, 60.0]
    """
    return min(LONGEST_S, 2.0**attempt) * (0.75 + 0.5 * chance())


async def patiently(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer; errors that do not pass by themselves are raised at once."""
    for attempt in range(1, TRIES):
        try:
            return await ask()
        except PASSING as error:
            wait = getattr(error, "retry_after_s", None) or backoff_s(attempt)
            await clock.sleep(wait)
    return await ask()
