"""What a form stands at, as Python and as curl: what a teacher shows and a user keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from wan_nb.request import VideoRequest
from wan_nb.widgets.parts import STYLE, guarded, script

TITLES = ("as Python", "as curl")


class CodeView(anywidget.AnyWidget):
    """Two folds with code that can be copied. The text goes by message, and only while a fold is open.

    Args:
        base_url: Where the curl command sends to; the key stays ``$DASHSCOPE_API_KEY``.
        fault: Called with an exception.
    """

    _esm = script("code.js")
    _css = STYLE
    titles = traitlets.List(list(TITLES)).tag(sync=True)

    def __init__(self, base_url: str, fault: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._base_url = base_url
        self._open: set[int] = set()
        self._sent: dict[int, str] = {}
        self._request: VideoRequest | None = None
        self.on_msg(guarded(self._hear, fault))

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        number = int(content["number"])
        self._sent.pop(number, None)
        (self._open.add if content["open"] else self._open.discard)(number)
        self.show(self._request)

    def show(self, request: VideoRequest | None) -> None:
        """Show a request in the folds that are open."""
        self._request = request
        for number in sorted(self._open):
            text = self.text(number) if request is not None else ""
            if self._sent.get(number) != text:
                self._sent[number] = text
                self.send({"number": number, "text": text})

    def text(self, number: int) -> str:
        """Return the text of a fold."""
        if self._request is None:
            return ""
        if number == 0:
            return f"import wan_nb as wan\n\nrequest = {self._request.to_python()}\nrun = session.submit(request)\n"
        return self._request.to_curl(self._base_url)
