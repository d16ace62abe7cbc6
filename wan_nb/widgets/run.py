"""How one run goes: a live row with the place where its video will be, and the static twin that stays when it is over.

The kernel sends a row when the journal says something new, never a tick: the browser counts the age by itself.
"""

from __future__ import annotations

import re
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
from wan_nb.errors import WanError
from wan_nb.geometry import Size
from wan_nb.pricing import Money
from wan_nb.record import RunPhase, RunState
from wan_nb.repair import Repair, repairs
from wan_nb.task import TaskStatus
from wan_nb.widgets import video as video_view
from wan_nb.widgets import wording
from wan_nb.widgets.diff import prompt_diff_html
from wan_nb.widgets.parts import INK, LINE, SOFT, STYLE, TONES, escape, guarded, jpeg_address, script, table_rows

if TYPE_CHECKING:
    from wan_nb.request import VideoRequest
    from wan_nb.run import Run
    from wan_nb.tasks import Candidate


def row(run: Run) -> dict[str, Any]:
    """Return everything a row says of a run, as plain values."""
    state, session, usual, video = run.state, run.session, run.usual, run.video
    words = run.words
    ended = state.phase.is_terminal or state.phase is RunPhase.SUCCEEDED
    bad = words.tone == "bad"
    advice = explain(state.code, state.message).what_to_do if bad and state.code else words.advice
    code = "" if state.message.startswith(f"{state.code}:") else state.code  # some messages begin with it
    fault = ": ".join(text for text in (code, state.message) if text) if bad else ""
    task = f"task {state.task_id[:8]}" if state.task_id else f"run {state.run_id}"
    usually = (wording.usual_words(usual), wording.pace_words(session))
    rows = video_view.facts(video) if video else []
    if video and not bad and state.predicted and video.size != state.predicted:
        rows.insert(1, ("predicted", f"{state.predicted}: another size came out"))
    prompt = str(state.request.get("prompt") or "")[:2000]
    return {
        "phase": state.phase.value,
        "word": words.word,
        "tone": words.tone,
        "since": state.submitted_at,
        "took_s": run.elapsed_s if ended else None,
        "bytes": wording.arrived_words(run),
        "speed": session.clock.speed,
        "median_s": usual.median_s,
        "p90_s": usual.p90_s,
        "usual": " · ".join(text for text in usually if text),
        "source": cite(usual.source),
        "life": wording.life_words(state, is_simulated=session.is_simulated),
        "until": state.deadline,
        "what": f"{state.model} · {state.tier} · {state.seconds} s · {wording.clock_time(state.created_at)} · {task}",
        "prompt": "" if state.actual_prompt else prompt,
        "diff": prompt_diff_html(prompt, state.actual_prompt[:2000]) if state.actual_prompt else "",
        "facts": [[name, text[:2000]] for name, text in rows],
        "fault": fault[:2000],
        "advice": advice or (run.notice if ended else ""),
    }


def press(do: str, text: str, note: str = "", what: str = "") -> dict[str, str]:
    """Return a button of a row: what it does (and to which task), its words, and what pressing it means."""
    return {"do": do, "text": text, "note": note, "what": what}


def presses(run: Run, money: Money | None, repair: Repair | None = None, takes: int = 1) -> list[dict[str, str]]:
    """Return what can be pressed at a run as it stands. A run whose answer was lost is never made again from here.

    Args:
        run: The run.
        money: What making it again costs by list price.
        repair: What would mend its picture, where something would.
        takes: How many takes of its request there are.
    """
    state, session = run.state, run.session
    phase, price = state.phase, wording.money_words(money, is_simulated=session.is_simulated)
    if session.is_sent_by_nobody(state) or (phase is RunPhase.PLANNED and state.unwatched):
        return [press("send", f"Send — {price}", "It was written down and never sent.")]
    if state.is_live and state.unwatched:
        return [press("resume", "Go on", "Asks about it again and fetches its video; sends nothing, costs nothing.")]
    if phase is RunPhase.PLANNED or (state.task_status is TaskStatus.PENDING and phase is RunPhase.SUBMITTED):
        can = phase is RunPhase.PLANNED or session.endpoint.can_cancel
        return [press("cancel", "Cancel", "Call it back; nothing is billed.")] if can else []
    if phase is RunPhase.AMBIGUOUS:
        return [press("look", "Look for it", "Asks the service which of its tasks it may be; sends nothing.")]
    if not phase.is_terminal or phase is RunPhase.SAVED:
        return []
    edit = press("edit", "Edit in the form", "Opens below, filled with what was asked here.")
    if _passes_by_itself(state):
        known = f" Take {takes} is there already: session.runs() shows it." if takes > state.take else ""
        return [press("again", f"Again — {price}", f"The same request as take {takes + 1}, linked to this run.{known}")]
    if repair is None:
        return [edit]
    mended = f"The picture is mended, all else stays: a new take, linked to this run. {repair.label}."
    return [press("mend", f"Mend and resubmit — {price}", mended), edit]


_OF_MEDIA = r"InvalidParameter|invalid_parameter|InvalidImage|InvalidFile|BadRequest|HTTP 413"
"""Codes that a picture can be behind (FACTS §6)."""


def _passes_by_itself(state: RunState) -> bool:
    """Whether the very same request may do better: nothing was wrong with it."""
    is_asked = state.phase in (RunPhase.FAILED, RunPhase.REJECTED) and bool(state.code)
    return not is_asked or explain(state.code, state.message).again in ("yes", "later")


def settlements(candidates: Sequence[Candidate]) -> list[dict[str, str]]:
    """Return the buttons that end an ambiguity: each task it may be, and none of them."""
    buttons = []
    for each in candidates[:8]:
        known = str(each).removeprefix(f"{each.task_id}: ")
        note = f"{known}. Follows it and fetches its video; sends nothing."
        buttons.append(press("adopt", f"It is {each.task_id[:8]}", note, each.task_id))
    none = "It is none of these" if buttons else "The service has no such task"
    note = "Ends the doubt on your word: nothing of it runs or is billed. Only then can it be made again."
    return [*buttons, press("disown", none, note)]


class StatusView(anywidget.AnyWidget):
    """Phase, age and facts of one run; `RunView` has it beside the video."""

    _esm = script("status.js")
    _css = STYLE
    row = traitlets.Dict().tag(sync=True)


class RunView(W.HBox):  # type: ignore[misc]
    """A live run: its video's place from the first moment on, and beside it how it goes and what can be pressed.

    Args:
        run: The run to follow.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.is_seen = False
        """Whether a browser shows it: where none does, nobody can press anything."""
        self._poster = ""
        self._over: dict[str, Any] = {}
        """What is laid over the row of the journal: a fault, what came of a press, other buttons."""
        self._money = run.state.estimate
        self._repair: Repair | None = None
        self._takes = run.state.take
        self._lock = threading.RLock()
        self._status = StatusView(row=self._row())
        self._player = video_view.Player(
            [self._clip()], lambda _: run.video.path.read_bytes() if run.video else b"", run.session.later
        )
        self._under: list[W.DOMWidget] = []
        super().__init__(children=[self._player, self._status], _dom_classes=("wan", "wan-run"))
        self._status.on_msg(guarded(self._hear, self.fault))
        self._end = run.observe(lambda _: run.session.later(guarded(self._refresh, self.fault)))
        run.session.later(guarded(self._find_poster, self.fault))

    def __repr__(self) -> str:
        return repr(self.run)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Add the static twin, for where no kernel is."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": html(self.run)}

    def _row(self) -> dict[str, Any]:
        offered = presses(self.run, self._money, self._repair, self._takes)
        return row(self.run) | {"presses": offered} | self._over

    def _clip(self) -> dict[str, Any]:
        state, video = self.run.state, self.run.video
        words = self.run.words
        if video:
            text = ""
        elif words.tone == "bad":
            text = words.word
        elif self._poster:
            text = "first frame · predicted size"
        else:
            text = "" if state.predicted else "its size is not known before it is made"
        size = video.size if video else state.predicted or Size(16, 9)
        return video_view.clip(size, poster=self._poster, word=text, video=video)

    def _find_poster(self) -> None:
        """Show the first frame in the video's place: no jump when the video comes."""
        video, medium = self.run.video, self.run.request.first_frame
        if video is not None:
            self._poster = jpeg_address(video.poster)
        elif medium is not None and not medium.url:
            self._poster = jpeg_address(medium.thumbnail)
        self._refresh()

    def _refresh(self) -> None:
        """Paint what the journal says now; runs on worker threads, one at a time."""
        with self._lock:
            was_ready = self._player.clips[0]["ready"]
            if self._repair is None and re.match(_OF_MEDIA, self.run.state.code):
                self._repair = self._find_repair()
            self._takes = self._count_takes()
            self._status.row = self._row()
            self._player.clips = [self._clip()]
            if self._player.clips[0]["ready"] and not was_ready:
                self._player.deliver(0)

    def _find_repair(self) -> Repair | None:
        """Look for what would mend the pictures; the first that is offered mends all that is wrong with one."""
        try:
            return next(iter(repairs(self.run.request, self.run.session.place)), None)
        except WanError:
            return None  # the picture is gone: nothing can be mended

    # --- what the user presses ----------------------------------------------------------------------------------

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("hello"):
            self.is_seen = True
            self._status.send({"now": time.time()})
            return
        do, what = str(content.get("press")), str(content.get("what") or "")
        with self._lock:  # each button works once: two clicks must not pay twice
            if not any((each["do"], each["what"]) == (do, what) for each in self._status.row["presses"]):
                return
            self._over = {"presses": []}
            self._status.row = self._row()
        self.run.session.later(guarded(self._press, self.fault), do, what)

    def _press(self, do: str, what: str) -> None:
        """Do what a button says, on a worker thread; the dict that it may return is laid over the row."""
        run, session = self.run, self.run.session
        acts: dict[str, Callable[[], Any]] = {
            "again": self._make_again,
            "mend": lambda: self._make_again(self._repair),
            "send": self._send_planned,
            "edit": lambda: self._add(session.form(run)),
            "look": lambda: {"presses": settlements(run.candidates())},
            "adopt": lambda: run.adopt(what),
            "disown": run.disown,
            "cancel": run.cancel,
            "resume": session.resume,
        }
        over = None
        try:
            over = acts[do]()
        finally:
            with self._lock:
                self._over = over if isinstance(over, dict) else {}
            self._refresh()

    def _send_planned(self) -> dict[str, Any]:
        if not (over := self._differs(self.run.request)):
            self.run.session.submit(self.run.request, take=self.run.state.take, allow="all", confirm=True)
        return over

    def _make_again(self, repair: Repair | None = None) -> dict[str, Any]:
        """Make the request again, mended or as it was, unless take or price are not what the button says."""
        run, session, request, changes = self.run, self.run.session, self.run.request, {}
        if repair is not None:
            request = repair.apply(run.request)
            changes = {repair.field: request.media[repair.field]}
            if made := session.ledger.find(request.fingerprint, session.endpoint.identity):
                return self._below("Made below already", session.run(made.run_id))
        if over := self._differs(request):
            return over
        return self._below("Made again below", run.again(allow="price" if changes else "all", confirm=True, **changes))

    def _below(self, said: str, run: Run) -> dict[str, Any]:
        return self._add(RunView(run)) | {"advice": f"{said}, as run {run.id}."}

    def _count_takes(self) -> int:
        return self.run.session.ledger.takes(self.run.state.fingerprint, self.run.state.endpoint)

    def _differs(self, request: VideoRequest) -> dict[str, Any]:
        """Return what to say where take or price are not those that the button named: the next one names them."""
        session, takes, money = self.run.session, self._takes, self._money
        self._takes = self._count_takes()
        self._money = None if session.is_simulated else session.preview(request).estimate.money
        if self._takes != takes:
            said = f"Take {self._takes} was made meanwhile; the button says which would be the next."
        elif self._money != money:
            said = "The list price has changed since; the button says it as it is now."
        else:
            return {}
        return {"fault": said}

    def _add(self, widget: W.DOMWidget) -> dict[str, Any]:
        """Put something under the row; nothing is to be pressed there any more."""
        widget.layout.flex = "1 0 100%"
        with self._lock:
            self._under.append(widget)
            self.children = [self._player, self._status, *self._under]
        return {"presses": []}

    def fault(self, error: BaseException) -> None:
        """Show an exception in the row, until the user does something else."""
        with self._lock:
            self._over = {"fault": f"{type(error).__name__}: {error}"[:2000]}
            if self.run.state.phase is RunPhase.AMBIGUOUS and isinstance(error, WanError):
                self._over["presses"] = settlements(())  # no list to look in: the user may know
            self._status.row = self._row()

    def close(self) -> None:
        """Stop following and remove all of it."""
        self._end()
        for each in (self._player, self._status, *self._under):
            each.close()
        super().close()


def show(run: Run) -> None:
    """Display a run: live while it goes on, and its static twin once it is over. Nothing outside of a notebook."""
    shell = get_ipython()
    if shell is None:
        return

    def twin() -> dict[str, str]:
        return {"text/plain": repr(run), "text/html": html(run)}

    if not hasattr(shell, "kernel") or run.state.phase.is_terminal:
        screen.display(twin(), raw=True)  # type: ignore[no-untyped-call]
    else:
        show_until_over(RunView(run), [run], lambda: run.state.phase.is_terminal, run.observe, twin)


def show_until_over(
    view: Any,
    runs: Sequence[Run],
    is_over: Callable[[], bool],
    observe: Callable[[Callable[[Any], object]], Callable[[], None]],
    twin: Callable[[], dict[str, str]],
) -> Callable[[], None]:
    """Display a live view, and put its static twin in its place once it is over; returns what does that, if it is."""
    handle = screen.display(view, display_id=True)  # type: ignore[no-untyped-call]
    lock = threading.Lock()
    ends: list[Callable[[], None]] = []

    def replace() -> None:
        with lock:
            if not ends or not is_over() or (view.is_seen and any(run.words.tone == "bad" for run in runs)):
                return  # where somebody looks on, what failed stays at hand, with what can be pressed
            ends.pop()()
            # inside the lock, so that whoever calls finds it done, though another thread is about to
            handle.update(twin(), raw=True)
            # the view stays: a tab that was closed meanwhile missed the twin, and looks for the view when it opens

    with lock:
        ends.append(observe(lambda _: runs[0].session.later(guarded(replace, view.fault))))
    replace()  # it may have ended meanwhile
    return replace


def html(run: Run) -> str:
    """Return the static twin of a run as it stands now."""
    r, state, video = row(run), run.state, run.video
    age = f" · {wording.span(run.elapsed_s)}" if state.submitted_at is not None else ""
    parts = [
        f'<div style="font-size:15px"><b style="color:{TONES[r["tone"]]}">● {escape(r["word"])}</b>'
        f'<span style="color:{SOFT}">{escape(age)}</span></div>',
        f'<div style="font-size:12px;color:{SOFT}">{escape(r["usual"])}<br>{escape(r["what"])}</div>',
        f'<div style="margin-top:2px">{r["diff"] or escape(r["prompt"])}</div>',
        f'<table style="margin:6px 0 0;border-collapse:collapse;font-size:13px">{table_rows(r["facts"])}</table>',
    ]
    if r["fault"]:
        parts.append(f'<div style="color:{TONES["bad"]}">{escape(r["fault"])}</div>')
    if r["advice"]:
        parts.append(f"<div>{escape(r['advice'])}</div>")
    shown = video_view.boxed(video) if video else ""
    frame = f"border-top:1px solid {LINE};padding:12px 0;color:{INK};font-size:13px;line-height:1.4"
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:8px 18px;align-items:flex-start;{frame}">{shown}'
        f'<div style="flex:1 1 250px;min-width:0;overflow-wrap:anywhere">{"".join(parts)}</div></div>'
    )
