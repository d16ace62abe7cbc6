"""How one run goes: a live row with the place where its video will be, and the static twin that stays when it is over.

The kernel sends a row when the journal says something new, never a tick: the browser counts the age by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as W  # noqa: N812
import traitlets
from IPython import display as screen
from IPython.core.getipython import get_ipython

from wan_nb.advice import explain
from wan_nb.catalog import cite
from wan_nb.geometry import Size
from wan_nb.record import RunPhase, RunState
from wan_nb.task import TaskStatus
from wan_nb.widgets import video as video_view
from wan_nb.widgets.parts import HERE, INK, LINE, SOFT, STYLE, TONES, escape, guarded, jpeg_address, table_rows
from wan_nb.widgets.wording import clock_time, pace_words, phase_words, span, usual_words

if TYPE_CHECKING:
    from wan_nb.run import Run

PLACE = Size(16, 9)
"""Shape of the box while nobody knows the video's."""


def row(run: Run) -> dict[str, Any]:
    """Return everything a row says of a run, as plain values."""
    state, session, usual = run.state, run.session, run.usual
    words = phase_words(state)
    video = run.video
    ended = state.phase.is_terminal or state.phase is RunPhase.SUCCEEDED
    bad = words.tone == "bad"
    advice = explain(state.code, state.message).what_to_do if bad and state.code else words.advice
    fault = ": ".join(text for text in (state.code, state.message) if text) if bad else ""
    task = f"task {state.task_id[:8]}" if state.task_id else f"run {state.run_id}"
    pace = pace_words(session)
    rows = video_view.facts(video) if video else []
    if ended and not bad and state.predicted and video and video.size != state.predicted:
        rows.insert(1, ("predicted", f"{state.predicted}: another size came out"))
    return {
        "phase": state.phase.value,
        "word": words.word,
        "tone": words.tone,
        "since": state.submitted_at,
        "took_s": run.elapsed_s if ended and state.submitted_at is not None else None if not ended else 0.0,
        "speed": session.clock.speed,
        "median_s": usual.median_s,
        "p90_s": usual.p90_s,
        "usual": " · ".join(text for text in (usual_words(usual.median_s, usual.p90_s), pace) if text),
        "source": cite(usual.source),
        "what": f"{state.model} · {state.tier} · {state.seconds} s · {clock_time(state.created_at)} · {task}",
        "prompt": str(state.request.get("prompt") or "")[:2000],
        "facts": [[name, text[:2000]] for name, text in rows],
        "fault": fault[:2000],
        "advice": advice or (run.notice if ended else ""),
        "can_cancel": state.phase is RunPhase.SUBMITTED and state.task_status is TaskStatus.PENDING,
    }


class StatusView(anywidget.AnyWidget):
    """Phase, age and facts of one run; `RunView` has it beside the video."""

    _esm = (HERE / "status.js").read_text(encoding="utf-8")
    _css = STYLE
    row = traitlets.Dict().tag(sync=True)


class RunView(W.HBox):  # type: ignore[misc]
    """A live run: its video's place from the first moment on, and beside it how it goes.

    Args:
        run: The run to follow.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        later = run.session.later
        state = run.state
        self._poster = ""
        self._trouble: dict[str, str] = {}
        self._lock = threading.Lock()
        self._status = StatusView(row=row(run))
        self._player = video_view.Player([self._clip(state)], lambda _: self._bytes(), later)
        super().__init__(children=[self._player, self._status])
        self.add_class("wan")
        self.add_class("wan-run")
        self._status.on_msg(guarded(self._hear, self.fault))
        self._end = run.observe(lambda _: later(guarded(self._refresh, self.fault)))
        later(guarded(self._find_poster, self.fault))

    def __repr__(self) -> str:
        return repr(self.run)

    def _clip(self, state: RunState) -> dict[str, Any]:
        video = self.run.video
        size = video.size if video else state.predicted or PLACE
        words = phase_words(state)
        text = "first frame · predicted size" if self._poster else "its size is not known before it is made"
        text = (
            "" if video else words.word if words.tone == "bad" else text if self._poster or not state.predicted else ""
        )
        return video_view.clip(size, poster=self._poster, word=text, video=video)

    def _find_poster(self) -> None:
        """Show the first frame in the video's place: no jump when the video comes."""
        video = self.run.video
        if video is not None:
            self._poster = jpeg_address(video.poster)
        else:
            medium = self.run.request.first_frame
            if medium is not None and medium.origin not in ("url", "oss"):
                self._poster = jpeg_address(medium.thumbnail)
        self._refresh()

    def _bytes(self) -> bytes:
        video = self.run.video
        return video.path.read_bytes() if video else b""

    def _refresh(self) -> None:
        """Paint what the journal says now; runs on worker threads, one at a time."""
        with self._lock:
            was_ready = self._player.clips[0]["ready"]
            self._status.row = row(self.run) | self._trouble
            self._player.clips = [self._clip(self.run.state)]
            if self._player.clips[0]["ready"] and not was_ready:
                self._player.deliver(0)

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("hello"):
            self._status.send({"now": time.time()})
        elif content.get("cancel"):
            self._trouble = {}
            self.run.session.later(guarded(self.run.cancel, self.fault))

    def fault(self, error: BaseException) -> None:
        """Show an exception in the row, until the user does something else."""
        with self._lock:
            self._trouble = {"fault": f"{type(error).__name__}: {error}"[:2000]}
            self._status.row = self._status.row | self._trouble

    def close(self) -> None:
        """Stop following and remove all of it."""
        self._end()
        for each in (self._player, self._status):
            each.close()
        super().close()


def show(run: Run) -> None:
    """Display a run: live while it goes on, and its static twin once it is over. Nothing outside of a notebook."""
    shell = get_ipython()
    if shell is None:
        return
    if not hasattr(shell, "kernel") or run.state.phase.is_terminal:
        screen.display({"text/plain": repr(run), "text/html": html(run)}, raw=True)  # type: ignore[no-untyped-call]
        return
    view = RunView(run)
    handle = screen.display(view, display_id=True)  # type: ignore[no-untyped-call]
    lock = threading.Lock()
    ends: list[Callable[[], None]] = []

    def replace() -> None:
        with lock:
            if not ends or not run.state.phase.is_terminal:
                return
            ends.pop()()
        handle.update({"text/plain": repr(run), "text/html": html(run)}, raw=True)
        view.close()

    with lock:
        ends.append(run.observe(lambda _: run.session.later(guarded(replace, view.fault))))
    replace()  # it may have ended meanwhile


def html(run: Run) -> str:
    """Return the static twin of a run as it stands now."""
    r, state, video = row(run), run.state, run.video
    age = f" · {span(run.elapsed_s)}" if state.submitted_at is not None else ""
    parts = [
        f'<div style="font-size:15px"><b style="color:{TONES[r["tone"]]}">● {escape(r["word"])}</b>'
        f'<span style="color:{SOFT}">{escape(age)}</span></div>',
        f'<div style="font-size:12px;color:{SOFT}">{escape(r["usual"])}<br>{escape(r["what"])}</div>',
        f'<div style="margin-top:2px">{escape(r["prompt"])}</div>',
        f'<table style="margin:6px 0 0;border-collapse:collapse;font-size:13px">{table_rows(r["facts"])}</table>',
    ]
    if r["fault"]:
        parts.append(f'<div style="color:{TONES["bad"]}">{escape(r["fault"])}</div>')
    if r["advice"]:
        parts.append(f"<div>{escape(r['advice'])}</div>")
    shown = ""
    if video:
        box = f"flex:0 0 {video_view.BOX_WIDTH}px;max-width:100%;min-height:{video_view.BOX_HEIGHT + 34}px"
        shown = f'<div style="{box}">{video_view.tag(video, width=video_view.box_width(video.size))}</div>'
    frame = f"border-top:1px solid {LINE};padding:12px 0;color:{INK};font-size:13px;line-height:1.4"
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:8px 18px;align-items:flex-start;{frame}">{shown}'
        f'<div style="flex:1 1 250px;min-width:0;overflow-wrap:anywhere">{"".join(parts)}</div></div>'
    )


def table_html(runs: Sequence[Run]) -> str:
    """Return the static table of several runs."""
    if not runs:
        return "<div>no runs yet</div>"
    place = f"text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-top:1px solid {LINE}"
    cell = f'style="{place};white-space:nowrap"'
    prose = f'style="{place};overflow-wrap:break-word"'  # the one column that may be long
    lines = []
    for run in runs:
        state, video = run.state, run.video
        words = phase_words(state)
        poster = jpeg_address(video.poster, longest=96) if video else ""
        picture = f'<img alt="" src="{poster}" style="max-height:54px;max-width:96px;margin:0">' if poster else ""
        fault = f": {state.code}" if state.code and words.tone == "bad" else ""
        what = f"{state.model}, {state.tier}, {state.seconds} s" + (f", take {state.take}" if state.take > 1 else "")
        texts = (clock_time(state.created_at), what, str(state.request.get("prompt") or "")[:120])
        columns = [picture, f'<span style="color:{TONES[words.tone]}">{escape(words.word + fault)}</span>']
        columns += [escape(text) for text in texts]
        columns += [escape(f"{video.size}" if video else ""), f"<code>{escape(run.id)}</code>"]
        columns[-1] += " ★" if state.starred else ""
        styles = [prose if number == 4 else cell for number in range(len(columns))]
        lines.append("<tr>" + "".join(f"<td {style}>{text}</td>" for style, text in zip(styles, columns, strict=True)))
    heads = "".join(f"<th {cell}>{text}</th>" for text in ("", "state", "when", "what", "prompt", "size", "id"))
    return f'<table style="border-collapse:collapse;font-size:13px"><tr>{heads}</tr>{"".join(lines)}</table>'
