"""No page quotes a measurement that is not in the recorded results.

A quoted number is followed by a comment that no reader sees, ``5 %<!-- certificate n=1000 cost=plane: share -->``:
the file of docs/benchmarks, which rows, and the field.  It must agree with the record to its last digit.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import fields
from pathlib import Path

import pytest

from otcore.bench.record import Record, rows

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs" / "benchmarks"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), RECORDS / "index.md"]
UNITS = {"": 1.0, "s": 1.0, "ms": 1e3, "µs": 1e6, "%": 100.0, "MiB": 1.0, "times": 1.0}
QUOTE = re.compile(r"(−?-?\d[\d.]*)\s*(ms|s|µs|%|MiB|times|)<!-- (\S+) ([^>]*): (\w+) -->")
MEASURED = re.compile(r"\d\s*(?:ms|s|µs|%|MiB|times)\b|\d\s*%")  # what needs such a comment on a page of results


def recorded(stem: str, where: str, field: str) -> float:
    """The field of the newest rows that match; of several the median."""
    wanted = dict(pair.split("=", 1) for pair in re.split(r"\s+(?=\w+=)", where))
    names = {f.name for f in fields(Record)}
    found = {}
    for row in rows(RECORDS / f"{stem}.jsonl"):
        if all(str(row.get(key)) == value for key, value in wanted.items()):
            record = Record(**{k: v for k, v in row.items() if k in names}) if "contestant" in row else None
            value = row[field] if field in row else getattr(record, field, None)
            if value is not None:
                words = [
                    (k, v) for k, v in row.items() if isinstance(v, str | int)
                ]  # what names a row, not what it found
                found[str(record.key if record else words)] = value
    assert found, f"nothing recorded in {stem}.jsonl for {where}: {field}"
    return statistics.median(found.values())


def quotes(text: str) -> list[tuple[str, str, str, str, str]]:
    return QUOTE.findall(text)


def agrees(number: str, unit: str, value: float) -> bool:
    """Whether ``value`` rounds to the number as it is quoted: 5 stands for 4.5 to 5.5, 5.0 for 4.95 to 5.05."""
    number = number.replace("−", "-")
    digits = len(number.partition(".")[2])
    whole = number.lstrip("-")
    zeros = len(whole) - len(whole.rstrip("0")) if "." not in whole and len(whole) > 1 else 0
    half = 0.5 * 10.0 ** (zeros - digits)
    return abs(float(number) - value * UNITS[unit]) <= half * (1 + 1e-9)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_quoted_number_is_in_the_recorded_results(page):
    for number, unit, stem, where, field in quotes(page.read_text(encoding="utf-8")):
        value = recorded(stem, where, field)
        assert agrees(number, unit, value), (
            f"{page.name} quotes {number} {unit}; {stem}, {where}: {field} is {value:.4g}"
        )


@pytest.mark.parametrize("page", [RECORDS / "index.md"], ids=lambda page: page.name)
def test_every_measurement_on_the_page_of_results_is_quoted_so(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(quotes(text)) >= 5
    assert not MEASURED.findall(QUOTE.sub("", text))


def test_what_a_certificate_costs_is_quoted_so_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## What it costs")[2].partition("\n## ")[0]
    assert quotes(section) and not MEASURED.findall(QUOTE.sub("", section))


def test_a_wrong_number_would_be_seen():
    assert agrees("5", "%", 0.0512) and not agrees("5.0", "%", 0.0512) and not agrees("6", "%", 0.0512)
    assert agrees("1.2", "ms", 0.00123) and agrees("2300", "ms", 2.34) and not agrees("2300", "ms", 2.36)
    assert quotes("takes 5 %<!-- certificate n=1000: share -->") == [("5", "%", "certificate", "n=1000", "share")]
    with pytest.raises(AssertionError, match="nothing recorded"):
        recorded("certificate", "n=17", "share")
