"""A run outlives what happens around it: a busy kernel, a closed tab, a restart; and it can be cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser_support import Desk, open_notebook
from tests.conftest import make_picture
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OPEN = """
import wan_nb as wan
from wan_nb.simulator import Scenario, Timing
small = {{"480P": 208 * 120}}
timing = Timing(pending_s={pending_s})
session = wan.simulated('runs_{name}', speed={speed}, scenario=Scenario(tier_area=small, job_s=60, timing=timing))
request = wan.VideoRequest('wan2.2-i2v-flash', first_frame='first.png', resolution='480P', prompt='A boat leaves.')
"""
FORM = (
    "form = session.form(model='wan2.2-i2v-flash', first_frame='first.png', resolution='480P', prompt='A boat leaves.')"
)
BLOCK = "import pathlib, time\nwhile not pathlib.Path('{go}').exists():\n    time.sleep(0.02)"
AWAIT = "import asyncio, pathlib\nwhile not pathlib.Path('{go}').exists():\n    await asyncio.sleep(0.02)"


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Desk:
    make_picture(desk.lab.folder / "first.png", 640, 400)
    return desk


def begin(studio: Desk, name: str, *, speed: float = 60, pending_s: float = 6, show: str = f"{FORM}\nform") -> Any:
    return studio.cell(f"{OPEN.format(name=name, speed=speed, pending_s=pending_s)}\n{show}")


def submit(cell: Any) -> None:
    cell.locator(".wan-submit:not([disabled])").click()
    cell.locator(".wan-status[data-phase=submitted]").wait_for()


def test_a_waiting_run_is_cancelled(studio: Desk) -> None:
    cell = begin(studio, "cancel", pending_s=36_000)
    submit(cell)
    cell.locator(".wan-status button:has-text('Cancel')").click()
    cell.locator(".wan-status[data-phase=canceled]").wait_for()
    assert "Nothing is billed" in cell.locator(".wan-status").text_content()
    assert not cell.locator(".wan-status button:has-text('Cancel')").is_visible()


def test_one_form_twice_in_a_notebook_is_one_form(studio: Desk) -> None:
    first = begin(studio, "twice")
    second = studio.cell("form")
    second.locator(".wan-of-prompt textarea").fill("A boat comes home.")
    first.locator("text=18 of 800 characters").wait_for()
    assert first.locator(".wan-of-prompt textarea").input_value() == "A boat comes home."
    submit(first)
    for cell in (second, first):
        cell.locator(".wan-status[data-phase=saved]").wait_for()
        studio.watch(cell)


def test_two_forms_of_a_session_keep_their_runs_apart(studio: Desk) -> None:
    first, second = begin(studio, "two"), studio.cell(f"{FORM.replace('leaves', 'sinks')}\nform")
    submit(second)
    submit(first)
    for cell in (first, second):
        cell.locator(".wan-status[data-phase=saved]").wait_for()
        assert cell.locator(".wan-status").count() == 1
    assert "sinks" in second.locator(".wan-status").text_content()


def test_the_status_goes_on_and_the_video_comes_while_a_cell_blocks(studio: Desk) -> None:
    watch_through_a_blocking_cell(studio)


def watch_through_a_blocking_cell(studio: Desk) -> None:
    cell = begin(studio, "blocks", speed=30)
    submit(cell)
    go = studio.lab.folder / "go_blocks"
    studio.cell(BLOCK.format(go=go.name), wait=False)
    studio.watch(cell)
    assert cell.locator(".wan-status").get_attribute("data-phase") == "saved"
    assert studio.is_running
    cell.locator(".wan-of-prompt textarea").fill("It waits for the cell.")
    go.touch()
    cell.locator("text=22 of 800 characters").wait_for()  # what was typed meanwhile is not lost


def test_clicks_work_while_a_cell_awaits(studio: Desk) -> None:
    cell = begin(studio, "awaits")
    go = studio.lab.folder / "go_awaits"
    studio.cell(AWAIT.format(go=go.name), wait=False)
    submit(cell)
    studio.watch(cell)
    assert studio.is_running
    go.touch()
    until(lambda: not studio.is_running)


def test_a_tab_closed_and_reopened_finds_the_run_still_going(studio: Desk) -> None:
    cell = begin(studio, "reopened", speed=10)
    submit(cell)
    place = reopen(studio, cell)
    place.locator(".wan-status[data-phase=submitted]").wait_for()
    place.locator(".wan-status[data-phase=saved]").wait_for()
    studio.watch(place)


def test_a_run_that_ended_while_the_tab_was_closed_is_there_when_it_opens(studio: Desk) -> None:
    cell = begin(studio, "closed", speed=30, show="run = session.submit(request)\nrun")
    cell.locator(".wan-status[data-phase=submitted]").wait_for()
    place = reopen(studio, cell, until_there=studio.lab.folder / "runs_closed" / "videos")
    place.locator(".wan-status[data-phase=saved]").wait_for()
    studio.watch(place)


def test_a_restart_during_a_run_and_its_video_comes_all_the_same(studio: Desk) -> None:
    cell = begin(studio, "restarted", speed=10)
    submit(cell)
    studio.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    again = begin(studio, "restarted", speed=10, show="(run,) = session.runs()\nrun")
    again.locator(".wan-status[data-phase=submitted]").wait_for()
    again.locator("video").first.wait_for(state="attached")
    assert "1 run" in studio.cell("print(len(session.runs()), 'run')").text_content()


def reopen(studio: Desk, cell: Any, until_there: Path | None = None) -> Any:
    """Save, close the page, open it again; return the place of the same cell."""
    selector = cell._impl_obj._selector
    studio.save()
    studio.page.goto("about:blank")
    if until_there is not None:
        until(lambda: list(until_there.glob("*.mp4")))
    open_notebook(studio.page, studio.lab, "desk.ipynb", run=False)
    return studio.page.locator(selector)
