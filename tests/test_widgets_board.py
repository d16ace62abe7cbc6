"""Many runs in one table: what a row says, how little is sent, pages of the history, the static table."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comm
import pytest

import wan_nb as wan
from tests.conftest import SMALL
from tests.test_widgets_run import MODERATED, NASTY, assert_inert, fake_run
from tests.waiting import until
from wan_nb.ledger import Plan
from wan_nb.pricing import Money
from wan_nb.record import RunPhase
from wan_nb.task import TaskStatus
from wan_nb.widgets import board as board_view
from wan_nb.widgets import run as run_view
from wan_nb.widgets.board import Board, History
from wan_nb.widgets.run import RunView


class Ear:
    """What a view sends to the browser, in place of the browser."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.heard: list[dict[str, Any]] = []
        self.pictures: dict[str, bytes] = {}
        board._table.send = self._take

    def _take(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.heard.append(content)
        if buffers:
            self.pictures[content["poster"]] = buffers[0]

    def say(self, **content: Any) -> None:
        """Say what the browser says."""
        self.board._table._handle_custom_msg(content, [])

    def deltas(self, run_id: str) -> list[dict[str, Any]]:
        """Return what was told of a run."""
        return [each for content in list(self.heard) for each in content.get("delta", []) if each["id"] == run_id]

    def last(self, key: str) -> Any:
        """Return the last message that has a key, or None."""
        return next((content for content in reversed(self.heard) if key in content), None)


def submit(session: wan.Session, picture: Path, **changes: Any) -> wan.Run:
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt=NASTY, resolution="480P")
    return session.submit(request.replace(**changes))


def planned(session: wan.Session, count: int) -> None:
    """Write runs down that nobody sends: many, and at once."""
    for number in range(count):
        request = {"model": "wan2.7-i2v", "prompt": f"number {number} of many"}
        session.ledger.plan(
            Plan(f"p{number:04}", f"v1:{number}", "simulator", 1, "wan2.7-i2v", "720P", 5, 100.0 + number, request)
        )


# --- rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", list(RunPhase))
def test_a_row_says_where_a_run_stands_and_leaves_out_what_is_empty(phase: RunPhase) -> None:
    row = board_view.row(fake_run(phase=phase, task_status=TaskStatus.PENDING, submitted_at=1001.0, code="Throttling"))
    assert row["word"] and row["id"] == "r1" and None not in row.values() and "" not in row.values()
    assert row.get("cancel", False) is (phase in (RunPhase.PLANNED, RunPhase.SUBMITTED))
    assert ("took" in row) is (phase.is_terminal or phase is RunPhase.SUCCEEDED)


def test_what_a_run_costs_stands_in_its_row_and_in_the_sums() -> None:
    estimate, billed = Money.of("0.5 USD"), {"phase": RunPhase.FAILED, "code": "InternalError"}
    paid = [fake_run(is_simulated=False, phase=RunPhase.AMBIGUOUS, estimate=estimate) for _ in range(2)]
    free = fake_run(is_simulated=False, estimate=estimate, **billed)
    assert [(row["cost"], row["currency"], row.get("counts")) for row in map(board_view.row, [paid[0], free])] == [
        ("0.50", "USD", True),
        ("0.00", "USD", None),
    ]
    assert "about 1.00 USD" in board_view.table_html([*paid, free])


def test_two_hundred_rows_fit_into_widget_state_and_the_rest_comes_by_message(session: wan.Session) -> None:
    planned(session, 230)
    board = Board(session)
    ear = Ear(board)
    state = board._table.get_state()
    assert len(json.dumps(state["rows"])) < 64_000 and 100 < len(state["rows"]) <= 200
    ear.say(hello=True)
    assert [each["id"] for each in ear.heard[0]["rows"]] == [f"p{n:04}" for n in range(229, 29, -1)]
    assert board.is_seen and ear.heard[0]["rows"][0]["word"] == "not sent"
    board.close()


# --- live -------------------------------------------------------------------------------------------------------


def test_a_board_takes_up_new_runs_and_tells_only_what_changed(session: wan.Session, picture: Path) -> None:
    board = Board(session)
    ear = Ear(board)
    runs = [submit(session, picture, seed=seed) for seed in (1, 2, 3)]
    for run in runs:
        until(lambda run=run: ear.deltas(run.id) and ear.deltas(run.id)[-1]["word"] == "saved")
    assert len(ear.heard) <= 8  # three runs with six records each, in a second or two
    fresh = {each["id"]: each["word"] for each in board._table.get_state()["rows"]}
    assert fresh == dict.fromkeys((run.id for run in runs), "saved")  # a page that is opened anew begins with this
    board.close()
    heard = len(ear.heard)
    runs[0].mark(starred=True)
    assert len(ear.heard) == heard


def test_a_board_of_some_runs_keeps_to_them(session: wan.Session, picture: Path) -> None:
    first = submit(session, picture, seed=1)
    ear = Ear(Board(session, [first]))
    other = submit(session, picture, seed=2)
    until(lambda: ear.deltas(first.id) and ear.deltas(first.id)[-1]["word"] == "saved")
    other.wait(timeout_s=30)
    assert ear.deltas(other.id) == []


def test_what_is_clicked_is_done(session: wan.Session, picture: Path) -> None:
    run = submit(session, picture, seed=1)
    run.wait(timeout_s=30)
    board = Board(session)
    ear = Ear(board)
    ear.say(star=run.id, on=True)
    ear.say(note=run.id, text="the best one")
    until(lambda: run.state.starred and run.state.note == "the best one")
    until(lambda: ear.deltas(run.id) and ear.deltas(run.id)[-1].get("note"))
    ear.say(posters=[run.id])
    assert until(lambda: ear.pictures)[run.id][:2] == b"\xff\xd8"
    ear.say(open=run.id)
    (view,) = until(lambda: board._below.children)
    assert isinstance(view, RunView) and view.run is run
    ear.say(use=run.id)
    until(lambda: board._below.children and board._below.children[0] is not view)
    assert board._below.children[0].state.seed == "1"
    ear.say(open="")
    until(lambda: not board._below.children)
    ear.say(cancel=run.id)
    assert "cannot be called back" in until(lambda: (ear.last("fault") or {}).get("fault"))
    ear.say(open="no-such-run")
    until(lambda: "no-such-run" in ear.last("fault")["fault"])


def test_a_picture_that_is_gone_is_no_fault(session: wan.Session, picture: Path) -> None:
    run = submit(session, picture)
    run.wait(timeout_s=30).path.unlink()
    board = Board(session)
    ear = Ear(board)
    board._act({"posters": [run.id]})
    assert ear.heard == [] and "saved" in repr(run)


# --- history ----------------------------------------------------------------------------------------------------


def test_the_history_goes_through_all_pages_and_finds(session: wan.Session) -> None:
    planned(session, 120)
    history = History(session)
    ear = Ear(history)
    pages: list[list[str]] = []

    def turn(**content: Any) -> list[str]:
        count = len(ear.heard)
        ear.say(**content)
        until(lambda: any("rows" in each for each in ear.heard[count:]))
        return [each["id"] for each in ear.last("rows")["rows"]]

    pages = [turn(hello=True), turn(page="older"), turn(page="older")]
    assert [len(page) for page in pages] == [50, 50, 20] and len({each for page in pages for each in page}) == 120
    assert ear.last("page")["page"] == {"more": False}
    assert turn(page="newest") == pages[0]
    assert turn(find="p0007 number", starred=False) == ["p0007"]
    assert turn(find="", starred=True) == []
    session.run("p0099").mark(starred=True, note="sunrise")
    assert turn(find="", starred=True) == turn(find="sunrise", starred=False) == ["p0099"]
    history.close()


# --- what a cell shows ------------------------------------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A kernel's display, as a list of what was shown and what it was replaced by."""
    shown: list[Any] = []
    handle = SimpleNamespace(update=lambda bundle, raw: shown.append(bundle))

    def display(what: Any, **_: Any) -> Any:
        shown.append(what)
        return handle

    monkeypatch.setattr(board_view, "get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr(run_view.screen, "display", display)
    yield shown


def test_runs_are_live_while_one_is_going_and_a_static_table_after(
    tmp_path: Path, picture: Path, screen: list[Any]
) -> None:
    with wan.simulated(tmp_path / "slow", speed=60, scenario=replace(SMALL, job_s=60)) as session:
        runs = wan.Runs(submit(session, picture, seed=seed) for seed in (1, 2))
        runs._ipython_display_()
        assert isinstance(screen[0], Board)
        for run in runs:
            run.wait(timeout_s=30)
        html = until(lambda: len(screen) == 2 and screen[1]["text/html"])
        assert_inert(html)
        assert "2 runs · 10 s of video" in html and "&lt;img src=x" in html and html.count("data:image/jpeg") == 2
        with pytest.raises(NotImplementedError):  # so the table is the cell's value
            runs._ipython_display_()


def test_gather_shows_how_they_go_and_leaves_the_table(tmp_path: Path, picture: Path, screen: list[Any]) -> None:
    with wan.simulated(tmp_path / "slow", speed=60, scenario=replace(SMALL, job_s=60)) as session:
        runs = [submit(session, picture, seed=seed) for seed in (1, 2)]
        videos = asyncio.run(wan.gather(runs))
        assert len(videos) == 2 and isinstance(screen[0], Board) and "2 runs" in screen[1]["text/html"]


def test_a_board_with_a_failure_stays_where_somebody_looks_on(tmp_path: Path, picture: Path, screen: list[Any]) -> None:
    scenario = replace(SMALL, job_s=60, faults=(replace(MODERATED, seconds=30),))
    with wan.simulated(tmp_path / "slow", speed=60, scenario=scenario) as session:
        runs = [submit(session, picture, seed=seed) for seed in (1, 2)]
        settle = board_view.show(runs)
        Ear(screen[0]).say(hello=True)
        until(lambda: all(run.state.phase.is_terminal for run in runs))
        settle()
        assert len(screen) == 1 and "text/html" in screen[0]._repr_mimebundle_()


def test_a_long_table_is_cut_and_says_so(session: wan.Session) -> None:
    planned(session, 60)
    html = board_view.table_html(session.runs(limit=None))
    assert html.count("<tr>") == 51
    assert "60 runs · 0 s of video · simulated: free; the newest 50 are shown" in html
    assert repr(session.board()).startswith("Board(60 runs, SIMULATED")
    assert repr(session.history()).startswith("History(")


# --- traffic ----------------------------------------------------------------------------------------------------


def _are_saved(session: wan.Session) -> bool:
    return all(run.video for run in session.runs())


@pytest.mark.campaign
def test_traffic_of_twenty_runs(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One widget a task against one board: `pytest -m campaign -k traffic_of_twenty -s tests/test_widgets_board.py`."""
    sent: list[tuple[str, int]] = []

    def publish(
        self: Any, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any
    ) -> None:
        size = len(json.dumps({"comm_id": self.comm_id, "data": data}, default=str)) + 600  # headers of a message
        sent.append((msg_type, size + sum(len(each) for each in buffers or ())))

    monkeypatch.setattr(comm.DummyComm, "publish_msg", publish, raising=False)
    for name in ("one widget a task", "one board"):
        with wan.simulated(tmp_path / name, speed=20, scenario=replace(SMALL, job_s=60)) as session:
            runs = [submit(session, picture, seed=seed) for seed in range(20)]
            views = [RunView(run) for run in runs] if name == "one widget a task" else [Board(session, runs)]
            opened = len(sent), sum(size for _, size in sent)
            sent.clear()
            begun = time.monotonic()
            until(lambda: _are_saved(session), timeout_s=120)
            seconds = time.monotonic() - begun
            count, size = len(sent), sum(each for _, each in sent)
            print(
                f"\n{name}: {opened[0]} messages and {opened[1] / 1024:.0f} KiB to open; then {count / seconds:.1f} "
                f"messages/s, {size / 1024 / seconds:.2f} KiB/s over {seconds:.0f} s ({count} messages)"
            )
            for view in views:
                view.close()
            sent.clear()
