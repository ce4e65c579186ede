"""Start trees and candidate arcs against their definitions."""

from __future__ import annotations

import numpy as np

from otcore._kernels import arcs, simplex
from otcore.engines.exact import integer_masses


def test_fill_gives_a_feasible_tree_from_any_sequence_of_arcs():
    rng = np.random.default_rng(9)
    for _ in range(300):
        n, m = rng.integers(1, 8, 2)
        masses = integer_masses(rng.random(n) + 1e-3, rng.random(m) + 1e-3)
        k = int(rng.integers(0, 2 * (n + m)))
        i, j = arcs.fill(rng.integers(0, n, k), rng.integers(0, m, k), masses.a, masses.b)
        tree = simplex.hang(n, m, i, j, np.zeros(i.size))
        assert tree.order[-1] >= 0
        assert np.delete(simplex.tree_flow(n, tree, masses.a, masses.b), tree.order[0]).min(initial=1) > 0


def test_cheapest_and_violations_equal_a_full_sort():
    rng = np.random.default_rng(4)
    n, m, K, L = 9, 150, 4, 3
    M = rng.random((n, m))
    M[rng.random((n, m)) < 0.2] = np.inf
    g = rng.random(m)
    row_r, row_j = np.full((n, K), np.inf), np.full((n, K), -1)
    column_r, column_i = np.full((L, m), np.inf), np.full((L, m), -1)
    for i0, i1 in [(0, 4), (4, 9)]:
        arcs.cheapest(M[i0:i1], i0, n, g, row_r, row_j, column_r, column_i)
    assert np.array_equal(row_r, np.sort(M - g)[:, :K])
    f = row_r[:, 0]
    assert np.array_equal(column_r, np.sort(M - g - f[:, None], axis=0)[:L])
    assert np.array_equal(row_r, (M - g)[np.arange(n)[:, None], row_j])

    f = f + 0.3  # many violations
    worst_r, worst_j = np.full((n, K), -0.1), np.full((n, K), -1)
    arcs.violations(M, 0, f, g, 0.1, worst_r, worst_j)
    expected = np.minimum(np.sort(M - f[:, None] - g)[:, :K], -0.1)
    assert np.array_equal(worst_r, expected)
    assert np.array_equal(worst_j >= 0, expected < -0.1)
