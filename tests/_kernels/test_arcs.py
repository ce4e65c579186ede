"""Start trees and candidate arcs against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels import arcs, simplex
from otcore._kernels.tree import spanning_forest
from otcore.engines.exact import integer_masses
from tests import naive


def test_fill_gives_a_feasible_tree_from_any_sequence_of_arcs():
    rng = np.random.default_rng(9)
    for _ in range(300):
        n, m = rng.integers(1, 8, 2)
        masses = integer_masses(rng.random(n) + 1e-3, rng.random(m) + 1e-3)
        k = int(rng.integers(0, 2 * (n + m)))
        i, j = arcs.fill(rng.integers(0, n, k), rng.integers(0, m, k), masses.a, masses.b)
        tree = simplex.hang(n, m, i, j, np.zeros(i.size))
        assert tree.order[-1] != simplex.NONE
        assert np.delete(simplex.tree_flow(n, tree, masses.a, masses.b), tree.order[0]).min(initial=1) > 0


def chosen(M, g, k, most, blocks):
    """Arcs that the kernels choose from M, seen in pieces; and the row minima and the tops they find."""
    n, m = M.shape
    f, row_top, column_top, lanes = np.empty(n), np.empty(n), np.empty(m), np.full((arcs.LANES, m), np.inf)
    for i0, i1 in blocks:
        arcs.tops(M[i0:i1], i0, g, k, f, row_top, lanes)
    arcs.column_tops(lanes, k, column_top)
    i, j = np.empty((2, (n + m) * most), np.int64)
    count, used = np.zeros(m, np.int64), 0
    for i0, i1 in blocks:
        used = arcs.low(M[i0:i1], i0, g, f, row_top, column_top, most, count, i, j, used)
    return i[:used], j[:used], f, row_top, column_top


@pytest.mark.parametrize("shape", [(9, 150), (150, 9), (130, 170), (3, 2)])
def test_low_arcs_are_about_the_cheapest_of_each_row_and_column(shape):
    rng = np.random.default_rng(4)
    (n, m), k = shape, 4
    M = rng.random((n, m))
    M[rng.random((n, m)) < 0.2] = np.inf
    M[0], M[0, 0] = np.inf, 1.0
    g = rng.random(m)
    i, j, f, row_top, column_top = chosen(M, g, k, 4 * k, [(0, n // 2), (n // 2, n)])
    x = M - g
    assert np.array_equal(f, x.min(axis=1))
    assert np.array_equal(row_top, naive.tops(x, k, arcs.LANES))
    assert np.array_equal(column_top, naive.tops((x - f[:, None]).T, k, arcs.LANES))
    low = ((x <= row_top[:, None]) | (x - f[:, None] <= column_top)) & np.isfinite(M)
    assert np.array_equal(i, np.sort(i)) and set(zip(i, j, strict=True)) == set(zip(*np.nonzero(low), strict=True))
    kth = np.sort(x)[:, min(k, m) - 1] if m >= k else np.full(n, np.inf)
    assert (row_top >= kth).all() and low.sum() <= 3 * k * (n + m)  # no fewer than k, and not many more


def test_ties_do_not_choose_all_arcs_nor_all_from_one_side():
    n, k = 300, 4
    i, j, *_ = chosen(np.ones((n, n)), np.zeros(n), k, 4 * k, [(0, n)])
    assert i.size <= 8 * k * n
    assert np.bincount(i, minlength=n).min() > 0 and np.bincount(j, minlength=n).min() > 0


def test_tight_arcs_carry_the_masses_of_their_tree_if_it_can():
    rng = np.random.default_rng(5)
    carried = 0
    for _ in range(200):
        n, m = rng.integers(1, 7, 2)
        masses = integer_masses(rng.random(n) + 1e-3, rng.random(m) + 1e-3)
        i, j = np.indices((n, m)).reshape(2, -1)
        order = rng.permutation(n * m)
        forest = np.zeros(n * m, np.bool_)
        spanning_forest(n, m, i, j, order, forest)
        tree = simplex.hang(n, m, i[forest], j[forest], np.zeros(n + m - 1))
        flow = simplex.tree_flow(n, tree, masses.a, masses.b)
        if np.delete(flow, tree.order[0]).min(initial=1) > 0:
            carried += 1
            out = arcs.fill(*arcs.tight(n, m, i, j, order), masses.a, masses.b)
            assert set(zip(*out, strict=True)) == set(zip(i[forest], j[forest], strict=True))
    assert carried > 20


def test_violations_equal_a_full_sort():
    rng = np.random.default_rng(4)
    n, m, K = 9, 150, 4
    M = rng.random((n, m))
    M[rng.random((n, m)) < 0.2] = np.inf
    f, g = rng.random(n) + 0.3, rng.random(m)
    worst_r, worst_j = np.full((n, K), -0.1), np.full((n, K), -1)
    arcs.violations(M, 0, f, g, 0.1, worst_r, worst_j)
    expected = np.minimum(np.sort(M - f[:, None] - g)[:, :K], -0.1)
    assert np.array_equal(worst_r, expected)
    assert np.array_equal(worst_j >= 0, expected < -0.1)
