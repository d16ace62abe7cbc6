"""The README's two large pictures, taken anew from a real JupyterLab. By name only:

pytest -m campaign tests/test_readme_pictures.py
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser_support import REPOSITORY, Desk

pytestmark = [pytest.mark.browser, pytest.mark.campaign, pytest.mark.xdist_group("browser")]

PICTURES = REPOSITORY / "notebooks" / "pictures"
STUDY = """
import itertools
request = wan.VideoRequest("wan2.6-i2v-flash", first_frame="grace_hopper.jpg", resolution="720P", prompt_extend=False)
study = session.compare(request, prompt=["She turns to the window and smiles.", "The camera goes round her slowly."],
                        seed=[1, 2, 3, 4, 5, 6], votes=24, name="Window or camera?").submit(confirm=True).wait()
for number, (judge, seed) in enumerate(itertools.product(["Ada", "Ben", "Cleo", "Dan"], range(1, 7))):
    study.vote(("A", seed), ("B", seed), "right" if number % 8 else "left", judge=judge, is_blind=True)
study
"""


def keep(place: Any, name: str) -> None:
    """Write a picture of a place on the page, small enough for a repository."""
    place.page.evaluate("document.activeElement.blur()")
    shot = Image.open(io.BytesIO(place.screenshot(animations="disabled"))).convert("RGB")
    target = PICTURES / f"{name}.jpg"
    shot.save(target, "JPEG", quality=90, subsampling=0, optimize=True)
    print(f"{target.name}: {shot.width}×{shot.height}, {target.stat().st_size / 1024:.0f} KiB")
    assert target.stat().st_size < 400_000


def at(studio: Desk, cell: Any, part: float) -> None:
    """Stop every video at a part of its length, 0 to 1, and wait until its frame is there."""
    studio.watch(cell)
    player = cell.locator(".wan-player").first
    player.press("ArrowRight")  # one frame on: surely stopped
    paused = "player => [...player.querySelectorAll('video')].every(v => v.paused && !v.seeking)"
    studio.page.wait_for_function(paused, arg=player.element_handle())
    player.locator(".bar input[type=range]").evaluate(
        "(bar, to) => { bar.value = bar.max * to; bar.dispatchEvent(new Event('input', {bubbles: true})); }", part
    )
    there = "([player, part]) => [...player.querySelectorAll('video')].every(v => v.paused && !v.seeking"
    there += " && Math.abs(v.currentTime / v.duration - part) < 0.1)"
    studio.page.wait_for_function(there, arg=[player.element_handle(), part])


def test_the_form_after_a_run_and_a_study_with_its_votes(desk: Desk, portrait: Path) -> None:
    desk.page.set_viewport_size({"width": 1060, "height": 2200})
    desk.cell("session = wan.simulated('runs')")
    cell = desk.cell(
        "session.form(first_frame='grace_hopper.jpg', prompt='She turns to the window and smiles.', resolution='720P')"
    )
    cell.locator(".wan-submit:not([disabled])").click()
    cell.locator(".wan-status[data-phase=saved]").wait_for()
    at(desk, cell, 0.5)
    keep(cell.locator(".wan-form").first, "form")
    cell = desk.cell(STUDY)
    at(desk, cell, 0.9)
    keep(cell.locator(".wan-study").first, "study")
