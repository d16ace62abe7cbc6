"""The form: choose a model, frames, prompt and parameters; see price, size and what is wrong; submit, follow, watch.

It paints `FormState` and writes to it, and does nothing else: no check, no price and no call is made here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as W  # noqa: N812

from wan_nb.catalog import TEMPLATES
from wan_nb.request import MEDIA_FIELDS, VideoRequest
from wan_nb.widgets import preview as preview_view
from wan_nb.widgets.code import CodeView
from wan_nb.widgets.earlier import Earlier
from wan_nb.widgets.gallery import pictures_in
from wan_nb.widgets.parts import HERE, STYLE, box, escape, fault_html, guarded, problem_html, put, show
from wan_nb.widgets.run import RunView
from wan_nb.widgets.slot import LABELS, MediaSlot
from wan_nb.widgets.state import SWITCHES, FormState, values_of
from wan_nb.widgets.wording import clock_time, model_line, phase_words, submit_words

if TYPE_CHECKING:
    from wan_nb.run import Run
    from wan_nb.session import Session

FEW = 4
"""Up to this many durations are buttons, more are a slider."""

_LABELS = LABELS | {
    "model": "Model",
    "prompt": "Prompt",
    "resolution": "Resolution",
    "duration": "Duration",
    "negative_prompt": "Negative prompt",
    "seed": "Seed",
    "prompt_extend": "Rewrite the prompt",
    "shot_type": "Shots",
    "audio": "Sound",
    "watermark": "Watermark",
    "template": "Effect template",
}
_WITHOUT = {"prompt_extend": "on", "audio": "on", "watermark": "off"}
"""What the service does when a switch is not sent (S001, S003)."""
_SWITCH_WORDS = (("on", "on"), ("off", "off"))
_SWITCHED = {"": None, "on": True, "off": False}
"""What a switch's words mean; a Dropdown whose value is None shows nothing at all."""
_MORE = ("negative_prompt", "seed", "prompt_extend", "shot_type", "audio", "watermark", "template")
_BESIDE_CELLS = "While a cell runs, what is shown here goes on; a click may have to wait until the cell ends."


class _Labels(anywidget.AnyWidget):
    """Gives the form's controls the names and states that ipywidgets does not tell a screen reader."""

    _esm = (HERE / "labels.js").read_text(encoding="utf-8")


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
        left_out: list[str] = []
        if start is not None:
            request = start if isinstance(start, VideoRequest) else start.request
            defaults, left_out = values_of(request) | defaults, sorted(request.extra)
        self.state = FormState(session.preview, session.place, session.later, **defaults)
        self.runs: list[RunView] = []
        """Views of what was submitted here, newest first."""
        self._painting = self._sending = self._send_when_settled = False
        self._sent: dict[str, Any] = {}
        self._drawn: Any = None
        self._notes: dict[str, W.HTML] = {}
        self._hints: dict[str, W.HTML] = {}
        self._controls: dict[str, W.DOMWidget] = {}
        self._rows: dict[str, W.Box] = {}
        said = f"The form has no field for {', '.join(left_out)}: left out, and not sent." if left_out else ""
        self._fault_line = W.HTML(f'<div class="wan-note">{escape(said)}</div>' if said else "")
        files = pictures_in(pictures) if pictures is not None else ()
        self.slots = {
            name: MediaSlot(
                name, self.state, session.later, self._fault, files if MEDIA_FIELDS[name] == "image" else ()
            )
            for name in LABELS
        }
        self._below = box(W.VBox, [], "wan-below")
        self._earlier = Earlier(session, self.state.fill, self._fault)
        self._back = W.Button(description="Undo")
        self._back.add_class("wan-undo")
        self._back.on_click(self._callback(lambda _: self.state.take_back()))
        left = box(W.VBox, list(self.slots.values()), "wan-left")
        right = box(W.VBox, self._main_fields(), "wan-right")
        body = box(W.Box, [left, right], "wan-body")
        children = [
            self._head(),
            box(W.Box, [self._model_row(), self._earlier], "wan-choice"),
            body,
            self._foot(),
            self._fault_line,
            self._below,
            _Labels(),
        ]
        super().__init__(children=children)
        self.add_class("wan")
        self.add_class("wan-form")
        self.state.observe(guarded(self._paint, self._fault), "revision")
        self._paint()

    def __repr__(self) -> str:
        return f"Form({self.state.request!r})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Add the static twin, for where no kernel is: what the form stood at, and that it was a form."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        note = "A form stood here; run the cell to have it back. It was filled in like this:"
        request = self.state.request
        twin = preview_view.html(self.session.preview(request), self.session.region) if request else ""
        return bundle | {"text/html": f"<p><i>{note}</i></p>{twin}"}

    # --- building -----------------------------------------------------------------------------------------------

    def _head(self) -> W.Box:
        where = f"{self.session.label} · saved in {Path(self.session.folder).name}/"
        title = W.HTML(f'<style>{STYLE}</style><div class="wan-head">Image to video</div>')
        return box(W.Box, [title, self._back, W.HTML(f'<div class="wan-note">{escape(where)}</div>')], "wan-top")

    def _row(self, name: str, *controls: W.DOMWidget) -> W.Box:
        """Controls, what is good to know, and what is wrong, as one block that can be hidden."""
        for control in controls:
            control.description = _LABELS[name]
        self._hints[name], self._notes[name] = W.HTML(), W.HTML()
        self._notes[name].add_class("wan-said")
        made = box(W.VBox, [*controls, self._hints[name], self._notes[name]], "wan-field")
        made.add_class(f"wan-of-{name.replace('_', '-')}")
        self._rows[name] = made
        return made

    def _bind(self, name: str, control: W.DOMWidget) -> W.DOMWidget:
        control.layout.width = "100%"
        control.observe(self._callback(lambda change: self._chosen(name, change["new"])), "value")
        self._controls[name] = control
        return control

    def _model_row(self) -> W.Box:
        return self._row(
            "model", self._bind("model", W.Dropdown(options=self.state.model_options, value=self.state.model))
        )

    def _main_fields(self) -> list[W.Widget]:
        tiers, seconds = self.state.spec.tiers.union, self.state.duration_options
        self._buttons = self._bind("duration", W.ToggleButtons(options=[(f"{each} s", each) for each in seconds]))
        self._slider = self._bind("duration", W.SelectionSlider(options=[(f"{each} s", each) for each in seconds]))
        self._more = W.ToggleButton()  # an Accordion's head cannot be reached by keyboard; the style sheet folds
        self._more.add_class("wan-fold")
        inside = box(W.VBox, [self._more_row(name) for name in _MORE], "wan-morebox")
        more = box(W.VBox, [self._more, inside], "wan-more")
        self._frame = W.HTML()
        self._code = CodeView(self.session.endpoint.base_url, self._fault)
        return [
            self._row("prompt", self._bind("prompt", W.Textarea(rows=4, placeholder="What should happen?"))),
            box(
                W.Box,
                [
                    self._row("resolution", self._bind("resolution", W.ToggleButtons(options=tiers))),
                    self._row("duration", self._buttons, self._slider),
                ],
                "wan-sizes",
            ),
            self._frame,
            more,
            self._code,
            W.HTML(f'<div class="wan-note">{escape(_BESIDE_CELLS)}</div>'),
        ]

    def _more_row(self, name: str) -> W.Box:
        if name in _WITHOUT:
            control: W.DOMWidget = W.Dropdown(options=[(f"default ({_WITHOUT[name]})", ""), *_SWITCH_WORDS])
        elif name == "shot_type":
            control = W.Dropdown(options=[("default (single)", ""), ("single", "single"), ("multi", "multi")])
        elif name == "template":
            control = W.Combobox(options=TEMPLATES, placeholder="none", ensure_option=False, continuous_update=False)
        elif name == "seed":
            control = W.Text(placeholder="any", continuous_update=False)
        else:
            control = W.Textarea(rows=2, placeholder="What should not be seen?")
        return self._row(name, self._bind(name, control))

    def _foot(self) -> W.Box:
        self._general, self._line, self._existing = W.HTML(), W.HTML(), W.HTML()
        self._submit = W.Button(description="Submit", button_style="primary")
        self._submit.add_class("wan-submit")
        self._submit.on_click(self._callback(self._pressed))
        self._allow = W.Checkbox(description="send it all the same", indent=False)
        self._allow.observe(self._callback(lambda change: self._chosen("allow_wasteful", change["new"])), "value")
        self._confirm = W.Checkbox(description="spend it", indent=False)
        self._confirm.observe(self._callback(lambda change: self._chosen("confirmed", change["new"])), "value")
        self._sample = W.Checkbox(description="new sample", indent=False)
        self._sample.observe(self._callback(lambda change: self._chosen("new_sample", change["new"])), "value")
        send = box(W.HBox, [self._submit, self._allow, self._confirm, self._sample, self._existing], "wan-send")
        return box(W.VBox, [self._general, self._line, send], "wan-foot")

    def _callback(self, function: Callable[..., None]) -> Callable[..., None]:
        return guarded(function, self._fault)

    # --- what the user does -------------------------------------------------------------------------------------

    def _chosen(self, name: str, value: Any) -> None:
        with self.state.lock:
            if self._painting:
                return
            self._fault_line.value = ""
            self._sent[name] = value
            setattr(self.state, name, _SWITCHED[value] if name in SWITCHES else value)

    def _pressed(self, _: object) -> None:
        with self.state.lock:
            if self._sending:
                return
            self._fault_line.value = ""
            if not self.state.is_settled:  # a path was typed and Submit clicked at once: when it is read, go on
                self._send_when_settled = True
                return
            self._send_request()

    def _send_request(self) -> None:
        state = self.state
        self._send_when_settled = False
        if not state.is_ready or state.request is None:
            return
        existing = state.preview.existing if state.preview else None
        take = existing.take + 1 if existing and state.new_sample else 1
        self._sending = True
        self._paint()
        self.session.later(
            guarded(self._submit_now, self._fault),
            state.request,
            take,
            {"allow": state.wasteful, "confirm": state.confirmed},
            state.new_sample,
        )

    def _submit_now(self, request: VideoRequest, take: int, said: dict[str, Any], is_new: bool) -> None:
        """Submit on a worker thread and put the run on top."""
        try:
            run = self.session.submit(request, take=take, **said)
            while is_new and run.existed:
                run = self.session.submit(request, take=run.state.take + 1, **said)
            self._put_on_top(run)
        finally:
            with self.state.lock:
                self._sending = False
                self.state.new_sample = self.state.confirmed = False
                self.state.refresh()
            self._earlier.refresh()

    def _put_on_top(self, run: Run) -> None:
        with self.state.lock:
            known = next((view for view in self.runs if view.run.id == run.id), None)
            view = known or RunView(run)
            if known is None:  # once it is over, what is said beside Submit may differ
                run.observe(lambda now: self.session.later(self.state.refresh) if now.phase.is_terminal else None)
            self.runs = [view, *(each for each in self.runs if each is not view)]
            self._below.children = self.runs

    def _fault(self, error: BaseException) -> None:
        self._fault_line.value = fault_html(error)

    # --- painting -----------------------------------------------------------------------------------------------

    def _paint(self, _: object = None) -> None:
        """Show the state: options first, then values; what this sets never comes back as a choice."""
        with self.state.lock:
            self._painting, before = True, self._painting
            try:
                self._paint_choices()
                self._paint_texts()
                for name, slot in self.slots.items():
                    show(slot, name in self.state.shown)
                    slot.paint()
                self._paint_notes()
                self._paint_frame()
                self._paint_foot()
            finally:
                self._painting = before
            if self._send_when_settled and self.state.is_settled and not before:
                self._send_request()

    def _paint_choices(self) -> None:
        state, controls = self.state, self._controls
        shown = state.shown
        for name, row in self._rows.items():
            show(row, name in shown)
        put(controls["model"], state.model, state.model_options)
        put(controls["resolution"], state.resolution, state.spec.tiers.union)
        seconds = tuple((f"{each} s", each) for each in state.duration_options)
        for control, wanted in ((self._buttons, len(seconds) <= FEW), (self._slider, len(seconds) > FEW)):
            control.layout.display = None if wanted else "none"
            put(control, state.duration, seconds)
        for name in SWITCHES:
            chosen = getattr(state, name)
            put(controls[name], "" if chosen is None else "on" if chosen else "off")
        put(controls["shot_type"], state.shot_type)
        put(self._allow, state.allow_wasteful)
        put(self._confirm, state.confirmed)
        put(self._sample, state.new_sample)

    def _paint_texts(self) -> None:
        """Write a text only where the state has another than the box sent: the user may be typing in it."""
        for name in ("prompt", "negative_prompt", "template", "seed"):
            value = getattr(self.state, name)
            if self._sent.get(name, "") != value:
                self._sent[name] = value
                self._controls[name].value = value

    def _paint_notes(self) -> None:
        for name, note in self._notes.items():
            lines = "".join(problem_html(each) for each in self.state.problems_of(name))
            note.value = f'<div class="wan-note">{lines}</div>' if lines else ""
            self._hints[name].value = f'<div class="wan-note">{self._hint(name)}</div>'
        more = [each for name in _MORE for each in self.state.problems_of(name)]
        names = [_LABELS[name].lower() for name in _MORE if name in self.state.shown]
        title = f"More: {', '.join(names[:3])} …" + (f" — {len(more)} to look at" if more else "")
        if self._more.description != title:
            self._more.description = title

    def _hint(self, name: str) -> str:
        """Say what is good to know at a field although nothing is wrong with it."""
        state = self.state
        if name in ("prompt", "negative_prompt"):
            limit = state.spec.prompt_chars if name == "prompt" else state.spec.negative_chars
            count = len(getattr(state, name).strip())
            return f'<span class="wan-count{" over" if count > limit else ""}">{count} of {limit} characters</span>'
        if name != "model":
            return ""
        return escape(model_line(state.spec, self.session.region, state.preview.usual if state.preview else None))

    def _paint_frame(self) -> None:
        request = self.state.request
        drawn = (request and (request.source_size, request.predicted_size(), request.last_frame), self.state.model)
        if request is not None and drawn != self._drawn:
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
        show(self._allow, bool(state.wasteful))
        show(self._confirm, state.needs_word)
        show(self._sample, preview is not None and preview.existing is not None)
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
