"""A folder of pictures as small pictures to choose from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from wan_nb.errors import ConfigError, WanError
from wan_nb.media import load
from wan_nb.widgets.parts import HERE, STYLE, guarded

MOST = 24
"""Pictures that are offered; more would be a file manager."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_SIDE = 128


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
        take: Called with the file that was chosen.
        later: Runs a function on another thread: the small pictures are made when somebody looks.
        fault: Called with an exception of these.
    """

    _esm = (HERE / "gallery.js").read_text(encoding="utf-8")
    _css = STYLE
    label = traitlets.Unicode("").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        pictures: tuple[Path, ...],
        take: Callable[[Path], None],
        later: Callable[..., Any],
        fault: Callable[[BaseException], None],
    ) -> None:
        folder = pictures[0].parent.name or str(pictures[0].parent)
        super().__init__(label=f"or choose from {folder}/", names=[each.name[:80] for each in pictures])
        self._pictures, self._take, self._later, self._fault = pictures, take, later, fault
        self.on_msg(guarded(self._hear, fault))

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("hello"):
            self._later(guarded(self._show, self._fault))
        elif "choose" in content:
            self._take(self._pictures[int(content["choose"])])

    def _show(self) -> None:
        for number, path in enumerate(self._pictures):
            try:
                self.send({"number": number}, [load(path).thumbnail(_SIDE)])
            except WanError:
                continue  # a file that cannot be read keeps its name; choosing it says why

    def mark(self, path: str) -> None:
        """Show which picture stands in the field, if it is one of these."""
        here = Path(path).expanduser() if path else None
        self.chosen = self._pictures.index(here) if here in self._pictures else -1
