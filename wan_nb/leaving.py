"""The sessions that are open in this process: found again, left in order at its end, let go of in a forked child."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wan_nb.session import Session

_OPEN: weakref.WeakSet[Session] = weakref.WeakSet()
_REGISTERED: list[bool] = []


def opened(session: Session) -> None:
    """Remember a session until it is closed.

    Python ends thread pools before it runs `atexit`; the hook that runs earlier is private, so it may be missing.
    """
    _OPEN.add(session)
    if not _REGISTERED:
        _REGISTERED.append(True)
        getattr(threading, "_register_atexit", atexit.register)(_close_all)


def closed(session: Session) -> None:
    """Forget a session."""
    _OPEN.discard(session)


def find_open(folder: Path, wishes: tuple[object, ...]) -> Session | None:
    """Return the open session that was begun on a folder with the same wishes."""
    home = folder.expanduser().resolve()
    found = (each for each in list(_OPEN) if each.folder == home and each.wishes == wishes and not each.is_closed)
    return next(found, None)


def _close_all() -> None:
    """Leave in order: what is being sent or fetched is finished first."""
    for session in list(_OPEN):
        session.close()


def _leave_to_parent() -> None:
    """Let go of every session in a forked child: threads do not come along, and two must not write as one."""
    for session in list(_OPEN):
        session.is_closed = True
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
