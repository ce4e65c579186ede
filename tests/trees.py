"""Trees of small transportation problems for the tests of the simplex kernels, and their invariants."""

from __future__ import annotations

import numpy as np

from otcore._kernels import simplex
from otcore.engines.exact import north_west


def orden(a, b):
    """Integer masses with Orden's perturbation, unscaled."""
    a, b = np.asarray(a) * (len(a) + 1) + 1, np.asarray(b) * (len(a) + 1)
    b[-1] += len(a)
    return a, b


def planted(M, a, b):
    n, m = M.shape
    basis = north_west(a, b)
    tree = simplex.hang(n, m, basis.i, basis.j, M[basis.i, basis.j])
    simplex.load(n, tree, simplex.tree_flow(n, tree, a, b))
    return tree


def flow_on(n, tree):
    """What is stored at each node, from both residuals."""
    rows = np.arange(tree.order.size) < n
    flow, free = np.where(rows, tree.down, tree.up), np.where(rows, tree.up, tree.down)
    other = np.delete(free, tree.order[0])
    assert (other > simplex.FREE // 2).all()
    return flow * (tree.parent != simplex.NONE)


def check_tree(n, tree):
    """The invariants of a hanging tree, recomputed from ``parent`` alone."""
    N = tree.order.size
    assert sorted(tree.order) == list(range(N))
    assert np.array_equal(tree.order[tree.place], np.arange(N))
    assert tree.parent[tree.order[0]] == simplex.NONE
    below = [{v} for v in range(N)]
    for v in tree.order[:0:-1]:
        assert tree.place[tree.parent[v]] < tree.place[v]
        assert (v < n) != (tree.parent[v] < n)
        below[tree.parent[v]] |= below[v]
    for v in range(N):
        assert set(tree.order[tree.place[v] : tree.place[v] + tree.size[v]]) == below[v]


def random_masses(rng, n, m):
    """Positive integers of equal sum."""
    a, b = rng.integers(1, 6, n), rng.integers(1, 6, m)
    return (a, b) if a.sum() == b.sum() else (a * b.sum(), b * a.sum())
