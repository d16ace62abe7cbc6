"""The form in JupyterLab: repairs, earlier runs, code, pictures to choose from; for eyes, hands and screen readers."""

from __future__ import annotations

import re

import pytest
from PIL import Image, ImageDraw

from tests.browser_support import Desk, copy_portrait, give
from tests.browser_support import chromium as chromium
from tests.browser_support import desk as desk
from tests.browser_support import lab as lab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CLIPPED = """form => { const edge = form.getBoundingClientRect().right;
    const seen = [...form.querySelectorAll('*')].filter(e => e.checkVisibility());
    const out = seen.filter(e => e.getBoundingClientRect().right > edge + 1);
    const cut = seen.filter(e => e.matches('button, .wan-note, .wan-problem, label') && e.clientWidth > 0
        && e.scrollWidth > e.clientWidth + 1);
    return [...out, ...cut].map(e => e.className + ': ' + e.textContent.slice(0, 60)); }"""


@pytest.fixture(scope="module")
def atelier(desk: Desk) -> Desk:
    """The open notebook with a session, a photograph, a picture with alpha, and a folder of pictures."""
    copy_portrait(desk.lab)
    picture = Image.new("RGBA", (500, 400))
    ImageDraw.Draw(picture).ellipse((60, 40, 440, 360), fill=(200, 60, 30, 255))
    picture.save(desk.lab.folder / "alpha.png")
    (desk.lab.folder / "photos").mkdir()
    for number in range(5):
        Image.new("RGB", (500 + 20 * number, 400), (40 * number, 120, 200)).save(
            desk.lab.folder / "photos" / f"p{number}.jpg"
        )
    desk.cell("session = wan.simulated('runs_form')")
    return desk


def test_a_picture_is_mended_by_one_press_and_is_as_it_was_by_another(atelier: Desk) -> None:
    cell = atelier.cell("session.form(first_frame='alpha.png', model='wan2.7-i2v')")
    offers = cell.locator(".wan-of-first-frame .wan-offer")
    offers.nth(1).locator("img[alt=after]").wait_for()
    assert cell.get_by_role("alert").first.inner_text().startswith("✕ first_frame 'alpha.png' has an alpha channel")
    assert cell.locator(".wan-submit").is_disabled()
    assert cell.locator(".wan-send").get_by_role("status").inner_text().startswith("Off: first_frame 'alpha.png'")
    offers.get_by_role("button", name="Lay it on white").click()
    cell.locator(".wan-submit:not([disabled])").wait_for()
    assert cell.locator(".wan-of-first-frame .wan-problem").count() == 0
    cell.get_by_role("button", name="As it was").click()
    offers.nth(1).wait_for()
    cell.locator(".wan-submit[disabled]").wait_for()
    assert cell.get_by_label("First frame", exact=True).input_value() == "alpha.png"


def test_the_drawing_keeps_its_scale_and_nothing_moves_with_the_tier(atelier: Desk) -> None:
    cell = atelier.cell("session.form(first_frame='grace_hopper.jpg')")
    frame = cell.locator(".wan-frame svg")
    frame.wait_for()
    cell.locator("text=880×1024 px expected").wait_for()
    wide = frame.locator("rect").last.evaluate("r => r.width.baseVal.value")
    foot = cell.locator(".wan-foot").evaluate("e => e.offsetTop")
    cell.locator(".wan-of-resolution").get_by_role("button", name="1080P").click()
    cell.locator("text=1328×1552 px expected").wait_for()
    assert frame.locator("rect").last.evaluate("r => r.width.baseVal.value") / wide == pytest.approx(1328 / 880, 0.01)
    assert cell.locator(".wan-foot").evaluate("e => e.offsetTop") == foot


def test_a_screen_reader_is_told_what_is_pressed_and_which_words_belong_to_a_field(atelier: Desk) -> None:
    cell = atelier.cell("session.form(model='wan2.6-i2v-flash')")
    tiers = cell.get_by_role("group", name="Resolution", exact=True)
    tiers.get_by_role("button", name="720P", pressed=True).wait_for()
    tiers.get_by_role("button", name="1080P").click()
    tiers.get_by_role("button", name="1080P", pressed=True).wait_for()
    assert cell.get_by_role("slider", name="Duration").get_attribute("aria-valuetext") == "5 s"
    fold = cell.get_by_role("button", name=re.compile("^More"))
    assert fold.get_attribute("aria-expanded") == "false"
    fold.press("Enter")
    cell.locator(".wan-fold[aria-expanded=true]").wait_for()
    box = cell.get_by_label("First frame", exact=True)
    give(cell, "first-frame", "nothing.png")
    cell.locator("input[aria-invalid=true]").wait_for()
    said = cell.locator(f"[id='{box.get_attribute('aria-describedby')}']")
    assert "no such file" in said.inner_text() and said.get_attribute("aria-live") == "polite"
    cell.get_by_role("alert").filter(has_text="no such file").wait_for()


def test_a_picture_of_the_folder_is_chosen_with_the_keyboard(atelier: Desk) -> None:
    cell = atelier.cell("session.form(pictures='photos')")
    first = cell.get_by_role("button", name="p0.jpg").first
    first.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        atelier.page.keyboard.press(key)
    cell.locator(".wan-of-first-frame .wan-thumb img[alt='p2.jpg']").wait_for()
    assert cell.get_by_role("button", name="p2.jpg").first.get_attribute("aria-pressed") == "true"
    cell.locator(".wan-submit:not([disabled])").wait_for()


def test_filled_from_a_run_copied_as_code_and_taken_back(atelier: Desk) -> None:
    atelier.cell(
        "request = wan.VideoRequest('wan2.7-i2v', first_frame='grace_hopper.jpg', prompt='She smiles.', duration=2)\n"
        "run = session.submit(request)\nrun.wait()"
    )
    cell = atelier.cell("session.form(prompt='mine')")
    earlier = cell.get_by_label("From an earlier run")
    earlier.locator("option", has_text="She smiles.").wait_for(state="attached")
    earlier.select_option(index=1)
    undo = cell.get_by_role("button", name=re.compile("Undo: filled from the run of"))
    undo.wait_for()
    prompt = cell.get_by_label("Prompt", exact=True)
    assert prompt.input_value() == "She smiles." and cell.locator(".wan-of-last-frame").is_visible()
    cell.locator("summary", has_text="as Python").click()
    cell.locator("pre", has_text="wan.VideoRequest(").wait_for()
    cell.locator("summary", has_text="as curl").click()
    cell.locator("pre", has_text="Bearer $DASHSCOPE_API_KEY").wait_for()
    atelier.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell.get_by_role("button", name="Copy as Python").click()
    cell.get_by_text("Copied", exact=True).wait_for()
    copied = atelier.page.evaluate("navigator.clipboard.readText()")
    assert "prompt='She smiles.'" in copied and "sk-" not in copied
    undo.click()
    cell.locator(".wan-of-last-frame").wait_for(state="hidden")
    assert prompt.input_value() == "mine"


@pytest.mark.parametrize("width", [700, 1100])
def test_nothing_is_clipped(atelier: Desk, width: int) -> None:
    cell = atelier.cell(
        "session.form(first_frame='alpha.png', last_frame='photos/p4.jpg', model='wan2.7-i2v', prompt='x' * 5001)"
    )
    cell.locator(".wan-offer img[alt=after]").first.wait_for()
    cell.locator(".wan-frame figure").nth(1).wait_for()
    cell.locator(".wan-fold").click()
    cell.locator("summary", has_text="as curl").click()
    form = cell.locator(".wan-form")
    form.evaluate("(form, width) => { form.style.width = `${width}px`; }", width)
    assert form.evaluate("form => form.offsetWidth") == width
    assert form.evaluate(CLIPPED) == []
