"""Who wants to know of changes: callbacks that come and go, none of which can stop the work."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

_log = logging.getLogger("wan_nb")

News = TypeVar("News")


class Onlookers(Generic[News]):
    """Callbacks that are told of every change, from any thread; each must be quick.

    Example:
        >>> heard = []
        >>> onlookers = Onlookers()
        >>> end = onlookers.add(heard.append)
        >>> onlookers.tell("saved"), end(), onlookers.tell("later"), heard
        (None, None, None, ['saved'])
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[[News], object]] = []

    def add(self, callback: Callable[[News], object]) -> Callable[[], None]:
        """Tell `callback` from now on; returns what ends it."""
        self._callbacks.append(callback)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return end

    def tell(self, news: News) -> None:
        """Tell everyone."""
        for callback in list(self._callbacks):
            try:
                callback(news)
            except Exception:  # an onlooker must not stop the work
                _log.exception("an onlooker failed at %r", news)
