"""The explorer and the figures in a real JupyterLab in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser_support import Lab, open_notebook

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_the_explorer_answers_while_one_chooses(page: Any, lab: Lab) -> None:
    lab.write("explore.ipynb", ["import wan_nb as wan", "wan.explorer('750x1000', wanted='3:4', tier='720P')"])
    open_notebook(page, lab, "explore.ipynb")
    page.wait_for_selector("text=816×1104 comes out")
    drawing = page.locator(".wan img[src^='data:image/svg']")
    assert drawing.evaluate("image => image.complete && image.naturalWidth > 600")
    shape = page.locator(".wan input[list]")
    shape.fill("16:9")
    shape.press("Enter")
    page.wait_for_selector("text=16:9 from 750×1000")
    page.locator(".wan button:has-text('1080P')").click()
    page.wait_for_selector("text=wan2.6-i2v-flash, 1080P")
    shape.fill("wide")
    shape.press("Enter")
    page.wait_for_selector(".wan-fault:has-text('is not a ratio')")


def test_a_figure_shows_itself_without_a_backend(page: Any, lab: Lab) -> None:
    lab.write("figure.ipynb", ["import wan_nb as wan\nwan.plot_lattice(source='750x1000')"])
    open_notebook(page, lab, "figure.ipynb")
    figure = page.wait_for_selector(".jp-OutputArea-output img[src^='data:image/png']")
    assert figure.evaluate("image => image.naturalWidth") > 600
