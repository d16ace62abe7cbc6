"""What can be taken back of a form: the values that fields held before something was done that a user may regret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST = 20
"""How many changes are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One thing that can be taken back."""

    said: str
    """What was done: ``"first frame mended"``."""
    before: Mapping[str, Any]
    """Values by field."""
    sources: Mapping[str, str]
    """What stood in the path boxes of the media among them."""
