"""A file of the user's machine, brought to the kernel in pieces.

ipywidgets' FileUpload loses files over 10 MiB without a word (one message of the websocket) and keeps the bytes in
widget state, which a saved notebook then carries. This one sends a megabyte at a time, keeps nothing, and says at once
what is too large or empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from wan_nb.widgets.parts import HERE, STYLE, guarded

MEGABYTE = 1024 * 1024


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

    _esm = (HERE / "picker.js").read_text(encoding="utf-8")
    _css = STYLE
    label = traitlets.Unicode("").tag(sync=True)
    accept = traitlets.Unicode("").tag(sync=True)
    limit = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        label: str,
        accept: str,
        limit_mb: int,
        take: Callable[[dict[str, Any]], None],
        refuse: Callable[[str], None],
        fault: Callable[[BaseException], None],
    ) -> None:
        super().__init__(label=label, accept=accept, limit=limit_mb * MEGABYTE)
        self._take, self._refuse = take, refuse
        self._held = bytearray()
        self._job: Any = None
        self.on_msg(guarded(self._hear, fault))

    def _hear(self, _: object, content: dict[str, Any], buffers: list[Any]) -> None:
        if "problem" in content:
            self._refuse(str(content["problem"])[:500])
            return
        job, at, size = content["job"], int(content["at"]), int(content["size"])
        if at == 0:
            self._held, self._job = bytearray(), job
        if job != self._job or at != len(self._held):
            return  # a piece of a file that was given up
        self._held += buffers[0]
        if len(self._held) > self.limit:
            self._held = bytearray()
            self._refuse(f"{content['name']!r} is larger than {self.limit // MEGABYTE} MB. Type its path instead.")
            return
        if len(self._held) < size:
            self.send({"got": len(self._held), "job": job})
            return
        data, self._held = bytes(self._held), bytearray()
        self.send({"got": size, "job": job})
        self._take({"name": str(content["name"]), "content": data})
