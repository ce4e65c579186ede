"""The runner: turns, limits, failures as rows, and runs that resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otcore.bench import runner
from otcore.bench.contestant import Answer, Contestant
from otcore.bench.instance import Instance
from otcore.bench.probe import probe
from otcore.bench.record import Record, append, read
from otcore.bench.runner import Race, run
from otcore.cli import main
from otcore.errors import InvalidProblemError


@pytest.fixture
def entrants(monkeypatch):
    """Three contestants that note when they are called; no process of their own."""
    calls = []

    def contestant(name, act):
        def solve(problem, rtol, seconds):
            calls.append((name, problem.shape[0]))
            return act(problem)

        return Contestant(name, solve, lambda problem: True)

    def fail(problem):
        raise ArithmeticError("singular | matrix")

    known = {
        "a:quick": contestant("a:quick", lambda problem: Answer(value=1.0)),
        "b:quick": contestant("b:quick", lambda problem: Answer(value=1.0)),
        "c:fails": contestant("c:fails", fail),
    }
    monkeypatch.setattr(runner, "contestants", lambda: known)
    monkeypatch.setattr(runner, "probe", lambda *_: {"status": "ok", "message": "", "seconds": 0.0, "memory": 1.0})
    return calls


def test_contestants_warm_up_and_take_turns(entrants, tmp_path):
    """Regression: OTT-JAX compiles for every shape, and the clock ran meanwhile."""
    run(Race([Instance("plane", 40)], ["a:quick", "b:quick"], rounds=3), tmp_path / "r.jsonl")
    warm = [(name, n) for name in ("a:quick", "b:quick") for n in (runner.WARM, 40)]
    assert entrants == warm + 3 * [("a:quick", 40), ("b:quick", 40)]


def test_a_failure_is_a_row_that_says_so(entrants, tmp_path):
    (record,) = run(Race([Instance("plane", 40)], ["c:fails"]), tmp_path / "r.jsonl")
    assert (record.status, record.message) == ("failed", "ArithmeticError: singular | matrix")
    assert record.cpu == [] and record.relative_gap is None


def test_a_half_finished_run_resumes(entrants, tmp_path):
    out, names = tmp_path / "r.jsonl", ["a:quick", "b:quick"]
    run(Race([Instance("plane", 40)], names, rounds=1), out)
    with out.open("a") as file:
        file.write('{"instance": "plane-48", "family": "pla')  # killed while it wrote
    before = len(entrants)
    with out.open("a") as file:
        file.write("\n")
    records = run(Race([Instance("plane", 40), Instance("plane", 48)], names, rounds=1), out)
    assert {n for _, n in entrants[before:]} == {runner.WARM, 48}
    assert {(r.n, r.contestant) for r in records} == {(n, c) for n in (40, 48) for c in names}


def test_who_does_not_end_one_size_is_not_asked_for_a_larger_one(entrants, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "probe", lambda *_: {"status": "time limit", "message": "more than 1 s"})
    records = run(Race([Instance("plane", 40), Instance("plane", 48)], ["a:quick"]), tmp_path / "r.jsonl")
    assert [(r.status, r.message) for r in records] == [
        ("time limit", "more than 1 s"),
        ("time limit", "already at size 40"),
    ]
    assert entrants == []


def test_a_quick_race_starts_no_process_and_knows_no_memory(entrants, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "probe", lambda *_: pytest.fail("a fresh process"))
    (record,) = run(Race([Instance("plane", 40)], ["a:quick"], rounds=2, fresh=False), tmp_path / "r.jsonl")
    assert record.status == "ok" and record.memory is None and len(record.cpu) == 2


def test_a_limit_holds_inside_code_that_cannot_be_interrupted():
    outcome = probe(Instance("dense", 500), "scipy:linprog-ds", 1e-9, 0.05)
    assert outcome == {"status": "time limit", "message": "more than 0.05 s"}


def test_a_fresh_process_tells_its_time_and_memory():
    outcome = probe(Instance("dense", 1000), "pot:emd", 1e-9, 60.0)
    assert outcome["status"] == "ok" and outcome["seconds"] > 0
    assert 4 < outcome["memory"] < 400  # a plan of 8 MB at least, MiB


def test_an_unknown_contestant_is_named_with_those_there_are(entrants, tmp_path):
    with pytest.raises(InvalidProblemError, match=r"no contestant called 'd:none'.*a:quick"):
        run(Race([Instance("plane", 40)], ["d:none"]), tmp_path / "r.jsonl")


def test_records_survive_their_file(tmp_path):
    path = tmp_path / "r.jsonl"
    old = Record("plane-9", "plane", 9, 9, "a:b", 0.1, "failed", "why")
    new = Record("plane-9", "plane", 9, 9, "a:b", 0.1, "ok", cpu=[1.0, 3.0, 2.0], lower=1.0, upper=2.0)
    append(path, [old, {"question": "another kind of row"}, new])
    assert read(path) == [new]
    assert (new.seconds, new.spread, new.relative_gap) == (2.0, 1.0, 0.5)


def test_the_command_races_and_reports(tmp_path, capsys):
    out = tmp_path / "r.jsonl"
    arguments = ["--instances", "plane", "--sizes", "20", "--methods", "emd", "--peers", "pot:emd", "--rounds", "2"]
    assert main(["bench", *arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "otcore:emd" in printed and "pot:emd" in printed
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["contestant"] for row in rows] == ["otcore:emd", "pot:emd"]
    assert all(row["upper"] - row["lower"] <= 1e-9 * row["upper"] and len(row["cpu"]) == 2 for row in rows)
    assert {"processor", "versions", "commit", "threads"} <= set(rows[0]["environment"])
    assert main(["bench", "--out", str(out), "--report", str(tmp_path)]) == 0
    assert "`pot:emd`" in (tmp_path / "r.md").read_text() and Path(tmp_path / "r-gap-plane.png").stat().st_size > 5000
    assert main(["bench", "--list"]) == 0
    assert "grf-rough" in capsys.readouterr().out
