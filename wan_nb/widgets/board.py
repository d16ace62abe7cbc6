"""Many runs in one table: the live board, the pages of the history, and the static table that stays.

One widget for all rows. The kernel sends every row once and then, about once a second, those that changed; ages,
filters, order and sums are the browser's own business. Pictures go by message when a row comes into sight.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as W  # noqa: N812
import traitlets
from IPython.core.getipython import get_ipython

from wan_nb.errors import WanError
from wan_nb.history import Spend
from wan_nb.record import RunPhase, RunState
from wan_nb.task import TaskStatus
from wan_nb.widgets.parts import LINE, SOFT, STYLE, TONES, Paced, escape, guarded, jpeg_address, script
from wan_nb.widgets.run import RunView, show_until_over
from wan_nb.widgets.wording import arrived_words, clock_time

if TYPE_CHECKING:
    from wan_nb.run import Run
    from wan_nb.session import Session

NEWEST = 200
"""Runs that a board begins with when it is not told which."""
PAGE = 50
"""Runs on a page of the history."""
TRAIT_CHARS = 60_000
"""Rows in widget state, at most; the rest comes by message."""
PROMPT_CHARS = 100
"""Characters of a prompt in a row; the run's own view has all of it."""
POSTER_WIDTH = 96
"""Pixels of a row's picture."""
TWIN_ROWS = 50
"""Rows with which a static table ends."""


def row(run: Run) -> dict[str, Any]:
    """Return what a board's row says of a run; what is empty is left out, so that 200 rows stay small."""
    state, session = run.state, run.session
    words = run.words
    prompt = str(state.request.get("prompt") or "")
    ended = state.phase.is_terminal or state.phase is RunPhase.SUCCEEDED
    cost = None if session.is_simulated else state.cost
    queued = state.phase is RunPhase.SUBMITTED and state.task_status is TaskStatus.PENDING
    cells = {
        "id": state.run_id,
        "at": round(state.created_at, 2),
        "when": clock_time(state.created_at),
        "word": words.word,
        "tone": words.tone,
        "model": state.model,
        "tier": state.tier,
        "seconds": state.seconds,
        "take": state.take if state.take > 1 else None,
        "prompt": prompt if len(prompt) <= PROMPT_CHARS else prompt[: PROMPT_CHARS - 1] + "…",
        "since": round(state.submitted_at, 1) if state.submitted_at and not ended else None,
        "took": round(run.elapsed_s, 1) if state.submitted_at and ended else None,
        "bytes": arrived_words(run),
        "size": str(state.file.size) if state.file else None,
        "cost": str(cost).split()[0] if cost else None,
        "currency": cost.currency if cost else None,
        "counts": not state.phase.is_free,
        "code": state.code[:60] if words.tone == "bad" else None,
        "note": state.note[:200],
        "star": state.starred,
        "poster": state.file is not None,
        "cancel": (queued and session.endpoint.can_cancel) or words.word == "queued here",
    }
    return {name: value for name, value in cells.items() if value not in (None, "", False)}


class Table(anywidget.AnyWidget):
    """The table itself, of a `Board` or a `History`."""

    _esm = script("board.js")
    _css = STYLE
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    about = traitlets.Dict().tag(sync=True)

    def __init__(self, now: Callable[[], list[dict[str, Any]]], about: dict[str, Any]) -> None:
        self._now = now
        super().__init__(rows=_fitting(now()), about=about)

    def get_state(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return the state with the rows as they stand: only messages tell of changes, and those are gone once said."""
        state: dict[str, Any] = super().get_state(*arguments, **options)
        return state | {"rows": _fitting(self._now())} if "rows" in state else state


def _fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many rows as a trait may hold."""
    sizes = itertools.accumulate(len(str(each).encode()) + 2 for each in rows)
    return [each for each, size in zip(rows, sizes, strict=True) if size <= TRAIT_CHARS]


class Board(W.VBox):  # type: ignore[misc]
    """A live table of many runs; `session.board()` makes it. A click on a row shows that run's video below.

    Args:
        session: Whose runs.
        runs: Which; None for the newest ones and whatever is submitted from now on.
    """

    KIND = "board"
    _has_more = False

    def __init__(self, session: Session, runs: Iterable[Run] | None = None) -> None:
        self.session = session
        self.is_seen = False
        """Whether a browser shows it."""
        self._is_open_end = runs is None
        self._runs = {run.id: run for run in (session.runs(NEWEST) if runs is None else runs)}
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._say = Paced(session, guarded(self._tell, self.fault))
        about = {"kind": self.KIND, "label": self._label(), "speed": session.clock.speed, "free": session.is_simulated}
        self._table = Table(self._rows, about)
        self._below = W.VBox()
        super().__init__(children=[self._table, self._below], _dom_classes=("wan",))
        self._table.on_msg(guarded(self._hear, self.fault))
        self._end = session.observe(self._notice)

    def _label(self) -> str:
        return f"{len(self._runs)} runs, {self.session.label}"

    def _rows(self) -> list[dict[str, Any]]:
        return [row(run) for run in list(self._runs.values())]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._label()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Add the static twin, for where no kernel is."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": table_html(list(self._runs.values()), has_posters=False)}

    # --- what the journal says ----------------------------------------------------------------------------------

    def _notice(self, run: Run) -> None:
        """A run is new or has changed; on the engine's thread, so only remembered here."""
        with self._lock:
            if run.id not in self._runs:
                if not self._is_open_end:
                    return
                self._runs[run.id] = run
            self._changed.add(run.id)
        self._say()

    def _tell(self) -> None:
        with self._lock:
            changed = [self._runs[each] for each in self._changed if each in self._runs]
            self._changed.clear()
        if changed:
            self._table.send({"delta": [row(run) for run in changed]})

    def fault(self, error: BaseException) -> None:
        """Show an exception, until the user does something else."""
        self._table.send({"fault": f"{type(error).__name__}: {error}"[:2000]})

    # --- what the user does -------------------------------------------------------------------------------------

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("hello"):
            self.is_seen = True
            self._tell_all()
        else:
            self.session.later(guarded(self._act, self.fault), content)

    def _tell_all(self) -> None:
        page = {"more": self._has_more}
        self._table.send({"now": time.time(), "rows": self._rows(), "page": page, "fault": ""})

    def _act(self, content: dict[str, Any]) -> None:
        """Do what was clicked, on a worker thread."""
        if "posters" in content:
            for each in content["posters"]:
                self._send_poster(str(each))
            return
        self._table.send({"fault": ""})
        if "open" in content:
            self._put_below(*([RunView(self._run(content["open"]))] if content["open"] else []))
        elif "cancel" in content:
            self._run(content["cancel"]).cancel()
        elif "star" in content:
            self._run(content["star"]).mark(starred=bool(content["on"]))
        elif "note" in content:
            self._run(content["note"]).mark(note=str(content["text"])[:500])
        elif "use" in content:
            self._put_below(self.session.form(self._run(content["use"])))

    def _run(self, run_id: object) -> Run:
        return self._runs.get(str(run_id)) or self.session.run(str(run_id))

    def _send_poster(self, run_id: str) -> None:
        video = self._run(run_id).video
        try:
            picture = video.poster(POSTER_WIDTH) if video else None
        except (WanError, OSError):
            return  # a picture is an extra: a file that is gone shows in the run's own view
        if picture:
            self._table.send({"poster": run_id}, [picture])

    def _put_below(self, *widgets: W.Widget) -> None:
        with self._lock:
            before, self._below.children = self._below.children, widgets
        for each in before:
            each.close()

    def close(self) -> None:
        """Stop following and remove all of it."""
        self._end()
        self._put_below()
        self._table.close()
        super().close()


class History(Board):
    """Everything ever run in a folder, page by page; `session.history()` makes it."""

    KIND = "history"

    def __init__(self, session: Session) -> None:
        self._wanted: dict[str, Any] = {"text": "", "starred": False, "before": ""}
        self.session = session
        super().__init__(session, self._page())

    def _label(self) -> str:
        return f"history, {self.session.label}"

    def _page(self) -> Sequence[Run]:
        found = self.session.runs(PAGE + 1, **self._wanted)
        self._has_more = len(found) > PAGE
        return found[:PAGE]

    def _act(self, content: dict[str, Any]) -> None:
        if "find" in content:
            text, starred = str(content["find"])[:500], bool(content["starred"])
            self._wanted = {"text": text, "starred": starred, "before": ""}
        elif content.get("page") == "older" and self._has_more:
            self._wanted["before"] = next(reversed(self._runs))
        elif content.get("page") == "newest":
            self._wanted["before"] = ""
        else:
            super()._act(content)
            return
        runs = {run.id: run for run in self._page()}
        with self._lock:
            self._runs = runs
        self._tell_all()


# --- what a cell shows ------------------------------------------------------------------------------------------


def show(runs: Sequence[Run]) -> Callable[[], None] | None:
    """Display several runs live, and their static table once all are over.

    Returns:
        What puts the table in the board's place if all are over; None where nothing was shown: outside of a notebook,
        with nothing to follow, or for runs of several sessions (a board is of one).
    """
    if not hasattr(get_ipython(), "kernel") or len({run.session for run in runs}) != 1 or _are_over(runs):
        return None

    def twin() -> dict[str, str]:
        return {"text/plain": "\n".join(map(repr, runs)), "text/html": table_html(runs)}

    session = runs[0].session
    return show_until_over(Board(session, runs), runs, lambda: _are_over(runs), session.observe, twin)


def _are_over(runs: Iterable[Run]) -> bool:
    return all(run.is_over for run in runs)


def table_html(runs: Sequence[Run], *, has_posters: bool = True) -> str:
    """Return the static table of several runs, with their sums."""
    if not runs:
        return "<div>no runs yet</div>"
    place = f"text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-top:1px solid {LINE}"
    cell = f'style="{place};white-space:nowrap"'
    prose = f'style="{place};overflow-wrap:break-word"'  # what may be long
    styles = (cell, prose, cell, prose, prose, cell, cell)
    lines = ""
    for run in runs[:TWIN_ROWS]:
        columns = zip(styles, _cells(run, has_poster=has_posters), strict=True)
        lines += "<tr>" + "".join(f"<td {style}>{text}</td>" for style, text in columns)
    heads = "".join(f"<th {cell}>{text}</th>" for text in ("", "state", "when", "what", "prompt", "size", "id"))
    table = f'<table style="border-collapse:collapse;font-size:13px"><tr>{heads}</tr>{lines}</table>'
    more = "" if len(runs) <= TWIN_ROWS else f"; the newest {TWIN_ROWS} are shown"
    free = " · simulated: free" if runs[0].session.is_simulated else ""
    said = escape(sums([run.state for run in runs]) + free + more)
    return f'{table}<div style="font-size:12px;color:{SOFT}">{said}</div>'


def _cells(run: Run, *, has_poster: bool) -> list[str]:
    state, video = run.state, run.video
    words = run.words
    poster = jpeg_address(video.poster, longest=POSTER_WIDTH) if video and has_poster else ""
    picture = f'<img alt="" src="{poster}" style="max-height:54px;max-width:96px;margin:0">' if poster else ""
    fault = f": {state.code}" if state.code and words.tone == "bad" else ""
    what = f"{state.model}, {state.tier}, {state.seconds} s" + (f", take {state.take}" if state.take > 1 else "")
    return [
        picture,
        f'<span style="color:{TONES[words.tone]}">{escape(words.word + fault)}</span>',
        clock_time(state.created_at),
        escape(what),
        escape(str(state.request.get("prompt") or "")[:120]),
        str(video.size) if video else "",
        f"<code>{escape(run.id)}</code>{' ★' if state.starred else ''}",
    ]


def sums(states: Sequence[RunState]) -> str:
    """Say how many runs there are, of how many seconds of video, and what they cost.

    Example:
        >>> sums([RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0)])
        '1 run · 0 s of video'
    """
    seconds = sum(state.seconds for state in states if state.file)
    money = " + ".join(str(each) for each in Spend.of(states).totals.values())
    words = [f"{len(states)} run{'' if len(states) == 1 else 's'}", f"{seconds} s of video"]
    return " · ".join([*words, f"about {money}"] if money else words)
