"""From any plan to a feasible one and a rigorous upper bound.

Of a sparse plan only the support counts: its heaviest spanning forest, completed to a tree where the
components do not balance, determines the flows, and these are computed in exact fixed point.  Nothing has
to be rounded onto the marginals, and nothing is pushed across a forbidden or huge arc.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from otcore._kernels import tree
from otcore._kernels.sums import dot2
from otcore._types import Array, Indices
from otcore.certify.masses import LIMB, FixedMasses
from otcore.certify.rounding import edge, outward_sum, product_up
from otcore.costs import Cost
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem

__all__ = ["UpperBound", "bound_gibbs", "bound_sparse"]

PATIENCE = 5.0  # seconds that the exact engine may take to make a bad tree feasible
PARTNERS = 8  # neighbours tried on each side of a 4-cycle, heaviest first


@dataclass(frozen=True, eq=False)
class UpperBound:
    """A feasible plan and a number that its cost provably does not exceed; ``perturbed`` mass was given up."""

    value: float
    plan: SparsePlan | GibbsPlan
    perturbed: float = 0.0


@dataclass(eq=False)
class _Flows:
    """Arcs with exact fixed-point flows; flows may still be negative."""

    i: Indices
    j: Indices
    hi: Indices
    lo: Indices

    @property
    def negative(self) -> bool:
        return bool((self.hi < 0).any())

    def units(self, k: int) -> int:
        """The flow on one arc, in units of 2^-104."""
        return int(self.hi[k]) * LIMB + int(self.lo[k])

    def change(self, k: int, units: int) -> None:
        self.hi[k], self.lo[k] = divmod(self.units(k) + units, LIMB)

    def plan(self, shape: tuple[int, int]) -> SparsePlan:
        """Masses as unrounded pairs of floats, zero flows left out."""
        i, j, mass, low = self.i, self.j, np.empty(self.i.size), np.empty(self.i.size)
        if tree.to_floats(self.hi, self.lo, mass, low):
            keep = mass != 0
            i, j, mass, low = i[keep], j[keep], mass[keep], low[keep]
        return SparsePlan(i, j, mass, shape, low)


def bound_sparse(problem: Problem, masses: FixedMasses, plan: SparsePlan, exponent: int = 0) -> UpperBound | None:
    """The exact flows on the support of ``plan``, or None where no repair makes them nonnegative.

    ``2**exponent`` is what the masses of the plan are short of the problem's.
    """
    flows = _tree_flows(problem, masses, plan, exponent)
    cost, mended = problem.cost, flows if not flows.negative else None
    if mended is None:
        mended = _cancel_on_cycles(flows, cost) or _reroute(problem, masses) or _fill(flows, masses, cost)
    if "finite" not in cost.traits:
        mended = _along_paths(mended or flows, cost) or mended
    return None if mended is None else _price(mended, problem, masses)


def _reroute(problem: Problem, masses: FixedMasses) -> _Flows | None:
    """The exact engine takes over a tree whose negative flows are not small: it pivots to a feasible one."""
    from otcore.engines import exact

    a, b = problem.a, problem.b
    rows, columns = np.flatnonzero(a), np.flatnonzero(b)
    cost = problem.cost.restrict(rows, columns)
    *_, state = deque(exact.solve(cost, a[rows], b[columns], deadline=time.monotonic() + PATIENCE), maxlen=1)
    plan = SparsePlan(rows[state.basis.i], columns[state.basis.j], state.flow, problem.shape)
    flows = _tree_flows(problem, masses, plan)
    return _cancel_on_cycles(flows, problem.cost) if flows.negative else flows


def _tree_flows(problem: Problem, masses: FixedMasses, plan: SparsePlan, exponent: int = 0) -> _Flows:
    """Flows that meet the node masses exactly; where finite arcs do not connect the nodes, some on forbidden ones."""
    n, m = problem.shape
    i, j, mass = plan.i, plan.j, plan.mass
    usable = mass >= 0
    if "finite" not in problem.cost.traits:
        usable &= np.isfinite(problem.cost.at(i, j))
    if not usable.all():
        i, j, mass = i[usable], j[usable], mass[usable]
    flows = _Flows(i, j, np.empty(i.size, np.int64), np.empty(i.size, np.int64))
    if tree.tree_flows(n, i, j, masses.hi, masses.lo, flows.hi, flows.lo):
        return flows
    mass = np.minimum(np.ldexp(mass, exponent), 1.0)  # no more than there is
    chosen = np.empty(i.size, dtype=bool)
    arcs = tree.spanning_forest(n, m, i, j, np.arange(i.size), chosen)
    hi, lo = masses.hi.copy(), masses.lo.copy()
    rest: _Flows | None = None
    if arcs < i.size:  # cycles: the heaviest forest adapts, the other entries keep their mass
        arcs = tree.spanning_forest(n, m, i, j, np.argsort(-mass, kind="stable"), chosen)
        rest = _keep(i[~chosen], j[~chosen], mass[~chosen], hi, lo, n)
        i, j = i[chosen], j[chosen]
    start = hi.copy(), lo.copy()
    flows = _solve_on_tree(i, j, hi, lo, n)
    if hi.any() or lo.any():  # a component does not balance: join them by cheap arcs
        from otcore.engines.exact import tree_from_support

        basis = tree_from_support(n, m, i, j, mass[chosen], problem.cost)
        flows = _solve_on_tree(basis.i, basis.j, *start, n)
    if rest is None:
        return flows
    return _Flows(*(np.concatenate(pair) for pair in zip(vars(flows).values(), vars(rest).values(), strict=True)))


def _solve_on_tree(i: Indices, j: Indices, hi: Indices, lo: Indices, n: int) -> _Flows:
    """Flows on forest arcs; ``hi, lo`` keep what a component could not carry."""
    flows = _Flows(i, j, np.empty(i.size, np.int64), np.empty(i.size, np.int64))
    tree.forest_flows(n, hi.size - n, i, j, hi, lo, flows.hi, flows.lo)
    return flows


def _keep(i: Indices, j: Indices, mass: Array, hi: Indices, lo: Indices, n: int) -> _Flows:
    """Fixed-point floors of entries outside the tree, taken off the node masses."""
    flows = _Flows(i, j, np.empty(i.size, np.int64), np.empty(i.size, np.int64))
    tree.to_fixed(mass, flows.hi, flows.lo)
    for nodes in (i, n + j):
        np.subtract.at(hi, nodes, flows.hi)
        for k, low in zip(nodes.tolist(), flows.lo.tolist(), strict=True):
            value = int(lo[k]) - low
            hi[k] += value // LIMB
            lo[k] = value % LIMB
    return flows


def _cancel_on_cycles(flows: _Flows, cost: Cost) -> _Flows | None:
    """Move each negative flow -d on (i, j) around one 4-cycle (i, j), (i', j), (i', j'), (i, j').

    The new arc (i', j') takes d from (i', j) and (i, j'), which must carry that much; among the heaviest
    partners the cheapest is taken, at the exact extra cost d (M_i'j' + M_ij - M_i'j - M_ij').  For a metric
    that is at most 2 d M_ij.  In a tree this is a dual pivot: the support stays a tree.
    """
    dear = cost.bounds()[1] + 8 * (cost.bounds()[1] - cost.bounds()[0])  # forbidden arcs are left before all others
    bad = np.flatnonzero(flows.hi < 0)
    room = np.zeros(bad.size, np.int64)  # one new arc each
    arcs = _Flows(*(np.append(part, room) for part in (flows.i, flows.j, flows.hi, flows.lo)))
    at_row, at_column = _Incidence(flows.i, cost.shape[0]), _Incidence(flows.j, cost.shape[1])
    for count, k in enumerate(sorted(bad.tolist(), key=arcs.units)):
        i, j, d = int(arcs.i[k]), int(arcs.j[k]), -arcs.units(k)
        columns, rows = at_row.arcs(i), at_column.arcs(j)
        columns = _heaviest(arcs, columns[arcs.j[columns] != j], d)
        rows = _heaviest(arcs, rows[arcs.i[rows] != i], d)
        if not rows.size or not columns.size:
            return None
        r, c = (v.ravel() for v in np.meshgrid(arcs.i[rows], arcs.j[columns], indexing="ij"))
        ways = cost.at(r, c), cost.at(r, np.full_like(c, j)), cost.at(np.full_like(r, i), c)
        added, in_column, in_row = (np.where(np.isposinf(price), dear, price) for price in ways)
        best = int(np.argmin(added - in_column - in_row))
        row, column = divmod(best, columns.size)
        new = flows.i.size + count
        arcs.i[new], arcs.j[new] = r[best], c[best]
        at_row.add(int(r[best]), new)
        at_column.add(int(c[best]), new)
        for arc, change in ((k, d), (int(rows[row]), -d), (int(columns[column]), -d), (new, d)):
            arcs.change(arc, change)
    return arcs


def _along_paths(flows: _Flows, cost: Cost) -> _Flows | None:
    """Negative flows, and what forbidden arcs carry, moved along finite arcs and against arcs that carry something.

    For units that the engine's integers misjudge where forbidden arcs leave no 4-cycle: the shortest way is taken,
    whatever it costs.  None where there is no way.  [Ford & Fulkerson 1956]
    """
    n, end = cost.shape[0], time.monotonic() + PATIENCE
    barred = np.isposinf(cost.at(flows.i, flows.j)) & ((flows.hi != 0) | (flows.lo != 0))
    wrong = np.flatnonzero(barred | (flows.hi < 0))
    if not wrong.size:
        return flows
    pairs = list(zip(flows.i.tolist(), flows.j.tolist(), strict=True))
    units: dict[tuple[int, int], int] = {}
    for k, pair in enumerate(pairs):
        units[pair] = units.get(pair, 0) + flows.units(k)
    senders: dict[int, set[int]] = {}
    for (i, j), x in units.items():
        if x > 0:
            senders.setdefault(j, set()).add(i)
    for k in wrong.tolist():
        i, j = pairs[k]
        while units[i, j] < 0 or (barred[k] and units[i, j] > 0):
            lacks = units[i, j] < 0
            path = _path(n + j, i, senders, cost) if lacks else _path(i, n + j, senders, cost)
            if path is None or time.monotonic() > end:
                return None
            along = [(u, v - n) for u, v in pairwise(path) if u < n]
            against = [(v, u - n) for u, v in pairwise(path) if u >= n]
            x = min(abs(units[i, j]), *(units[arc] for arc in against))
            moves = [((i, j), x if lacks else -x), *((arc, x) for arc in along), *((arc, -x) for arc in against)]
            for arc, change in moves:
                units[arc] = units.get(arc, 0) + change
                at_column = senders.setdefault(arc[1], set())
                (at_column.add if units[arc] > 0 else at_column.discard)(arc[0])
    rows, columns = np.array(list(units), np.int64).T.copy()
    hi, lo = np.array([divmod(x, LIMB) for x in units.values()], np.int64).T.copy()
    return _Flows(rows, columns, hi, lo)


def _path(start: int, end: int, senders: dict[int, set[int]], cost: Cost) -> list[int] | None:
    """Nodes (rows, then columns) from start to end, breadth first.

    Rows reach columns by any finite arc, columns the rows that send them something.
    """
    n = cost.shape[0]
    came, queue = {start: start}, deque([start])
    while queue and end not in came:
        u = queue.popleft()
        if u < n:
            found = [n + j for j in np.flatnonzero(np.isfinite(cost.rows(u, u + 1)[0])).tolist()]
        else:
            found = sorted(senders.get(u - n, ()))
        for v in found:
            if v not in came:
                came[v] = u
                queue.append(v)
    if end not in came:
        return None
    path = [end]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


def _fill(flows: _Flows, masses: FixedMasses, cost: Cost) -> _Flows | None:
    """Of each flow what fits, the heaviest first, and the rest from the north-west corner: nothing is negative.

    For masses so far apart that the engine's integers, one unit at least, misjudge the light ones.
    """
    if "finite" not in cost.traits:
        return None
    n, m = cost.shape
    left = [hi * LIMB + lo for hi, lo in zip(masses.hi.tolist(), masses.lo.tolist(), strict=True)]
    heaviest = np.argsort(-flows.hi, kind="stable")
    filled: list[tuple[int, int, int, int]] = []

    def send(i: int, j: int, most: int) -> None:
        units = min(left[i], left[n + j], max(most, 0))
        left[i] -= units
        left[n + j] -= units
        if units:
            filled.append((i, j, *divmod(units, LIMB)))

    for k in heaviest.tolist():
        send(int(flows.i[k]), int(flows.j[k]), flows.units(k))
    i = j = 0
    while i < n and j < m:
        send(i, j, left[i])
        i, j = (i, j + 1) if left[i] else (i + 1, j)
    return _Flows(*np.array(filled, np.int64).T.copy())


class _Incidence:
    """Which arcs meet a node, with room for arcs that come later."""

    def __init__(self, nodes: Indices, size: int) -> None:
        self._first, self._arcs = np.empty(size + 1, np.int64), np.empty(nodes.size, np.int64)
        tree.incidence(nodes, self._first, self._arcs)
        self._later: dict[int, list[int]] = {}

    def arcs(self, node: int) -> Indices:
        own = self._arcs[self._first[node] : self._first[node + 1]]
        return np.append(own, self._later.get(node, [])).astype(np.int64)

    def add(self, node: int, arc: int) -> None:
        self._later.setdefault(node, []).append(arc)


def _heaviest(arcs: _Flows, among: Indices, d: int) -> Indices:
    """The heaviest arcs that carry at least d units."""
    heavy = among[np.argsort(-arcs.hi[among], kind="stable")[:PARTNERS]]
    return heavy[[arcs.units(k) >= d for k in heavy.tolist()]]


def _price(flows: _Flows, problem: Problem, masses: FixedMasses) -> UpperBound | None:
    """``sum x M_hi`` rounded up once, and the price of the few units of mass that fixed point left over.

    If that rest can go nowhere, the bound is for weights without it; None where it is more than rounding explains.
    """
    plan, left = flows.plan(problem.shape), masses.left
    upper = problem.cost.at_upper(plan.i, plan.j)
    kept = plan.mass >= 2 * left  # fewer units may be rounding: they go with the rest
    if "finite" not in problem.cost.traits:
        kept &= np.isfinite(upper)
    if not kept.all():
        left = math.fsum([left, *plan.mass[~kept].tolist()]) * (1 + 2.0**-50)
        mass, low = plan.mass[kept], plan.mass_low[kept]
        plan, upper = SparsePlan(plan.i[kept], plan.j[kept], mass, plan.shape, low), upper[kept]
    paid = (*edge(dot2(plan.mass, upper), 1), *edge(dot2(plan.mass_low, upper), 1))
    fill = _price_of_rest(left, problem, masses, plan, upper, paid[0]) if left > 0 else 0.0
    if fill is not None:
        return UpperBound(outward_sum((*paid, fill), 1), plan)
    within_rounding = left <= sum(problem.shape) * 2.0**-52 * problem.mass
    return UpperBound(outward_sum(paid, 1), plan, perturbed=left) if within_rounding else None


def _price_of_rest(
    left: float, problem: Problem, masses: FixedMasses, plan: SparsePlan, upper: Array, paid: float
) -> float | None:
    """What moving the mass ``left`` can cost at most; None if nothing bounds it.

    Either rank-one, at no more than the dearest cost; or along entries of the plan, all of which carry more
    than that and so stay nonnegative, provided that every part they connect balances.
    """
    dearest = max(problem.cost.bounds()[1], 0.0)
    ways = [product_up(left, dearest)] if "finite" in problem.cost.traits else []
    if ways and ways[0] <= abs(paid) * 2.0**-53:
        return ways[0]
    firm = not masses.lost and plan.nnz > 0 and plan.mass.min() >= 2 * left
    if firm and _parts_balance(problem, plan.i, plan.j):
        along = math.fsum(np.abs(upper)) * (1 + 2.0**-52)  # fsum rounds once
        ways.append(product_up(left, along))
    return min(ways, default=None)


def _parts_balance(problem: Problem, i: Indices, j: Indices) -> bool:
    """Whether ``sum a = (A / B) sum b`` holds exactly in every part that the arcs (i, j) connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, m = problem.shape
    graph = coo_array((np.ones(i.size), (i, n + j)), shape=(n + m, n + m))
    count, part = connected_components(graph, directed=False)
    a, b = [0] * count, [0] * count
    for sums, weights, parts in ((a, problem.a, part[:n]), (b, problem.b, part[n:])):
        fraction, power = np.frexp(weights)
        mantissa, shift = np.ldexp(fraction, 53).astype(np.int64), power + 1074  # integers, all over one power of two
        for units, places, k in zip(mantissa.tolist(), shift.tolist(), parts.tolist(), strict=True):
            sums[k] += units << places
    A, B = sum(a), sum(b)
    return all(x * B == y * A for x, y in zip(a, b, strict=True))


def bound_gibbs(problem: Problem, plan: GibbsPlan) -> UpperBound | None:
    """The rounded entropic plan [Altschuler, Weed, Rigollet 2017, Alg. 2] with an a-priori rounding bound.

    The plan is *defined* by the floats K of the passes that price it; its rows as NumPy arrays show them differ by
    the rounding of the exponents.  Row and column scalings are shrunk by more than those passes can be off, so
    the scaled part never exceeds the marginals, and what is left is filled rank-one.
    None where a forbidden arc would have to be crossed or the kernel overflows.
    """
    cost = problem.cost
    if "finite" not in cost.traits:
        return None
    lo, hi = cost.bounds()
    with np.errstate(over="ignore", invalid="ignore"):
        if not all((v < np.inf).all() for v in plan.exponents):  # false for nan, too; -inf is a weight of zero
            return None
        base = plan.rounding.cost
    # Sums of n or m nonnegative floats, two exps of at most 4 ulps, a handful of products: see the docs.  The rounding
    # of the exponents defines another plan in other units: where epsilon is tiny, a noticeably different one.
    exponent = (np.abs(plan.f).max() + np.abs(plan.g).max() + max(abs(lo), abs(hi))) / plan.epsilon
    exponent += sum(float(np.abs(np.log(w[w > 0])).max()) for w in (plan.a, plan.b / plan.b.sum()))
    nu = (4 * max(problem.shape) + 2 * cost.enclosure.ulps + cost.exponent_ulps * exponent + 256) * 2.0**-53
    if not (np.isfinite(base) and nu < 1):
        return None
    mass = float(problem.a.sum())
    value = base + nu * (abs(base) + 8 * mass * (hi - lo) + mass * max(abs(lo), abs(hi)))
    return UpperBound(float(np.nextafter(value, np.inf)), plan)
