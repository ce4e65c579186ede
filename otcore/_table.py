"""Plain text tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["table"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; numbers to the right, words to the left.

    Examples
    --------
    >>> print(table(("method", "value"), [("line", "42.0"), ("emd", "7")]))
    method  value
    ------  -----
    line     42.0
    emd         7
    """
    rows = [tuple(row) for row in rows]
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [bool(rows) and all(cell[:1] in "+-.0123456789" for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, rows)])
