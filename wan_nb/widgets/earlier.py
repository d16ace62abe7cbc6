"""Filling the form from a run that was made before: a list of the newest, and one choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from wan_nb.record import RunState
from wan_nb.widgets.parts import guarded, show
from wan_nb.widgets.wording import clock_time, phase_words

if TYPE_CHECKING:
    from wan_nb.request import VideoRequest
    from wan_nb.session import Session

MOST = 30
"""Runs in the list, the newest."""
_NONE = ("choose …", "")


class Earlier(W.Dropdown):  # type: ignore[misc]
    """The newest runs by time, model and prompt; choosing one hands its request over, and nothing else happens.

    Args:
        session: Whose runs.
        take: Called with the request and what was done, ``"filled from the run of 14:02"``; on a worker thread.
        fault: Called with an exception.
    """

    def __init__(
        self,
        session: Session,
        take: Callable[[VideoRequest, str], None],
        fault: Callable[[BaseException], None],
    ) -> None:
        super().__init__(description="From an earlier run", options=[_NONE])
        self.add_class("wan-earlier")
        show(self, False)
        self._session, self._take = session, take
        self._listed: list[tuple[str, str]] = []
        self._load = guarded(self._fill, fault)
        self.observe(guarded(self._chosen, fault), "value")
        self._refresh = guarded(self._list, fault)
        self._refresh()  # at once, so that nothing moves when the form has been shown

    def refresh(self) -> None:
        """List the runs anew, on a worker thread."""
        self._session.later(self._refresh)

    def _list(self) -> None:
        runs = [run.state for run in self._session.runs(MOST)]
        options = [_NONE, *((line(state), state.run_id) for state in runs if state.request.get("model"))]
        if options != self._listed:  # setting options also sets the value, to the first: none
            self._listed = self.options = options
        show(self, len(options) > 1)

    def _chosen(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._session.later(self._load, change["new"])

    def _fill(self, run_id: str) -> None:
        try:
            run = self._session.run(run_id)
            self._take(run.request, f"filled from the run of {clock_time(run.state.created_at)}")
        finally:
            self.value = ""  # so that the same run can be chosen again


def line(state: RunState) -> str:
    """Say which run it was, in the words of one line of the list."""
    prompt = " ".join(str(state.request.get("prompt") or state.request.get("template") or "no prompt").split())
    short = prompt if len(prompt) <= 48 else f"{prompt[:47]}…"
    words = phase_words(state)
    ended = f" · {words.word}" if words.tone == "bad" else ""
    return f"{clock_time(state.created_at)} · {state.model} · {state.tier}, {state.seconds} s · {short}{ended}"
