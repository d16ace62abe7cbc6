"""A study in a real JupyterLab in a real Chromium: submitted by a press, seen in step, judged by keys, kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser_support import Lab, open_notebook
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DECLARE = """import wan_nb as wan
from wan_nb.simulator import Scenario
small = Scenario(job_s=60, tier_area={"480P": 256 * 144, "720P": 256 * 144, "1080P": 256 * 144})
session = wan.simulated("runs_study", speed=600, scenario=small)
base = wan.VideoRequest("wan2.2-i2v-flash", first_frame="grace_hopper.jpg", resolution="480P")
study = session.compare(base, prompt=["The cat jumps.", "The cat sleeps."], seed=[1, 2], name="Jump or sleep?")"""
IN_STEP = """(() => { const videos = [...document.querySelectorAll('%s video')];
    return videos.length === 2 && videos.every(video => !video.paused); })()"""


def test_a_study_from_a_press_to_votes_by_keys(page: Any, lab: Lab, portrait: Path) -> None:
    lab.write("study.ipynb", [DECLARE, "study"])
    open_notebook(page, lab, "study.ipynb")
    submit = page.locator(".wan-study .wan-submit")
    submit.wait_for()
    assert submit.inner_text() == "Submit 4 runs — simulated, free"
    submit.click()
    page.wait_for_function("document.querySelector('.wan-study table').innerText.split('saved').length === 5")
    page.wait_for_function(IN_STEP % ".wan-study")
    first = page.locator(".wan-study video").first.get_attribute("src")
    page.locator(".wan-study button:has-text('seed 2')").click()
    page.wait_for_function(f"document.querySelector('.wan-study video')?.src !== {first!r}")
    page.wait_for_function(IN_STEP % ".wan-study")
    page.evaluate(
        """() => { const book = window.jupyterapp.shell.currentWidget.content;
        book.model.sharedModel.addCell({cell_type: 'code', source: "study.judge('Ann')"});
        book.deselectAll(); book.activeCellIndex = book.widgets.length - 1;
        window.jupyterapp.commands.execute('notebook:run-cell'); }"""
    )
    page.locator(".wan-judge .wan-player").scroll_into_view_if_needed()  # what nobody sees does not play
    page.wait_for_function(IN_STEP % ".wan-judge")
    assert page.locator(".wan-judge .label").all_inner_texts() == ["Left", "Right"]
    page.locator(".wan-judge .wan-vote-skip").focus()  # anywhere in the view: keys need not be over the videos
    said = "document.querySelector('.wan-judge').innerText.includes('%s')"
    page.keyboard.press("a")
    page.wait_for_function(said % "1 of 2 judged")
    page.keyboard.press("s")
    page.wait_for_function(said % "You have judged every two videos")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    saved = until(lambda: (text := (lab.folder / "study.ipynb").read_text()) and "data-wan-twin" in text and text)
    assert saved.count("data:image/jpeg") == 4 and "data:video" not in saved


def test_a_judge_can_find_no_name_anywhere_on_the_page(page: Any, lab: Lab, portrait: Path) -> None:
    """Neither in the elements with all their attributes, nor, of the runs, in what came over the wire."""
    lab.write(
        "blind.ipynb",
        [
            DECLARE.replace("The cat jumps.", "Zebra & <b>").replace("runs_study", "runs_blind"),
            "study.submit().wait(); study.vote(('A', 1), ('B', 1), 'left', judge='Ben')\n"
            "open('secrets.txt', 'w').write(' '.join([each for v in study.videos.values() for each in"
            " (v.path.name, v.run.id, v.run.state.task_id, v.run.state.file.sha256)])); None",
            "study.judge('Ann')",
        ],
    )
    told: list[str] = []
    page.on("websocket", lambda wire: wire.on("framereceived", lambda frame: told.append(str(frame))))
    page.on("request", lambda request: told.append(request.url))
    open_notebook(page, lab, "blind.ipynb")
    page.locator(".wan-judge .wan-player").scroll_into_view_if_needed()
    page.wait_for_function(IN_STEP % ".wan-judge")
    shown = page.locator(".jp-Cell:has(.wan-judge) .jp-Cell-outputArea").evaluate("element => element.outerHTML")
    secrets = (lab.folder / "secrets.txt").read_text().split()
    assert len(secrets) == 16
    for secret in secrets:  # a simulated video has half of its task id in the picture: that tells no name
        assert not [text[max(0, at - 200) : at + 60] for text in (shown, *told) if (at := text.find(secret)) >= 0]
    for word in ("Zebra", "sleeps", "prompt:", "Ben", "too few votes"):
        assert word not in shown
    orders = page.locator(".wan-judge video").evaluate_all("videos => videos.map(v => v.title + v.ariaLabel + v.src)")
    assert len(orders) == 2 and all("blob:" in each for each in orders)
