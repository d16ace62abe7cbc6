"""Clicks and the live status in real kernels: the newest in the suite, older ones by name (`-m campaign`).

On which thread a kernel hears a click, and whether it does while a cell holds it, differs by its version; what must not
differ is what comes of it: nothing lost, nothing done twice, and a status that goes on meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_picture
from tests.test_kernel import BEGIN, Kernel

NEWEST = "the installed one"
OLDER = ("6.31.0", "7.2.0")

FORM = """
form = session.form(model="wan2.2-i2v-flash", first_frame="frame.png", resolution="480P", prompt="x")
import asyncio, pathlib, time
while not form.state.is_settled: time.sleep(0.01)
print(form._submit.model_id)
"""
HOLD = "while not pathlib.Path('go').exists(): {wait}"
BLOCKS, AWAITS = "time.sleep(0.02)", "await asyncio.sleep(0.02)"
SLOW = """
import wan_nb as wan
from wan_nb.simulator import Scenario, Timing
session = wan.simulated("runs", scenario=Scenario(timing=Timing(pending_s=36_000)))
"""


@pytest.fixture(scope="module", params=[NEWEST, *(pytest.param(each, marks=pytest.mark.campaign) for each in OLDER)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Where an older kernel is installed, with nothing else: all that it needs is there."""
    if request.param == NEWEST:
        return None
    return install_kernel(request.param, tmp_path_factory.mktemp("site"))


def install_kernel(version: str, folder: Path) -> Path:
    """Put an older ipykernel, and nothing else, into a folder."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*install, f"ipykernel=={version}"], check=True, timeout=120)
    return folder


@pytest.fixture
def kernel(site: Path | None, tmp_path: Path) -> Iterator[Kernel]:
    make_picture(tmp_path / "frame.png", 500, 400)
    running = Kernel(tmp_path, site)
    try:
        version = running.text("import ipykernel; print(ipykernel.__version__)").strip()
        assert site is None or (site / f"ipykernel-{version}.dist-info").exists()
        yield running
    finally:
        running.client.stop_channels()
        running.manager.shutdown_kernel(now=True)


def click(kernel: Kernel, button: str) -> None:
    kernel.tell(button, {"event": "click"})


def count_runs(kernel: Kernel) -> str:
    return kernel.text("print(len(session.runs()))").strip()


@pytest.mark.parametrize("wait", [BLOCKS, AWAITS], ids=["blocks", "awaits"])
def test_the_status_goes_on_while_a_cell_holds_the_kernel(kernel: Kernel, tmp_path: Path, wait: str) -> None:
    click(kernel, kernel.text(BEGIN + FORM).strip())
    kernel.hear_phase("submitted")
    cell = kernel.client.execute(HOLD.format(wait=wait))
    kernel.hear_phase("saved")
    (tmp_path / "go").touch()
    kernel.end_of(cell)
    assert count_runs(kernel) == "1"


@pytest.mark.parametrize("wait", [BLOCKS, AWAITS], ids=["blocks", "awaits"])
def test_a_click_while_a_cell_holds_the_kernel_is_not_lost(
    kernel: Kernel, site: Path | None, tmp_path: Path, wait: str
) -> None:
    button = kernel.text(BEGIN + FORM).strip()
    cell = kernel.client.execute(HOLD.format(wait=wait))
    click(kernel, button)
    click(kernel, button)  # an impatient user's second one
    if wait == AWAITS and site is None:
        kernel.hear_phase("saved")  # the newest kernel hears it at once
    (tmp_path / "go").touch()
    kernel.end_of(cell)
    if not (wait == AWAITS and site is None):
        kernel.hear_phase("saved")
    assert count_runs(kernel) == "1"


def test_a_waiting_run_is_cancelled_by_a_press(kernel: Kernel) -> None:
    click(kernel, kernel.text(SLOW + FORM).strip())
    kernel.hear_phase("submitted")
    shown = "while not any(each['do'] == 'cancel' for each in form.runs[0]._status.row['presses']): time.sleep(0.01)"
    kernel.tell(kernel.text(f"{shown}\nprint(form.runs[0]._status.model_id)").strip(), {"press": "cancel", "what": ""})
    kernel.hear_phase("canceled")
    assert count_runs(kernel) == "1"
