"""The form: choose a model, frames, prompt and parameters; see price, size and what is wrong; submit, follow, watch.

It paints `FormState` and writes to it, and does nothing else: no check, no price and no call is made here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from wan_nb.catalog import TEMPLATES, cite
from wan_nb.media import Media
from wan_nb.problems import Problem
from wan_nb.request import MEDIA_FIELDS, VideoRequest
from wan_nb.widgets import preview as preview_view
from wan_nb.widgets.parts import STYLE, escape, fault_html, guarded, jpeg_address, problem_html
from wan_nb.widgets.picker import FilePicker
from wan_nb.widgets.run import RunView
from wan_nb.widgets.state import SWITCHES, FormState
from wan_nb.widgets.wording import clock_time, phase_words, submit_words

if TYPE_CHECKING:
    from wan_nb.run import Run
    from wan_nb.session import Session

FEW = 4
"""Up to this many durations are buttons, more are a slider."""

_LABELS = {
    "first_frame": "First frame",
    "last_frame": "Last frame",
    "first_clip": "Clip to go on from",
    "driving_audio": "Driving audio",
    "negative_prompt": "Negative prompt",
    "seed": "Seed",
    "prompt_extend": "Rewrite the prompt",
    "shot_type": "Shots",
    "audio": "Sound",
    "watermark": "Watermark",
    "template": "Effect template",
}
_KINDS = {"image": ("image/*", 25), "audio": ("audio/*,.wav,.mp3", 16), "video": ("video/mp4,video/quicktime", 110)}
"""What a picker offers, and its megabytes: more than any model takes, so that the model's own limit is what is said."""
_WITHOUT = {"prompt_extend": "on", "audio": "on", "watermark": "off"}
"""What the service does when a switch is not sent (S001, S003)."""
_SWITCH_WORDS = (("on", "on"), ("off", "off"))
_SWITCHED = {"": None, "on": True, "off": False}
"""What a switch's words mean; a Dropdown whose value is None shows nothing at all."""
_MORE = ("negative_prompt", "seed", "prompt_extend", "shot_type", "audio", "watermark", "template")


class Form(W.VBox):  # type: ignore[misc]
    """The form of a session; `session.form()` makes it.

    Args:
        session: Where requests go.
        defaults: Fields of a request to start with.

    Raises:
        RequestError: If a default is not a field of the form, or not a value of it.
    """

    def __init__(self, session: Session, **defaults: Any) -> None:
        self.session = session
        self.state = FormState(session.preview, session.place, session.later, **defaults)
        self.runs: list[RunView] = []
        """Views of what was submitted here, newest first."""
        self._painting = self._sending = self._send_when_settled = False
        self._sent: dict[str, Any] = {}
        self._refused_files: dict[str, str] = {}
        self._notes: dict[str, W.HTML] = {}
        self._controls: dict[str, W.DOMWidget] = {}
        self._rows: dict[str, W.Box] = {}
        self._thumbs: dict[str, W.HTML] = {}
        self._clears: dict[str, W.Button] = {}
        self._shown_media: dict[str, Any] = {}
        left = _box(W.VBox, [self._slot(name, defaults.get(name)) for name in MEDIA_FIELDS], "wan-left")
        right = _box(W.VBox, self._main_fields(), "wan-right")
        self._fault_line = W.HTML()
        self._below = _box(W.VBox, [], "wan-below")
        head = W.HTML(f"<style>{STYLE}</style>{self._head()}")
        children = [head, _box(W.Box, [left, right], "wan-body"), self._foot(), self._fault_line, self._below]
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

    def _head(self) -> str:
        folder = escape(Path(self.session.folder).name)
        return (
            f'<div class="wan-head"><b>Image to video</b><span class="wan-note">{escape(self.session.label)} · '
            f"saved in {folder}/</span></div>"
        )

    def _slot(self, name: str, given: object) -> W.Box:
        kind = MEDIA_FIELDS[name]
        accept, limit_mb = _KINDS[kind]
        path = W.Text(placeholder="path or URL", continuous_update=False)
        picker = FilePicker(
            accept,
            limit_mb,
            lambda upload: self._uploaded(name, upload),
            lambda why: self._no_file(name, why),
            self._fault,
        )
        clear = W.Button(description="×", tooltip=f"Take the {_LABELS[name].lower()} out")
        clear.add_class("wan-clear")
        clear.on_click(self._callback(lambda _: self._cleared(name)))
        self._controls[name], self._clears[name], self._thumbs[name] = path, clear, W.HTML()
        path.value = str(given) if isinstance(given, str | os.PathLike) else ""
        path.observe(self._callback(lambda change: self._given(name, change["new"])), "value")
        row = _box(W.Box, [path, clear, picker], "wan-pathrow")
        return self._row(name, _LABELS[name], row, self._thumbs[name], slot=True)

    def _row(self, name: str, label: str, *controls: W.DOMWidget, slot: bool = False) -> W.Box:
        """Label, controls and the line for what is wrong, as one block that can be hidden."""
        self._notes[name] = W.HTML()
        title = W.HTML(f'<div class="wan-label">{escape(label)}</div>')
        made = _box(W.VBox, [title, *controls, self._notes[name]], "wan-slot" if slot else "wan-field")
        made.add_class(f"wan-of-{name.replace('_', '-')}")
        self._rows[name] = made
        return made

    def _bind(self, name: str, control: W.DOMWidget) -> W.DOMWidget:
        control.layout.width = "100%"
        control.observe(self._callback(lambda change: self._chosen(name, change["new"])), "value")
        self._controls[name] = control
        return control

    def _main_fields(self) -> list[W.Widget]:
        model = W.Dropdown(options=self.state.model_options, value=self.state.model)
        tiers, seconds = self.state.resolution_options, self.state.duration_options
        self._buttons = self._bind("duration", W.ToggleButtons(options=[(f"{each} s", each) for each in seconds]))
        self._slider = self._bind("duration", W.SelectionSlider(options=[(f"{each} s", each) for each in seconds]))
        more = W.Accordion(children=[_box(W.VBox, [self._more_row(name) for name in _MORE], "wan-morebox")])
        more.titles = ("More",)
        more.selected_index = None
        more.add_class("wan-more")
        self._more = more
        return [
            self._row("model", "Model", self._bind("model", model)),
            self._row("prompt", "Prompt", self._bind("prompt", W.Textarea(rows=4, placeholder="What should happen?"))),
            self._row("resolution", "Resolution", self._bind("resolution", W.ToggleButtons(options=tiers))),
            self._row("duration", "Duration", self._buttons, self._slider),
            more,
        ]

    def _more_row(self, name: str) -> W.Box:
        if name in _WITHOUT:
            control: W.DOMWidget = W.Dropdown(options=[(f"as the service does ({_WITHOUT[name]})", ""), *_SWITCH_WORDS])
        elif name == "shot_type":
            control = W.Dropdown(
                options=[("as the service does (single)", ""), ("single", "single"), ("multi", "multi")]
            )
        elif name == "template":
            control = W.Combobox(options=TEMPLATES, placeholder="none", ensure_option=False, continuous_update=False)
        elif name == "seed":
            control = W.Text(placeholder="any", continuous_update=False)
        else:
            control = W.Textarea(rows=2, placeholder="What should not be seen?")
        return self._row(name, _LABELS[name], self._bind(name, control))

    def _foot(self) -> W.Box:
        self._general, self._line, self._existing = W.HTML(), W.HTML(), W.HTML()
        self._submit = W.Button(description="Submit", button_style="primary")
        self._submit.add_class("wan-submit")
        self._submit.on_click(self._callback(self._pressed))
        self._allow = W.Checkbox(description="send it all the same", indent=False)
        self._allow.observe(self._callback(lambda change: self._chosen("allow_wasteful", change["new"])), "value")
        self._sample = W.Checkbox(description="new sample", indent=False)
        self._sample.observe(self._callback(lambda change: self._chosen("new_sample", change["new"])), "value")
        send = _box(W.HBox, [self._submit, self._allow, self._sample, self._existing], "wan-send")
        return _box(W.VBox, [self._general, self._line, send], "wan-foot")

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

    def _given(self, name: str, text: str) -> None:
        with self.state.lock:
            if self._painting:
                return
            self._refused_files.pop(name, None)
            self.state.load(name, text)

    def _uploaded(self, name: str, upload: dict[str, Any] | None) -> None:
        with self.state.lock:
            self._refused_files.pop(name, None)
            self._painting, before = True, self._painting
            try:
                self._controls[name].value = ""  # the path is not what is used any more
            finally:
                self._painting = before
            self.state.load(name, upload)

    def _cleared(self, name: str) -> None:
        self._uploaded(name, None)
        self._paint()

    def _no_file(self, name: str, why: str) -> None:
        with self.state.lock:
            self._refused_files[name] = why
            self._paint()

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
            guarded(self._submit_now, self._fault), state.request, take, state.wasteful, state.new_sample
        )

    def _submit_now(self, request: VideoRequest, take: int, allow: tuple[str, ...], is_new: bool) -> None:
        """Submit on a worker thread and put the run on top."""
        try:
            run = self.session.submit(request, take=take, allow=allow)
            while is_new and run.existed:
                run = self.session.submit(request, take=run.state.take + 1, allow=allow)
            self._put_on_top(run)
        finally:
            with self.state.lock:
                self._sending = False
                self.state.new_sample = False
                self.state.refresh()

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
                for name in MEDIA_FIELDS:
                    self._paint_medium(name)
                self._paint_notes()
                self._paint_foot()
            finally:
                self._painting = before
            if self._send_when_settled and self.state.is_settled and not before:
                self._send_request()

    def _paint_choices(self) -> None:
        state, controls = self.state, self._controls
        shown = state.shown
        for name, row in self._rows.items():
            row.layout.display = None if name in shown else "none"
        _put(controls["model"], state.model, state.model_options)
        _put(controls["resolution"], state.resolution, state.resolution_options)
        seconds = tuple((f"{each} s", each) for each in state.duration_options)
        for control, wanted in ((self._buttons, len(seconds) <= FEW), (self._slider, len(seconds) > FEW)):
            control.layout.display = None if wanted else "none"
            _put(control, state.duration, seconds)
        for name in SWITCHES:
            chosen = getattr(state, name)
            _put(controls[name], "" if chosen is None else "on" if chosen else "off")
        _put(controls["shot_type"], state.shot_type)
        _put(self._allow, state.allow_wasteful)
        _put(self._sample, state.new_sample)

    def _paint_texts(self) -> None:
        """Write a text only where the state has another than the box sent: the user may be typing in it."""
        for name in ("prompt", "negative_prompt", "template", "seed"):
            value = getattr(self.state, name)
            if self._sent.get(name, "") != value:
                self._sent[name] = value
                self._controls[name].value = value

    def _paint_medium(self, name: str) -> None:
        medium = self.state.loading & {name} or getattr(self.state, name)
        if self._shown_media.get(name, self) is medium:
            return
        self._shown_media[name] = medium
        _display(self._clears[name], bool(medium))
        picture = MEDIA_FIELDS[name] == "image"
        inside, full = "reading…" if self.state.loading & {name} else "none", False
        if isinstance(medium, Media):
            inside, full = ("not usable" if medium.error else escape(medium.name)), not medium.error
            if picture and medium.data and not medium.error:
                inside = f'<img alt="" src="{jpeg_address(medium.thumbnail, longest=360)}">'
        look = f"wan-thumb{'' if picture else ' slim'}{' full' if full else ''}"
        self._thumbs[name].value = f'<div class="{look}">{inside}</div>'

    def _paint_notes(self) -> None:
        for name, note in self._notes.items():
            lines = [problem_html(each, missing=self.state.is_missing(name)) for each in self.state.problems_of(name)]
            if name in self._refused_files:
                lines.insert(0, problem_html(Problem(name, "refused", self._refused_files[name], "")))
            hint = self._hint(name)
            note.value = f'<div class="wan-note">{"".join([hint, *lines]) if hint else "".join(lines)}</div>'
        more = [each for name in _MORE for each in self.state.problems_of(name)]
        names = [_LABELS[name].lower() for name in _MORE if name in self.state.shown]
        title = f"More: {', '.join(names[:3])} …" + (f" — {len(more)} to look at" if more else "")
        if self._more.titles != (title,):
            self._more.titles = (title,)

    def _hint(self, name: str) -> str:
        """Say what is good to know at a field although nothing is wrong with it."""
        state = self.state
        if name in ("prompt", "negative_prompt"):
            limit = state.spec.prompt_chars if name == "prompt" else state.spec.negative_chars
            count = len(getattr(state, name).strip())
            return f'<span class="wan-count{" over" if count > limit else ""}">{count} of {limit} characters</span>'
        if name == "model":
            return escape(cite(state.spec.note))
        medium = getattr(state, name, None) if name in MEDIA_FIELDS else None
        return escape(str(medium)) if medium is not None and not medium.error else ""

    def _paint_foot(self) -> None:
        state, preview = self.state, self.state.preview
        homeless = [each for each in state.problems if each.field not in state.shown]
        self._general.value = "".join(problem_html(each) for each in homeless)
        line = preview_view.line(preview, self.session.region) if preview else "&nbsp;"
        self._line.value = f"<div>{line}</div>"
        self._submit.description = "Sending…" if self._sending else submit_words(preview)
        self._submit.disabled = self._sending or state.is_held
        self._submit.tooltip = "" if state.is_ready else _why_not(state.problems)
        _display(self._allow, bool(state.wasteful))
        existing = preview.existing if preview else None
        _display(self._sample, existing is not None)
        said = ""
        if existing is not None:
            words = phase_words(existing)
            done, retry = (words.word, "; tick new sample to try again") if words.tone == "bad" else ("submitted", "")
            way = "Submit makes another, which counts anew" if state.new_sample else f"Submit shows that run{retry}"
            said = f"{done} at {clock_time(existing.created_at)}: {way}"
        self._existing.value = f'<span class="wan-note">{escape(said)}</span>'


def _box(kind: type[W.Box], children: Sequence[W.Widget], name: str) -> W.Box:
    made = kind(children=list(children))
    made.add_class(name)
    return made


def _display(widget: W.DOMWidget, shown: bool) -> None:
    widget.layout.display = None if shown else "none"


def _put(control: W.DOMWidget, value: Any, options: Sequence[Any] | None = None) -> None:
    """Set options, then value, each only where it differs."""
    if options is not None and tuple(control.options) != tuple(options):
        control.options = tuple(options)
    if control.value != value:
        control.value = value


def _why_not(problems: Sequence[Problem]) -> str:
    held = [str(each) for each in problems if each.severity != "warning"]
    return held[0] if held else ""
