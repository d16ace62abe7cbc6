"""Each family's form, filled as its user fills it, to a video that plays; all in one open notebook."""

from __future__ import annotations

import pytest

from tests.browser_support import Desk, choose_model, give
from tests.conftest import make_picture
from tests.films import write_clip, write_sound

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FAMILIES = (
    # model, tier, media, further choices, what its file has
    ("wan2.2-i2v-plus", "480P", {"first-frame": "first.png"}, {}, "silent"),
    ("wan2.5-i2v-preview", "480P", {"first-frame": "first.png", "driving-audio": "voice.wav"}, {}, "with sound"),
    ("wan2.6-i2v", "720P", {"first-frame": "first.png"}, {"shot-type": "multi"}, "with sound"),
    ("wan2.2-kf2v-flash", "480P", {"first-frame": "first.png", "last-frame": "last.png"}, {}, "silent"),
    ("wan2.7-i2v-2026-04-25", "720P", {"first-frame": "first.png", "driving-audio": "voice.wav"}, {}, "with sound"),
    ("wan2.7-i2v-2026-04-25", "720P", {"first-frame": "first.png", "last-frame": "last.png"}, {}, "with sound"),
    ("wan2.7-i2v-2026-04-25", "720P", {"first-clip": "before.mp4"}, {}, "with sound"),
    ("wan3.0-video", "480P", {"first-frame": "first.png", "last-frame": "last.png"}, {"audio": "off"}, "silent"),
)


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Desk:
    """The desk with media beside it and a session whose videos are small."""
    make_picture(desk.lab.folder / "first.png", 640, 400)
    make_picture(desk.lab.folder / "last.png", 640, 400)
    write_sound(desk.lab.folder / "voice.wav", 3.0)
    write_clip(desk.lab.folder / "before.mp4", (480, 320), 2.0, fps=30)
    desk.cell("session = wan.simulated('runs_families', scenario='small')")
    return desk


@pytest.mark.parametrize(
    ("model", "tier", "media", "choices", "sound"), FAMILIES, ids=[f"{row[0]}:{'+'.join(row[2])}" for row in FAMILIES]
)
def test_a_familys_form_ends_in_a_playing_video(
    studio: Desk, model: str, tier: str, media: dict[str, str], choices: dict[str, str], sound: str
) -> None:
    cell = studio.cell("form = session.form()\nform")
    choose_model(cell, model)
    for field, name in media.items():
        cell.locator(f".wan-of-{field}").wait_for(state="visible")
        give(cell, field, name)
        cell.locator(f".wan-of-{field} .wan-thumb.full").wait_for()
    cell.locator(".wan-of-prompt textarea").fill(f"A boat leaves, {model} {'+'.join(media)}.")
    cell.locator(f".wan-of-resolution button:has-text('{tier}')").click()
    for field, word in choices.items():
        if not cell.locator(f".wan-of-{field} select").is_visible():
            cell.locator(".wan-more .wan-fold").click()
        cell.locator(f".wan-of-{field} select").select_option(label=word)
    cell.locator(".wan-submit:not([disabled])").click()
    cell.locator(".wan-status[data-phase=saved]").wait_for()
    studio.watch(cell)
    facts = cell.locator(".wan-status dl").text_content()
    assert sound in facts
    assert cell.locator(".wan-fault").count() == 0
    said = cell.locator(".wan-status .what").text_content()
    assert f"{model} · {tier} ·" in said
    sent = studio.cell("print({**form.runs[0].run.request.payload()['parameters']})").text_content()
    for field, word in choices.items():
        assert f"'{field.replace('-', '_')}': { ({'off': False}.get(word, word))!r}" in sent
