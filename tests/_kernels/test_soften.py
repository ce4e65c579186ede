"""Softened potentials against a dense Sinkhorn iteration, and where they cannot be had."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels.soften import soften, softened
from tests import naive


def by_rows(M):
    """The finite arcs of M, row by row, as (start, j, cost)."""
    i, j = np.nonzero(np.isfinite(M))
    return np.append(0, np.cumsum(np.bincount(i, minlength=M.shape[0]))), j, M[i, j]


@pytest.mark.parametrize("sweeps", [1, 2, 5])
def test_soften_is_over_relaxed_sinkhorn(sweeps):
    rng = np.random.default_rng(0)
    M = rng.random((7, 9))
    M[rng.random((7, 9)) < 0.3] = np.inf
    a, b = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(9))
    f, g = rng.random(7) * 0.1, rng.random(9) * 0.1
    expected = naive.sinkhorn(M, a, b, 0.2, sweeps, f, g, 1.5)
    soften(*by_rows(M), a, b, 0.2, sweeps, f, g)
    assert f == pytest.approx(expected[0], rel=1e-7) and g == pytest.approx(expected[1], rel=1e-7)


def test_softened_potentials_are_worth_more_than_row_minima():
    rng = np.random.default_rng(1)
    M, a, b = rng.random((60, 60)), rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(60))
    f, g = softened(*by_rows(M), a, b)
    minima = M.min(axis=0)
    f = (M - g).min(axis=1)
    assert a @ f + b @ g > a @ (M - minima).min(axis=1) + b @ minima


@pytest.mark.parametrize("a", [[1.0, 0.0], [1.0, 1e-300], [0.5, 0.5]])
def test_rows_and_columns_without_arcs_or_mass_leave_numbers(a):
    M = np.array([[0.0, 1.0, np.inf], [2.0, 0.0, np.inf]])
    for potential in softened(*by_rows(M), np.array(a), np.array([0.5, 0.25, 0.25])):
        assert np.isfinite(potential).all()
    M[1] = np.inf
    f, g = softened(*by_rows(M), np.array(a), np.array([0.5, 0.25, 0.25]))
    assert f[1] == 0.0 and g[2] == 0.0
