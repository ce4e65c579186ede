"""Measurements quoted in a text, each followed by a comment that no reader sees and that says where it is recorded.

``5 %<!-- certificate n=1000 cost=plane: share -->`` names the file of records, which of its rows, and the field.
"""

from __future__ import annotations

import re
import statistics
from pathlib import Path

from otcore.bench.record import as_record, rows
from otcore.bench.report import duration, quantity
from otcore.errors import InvalidProblemError

__all__ = ["QUOTE", "agrees", "recorded", "renewed"]

UNITS = {"": 1.0, "s": 1.0, "ms": 1e3, "µs": 1e6, "%": 100.0, "MiB": 1.0, "times": 1.0}
QUOTE = re.compile(r"(−?-?\d[\d.]*(?:e-?\d+)?)\s*(ms|s|µs|%|MiB|times|)<!-- (\S+) ([^>]*): (\w+) -->")


def recorded(folder: Path, stem: str, where: str, field: str) -> float:
    """The field of the newest rows of ``folder/stem.jsonl`` that match ``where``; of several the median."""
    wanted = dict(pair.split("=", 1) for pair in re.split(r"\s+(?=\w+=)", where))
    found: dict[str, float] = {}
    for row in rows(folder / f"{stem}.jsonl"):
        if all(str(row.get(key)) == value for key, value in wanted.items()):
            record = as_record(row, f"{stem}.jsonl") if "contestant" in row else None
            value = row[field] if field in row else getattr(record, field, None)
            if value is not None:
                # what names a row, not what it found
                words = [(k, v) for k, v in row.items() if isinstance(v, str | int)]
                found[str(record.key if record else words)] = value
    if not found:
        raise InvalidProblemError(f"nothing recorded in {stem}.jsonl for {where}: {field}")
    return float(statistics.median(found.values()))


def agrees(number: str, unit: str, value: float) -> bool:
    """Whether ``value`` rounds to the number as it is quoted: 5 is 4.5 to 5.5, 5.0 and 50e-1 are 4.95 to 5.05."""
    number = number.replace("−", "-")
    mantissa, _, power = number.partition("e")
    digits = len(mantissa.partition(".")[2]) - int(power or 0)
    whole = mantissa.lstrip("-")
    zeros = len(whole) - len(whole.rstrip("0")) if "." not in whole and len(whole) > 1 else 0
    half = 0.5 * 10.0 ** (zeros - digits)
    return abs(float(number) - value * UNITS[unit]) <= half * (1 + 1e-9)


def renewed(text: str, folder: Path) -> str:
    """The text with every quoted number as it is recorded now, to as many digits as it had."""

    def renew(quote: re.Match[str]) -> str:
        number, unit, stem, where, field = quote.groups()
        value = recorded(folder, stem, where, field)
        if agrees(number, unit, value):
            return quote[0]
        digits = len(number.lstrip("-−0.").replace(".", ""))
        digits = max(1 if unit == "%" else 2, digits if "." in number else min(digits, 2))
        if unit in ("s", "ms", "µs"):
            shown = duration(value, digits)
        else:
            shown = f"{quantity(value * UNITS[unit], digits)} {unit}".strip()
        return f"{shown}<!-- {stem} {where}: {field} -->"

    return QUOTE.sub(renew, text)
