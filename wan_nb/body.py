"""The body of a create: JSON whose pictures are read and encoded while they are sent, so that none is held twice."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from wan_nb.media import Media

_CHUNK = 3 * 64 * 1024  # a multiple of 3, so that base64 pieces join without padding


class Body:
    """A JSON body whose pictures are turned into base64 while they are sent.

    Args:
        payload: Called with a function that names each medium; returns the JSON object.
        addresses: Media that have an address already (uploaded), by sha256.
    """

    def __init__(
        self, payload: Callable[[Callable[[Media], str]], dict[str, Any]], addresses: Mapping[str, str] | None = None
    ) -> None:
        self._media: dict[str, Media] = {}
        self._addresses = addresses or {}
        text = json.dumps(payload(self._name), ensure_ascii=False)
        self._pieces: list[bytes | Media] = []
        for mark, medium in self._media.items():
            before, text = text.split(mark, 1)
            self._pieces += [before.encode(), medium]
        self._pieces.append(text.encode())
        self.resolves_oss = any(piece.find(b'"oss://') >= 0 for piece in self._pieces if isinstance(piece, bytes))

    def _name(self, medium: Media) -> str:
        if medium.sha256 in self._addresses:
            return self._addresses[medium.sha256]
        if medium.origin in ("url", "oss"):
            return medium.url
        mark = uuid.uuid4().hex
        self._media[mark] = medium
        return mark

    @property
    def length(self) -> int:
        """Bytes on the wire."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.data_uri_length for piece in self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            yield f"data:{piece.mime};base64,".encode()
            with piece.open() as stream:
                while block := stream.read(_CHUNK):
                    yield base64.b64encode(block)
