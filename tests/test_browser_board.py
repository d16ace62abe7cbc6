"""Board and history in a real JupyterLab: many runs live, one press where one failed, pages, a kernel that goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser_support import Desk
from tests.conftest import make_picture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OPEN = """
import wan_nb as wan
from wan_nb.simulator import Fault, Scenario
faults = (
    Fault('create', 'fail_task', after=1, code='InternalError.Timeout', message='no result'),
    Fault('create', 'fail_task', after=2, code='DataInspectionFailed', message='Output data'),
    Fault('create', 'lost_answer', after=3),
)
scenario = Scenario(tier_area={{"480P": 208 * 120}}, job_s=60, faults=faults)
session = wan.simulated('runs_{name}', speed=60, scenario=scenario)
request = wan.VideoRequest('wan2.2-i2v-flash', first_frame='first.png', resolution='480P', prompt='A boat leaves.')
board = session.board()
board
"""
SUBMIT = """
for seed in (1, 2, 3, 4, 5):
    run = session.submit(request.replace(seed=seed))
    while run.state.phase in ('planned', 'sending'):
        await __import__('asyncio').sleep(0.01)
"""


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Desk:
    make_picture(desk.lab.folder / "first.png", 640, 400)
    return desk


def row(cell: Any, word: str) -> Any:
    return cell.locator(f".wan-board tr:has(b:text-is('{word}'))").first


def rows(cell: Any) -> int:
    return int(cell.locator(".wan-board tbody tr").count())


def test_a_board_fills_itself_and_a_row_shows_its_video_and_what_helps(studio: Desk) -> None:
    cell = studio.cell(OPEN.format(name="board"))
    cell.locator(".wan-board .none:has-text('No runs.')").wait_for()
    studio.cell(SUBMIT)
    cell.locator(".sums:has-text('5 runs'):has-text('2 saved')").wait_for()
    cell.locator(".wan-board td.poster img[src^=blob]").nth(1).wait_for()
    assert "simulated: free" in cell.locator(".sums").text_content()
    row(cell, "saved").locator("button.open").press("Enter")
    studio.watch(cell)
    cell.locator("select[aria-label='All states']").select_option("failed")
    assert rows(cell) == 2
    cell.locator("tr:has-text('InternalError.Timeout') button.open").click()
    cell.locator(".wan-status .press button:has-text('Again — simulated, free')").dblclick()
    cell.locator(".wan-run .wan-run .wan-status[data-phase=saved]").wait_for()
    cell.locator("select[aria-label='All states']").select_option("")
    assert rows(cell) == 6  # a double click is one new run
    cell.locator("tr:has-text('DataInspectionFailed') button.open").click()
    cell.locator(".wan-status .press button:has-text('Edit in the form')").click()
    cell.locator(".wan-run .wan-of-first-frame :text('first.png')").first.wait_for()
    row(cell, "answer lost").locator("button.open").click()
    cell.locator(".wan-status .press button:has-text('Look for it')").click()
    cell.locator(".wan-status .press button:has-text('It is ')").first.click()
    cell.locator(".wan-run .wan-status[data-phase=saved]").wait_for()
    assert cell.locator(".wan-status .press button:has-text('Again')").count() == 0
    sort_by(cell, "elapsed")


def sort_by(cell: Any, name: str) -> None:
    """Sort by a column, either way, and look that the order turns."""
    orders = []
    for way in ("ascending", "descending"):
        cell.locator(f".wan-board thead button[aria-label='Sort by {name}']").click()
        cell.locator(f".wan-board th[aria-sort={way}]").wait_for()
        orders.append(cell.locator(".wan-board tbody .age").all_text_contents())
    assert orders[0] != orders[1]


def test_the_history_finds_stars_and_fills_a_form(studio: Desk) -> None:
    cell = studio.cell("session.history()")
    cell.locator(".sums:has-text('6 runs')").wait_for()
    first = cell.locator(".wan-board tbody tr").first
    first.locator("button[aria-label^='Star of run']").click()
    first.locator("button.star:text-is('★')").wait_for()
    first.locator("button[aria-label^='Note on run']").click()
    first.locator("td.prompt input").fill("the best of all")
    first.locator("td.prompt input").press("Enter")
    cell.locator("td.prompt :text('the best of all')").wait_for()
    cell.locator("input[type=search]").fill("best")
    cell.locator(".sums:has-text('1 run on this page')").wait_for()
    cell.locator("input[type=search]").fill("")
    cell.locator(".sums:has-text('6 runs')").wait_for()
    cell.locator(".tools button.star").click()
    cell.locator(".sums:has-text('1 run on this page')").wait_for()
    cell.locator("button[aria-label^='Use run']").click()
    cell.locator(".wan-form .wan-of-prompt textarea").wait_for()
    assert cell.locator(".wan-form .wan-of-prompt textarea").input_value() == "A boat leaves."


def test_a_board_twice_is_one_and_says_when_its_kernel_is_gone(studio: Desk) -> None:
    first = studio.cell("board2 = session.board()\nboard2")
    second = studio.cell("board2")
    second.locator(".sums:has-text('6 runs')").wait_for()
    second.locator("tr button[aria-label^='Star of run']").last.click()
    first.locator("tbody tr button.star:text-is('★')").nth(1).wait_for()
    studio.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    first.locator(".gone:has-text('Not connected any more')").wait_for()
    assert first.locator("tbody button").first.is_disabled() and rows(first) == 6
