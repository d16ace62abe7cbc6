"""Waiting for another thread or process, with an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], timeout_s: float = 20.0) -> T:
    """Ask again and again until the answer is true, and return it.

    Raises:
        AssertionError: If that takes longer than `timeout_s`.
    """
    pause = threading.Event()
    limit = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < limit, f"not within {timeout_s:g} s"
        pause.wait(0.01)
    return answer
