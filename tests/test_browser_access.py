"""The form without a mouse and without eyes: each control has a name, Tab goes as one reads, all can be reached."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from tests.browser_support import Desk, choose_model
from tests.conftest import make_picture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CONTROLS = re.compile(r"^\s*- '?(textbox|combobox|button|slider|checkbox|radio|spinbutton|img|video|link)\b(?! [\"'])")
"""A line of Playwright's accessibility snapshot in which a control has no name."""
FOCUSED = """form => { const here = document.activeElement; if (!form.contains(here)) return null;
    const box = here.getBoundingClientRect(); const from = form.getBoundingClientRect();
    return [Math.round(box.left - from.left), Math.round(box.top - from.top), Math.round(box.width),
        Math.round(box.height), here.getAttribute('aria-label') || here.title || here.textContent || here.tagName]; }"""


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Desk:
    make_picture(desk.lab.folder / "first.png", 640, 400)
    desk.page.set_viewport_size({"width": 800, "height": 1000})
    desk.cell("session = wan.simulated('runs_access', scenario='small')")
    return desk


def form_of(studio: Desk) -> Any:
    cell = studio.cell("session.form(first_frame='first.png', prompt='A boat leaves.')")
    cell.locator(".wan-submit:not([disabled])").wait_for()
    return cell


def open_more(cell: Any) -> None:
    """Open the fold with the keyboard alone."""
    fold = cell.locator(".wan-more .wan-fold")
    fold.focus()
    fold.press("Enter")
    cell.locator(".wan-of-seed").wait_for(state="visible")


def nameless(scope: Any) -> list[str]:
    return [line.strip() for line in scope.aria_snapshot().splitlines() if CONTROLS.match(line)]


@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.2-kf2v-flash", "wan2.7-i2v-2026-04-25"])
def test_every_control_of_the_form_has_a_name(studio: Desk, model: str) -> None:
    cell = form_of(studio)
    choose_model(cell, model)
    open_more(cell)
    assert nameless(cell.locator(".wan-form")) == []


def test_every_control_of_a_run_has_a_name(studio: Desk) -> None:
    cell = form_of(studio)
    cell.locator(".wan-submit").press("Enter")
    cell.locator(".wan-status[data-phase=saved]").wait_for()
    cell.locator(".wan-player video").wait_for(state="attached")
    assert nameless(cell.locator(".wan-run")) == []


def test_tab_goes_as_one_reads(studio: Desk) -> None:
    """Top to bottom, and left to right within a line; at this width the form has one column."""
    cell = form_of(studio)
    open_more(cell)
    form = cell.locator(".wan-form")
    cell.locator(".wan-of-model select").focus()
    stops = []
    while (stop := form.evaluate(FOCUSED)) is not None:
        stops.append(stop)
        assert len(stops) < 60
        studio.page.keyboard.press("Tab")
    assert len(stops) >= 15
    for (left, top, width, height, name), (next_left, next_top, _, next_height, next_name) in pairwise(stops):
        is_same_line = next_top < top + height and top < next_top + next_height
        assert next_top >= top + height or (is_same_line and next_left >= left + width), f"{name!r} then {next_name!r}"
