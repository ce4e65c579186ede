"""Does ``lower <= W <= upper`` follow from a certificate file?  This page decides, and is all there is to trust.

    python check.py FILE        exit status 0: it follows, 1: it does not, 2: this is no certificate file

Standard library only: copy this one file to any machine.  The format is described in docs/proof-files.md.

*Claimed*: W is the minimum of ``sum P_ij M_ij`` over ``P >= 0`` with row sums ``a_i`` and column sums
``b_j A / B``, where ``A = sum a`` and ``B = sum b``.

*Why it follows*: if ``f_i + g_j <= M_ij`` for every pair, then whatever such P costs, it is at least
``sum a_i f_i + A / B sum b_j g_j >= lower``.  And one such P that costs at most ``upper`` is in the file.

*How it is decided*: a double is an integer over a power of two, so everything is compared in integers.  A cost
that is a root is compared by its powers; where it is summed it is rounded up, relatively by less than 2^-100.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from operator import mul, sub
from typing import Any, NamedTuple

FORMAT = "otcore certificate 1"
KEYS = {"format", "cost", "a", "b", "f", "g", "lower", "upper", "bits", "plan"}
KINDS = {
    "matrix": {"kind", "M"},
    "power": {"kind", "D", "exponent"},
    "points": {"kind", "metric", "exponent", "x", "y"},
}
SQUARED: dict[str, Callable[[Iterable[int]], int]] = {  # squares of distances, from differences of coordinates
    "euclidean": lambda t: sum(s * s for s in t),
    "cityblock": lambda t: sum(map(abs, t)) ** 2,
    "chebyshev": lambda t: max(map(abs, t)) ** 2,
}
GUARD = 100  # bits of a root that are kept below its integer part


class Unreadable(ValueError):
    """Not a file of this format."""


class Invalid(ValueError):
    """The interval does not follow from what the file holds."""


class Cost(NamedTuple):
    """``M_ij = (q(i, j) / 2**shift) ** (u / v)`` with integers q >= 0 (of any sign if u = v = 1); None: no arc."""

    shape: tuple[int, int]
    q: Callable[[int, int], int | None]
    shift: int
    u: int = 1
    v: int = 1


# -- reading ------------------------------------------------------------------------------------------------


def read(path: Any) -> dict[str, Any]:
    """The JSON object in a file, or :class:`Unreadable`."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    return _keys(record, KEYS)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise Unreadable("a key stands twice in one object")
    return dict(pairs)


def _no_number(name: str) -> None:
    raise Unreadable(f"{name} is not a number")


def _require(condition: bool, message: str, error: type[ValueError] = Unreadable) -> None:
    if not condition:
        raise error(message)


def _keys(record: Any, keys: set[str]) -> dict[str, Any]:
    _require(isinstance(record, dict) and record.keys() == keys, f"expected an object with keys {sorted(keys)}")
    return dict(record)


def _doubles(values: Any, what: str, null: bool = False) -> list[Any]:
    """A list of finite doubles, each the nearest to its decimals; with ``null`` some may be None."""
    _require(isinstance(values, list) and bool(values), f"{what}: expected a list that is not empty")
    _require({*map(type, values)} <= {int, float, type(None) if null else int}, f"{what}: expected numbers")
    try:
        out = [None if x is None else float(x) for x in values]
    except OverflowError:
        raise Unreadable(f"{what}: an integer is beyond the doubles") from None
    _require(all(x is None or math.isfinite(x) for x in out), f"{what}: a number is beyond the doubles")
    return out


def _table(rows: Any, what: str, null: bool = False) -> list[list[Any]]:
    _require(isinstance(rows, list) and bool(rows), f"{what}: expected a list of rows")
    table = [_doubles(row, what, null) for row in rows]
    _require(len({*map(len, table)}) == 1, f"{what}: rows differ in length")
    return table


def _bits(*lists: list[Any]) -> int:
    """An even number of binary places that holds all the doubles."""
    places = max((x.as_integer_ratio()[1].bit_length() - 1 for v in lists for x in v if x is not None), default=0)
    return places + places % 2


def _integers(values: list[Any], bits: int) -> list[Any]:
    """The doubles as integers over ``2**bits``."""
    return [None if x is None else (n := x.as_integer_ratio())[0] * ((1 << bits) // n[1]) for x in values]


def read_cost(record: Any) -> Cost:
    """The real cost matrix that a file speaks of."""
    kind = str(record.get("kind")) if isinstance(record, dict) else ""
    _require(kind in KINDS, f"cost: expected a kind of {sorted(KINDS)}")
    _keys(record, KINDS[kind])
    if kind == "matrix":
        M = _table(record["M"], "M", null=True)
        bits = _bits(*M)
        rows = [_integers(row, bits) for row in M]
        return Cost((len(M), len(M[0])), lambda i, j: rows[i][j], bits)
    (p,) = _doubles([record["exponent"]], "exponent")
    _require(1 <= p <= 32 and 2 * p == int(2 * p), "exponent: expected 1, 1.5, 2 ... 32")
    u, v = Fraction(p).limit_denominator(2).as_integer_ratio()
    u, v = (u, 2 * v) if u % 2 else (u // 2, v)  # d ** p = (d ** 2) ** (u / v)
    if kind == "power":
        D = _table(record["D"], "D", null=True)
        _require(all(x is None or x >= 0 for row in D for x in row), "D: a distance is negative")
        bits = _bits(*D)
        squares = [[None if q is None else q * q for q in _integers(row, bits)] for row in D]
        return Cost((len(D), len(D[0])), lambda i, j: squares[i][j], 2 * bits, u, v)
    x, y = _table(record["x"], "x"), _table(record["y"], "y")
    _require(len(x[0]) == len(y[0]), "x, y: dimensions differ")
    _require(isinstance(record["metric"], str) and record["metric"] in SQUARED, "metric: unknown")
    squared, bits = SQUARED[record["metric"]], _bits(*x, *y)
    X, Y = ([_integers(point, bits) for point in points] for points in (x, y))
    return Cost((len(X), len(Y)), lambda i, j: squared(map(sub, X[i], Y[j])), 2 * bits, u, v)


# -- the four claims ------------------------------------------------------------------------------------------


def check(record: dict[str, Any]) -> str:
    """A sentence when the interval follows; else :class:`Invalid` or :class:`Unreadable`."""
    _require(_keys(record, KEYS)["format"] == FORMAT, f"format: expected {FORMAT!r}")
    cost = read_cost(record["cost"])
    a, b, f, g = (_doubles(record[name], name) for name in "abfg")
    lower, upper = map(Fraction, _doubles([record["lower"], record["upper"]], "lower, upper"))
    sizes = (len(a), len(b)) == (len(f), len(g)) == cost.shape
    _require(sizes, "a, b, f, g and the cost differ in size")
    _require(min(a) >= 0 and min(b) >= 0 and max(a) > 0 and max(b) > 0, "a, b: expected weights >= 0, some > 0")

    check_potentials(cost, f, g)
    ratio = sum(map(Fraction, a)) / sum(map(Fraction, b))
    value = dot(a, f) + ratio * dot(b, g)
    _require(lower <= value, "lower is more than the potentials prove", Invalid)
    price = price_plan(record, cost, a, b)
    _require(price <= upper, "the plan costs more than upper", Invalid)
    return f"{record['lower']!r} <= W <= {record['upper']!r} for {len(a)} x {len(b)}: the interval follows"


def check_potentials(cost: Cost, f: list[float], g: list[float]) -> None:
    """``f_i + g_j <= M_ij`` for every pair: ``t / 2**e <= (q / 2**shift)**(u / v)``, raised to the power v."""
    e = _bits(f, g)
    F, G = _integers(f, e), _integers(g, e)
    (_, _), q_of, shift, u, v = cost
    left, right = max(shift * u - e * v, 0), max(e * v - shift * u, 0)
    for i, s in enumerate(F):
        for j, t in enumerate(G):
            q = q_of(i, j)
            if q is not None and (s + t > 0 or v == 1) and (s + t) ** v << left > q**u << right:
                raise Invalid(f"f[{i}] + g[{j}] exceeds M[{i}, {j}]")


def dot(x: list[float], y: list[float]) -> Fraction:
    """``sum x_k y_k``."""
    k, h = _bits(x), _bits(y)
    return Fraction(sum(map(mul, _integers(x, k), _integers(y, h))), 1 << (k + h))


def price_plan(record: dict[str, Any], cost: Cost, a: list[float], b: list[float]) -> Fraction:
    """What the plan costs, after checking that it is one: entries (i, j, p) carry ``p / (4**bits B)``."""
    bits, entries = record["bits"], record["plan"]
    _require(type(bits) is int and _bits(a, b) <= bits <= 9999, "bits: expected enough of them for a and b")
    alpha, beta = _integers(a, bits), _integers(b, bits)
    A, B = sum(alpha), sum(beta)
    rows, columns = [x * B for x in alpha], [x * A for x in beta]
    total = 0
    _require(isinstance(entries, list), "plan: expected a list")
    for entry in entries:
        _require(isinstance(entry, list) and [*map(type, entry)] == [int] * 3, "plan: expected [i, j, p], all integers")
        i, j, p = entry
        _require(0 <= i < len(a) and 0 <= j < len(b), f"plan: no pair ({i}, {j})")
        _require(p >= 0, f"the plan is negative at ({i}, {j})", Invalid)
        q = cost.q(i, j)
        if q is None:
            raise Invalid(f"the plan uses the forbidden arc ({i}, {j})")
        rows[i] -= p
        columns[j] -= p
        total += p * root_up(q**cost.u << cost.v * GUARD, cost.v)
    _require(not any(rows) and not any(columns), "the plan does not have the marginals", Invalid)
    return Fraction(total, (B << bits) << (cost.shift * cost.u // cost.v + GUARD))


def root_up(x: int, v: int) -> int:
    """The least integer r with ``r**v >= x``, for v = 1, 2, 4."""
    r = x
    for _ in range(v.bit_length() - 1):
        r = math.isqrt(r)
    return r if r**v == x else r + 1


def main(arguments: list[str]) -> int:
    """Print the verdict on one file and return the exit status."""
    try:
        (path,) = arguments
        print("valid:", check(read(path)))
    except Invalid as error:
        print("NOT valid:", error)
        return 1
    except (OSError, ValueError) as error:
        print("unreadable:", error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
