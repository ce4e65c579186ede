"""Files of records: what a kill leaves is done again, and what is no record is refused by file and line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest

from otcore.bench.record import Record, append, read
from otcore.cli import main

GOOD = asdict(Record("plane-9", "plane", 9, 9, "a:b", 0.1, "ok", wall=[1.0], cpu=[1.0], lower=1.0, upper=2.0))
FOREIGN = {
    "a number": "3",
    "null": "null",
    "a list": '["contestant"]',
    "text": "n, seconds",
    "a missing field": '{"contestant": "x"}',
    "a list as rtol": GOOD | {"rtol": [0.1]},
    "no environment": GOOD | {"environment": None},
    "null versions": GOOD | {"environment": {"versions": None}},
    "an unknown status": GOOD | {"status": "fine"},
    "null cpu": GOOD | {"cpu": None},
    "text among times": GOOD | {"cpu": ["1"]},
    "negative time": GOOD | {"cpu": [-1.0]},
    "a bound in quotes": GOOD | {"lower": "1"},
    "a bound that is nan": GOOD | {"lower": math.nan},
    "an infinite bound": GOOD | {"upper": math.inf},
    "bounds that cross": GOOD | {"lower": 3.0},
    "one bound": GOOD | {"upper": None},
    "no points": GOOD | {"n": 0},
    "true as a number": GOOD | {"n": True},
    "a ragged trace": GOOD | {"trace": [[1.0, 2.0]]},
    "a path as a name": GOOD | {"family": "../plane"},
    "a bar in a name": GOOD | {"contestant": "a|b"},
    "half a surrogate": GOOD | {"instance": "\ud800"},
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(GOOD).encode("utf-16-le"),
    "bytes": bytes(range(256)),
    "an integer of 5000 digits": json.dumps(GOOD)[:-1] + f', "more": {"9" * 5000}}}',
    "a number beyond floats": json.dumps(GOOD).replace('"rtol": 0.1', f'"rtol": {"9" * 400}'),
    "deep nesting": '{"contestant": ' + "[" * 10**5 + "]" * 10**5 + "}",
}


@pytest.mark.parametrize("line", FOREIGN.values(), ids=FOREIGN)
def test_a_line_that_is_no_record_is_refused_with_file_and_number(line, tmp_path, capsys):
    out = tmp_path / "r.jsonl"
    append(out, [GOOD])
    line = json.dumps(line) if isinstance(line, dict) else line
    before = out.read_bytes() + (line if isinstance(line, bytes) else line.encode()) + b"\n"
    out.write_bytes(before)
    race = ["--sizes", "20", "--methods", "emd", "--peers", "none", "--quick"]
    for arguments in (race, ["--report", str(tmp_path)]):
        assert main(["bench", *arguments, "--out", str(out)]) == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert f"{out}, line 2: " in said and "remove the line" in said and len(said) < 400
    assert out.read_bytes() == before


def test_rows_of_another_kind_and_fields_of_another_version_are_no_fault(tmp_path):
    append(tmp_path / "r.jsonl", [{"question": 1}, GOOD | {"new": None}, {"contestant": "a:c"} | GOOD])
    (tmp_path / "r.jsonl").write_text("\n" + (tmp_path / "r.jsonl").read_text() + "\r\n")
    assert read(tmp_path / "r.jsonl") == [Record(**GOOD)]


def test_a_message_of_several_lines_stays_in_its_cell(tmp_path, capsys):
    out = tmp_path / "r.jsonl"
    odd = {"status": "failed", "message": "two\nlines \x1b[2J \ud800", "environment": {"processor": "\ud800"}}
    append(out, [GOOD | odd, GOOD | {"contestant": "c:d", "cpu": [0.0]}])
    assert main(["bench", "--out", str(out), "--report", str(tmp_path)]) == 0
    assert "two lines  [2J" in (tmp_path / "r.md").read_text()


@pytest.mark.parametrize("kept", [1, 2, 100, -1])
def test_a_line_cut_by_a_kill_is_run_again(kept, tmp_path, capsys):
    out = tmp_path / "r.jsonl"
    command = ["bench", "--sizes", "20", "--methods", "emd", "--peers", "none", "--rounds", "1", "--quick"]
    main([*command, "--out", str(out)])
    whole = read(out)
    out.write_bytes(out.read_bytes()[:kept])
    assert main([*command, "--out", str(out)]) == 0
    assert "otcore:emd" in capsys.readouterr().out.splitlines()[-1]
    assert [r.key for r in read(out)] == [r.key for r in whole]
    append(out, [GOOD])
    assert len(read(out)) == 2


def test_a_gap_of_nothing_known_is_not_zero():
    assert math.isnan(Record(**GOOD | {"lower": math.nan}).relative_gap)
