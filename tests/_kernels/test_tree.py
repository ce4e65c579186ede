"""Fixed-point arithmetic and forest flows against Python integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from otcore._kernels import tree

LIMB = tree.LIMB
UNIT = Fraction(1, LIMB**2)


def units(hi, lo):
    return [int(h) * LIMB + int(low) for h, low in zip(hi, lo, strict=True)]


def limbs(values):
    hi, lo = zip(*(divmod(v, LIMB) for v in values), strict=True)
    return np.array(hi, dtype=np.int64), np.array(lo, dtype=np.int64)


def test_to_fixed_is_the_floor_and_says_whether_it_cut():
    rng = np.random.default_rng(0)
    for w in (rng.random(50), 10.0 ** rng.uniform(-40, 0, 50), np.array([0.0, 5e-324, 2.0**-104, 1 - 2.0**-53])):
        hi, lo = np.empty((2, w.size), np.int64)
        kept, total = tree.to_fixed(w, hi, lo)
        exact = [Fraction(float(x)) / UNIT for x in w]
        assert units(hi, lo) == [x.numerator // x.denominator for x in exact]
        assert kept == all(x.denominator == 1 for x in exact)
        assert total[0] * LIMB + total[1] == sum(units(hi, lo))
        assert ((lo >= 0) & (lo < LIMB)).all()


@pytest.mark.parametrize("seed", range(10))
def test_to_fixed_scaled_stays_below_every_ratio_within_the_error_stated(seed):
    rng = np.random.default_rng(seed)
    w = np.concatenate([rng.random(40), 10.0 ** rng.uniform(-35, 0, 40), [0.0]]) / 2
    ratio = Fraction(int(rng.integers(2**60, 2**61)), 2**60) * Fraction(3, 4)  # 0.75 .. 1.5
    head = float(ratio)
    tail = float(ratio - Fraction(head))
    for cut in (0, 81, 10_000):
        hi, lo = np.empty((2, w.size), np.int64)
        tree.to_fixed_scaled(w, head, tail, cut, hi, lo)
        low_ratio = ratio * (1 - 8 * cut * UNIT)
        for mass, x in zip(units(hi, lo), w, strict=True):
            exact = Fraction(float(x)) * low_ratio / UNIT
            assert 0 <= mass <= exact
            assert mass >= exact - 20 - 16 * cut * Fraction(float(x)) or mass == 0


def test_total_is_exact_whatever_carries():
    rng = np.random.default_rng(0)
    values = [int(v) for v in rng.integers(0, LIMB, 2000)] + [LIMB - 1] * 3000 + [LIMB**2 // 8]
    high, low = tree.total(*limbs(values))
    assert int(high) * LIMB + int(low) == sum(values)


def naive_forest(n, m, i, j, order):
    part = list(range(n + m))
    chosen = [False] * len(i)
    for k in order:
        u, v = part[i[k]], part[n + j[k]]
        if u != v:
            chosen[k] = True
            part = [v if p == u else p for p in part]
    return chosen


def random_forest(n, m, links, rng):
    i, j = rng.integers(0, n, links), rng.integers(0, m, links)
    chosen = np.empty(links, dtype=bool)
    count = tree.spanning_forest(n, m, i, j, rng.permutation(links), chosen)
    assert count == chosen.sum()
    return i[chosen], j[chosen]


@pytest.mark.parametrize("seed", range(10))
def test_spanning_forest_takes_what_kruskal_takes(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 8, 2)
    i, j, order = rng.integers(0, n, 20), rng.integers(0, m, 20), rng.permutation(20)
    chosen = np.empty(20, dtype=bool)
    tree.spanning_forest(n, m, i, j, order, chosen)
    assert chosen.tolist() == naive_forest(n, m, i.tolist(), j.tolist(), order.tolist())


@pytest.mark.parametrize("seed", range(30))
def test_forest_flows_meet_every_node_or_leave_what_a_component_cannot_carry(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    i, j = random_forest(n, m, int(rng.integers(0, 40)), rng)
    rows, columns = [int(v) for v in rng.integers(0, LIMB, n)], [int(v) for v in rng.integers(0, LIMB, m)]
    rows = [v * int(rng.integers(1, LIMB)) // 64 for v in rows]
    columns = [v * int(rng.integers(1, LIMB)) // 64 for v in columns]
    hi, lo = limbs(rows + columns)
    flow_hi, flow_lo = np.empty((2, i.size), np.int64)
    tree.forest_flows(n, m, i, j, hi, lo, flow_hi, flow_lo)
    flows, rest = units(flow_hi, flow_lo), units(hi, lo)
    for flow, row, column in zip(flows, i.tolist(), j.tolist(), strict=True):
        rows[row] -= flow
        columns[column] -= flow
    # Each component keeps its imbalance in one node; all others are met exactly, with flows of either sign.
    assert rest == rows + columns
    graph = naive_components(n, m, i.tolist(), j.tolist())
    for part in set(graph):
        assert sum(rest[k] != 0 for k in range(n + m) if graph[k] == part) <= 1


@pytest.mark.parametrize("seed", range(40))
def test_flows_of_a_staircase_are_those_of_the_tree(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 8, 2)
    down = rng.permutation(np.repeat([True, False], [n - 1, m - 1]))
    rows, columns = rng.permutation(n), rng.permutation(m)
    i = rows[np.append(0, np.cumsum(down))]
    j = columns[np.append(0, np.cumsum(~down))]
    values = [int(v) ** 2 // 2 for v in rng.integers(0, 2**50, n + m)]
    values[n] += sum(values[:n]) - sum(values[n:])  # balanced; one mass may be negative
    hi, lo = limbs(values)
    flow_hi, flow_lo, other_hi, other_lo = np.empty((4, i.size), np.int64)
    assert tree.staircase_flows(n, i, j, hi, lo, flow_hi, flow_lo)
    rest_hi, rest_lo = hi.copy(), lo.copy()
    tree.forest_flows(n, m, i, j, rest_hi, rest_lo, other_hi, other_lo)
    assert not rest_hi.any() and not rest_lo.any()
    assert flow_hi.tolist() == other_hi.tolist() and flow_lo.tolist() == other_lo.tolist()


def test_limbs_are_borrowed_along_a_staircase():
    i, j = np.array([0, 0, 1]), np.array([0, 1, 1])
    hi, lo = np.array([3, 2, 1, 3]), np.array([0, 5, 7, 2**52 - 2])
    flow_hi, flow_lo = np.empty((2, 3), np.int64)
    assert tree.staircase_flows(2, i, j, hi, lo, flow_hi, flow_lo)
    assert units(flow_hi, flow_lo) == [2**52 + 7, 2 * 2**52 - 7, 2 * 2**52 + 5]


@pytest.mark.parametrize(
    ("i", "j", "hi"),
    [
        ([0, 1, 1], [0, 1, 0], [1, 1, 1, 1]),  # a jump
        ([0, 0, 0], [0, 1, 0], [1, 1, 1, 1]),  # a column twice
        ([0, 0, 0], [0, 0, 1], [1, 1, 1, 1]),  # an arc twice
        ([0, 0, 1], [0, 1, 1], [1, 1, 1, 2]),  # not balanced
        ([0, 0], [0, 1], [1, 1, 1, 1]),  # too short
    ],
)
def test_what_is_no_staircase_is_left_to_the_tree(i, j, hi):
    flows = np.empty((2, len(i)), np.int64)
    assert not tree.staircase_flows(2, np.array(i), np.array(j), np.array(hi), np.zeros(4, np.int64), *flows)


def test_floats_of_fixed_point_masses_are_exact_pairs():
    rng = np.random.default_rng(0)
    hi, lo = rng.integers(-(2**52), 2**52, 200), rng.integers(0, 2**52, 200)
    head, tail = np.empty((2, 200))
    tree.to_floats(hi, lo, head, tail)
    for k, exact in enumerate(units(hi, lo)):
        assert Fraction(head[k]) + Fraction(tail[k]) == Fraction(exact, 2**104)
        assert head[k] == float(Fraction(exact, 2**104))


def naive_components(n, m, i, j):
    part = list(range(n + m))
    for row, column in zip(i, j, strict=True):
        u, v = part[row], part[n + column]
        part = [v if p == u else p for p in part]
    return part


@pytest.mark.parametrize("shape", ["star", "path", "comb"])
def test_flows_on_long_and_wide_trees(shape):
    n = m = 500
    rng = np.random.default_rng(0)
    if shape == "star":
        i, j = np.append(np.arange(n), np.zeros(m - 1, np.int64)), np.append(np.zeros(n, np.int64), np.arange(1, m))
    else:
        i, j = np.repeat(np.arange(n), 2)[1:], np.repeat(np.arange(m), 2)[:-1]
        if shape == "comb":
            i = np.append(np.arange(n), np.arange(n - 1))
            j = np.append(np.arange(n), np.arange(1, n))
    order = rng.permutation(i.size)
    i, j = i[order], j[order]
    true = [int(v) for v in rng.integers(-(2**40), 2**45, i.size)]
    nodes = [0] * (n + m)
    for flow, row, column in zip(true, i.tolist(), j.tolist(), strict=True):
        nodes[row] += flow
        nodes[n + column] += flow
    hi, lo = limbs(nodes)
    flow_hi, flow_lo = np.empty((2, i.size), np.int64)
    tree.forest_flows(n, m, i, j, hi, lo, flow_hi, flow_lo)
    assert units(flow_hi, flow_lo) == true
    assert not hi.any()
    assert not lo.any()


def test_incidence_groups_arcs_by_node_in_their_order():
    nodes = np.random.default_rng(0).integers(0, 6, 40)
    first, arcs = np.empty(8, np.int64), np.empty(40, np.int64)
    tree.incidence(nodes, first, arcs)
    for v in range(7):
        assert arcs[first[v] : first[v + 1]].tolist() == np.flatnonzero(nodes == v).tolist()
