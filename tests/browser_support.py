"""Real front ends and a real Chromium for the browser tests: one JupyterLab for all of them, one browser a module.

`tests/conftest.py` takes the fixtures from here, so that every module shares the same server.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from tests.waiting import until

REPOSITORY = Path(__file__).resolve().parent.parent
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
)
PLAYS = """() => { const v = [...document.querySelectorAll('.wan-player video')].find(v => v.readyState >= 2);
    if (!v) return false; window.seenAt ??= v.currentTime; return v.currentTime !== window.seenAt; }"""
"""True once a video of the player has data and its time has moved."""
BOXES = """() => ['.wan-form', '.wan-run', '.wan-player', '.wan-player .frame'].map(name => {
    const box = document.querySelector(name).getBoundingClientRect();
    return [name, Math.round(box.width), Math.round(box.height)]; })"""


@dataclass
class Lab:
    """A running server: JupyterLab, or one of the other front ends."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """Put a notebook of code cells into the folder."""
        code = [
            {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
            for n, text in enumerate(cells)
        ]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        path = self.folder / name
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": code}))
        return path

    def forget_kernels(self) -> None:
        """Shut every kernel down, so that no test meets another's."""
        with urllib.request.urlopen(f"{self.url}/api/sessions") as answer:  # noqa: S310
            sessions = json.load(answer)
        for each in sessions:
            gone = urllib.request.Request(f"{self.url}/api/sessions/{each['id']}", method="DELETE")  # noqa: S310
            urllib.request.urlopen(gone).close()  # noqa: S310


def missing(package: str) -> None:
    """Skip, naming what is missing; on the build machine nothing may be missing."""
    text = f"browser tests need the package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def start_lab(folder: Path, app: str = "lab", *, site: Path | None = None) -> Lab:
    """Start a front end on a free port, with settings of its own.

    Args:
        folder: An empty folder for settings, notebooks and the log.
        app: ``"lab"``, ``"notebook"`` or ``"voila"``.
        site: A folder of packages that come before the installed ones, such as an older kernel.
    """
    home, work = folder / "home", folder / "work"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    work.mkdir()
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_WORKSPACES_DIR")
    environment = os.environ | {name: str(home / name.lower()) for name in names}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(each) for each in (site, REPOSITORY) if each),
    }
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(_command(app, port, work), env=environment, stdout=log, stderr=log, cwd=work)
    lab = Lab(f"http://127.0.0.1:{port}", work, process)
    try:
        until(lambda: _answers(lab), timeout_s=60)
    except AssertionError:
        process.terminate()
        raise RuntimeError(f"{app} did not start; see {folder / 'lab.log'}") from None
    return lab


def _command(app: str, port: int, work: Path) -> list[str]:
    if app == "voila":
        return [sys.executable, "-m", "voila", "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}", str(work)]
    return [
        *(sys.executable, "-m", "jupyterlab" if app == "lab" else "notebook", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={work}", "--IdentityProvider.token=", "--ServerApp.password="),
        *("--ServerApp.disable_check_xsrf=True", "--expose-app-in-browser"),
    ]


def _answers(lab: Lab) -> bool:
    try:
        urllib.request.urlopen(lab.url).close()  # noqa: S310
    except OSError:
        return False
    return True


def stop_lab(lab: Lab) -> None:
    """End a server and the kernels that it holds."""
    lab.process.terminate()
    lab.process.wait(30)


def find_chromium() -> str:
    """Return where Debian's chromium is; skip or fail where it is not."""
    found = shutil.which("chromium")
    if found is None:
        missing("chromium")
    return str(found)


def need(package: str) -> None:
    """Skip or fail where a Python package is not installed."""
    if importlib.util.find_spec(package) is None:
        missing(package)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab, once for all browser tests of a process."""
    find_chromium()
    need("jupyterlab")
    running = start_lab(tmp_path_factory.mktemp("lab"))
    try:
        yield running
    finally:
        stop_lab(running)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for a module: longer than that, Playwright's event loop would be in other tests' way."""
    found = find_chromium()
    need("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, headless=True, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(lab: Lab, chromium: Any) -> Iterator[Any]:
    """A page of its own for a test; its kernels end with it."""
    opened = new_page(chromium)
    yield opened
    opened.context.close()
    lab.forget_kernels()


@pytest.fixture(scope="module")
def desk(lab: Lab, chromium: Any) -> Iterator[Desk]:
    """One open notebook for a whole module, in which each test runs cells of its own: a page load costs seconds."""
    opened = new_page(chromium)
    lab.write("desk.ipynb", ["import wan_nb as wan"])
    open_notebook(opened, lab, "desk.ipynb")
    yield Desk(opened, lab)
    opened.context.close()
    lab.forget_kernels()


@pytest.fixture
def portrait(lab: Lab) -> Path:
    """The photograph that matplotlib brings along, 512×600, beside the notebooks."""
    return copy_portrait(lab)


def copy_portrait(lab: Lab) -> Path:
    """Put that photograph beside a server's notebooks."""
    source = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return Path(shutil.copy(source, lab.folder))


def new_page(chromium: Any, *, width: int = 1280, height: int = 1000) -> Any:
    """Open an empty page with its own cookies and storage."""
    opened = chromium.new_context(viewport={"width": width, "height": height}).new_page()
    opened.set_default_timeout(45_000)
    return opened


@dataclass
class Desk:
    """An open notebook to which cells are added."""

    page: Any
    lab: Lab

    def cell(self, code: str, *, wait: bool = True) -> Any:
        """Add a cell at the end, run it, and return where its outputs are; `wait` is until it has ended."""
        number = self.page.evaluate(_ADD_CELL, [code, wait])
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{number}'] .jp-Cell-outputArea")

    def watch(self, cell: Any) -> None:
        """Wait until a cell's first video has data and its time moves."""
        cell.locator(".wan-player video").first.wait_for(state="attached")
        self.page.wait_for_function(_MOVES, arg=cell.locator(".wan-player").first.element_handle())

    @property
    def is_running(self) -> bool:
        """Whether a cell runs: the kernel says idle meanwhile where clicks have a thread of their own."""
        return bool(self.page.locator(".jp-InputPrompt", has_text="[*]").count())

    def save(self) -> None:
        """Write the notebook as it stands."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")


_MOVES = """player => { player.scrollIntoView({block: 'nearest'}); // a video that nobody sees does not play
    const v = player.querySelector('video'); if (!v || v.readyState < 2) return false;
    v.seenAt ??= v.currentTime; return v.currentTime !== v.seenAt; }"""
_ADD_CELL = """async ([code, wait]) => {
    const book = window.jupyterapp.shell.currentWidget.content;
    book.model.sharedModel.addCell({cell_type: 'code', source: code});
    book.deselectAll();
    book.activeCellIndex = book.widgets.length - 1;
    const done = window.jupyterapp.commands.execute('notebook:run-cell');
    if (wait) await done;
    return book.activeCellIndex; }"""


def open_notebook(page: Any, lab: Lab, name: str, *, run: bool = True) -> None:
    """Open a notebook alone on the page, wait for its kernel, and run all cells."""
    page.goto(f"{lab.url}/doc/tree/{name}?reset")
    page.wait_for_function(
        "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    if run:
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")


def give(scope: Any, field: str, text: str) -> None:
    """Type a path into a field of a form and leave it; `scope` is the page or one form on it."""
    box = scope.locator(f".wan-of-{field} input[type=text]")
    box.fill(text)
    box.press("Enter")


def choose_model(scope: Any, model: str) -> None:
    """Choose a model in a form by its id."""
    box = scope.locator(".wan-of-model select").last
    option = box.locator("option").filter(has_text=re.compile(rf"(^|\s){re.escape(model)}(\s|$)"))
    option.wait_for(state="attached")
    box.select_option(value=option.get_attribute("value"))


def from_form_to_video(page: Any, picture: str) -> None:
    """Walk the main flow on a page that shows an empty form: fill, submit, status, a video that plays."""
    give(page, "first-frame", picture)
    page.wait_for_selector(".wan-of-first-frame img")
    page.locator(".wan-of-prompt textarea").fill("She turns to the window and smiles.")
    page.wait_for_selector("text=35 of 1500 characters")
    page.locator(".wan-of-resolution button:has-text('720P')").click()
    page.wait_for_selector("text=880×1024 px expected")
    page.wait_for_selector(".wan-submit:has-text('Submit — simulated, free'):not([disabled])")
    page.locator(".wan-submit").click()
    page.wait_for_selector(".wan-status[data-phase=submitted]")
    page.wait_for_selector(".wan-player .poster[src]")
    before = page.evaluate(BOXES)
    page.locator(
        ".wan-player"
    ).first.scroll_into_view_if_needed()  # a muted video out of sight does not begin by itself
    page.wait_for_function(PLAYS)
    assert page.evaluate(BOXES) == before  # nothing moved when the video came
    video = page.locator(".wan-player video")
    assert video.evaluate("v => [v.readyState >= 2, v.videoWidth, v.videoHeight]") == [True, 880, 1024]
