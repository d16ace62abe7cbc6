"""The main flow in the other front ends: Notebook 7 and Voilà, each started as its users start it."""

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

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize(
    ("app", "path"), [("notebook", "/notebooks/main.ipynb"), ("voila", "/voila/render/main.ipynb")]
)
def test_a_form_filled_and_submitted_ends_in_a_playing_video(
    app: str, path: str, chromium: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    need(app)
    front = start_lab(tmp_path_factory.mktemp(app), app)
    page = new_page(chromium)
    try:
        picture = copy_portrait(front)
        front.write("main.ipynb", ["import wan_nb as wan\nsession = wan.simulated('runs')", "session.form()"])
        page.goto(f"{front.url}{path}")
        if app == "notebook":  # Voilà runs the cells by itself
            page.wait_for_function(
                "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
            )
            page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".wan-submit")
        from_form_to_video(page, picture.name)
        assert page.locator(".wan-fault").count() == 0
    finally:
        page.context.close()
        stop_lab(front)


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
