"""Every fault that the simulator knows, met from the form: what the status row says, and what stands beside a field."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.browser_support import Desk, give
from tests.conftest import make_picture
from wan_nb.simulator.scenario import SCENARIOS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OPEN = """
from dataclasses import replace
from wan_nb.simulator import Fault, Scenario
small = {area!r}
session = wan.simulated('runs_{name}', speed={speed}, scenario=replace({scenario}, tier_area=small, job_s=60))
form = session.form(model='wan2.2-i2v-flash', first_frame='first.png', resolution='480P', prompt='A boat leaves.')
form
"""

SCENARIO_ENDS = {
    "plain": ("saved", "saved", ""),
    "throttled": ("saved", "saved", ""),
    "crowded": ("saved", "saved", ""),
    "flaky": ("saved", "saved", ""),
    "truncated": ("saved", "saved", ""),
    "small": ("saved", "saved", ""),
    "stalled": ("saved", "saved", ""),
    "down": ("ambiguous", "answer lost", "temporarily unavailable"),
    "lost_answer": ("ambiguous", "answer lost", "It may exist and be billed"),
    "moderated": ("failed", "failed", "DataInspectionFailed"),
    "expired": ("succeeded", "not fetched", "answered 403 to the download"),
    "storage_missing": ("succeeded", "not fetched", "answered 404 to the download"),
    "storage_refused": ("succeeded", "not fetched", "could not be reached"),
}
"""Scenario → how a run ends in the row: phase, word, and what must be said."""

SLOW = ("stalled",)
"""A stalled download is given up after real seconds, whatever the clock's speed."""

FAULTS = {
    "key": (
        "Fault('create', 'status', status=401, code='InvalidApiKey', message='Invalid API-key provided.')",
        ("rejected", "refused", "Use a key of the session's own region"),
    ),
    "arrears": (
        "Fault('create', 'status', status=400, code='Arrearage', message='Access denied, overdue.')",
        ("rejected", "refused", "Settle it in the console"),
    ),
    "undecodable": (
        "Fault('create', 'fail_task', code='InvalidParameter', message='failed to decode the image')",
        ("failed", "failed", "Save it anew as JPEG or PNG"),
    ),
    "inside": (
        "Fault('create', 'fail_task', code='InternalError', message='An internal error has occurred.')",
        ("failed", "failed", "InternalError"),
    ),
    "unknown": ("Fault('poll', 'expire', count=None)", ("submitted", "not known there yet", "usually")),
}
"""Faults beyond the ready scenarios: the fault, and how a run ends."""


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Desk:
    make_picture(desk.lab.folder / "first.png", 640, 400)
    return desk


def meet(studio: Desk, name: str, scenario: str, ends: tuple[str, str, str]) -> None:
    phase, word, said = ends
    speed = 60 if phase == "submitted" else 3000 if phase == "succeeded" else 600
    area = dict(SCENARIOS["small"].tier_area)
    cell = studio.cell(OPEN.format(name=name, speed=speed, area=area, scenario=scenario))
    cell.locator(".wan-submit:not([disabled])").click()
    status = cell.locator(f".wan-status[data-phase={phase}]:has(.word:text-is('{word}'))")
    status.wait_for()
    assert said in status.text_content()
    assert cell.locator(".wan-fault").count() == 0


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.campaign if name in SLOW else ()) for name in SCENARIO_ENDS]
)
def test_each_scenario_ends_in_its_words(studio: Desk, name: str) -> None:
    meet(studio, name, f"Scenario.named({name!r})", SCENARIO_ENDS[name])


@pytest.mark.parametrize("name", FAULTS)
def test_each_refusal_ends_in_its_advice(studio: Desk, name: str) -> None:
    fault, ends = FAULTS[name]
    meet(studio, name, f"Scenario(faults=({fault},))", ends)


def test_no_scenario_is_forgotten() -> None:
    assert set(SCENARIO_ENDS) == set(SCENARIOS)


def bad_pictures(folder: Path) -> None:
    make_picture(folder / "see-through.png", 500, 400, "RGBA")
    make_picture(folder / "tiny.png", 100, 90)
    Image.linear_gradient("L").save(folder / "grey.gif")
    (folder / "words.png").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("see-through.png", "alpha"),
        ("tiny.png", "240"),
        ("grey.gif", "GIF"),
        ("words.png", "words.png"),
        ("empty.png", "empty"),
        ("nowhere.png", "no such file"),
    ],
)
def test_a_bad_picture_is_said_beside_its_field_before_anything_is_sent(studio: Desk, picture: str, said: str) -> None:
    bad_pictures(studio.lab.folder)
    cell = studio.cell("wan.simulated('runs_pictures').form(model='wan2.2-i2v-plus', prompt='x')")
    give(cell, "first-frame", picture)
    line = cell.locator(".wan-of-first-frame .wan-problem.refused").first
    line.wait_for()
    assert said in line.text_content()
    assert cell.locator(".wan-submit").is_disabled()
