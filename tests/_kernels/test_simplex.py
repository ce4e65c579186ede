"""The network simplex kernel against brute force, and its array tree against a tree walked by hand."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from trees import check_tree, flow_on, orden, planted, random_masses

from otcore._kernels import simplex


def all_arcs(n, m):
    i, j = np.indices((n, m)).reshape(2, -1)
    return i, j


def pivots(n, tree, i, j, cost, k, limit):
    tail, head = i.astype(simplex.NODE), (n + j).astype(simplex.NODE)
    return simplex.pivots(tree, tail, head, cost, k, limit, 0.0, np.empty(0, np.int64))


def solved(M, a, b, limit=10**9):
    """The optimal tree, and the total number of pivots."""
    a, b = orden(a, b)
    tree, (i, j) = planted(M, a, b), all_arcs(*M.shape)
    k, total, optimal = 0, 0, False
    while not optimal:
        done, k, optimal = pivots(len(a), tree, i, j, M.ravel(), k, limit)
        total += done
    return tree, total


def tree_value(M, tree, a, b):
    """Exact cost of the tree's flow for the unperturbed masses, as a Fraction."""
    n = len(a)
    flow = simplex.tree_flow(n, tree, np.asarray(a), np.asarray(b))
    value = Fraction(0)
    for v in tree.order[1:]:
        p = tree.parent[v]
        assert flow[v] >= 0
        value += int(flow[v]) * Fraction(float(M[min(v, p), max(v, p) - n]))
    return value


def brute_force(M, a, b):
    """The least cost over all spanning trees with a non-negative flow, in Fractions."""
    n, m = M.shape
    arcs, best = list(itertools.product(range(n), range(m))), None
    for chosen in itertools.combinations(arcs, n + m - 1):
        i, j = np.array(chosen).T
        tree = simplex.hang(n, m, i.astype(np.int64), j.astype(np.int64), np.zeros(i.size))
        if tree.order[-1] == simplex.NONE:
            continue
        flow = simplex.tree_flow(n, tree, a, b)
        if flow.min() >= 0:
            value = tree_value(M, tree, a, b)
            best = value if best is None else min(best, value)
    return best


@pytest.mark.parametrize("seed", range(60))
def test_optimum_equals_the_best_of_all_spanning_trees(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.choice([(1, 1), (1, 3), (3, 1), (2, 2), (2, 3), (3, 2), (2, 4), (3, 3)])
    a, b = random_masses(rng, n, m)
    M = rng.integers(-3, 5, (n, m)).astype(float)
    tree, _ = solved(M, a, b)
    assert tree_value(M, tree, a, b) == brute_force(M, a, b)


def test_strong_duality_holds_exactly_on_a_thousand_integer_problems():
    rng = np.random.default_rng(7)
    for _ in range(1000):
        n, m = rng.integers(1, 9, 2)
        M = rng.integers(-4, 5, (n, m)).astype(float)
        a, b = random_masses(rng, n, m)
        tree, _ = solved(M, a, b)
        f, g = tree.potential[:n], -tree.potential[n:]
        assert (f[:, None] + g <= M).all()  # integers: no rounding
        assert tree_value(M, tree, a, b) == int(f @ a + g @ b)


@pytest.mark.parametrize("ties", ["constant", "lattice", "two values", "permutation"])
def test_ties_everywhere_neither_cycle_nor_spoil_the_optimum(ties):
    rng = np.random.default_rng(3)
    n = 24
    x, y = rng.integers(0, 4, (2, n, 2))
    M = {
        "constant": np.full((n, n), 2.0),
        "lattice": np.abs(x[:, None] - y).sum(axis=2).astype(float),
        "two values": rng.integers(0, 2, (n, n)).astype(float),
        "permutation": 1.0 - np.eye(n)[rng.permutation(n)],
    }[ties]
    a = b = np.ones(n, np.int64)
    tree, pivots = solved(M, a, b)
    f, g = tree.potential[:n], -tree.potential[n:]
    assert (f[:, None] + g <= M).all()
    assert tree_value(M, tree, a, b) == int(f.sum() + g.sum())
    assert pivots < n**3


def test_every_pivot_lowers_the_cost_and_keeps_flows_positive_and_slices_whole():
    rng = np.random.default_rng(11)
    for n, m in [(7, 9), (12, 5), (1, 6), (6, 1), (15, 15)]:
        a, b = orden(*random_masses(rng, n, m))
        M = rng.integers(0, 4, (n, m)).astype(float)
        tree, (i, j) = planted(M, a, b), all_arcs(n, m)
        k, before, optimal = 0, np.inf, False
        check_tree(n, tree)
        while True:
            done, k, optimal = pivots(n, tree, i, j, M.ravel(), k, 1)
            if done == 0:
                break
            check_tree(n, tree)
            flow = flow_on(n, tree)
            assert np.array_equal(flow, simplex.tree_flow(n, tree, a, b) * (tree.parent != simplex.NONE))
            assert flow[tree.order[1:]].min() > 0
            cost = np.where(np.arange(n + m) < n, tree.rise, -tree.rise)
            value = int(flow @ cost)
            assert value < before
            before = value
            for v in tree.order[1:]:
                p = tree.parent[v]
                r, c = min(v, p), max(v, p)
                assert cost[v] == M[r, c - n] == tree.potential[r] - tree.potential[c]
        assert optimal


def test_a_run_in_small_steps_makes_the_same_pivots_as_one_run():
    rng = np.random.default_rng(5)
    M = rng.integers(0, 50, (40, 30)).astype(float)  # integers: refreshed potentials are the same floats
    a, b = random_masses(rng, 40, 30)
    whole, pivots = solved(M, a, b)
    for limit in (1, 3, 50):
        parts, total = solved(M, a, b, limit)
        assert total == pivots > 50
        assert all(np.array_equal(p, q) for p, q in zip(whole, parts, strict=True))


def test_the_flow_is_nowhere_zero_on_any_tree():
    rng = np.random.default_rng(2)
    for _ in range(200):
        n, m = rng.integers(1, 8, 2)
        a, b = orden(*random_masses(rng, n, m))
        i, j = all_arcs(n, m)
        shuffled = rng.permutation(i.size)
        joined, arcs = list(range(n + m)), []
        for k in shuffled:  # Kruskal on random weights: any spanning tree, feasible or not
            p, q = joined[i[k]], joined[n + j[k]]
            if p != q:
                joined = [p if c == q else c for c in joined]
                arcs.append(k)
        tree = simplex.hang(n, m, i[arcs], j[arcs], np.zeros(len(arcs)))
        check_tree(n, tree)
        flow = simplex.tree_flow(n, tree, a, b)
        assert (np.delete(flow, tree.order[0]) != 0).all()


def test_hang_takes_the_centroid_and_refuses_what_is_not_a_tree():
    path = simplex.hang(3, 3, np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2]), np.arange(5.0))
    check_tree(3, path)
    assert max(path.size[v] for v in range(6) if path.parent[v] == path.order[0]) <= 3
    cycle = simplex.hang(2, 3, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.zeros(4))
    loop = simplex.hang(3, 2, np.array([1, 1, 2, 2]), np.array([0, 1, 0, 1]), np.zeros(4))
    double = simplex.hang(2, 2, np.array([0, 0, 1]), np.array([0, 0, 1]), np.zeros(3))
    assert cycle.order[-1] == loop.order[-1] == double.order[-1] == simplex.NONE


def test_refreshed_potentials_are_the_path_sums_rounded_once():
    rng = np.random.default_rng(0)
    n = 40  # a path: the longest sums
    i, j = np.repeat(np.arange(n), 2)[:-1], np.repeat(np.arange(n), 2)[1:]
    cost = rng.random(2 * n - 1) * 10.0 ** rng.integers(-8, 8, 2 * n - 1)
    tree = simplex.hang(n, n, i, j, cost)
    check_tree(n, tree)
    tolerance = simplex.refresh(tree)
    exact = {int(tree.order[0]): Fraction(0)}
    for v in tree.order[1:]:
        exact[int(v)] = exact[int(tree.parent[v])] + Fraction(float(tree.rise[v]))
    assert all(tree.potential[v] == float(exact[v]) for v in range(2 * n))
    assert tolerance == 2.0**-50 * np.abs(tree.potential).max()
