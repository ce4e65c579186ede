"""Numbers from the user's files; every complaint is one line that names file, line and column."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np

from otcore._types import Matrix
from otcore.errors import InvalidProblemError, NonFiniteError, ShapeError

__all__ = ["read_table"]

# A first row without any of these is a header; "1,5" counts, so that decimal commas are not taken for one.
LIKE_A_NUMBER = re.compile(r"\s*[+-]?(\.?\d|nan|inf)", re.IGNORECASE)


def read_table(path: str | Path, *, allow_inf: bool = False) -> Matrix:
    """The numbers of a CSV or ``.npy`` file, one row a line: (rows, columns).

    Parameters
    ----------
    path : a ``.npy`` array of one or two dimensions; anything else is read as text
        Text: comma, semicolon or white space between numbers; ``#`` starts a comment; the first
        row may be a header (no field of it begins like a number).
    allow_inf : bool
        Whether infinities may stand in the file: they do in cost matrices (forbidden arcs).
    """
    path = Path(path)
    try:
        table = _read_npy(path) if path.suffix == ".npy" else _read_text(path)
    except UnicodeDecodeError as error:
        raise InvalidProblemError(f"{path}: not a text file (byte {error.start}); expected CSV or .npy") from None
    except OSError as error:
        raise InvalidProblemError(f"{path}: cannot be read: {error.strerror or error}") from None
    bad = np.isnan(table) if allow_inf else ~np.isfinite(table)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise NonFiniteError(f"{path}: array row {row + 1}, column {column + 1}: {table[row, column]} is not a number")
    return table


def _read_npy(path: Path) -> Matrix:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # pickled objects, which would run code; broken headers raise what Python's parser does
        raise InvalidProblemError(f"{path}: not a plain .npy array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise InvalidProblemError(f"{path}: expected real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2) or array.size == 0:
        raise ShapeError(f"{path}: expected a non-empty array of one or two dimensions, got shape {array.shape}")
    return np.asarray(array.reshape(len(array), -1), dtype=np.float64)


def _read_text(path: Path) -> Matrix:
    rows: list[list[float]] = []
    delimiter: str | None = None
    header_seen = False
    with path.open(encoding="utf-8-sig") as lines:
        for number, raw in enumerate(lines, start=1):
            text = raw.partition("#")[0].strip()
            if not text:
                continue
            if not rows and not header_seen:  # the first line that says something settles the delimiter
                delimiter = next((mark for mark in ";,\t" if mark in text), None)
            fields = text.split() if delimiter is None else next(csv.reader([text], delimiter=delimiter))
            if not rows and not header_seen and not any(map(LIKE_A_NUMBER.match, fields)):
                header_seen = True
                continue
            if rows and len(fields) != len(rows[0]):
                raise ShapeError(
                    f"{path}, line {number}: {len(fields)} columns, but {len(rows[0])} in the lines before"
                )
            rows.append([_number(field, path, number, k) for k, field in enumerate(fields, start=1)])
    if not rows:
        raise ShapeError(f"{path}: no numbers in this file; expected one row a line")
    return np.array(rows)


def _number(field: str, path: Path, line: int, column: int) -> float:
    where = f"{path}, line {line}, column {column}"
    try:
        number = float(field)
    except ValueError:
        hint = "an empty field" if not field.strip() else f"{field.strip()!r}"
        raise InvalidProblemError(f"{where}: expected a number, got {hint}") from None
    if math.isnan(number):
        raise NonFiniteError(f"{where}: NaN is not a number that can be transported; remove the row or fill it in")
    return number
