"""A video on a page: the player of a live notebook, and the plain ``<video>`` that stays in a saved one.

The player asks for bytes by message, so none enters widget state. The static twin holds the file itself up to a limit,
beyond which it points to the file beside the notebook; its poster is always there.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from wan_nb.content import amount
from wan_nb.geometry import Size
from wan_nb.widgets.parts import HERE, SOFT, STYLE, escape, guarded, jpeg_address

if TYPE_CHECKING:
    from wan_nb.result import Video

EMBED_BYTES = 4 * 1024 * 1024
"""Videos up to this many bytes are kept inside a static twin, as a data URI (a third longer)."""

BOX_WIDTH, BOX_HEIGHT = 400, 260
"""Pixels that a run's video takes at most; `player.js` and `style.css` keep to them too."""


class Player(anywidget.AnyWidget):
    """Plays videos in step: one clock, frame step, speed, loop, keyboard.

    Args:
        clips: What to show at once, as `clip` makes it.
        read: Gives the bytes of a clip by its place; called through `later`.
        later: Runs a function on a worker thread (`Session.later`).
        height: Pixels of the tallest box.
        hotkeys: Keys of the view around it, by the name that `press` is called with.
        press: Called with the name of a key that was pressed.
    """

    _esm = (HERE / "player.js").read_text(encoding="utf-8")
    _css = STYLE
    clips = traitlets.List(traitlets.Dict()).tag(sync=True)
    height = traitlets.Int(BOX_HEIGHT).tag(sync=True)
    hotkeys = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        clips: Sequence[dict[str, Any]],
        read: Callable[[int], bytes],
        later: Callable[..., Any],
        *,
        height: int = BOX_HEIGHT,
        hotkeys: Mapping[str, str] | None = None,
        press: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(clips=list(clips), height=height, hotkeys=dict(hotkeys or {}))
        self._read, self._later, self._press = read, later, press
        self.on_msg(self._hear)

    def deliver(self, index: int) -> None:
        """Send the bytes of a clip without being asked: a kernel that is busy with a cell hears no question."""
        refuse = partial(self._refuse, index)
        guarded(self._later, refuse)(guarded(self._send_bytes, refuse), index)

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("want") == "bytes":
            self.deliver(int(content["index"]))
        elif "press" in content:
            self._press(str(content["press"]))

    def _send_bytes(self, index: int) -> None:
        key = self.clips[index]["key"]  # before the bytes are read: another video may take the place meanwhile
        self.send({"have": "bytes", "index": index, "key": key}, [self._read(index)])

    def _refuse(self, index: int, error: BaseException) -> None:
        self.send({"have": "nothing", "index": index, "why": f"No video: {error}"})


def clip(
    size: Size, *, poster: str = "", word: str = "", label: str = "", key: str = "", video: Video | None = None
) -> dict[str, Any]:
    """Return what the player needs to know of one video, or of the place where it will be.

    Args:
        size: Pixels; of the video, or predicted.
        poster: A picture as a data URI.
        word: What stands in its place while there is no video.
        label: What stands under it, where there are several.
        key: Another key at the same place is another video.
        video: The video, once it is there.
    """
    return {
        "key": key,
        "label": label,
        "width": size.width,
        "height": size.height,
        "fps": video.fps if video else 30.0,
        "duration_s": video.duration_s if video else 0.0,
        "has_audio": video.has_audio if video else False,
        "poster": poster,
        "word": word,
        "ready": video is not None,
    }


def facts(video: Video) -> list[tuple[str, str]]:
    """Return what to know of a video's file, as (name, text)."""
    sound = "with sound" if video.has_audio else "silent"
    cost = f"about {video.cost}" if video.cost else "price not published"
    return [
        ("video", f"{video.size} px, {video.duration_s:.2f} s, {video.fps:.4g} fps, {sound}"),
        ("file", f"{_relative(video.path)} ({amount(video.nbytes)})"),
        ("cost", "free (simulated)" if video.is_simulated else cost),
    ]


def html(video: Video) -> str:
    """Return the static twin: plays with no kernel, no script, nothing from outside."""
    rows = [*facts(video), *([("rewritten", video.actual_prompt)] if video.actual_prompt else [])]
    lines = "<br>".join(f'<span style="color:{SOFT}">{escape(name)}</span> {escape(text)}' for name, text in rows)
    width = min(_width(video.size, 480, 400), video.size.width)
    return (
        f'<figure style="margin:0;max-width:{max(320, width)}px">{tag(video, width)}'
        f'<figcaption style="font-size:12px;line-height:1.5;overflow-wrap:anywhere">{lines}</figcaption></figure>'
    )


def boxed(video: Video) -> str:
    """Return a run's video in its box: the same as the player's, so that nothing moves when one follows the other."""
    box = f"flex:0 0 {BOX_WIDTH}px;max-width:100%;min-height:{BOX_HEIGHT + 34}px"
    return f'<div style="{box}">{tag(video, _width(video.size, BOX_WIDTH, BOX_HEIGHT))}</div>'


def tag(video: Video, width: int) -> str:
    """Return the ``<video>`` element alone; JupyterLab keeps ``src`` only as an attribute, never as ``<source>``."""
    ratio = f"{video.size.width}/{video.size.height}"
    shape = f'width="{width}" style="max-width:100%;height:auto;aspect-ratio:{ratio};display:block"'
    poster, source, note = jpeg_address(video.poster), "", ""
    try:
        if video.path.stat().st_size <= EMBED_BYTES:
            source = f"data:video/mp4;base64,{base64.b64encode(video.path.read_bytes()).decode('ascii')}"
        else:
            source = _relative(video.path)
            note = f"{amount(video.nbytes)}: not kept in this page; it plays while the file stands beside the notebook."
    except OSError:
        note = f"The file is no longer at {_relative(video.path)}."
    address = f' src="{escape(source)}"' if source else ""
    picture = f' poster="{poster}"' if poster else ""
    said = f'<div style="font-size:12px;color:{SOFT}">{escape(note)}</div>' if note else ""
    return f'<video controls loop muted playsinline preload="metadata" {shape}{picture}{address}></video>{said}'


def _width(size: Size, wide: int, high: int) -> int:
    """Return the width at which a video fills a box."""
    return round(min(wide, high * size.width / size.height))


def _relative(path: Path) -> str:
    """Say a path as seen from the notebook's folder, where that is possible."""
    try:
        shown = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if shown.startswith(os.pardir + os.sep + os.pardir) else Path(shown).as_posix()
