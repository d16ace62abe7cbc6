"""The form: choose a model, frames, prompt and parameters; see price, size and what is wrong; submit, follow, watch.

It paints `FormState` and writes to it, and does nothing else: no check, no price and no call is made here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as W  # noqa: N812
import traitlets

from wan_nb.catalog import TEMPLATES
from wan_nb.request import VideoRequest
from wan_nb.telling import phase_words
from wan_nb.widgets import preview as preview_view
from wan_nb.widgets.parts import STYLE, box, escape, fault_html, guarded, note_html, problem_html, put, script, show
from wan_nb.widgets.run import RunView
from wan_nb.widgets.slot import LABELS, MediaSlot, pictures_in
from wan_nb.widgets.state import SWITCHES, FormState, values_of
from wan_nb.widgets.wording import clock_time, model_line, run_line, submit_words

if TYPE_CHECKING:
    from wan_nb.run import Run
    from wan_nb.session import Session

FEW = 4
"""Up to this many durations are buttons, more are a slider."""
EARLIER = 30
"""Runs that the form can be filled from, the newest."""

_ROWS = ("model", "prompt", "resolution", "duration")
_MORE = ("negative_prompt", "seed", "prompt_extend", "shot_type", "audio", "watermark", "template")
"""Fields that stand in a fold."""
_LABELS = {
    "prompt_extend": "Rewrite the prompt",
    "shot_type": "Shots",
    "audio": "Sound",
    "template": "Effect template",
}
"""Where the field's own name would not do."""
_SWITCHED = {"": None, "on": True, "off": False}
"""What a switch's words mean; a Dropdown whose value is None shows nothing at all."""
_WORDS = {value: word for word, value in _SWITCHED.items()}
_CHOOSE = ("choose …", "")
_BESIDE_CELLS = "While a cell runs, what is shown here goes on; a click may have to wait until the cell ends."


class _Labels(anywidget.AnyWidget):
    """Gives the form's controls the names and states that ipywidgets does not tell a screen reader."""

    _esm = script("labels.js")


class CodeView(anywidget.AnyWidget):
    """The request as Python and as curl, in two folds; the text goes by message, and only while a fold is open.

    Args:
        base_url: Where the curl command sends to; the key stays ``$DASHSCOPE_API_KEY``.
        fault: Called with an exception.
    """

    _esm = script("code.js")
    _css = STYLE
    titles = traitlets.List(["as Python", "as curl"]).tag(sync=True)
    _request: VideoRequest

    def __init__(self, base_url: str, fault: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._base_url = base_url
        self._sent: dict[int, str] = {}  # what stands in the folds that are open
        self.on_msg(guarded(self._hear, fault))

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        number = int(content["number"])
        self._sent.pop(number, None)
        if content["open"]:
            self._sent[number] = ""
            self.show(self._request)

    def show(self, request: VideoRequest) -> None:
        """Show a request in the folds that are open."""
        self._request = request
        if not self._sent:
            return
        python = f"import wan_nb as wan\n\nrequest = {request.to_python()}\nrun = session.submit(request)\n"
        for number, text in enumerate((python, request.to_curl(self._base_url))):
            if self._sent.get(number, text) != text:
                self._sent[number] = text
                self.send({"number": number, "text": text})


class _Field(W.VBox):  # type: ignore[misc]
    """The controls of a field, what is good to know, and what is wrong, as one block that can be hidden."""

    def __init__(self, name: str, *controls: W.DOMWidget) -> None:
        for control in controls:
            control.description = _label(name)
            control.layout.width = "100%"
        self.hint, self.said = W.HTML(), W.HTML(_dom_classes=("wan-said",))
        names = ("wan-field", f"wan-of-{name.replace('_', '-')}")
        super().__init__(children=[*controls, self.hint, self.said], _dom_classes=names)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _switch(default: str) -> W.Dropdown:
    """Return a control for what the service does by default when it is not sent (S001, S003)."""
    return W.Dropdown(options=[(f"default ({default})", ""), ("on", "on"), ("off", "off")])


def _controls(state: FormState) -> dict[str, W.DOMWidget]:
    """Return what each trait of the state is chosen with, the media apart."""
    shots = [("default (single)", ""), ("single", "single"), ("multi", "multi")]
    return {
        "model": W.Dropdown(options=state.model_options, value=state.model),
        "prompt": W.Textarea(rows=4, placeholder="What should happen?"),
        "resolution": W.ToggleButtons(options=state.spec.tiers.union),
        "duration": W.SelectionSlider(options=_seconds(state)),
        "negative_prompt": W.Textarea(rows=2, placeholder="What should not be seen?"),
        "seed": W.Text(placeholder="any", continuous_update=False),
        "prompt_extend": _switch("on"),
        "shot_type": W.Dropdown(options=shots),
        "audio": _switch("on"),
        "watermark": _switch("off"),
        "template": W.Combobox(options=TEMPLATES, placeholder="none", ensure_option=False, continuous_update=False),
        "allow_wasteful": W.Checkbox(description="send it all the same", indent=False),
        "confirmed": W.Checkbox(description="spend it", indent=False),
        "new_sample": W.Checkbox(description="new sample", indent=False),
    }


def _seconds(state: FormState) -> tuple[tuple[str, int], ...]:
    return tuple((f"{each} s", each) for each in state.duration_options)


class Form(W.VBox):  # type: ignore[misc]
    """The form of a session; `session.form()` makes it.

    Args:
        session: Where requests go.
        start: A run or request to fill it from.
        pictures: A folder of pictures to choose frames from.
        defaults: Fields of a request to start with; they win over `start`.

    Raises:
        RequestError: If a default is not a field of the form, or not a value of it.
        ConfigError: If `pictures` is no folder, or has none.
    """

    def __init__(
        self,
        session: Session,
        start: Run | VideoRequest | None = None,
        *,
        pictures: str | os.PathLike[str] | None = None,
        **defaults: Any,
    ) -> None:
        self.session = session
        extra: list[str] = []
        if start is not None:
            request = start if isinstance(start, VideoRequest) else start.request
            defaults, extra = values_of(request) | defaults, sorted(request.extra)
        self.state = FormState(session.preview, session.place, session.later, **defaults)
        self.runs: list[RunView] = []
        """Views of what was submitted here, newest first."""
        self._painting = self._sending = self._is_wanted = False
        self._sent: dict[str, Any] = {}
        self._drawn: Any = None
        left_out = f"The form has no field for {', '.join(extra)}: left out, and not sent." if extra else ""
        self._fault_line = W.HTML(note_html(escape(left_out)))
        files = pictures_in(pictures) if pictures is not None else ()
        self.slots = {name: MediaSlot(name, self.state, session.later, self._fault, files) for name in LABELS}
        super().__init__(children=self._built(), _dom_classes=("wan", "wan-form"))
        self.state.observe(guarded(self._paint, self._fault), "revision")
        self._paint()
        self._callback(self._list_earlier)()  # at once, so that nothing moves when the form has been shown

    def __repr__(self) -> str:
        return f"Form({self.state.request!r})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Add the static twin, for where no kernel is: what the form stood at, and that it was a form."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        note = "A form stood here; run the cell to have it back. It was filled in like this:"
        twin = preview_view.html(self.session.preview(self.state.request), self.session.region)
        return bundle | {"text/html": f"<p><i>{note}</i></p>{twin}"}

    # --- building -----------------------------------------------------------------------------------------------

    def _built(self) -> list[W.Widget]:
        """Make what the form consists of, in the order in which it is read."""
        controls = self._controls = _controls(self.state)
        self._slider, self._buttons = controls["duration"], W.ToggleButtons(options=_seconds(self.state))
        for name, control in (*controls.items(), ("duration", self._buttons)):
            control.observe(self._callback(partial(self._chosen, name)), "value")
        rows = self._rows = {name: _Field(name, controls[name]) for name in (*_ROWS, *_MORE)}
        rows["duration"] = _Field("duration", self._buttons, self._slider)
        self._general, self._frame, self._line, self._existing = (W.HTML() for _ in range(4))
        self._below = box(W.VBox, [], "wan-below")
        self._code = CodeView(self.session.endpoint.base_url, self._fault)
        # an Accordion's head cannot be reached by keyboard; the style sheet folds
        self._more = W.ToggleButton(_dom_classes=("wan-fold",))
        self._submit = W.Button(button_style="primary", _dom_classes=("wan-submit",))
        self._submit.on_click(self._callback(self._pressed))
        self._back = W.Button(_dom_classes=("wan-undo",))
        self._back.on_click(self._callback(lambda _: self.state.take_back()))
        self._earlier = W.Dropdown(description="From an earlier run", options=[_CHOOSE], _dom_classes=("wan-earlier",))
        self._earlier.observe(self._callback(self._choose_earlier), "value")
        where = escape(f"{self.session.label} · saved in {Path(self.session.folder).name}/")
        title = W.HTML(f'<style>{STYLE}</style><div class="wan-head">Image to video</div>')
        ticks = [controls[name] for name in ("allow_wasteful", "confirmed", "new_sample")]
        right = [
            rows["prompt"],
            box(W.Box, [rows["resolution"], rows["duration"]], "wan-sizes"),
            self._frame,
            box(W.VBox, [self._more, box(W.VBox, [rows[name] for name in _MORE], "wan-morebox")], "wan-more"),
            self._code,
            W.HTML(note_html(escape(_BESIDE_CELLS))),
        ]
        left = box(W.VBox, list(self.slots.values()), "wan-left")
        send = box(W.HBox, [self._submit, *ticks, self._existing], "wan-send")
        return [
            box(W.Box, [title, self._back, W.HTML(note_html(where))], "wan-top"),
            box(W.Box, [rows["model"], self._earlier], "wan-choice"),
            box(W.Box, [left, box(W.VBox, right, "wan-right")], "wan-body"),
            box(W.VBox, [self._general, self._line, send], "wan-foot"),
            self._fault_line,
            self._below,
            _Labels(),
        ]

    def _callback(self, function: Callable[..., None]) -> Callable[..., None]:
        return guarded(function, self._fault)

    # --- what the user does -------------------------------------------------------------------------------------

    def _chosen(self, name: str, change: dict[str, Any]) -> None:
        with self.state.lock:
            if not self._painting:
                self._fault_line.value = ""
                self._sent[name] = _SWITCHED[change["new"]] if name in SWITCHES else change["new"]
                setattr(self.state, name, self._sent[name])

    def _pressed(self, _: object) -> None:
        """Send the request; where a path was typed and Submit clicked at once, as soon as it is read."""
        with self.state.lock:
            if not self._sending:
                self._fault_line.value = ""
                self._is_wanted = True
                self._paint()

    def _send_request(self) -> None:
        state = self.state
        self._is_wanted = False
        if not state.is_ready:
            return
        existing = state.preview.existing if state.preview else None
        take = existing.take + 1 if existing and state.new_sample else 1
        submit = partial(self.session.submit, state.request, allow=state.wasteful, confirm=state.confirmed)
        self._sending = True
        self._paint()
        self.session.later(self._callback(self._submit_now), submit, take, state.new_sample)

    def _submit_now(self, submit: Callable[..., Run], take: int, is_new: bool) -> None:
        """Submit on a worker thread and put the run on top."""
        try:
            run = submit(take=take)
            while is_new and run.existed:
                run = submit(take=run.state.take + 1)
            self._put_on_top(run)
        finally:
            with self.state.lock:
                self._sending = False
                self.state.new_sample = self.state.confirmed = False
                self.state.refresh()
            self._list_earlier()

    def _put_on_top(self, run: Run) -> None:
        with self.state.lock:
            known = next((view for view in self.runs if view.run.id == run.id), None)
            view = known or RunView(run)
            if known is None:  # once it is over, what is said beside Submit may differ
                run.observe(lambda now: self.session.later(self.state.refresh) if now.phase.is_terminal else None)
            self.runs = [view, *(each for each in self.runs if each is not view)]
            self._below.children = self.runs

    def _list_earlier(self) -> None:
        """Offer the newest runs to fill the form from."""
        states = self.session.ledger.states(EARLIER)
        lines = [(run_line(state), state.run_id) for state in states if state.request.get("model")]
        put(self._earlier, "", [_CHOOSE, *lines])
        show(self._earlier, bool(lines))

    def _choose_earlier(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.session.later(self._callback(self._fill_from), change["new"])

    def _fill_from(self, run_id: str) -> None:
        try:
            run = self.session.run(run_id)
            self.state.fill(run.request, f"filled from the run of {clock_time(run.state.created_at)}")
        finally:
            self._earlier.value = ""  # so that the same run can be chosen again

    def _fault(self, error: BaseException) -> None:
        self._fault_line.value = fault_html(error)

    # --- painting -----------------------------------------------------------------------------------------------

    def _paint(self, _: object = None) -> None:
        """Show the state: options first, then values; what this sets never comes back as a choice."""
        with self.state.lock:
            self._painting = True
            try:
                self._paint_controls()
                for name, slot in self.slots.items():
                    show(slot, name in self.state.shown)
                    slot.paint()
                self._paint_notes()
                self._paint_frame()
                self._paint_foot()
            finally:
                self._painting = False
            if self._is_wanted and self.state.is_settled:
                self._send_request()

    def _paint_controls(self) -> None:
        state, seconds = self.state, _seconds(self.state)
        options = {"model": state.model_options, "resolution": state.spec.tiers.union, "duration": seconds}
        for name, control in self._controls.items():
            value = getattr(state, name)
            if name in options:
                put(control, value, options[name])
            elif name not in self._sent or self._sent[name] != value:
                self._sent[name] = value  # only where it is another than was chosen: the user may be typing there
                control.value = _WORDS[value] if name in SWITCHES else value
        put(self._buttons, state.duration, seconds)
        show(self._buttons, len(seconds) <= FEW)
        show(self._slider, len(seconds) > FEW)

    def _paint_notes(self) -> None:
        """Say at each field what is good to know, and what is wrong."""
        state, spec = self.state, self.state.spec
        usual = state.preview.usual if state.preview else None
        for name, row in self._rows.items():
            show(row, name in state.shown)
            row.said.value = note_html("".join(problem_html(each) for each in state.problems_of(name)))
        self._rows["model"].hint.value = note_html(escape(model_line(spec, self.session.region, usual)))
        for name, limit in (("prompt", spec.prompt_chars), ("negative_prompt", spec.negative_chars)):
            count = len(getattr(state, name).strip())
            words = f'<span class="wan-count{" over" if count > limit else ""}">{count} of {limit} characters</span>'
            self._rows[name].hint.value = note_html(words)
        wrong = sum(len(state.problems_of(name)) for name in _MORE)
        names = [_label(name).lower() for name in _MORE if name in state.shown]
        more = f" — {wrong} to look at" if wrong else ""
        self._more.description = f"More: {', '.join(names[:3])} …{more}"

    def _paint_frame(self) -> None:
        request = self.state.request
        drawn = request.media, request.predicted_size()
        if drawn != self._drawn:
            self._drawn = drawn
            self._frame.value = preview_view.frame_html(request)

    def _paint_foot(self) -> None:
        state, preview = self.state, self.state.preview
        homeless = [each for each in state.problems if each.field not in state.shown]
        self._general.value = "".join(problem_html(each) for each in homeless)
        line = preview_view.line(preview, self.session.region) if preview else "&nbsp;"
        self._line.value = f"<div>{line}</div>"
        self._submit.description = "Sending…" if self._sending else submit_words(preview)
        self._submit.disabled = self._sending or bool(state.obstacles)
        show(self._controls["allow_wasteful"], bool(state.wasteful))
        show(self._controls["confirmed"], state.needs_word)
        show(self._controls["new_sample"], preview is not None and preview.existing is not None)
        self._existing.value = f'<span class="wan-note" role="status">{escape(self._beside_submit())}</span>'
        self._back.description = f"Undo: {state.changes[-1].said}" if state.changes else "Undo"
        self._back.layout.visibility = None if state.changes else "hidden"
        self._code.show(state.request)

    def _beside_submit(self) -> str:
        """Say why Submit is off, or that it gives a run that exists."""
        state = self.state
        if held := state.obstacles:
            return f"Off: {held[0]}" + (f" (and {len(held) - 1} more)" if len(held) > 1 else "")
        existing = state.preview.existing if state.preview else None
        if existing is None:
            return ""
        words = phase_words(existing)
        done, retry = (words.word, "; tick new sample to try again") if words.tone == "bad" else ("submitted", "")
        way = "Submit makes another, which counts anew" if state.new_sample else f"Submit shows that run{retry}"
        return f"{done} at {clock_time(existing.created_at)}: {way}"
