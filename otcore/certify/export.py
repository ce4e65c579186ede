"""A certificate as a file that a stranger can check: ``Certificate.to_json`` writes, ``check.py`` reads.

The file holds the problem's own doubles and a plan in integers that meets both marginals exactly, so that
its reader needs no theory of rounding.  A file is written only after the checker has accepted it.
"""

from __future__ import annotations

import json
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from otcore.certify import check
from otcore.certify.rounding import round_outward
from otcore.costs import CloudCost, Cost, LineCost, MatrixMetricCost
from otcore.errors import ProblemTooLargeError, UnsupportedProblemError
from otcore.plans import GibbsPlan, SparsePlan
from otcore.solution import Certificate

__all__ = ["LARGEST", "to_record", "write"]

LARGEST = 4_000_000  # pairs: the standard library checks about a million in two seconds
FINE = 120  # bits below the largest weight that the entries of a dense plan keep
Entries = dict[tuple[int, int], int]


def write(certificate: Certificate, path: str | PathLike[str]) -> None:
    """Write the file, or raise where nothing can be proved without rounding."""
    Path(path).write_text(json.dumps(to_record(certificate), allow_nan=False) + "\n", encoding="utf-8")


def to_record(certificate: Certificate) -> dict[str, Any]:
    """What the file holds, accepted by the checker.

    Raises
    ------
    ProblemTooLargeError
        Above ``LARGEST`` pairs.
    UnsupportedProblemError
        Where the cost is not algebraic, or the certificate speaks of perturbed weights.
    """
    problem = certificate.problem
    n, m = problem.shape
    if n * m > LARGEST:
        raise ProblemTooLargeError(
            f"to_json: {n} x {m} are more than {LARGEST} pairs, too many for a file that a plain Python program "
            "checks; use certificate.verify(), or write the certificate of a part of the problem"
        )
    if any("perturbed" in note for note in certificate.notes):
        raise UnsupportedProblemError(
            "to_json: forbidden arcs block a rounding error of mass, so that the interval holds for perturbed weights "
            "only; pass weights whose exact sums agree, such as integers"
        )
    record: dict[str, Any] = {"format": check.FORMAT, "cost": _cost(problem.cost)}
    record |= {name: getattr(certificate, name).tolist() for name in "fg"}
    record |= {name: getattr(problem, name).tolist() for name in "ab"}
    cost, plans = check.read_cost(record["cost"]), []
    bits, entries, rows, columns = _in_integers(certificate)
    if not any(rows):
        plans.append(entries)
    else:
        along = _along_support(entries, rows, columns)
        plans += [] if along is None else [along]
        plans += [_north_west(entries, rows, columns)] if "finite" in problem.cost.traits else []
    priced = []
    for plan in plans:
        written = {"bits": bits, "plan": [[i, j, p] for (i, j), p in plan.items() if p]}
        priced.append((check.price_plan(written, cost, record["a"], record["b"]), written))
    if not priced:
        raise UnsupportedProblemError(
            "to_json: the plan leaves out a rounding error of mass that forbidden arcs block; "
            "pass weights whose exact sums agree, such as integers"
        )
    price, written = min(priced, key=lambda pair: pair[0])
    upper = max(certificate.upper, round_outward(price, 1))
    record |= {"lower": certificate.lower, "upper": upper, **written}
    check.check(record)
    return record


def _cost(cost: Cost) -> dict[str, Any]:
    """The cost as the user gave it: a matrix, a distance matrix to a power, or points and a metric."""
    exponent = getattr(cost, "exponent", 1.0)
    if exponent > 32 or 2 * exponent != int(2 * exponent):
        raise UnsupportedProblemError(
            f"to_json: distances to the power {exponent:g} are not algebraic numbers of low degree, and no comparison "
            "of integers decides about them; use an order that is a multiple of 1/2, at most 32"
        )
    if isinstance(cost, CloudCost | LineCost) and cost.shift == 0:
        metric = cost.metric if isinstance(cost, CloudCost) else "cityblock"  # on a line all metrics are |x - y|
        x, y = (v.reshape(len(v), -1).tolist() for v in (cost.x, cost.y))
        return {"exponent": exponent, "metric": metric, "x": x, "y": y}
    if isinstance(cost, MatrixMetricCost) and exponent != 1:
        return {"exponent": exponent, "matrix": _rows(cost.base)}
    if cost.enclosure.exact:
        return {"exponent": 1, "matrix": _rows(cost.to_dense())}
    raise UnsupportedProblemError(
        f"to_json: the entries of {type(cost).__name__} are enclosed, not given; pass the matrix as cost=..."
    )


def _rows(M: Any) -> list[list[float | None]]:
    """Rows of numbers; None where the arc is forbidden."""
    return [[None if x == np.inf else x for x in row] for row in M.tolist()]


# -- the plan in integers ---------------------------------------------------------------------------------------


def _in_integers(certificate: Certificate) -> tuple[int, Entries, list[int], list[int]]:
    """The plan in units of ``1 / (4**bits B)``, and what its rows and columns still lack, never negative."""
    a, b = ([Fraction(w) for w in v.tolist()] for v in (certificate.problem.a, certificate.problem.b))
    plan = certificate.plan
    if isinstance(plan, GibbsPlan):
        plan = SparsePlan.from_dense(plan.to_dense())
        finest = FINE - int(np.frexp(max(certificate.problem.a))[1])
    else:
        finest = max(x.as_integer_ratio()[1].bit_length() for x in [*plan.mass.tolist(), *plan.mass_low.tolist()])
    bits = max(finest, *(w.denominator.bit_length() for w in a + b))
    alpha, beta = ([int(w * 2**bits) for w in v] for v in (a, b))
    A, B = sum(alpha), sum(beta)
    entries: Entries = {}
    for i, j, mass, low in zip(*(v.tolist() for v in (plan.i, plan.j, plan.mass, plan.mass_low)), strict=True):
        p = (Fraction(mass) + Fraction(low)) * 2**bits
        entries[i, j] = entries.get((i, j), 0) + int(p) * B  # floored where the plan is dense
    rows, columns = [x * B for x in alpha], [x * A for x in beta]
    for side, targets in enumerate((rows, columns)):
        _scale_down(entries, side, targets)
    for (i, j), p in entries.items():
        rows[i] -= p
        columns[j] -= p
    return bits, entries, rows, columns


def _scale_down(entries: Entries, side: int, targets: list[int]) -> None:
    """Rows (or columns) that carry more than their weight lose in proportion.  [Altschuler 2017, Alg. 2]."""
    carried = [0] * len(targets)
    for arc, p in entries.items():
        carried[arc[side]] += p
    if all(x <= y for x, y in zip(carried, targets, strict=True)):
        return
    for arc, p in entries.items():
        k = arc[side]
        if carried[k] > targets[k]:
            entries[arc] = p * targets[k] // carried[k]


def _north_west(entries: Entries, rows: list[int], columns: list[int]) -> Entries:
    """What is lacking filled in by the north-west rule."""
    plan, rows, columns = dict(entries), list(rows), list(columns)
    i = j = 0
    while i < len(rows) and j < len(columns):
        p = min(rows[i], columns[j])
        if p:
            plan[i, j] = plan.get((i, j), 0) + p
        rows[i] -= p
        columns[j] -= p
        i, j = (i + 1, j) if rows[i] == 0 else (i, j + 1)
    return plan


def _along_support(entries: Entries, rows: list[int], columns: list[int]) -> Entries | None:
    """What is lacking sent along a spanning forest of the heaviest entries; None where that fails."""
    n = len(rows)
    plan, lack = dict(entries), [*rows, *columns]
    top = list(range(len(lack)))

    def find(k: int) -> int:
        while top[k] != k:
            top[k] = top[top[k]]
            k = top[k]
        return k

    neighbours: list[set[int]] = [set() for _ in lack]
    for i, j in sorted(entries, key=entries.__getitem__, reverse=True):
        if find(i) != find(n + j):
            top[find(i)] = find(n + j)
            neighbours[i].add(n + j)
            neighbours[n + j].add(i)
    leaves = [k for k, near in enumerate(neighbours) if len(near) == 1]
    while leaves:  # a leaf of the forest takes what it lacks from its only neighbour
        k = leaves.pop()
        if not neighbours[k]:
            continue
        other = neighbours[k].pop()
        plan[(k, other - n) if k < n else (other, k - n)] += lack[k]
        lack[other] -= lack[k]
        lack[k] = 0
        neighbours[other].discard(k)
        if len(neighbours[other]) == 1:
            leaves.append(other)
    return None if any(lack) or min(plan.values()) < 0 else plan
