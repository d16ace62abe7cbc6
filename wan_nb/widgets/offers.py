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
from wan_nb.request import MEDIA_FIELDS, VideoRequest


@dataclass(frozen=True, slots=True)
class Offer:
    """A repair with its result, ready to be taken."""

    repair: Repair
    """What would be done."""
    result: Repaired | None
    """The new picture with its before and after; None where it did not work out."""
    error: str = ""
    """Why not."""


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
        self._sought: dict[str, tuple[Media | None, tuple[Repair, ...]]] = {}
        self._found: dict[str, tuple[Offer, ...]] = {}

    def of(self, field: str) -> tuple[Offer, ...]:
        """Return what there is for a field; nothing while it is being worked out."""
        return self._found.get(field, ())

    def seek(self, request: VideoRequest, place: Place) -> None:
        """Work out what can be done about the pictures of a request, where that is not known yet."""
        possible = repairs(request, place)
        for field in MEDIA_FIELDS:
            wanted = request.media.get(field), tuple(each for each in possible if each.field == field)
            with self._lock:
                if self._sought.get(field, (None, ())) == wanted:
                    continue
                self._sought[field], self._found[field] = wanted, ()
            if wanted[1]:
                self._later(self._work_out, field, wanted)

    def _work_out(self, field: str, wanted: tuple[Media, tuple[Repair, ...]]) -> None:
        offers = tuple(_offer(repair, wanted[0]) for repair in wanted[1])
        with self._lock:
            if self._sought.get(field) is not wanted:
                return  # another picture came meanwhile
            self._found[field] = offers
        self._changed()


def _offer(repair: Repair, medium: Media) -> Offer:
    try:
        return Offer(repair, repair.mend(medium))
    except Exception as error:  # whatever a decoder says: the other repairs may still work
        return Offer(repair, None, str(error) if isinstance(error, WanError) else f"{type(error).__name__}: {error}")
