"""The place of one picture, clip or sound in the form: path, upload, small picture, what is wrong, and its repairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as W  # noqa: N812

from wan_nb.media import Media, load
from wan_nb.problems import Problem
from wan_nb.request import MEDIA_FIELDS
from wan_nb.widgets.gallery import Gallery
from wan_nb.widgets.offers import Offer
from wan_nb.widgets.parts import box, escape, guarded, jpeg_address, note_html, problem_html, put, show
from wan_nb.widgets.picker import FilePicker
from wan_nb.widgets.state import FormState

LABELS = {
    "first_frame": "First frame",
    "last_frame": "Last frame",
    "first_clip": "Clip to go on from",
    "driving_audio": "Driving audio",
}
"""In the order of the form."""
_KINDS = {"image": ("image/*", 25), "audio": ("audio/*,.wav,.mp3", 16), "video": ("video/mp4,video/quicktime", 110)}
"""What a picker offers, and its megabytes: more than any model takes, so that the model's own limit is what is said."""
_SMALL = 22_000
"""Characters of one of two small pictures in a trait."""


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
        self,
        field: str,
        state: FormState,
        later: Callable[..., Any],
        fault: Callable[[BaseException], None],
        pictures: tuple[Path, ...] = (),
    ) -> None:
        self.field, self.state, self._fault = field, state, fault
        self.kind = MEDIA_FIELDS[field]
        self._painting = False
        self._shown_medium: Any = self
        self._shown_offers: Any = None
        self._refused = ""
        label = LABELS[field]
        self.path = W.Text(description=label, placeholder="path or URL", continuous_update=False)
        self.clear = W.Button(description="Remove", tooltip=f"Take the {label.lower()} out")
        self.clear.add_class("wan-clear")
        accept, limit_mb = _KINDS[self.kind]
        picker = FilePicker(label, accept, limit_mb, self._uploaded, self._no_file, fault)
        self.thumb, self.hint, self.note = W.HTML(), W.HTML(), W.HTML()
        self.note.add_class("wan-said")
        self.repairs = box(W.VBox, [], "wan-repairs")
        row = box(W.Box, [self.path, self.clear, picker], "wan-pathrow")
        self.gallery = Gallery(pictures, lambda path: self.take(str(path)), later, fault) if pictures else None
        children = [row, self.thumb, self.hint, self.note, self.repairs]
        super().__init__(children=[*children, self.gallery] if self.gallery else children)
        self.add_class("wan-slot")
        self.add_class(f"wan-of-{field.replace('_', '-')}")
        self.clear.on_click(guarded(lambda _: self.take(None), fault))
        self.path.observe(guarded(self._typed, fault), "value")

    # --- what the user does -------------------------------------------------------------------------------------

    def _typed(self, change: dict[str, Any]) -> None:
        with self.state.lock:
            if not self._painting:
                self.take(change["new"])

    def take(self, source: object) -> None:
        """Read another medium; None takes it out."""
        with self.state.lock:
            self._refused = ""
            self.state.load(self.field, source)

    def _uploaded(self, upload: dict[str, Any]) -> None:
        self.take(upload)

    def _no_file(self, why: str) -> None:
        with self.state.lock:
            self._refused = why
            self.paint()

    # --- painting -----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        """Show what the state holds; nothing comes back from here as a choice."""
        self._painting, before = True, self._painting
        try:
            put(self.path, self.state.sources.get(self.field, ""))
        finally:
            self._painting = before
        self._paint_medium()
        self._paint_notes()
        self._paint_repairs()

    def _paint_medium(self) -> None:
        is_reading = self.field in self.state.loading
        medium = "reading" if is_reading else getattr(self.state, self.field)
        if self._shown_medium is medium:
            return
        self._shown_medium = medium
        show(self.clear, bool(medium))
        inside, full = "reading…" if is_reading else "none", False
        if isinstance(medium, Media):
            inside, full = ("not usable" if medium.error else escape(medium.name)), not medium.error
            if self.kind == "image" and medium.data and not medium.error:
                inside = f'<img alt="{escape(medium.name)}" src="{jpeg_address(medium.thumbnail, longest=360)}">'
        is_large = self.field == "first_frame" or (self.kind == "image" and medium is not None)
        look = f"wan-thumb{'' if is_large else ' slim'}{' full' if full else ''}"
        self.thumb.value = f'<div class="{look}">{inside}</div>'
        if self.gallery:
            self.gallery.mark(self.state.sources.get(self.field, ""))

    def _paint_notes(self) -> None:
        medium = getattr(self.state, self.field)
        self.hint.value = note_html("" if medium is None or medium.error else escape(str(medium)))
        is_missing = self.state.is_missing(self.field)
        lines = [problem_html(each, missing=is_missing) for each in self.state.problems_of(self.field)]
        if self._refused:
            lines.insert(0, problem_html(Problem(self.field, "refused", self._refused, "")))
        self.note.value = note_html("".join(lines))

    def _paint_repairs(self) -> None:
        mended, offers = self.state.mended(self.field), self.state.offers.of(self.field)
        if self._shown_offers == (mended, offers):
            return
        self._shown_offers = (mended, offers)
        old, rows = self.repairs.children, [self._offer(each) for each in offers]
        if mended is not None:
            result, change = mended
            back = W.Button(description="As it was", tooltip="Take the repair back")
            back.add_class("wan-back")
            back.on_click(guarded(lambda _: self.state.take_back(change), self._fault))
            rows.insert(
                0, box(W.HBox, [W.HTML(f'<div class="said">Mended: {escape(str(result))}.</div>'), back], "wan-offer")
            )
        self.repairs.children = rows
        for row in old:
            for part in row.children:
                part.close()
            row.close()

    def _offer(self, offer: Offer) -> W.Box:
        """Return the row of a repair: before, after, what was done, and the button."""
        button = W.Button(
            description=offer.repair.label, tooltip=f"{offer.repair.label}: {offer.result or offer.error}"
        )
        button.disabled = offer.result is None
        button.on_click(guarded(lambda _: self.state.mend(offer), self._fault))
        words = f'<div class="said">{escape(str(offer.result or offer.error))}</div>'
        pictures = ""
        if offer.result is not None:
            pictures = "".join(
                f'<figure><img alt="{word}" src="{_small(data)}"><figcaption>{word}</figcaption></figure>'
                for word, data in (("before", offer.result.before), ("after", offer.result.after))
            )
        shown = W.HTML(f'<div class="pair">{pictures}</div>{words}')
        return box(W.HBox, [shown, button], "wan-offer")


def _small(data: bytes) -> str:
    return jpeg_address(load(data).thumbnail, longest=150, limit=_SMALL)
