"""Coming back: lists that filter, money that adds up, a terminal, and notebooks that are safe to share."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import wan_nb as wan
from wan_nb.cli import main
from wan_nb.errors import BudgetError, ConfigError, LedgerError, NotFoundError
from wan_nb.history import Spend
from wan_nb.pricing import Money
from wan_nb.record import Record, RunPhase, RunState, fold
from wan_nb.sharing import check_notebook


@pytest.fixture
def two(session: wan.Session, picture: Path) -> tuple[wan.Run, wan.Run]:
    """Two finished runs."""
    request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P", prompt='=cat, "quoted"')
    first, second = session.submit(request), session.submit(request.replace(seed=2, prompt="a dog"))
    first.wait(60)
    second.wait(60)
    return first, second


def test_marks_filters_and_csv(session: wan.Session, two: tuple[wan.Run, wan.Run], tmp_path: Path) -> None:
    """Notes, tags and stars survive; a list filters by them and goes to CSV without running as a formula."""
    first, second = two
    first.mark(note="good light", tags=["lecture 3", "b"], starred=True)
    assert [run.id for run in session.runs().where(starred=True)] == [first.id]
    assert [run.id for run in session.runs().where(tags="lecture")] == [first.id]
    assert [run.id for run in session.runs().where(lambda state: state.request.get("seed") == 2)] == [second.id]
    with pytest.raises(ConfigError, match="'color' is not a column"):
        session.runs().where(color="red")
    with pytest.raises(ConfigError, match="give a list"):
        first.mark(tags="lecture")
    path = session.runs().to_csv(tmp_path / "runs.csv")
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig")))
    assert [row["prompt"] for row in rows] == ["a dog", '\'=cat, "quoted"']
    assert rows[1]["tags"] == "b lecture 3"
    assert session.ledger.verify() == []


def test_a_page_of_runs_that_cannot_be_is_refused(session: wan.Session, two: tuple[wan.Run, wan.Run]) -> None:
    """An empty list would say that there are none."""
    first, second = two
    for wrong in ("cat", -1, True, 2.5):
        with pytest.raises(ConfigError, match=r"is no number of runs; .* words as text="):
            session.runs(wrong)  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match="'zzz' is not in"):
        session.runs(before="zzz")
    assert session.runs(before=second.id) == [first] and session.runs(0) == session.runs(text=555) == []  # type: ignore[arg-type]


def test_prune_spares_the_starred(session: wan.Session, two: tuple[wan.Run, wan.Run]) -> None:
    """First it only says; then it removes; the runs stay listed."""
    first, second = two
    first.mark(starred=True)
    assert session.disk_use()["videos"] > 0
    (path,) = session.prune(older_than_days=0)
    assert path.exists()
    session.prune(older_than_days=0, delete=True)
    assert not path.exists()
    assert second.state.file
    assert path.name in second.state.file.path
    assert len(session.runs()) == 2


def test_spend_by_day_and_model() -> None:
    """Free is free, unknown stays unknown, two currencies are never added."""

    def state(run_id: str, model: str, phase: str, estimate: str | None) -> RunState:
        start = RunState(run_id, run_id, "https://x", 1, model, "720P", 5, 1_790_000_000.0)
        kinds = {"saved": "sending", "failed": "observed"}
        records = [Record("planned", 1.0, {"estimate": estimate}), Record(kinds[phase], 2.0, {"status": "FAILED"})]
        return fold(start, records)

    spend = Spend.of([
        state("a", "m1", "saved", "0.25 USD"), state("b", "m1", "saved", "0.25 USD"),
        state("c", "m2", "failed", "1 USD"),
        state("d", "m3", "saved", None), state("e", "m4", "saved", "3 CNY"),
    ])  # fmt: skip
    assert spend.totals == {"USD": Money.of("0.50 USD"), "CNY": Money.of("3 CNY")}
    text = str(spend)
    assert "m1: 2 runs, 10 s, 0.50 USD" in text
    assert "m3: 1 runs, 5 s, price unknown" in text
    assert "m2" not in text
    assert "free quota" in text


def test_a_task_made_elsewhere_is_adopted(session: wan.Session, two: tuple[wan.Run, wan.Run]) -> None:
    """By its bare id; a foreign id says so."""
    task_id = two[0].state.task_id
    run = session.adopt(task_id, model="wan2.2-i2v-flash")
    assert run.wait(60).path.exists()
    assert session.adopt(task_id).id == run.id
    with pytest.raises(NotFoundError, match="expired, or is of another region"):
        session.adopt("00000000-0000-0000-0000-000000000000")


def test_the_terminal(session: wan.Session, two: tuple[wan.Run, wan.Run], capsys: pytest.CaptureFixture[str]) -> None:
    """runs, verify and resume; a wrong folder is one line."""
    folder = str(session.folder)
    assert main(["runs", "--folder", folder]) == 0
    assert two[0].id in capsys.readouterr().out
    assert main(["verify", "--folder", folder]) == 0
    assert "2 runs, 0 problem(s)" in capsys.readouterr().out
    assert main(["resume", "--simulated", "--folder", folder]) == 0
    assert "0 run(s) going" in capsys.readouterr().out
    assert main(["resume", "--folder", folder]) == 1
    assert "a simulated session's folder; add --simulated" in capsys.readouterr().err
    assert main(["runs", "--folder", "nowhere"]) == 1
    assert "nowhere has no journal" in capsys.readouterr().err
    beside = session.folder.parent / "nowhere"
    assert main(["runs", "--folder", str(beside)]) == 1
    assert f"here is {session.folder}" in capsys.readouterr().err


def test_a_notebook_before_it_is_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys, signed addresses, widget state and large outputs are found, and never shown."""
    url = "https://bucket.example/v.mp4?Expires=1&Signature=abc"
    cells = [
        {"cell_type": "code", "source": "print(1)", "outputs": [{"output_type": "stream", "text": ["sk-" + "a" * 20]}]},
        {"cell_type": "markdown", "source": f"see {url}"},
        {"cell_type": "code", "source": "x", "outputs": [{"output_type": "stream", "text": "y" * 1_200_000}]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"widgets": {"state": {}}}}))
    found = [str(finding) for finding in check_notebook(path)]
    assert [text.split(":")[0] for text in found] == ["notebook", "cell 1", "cell 2", "cell 3"]
    assert "aaaa" not in str(found)
    assert main(["check", str(path)]) == 1
    assert "4 finding(s)" in capsys.readouterr().out
    (tmp_path / "b.txt").write_text("hello")
    with pytest.raises(ConfigError, match="not a notebook"):
        check_notebook(tmp_path / "b.txt")
    first = Path(__file__).parent.parent / "notebooks" / "00_start_here.ipynb"
    assert check_notebook(first) == []


def test_what_the_budget_does_not_cover_is_said_before_anything_is_asked(tmp_path: Path, picture: Path) -> None:
    """Nobody confirms first, and is refused afterwards; a preview does not call it ready."""
    request = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P", duration=5)
    limits = {"budget": "0.05 USD", "confirm_above": "0.04 USD"}
    with wan.live(region="singapore", api_key="sk-0", folder=tmp_path / "live", **limits) as session:
        preview = session.preview(request)
        assert repr(preview).endswith("held back: it costs about 0.25 USD and 0.05 USD of today's budget is left")
        assert "held back: it costs" in preview._repr_mimebundle_()["text/html"]
        with pytest.raises(BudgetError, match=r"0\.05 USD of today's budget is left, so raise budget= first"):
            session.submit(request)
        assert not session.runs()


def test_confirm_above_names_the_call(tmp_path: Path, picture: Path) -> None:
    """Nothing asks by input(): an error says what to write."""
    with wan.live(region="singapore", api_key="sk-0", folder=tmp_path / "live", confirm_above="0.20 USD") as session:
        request = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, resolution="720P")
        with pytest.raises(BudgetError, match=r"session\.submit\(request, confirm=True\)"):
            session.submit(request)
        assert not session.runs()
    assert RunPhase.PLANNED.is_free
