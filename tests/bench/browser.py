"""What a user waits for, measured inside the page: JupyterLab in Chromium, with the form and one run."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser_support import (
    CHROMIUM_FLAGS,
    PLAYS,
    copy_portrait,
    find_chromium,
    new_page,
    open_notebook,
    start_lab,
    stop_lab,
)

UNTIL = """async ([begin, done]) => {
    const size = () => document.querySelector('.wan-form')?.innerText.match(/.*px expected/)?.[0];
    const before = size(), began = performance.now();
    const act = {
        run: () => window.jupyterapp.commands.execute('notebook:run-all-cells'),
        choose: () => document.querySelector('.wan-of-resolution button:not(.mod-active)').click(),
        submit: () => document.querySelector('.wan-submit').click(),
    }[begin];
    const is = {
        form: () => document.querySelector('.wan-submit:not([disabled])'),
        preview: () => (size() ?? before) !== before,
        status: () => document.querySelector('.wan-status[data-phase]'),
    }[done];
    act();
    while (!is()) await new Promise(requestAnimationFrame);
    return performance.now() - began; }"""

CELLS = [
    "import wan_nb as wan\nsession = wan.simulated()",
    "session.form(model='wan2.6-i2v-flash', first_frame='grace_hopper.jpg', prompt='She smiles.', duration=2)",
]


def flows(times: int) -> dict[str, float]:
    """Go through the flow with fresh kernels; medians of milliseconds, of messages and of their kilobytes."""
    found: list[dict[str, float]] = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lab = start_lab(Path(folder))
        try:
            copy_portrait(lab)
            with sync_playwright() as play:
                options = {"executable_path": find_chromium(), "headless": True, "args": list(CHROMIUM_FLAGS)}
                chromium = play.chromium.launch(**options)
                for number in range(times):
                    found.append(_flow(chromium, lab, f"bench{number}.ipynb"))
                    lab.forget_kernels()
                chromium.close()
        finally:
            stop_lab(lab)
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def _flow(chromium: Any, lab: Any, name: str) -> dict[str, float]:
    page = new_page(chromium)
    frames: list[bytes] = []

    def listen(socket: Any) -> None:
        for event in ("framereceived", "framesent"):
            socket.on(event, lambda data: frames.append(data if isinstance(data, bytes) else data.encode()))

    page.on("websocket", listen)
    lab.write(name, [CELLS[0].replace("()", f"({name.removesuffix('.ipynb')!r})"), CELLS[1]])
    open_notebook(page, lab, name, run=False)
    result = {"form_ms": page.evaluate(UNTIL, ["run", "form"])}
    result["preview_ms"] = page.evaluate(UNTIL, ["choose", "preview"])
    page.wait_for_selector(".wan-submit:not([disabled])")
    frames.clear()
    result["status_ms"] = page.evaluate(UNTIL, ["submit", "status"])
    page.wait_for_function(PLAYS)
    told = [frame for frame in frames if b"comm_msg" in frame]
    page.context.close()
    # a message above this size brings a video, or a part of one
    return result | {"messages": len(told), "kilobytes": sum(len(each) for each in told if len(each) < 2**17) / 1000}
