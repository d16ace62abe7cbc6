"""What all views are made of: escaped text, small pictures as addresses, callbacks that cannot fail unseen.

A front end hides exceptions of callbacks, so each callback goes through `guarded`, which paints what went wrong.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import html
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_nb.catalog import cite
from wan_nb.errors import WanError
from wan_nb.problems import Problem

if TYPE_CHECKING:
    import ipywidgets as W  # noqa: N812 - static twins are made without it

    from wan_nb.session import Session

HERE = Path(__file__).parent
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
"""The style sheet of all live views."""

POSTER_CHARS = 40_000
"""Longest poster in widget state: no trait passes 64 KB."""

INK = "var(--jp-ui-font-color1,inherit)"
SOFT = "var(--jp-ui-font-color2,#757575)"
LINE = "var(--jp-border-color2,#ccc)"
TONES = {
    "wait": "var(--jp-brand-color1,#1976d2)",
    "good": "var(--jp-success-color1,#388e3c)",
    "bad": "var(--jp-error-color1,#d32f2f)",
    "off": SOFT,
}
"""Colours of static twins; each can be read on white and on black."""

_SEVERITY = {"refused": "✕", "wasteful": "!", "warning": "△"}

escape = html.escape
"""Text from outside goes through this, always."""

Fault = Callable[[BaseException], None]
"""Shows the exception of a callback."""


def script(name: str) -> str:
    """Return a view's JavaScript, with what all of them share before it."""
    return (HERE / "parts.js").read_text(encoding="utf-8") + (HERE / name).read_text(encoding="utf-8")


def jpeg_address(picture: Callable[[int], bytes], *, longest: int = 480, limit: int = POSTER_CHARS) -> str:
    """Return a small JPEG as a data URI, smaller still until it fits; empty when there is none to be had.

    Args:
        picture: Gives the JPEG for a longest side in pixels.
        longest: Where to begin.
        limit: Characters, at most.
    """
    for side in (longest, longest * 2 // 3, longest // 2, longest // 3, longest // 6):
        try:
            address = f"data:image/jpeg;base64,{base64.b64encode(picture(side)).decode('ascii')}"
        except (WanError, OSError):
            return ""  # a poster is an extra: a file that is gone shows as text
        if len(address) <= limit:
            return address
    return ""


def problem_html(problem: Problem, *, missing: bool = False) -> str:
    """Return one problem as a line in the colour of its severity."""
    if missing:
        return f'<span class="wan-problem missing">○ {escape(problem.message)}</span>'
    source = f' title="Source: {escape(cite(problem.source))}"' if problem.source else ""
    sign = _SEVERITY[problem.severity]
    role = "alert" if problem.severity == "refused" else "status"
    return f'<span class="wan-problem {problem.severity}" role="{role}"{source}>{sign} {escape(str(problem))}</span>'


def note_html(inner: str) -> str:
    """Return HTML as a line in small type; nothing for nothing."""
    return f'<div class="wan-note">{inner}</div>' if inner else ""


def fault_html(error: BaseException) -> str:
    """Return what an exception says: its type, message, and what to do where somebody knows."""
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, WanError):
        text += "\nThis is a fault of the toolkit, not of your input; nothing else was changed."
    return f'<div class="wan-fault" role="alert">{escape(text)}</div>'


def guarded(function: Callable[..., Any], show: Fault) -> Callable[..., None]:
    """Return a callback that shows its exception instead of losing it."""

    @functools.wraps(function)
    def call(*arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:  # whatever it is: a front end would hide it
            show(error)

    return call


class Paced:
    """Calls a function on a worker soon and at most once a second, however often it is asked to.

    Args:
        session: Whose engine waits, and whose worker calls.
        act: What is called.
    """

    def __init__(self, session: Session, act: Callable[[], None]) -> None:
        self._session, self._act = session, act
        self._lock = threading.Lock()
        self._next = 0.0
        self._is_due = False

    def __call__(self) -> None:
        """Ask for a call; what is asked while one is due is that one."""
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
            wait = max(0.0, self._next - time.monotonic())
        self._session.engine.start(self._wait(wait))

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with self._lock:
            self._is_due = False
            self._next = time.monotonic() + 1
        self._session.later(self._act)


def box(kind: type[W.Box], children: Sequence[W.Widget], name: str) -> W.Box:
    """Return widgets in a box with a class name."""
    return kind(children=list(children), _dom_classes=(name,))


def show(widget: W.DOMWidget, shown: bool) -> None:
    """Show or hide a widget."""
    widget.layout.display = None if shown else "none"


def put(control: W.DOMWidget, value: Any, options: Sequence[Any] | None = None) -> None:
    """Set options where they differ, since that alone sets the value, too; then the value."""
    if options is not None and tuple(control.options) != tuple(options):
        control.options = tuple(options)
    control.value = value


def table_rows(rows: Sequence[tuple[str, str]]) -> str:
    """Return (name, text) rows of a static table, escaped."""
    cell = "text-align:left;vertical-align:top;padding:1px 12px 1px 0"
    return "".join(
        f'<tr><th style="{cell};font-weight:normal;white-space:nowrap;color:{SOFT}">{escape(name)}</th>'
        f'<td style="{cell};overflow-wrap:anywhere">{escape(text)}</td></tr>'
        for name, text in rows
    )
