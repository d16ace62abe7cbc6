"""Pictures of every state, light and dark, wide and narrow: for people to look at. By name only:

WAN_NB_SHOTS=some/folder pytest -m campaign tests/test_screenshots.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser_support import Desk
from tests.conftest import make_picture
from tests.films import write_clip, write_sound

pytestmark = [pytest.mark.browser, pytest.mark.campaign, pytest.mark.xdist_group("browser")]

BEGIN = """
from dataclasses import replace
from IPython.display import display
import wan_nb as wan
from wan_nb.simulator import Fault, Scenario, Timing
small = dict(Scenario.named('small').tier_area)
face = 'grace_hopper.jpg'
def scene(**changes):
    return replace(Scenario(tier_area=small, job_s=60), **changes)
def asked(prompt='She turns to the window and smiles.', model='wan2.6-i2v-flash', **more):
    return wan.VideoRequest(model, first_frame=face, resolution='720P', prompt=prompt, **more)
def shown(name, scenario, speed=60):
    return wan.simulated('runs_' + name, speed=speed, scenario=scenario).submit(asked())
session = wan.simulated('runs_good', scenario=scene())
still = scene(job_s=None, timing=Timing(pending_s=36_000, shortest_s=72_000, longest_s=72_000))
slow = scene(job_s=None, timing=Timing(pending_s=0, shortest_s=36_000, longest_s=36_000))
"""
READY = ".wan-submit:not([disabled])"
STATES = {
    # name: (what the cell says, what is there when it is ready)
    "form-empty": ("session.form()", ".wan-submit"),
    "form-filled": (
        "session.form(first_frame=face, prompt='She turns to the window and smiles.', resolution='720P')",
        READY,
    ),
    "form-clip": (
        "session.form(model='wan2.7-i2v', first_clip='before.mp4', last_frame=face, prompt='She sits down.')",
        READY,
    ),
    "form-audio": (
        "session.form(model='wan2.5-i2v-preview', first_frame=face, driving_audio='voice.wav', prompt='She sings.')",
        READY,
    ),
    "form-first-last": (
        "session.form(model='wan2.2-kf2v-flash', first_frame=face, last_frame='last.png', prompt='A morph.')",
        READY,
    ),
    "form-wrong": (
        "session.form(first_frame='see-through.png', prompt='word ' * 400, seed='abc', model='wan2.6-i2v')",
        ".wan-problem.refused",
    ),
    "form-missing-file": ("session.form(first_frame='grace_hoper.jpg', prompt='x')", ".wan-problem.refused"),
    "run-queued": ("shown('still', still, speed=1)", ".wan-status[data-phase=submitted]"),
    "run-running": ("shown('slow', slow, speed=1)", ".wan-status .word:text-is('running')"),
    "run-failed": (
        "shown('moderated', scene(faults=Scenario.named('moderated').faults))",
        "text=DataInspectionFailed",
    ),
    "run-refused": (
        "shown('key', scene(faults=(Fault('create', 'status', status=401, code='InvalidApiKey',"
        " message='Invalid API-key provided.'),)))",
        "text=InvalidApiKey",
    ),
    "run-answer-lost": (
        "shown('lost', scene(faults=Scenario.named('lost_answer').faults))",
        "text=answer lost",
    ),
    "run-not-fetched": (
        "shown('expired', scene(faults=Scenario.named('expired').faults), speed=3000)",
        "text=not fetched",
    ),
    "run-saved-twin": ("run = session.submit(asked())\nrun.wait()\nrun", "video"),
    "video-twin": ("run.wait()", "video"),
    "runs-table": ("session.runs()", "table"),
    "board": ("[session.submit(asked(seed=seed)) for seed in (1, 2, 3)]\nsession.board()", ".wan table"),
    "history": ("session.history()", ".wan table"),
    "preview": ("session.preview(asked())", "text=expected"),
    "study": (
        "study = session.compare(asked(), prompt=['She smiles.', 'She nods.'], seed=[1, 2]).submit(confirm=True)\n"
        "study.wait()\nstudy",
        ".wan-player video",
    ),
    "judge": ("study.judge('Ada')", ".wan-player video"),
    "prompt-rewritten": (
        "session.submit(asked(model='wan2.5-i2v-preview', prompt='She smiles.')).wait().run",
        "video",
    ),
    "explorer": ("wan.explorer('750x1000', wanted='3:4', tier='720P')", "img[src^='data:image/svg']"),
}
WIDTHS, THEMES = (1100, 700), ("Light", "Dark")


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Desk:
    folder = desk.lab.folder
    make_picture(folder / "last.png", 512, 600)
    make_picture(folder / "see-through.png", 500, 400, "RGBA")
    write_sound(folder / "voice.wav", 3.0)
    write_clip(folder / "before.mp4", (480, 320), 2.0, fps=30)
    return desk


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("WAN_NB_SHOTS")
    if not folder:
        return tmp_path_factory.mktemp("shots")
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def each_look(page: Any) -> Any:
    for theme in THEMES:
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme}"
        )
        page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light", arg=str(theme == "Light").lower()
        )
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 2300})
            yield f"{theme.lower()}-{width}"


_OVERHANG = """place => { const edge = place.getBoundingClientRect().right;
    const cut = each => !each.closest('[style*="overflow-x:auto"], pre, option, video') && each.offsetParent;
    return Math.max(0, ...[...place.querySelectorAll('*')].filter(cut).map(
        each => Math.round(each.getBoundingClientRect().right - edge))); }"""
"""Pixels by which something sticks out on the right; a table that scrolls by itself may."""


def take(studio: Desk, album: Path, name: str, cell: Any) -> list[str]:
    """Take a state's pictures; return what does not fit in its place."""
    cut = []
    place = cell
    for look in each_look(studio.page):
        place.scroll_into_view_if_needed()
        overhang = place.evaluate(_OVERHANG)
        place.screenshot(path=album / f"{name}-{look}.png", animations="disabled")
        if overhang > 1:
            cut.append(f"{name} at {look}: {overhang} px too wide")
    return cut


def test_every_state_has_its_picture(studio: Desk, portrait: Path, album: Path) -> None:
    studio.cell(BEGIN)
    cut = []
    for name, (code, ready) in STATES.items():
        cell = studio.cell(code)
        cell.locator(ready).first.wait_for(state="attached")
        cut += take(studio, album, name, cell)
    assert not cut


def test_what_opens_and_what_comes_has_its_picture(studio: Desk, portrait: Path, album: Path) -> None:
    studio.cell(BEGIN)
    cell = studio.cell("session.form(first_frame=face, prompt='She looks down.', resolution='720P')")
    cell.locator(READY).wait_for()
    cell.locator(".wan-fold").click()
    for fold in cell.locator(".wan-code summary").all():
        fold.click()
    cut = take(studio, album, "form-all-open", cell)
    cell = studio.cell("wan.simulated('runs_real').form(first_frame=face, prompt='She looks up.', resolution='720P')")
    cell.locator(READY).click()
    cell.locator(".wan-status[data-phase=saved]").wait_for()
    studio.watch(cell)
    cut += take(studio, album, "form-with-its-video", cell)
    assert not cut
