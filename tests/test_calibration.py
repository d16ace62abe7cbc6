"""Rules against files: which stand, which fell, and by which file."""

from __future__ import annotations

from dataclasses import replace

import pytest

import wan_nb as wan
from wan_nb.calibration import DOCUMENTS, MEASURED, Observation, calibrate, calibrate_runs
from wan_nb.geometry import RULES, Size, predict
from wan_nb.ledger import Plan
from wan_nb.record import Record, RunState, fold


def saved(run_id: str, source: str, output: str, model: str = "wan2.6-i2v", tier: str = "720P") -> RunState:
    start = RunState(run_id, "v1:0", "simulator", 1, model, tier, 5, 0.0)
    return fold(start, records(source, output))


def records(source: str, output: str) -> list[Record]:
    file = {
        "path": "videos/a.mp4", "sha256": "0", "nbytes": 9, "size": output, "fps": 30.0, "duration_s": 5.0,
        "has_audio": False,
    }  # fmt: skip
    return [Record("planned", 0.0, {"source": source} if source else {}), Record("saved", 1.0, file)]


def test_the_documents_example_leaves_two_rules_and_names_what_would_tell_them_apart() -> None:
    (row,) = calibrate([DOCUMENTS]).rows
    assert row.standing == ("floor16", "round16")
    assert row.verdict == (
        "floor16 and round16 fit, not told apart; a 3:2 picture would tell more. "
        "Ruled out: nearest16, best16, even by 750×1000 → 816×1104."
    )
    assert predict("3:2", "720P", "floor16") != predict("3:2", "720P", "round16")


def test_the_measured_files_of_27_leave_one() -> None:
    (row,) = calibrate(MEASURED).rows
    assert (row.model, row.tier, row.standing, row.shapes) == ("wan2.7-i2v-2026-04-25", "1080P", ("even",), 2)
    assert row.verdict.endswith("The documented rule, floor16, does not hold; even, which others measured, does.")
    assert row.count("even") == "2/2"


def test_a_file_on_which_all_rules_agree_is_no_evidence() -> None:
    same = Observation("wan2.6-i2v", "720P", Size(1920, 1080), Size(1280, 720))
    (row,) = calibrate([same, replace(same, name="again")]).rows
    assert (row.standing, row.telling, row.shapes) == (tuple(RULES), (), 1)
    assert "Nothing is ruled out" in row.verdict


def test_files_that_no_rule_fits_are_told() -> None:
    odd = Observation("wan2.6-i2v", "720P", Size(750, 1000), Size(810, 1080))
    (row,) = calibrate([odd, replace(odd, output=Size(816, 1104))]).rows
    assert row.verdict.startswith("No rule fits every file (floor16 1/2, nearest16 0/2")


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_found_by_the_shapes_that_are_asked_for(rule: str) -> None:
    shape, found = "3:4", []
    for _ in range(6):
        source = Size(*(500 * side for side in Size.of(shape)))
        found.append(Observation("wan2.6-i2v", "720P", source, predict(source, "720P", rule)))
        (row,) = calibrate(found).rows
        assert rule in row.standing
        shape = row.next_shape
        if not shape:
            break
    assert row.standing == (rule,)


def test_runs_of_a_session_by_model_and_tier() -> None:
    states = [
        saved("r1", "750x1000", "816x1104"),
        saved("r2", "1500x1000", "1168x768"),
        saved("r3", "2400x1600", "1764x1176", "wan2.7-i2v", "1080P"),
        saved("r4", "", "816x1104"),
        RunState("r5", "v1:0", "simulator", 1, "wan2.6-i2v", "720P", 5, 0.0),
    ]
    found = calibrate_runs(states, "SIMULATED, 60× faster", simulated=True)
    assert [(row.model, row.tier, row.standing) for row in found.rows] == [
        ("wan2.6-i2v", "720P", ("floor16",)),
        ("wan2.7-i2v-2026-04-25", "1080P", ("even",)),
    ]
    assert found.unknown == 1
    assert "nothing of the service" in str(found)
    assert "1 file(s) left out" in found._repr_html_()
    assert str(calibrate_runs([], "Singapore", simulated=False)).startswith("Singapore: nothing to compare yet.")


def test_a_session_answers_from_its_journal(session: wan.Session) -> None:
    plan = Plan("r1", "v1:0", session.endpoint.identity, 1, "wan2.6-i2v", "720P", 5, 0.0, {}, {"source": "750*1000"})
    session.ledger.plan(plan)
    session.ledger.append("r1", records("", "816x1104")[1])
    (row,) = session.calibrate().rows
    assert row.standing == ("floor16", "round16")
    assert "SIMULATED" in session.calibrate().where
