"""kd order, nested cells, and trees carried from cells to their parts."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels import cells, simplex
from otcore.engines.exact import integer_masses, north_west


@pytest.mark.parametrize("n", [1, 2, 31, 33, 1000, 1025, 5000])
@pytest.mark.parametrize("kind", ["random", "equal", "lattice"])
def test_kd_order_halves_every_range_along_its_widest_side(n, kind):
    rng = np.random.default_rng(n)
    x = {"random": rng.random((n, 2)), "equal": np.ones((n, 2)), "lattice": rng.integers(0, 5, (n, 2)) * 1.0}[kind]
    order = cells.kd_order(x.T.copy())
    assert sorted(order) == list(range(n))
    z = x[order]

    def check(lo, hi):
        middle = lo + cells.cut(hi - lo)
        if middle == lo:
            return
        axis = np.argmax(np.ptp(z[lo:hi], axis=0))
        assert z[lo:middle, axis].max() <= z[middle:hi, axis].min()
        check(lo, middle)
        check(middle, hi)

    check(0, n)


def test_cuts_fall_between_whole_boxes():
    for size in (2, 31, 32, 33, 100, 1024, 1025, 10_000, 10**6):
        middle = cells.cut(size)
        assert 0 < middle < size
        assert size <= cells.LEAF or middle % cells.LEAF == 0
        assert size <= cells.SUPER or middle % cells.SUPER == 0


def test_halves_end_at_single_points():
    edges = np.array([0, 77])
    for _ in range(10):
        finer = cells.halves(edges)
        assert np.isin(edges, finer).all() and (np.diff(finer) > 0).all()
        edges = finer
    assert np.array_equal(edges, np.arange(78))


@pytest.mark.parametrize("seed", range(20))
def test_refined_trees_are_feasible_trees(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 60, 2)
    masses = integer_masses(rng.random(n), rng.random(m))
    rows, columns = (np.unique(np.r_[0, rng.integers(0, k, 5), k]) for k in (n, m))
    a, b = np.add.reduceat(masses.a, rows[:-1]), np.add.reduceat(masses.b, columns[:-1])
    coarse = north_west(a, b)
    tree = simplex.hang(a.size, b.size, coarse.i, coarse.j, np.zeros(coarse.i.size))
    flow = simplex.arc_flow(a.size, tree, coarse.i, coarse.j, simplex.tree_flow(a.size, tree, a, b))
    i, j = cells.refine(coarse.i, coarse.j, flow, rows, columns, masses.a, masses.b)
    fine = simplex.hang(n, m, i, j, np.zeros(i.size))
    assert fine.order[-1] != simplex.NONE
    assert np.delete(simplex.tree_flow(n, fine, masses.a, masses.b), fine.order[0]).min(initial=1) > 0
    cell_i, cell_j = (np.searchsorted(e, k, side="right") - 1 for e, k in ((rows, i), (columns, j)))
    assert set(zip(cell_i, cell_j, strict=True)) == set(zip(coarse.i, coarse.j, strict=True))
