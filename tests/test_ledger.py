"""The journal: durable, shared, append-only, and folded back to the same state from any prefix."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_nb import journal
from wan_nb.errors import BudgetError, LedgerError
from wan_nb.ledger import Ledger, Plan
from wan_nb.pricing import Money
from wan_nb.record import Record, RunPhase, RunState, fold
from wan_nb.studies import StudyBook
from wan_nb.votes import Judgement

PLAN = Plan("r1", "v1:a", "simulator", 1, "wan2.7-i2v", "720P", 5, 100.0, {"model": "wan2.7-i2v", "prompt": "x"})
GATE = (RunPhase.PLANNED,)
DOLLAR = Money.of("1.00 USD")
HISTORY = [
    Record("sending", 101.0, {"region": "singapore"}),
    Record("submitted", 102.0, {"task_id": "t", "request_id": "q", "status": "PENDING"}),
    Record("observed", 110.0, {"status": "RUNNING"}),
    Record("observed", 200.0, {"status": "SUCCEEDED", "took_s": 98.0, "billed_s": 5, "result_host": "h"}),
    Record("saved", 201.0, {"path": "videos/a.mp4", "sha256": "0", "nbytes": 9, "size": "816*1104", "fps": 30.0,
                            "duration_s": 5.0, "has_audio": True}),
]  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def test_a_run_from_plan_to_file(ledger: Ledger) -> None:
    """Each record moves the state on, and another reader sees the same."""
    state, existed = ledger.plan(PLAN)
    assert (state.phase, existed) == (RunPhase.PLANNED, False)
    phases = [ledger.append("r1", record).phase for record in HISTORY]
    assert phases == ["sending", "submitted", "submitted", "succeeded", "saved"]
    assert Ledger(ledger.path).state("r1") == ledger.state("r1")
    saved = ledger.state("r1")
    assert saved.file
    assert str(saved.file.size) == "816×1104"
    assert saved.running_at == 110.0
    assert ledger.took("simulator", "wan2.7-i2v", "720P", 5) == [98.0]


def test_the_same_request_finds_its_run(ledger: Ledger) -> None:
    """Unique by fingerprint, endpoint and take."""
    ledger.plan(PLAN)
    assert ledger.plan(replace(PLAN, run_id="r2"))[0].run_id == "r1"
    assert ledger.plan(replace(PLAN, run_id="r3", take=2))[1] is False
    assert ledger.plan(replace(PLAN, run_id="r4", endpoint="https://x/api/v1"))[1] is False
    assert ledger.takes("v1:a", "simulator") == 2
    found = ledger.find("v1:a", "simulator")
    assert found
    assert found.run_id == "r3"
    assert [state.run_id for state in ledger.states()] == ["r4", "r3", "r1"]


def test_a_newer_versions_record_survives(ledger: Ledger) -> None:
    """It is passed over, kept, and does not stop the fold."""
    ledger.plan(PLAN)
    ledger.append("r1", HISTORY[0], Record("teleported", 101.5, {"to": "moon"}), *HISTORY[1:3])
    assert ledger.state("r1").phase is RunPhase.SUBMITTED
    assert [record.kind for record in ledger.records("r1")][2] == "teleported"


@given(st.integers(0, len(HISTORY)))
def test_a_cut_anywhere_leaves_a_state(length: int) -> None:
    """Folding a prefix, then the rest, is folding all."""
    start = RunState("r1", "v1:a", "simulator", 1, "wan2.7-i2v", "720P", 5, 100.0)
    assert fold(fold(start, HISTORY[:length]), HISTORY[length:]) == fold(start, HISTORY)


@pytest.mark.parametrize("late", ["ambiguous", "rejected", "unsent"])
def test_who_slept_while_sending_takes_no_task_away(late: str) -> None:
    """Somebody else adopted it meanwhile; that the answer was lost is no news."""
    start = RunState("r1", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0)
    adopted = fold(start, [Record("sending", 1.0), Record("ambiguous", 2.0), Record("adopted", 3.0, {"task_id": "t"})])
    assert fold(adopted, [Record(late, 4.0, {"message": "late"})]) == adopted


def test_budget_counts_what_is_reserved(ledger: Ledger) -> None:
    """Planned and ambiguous count in full; failed is free; the message names the amount that would do."""

    def priced(run_id: str) -> Plan:
        return replace(PLAN, run_id=run_id, fingerprint=run_id, data={"estimate": "0.50 USD"})

    ledger.plan(priced("a"), DOLLAR)
    ledger.plan(priced("b"), DOLLAR)
    ledger.append("a", Record("ambiguous", 101.0))
    with pytest.raises(BudgetError, match=r"budget='1\.50 USD'"):
        ledger.plan(priced("c"), DOLLAR)
    assert ledger.plan(priced("a"), DOLLAR)[1] is True  # what exists costs nothing again
    ledger.append("b", Record("rejected", 102.0, {"code": "InvalidApiKey"}))
    assert ledger.plan(priced("c"), DOLLAR)[1] is False


def test_a_plan_of_yesterday_meets_todays_budget(ledger: Ledger) -> None:
    """Planned without a budget, sent under one: it is asked then, and counts by the day of its sending."""
    old = replace(PLAN, data={"estimate": "0.75 USD"}, created_at=100.0)
    ledger.plan(old)
    with pytest.raises(BudgetError):
        ledger.plan(old, Money.of("0.50 USD"), since=90_000.0)
    ledger.claim("r1", 90_100.0)
    ledger.append_if("r1", GATE, Record("sending", 90_100.0))
    assert ledger.spent("USD", since=90_000.0) == Money.of("0.75 USD")


def test_a_plan_over_midnight_is_reserved(ledger: Ledger) -> None:
    """Still uploading, or told to wait, when the day began: while it is watched, it may be sent at any moment."""
    old = replace(PLAN, data={"estimate": "0.75 USD"}, created_at=89_990.0)
    new = replace(old, run_id="r2", fingerprint="v1:b", created_at=90_010.0)
    ledger.plan(old)
    assert not ledger.spent("USD", since=90_000.0).amount  # nobody has it in hand
    ledger.claim("r1", 89_990.0)
    with pytest.raises(BudgetError, match=r"0\.75 USD of the budget"):
        ledger.plan(new, DOLLAR, since=90_000.0)
    ledger.append("r1", Record("unwatched", 90_020.0, {"reason": "gave up"}))
    assert ledger.plan(new, DOLLAR, since=90_000.0)[1] is False


def test_plans_of_yesterday_are_asked_for_one_by_one(ledger: Ledger) -> None:
    """The cell of yesterday is run again: each is reserved when it is asked for, before anything is sent."""
    plans = [replace(PLAN, run_id=each, fingerprint=each, data={"estimate": "0.75 USD"}) for each in "ab"]
    ledger.plan_all(plans)
    first, second = (replace(plan, created_at=90_010.0) for plan in plans)
    assert ledger.plan(first, DOLLAR, since=90_000.0)[1] is True
    with pytest.raises(BudgetError, match=r"0\.75 USD of the budget"):
        ledger.plan(second, DOLLAR, since=90_000.0)


def test_one_task_belongs_to_one_run(ledger: Ledger) -> None:
    """Adopting what another run has is refused; a settled run cannot be settled again."""
    ledger.plan(PLAN)
    ledger.append("r1", *HISTORY[:2])
    ledger.plan(replace(PLAN, run_id="r2", take=2))
    ledger.append("r2", Record("ambiguous", 110.0))
    with pytest.raises(LedgerError, match="belongs to run r1 already"):
        ledger.settle("r2", Record("adopted", 111.0, {"task_id": "t"}))
    assert ledger.settle("r2", Record("disowned", 112.0)).phase is RunPhase.REJECTED
    with pytest.raises(LedgerError, match="not ambiguous any more"):
        ledger.settle("r2", Record("disowned", 113.0))


def test_an_old_run_is_still_going_until_its_end(ledger: Ledger) -> None:
    """However long ago it was planned, and whoever damaged one of its records."""
    ledger.plan(PLAN)
    ledger.append("r1", *HISTORY[:2])
    ledger.append("r1", Record("saved", 120.0, {"path": "x"}))  # of a version that writes it otherwise
    assert "cannot be read" in ledger.state("r1").message
    ledger.plan(replace(PLAN, run_id="r2", take=2))
    ledger.append("r2", *(HISTORY[0], replace(HISTORY[1], data={"task_id": "t2"})))
    assert [state.run_id for state in ledger.going()] == ["r2"]


def test_a_dead_process_loses_its_watch(ledger: Ledger, tmp_path: Path) -> None:
    """Two kernels: one watches; when it is silent for long, or certainly dead, the other may."""
    ledger.plan(PLAN)
    other = Ledger(ledger.path)
    assert ledger.claim("r1", now=100.0)
    assert not other.claim("r1", now=101.0)
    assert other.is_watched("r1", now=101.0)
    assert other.claim("r1", now=200.0)
    assert ledger.renew(now=201.0) == set()
    host = ledger.owner.rsplit(":", 2)[0]
    ledger.owner = f"{host}:999999999:1"  # a process number that no system gives
    assert ledger.claim("r1", now=300.0)
    assert other.claim("r1", now=301.0)


def test_a_file_that_is_no_journal_says_so(tmp_path: Path) -> None:
    """One line with what to do."""
    (tmp_path / "x.sqlite").write_text("hello, this is no database at all, and long enough to be looked at")
    with pytest.raises(LedgerError, match="move it away"):
        Ledger(tmp_path / "x.sqlite")
    newer = sqlite3.connect(tmp_path / "y.sqlite")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(LedgerError, match="update the package"):
        Ledger(tmp_path / "y.sqlite")


def test_a_damaged_page_says_what_brings_it_back(ledger: Ledger) -> None:
    """Also where it is met only while the log is compared with the database."""
    for number in range(60):
        ledger.plan(replace(PLAN, run_id=f"r{number}", take=number + 1))
    ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    pages = bytearray(ledger.path.read_bytes())
    size = int.from_bytes(pages[16:18], "big")
    for start in range(size, len(pages), size):
        pages[start : start + 8] = b"\xff" * 8
    ledger.path.write_bytes(pages)
    with pytest.raises(LedgerError, match=r"malformed.*move it away"):
        Ledger(ledger.path)
    ledger.path.unlink()
    again = Ledger(ledger.path)
    assert len(again.states()) == 60
    assert again.find(PLAN.fingerprint, PLAN.endpoint, 7) == again.state("r6")
    again.close()


def test_a_damaged_database_is_made_good_from_the_log(ledger: Ledger) -> None:
    """The whole file gone, or its last write: nothing is missing afterwards, nothing is there twice."""
    ledger.plan(PLAN)
    ledger.append("r1", *HISTORY)
    before = ledger.state("r1"), ledger.records("r1")
    ledger._db.execute("DELETE FROM records WHERE kind IN ('saved', 'observed')")
    ledger.close()
    for _ in range(2):
        again = Ledger(ledger.path)
        assert (again.state("r1"), again.records("r1")) == before
        again.close()
    ledger.path.unlink()
    with ledger.log_path.open("a", encoding="utf-8") as file:
        file.write('\n{"run_id": "r1", "at": 3')  # a line that was cut short
    anew = Ledger(ledger.path)
    assert (anew.state("r1"), anew.records("r1")) == before
    anew.append("r1", Record("marked", 300.0, {"starred": True}))
    anew.close()
    ledger.path.unlink()
    assert Ledger(ledger.path).state("r1").starred


def test_studies_and_judgements_come_back_too(ledger: Ledger) -> None:
    """From the log: the database lost its end, or all of it; nothing is there twice."""
    book = StudyBook(ledger)
    book.declare("x1:a", {"baseline": {}}, at=1.0, name="cats", votes=None, default=20)
    book.declare("x1:a", {"baseline": {}}, at=2.0, name="", votes=None, default=20)
    book.declare("x1:a", {"baseline": {}}, at=3.0, name="", votes=12, default=20)
    said = [Judgement("j1", 4.0, "ann", "vote", "r1", "r2", "left", study="x1:a", planned=12),
            Judgement("j2", 5.0, "ann", "undo", undoes="j1", study="x1:a")]  # fmt: skip
    for each in said:
        book.judge(each)
    before = book.all(), book.judgements(["r1", "r2"])
    assert [(row.at, row.name, row.votes) for row in before[0]] == [(1.0, "cats", 12)]
    assert before[1] == tuple(said)
    assert book.judgements(["r1"]) == ()
    assert len(ledger.rows("SELECT * FROM studies")) == 2
    ledger._db.execute("DELETE FROM judgements WHERE seq > 1")
    ledger._db.execute("DELETE FROM studies")
    ledger.plan(PLAN)
    ledger.close()
    with pytest.raises(LedgerError, match="this session is closed; make a new one"):
        book.all()
    for whole in (True, False, False):
        again = Ledger(ledger.path)
        assert (StudyBook(again).all(), StudyBook(again).judgements(["r1", "r2"])) == before
        assert len(again.rows("SELECT * FROM studies")) == 2
        again.close()
        if whole:
            ledger.path.unlink()


def test_a_journal_of_an_older_version_is_brought_up_to_date(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs stay, and what is new can be used from then on; the older version leaves it alone."""
    ledger.plan(PLAN)
    ledger.close()

    def moons(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE moons (name TEXT)")

    with monkeypatch.context() as newer:
        newer.setattr(journal, "_MIGRATIONS", journal._MIGRATIONS | {5: moons})
        for _ in range(2):
            new = Ledger(ledger.path)
            assert new.state("r1").phase is RunPhase.PLANNED
            assert new.rows("SELECT * FROM moons") == []
            new.close()
    with pytest.raises(LedgerError, match="update the package"):
        Ledger(ledger.path)


def test_several_runs_are_planned_all_or_none(ledger: Ledger) -> None:
    """The budget is asked for the whole; what exists costs nothing again, what was only planned is asked for anew."""

    def priced(run_id: str) -> Plan:
        return replace(PLAN, run_id=run_id, fingerprint=run_id, data={"estimate": "0.50 USD"})

    with pytest.raises(
        BudgetError, match=r"these 3 runs cost about 1\.50 USD and 0\.00 USD of the budget of 1\.00 USD"
    ):
        ledger.plan_all([priced("a"), priced("b"), priced("c")], DOLLAR)
    assert ledger.states() == []
    found = ledger.plan_all([priced("a"), priced("b")], DOLLAR)
    assert [(state.run_id, existed) for state, existed in found] == [("a", False), ("b", False)]
    ledger.append("a", *HISTORY[:2])
    with pytest.raises(BudgetError, match=r"these 2 runs cost about 1\.00 USD and 0\.50 USD"):
        ledger.plan_all([priced("a"), priced("b"), priced("c")], DOLLAR)
    assert [existed for _, existed in ledger.plan_all([priced("a"), priced("b")], DOLLAR)] == [True, True]
    assert [state.take for state in ledger.samples("a", "simulator")] == [1]
    twice = ledger.plan_all([replace(PLAN, run_id="d"), replace(PLAN, run_id="e")])
    assert [(state.run_id, existed) for state, existed in twice] == [("d", False), ("d", True)]


def test_a_plan_that_was_never_committed_stays_out(ledger: Ledger) -> None:
    """Killed between log and commit; the same request was planned anew by the next process."""
    ledger.plan(PLAN)
    text = ledger.log_path.read_text(encoding="utf-8")
    ledger.close()
    ledger.log_path.write_text(text.replace('"r1"', '"r0"') + text, encoding="utf-8")
    again = Ledger(ledger.path)
    assert [state.run_id for state in again.states()] == ["r1"]
    assert again.verify() == []


def test_verify_names_what_is_wrong(ledger: Ledger) -> None:
    """A file that is missing, and one that was changed."""
    ledger.plan(PLAN)
    ledger.append("r1", *HISTORY)
    assert ledger.verify() == ["run r1: videos/a.mp4 is missing"]
    (ledger.path.parent / "videos").mkdir()
    (ledger.path.parent / "videos" / "a.mp4").write_bytes(b"other")
    assert ledger.verify() == ["run r1: videos/a.mp4 is not the file that was saved"]


def test_only_one_sender_passes_the_gate(ledger: Ledger) -> None:
    """Two cells, threads or kernels with the same request: look and record are one step."""
    ledger.plan(PLAN)
    other = Ledger(ledger.path)
    assert ledger.append_if("r1", GATE, HISTORY[0]) is None  # not without the watch
    ledger.claim("r1", 0.0)
    assert ledger.append_if("r1", GATE, HISTORY[0])
    assert other.append_if("r1", GATE, HISTORY[0]) is None
    assert ledger.append_if("r1", GATE, HISTORY[0]) is None
    assert [record.kind for record in ledger.records("r1")] == ["planned", "sending"]


def test_pages_hold_every_run_once_and_what_is_searched_for(ledger: Ledger) -> None:
    """Runs planned in the same instant too; signs of SQL are plain letters."""
    prompts = ["a cat", "100% cat", "a_b", 'say "hi"', "dog"]
    for number in range(23):
        request = {"model": "wan2.7-i2v", "prompt": prompts[number % 5], "first_frame": {"name": "cat.png"}}
        made = replace(
            PLAN, run_id=f"r{number:02}", fingerprint=f"v1:{number}", created_at=float(number // 4), request=request
        )
        ledger.plan(made)
    seen: list[str] = []
    while page := ledger.states(5, before=seen[-1] if seen else ""):
        seen += [state.run_id for state in page]
    assert seen == sorted(seen, reverse=True) and len(seen) == 23

    def found(text: str = "", *, starred: bool = False) -> set[str]:
        return {state.run_id for state in ledger.states(99, text=text, starred=starred)}

    assert len(found("CAT")) == 10 and len(found("cat 100%")) == 5 and len(found("a_b")) == 5 and found("%%") == set()
    assert len(found('"hi"')) == 4 and found("r07 wan2.7 720p") == {"r07"} and found("cat.png") == set()
    ledger.append("r03", Record("marked", 5.0, {"note": 'the "best" of all', "starred": True}))
    ledger.append("r09", Record("marked", 5.0, {"starred": True}), Record("marked", 6.0, {"starred": False}))
    assert found('"best"') == {"r03"} and found(starred=True) == {"r03"} and found("dog", starred=True) == set()


@pytest.mark.campaign
def test_a_hundred_thousand_runs_stay_quick(tmp_path: Path) -> None:
    """A page of history out of 100,000 runs; prints the figures."""
    import json
    import time

    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.transaction() as db:
        rows = [(f"r{n}", f"v1:{n}", "simulator", 1, "wan2.7-i2v", "720P", 5, float(n), "{}") for n in range(100_000)]
        db.executemany("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?)", rows)
        for record in HISTORY:
            data = json.dumps(dict(record.data))
            db.executemany(
                "INSERT INTO records (run_id, at, kind, data) VALUES (?,?,?,?)",
                [(f"r{n}", n + record.at, record.kind, data) for n in range(100_000)],
            )
    for name, work in (
        ("a page of 50", lambda: ledger.states(limit=50)),
        ("a page from the middle", lambda: ledger.states(50, before="r50000")),
        ("words that no run has", lambda: ledger.states(50, text="unheard of")),
        ("runs with a star", lambda: ledger.states(50, starred=True)),
        ("find a request", lambda: ledger.find("v1:50000", "simulator")),
        ("usual time", lambda: ledger.took("simulator", "wan2.7-i2v", "720P", 5)),
        ("plan and append", lambda: ledger.append("r7", Record("marked", 1.0))),
    ):
        start = time.perf_counter()
        work()
        print(f"{name}: {(time.perf_counter() - start) * 1000:.1f} ms")


def test_an_unknown_run_says_so(ledger: Ledger) -> None:
    """With where to look."""
    with pytest.raises(LedgerError, match=r"session\.runs\(\)"):
        ledger.state("nope")
