"""No page quotes a measurement that is not in the recorded results.

A quoted number is followed by a comment that no reader sees, ``5 %<!-- certificate n=1000 cost=plane: share -->``:
the file of docs/benchmarks, which rows, and the field.  It must agree with the record to its last digit.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otcore.bench.quotes import QUOTE, agrees, recorded, renewed
from otcore.errors import InvalidProblemError

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs" / "benchmarks"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), RECORDS / "index.md"]
MEASURED = re.compile(r"\d\s*(?:ms|s|µs|%|MiB|times)\b|\d\s*%")  # what needs such a comment on a page of results


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_quoted_number_is_in_the_recorded_results(page):
    for number, unit, stem, where, field in QUOTE.findall(page.read_text(encoding="utf-8")):
        value = recorded(RECORDS, stem, where, field)
        assert agrees(number, unit, value), (
            f"{page.name} quotes {number} {unit}; {stem}, {where}: {field} is {value:.4g}"
        )


@pytest.mark.parametrize("page", [RECORDS / "index.md"], ids=lambda page: page.name)
def test_every_measurement_on_the_page_of_results_is_quoted_so(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(QUOTE.findall(text)) >= 5
    assert not MEASURED.findall(QUOTE.sub("", text))


def test_what_a_certificate_costs_is_quoted_so_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## What it costs")[2].partition("\n## ")[0]
    assert QUOTE.findall(section) and not MEASURED.findall(QUOTE.sub("", section))


def test_a_wrong_number_would_be_seen():
    assert agrees("5", "%", 0.0512) and not agrees("5.0", "%", 0.0512) and not agrees("6", "%", 0.0512)
    assert agrees("1.2", "ms", 0.00123) and agrees("2300", "ms", 2.34) and not agrees("2300", "ms", 2.36)
    assert agrees("8.6e-5", "", 8.56e-5) and not agrees("8.6e-5", "", 8.5e-5) and not agrees("9e-5", "", 8.4e-5)
    assert QUOTE.findall("takes 5 %<!-- certificate n=1000: share -->") == [
        ("5", "%", "certificate", "n=1000", "share")
    ]
    with pytest.raises(InvalidProblemError, match="nothing recorded"):
        recorded(RECORDS, "certificate", "n=17", "share")


def test_new_records_renew_the_numbers_that_they_changed_and_no_others(tmp_path):
    rows = [{"n": 1, "share": 0.0512, "seconds": 0.00123, "slope": -0.2841}, {"n": 2, "seconds": 1234.5, "ratio": 3.0}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    changed = {
        "5 %<!-- r n=1: share -->": "5 %<!-- r n=1: share -->",
        "9.0 s<!-- r n=1: seconds -->": "1.2 ms<!-- r n=1: seconds -->",
        "-0.299<!-- r n=1: slope -->": "-0.284<!-- r n=1: slope -->",
        "99 ms<!-- r n=2: seconds -->": "1200 s<!-- r n=2: seconds -->",
        "| 150<!-- r n=2: ratio --> times |": "| 3.0<!-- r n=2: ratio --> times |",
    }
    old, new = " and ".join(changed), " and ".join(changed.values())
    assert renewed(old, tmp_path) == new == renewed(new, tmp_path)
