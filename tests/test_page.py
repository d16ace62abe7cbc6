"""A study as one page: everything inside, nothing asked for, nothing that must not leave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import wan_nb as wan
from tests.browser_support import new_page
from tests.conftest import SMALL, make_picture
from tests.test_browser_player import FRAME_S, TIMES, VIDEOS, WATCH
from tests.waiting import until
from wan_nb.compare import Experiment
from wan_nb.errors import ConfigError
from wan_nb.widgets import page

EVIL = 'The cat </script><script>alert(1)</script> & <!-- "jumps".'


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Experiment]:
    folder = tmp_path_factory.mktemp("page")
    picture = make_picture(folder / "secret_place.png", 750, 1000)
    with wan.simulated(folder / "runs", speed=2000, scenario=SMALL) as session:
        base = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        made = session.compare(base, prompt=[EVIL, "The cat sleeps."], seed=[1, 2], name="<b>Evil</b> </title>")
        made.submit().wait(timeout_s=60)
        made.vote(("A", 1), ("B", 1), "left", judge="Ann <script>", note="</script>")
        yield made


def test_everything_is_inside_and_escaped(study: Experiment, tmp_path: Path) -> None:
    path = study.to_html(tmp_path / "study.html")
    text = path.read_text(encoding="utf-8")
    assert "default-src 'none'" in text and "connect-src" not in text
    assert "alert(1)</script>" not in text and "<b>Evil" not in text
    assert "&lt;b&gt;Evil&lt;/b&gt; &lt;/title&gt;" in text and "Ann &lt;script&gt;" in text
    assert len(re.findall(r"<script", text)) == len(re.findall(r"</script>", text)) == 6  # four videos, data, code
    assert str(tmp_path.parent) not in text and "sk-" not in text and "http://" not in text.replace("http://www.w3", "")
    data = json.loads(re.search(r'id="study">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert [each["name"] for each in data["seeds"]] == ["seed 1", "seed 2"]
    assert "too few votes to tell" in text and "<ins" in text and "secret_place.png" in text
    assert "first frame alike" in text and "Measured from the frames" in text


def test_the_runs_say_what_came_out_and_for_how_much(study: Experiment) -> None:
    told = page._runs_html(study.cells)
    video, run = study.videos["A", 1], study.cell("A", 1).run
    assert run is not None
    head = ["variant", "seed", "state", "size", "length", "fps", "cost", "run", "task"]
    assert re.findall(r"<th[^>]*>([^<]*)<", told) == head
    row = ["A", "1", "saved", f"{video.size}", f"{video.duration_s:.2f} s", f"{video.fps:.4g}", "free (simulated)"]
    assert re.findall(r"<td[^>]*>([^<]*)<", told)[:9] == [*row, run.id, run.state.task_id[:8]]
    assert told in page.page_html(study)


def test_a_run_without_a_video_says_so_in_a_word(tmp_path: Path) -> None:
    """Not in the sentence that its error is: that names hosts, and makes a table of nothing else."""
    picture = make_picture(tmp_path / "frame.png", 750, 1000)
    with wan.simulated(tmp_path / "runs", speed=2000, scenario="expired") as session:
        base = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        made = session.compare(base, prompt=["a", "b"], seed=1).submit()
        until(lambda: all(cell.run and cell.run.words.word == "not fetched" for cell in made.cells))
        told = page._runs_html(made.cells) + page.rows_html(made.cells)
    assert ">not fetched</td>" in told and "127.0.0.1" not in told
    assert ">a</div>" not in told  # the name says the prompt: it is not said again


def test_videos_that_do_not_fit_are_said(study: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the 4 videos are .*budget_bytes="):
        study.to_html(tmp_path / "study.html", budget_bytes=1000)
    assert not list(tmp_path.glob("study*"))
    with pytest.raises(ConfigError, match="cannot be written"):
        study.to_html(tmp_path / "nowhere" / "study.html")


def test_a_video_that_was_removed_is_said(study: Experiment, tmp_path: Path) -> None:
    video = study.videos["A", 2]
    kept = video.path.read_bytes()
    video.path.unlink()
    try:
        text = study.to_html(tmp_path / "study.html").read_text(encoding="utf-8")
        assert text.count("its file is gone") == 1
        assert study.contact_sheet().width == 1400
    finally:
        video.path.write_bytes(kept)


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_it_plays_from_disk_with_the_network_off(study: Experiment, chromium: Any, tmp_path: Path) -> None:
    path = study.to_html(tmp_path / "cats #1? 50%41 <é>.html")
    page = new_page(chromium, width=700)
    try:
        asked: list[str] = []
        faults: list[str] = []
        page.context.set_offline(True)
        page.route(re.compile("^(http|ws)"), lambda route: route.abort())
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        until(lambda: page.evaluate(f"{VIDEOS}.length === 2 && {VIDEOS}.every(v => !v.paused && v.currentTime > 0)"))
        page.evaluate(WATCH)
        until(lambda: page.evaluate("seen.shown.length > 60"))
        seen = page.evaluate("seen")
        assert median(seen["skews"]) <= FRAME_S and median(seen["shown"]) <= FRAME_S + 1e-4
        page.locator(".wan-player").press(" ")
        until(lambda: page.evaluate(f"{VIDEOS}.every(v => v.paused && !v.seeking)"))
        first, second = page.evaluate(TIMES)
        assert first == second
        page.locator("button:has-text('seed 2')").click()
        until(lambda: page.evaluate(f"{VIDEOS}.length === 2 && {VIDEOS}.every(v => v.readyState >= 2)"))
        page.locator("button:has-text('Hide the names')").click()
        until(lambda: page.locator(".label").all_inner_texts() == ["Video 1", "Video 2"])
        assert all(address.startswith(("file:", "blob:")) for address in asked)
        assert not faults
        assert page.evaluate("fetch('data:,x').then(() => 'out', () => 'refused')") == "refused"
    finally:
        page.context.close()


@pytest.mark.campaign
def test_three_720p_in_the_page_with_the_network_off(chromium: Any, tmp_path: Path) -> None:
    """Real 720P files for 15 s at each speed, from the exported page; prints the figures."""
    picture = make_picture(tmp_path / "frame.png", 1280, 720)
    with wan.simulated(tmp_path / "runs", speed=600) as session:
        base = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P", duration=5)
        made = session.compare(base, prompt=["It jumps.", "It sleeps.", "It runs."], seed=[1])
        path = made.submit().wait(timeout_s=120).to_html(tmp_path / "study.html")
    page = new_page(chromium, width=1100)
    try:
        page.context.set_offline(True)
        page.goto(path.as_uri())
        until(lambda: page.evaluate(f"{VIDEOS}.length === 3 && {VIDEOS}.every(v => !v.paused && v.currentTime > 0)"))
        for rate in ("0.5", "1", "2"):
            page.locator("select[aria-label^='Speed']").select_option(rate)
            page.evaluate(WATCH)
            until(lambda: page.evaluate("performance.now() - seen.since > 15_000"), timeout_s=60)
            seen = page.evaluate("seen")
            clock, shown = (1000 * median(seen[name]) for name in ("skews", "shown"))
            print(f"\n3 × 720P in the page at {rate}×: clocks apart by {clock:.1f} ms, shown frames by {shown:.1f} ms")
            assert clock <= 1000 * FRAME_S and shown <= 1000 * FRAME_S + 0.1
        page.locator(".wan-player").press(" ")
        until(lambda: page.evaluate(f"{VIDEOS}.every(v => v.paused && !v.seeking)"))
        assert len(set(page.evaluate(TIMES))) == 1
    finally:
        page.context.close()
