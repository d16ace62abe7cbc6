"""A real JupyterLab and a real Chromium for the browser tests: one of each for their module."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass
class Lab:
    """A running JupyterLab."""

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


def start_lab(folder: Path) -> Lab:
    """Start JupyterLab on a free port, with settings of its own."""
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
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={work}"),
        *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True"),
        "--expose-app-in-browser",
    ]
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=work)
    lab = Lab(f"http://127.0.0.1:{port}", work, process)
    try:
        until(lambda: _answers(lab), timeout_s=60)
    except AssertionError:
        process.terminate()
        raise RuntimeError(f"JupyterLab did not start; see {folder / 'lab.log'}") from None
    return lab


def _answers(lab: Lab) -> bool:
    try:
        urllib.request.urlopen(f"{lab.url}/api").close()  # noqa: S310
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    pytest.importorskip("jupyterlab", reason="browser tests need the package jupyterlab (extra: lab)")
    running = start_lab(tmp_path_factory.mktemp("lab"))
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    found = shutil.which("chromium")
    if found is None:
        missing("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, headless=True, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(lab: Lab, chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    context.close()
    lab.forget_kernels()


def open_notebook(page: Any, lab: Lab, name: str, *, run: bool = True) -> None:
    """Open a notebook alone on the page, wait for its kernel, and run all cells."""
    page.goto(f"{lab.url}/doc/tree/{name}?reset")
    page.wait_for_function(
        "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    if run:
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
