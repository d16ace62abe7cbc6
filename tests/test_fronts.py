"""The main flow and a study in the other front ends: Notebook 7 and Voilà, each started as its users start it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser_support import (
    Desk,
    copy_portrait,
    from_form_to_video,
    need,
    new_page,
    open_notebook,
    start_lab,
    stop_lab,
)
from tests.conftest import make_picture
from tests.test_browser_life import watch_through_a_blocking_cell
from tests.test_kernel_clicks import OLDER, install_kernel

STUDY = (
    """base = wan.VideoRequest('wan2.6-i2v-flash', first_frame='grace_hopper.jpg', resolution='720P', duration=2)
study = session.compare(base, prompt=['She smiles.', 'She frowns.'], seed=1, votes=6)
study""",
    "study.judge('Ann')",
)
BOTH_PLAY = """player => { player.scrollIntoView({block: 'center'}); // a video that nobody sees does not play
    const videos = [...player.querySelectorAll('video')];
    return videos.length === 2 && videos.every(v => v.readyState >= 2 && v.currentTime > 0); }"""

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize(("app", "folder"), [("notebook", "/notebooks/"), ("voila", "/voila/render/")])
def test_a_form_ends_in_a_playing_video_and_a_study_in_votes(
    app: str, folder: str, chromium: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    need(app)
    front = start_lab(tmp_path_factory.mktemp(app), app)
    picture = copy_portrait(front)
    try:
        for name, cells in (("form.ipynb", ["session.form()"]), ("study.ipynb", STUDY)):
            front.write(name, [f"import wan_nb as wan\nsession = wan.simulated('{name}-runs')", *cells])
            page = new_page(chromium)
            page.goto(f"{front.url}{folder}{name}")
            if app == "notebook":  # Voilà runs the cells by itself
                page.wait_for_function(
                    "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
                )
                page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            if name == "form.ipynb":
                page.wait_for_selector(".wan-submit")
                from_form_to_video(page, picture.name)
            else:
                from_study_to_votes(page)
            assert page.locator(".wan-fault").count() == 0
            page.context.close()
    finally:
        stop_lab(front)


def from_study_to_votes(page: Any) -> None:
    """Submit a study, see both videos play, and judge them; the study's view hears of the vote."""
    study, judge = page.locator(".wan-study"), page.locator(".wan-judge")
    judge.locator("text=There is no video to judge yet.").wait_for()
    study.locator(".wan-submit:has-text('Submit 2 runs')").click()
    study.locator("video").nth(1).wait_for(state="attached")
    page.wait_for_function(BOTH_PLAY, arg=study.locator(".wan-player").element_handle())
    judge.locator("video").nth(1).wait_for(state="attached")
    judge.locator(".wan-vote-left").click()
    judge.locator(".wan-over").wait_for()
    study.locator("text=Judgements so far: 1.").wait_for()


@pytest.mark.campaign
@pytest.mark.parametrize("version", OLDER)
def test_jupyterlab_with_an_older_kernel(version: str, chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """6.31 hears clicks on its main thread only; 7.2 hears JupyterLab's on a thread of their own, while a cell runs."""
    site = install_kernel(version, tmp_path_factory.mktemp("site"))
    front = start_lab(tmp_path_factory.mktemp("lab"), site=site)
    page = new_page(chromium)
    try:
        picture = copy_portrait(front)
        make_picture(front.folder / "first.png", 640, 400)
        front.write("main.ipynb", ["import wan_nb as wan\nsession = wan.simulated('runs')", "session.form()"])
        open_notebook(page, front, "main.ipynb")
        page.wait_for_selector(".wan-submit")
        from_form_to_video(page, picture.name)
        desk = Desk(page, front)
        assert version in desk.cell("import ipykernel; print(ipykernel.__version__)").text_content()
        watch_through_a_blocking_cell(desk)
        assert page.locator(".wan-fault").count() == 0
    finally:
        page.context.close()
        stop_lab(front)
