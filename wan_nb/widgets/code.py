"""What a form stands at, as Python and as curl: what a teacher shows and a user keeps."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from wan_nb.request import VideoRequest
from wan_nb.widgets.parts import STYLE, Fault, guarded, script

TITLES = ("as Python", "as curl")


class CodeView(anywidget.AnyWidget):
    """Two folds with code that can be copied. The text goes by message, and only while a fold is open.

    Args:
        request: What is shown at first.
        base_url: Where the curl command sends to; the key stays ``$DASHSCOPE_API_KEY``.
        fault: Called with an exception.
    """

    _esm = script("code.js")
    _css = STYLE
    titles = traitlets.List(list(TITLES)).tag(sync=True)

    def __init__(self, request: VideoRequest, base_url: str, fault: Fault) -> None:
        super().__init__()
        self._request, self._base_url = request, base_url
        self._sent: dict[int, str] = {}
        """What stands in the folds that are open."""
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
        for number, sent in sorted(self._sent.items()):
            if (text := self.text(number)) != sent:
                self._sent[number] = text
                self.send({"number": number, "text": text})

    def text(self, number: int) -> str:
        """Return the text of a fold."""
        if number == 0:
            return f"import wan_nb as wan\n\nrequest = {self._request.to_python()}\nrun = session.submit(request)\n"
        return self._request.to_curl(self._base_url)
