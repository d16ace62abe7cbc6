"""What a user does, in a real JupyterLab in a real Chromium: fill the form, submit, follow, watch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser_support import PLAYS, REPOSITORY, Lab, from_form_to_video, give, open_notebook
from tests.waiting import until
from wan_nb.geometry import Size, predict
from wan_nb.video import probe

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BEGIN = "import wan_nb as wan\nsession = wan.simulated({folder!r})"


def open_form(page: Any, lab: Lab, name: str, form: str = "session.form()") -> Path:
    lab.write(f"{name}.ipynb", [BEGIN.format(folder=f"runs_{name}"), form])
    open_notebook(page, lab, f"{name}.ipynb")
    page.wait_for_selector(".wan-submit")
    return lab.folder / f"runs_{name}"


def test_a_form_filled_and_submitted_ends_in_a_playing_video(page: Any, lab: Lab, portrait: Path) -> None:
    folder = open_form(page, lab, "main")
    from_form_to_video(page, portrait.name)
    (path,) = (folder / "videos").glob("*.mp4")
    info = probe(path)
    assert info.size == predict(Size(512, 600), "720P") == Size(880, 1024)
    assert (info.fps, info.duration_s) == (30.0, 5.0)


def test_the_first_notebook_from_top_to_a_playing_video(page: Any, lab: Lab) -> None:
    """What a newcomer opens first: all cells run, the form at its end is submitted, and its video plays."""
    shutil.copy(REPOSITORY / "notebooks" / "00_start_here.ipynb", lab.folder)
    open_notebook(page, lab, "00_start_here.ipynb")
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    submit = page.locator(".wan-submit")
    submit.scroll_into_view_if_needed()
    assert submit.inner_text() == "Submit — simulated, free"
    submit.click()
    page.wait_for_function(PLAYS)
    videos = sorted((lab.folder / "wan_runs" / "simulated" / "videos").glob("*.mp4"))
    assert [probe(path).size for path in videos] == [Size(880, 1024), Size(576, 672)]


def test_wrong_input_is_said_beside_its_field(page: Any, lab: Lab, portrait: Path) -> None:
    open_form(page, lab, "wrong")
    give(page, "first-frame", "grace_hoper.jpg")
    line = page.wait_for_selector(".wan-of-first-frame .wan-problem.refused")
    assert "did you mean 'grace_hopper.jpg'" in line.inner_text()
    assert page.locator(".wan-submit").is_disabled()
    give(page, "first-frame", portrait.name)
    page.wait_for_selector(".wan-submit:not([disabled])")
    assert page.locator(".wan-of-first-frame .wan-problem").count() == 0


def test_another_model_keeps_what_it_can(page: Any, lab: Lab) -> None:
    open_form(page, lab, "models", "session.form(model='wan2.5-i2v-preview', resolution='480P', duration=10)")
    model = page.locator(".wan-of-model select")

    def pressed(field: str) -> str:
        return str(page.locator(f".wan-of-{field} button.mod-active:visible").inner_text())

    model.select_option(label="first frame · wan2.2-i2v-plus · 5 s")
    page.wait_for_function("document.querySelectorAll('.wan-of-resolution button').length === 2")
    page.wait_for_selector(".wan-of-duration button.mod-active:has-text('5 s')")
    assert (pressed("resolution"), pressed("duration")) == ("480P", "5 s")
    model.select_option(label="first + last frame · wan2.2-kf2v-flash · 5 s")
    page.wait_for_selector(".wan-of-last-frame", state="visible")
    model.select_option(label="first frame · wan2.5-i2v-preview · 5 or 10 s, sound")
    page.wait_for_selector(".wan-of-last-frame", state="hidden")
    page.wait_for_selector(".wan-of-duration button.mod-active:has-text('10 s')")
    assert (pressed("resolution"), pressed("duration")) == ("480P", "10 s")


def test_an_upload_over_jupyters_message_limit_arrives(page: Any, lab: Lab, tmp_path: Path) -> None:
    open_form(page, lab, "upload")
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size > 12e6
    picker = page.locator(".wan-of-first-frame input[type=file]")
    picker.set_input_files(tmp_path / "noise.png")
    page.wait_for_selector("text=noise.png: PNG 2100×2000, 12.")
    (tmp_path / "empty.png").write_bytes(b"")
    picker.set_input_files(tmp_path / "empty.png")
    page.wait_for_selector(".wan-of-first-frame .wan-problem.refused:has-text('is empty (0 bytes)')")
    dropped = page.evaluate_handle(
        "() => { const all = new DataTransfer(); all.items.add(new File(['no picture'], 'dropped.png')); return all; }"
    )
    page.dispatch_event(".wan-of-first-frame .wan-thumb", "drop", {"dataTransfer": dropped})
    page.wait_for_selector(".wan-of-first-frame .wan-problem.refused:has-text(\"'dropped.png': is not a picture\")")


def test_a_run_goes_on_live_while_a_cell_blocks_and_its_twin_stays(page: Any, lab: Lab, portrait: Path) -> None:
    request = (
        f"request = wan.VideoRequest('wan2.6-i2v-flash', first_frame={portrait.name!r}, resolution='720P', duration=2)"
    )
    lab.write(
        "cells.ipynb",
        [f"{BEGIN.format(folder='runs_cells')}\n{request}", "run = session.submit(request)\nrun", "run.wait()"],
    )
    open_notebook(page, lab, "cells.ipynb", run=False)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_selector(".wan-status[data-phase=submitted]")
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output video').length === 2")
    page.wait_for_selector(".wan-run", state="detached")  # the twin took the widget's place
    page.locator("video").first.evaluate("v => v.play()")
    page.wait_for_function(
        "(() => { const v = document.querySelector('video'); return v.readyState >= 2 && v.currentTime > 0 })()"
    )
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    saved = until(lambda: (text := (lab.folder / "cells.ipynb").read_text()) and "data:video/mp4" in text and text)
    assert "widget-view+json" not in saved


def test_the_player_obeys_keys_frame_by_frame(page: Any, lab: Lab, portrait: Path) -> None:
    open_form(page, lab, "keys", f"session.form(first_frame={portrait.name!r}, resolution='720P', duration=2)")
    page.wait_for_selector(".wan-submit:not([disabled])")
    page.locator(".wan-submit").click()
    page.wait_for_function(PLAYS)
    player = page.locator(".wan-player")
    player.press(" ")
    page.wait_for_function("document.querySelector('.wan-player video').paused")
    player.press("Home")
    frame = "document.querySelector('.wan-player .time').title"
    page.wait_for_function(f"{frame} === 'frame 1'")
    for expected in ("frame 2", "frame 3"):
        player.press("ArrowRight")
        page.wait_for_function(f"{frame} === '{expected}'")
    player.press("ArrowLeft")
    page.wait_for_function(f"{frame} === 'frame 2'")
