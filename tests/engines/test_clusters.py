"""Stored matrices of few intrinsic dimensions: seen by their entries, solved from coarse to fine."""

from __future__ import annotations

import numpy as np
import pytest

from otcore.costs import DenseCost
from otcore.engines import clusters
from otcore.engines.exact import solve


def matrix(kind, n=700, m=650):
    rng = np.random.default_rng(n)
    if kind == "random":
        return rng.random((n, m))
    if kind == "equal":
        return np.ones((n, m))
    d = {"plane": 2, "space": 3, "lattice": 2, "high": 12}[kind]
    x, y = rng.random((n, d)), rng.random((m, d))
    if kind == "lattice":
        x, y = np.floor(12 * x), np.floor(12 * y)
    return ((x[:, None] - y) ** 2).sum(axis=2)


@pytest.mark.parametrize(
    ("kind", "alike"),
    [("plane", True), ("lattice", True), ("space", False), ("random", False), ("high", False), ("equal", False)],
)
def test_cells_are_used_where_they_say_something_about_the_costs(kind, alike):
    found = clusters.places(DenseCost(matrix(kind)))
    assert (found is not None) == alike
    if found is not None:
        assert np.array_equal(np.sort(found.x), np.arange(700)) and np.array_equal(np.sort(found.y), np.arange(650))


def test_forbidden_arcs_and_small_matrices_have_no_cells():
    M = matrix("plane")
    assert clusters.places(DenseCost(M[:500])) is None
    M[3, 5] = np.inf
    assert clusters.places(DenseCost(M)) is None


@pytest.mark.parametrize("kind", ["plane", "lattice"])
def test_the_optimum_is_that_of_the_whole_matrix(kind, monkeypatch):
    M = matrix(kind)
    rng = np.random.default_rng(1)
    a, b = rng.dirichlet(np.ones(700)), rng.dirichlet(np.ones(650))
    cost = DenseCost(M)
    *_, state = solve(cost, a, b)
    assert state.optimal and (state.f[:, None] + state.g - M).max() <= 2.0**-48 * M.max()
    value = state.flow @ M[state.basis.i, state.basis.j]
    monkeypatch.setattr(clusters, "places", lambda cost: None)
    *_, flat = solve(cost, a, b)
    assert value == pytest.approx(flat.flow @ M[flat.basis.i, flat.basis.j], rel=1e-12)
    if kind != "lattice":
        assert state.pivots < flat.pivots
