"""One question at a time, the last answer counts: for a preview that is asked again with every key that is pressed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Asking(Generic[T]):
    """Asks on another thread; while one question is on its way, all that follow become one.

    Args:
        lock: Held while an answer is handed over.
        later: Runs a function, on another thread if it likes (`Session.later`).
        ask: Gives the answer for what holds when it is called; may block.
        take: Called with the answer and, instead of one, the exception.

    Example:
        >>> from contextlib import nullcontext
        >>> Asking(nullcontext(), lambda function: function(), lambda: "yes", print).begin()
        yes None
    """

    def __init__(
        self,
        lock: AbstractContextManager[Any],
        later: Callable[..., Any],
        ask: Callable[[], T],
        take: Callable[[T | None, Exception | None], None],
    ) -> None:
        self._lock, self._later, self._ask, self._take = lock, later, ask, take
        self._again = False
        self.is_open = False
        """Whether an answer is still to come."""

    def begin(self) -> None:
        """Ask; called with the lock held."""
        if self.is_open:
            self._again = True
            return
        self.is_open = True
        self._later(self._work)

    def _work(self) -> None:
        answer, fault = None, None
        try:
            answer = self._ask()
        except Exception as error:  # a journal that cannot be read must not freeze the form: it says so instead
            fault = error
        with self._lock:
            self.is_open = False
            if self._again:
                self._again = False
                self.begin()
            else:
                self._take(answer, fault)
