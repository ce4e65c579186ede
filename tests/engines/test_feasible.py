"""Phase 1 against linprog and against cuts recomputed by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import linprog

from otcore.costs import DenseCost
from otcore.engines.feasible import transportable


def least_stuck(M, a, b):
    """The least mass on forbidden arcs by HiGHS, relative to the total."""
    n, m = M.shape
    A = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    result = linprog(np.isinf(M).ravel() * 1.0, A_eq=A, b_eq=np.concatenate([a, b]), method="highs")
    return result.fun / a.sum()


def check(M, a, b):
    answer = transportable(DenseCost(M), a, b)
    flow, i, j = answer.flow, answer.basis.i, answer.basis.j
    assert flow.min() >= 0
    assert np.allclose(np.bincount(i, flow, a.size), a, rtol=0, atol=1e-13 * a.sum())
    assert np.allclose(np.bincount(j, flow, b.size), b, rtol=0, atol=1e-13 * a.sum())
    assert flow[np.isinf(M[i, j])].sum() / a.sum() == pytest.approx(answer.mass_stuck, abs=1e-15)
    if answer.mass_stuck == 0:
        assert answer.rows.size == answer.cols.size == 0
    else:
        others = np.setdiff1d(np.arange(b.size), answer.cols)
        assert np.isinf(M[np.ix_(answer.rows, others)]).all()
        excess = (a[answer.rows].sum() - b[answer.cols].sum()) / a.sum()
        assert excess == pytest.approx(answer.mass_stuck, abs=1e-13)
    return answer


@pytest.mark.parametrize("seed", range(40))
def test_stuck_mass_equals_linprog_and_the_cut_proves_it(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    M = np.where(rng.random((n, m)) < rng.choice([0.2, 0.5, 0.8]), np.inf, rng.standard_normal((n, m)))
    M[0, 0] = 0.0
    a, b = rng.integers(1, 5, n), rng.integers(1, 5, m)
    a, b = (a * b.sum()).astype(float), (b * a.sum()).astype(float)
    assert check(M, a, b).mass_stuck == pytest.approx(least_stuck(M, a, b), abs=1e-12)


def test_integer_masses_that_fit_exactly_leave_exactly_nothing():
    M = np.full((5, 5), np.inf)
    np.fill_diagonal(M, 1.0)
    a = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert check(M, a, a.copy()).mass_stuck == 0.0
    assert check(M, a, a[::-1].copy()).mass_stuck == pytest.approx(6 / 15)


def test_no_finite_arc_at_all_leaves_everything():
    answer = transportable(DenseCost(np.where(np.eye(3) > 0, np.inf, np.inf)), np.ones(3), np.ones(3))
    assert answer.mass_stuck == 1.0
    assert answer.rows.size == 3 and answer.cols.size == 0


@pytest.mark.parametrize("density", [0.5, 0.02, 0.008])
def test_a_thousand_rows_take_well_below_a_second(density):
    rng = np.random.default_rng(3)
    n = 1000
    M = np.where(rng.random((n, n)) < density, rng.random((n, n)), np.inf)
    check(M, np.ones(n), np.ones(n))  # compiles
    start = time.process_time()
    check(M, np.ones(n), np.ones(n))
    assert time.process_time() - start < 1.0
