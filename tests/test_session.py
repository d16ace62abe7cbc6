"""A session against the simulator, over a real socket: from a picture to a file, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
import wave
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import wan_nb as wan
from tests.conftest import SMALL, make_picture
from tests.waiting import until
from wan_nb.errors import (
    AmbiguousError,
    BudgetError,
    ConfigError,
    MediaError,
    RequestError,
    RunError,
    StillRunningError,
    TaskFailedError,
    WanError,
)
from wan_nb.follow import Follower
from wan_nb.ledger import Ledger, Plan
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.simulator import Fault, Scenario
from wan_nb.simulator.__main__ import main as wan_simulator
from wan_nb.video import probe


def test_from_a_picture_to_a_file(tmp_path: Path, picture: Path) -> None:
    """The main job at full size: 750×1000 at 720P gives 816×1104, 30 fps, 5 s, H.264 with sound, in the folder."""
    with wan.simulated(tmp_path / "runs", speed=600) as session:
        request = wan.VideoRequest(
            "wan2.6-i2v-flash", first_frame=picture, prompt="A cat", resolution="720P", duration=5
        )
        preview = session.preview(request)
        assert preview.is_ready
        video = session.submit(request).wait(timeout_s=60)
        assert video.size == preview.size == wan.Size(816, 1104)
        info = probe(video.path)
        assert (info.fps, info.duration_s, info.codec, info.has_audio) == (30.0, 5.0, "h264", True)
        assert video.path.parent == session.folder / "videos"
        assert "a-cat" in video.path.name


@pytest.mark.parametrize(
    ("model", "fields", "has_audio"),
    [
        ("wan2.7-i2v-2026-04-25", {"duration": 2, "resolution": "720P"}, True),
        ("wan2.6-i2v", {"duration": 5, "resolution": "720P"}, True),
        ("wan2.6-i2v-flash", {"duration": 2, "resolution": "720P", "audio": False}, False),
        ("wan2.5-i2v-preview", {"duration": 5, "resolution": "480P"}, True),
        ("wan2.2-i2v-flash", {"resolution": "480P"}, False),
        ("wan2.2-i2v-plus", {"resolution": "480P"}, False),
        ("wan2.1-i2v-turbo", {"duration": 3, "resolution": "480P"}, False),
        ("wan2.1-i2v-plus", {}, False),
        ("wan2.2-kf2v-flash", {"resolution": "480P", "last_frame": "L"}, False),
        ("wan2.1-kf2v-plus", {"last_frame": "L"}, False),
        ("wan3.0-video", {"duration": 2, "resolution": "480P"}, True),
    ],
)
def test_every_model_makes_its_video(
    session: wan.Session, picture: Path, tmp_path: Path, model: str, fields: dict[str, object], has_audio: bool
) -> None:
    """All three shapes, with sound exactly where the model has it, and the seconds that were asked for."""
    if fields.get("last_frame") == "L":
        fields = fields | {"last_frame": make_picture(tmp_path / "last.png", 400, 300)}
    request = wan.VideoRequest(model, first_frame=picture, prompt="x", **fields)  # type: ignore[arg-type]
    run = session.submit(request, allow="all")
    video = run.wait(timeout_s=60)
    assert video.duration_s == request.seconds
    assert video.has_audio is has_audio
    assert run.state.billed_s == request.seconds


def test_the_same_request_is_the_same_run(session: wan.Session, picture: Path) -> None:
    """Re-running a cell costs nothing; take= and again() make another on purpose."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
    run = session.submit(request)
    run.wait(timeout_s=60)
    same = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture.read_bytes(), resolution="480P"))
    assert same.id == run.id
    assert "take=2 for a new sample" in same.notice
    assert len(session.runs()) == 1
    other = session.submit(request, take=2)
    assert other.id != run.id
    third = run.again()
    assert third.state.take == 3
    assert third.state.again_of == run.id
    assert {each.wait(timeout_s=60).path.exists() for each in (other, third)} == {True}
    assert third.request == request


def test_bad_requests_send_nothing(session: wan.Session, tmp_path: Path) -> None:
    """One line, and the journal stays empty."""
    small = make_picture(tmp_path / "s.png", 100, 90)
    for request in (
        wan.VideoRequest("wan2.6-i2v", first_frame=tmp_path / "none.png"),
        wan.VideoRequest("wan2.6-i2v", first_frame=small),
        wan.VideoRequest("wan2.6-i9v", first_frame=small),
    ):
        with pytest.raises(RequestError) as caught:
            session.submit(request)
        assert "\n" not in str(caught.value)
        assert not session.preview(request).is_ready
    assert not session.runs()


def test_a_failed_task_brings_advice(tmp_path: Path, picture: Path) -> None:
    """Code, ids, and what to do."""
    fault = Fault(
        at="create", kind="fail_task", code="DataInspectionFailed", message="Output data may be inappropriate."
    )
    scenario = _with(fault)
    with wan.simulated(tmp_path / "runs", speed=600, scenario=scenario) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture))
        with pytest.raises(TaskFailedError, match="DataInspectionFailed") as caught:
            run.wait(timeout_s=30)
        assert caught.value.task_id == run.state.task_id
        assert caught.value.advice
        assert caught.value.advice.again == "changed"
        assert "run.again()" in session.submit(run.request).notice


def test_a_lost_answer_is_ambiguous_and_never_sent_again(tmp_path: Path, picture: Path) -> None:
    """The simulator took it; we do not know, and do not send it a second time."""
    with wan.simulated(tmp_path / "runs", speed=600, scenario=_with(Fault(at="create", kind="lost_answer"))) as session:
        request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture)
        run = session.submit(request)
        with pytest.raises(AmbiguousError, match="may be running and billed"):
            run.wait(timeout_s=30)
        assert session.submit(request).state.phase is RunPhase.AMBIGUOUS
        assert [record.kind for record in session.ledger.records(run.id)].count("sending") == 1


def test_throttled_submissions_and_polls_come_through(tmp_path: Path, picture: Path) -> None:
    """429 and 5xx on polls, 429 on create: waited for, not lost."""
    scenario = _with(
        Fault(at="create", kind="status", status=429, code="Throttling.RateQuota", count=2),
        Fault(at="poll", kind="status", status=429, code="Throttling.RateQuota", count=2),
        Fault(at="poll", kind="status", status=500, count=1),
        Fault(at="download", kind="truncate", count=1),
    )
    with wan.simulated(tmp_path / "runs", speed=600, scenario=scenario) as session:
        video = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture)).wait(timeout_s=60)
        assert probe(video.path).frames == 150


def test_an_impatient_gateway_is_asked_again_and_never_sent_to_again(tmp_path: Path, picture: Path) -> None:
    """408 to a poll passes; 408 to a create leaves it open whether a task exists."""
    scenario = _with(
        Fault(at="poll", kind="status", status=408, code=""),
        Fault(at="create", kind="status", status=408, code="", after=1),
    )
    with wan.simulated(tmp_path / "runs", speed=600, scenario=scenario) as session:
        request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        assert session.submit(request).wait(timeout_s=30).path.exists()
        other = session.submit(request.replace(seed=1))
        with pytest.raises(AmbiguousError, match="may be running and billed"):
            other.wait(timeout_s=30)
        assert [record.kind for record in session.ledger.records(other.id)].count("sending") == 1


def test_waiting_ends_and_the_run_goes_on(tmp_path: Path, picture: Path) -> None:
    """A timeout says so; await and watch see the end."""
    with wan.simulated(tmp_path / "runs", speed=200, scenario=SMALL) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture))
        with pytest.raises(StillRunningError, match="goes on"):
            run.wait(timeout_s=0.01)

        async def follow() -> list[RunPhase]:
            seen = [state.phase async for state in run.watch()]
            video = await run
            assert video.path.exists()
            return seen

        seen = asyncio.run(follow())
        assert seen[-1] is RunPhase.SAVED
        assert RunPhase.SUBMITTED in seen


def test_gather_brings_videos_and_reasons(tmp_path: Path, picture: Path) -> None:
    """Two runs together; one fails, and that is its result."""
    fault = Fault(at="create", kind="fail_task", after=1, code="DataInspectionFailed", message="no")
    with wan.simulated(tmp_path / "runs", speed=600, scenario=_with(fault)) as session:
        request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        good = session.submit(request)
        while not good.state.task_id:
            pass
        video, reason = asyncio.run(wan.gather([good, session.submit(request.replace(seed=2))]))
        assert isinstance(video, wan.Video)
        assert isinstance(reason, TaskFailedError)
        assert video.contact_sheet(2, 2).width > 0


def test_the_bytes_that_were_hashed_are_the_bytes_sent(session: wan.Session, picture: Path, tmp_path: Path) -> None:
    """A sound that is changed after it was measured is not sent, and poisons nothing."""
    sound = tmp_path / "a.wav"
    make_sound(sound, level=0)
    request = wan.VideoRequest("wan2.6-i2v", first_frame=picture, driving_audio=sound, duration=5, resolution="720P")
    make_sound(sound, level=9)
    with pytest.raises(MediaError, match="changed since it was loaded"):
        session.submit(request)
    assert not session.runs()
    assert not list((session.folder / "inputs").glob("*.wav"))


def make_sound(path: Path, *, level: int) -> None:
    """Write four seconds of sound."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes([level, 0]) * 32000)


def test_a_run_is_called_back_before_it_is_sent(tmp_path: Path, picture: Path) -> None:
    """Right after submit: never sent, or canceled at the service; again() checks what is changed."""
    with wan.simulated(tmp_path / "runs", speed=5, scenario=SMALL) as session:
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
        assert run.cancel().phase is RunPhase.CANCELED
        with pytest.raises(RunError, match="was canceled"):
            run.wait()
        with pytest.raises(RequestError):
            run.again(prompt="x" * 5000)


def test_a_batch_keeps_to_the_limits(session: wan.Session, picture: Path) -> None:
    """Twelve runs together: two submissions a second and two at once by the model's limits, none lost."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
    runs = [session.submit(request.replace(seed=seed)) for seed in range(12)]
    assert {run.wait(timeout_s=60).path.exists() for run in runs} == {True}
    kinds = [record.kind for run in runs for record in session.ledger.records(run.id)]
    assert kinds.count("submitted") == 12


def test_a_killed_process_leaves_nothing_behind(tmp_path: Path, picture: Path) -> None:
    """Submit in a process that is killed at once; the next one sees the run, and it finishes there."""
    script = f"""
        import sys, time, wan_nb as wan
        session = wan.simulated({str(tmp_path / "runs")!r}, speed=20)
        run = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame={str(picture)!r}, resolution="480P"))
        while not run.state.task_id:
            time.sleep(0.01)
        print(run.id, flush=True)
        time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    run_id = child.stdout.readline().strip()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with wan.simulated(tmp_path / "runs", speed=20) as session:
        (run,) = session.runs()
        assert run.id == run_id
        assert run.wait(timeout_s=60).path.exists()


def test_two_sessions_on_one_folder_make_one_video(tmp_path: Path, picture: Path) -> None:
    """Both see it end; one fetched it."""
    with wan.simulated(tmp_path / "runs", speed=200, scenario=SMALL) as first:
        request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        run = first.submit(request)
        with wan.simulated(tmp_path / "runs", speed=201, scenario=SMALL) as second:
            assert second is not first
            same = second.submit(request)
            assert same.id == run.id
            assert same.wait(timeout_s=30).path == run.wait(timeout_s=30).path
        assert [record.kind for record in first.ledger.records(run.id)].count("saved") == 1
        assert [record.kind for record in first.ledger.records(run.id)].count("sending") == 1


def test_a_kernel_that_only_slept_is_believed(
    session: wan.Session, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watch over a sending ran out, and it writes its task down just before another calls the run ambiguous."""
    made = session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P"))
    task_id = until(lambda: made.state.task_id)
    other, now = Ledger(session.ledger.path), session.clock.now()
    plan = Plan("r1", "v1:1", session.endpoint.identity, 1, made.state.model, "480P", 5, now, made.state.request)
    other.plan(plan)
    other.append("r1", Record("sending", now))
    is_watched = Ledger.is_watched

    def looked_too_early(self: Ledger, run_id: str, at: float) -> bool:
        answer = is_watched(self, run_id, at)
        if run_id == "r1" and other.state("r1").phase is RunPhase.SENDING:
            other.append("r1", Record("submitted", at, {"task_id": task_id}))
        return answer

    monkeypatch.setattr(Ledger, "is_watched", looked_too_early)
    session.resume()
    assert session.run("r1").wait(timeout_s=30).path.exists()
    assert "ambiguous" not in [record.kind for record in other.records("r1")]


def test_a_run_that_a_dead_kernel_planned_waits_for_a_word(session: wan.Session, picture: Path) -> None:
    """Waiting for it ends and says so; it is not sent by itself, and a submit() sends it."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
    other = Ledger(session.ledger.path)
    planned, _ = other.plan(session.planner.plan(request, 1, ()))
    other.claim(planned.run_id, session.clock.now())
    run = session.submit(request)
    until(lambda: run.id not in session.follower.busy)
    assert not session.is_sent_by_nobody(run.state)
    other.release(run.id)  # as when its process is gone
    with pytest.raises(RunError, match=r"planned and not sent; session\.submit"):
        run.wait(timeout_s=20)
    assert [record.kind for record in other.records(run.id)] == ["planned"]
    assert session.submit(request).wait(timeout_s=30).path.exists()


def test_the_cell_that_begins_can_be_run_again(tmp_path: Path) -> None:
    """The same words give the session that is open; after close, a new one. Other words are another session."""
    first = wan.simulated(tmp_path / "runs", scenario="throttled")
    assert wan.simulated(tmp_path / "runs", scenario="throttled") is first
    with wan.simulated(tmp_path / "runs") as other:
        assert other is not first
    first.close()
    with wan.simulated(tmp_path / "runs", scenario="throttled") as second:
        assert second is not first
    with wan.gateway("http://127.0.0.1:9/api/v1", api_key="sk-1", folder=tmp_path / "gateway") as one:
        assert wan.gateway("http://127.0.0.1:9/api/v1", api_key="sk-1", folder=tmp_path / "gateway") is one
        with wan.gateway("http://127.0.0.1:9/api/v1", api_key="sk-2", folder=tmp_path / "gateway") as two:
            assert two is not one


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_lets_go(session: wan.Session) -> None:
    """Threads do not come along into a child: it must not write, and says so in one line."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            session.runs()
            os.write(writer, b"it went on")
        except ConfigError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode().startswith("this session is closed")
    os.close(reader)
    os.close(writer)
    assert session.runs() == []


def test_a_plain_script_waits_for_what_is_being_sent(tmp_path: Path, picture: Path) -> None:
    """No with, no wait: leaving finishes the sending, and the task exists."""
    script = f"""
        import wan_nb as wan
        session = wan.simulated({str(tmp_path / "runs")!r}, speed=20)
        session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame={str(picture)!r}, resolution="480P"))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Traceback" not in done.stderr
    with wan.simulated(tmp_path / "runs", speed=20) as session:
        (run,) = session.runs()
        assert run.state.task_id
        assert run.wait(timeout_s=60).path.exists()


def test_live_needs_a_key_and_a_region() -> None:
    """One line each, before anything is opened."""
    with pytest.raises(ConfigError, match=r"wan\.simulated\(\) costs nothing"):
        wan.live(region="singapore", api_key="")
    with pytest.raises(ConfigError, match="DASHSCOPE_API_KEY"):
        wan.live(region="singapore")
    with pytest.raises(ConfigError, match="region='singapore'"):
        wan.live(api_key="sk-0")
    with pytest.raises(ConfigError, match="the regions are singapore"):
        wan.live(region="mars")
    with pytest.raises(ConfigError, match="workspace='bad id!' is not an id"):
        wan.live(region="singapore", api_key="sk-0", workspace="bad id!")
    with pytest.raises(ConfigError, match=r"2\.00 USD"):
        wan.live(region="singapore", api_key="sk-0", budget="much")
    assert not Path("wan_runs").exists()


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (wan.simulated, "a file.* cannot be used: .*; give another"),
        (lambda _: wan.simulated(None), "folder=None is not a folder"),  # type: ignore[arg-type]
        (lambda _: wan.simulated(scenario=5), "scenario 5 does not exist; there are plain"),  # type: ignore[arg-type]
        (lambda file: wan.simulated(file.parent, speed=0), "speed=0 is not a speed"),
        (lambda _: wan.gateway(None), "base_url=None is not an address"),  # type: ignore[arg-type]
        (lambda _: wan.gateway("https://x.example/api/v1", name="../x"), "cannot name a folder"),
        (lambda file: wan_simulator(["--folder", str(file)]), "cannot be used"),
        (lambda _: wan_simulator(["--port", "99999"]), "ports are 0 to 65535"),
        (lambda _: wan_simulator(["--speed", "0"]), r"speed=0\.0 is not a speed"),
    ],
)
def test_what_cannot_begin_says_why(
    begin: Callable[[Path], object], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, from Python and from a terminal."""
    file = tmp_path / "a file"
    file.touch()
    try:
        assert begin(file) == 2
        said = capsys.readouterr().err
    except ConfigError as error:
        said = str(error)
    assert re.search(words, said) and "\n" not in said.strip()


@pytest.mark.parametrize(
    "ask",
    [
        lambda session, request: asyncio.run(wan.gather([request])),
        lambda session, request: session.board("x"),
        lambda session, request: session.form(5),
        lambda session, request: session.preview([request, request]),
        lambda session, request: session.submit(5),
    ],
)
@pytest.mark.filterwarnings("error")  # nothing half made is left to be closed
def test_what_is_no_run_and_no_request_is_named(ask: Callable[..., object], session: wan.Session) -> None:
    with pytest.raises(
        ConfigError, match=r"is not a run; session\.submit|is not a request; make one|neither a run nor"
    ):
        ask(session, wan.VideoRequest("wan2.6-i2v-flash", prompt="x"))


def test_the_budget_holds_before_anything_is_sent(tmp_path: Path, picture: Path) -> None:
    """A live session whose host does not exist: the budget refuses first."""
    with wan.live(region="singapore", api_key="sk-0", budget="0.10 USD", folder=tmp_path / "live") as session:
        request = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P")
        assert str(session.preview(request).estimate).startswith("about 0.25 USD")
        with pytest.raises(BudgetError, match=r"0\.25 USD"):
            session.submit(request)
        with pytest.raises(BudgetError, match="allow='price'"):
            session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="1080P"))
        assert not session.runs()


def test_a_closed_session_says_so(tmp_path: Path, picture: Path) -> None:
    """And closing twice is fine."""
    session = wan.simulated(tmp_path / "runs")
    session.close()
    session.close()
    with pytest.raises(ConfigError, match="closed"):
        session.submit(wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture))


def test_what_a_closed_session_gave_does_not_blame_the_journal(tmp_path: Path, picture: Path) -> None:
    """A study and a run, whether they read or write: the same words as `submit`."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
    with wan.simulated(tmp_path / "runs", speed=2000, scenario=SMALL) as session:
        study = session.compare(request, prompt=["a", "b"])
        run = session.submit(request)
        run.wait(60)
    vote, write = partial(study.vote, ("A", 1), ("B", 1), "left"), partial(session.ledger.append, run.id)
    for act in (study.submit, vote, run.again, write):
        with pytest.raises(WanError, match=r"^this session is closed; make a new one with wan\.simulated\(\)"):
            act()


@pytest.mark.parametrize("task_id", ["", "  ", None, 5])
def test_what_is_no_task_id_is_not_asked_for(session: wan.Session, task_id: object) -> None:
    with pytest.raises(ConfigError, match=r"is no task's id; session\.tasks\(\)"):
        session.adopt(task_id)  # type: ignore[arg-type]
    assert not session.runs()


def _with(*faults: Fault) -> Scenario:

    return replace(SMALL, faults=faults)


def test_opening_is_quick(tmp_path: Path) -> None:
    """Importing loads none of the heavy parts."""
    code = (
        "import sys, wan_nb; print([m for m in ('matplotlib', 'ipywidgets', 'av', 'httpx', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


def test_taken_up_twice_fetched_once(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a folder takes its runs up, and so does resume(): two at once must not write one file."""
    with wan.simulated(tmp_path / "runs", speed=60, scenario=SMALL) as session:  # slow enough to end before its runs
        request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        ids = [session.submit(request.replace(seed=seed)).id for seed in (1, 2)]
        until(lambda: all(session.run(each).state.task_id for each in ids))
    fetched: list[str] = []
    bring_home = Follower.bring_home

    async def counted(self: Follower, state: RunState, url: str) -> None:
        fetched.append(state.run_id)
        await bring_home(self, state, url)

    monkeypatch.setattr(Follower, "bring_home", counted)
    with wan.simulated(tmp_path / "runs", speed=600, scenario=SMALL) as session:
        for _ in range(5):
            session.resume()
        for each in ids:
            session.run(each).wait(timeout_s=30)
    assert sorted(fetched) == sorted(ids)
