"""Nothing lost, nothing paid twice: random faults, kills and crowds, and what must be true after each.

Every sequence has a seed; a failure prints it. ``pytest -m campaign tests/test_faults.py`` runs a thousand and more.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SMALL, make_picture
from tests.fault_child import Life, endpoint, live
from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.record import RunPhase
from wan_nb.request import VideoRequest
from wan_nb.session import Session
from wan_nb.simulator import Fault, Scenario, Simulator
from wan_nb.simulator.footage import Shot, render

SPEED = 600.0
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.fault_child"])

FAULTS = (
    Fault("create", "lost_answer"),
    Fault("create", "reset"),
    Fault("create", "status", status=500),
    Fault("create", "status", status=503, code="ServiceUnavailable"),
    Fault("create", "status", status=429, code="Throttling.RateQuota", count=2),
    Fault("create", "fail_task", code="DataInspectionFailed", message="may be inappropriate", seconds=20),
    Fault("poll", "status", status=429, code="Throttling.RateQuota", count=4),
    Fault("poll", "status", status=502, count=3),
    Fault("poll", "lost_answer", count=2),
    Fault("poll", "reset", count=2),
    Fault("download", "truncate", count=2),
    Fault("download", "stall", seconds=30, count=1),
    Fault("download", "status", status=503, count=2),
    Fault("list", "status", status=429, code="Throttling.RateQuota", count=1),
)


@functools.cache
def _clip() -> bytes:
    """One small whole MP4, made once: what is tested here is not the footage."""
    import tempfile

    from PIL import Image

    path = Path(tempfile.mkdtemp()) / "clip.mp4"
    render(Shot((96, 64), 1, Image.linear_gradient("L").convert("RGB").resize((96, 64))), path)
    return path.read_bytes()


def _render(_: Shot, target: Path) -> None:
    part = target.with_name(f"{target.name}.{random.getrandbits(40):x}.part")
    part.write_bytes(_clip())
    part.replace(target)


def sequence(seed: int, folder: Path) -> Counter[str]:
    """Live through one random sequence, then check what must be true; returns how the runs ended."""
    rng = random.Random(seed)
    picture = make_picture(folder / "p.png", 400, 380)
    faults = tuple(replace(fault, after=rng.randrange(4)) for fault in rng.sample(FAULTS, rng.randrange(5)))
    scenario: Scenario = replace(SMALL, job_s=rng.choice([20.0, 60.0, 200.0]), faults=faults)
    with Simulator(folder / "service", clock=Clock(speed=SPEED), scenario=scenario, render=_render) as service:
        for _ in range(rng.randrange(1, 4)):
            lives = [_random_life(rng, folder, service.base_url, picture) for _ in range(rng.choice([1, 1, 2]))]
            children = [PROCESSES.Process(target=live, args=(each,)) for each in lives]
            for child in children:
                child.start()
            for child in children:
                child.join(timeout=60)
                assert child.exitcode is not None, f"seed {seed}: a process hangs"
        if rng.random() < 0.2:
            _cut_journal(rng, folder / "runs")
        return _check(seed, folder, service.base_url, faults)


def _random_life(rng: random.Random, folder: Path, base_url: str, picture: Path) -> Life:
    prompts = [(f"prompt {rng.randrange(3)}", rng.choice([1, 1, 1, 2])) for _ in range(rng.randrange(1, 4))]
    end: dict[str, Any] = rng.choice([
        {"kill_at_append": rng.randrange(1, 16)},
        {"kill_at_append": rng.randrange(1, 16)},
        {"kill_after_s": rng.random() * 0.8},
        {"jump_s": rng.choice([120.0, 3600.0])},
        {},
    ])  # fmt: skip
    return Life(folder / "runs", base_url, SPEED, tuple(prompts), picture, **end)


def _cut_journal(rng: random.Random, folder: Path) -> None:
    """Damage the last page that was written: a machine lost power in the middle of a write."""
    for name in ("ledger.sqlite-wal", "ledger.log"):
        path = folder / name
        if path.exists() and path.stat().st_size > 5000:
            with path.open("r+b") as file:
                file.seek(-rng.randrange(64, 4000) if name.endswith("wal") else -30, 2)
                file.write(bytes(rng.randrange(256) for _ in range(64 if name.endswith("wal") else 30)))
            return  # one of the two copies: a disk that eats both has eaten everything


def _accepted(folder: Path) -> dict[str, str]:
    """What the simulator says it accepted: task id → prompt, from its own records."""
    found = {}
    for path in (folder / "service").rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "task_id" in record:
            found[record["task_id"]] = record["prompt"]
    return found


def _check(seed: int, folder: Path, base_url: str, faults: tuple[Fault, ...]) -> Counter[str]:
    """A last kernel comes back and finishes; then count."""
    session = Session(endpoint(base_url), folder / "runs", clock=Clock(speed=SPEED))
    try:
        session.resume()
        limit = time.monotonic() + 30
        while any(run.state.is_live or run.state.phase is RunPhase.SENDING for run in session.runs(None)):
            assert time.monotonic() < limit, f"seed {seed}: {session.runs()}"
            time.sleep(0.02)
            if any(run.state.unwatched for run in session.runs(None)):
                session.resume()
        tasks = _accepted(folder)
        states = [run.state for run in session.runs(None)]
        owned = [state.task_id for state in states if state.task_id]
        context = f"seed {seed}, faults {faults}: {tasks} against {states}"
        assert len(set(owned)) == len(owned), context
        assert set(owned) <= set(tasks), context
        for task_id in set(tasks) - set(owned):
            _check_orphan(session, task_id, context)
        for prompt in set(tasks.values()):
            runs = [state for state in states if state.request["prompt"] == prompt]
            assert sum(1 for each in tasks.values() if each == prompt) <= len(runs), context
        for state in states:
            records = session.ledger.records(state.run_id)
            assert state.phase is not RunPhase.SAVED or state.file, context
            assert state.phase not in (RunPhase.LOST, RunPhase.EXPIRED) or state.message, context
            assert sum(record.kind == "submitted" for record in records) <= 1, context
        assert session.ledger.verify() == [], context
        return Counter(state.phase.value for state in states)
    finally:
        session.close()


def _check_orphan(session: Session, task_id: str, context: str) -> None:
    """A task that no run owns must be offered to an ambiguous run, and adoption brings its video."""
    for run in session.runs(None):
        if run.state.phase is RunPhase.AMBIGUOUS and any(
            each.task_id == task_id and each.same_prompt is not False for each in run.candidates()
        ):
            return
    raise AssertionError(f"task {task_id} belongs to nobody; {context}")


@pytest.mark.parametrize("seed", range(12))
def test_random_sequences(seed: int, tmp_path: Path) -> None:
    """A dozen of them, each with its own faults and deaths."""
    sequence(seed, tmp_path)


@pytest.mark.parametrize("step", range(1, 13))
def test_killed_at_every_step(step: int, tmp_path: Path) -> None:
    """Kill −9 before and after each record of one run's life."""
    picture = make_picture(tmp_path / "p.png", 400, 380)
    with Simulator(tmp_path / "service", clock=Clock(speed=SPEED), scenario=SMALL, render=_render) as service:
        life = Life(tmp_path / "runs", service.base_url, SPEED, (("prompt 0", 1),), picture, kill_at_append=step)
        child = PROCESSES.Process(target=live, args=(life,))
        child.start()
        child.join(timeout=60)
        _check(step, tmp_path, service.base_url, ())


@pytest.mark.campaign
def test_a_thousand_sequences(tmp_path: Path) -> None:
    """At least a thousand randomised sequences; prints how their runs ended."""
    import os

    count, first = int(os.environ.get("WAN_NB_SEQUENCES", "1000")), int(os.environ.get("WAN_NB_SEED", "1000"))
    total: Counter[str] = Counter()
    for seed in range(first, first + count):
        (tmp_path / str(seed)).mkdir()
        total += sequence(seed, tmp_path / str(seed))
    print(f"{count} sequences from seed {first}: {sum(total.values())} runs, {dict(total)}")


def test_adopting_and_disowning(tmp_path: Path) -> None:
    """The user decides; the video comes; what is disowned is free and can be made again."""
    picture = make_picture(tmp_path / "p.png", 400, 380)
    faults = (Fault("create", "lost_answer"), Fault("create", "status", after=1, status=500))
    scenario = replace(SMALL, faults=faults)
    with (
        Simulator(tmp_path / "service", clock=Clock(speed=SPEED), scenario=scenario, render=_render) as service,
        Session(endpoint(service.base_url), tmp_path / "runs", clock=Clock(speed=SPEED)) as session,
    ):
        request = VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt="a cat", resolution="480P")
        lost = session.submit(request)
        _until(lost, RunPhase.AMBIGUOUS)
        (candidate,) = lost.candidates()
        assert candidate.same_prompt is not False  # a task that still runs does not tell its prompt
        assert lost.adopt(candidate.task_id).wait(timeout_s=30).path.exists()
        never = session.submit(request.replace(prompt="a dog"))
        _until(never, RunPhase.AMBIGUOUS)
        assert not never.candidates()
        assert never.disown().state.phase is RunPhase.REJECTED
        assert never.again().wait(timeout_s=30).path.exists()
        with pytest.raises(ConfigError, match="not ambiguous"):
            lost.disown()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The download says why it stopped; resume() brings the video when there is room again."""
    picture = make_picture(tmp_path / "p.png", 400, 380)
    with (
        Simulator(tmp_path / "service", clock=Clock(speed=SPEED), scenario=SMALL, render=_render) as service,
        Session(endpoint(service.base_url), tmp_path / "runs", clock=Clock(speed=SPEED)) as session,
    ):
        real = Path.replace

        def full(self: Path, target: Path) -> Path:
            if self.name.endswith(".mp4.part"):
                raise OSError(28, "No space left on device")
            return real(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", full)
            run = session.submit(VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
            limit = time.monotonic() + 20
            while not run.state.unwatched:
                assert time.monotonic() < limit
                time.sleep(0.02)
        assert "No space left" in run.state.unwatched
        session.resume()
        while run.state.unwatched:
            time.sleep(0.01)
        assert run.wait(timeout_s=30).path.exists()


def _until(run: Any, phase: RunPhase) -> None:
    limit = time.monotonic() + 20
    while run.state.phase is not phase:
        assert time.monotonic() < limit, run
        time.sleep(0.01)
