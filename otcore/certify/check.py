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
from collections.abc import Callable
from fractions import Fraction
from operator import mul, sub
from typing import Any, NamedTuple

FORMAT = "otcore certificate 1"
KEYS = {"format", "cost", "a", "b", "f", "g", "lower", "upper", "bits", "plan"}
METRICS: dict[str, tuple[Callable[[list[int]], int], int]] = {  # from differences of coordinates; its power
    "euclidean": (lambda t: sum(s * s for s in t), 2),
    "cityblock": (lambda t: sum(map(abs, t)), 1),
    "chebyshev": (lambda t: max(map(abs, t)), 1),
}
GUARD = 100  # bits of a root that are kept below its integer part


class Invalid(ValueError):
    """The interval does not follow from what the file holds; any other error: this is no certificate file."""


class Cost(NamedTuple):
    """``M_ij = q(i, j) ** (u / v) / 2 ** shift`` with integers q >= 0 (of any sign if u = v = 1); None: no arc."""

    shape: tuple[int, int]
    q: Callable[[int, int], int | None]
    u: int
    v: int
    shift: int


def read(path: Any) -> Any:
    """What a file holds; no key may stand twice."""
    with open(path, encoding="utf-8") as file:
        return json.load(file, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _require(len(dict(pairs)) == len(pairs), "a key stands twice in one object")
    return dict(pairs)


def _require(condition: Any, message: str, error: type[ValueError] = ValueError) -> None:
    if not condition:
        raise error(message)


def _doubles(values: Any, *also: type) -> list[Any]:
    """Finite doubles, each the nearest to its decimals; None among them if its type is ``also`` allowed."""
    _require(isinstance(values, list) and values, "expected a list that is not empty")
    _require({*map(type, values)} <= {int, float, *also}, "expected numbers")
    out = [None if x is None else float(x) for x in values]
    _require(all(x is None or math.isfinite(x) for x in out), "a number is beyond the doubles")
    return out


def _table(rows: Any, *also: type) -> list[list[Any]]:
    _require(isinstance(rows, list), "expected a list of rows")
    table = [_doubles(row, *also) for row in rows]
    _require(len({*map(len, table)}) == 1, "rows differ in length")
    return table


def _bits(*lists: list[Any]) -> int:
    """The least even number of binary places that holds all the doubles."""
    places = max((x.as_integer_ratio()[1].bit_length() - 1 for v in lists for x in v if x is not None), default=0)
    return places + places % 2


def _integers(values: list[Any], bits: int) -> list[Any]:
    """The doubles as integers over ``2**bits``."""
    return [None if x is None else (n := x.as_integer_ratio())[0] * ((1 << bits) // n[1]) for x in values]


def read_cost(record: Any) -> Cost:
    """The real cost matrix that a file speaks of: a matrix or distances of points, to a power."""
    keys = {*record} if isinstance(record, dict) else set()
    points = keys == {"exponent", "metric", "x", "y"}
    _require(points or keys == {"exponent", "matrix"}, "cost: expected an exponent, and a matrix or metric, x, y")
    (p,) = _doubles([record["exponent"]])
    _require(1 <= p <= 32 and (2 * p).is_integer(), "exponent: expected 1, 1.5, 2 ... 32")
    q: Callable[[int, int], int | None]
    if points:
        _require(record["metric"] in [*METRICS], "metric: unknown")
        base, power = METRICS[record["metric"]]
        x, y = _table(record["x"]), _table(record["y"])
        _require(len(x[0]) == len(y[0]), "x, y: dimensions differ")
        bits, shape = _bits(*x, *y), (len(x), len(y))
        X, Y = ([_integers(point, bits) for point in side] for side in (x, y))
        q = lambda i, j: base([*map(sub, X[i], Y[j])])  # noqa: E731
    else:
        M, power = _table(record["matrix"], type(None)), 1
        _require(p == 1 or all(x is None or x >= 0 for row in M for x in row), "matrix: a distance is negative")
        bits, shape = _bits(*M), (len(M), len(M[0]))
        rows = [_integers(row, bits) for row in M]
        q = lambda i, j: rows[i][j]  # noqa: E731
    return Cost(shape, q, *Fraction(p / power).as_integer_ratio(), int(bits * p))


def check(record: Any) -> str:
    """A sentence when the interval follows; else :class:`Invalid`, or another error."""
    _require(isinstance(record, dict) and {*record} == KEYS, f"expected an object with the keys {sorted(KEYS)}")
    _require(record["format"] == FORMAT, f"format: expected {FORMAT!r}")
    cost = read_cost(record["cost"])
    a, b, f, g = (_doubles(record[name]) for name in "abfg")
    lower, upper = map(Fraction, _doubles([record["lower"], record["upper"]]))
    _require((len(a), len(b)) == (len(f), len(g)) == cost.shape, "a, b, f, g and the cost differ in size")
    _require(min(a) >= 0 and min(b) >= 0 and max(a) > 0 and max(b) > 0, "a, b: expected weights >= 0, some > 0")

    check_potentials(cost, f, g)
    A, B = (sum(map(Fraction, weights)) for weights in (a, b))
    af, bg = (sum(map(mul, map(Fraction, x), map(Fraction, y))) for x, y in ((a, f), (b, g)))
    _require(lower <= af + A / B * bg, "lower is more than the potentials prove", Invalid)
    _require(price_plan(record, cost, a, b) <= upper, "the plan costs more than upper", Invalid)
    return f"{record['lower']!r} <= W <= {record['upper']!r} for {len(a)} x {len(b)}: the interval follows"


def check_potentials(cost: Cost, f: list[float], g: list[float]) -> None:
    """``f_i + g_j <= M_ij`` for every pair: ``t / 2**e <= q**(u / v) / 2**shift``, raised to the power v."""
    e, (_, q_of, u, v, shift) = _bits(f, g), cost
    F, G = _integers(f, e), _integers(g, e)
    for i, s in enumerate(F):
        for j, t in enumerate(G):
            q = q_of(i, j)
            if q is not None and (s + t > 0 or v == 1) and (s + t) ** v << shift * v > q**u << e * v:
                raise Invalid(f"f[{i}] + g[{j}] exceeds M[{i}, {j}]")


def price_plan(record: Any, cost: Cost, a: list[float], b: list[float]) -> Fraction:
    """What the plan costs, after checking that it is one: entries (i, j, p) carry ``p / (4**bits B)``."""
    bits, entries = record["bits"], record["plan"]
    _require(type(bits) is int and _bits(a, b) <= bits <= 9999, "bits: expected enough of them for a and b")
    _require(isinstance(entries, list), "plan: expected a list")
    alpha, beta = _integers(a, bits), _integers(b, bits)
    A, B, total = sum(alpha), sum(beta), 0
    rows, columns = [x * B for x in alpha], [x * A for x in beta]
    for entry in entries:
        _require(isinstance(entry, list) and [*map(type, entry)] == [int] * 3, "plan: expected [i, j, p], all integers")
        i, j, p = entry
        _require(0 <= i < len(a) and 0 <= j < len(b), f"plan: no pair ({i}, {j})")
        q = cost.q(i, j)
        if q is None or p < 0:
            raise Invalid(f"the plan is negative, or uses a forbidden arc, at ({i}, {j})")
        rows[i] -= p
        columns[j] -= p
        total += p * root_up(q**cost.u << cost.v * GUARD, cost.v)
    _require(not any(rows) and not any(columns), "the plan does not have the marginals", Invalid)
    return Fraction(total, (B << bits) << (cost.shift + GUARD))


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
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        print("unreadable:", error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
