"""Repairs of a form's pictures, worked out beside it: nothing is mended unasked, and all can be taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wan_nb.errors import WanError
from wan_nb.media import Media
from wan_nb.problems import Place
from wan_nb.repair import Repair, Repaired, repairs
from wan_nb.request import VideoRequest


@dataclass(frozen=True, slots=True)
class Offer:
    """A repair with its result, ready to be taken."""

    medium: Media
    """The picture that would be mended."""
    repair: Repair
    """What would be done."""
    result: Repaired | None
    """The new picture with its before and after; None where it did not work out."""
    said: str
    """What was done, or why it cannot be."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Something that was done to the form, and that can be taken back."""

    said: str
    """What was done: ``"first frame mended"``."""
    before: Mapping[str, Any]
    """Values by field, as they were."""
    sources: Mapping[str, str]
    """What stood in the path boxes of the media among them."""
    repaired: Repaired | None = None
    """The repair, where it was one."""


class Offers:
    """What can be done about each picture of a request that changes.

    Args:
        later: Runs a function, on another thread if it likes (`Session.later`): decoding and encoding take time.
        changed: Called when offers have come.
    """

    def __init__(self, later: Callable[..., Any], changed: Callable[[], None]) -> None:
        self._later, self._changed = later, changed
        self._lock = threading.Lock()
        self._possible: list[tuple[Media, Repair]] = []
        self._found: list[Offer] = []

    def of(self, field: str) -> tuple[Offer, ...]:
        """Return what there is for a field; nothing while it is being worked out."""
        known = (each for each in self._found if (each.medium, each.repair) in self._possible)
        return tuple(each for each in known if each.repair.field == field)

    def seek(self, request: VideoRequest, place: Place) -> None:
        """Work out what can be done about the pictures of a request, where that is not known yet."""
        possible = [(request.media[each.field], each) for each in repairs(request, place)]
        if possible != self._possible:
            with self._lock:
                self._possible = possible
            self._later(self._work_out, possible)

    def _work_out(self, possible: list[tuple[Media, Repair]]) -> None:
        found = [_offer(medium, repair) for medium, repair in possible]
        with self._lock:
            if self._possible is not possible:
                return  # another picture came meanwhile
            self._found = found
        self._changed()


def _offer(medium: Media, repair: Repair) -> Offer:
    try:
        result = repair.mend(medium)
    except Exception as error:  # whatever a decoder says: the other repairs may still work
        text = str(error) if isinstance(error, WanError) else f"{type(error).__name__}: {error}"
        return Offer(medium, repair, None, text)
    return Offer(medium, repair, result, str(result))
