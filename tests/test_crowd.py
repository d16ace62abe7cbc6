"""A thousand runs together under the documented limits: none lost, no storm of 429, the kernel free to die.

By name (``pytest -m campaign tests/test_crowd.py -s``), since it takes minutes; prints its figures. The quick suite
runs a small crowd.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.fault_child import endpoint
from tests.test_faults import _render as whole_mp4
from wan_nb.clock import Clock
from wan_nb.session import Session
from wan_nb.simulator import Simulator, Timing


def crowd(folder: Path, count: int, speed: float, *, dies: bool) -> str:
    """Submit many, perhaps leave and come back, wait for all; return the figures."""
    picture = make_picture(folder / "p.png", 400, 380)
    scenario = replace(SMALL, job_s=None, timing=Timing(shortest_s=60, longest_s=150))
    clock = Clock(speed=speed)
    with Simulator(folder / "service", clock=clock, scenario=scenario, render=whole_mp4) as service:
        start = time.monotonic()
        session = Session(endpoint(service.base_url), folder / "runs", clock=clock)
        base = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P", duration=2)
        runs = [session.submit(base.replace(seed=seed)) for seed in range(count)]
        while not all(run.state.task_id for run in runs):
            time.sleep(0.05)
        submitted_s = time.monotonic() - start
        if dies:
            session.close()
            session = Session(endpoint(service.base_url), folder / "runs", clock=clock)
            session.resume()
            runs = list(session.runs(None))
        for run in runs:
            run.wait(timeout_s=600)
        kinds = Counter(record.kind for run in runs for record in session.ledger.records(run.id))
        session.close()
        assert kinds["submitted"] == kinds["saved"] == count
        return (
            f"{count} runs at {speed:g}×: submitted after {submitted_s:.1f} s, all saved after "
            f"{time.monotonic() - start:.1f} s; {kinds['unsent']} submissions were told to wait (429)"
        )


def test_a_small_crowd(tmp_path: Path) -> None:
    """Forty runs of a model that runs five at once, with a restart in between."""
    assert "40 runs" in crowd(tmp_path, 40, 600, dies=True)


@pytest.mark.campaign
def test_a_thousand_runs(tmp_path: Path) -> None:
    """The whole crowd, with a restart in between; speed by WAN_NB_SPEED."""
    print(
        crowd(
            tmp_path,
            int(os.environ.get("WAN_NB_RUNS", "1000")),
            float(os.environ.get("WAN_NB_SPEED", "200")),
            dies=True,
        )
    )
