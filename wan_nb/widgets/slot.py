"""The place of one picture, clip or sound in the form: path, upload, a folder to choose from, what is wrong, repairs.

ipywidgets' FileUpload loses files over 10 MiB without a word (one message of the websocket) and keeps the bytes in
widget state, which a saved notebook then carries. `FilePicker` sends a megabyte at a time, keeps nothing, and says at
once what is too large or empty.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as W  # noqa: N812
import traitlets

from wan_nb.errors import ConfigError, WanError
from wan_nb.media import load
from wan_nb.problems import Problem
from wan_nb.request import MEDIA_FIELDS
from wan_nb.widgets.offers import Offer
from wan_nb.widgets.parts import STYLE, Fault, box, escape, guarded, jpeg_address, note_html, problem_html, script, show
from wan_nb.widgets.state import FormState

LABELS = {
    "first_frame": "First frame",
    "last_frame": "Last frame",
    "first_clip": "Clip to go on from",
    "driving_audio": "Driving audio",
}
"""In the order of the form."""

MEGABYTE = 1024 * 1024
MOST = 24
"""Pictures of a folder that are offered; more would be a file manager."""
_KINDS = {"image": ("image/*", 25), "audio": ("audio/*,.wav,.mp3", 16), "video": ("video/mp4,video/quicktime", 110)}
"""What a picker offers, and its megabytes: more than any model takes, so that the model's own limit is what is said."""
Take = Callable[[object], None]
"""Takes what `wan_nb.load` can read."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class MediaSlot(W.VBox):  # type: ignore[misc]
    """One medium of the form; it writes to the state and paints from it.

    Args:
        field: ``"first_frame"`` …
        state: The form's.
        later: Runs a function on another thread.
        fault: Called with an exception of a callback.
        pictures: Files to choose from, for a frame.
    """

    def __init__(
        self, field: str, state: FormState, later: Callable[..., Any], fault: Fault, pictures: tuple[Path, ...] = ()
    ) -> None:
        self.field, self.state, self._fault = field, state, fault
        self._shown_offers: Any = None
        self._refused = ""
        label = LABELS[field]
        self.path = W.Text(description=label, placeholder="path or URL", continuous_update=False)
        self.clear = W.Button(description="Remove", tooltip=f"Take the {label.lower()} out")
        self.clear.add_class("wan-clear")
        picker = FilePicker(label, *_KINDS[MEDIA_FIELDS[field]], self.take, self._refuse, fault)
        self.thumb, self.hint, self.note = W.HTML(), W.HTML(), W.HTML()
        self.note.add_class("wan-said")
        self.repairs = box(W.VBox, [], "wan-repairs")
        row = box(W.Box, [self.path, self.clear, picker], "wan-pathrow")
        has_gallery = bool(pictures) and MEDIA_FIELDS[field] == "image"
        self.gallery = Gallery(pictures, self.take, later, fault) if has_gallery else None
        children = [row, self.thumb, self.hint, self.note, self.repairs]
        super().__init__(children=[*children, self.gallery] if self.gallery else children)
        self.add_class("wan-slot")
        self.add_class(f"wan-of-{field.replace('_', '-')}")
        self.clear.on_click(guarded(lambda _: self.take(None), fault))
        self.path.observe(guarded(self._typed, fault), "value")

    @property
    def _source(self) -> str:
        return self.state.sources.get(self.field, "")

    # --- what the user does -------------------------------------------------------------------------------------

    def _typed(self, change: dict[str, Any]) -> None:
        if change["new"] != self._source:  # which is what a repaint writes
            self.take(change["new"])

    def take(self, source: object) -> None:
        """Read another medium; None takes it out."""
        self._refused = ""
        self.state.load(self.field, source)

    def _refuse(self, why: str) -> None:
        with self.state.changing():
            self._refused = why

    # --- painting -----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        """Show what the state holds; nothing comes back from here as a choice."""
        medium, is_reading = getattr(self.state, self.field), self.field in self.state.loading
        is_usable = medium is not None and not medium.error and not is_reading
        self.path.value = self._source
        show(self.clear, is_reading or medium is not None)
        inside = "reading…" if is_reading else "none" if medium is None else "not usable"
        if is_usable:
            inside = escape(medium.name)
            if medium.kind == "image" and medium.data:
                inside = f'<img alt="{inside}" src="{jpeg_address(medium.thumbnail, longest=360)}">'
        self.thumb.value = f'<div class="wan-thumb{" full" if is_usable else ""}">{inside}</div>'
        self.hint.value = note_html(escape(str(medium)) if medium and not medium.error else "")
        is_missing = self.state.is_missing(self.field)
        lines = [problem_html(Problem(self.field, "refused", self._refused, ""))] if self._refused else []
        lines += [problem_html(each, missing=is_missing) for each in self.state.problems_of(self.field)]
        self.note.value = note_html("".join(lines))
        if self.gallery:
            self.gallery.mark(self._source)
        self._paint_repairs()

    def _paint_repairs(self) -> None:
        mended, offers = self.state.mended(self.field), self.state.offers.of(self.field)
        if self._shown_offers == (mended, offers):
            return
        self._shown_offers = (mended, offers)
        old, rows = self.repairs.children, [self._offer(each) for each in offers]
        if mended is not None:
            result, change = mended
            told = f'<div class="said">Mended: {escape(str(result))}.</div>'
            back = W.Button(description="As it was", tooltip="Take the repair back")
            rows.insert(0, self._row(told, back, lambda: self.state.take_back(change)))
        self.repairs.children = rows
        for row in old:
            for part in (*row.children, row):
                part.close()

    def _offer(self, offer: Offer) -> W.Box:
        """Return the row of a repair: before, after, what was done, and the button."""
        label, pictures = offer.repair.label, ""
        if offer.result is not None:
            for word, data in (("before", offer.result.before), ("after", offer.result.after)):
                # two pictures in a trait of 64 KB
                address = jpeg_address(load(data).thumbnail, longest=150, limit=22_000)
                pictures += f'<figure><img alt="{word}" src="{address}"><figcaption>{word}</figcaption></figure>'
        told = f'<div class="pair">{pictures}</div><div class="said">{escape(offer.said)}</div>'
        button = W.Button(description=label, tooltip=f"{label}: {offer.said}", disabled=offer.result is None)
        return self._row(told, button, lambda: self.state.mend(offer))

    def _row(self, told: str, button: W.Button, press: Callable[[], None]) -> W.Box:
        button.on_click(guarded(lambda _: press(), self._fault))
        return box(W.HBox, [W.HTML(told), button], "wan-offer")


class FilePicker(anywidget.AnyWidget):
    """A button (and a place to drop on) that hands over one file.

    Args:
        label: What it is for, to be read out.
        accept: What the browser's dialog offers, such as ``"image/*"``.
        limit_mb: Megabytes at most; more is refused in the browser.
        take: Called with ``{"name": …, "content": …}`` when a file has arrived whole.
        refuse: Called with a line that says why there is none.
        fault: Called with an exception of these two.
    """

    _esm = script("picker.js")
    _css = STYLE
    label = traitlets.Unicode("").tag(sync=True)
    accept = traitlets.Unicode("").tag(sync=True)
    limit = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, label: str, accept: str, limit_mb: int, take: Take, refuse: Callable[[str], None], fault: Fault
    ) -> None:
        super().__init__(label=label, accept=accept, limit=limit_mb * MEGABYTE)
        self._take, self._refuse = take, refuse
        self._held = bytearray()
        self.on_msg(guarded(self._hear, fault))

    def _hear(self, _: object, content: dict[str, Any], buffers: list[Any]) -> None:
        if "problem" in content:
            self._refuse(str(content["problem"])[:500])
            return
        if content["at"] == 0:
            self._held = bytearray()
        if content["at"] != len(self._held):
            return  # a piece of a file that was given up
        self._held += buffers[0]
        if len(self._held) > self.limit:
            self._held = bytearray()
            self._refuse(f"{content['name']!r} is larger than {self.limit // MEGABYTE} MB. Type its path instead.")
            return
        self.send({"got": len(self._held), "job": content["job"]})
        if len(self._held) == content["size"]:
            data, self._held = bytes(self._held), bytearray()
            self._take({"name": str(content["name"]), "content": data})


def pictures_in(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the pictures of a folder by name, the first `MOST` of them.

    Raises:
        ConfigError: If it is no folder, or has none.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise ConfigError(
            f"pictures={str(folder)!r} is no folder; give one that has JPEG, PNG, WEBP or BMP files in it."
        )
    found = sorted(each for each in place.iterdir() if each.suffix.lower() in _SUFFIXES and each.is_file())
    if not found:
        raise ConfigError(f"pictures={str(folder)!r} has no JPEG, PNG, WEBP or BMP file in it; give another folder.")
    return tuple(found[:MOST])


class Gallery(anywidget.AnyWidget):
    """Small pictures, one of which can be chosen.

    Args:
        pictures: Their files.
        take: Called with the path that was chosen.
        later: Runs a function on another thread: the small pictures are made when somebody looks.
        fault: Called with an exception of these.
    """

    _esm = script("gallery.js")
    _css = STYLE
    label = traitlets.Unicode("").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)

    def __init__(self, pictures: tuple[Path, ...], take: Take, later: Callable[..., Any], fault: Fault) -> None:
        folder = pictures[0].parent.name or str(pictures[0].parent)
        super().__init__(label=f"or choose from {folder}/", names=[each.name[:80] for each in pictures])
        self._pictures, self._take, self._later, self._fault = pictures, take, later, fault
        self.on_msg(guarded(self._hear, fault))

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("hello"):
            self._later(guarded(self._show, self._fault))
        elif "choose" in content:
            self._take(str(self._pictures[int(content["choose"])]))

    def _show(self) -> None:
        for number, path in enumerate(self._pictures):
            try:
                self.send({"number": number}, [load(path).thumbnail(128)])
            except WanError:
                continue  # a file that cannot be read keeps its name; choosing it says why

    def mark(self, path: str) -> None:
        """Show which picture stands in the field, if it is one of these."""
        here = Path(path).expanduser() if path else None
        self.chosen = self._pictures.index(here) if here in self._pictures else -1
